// Buffers that a socket's bytes are copied into once: the store writes them and worker threads digest them from the same
// memory. Their number bounds what the whole process holds of request bodies, whoever sends them.

/**
 * Large enough for the messages to worker threads to cost little beside the digesting; small enough for a slab to still be in
 * the processor's cache when it is digested, and for the event loop not to copy megabytes at a stretch. From 256 KiB to 2 MiB
 * the throughput was the same within the noise, the loop's delay grew with the size.
 */
export const SLAB_BYTES = 512 * 1024

/**
 * A fast client fills a slab in one turn of the event loop, and nobody else is heard meanwhile: where a crowd of 200 got all 64 at
 * once, a turn took a tenth of a second. By so few it takes a quarter of that, and the throughput is the same.
 */
export const MOST_LENT_PER_TURN = 2

/** A buffer on loan. */
export interface Slab {
  /** `SLAB_BYTES` long, on a SharedArrayBuffer, holding what the last borrower left. */
  readonly bytes: Uint8Array
  /** Gives the buffer back; `bytes` must not be touched after. Harmless when repeated. */
  release(): void
}

const TELL_MS = 250

interface Waiter {
  lend(slab: Slab): void
}

export class SlabPool {
  readonly #limit: number
  readonly #onShort: () => void
  readonly #free: Uint8Array[] = []
  /** In order of arrival. */
  readonly #waiters = new Set<Waiter>()
  #inUse = 0
  #lentThisTurn = 0
  #nextTurn: NodeJS.Immediate | undefined
  #timer: NodeJS.Timeout | undefined

  /**
   * At most `limit` slabs at a time. They are made when first needed and kept.
   *
   * @param onShort told when somebody has to wait for one, and again every quarter of a second while anybody does
   */
  constructor(limit: number, onShort: () => void = () => {}) {
    this.#limit = limit
    this.#onShort = onShort
  }

  /** Somebody waits for a slab, and none is free. */
  get isShort(): boolean {
    return this.#waiters.size > 0 && this.#inUse >= this.#limit
  }

  /** Half of all, or more, are on loan or asked for: who needs little should not ask for one. */
  get isTight(): boolean {
    return 2 * (this.#inUse + this.#waiters.size) >= this.#limit
  }

  /** How many slabs are on loan. */
  get inUse(): number {
    return this.#inUse
  }

  /** How many slabs there may be. */
  get limit(): number {
    return this.#limit
  }

  /** How many wait for a slab while none is free; who only waits for the next turn isn't counted. */
  get waiting(): number {
    return this.isShort ? this.#waiters.size : 0
  }

  /**
   * A slab, when one is free and it is its turn; whoever asks first gets it first.
   *
   * Rejects with the signal's reason when that aborts before.
   */
  acquire(signal?: AbortSignal): Promise<Slab> {
    if (signal?.aborted) return Promise.reject(signal.reason)
    if (this.#canLend && this.#waiters.size === 0) return Promise.resolve(this.#lend())
    return this.#wait(signal)
  }

  #wait(signal: AbortSignal | undefined): Promise<Slab> {
    return new Promise((resolve, reject) => {
      const giveUp = (): void => {
        this.#waiters.delete(waiter)
        reject(signal?.reason)
      }
      const waiter: Waiter = {
        lend: (slab) => {
          signal?.removeEventListener('abort', giveUp)
          resolve(slab)
        },
      }
      this.#waiters.add(waiter)
      signal?.addEventListener('abort', giveUp, { once: true })
      if (this.isShort) this.#beginTelling()
    })
  }

  #beginTelling(): void {
    this.#timer ??= setInterval(() => this.#goOnTelling(), TELL_MS).unref()
    this.#onShort()
  }

  #goOnTelling(): void {
    if (this.isShort) {
      this.#onShort()
      return
    }
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  get #canLend(): boolean {
    return this.#inUse < this.#limit && this.#lentThisTurn < MOST_LENT_PER_TURN
  }

  #lend(): Slab {
    const bytes = this.#free.pop() ?? newSlabBytes()
    this.#inUse++
    this.#lentThisTurn++
    this.#nextTurn ??= setImmediate(() => {
      this.#nextTurn = undefined
      this.#lentThisTurn = 0
      this.#serve()
      if (this.isShort && this.#timer === undefined) this.#beginTelling()
    })
    let isLent = true
    return {
      bytes,
      release: () => {
        if (!isLent) return
        isLent = false
        this.#inUse--
        this.#free.push(bytes)
        this.#serve()
      },
    }
  }

  #serve(): void {
    for (const waiter of this.#waiters) {
      if (!this.#canLend) return
      this.#waiters.delete(waiter)
      waiter.lend(this.#lend())
    }
  }
}

function newSlabBytes(): Uint8Array {
  return new Uint8Array(new SharedArrayBuffer(SLAB_BYTES))
}
