// Which uploads may hold memory for a part now. All of them together stay within one budget, and nobody waits for ever.
//
// A buffer that fills fast is worth a whole part's room: it is full, sent and free in a moment. A slow one would keep that
// room for minutes, so it counts only for what it holds; and when others wait, the one that has been open longest is stored
// early, as a piece, and begins anew behind them.

/** A fast buffer is full within this time, at the rate that it has had so far. */
const FAST_MS = 5000
/** Before this, nobody knows. */
const TRIAL_MS = 250
/** How long somebody waits before a slow buffer, open for as long, has to make room. */
const PATIENCE_MS = 1000
/** What fast buffers may be promised: more of them than this at a time are no faster, they only take more memory. */
const FAST_SHARE = 3 / 8
/** What may be held and promised in all. The rest is for bytes on their way into buffers. */
const COUNTED_SHARE = 7 / 8
const LOOK_AGAIN_MS = 250

/** Memory that one upload gathers a part in. */
export interface PartBuffer {
  readonly heldBytes: number
  /** Stores what it holds as a piece, though the part isn't full; its memory is free when that is done. */
  spill(): void
}

interface Opened {
  wantedBytes: number
  since: number
}

export class PartMemory {
  readonly #budgetBytes: number
  /** In the order in which they were opened. */
  readonly #open = new Map<PartBuffer, Opened>()
  readonly #waiting: { buffer: PartBuffer; wantedBytes: number; since: number; enter: () => void }[] = []
  #sendingBytes = 0
  /** When something was sent last, or began to be sent with nothing else on its way. */
  #progressAt = 0
  /** What was stored early last: it makes room in a moment, unless its request hangs. */
  #spilled: { buffer: PartBuffer; at: number } | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(budgetBytes: number) {
    this.#budgetBytes = budgetBytes
  }

  /** How many bytes are on their way to the store. */
  get sendingBytes(): number {
    return this.#sendingBytes
  }

  /** Waits for its turn to hold memory, first come, first served. A buffer that is open already goes on at once. */
  open(buffer: PartBuffer, wantedBytes: number): Promise<void> | null {
    if (this.#open.has(buffer)) return null
    if (this.#waiting.length === 0 && this.#hasRoomFor(wantedBytes)) {
      this.#enter(buffer, wantedBytes)
      return null
    }
    return new Promise((enter) => {
      this.#waiting.push({ buffer, wantedBytes, since: performance.now(), enter })
      this.#timer ??= setInterval(() => this.#lookAgain(), LOOK_AGAIN_MS).unref()
    })
  }

  /** Holds memory without a turn: its bytes are here already. */
  hold(buffer: PartBuffer, wantedBytes: number): void {
    if (!this.#open.has(buffer)) this.#enter(buffer, wantedBytes)
  }

  /** The buffer's bytes, as many as it holds, are on their way: it is closed. @returns says that they have arrived */
  send(buffer: PartBuffer): () => void {
    const { heldBytes } = buffer
    const isSpilled = this.#spilled?.buffer === buffer
    this.#open.delete(buffer)
    if (this.#sendingBytes === 0) this.#progressAt = performance.now()
    this.#sendingBytes += heldBytes
    return () => {
      this.#sendingBytes -= heldBytes
      this.#progressAt = performance.now()
      if (isSpilled) this.#spilled = undefined
      this.#letIn()
    }
  }

  /** The buffer is given up, and doesn't wait any more. */
  leave(buffer: PartBuffer): void {
    this.#open.delete(buffer)
    if (this.#spilled?.buffer === buffer) this.#spilled = undefined
    const index = this.#waiting.findIndex((waiter) => waiter.buffer === buffer)
    if (index >= 0) this.#waiting.splice(index, 1)[0]?.enter()
    this.#letIn()
  }

  /**
   * Somebody finds no memory: unless some is about to be free, the oldest buffer is stored early.
   *
   * To be called again while that lasts: a request that hangs mustn't keep everybody waiting.
   */
  relieve(): void {
    const isStuck = performance.now() - this.#progressAt >= PATIENCE_MS
    if (this.#sendingBytes === 0 || isStuck) this.#spillOldest(() => true)
  }

  #hasRoomFor(wantedBytes: number): boolean {
    if (this.#open.size === 0 && this.#sendingBytes === 0) return true
    const now = performance.now()
    let promisedBytes = this.#sendingBytes + wantedBytes
    let slowBytes = 0
    for (const [buffer, opened] of this.#open) {
      if (isFast(buffer, opened, now)) promisedBytes += opened.wantedBytes
      else slowBytes += buffer.heldBytes
    }
    // However large its parts are, an upload may gather one while another is on its way.
    const fastBytes = Math.max(this.#budgetBytes * FAST_SHARE, 2 * wantedBytes)
    return promisedBytes <= fastBytes && promisedBytes + slowBytes <= this.#budgetBytes * COUNTED_SHARE
  }

  #enter(buffer: PartBuffer, wantedBytes: number): void {
    this.#open.set(buffer, { wantedBytes, since: performance.now() })
  }

  #letIn(): void {
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      if (!this.#hasRoomFor(first.wantedBytes)) break
      this.#waiting.shift()
      this.#enter(first.buffer, first.wantedBytes)
      first.enter()
    }
    if (this.#waiting.length > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #lookAgain(): void {
    this.#letIn()
    const first = this.#waiting[0]
    const now = performance.now()
    if (first === undefined || now - first.since < PATIENCE_MS) return
    this.#spillOldest((buffer, opened) => now - opened.since >= PATIENCE_MS && !isFast(buffer, opened, now))
  }

  #spillOldest(mayBe: (buffer: PartBuffer, opened: Opened) => boolean): void {
    if (this.#spilled !== undefined && performance.now() - this.#spilled.at < PATIENCE_MS) return
    for (const [buffer, opened] of this.#open) {
      if (buffer.heldBytes === 0 || !mayBe(buffer, opened)) continue
      this.#spilled = { buffer, at: performance.now() }
      buffer.spill()
      return
    }
  }
}

function isFast(buffer: PartBuffer, { wantedBytes, since }: Opened, now: number): boolean {
  const ageMs = now - since
  return ageMs < TRIAL_MS || buffer.heldBytes * FAST_MS >= wantedBytes * ageMs
}
