// Buffers that a socket's bytes are copied into once: the store writes them and worker threads digest them from the same
// memory. Their number bounds what the whole process holds of request bodies, whoever sends them.

/**
 * Large enough for the messages to worker threads to cost little beside the digesting; small enough for a slab to still be in
 * the processor's cache when it is digested, and for the event loop not to copy megabytes at a stretch. From 256 KiB to 2 MiB
 * the throughput was the same within the noise, the loop's delay grew with the size.
 */
export const SLAB_BYTES = 512 * 1024

/** A buffer on loan. */
export interface Slab {
  /** `SLAB_BYTES` long, on a SharedArrayBuffer, holding what the last borrower left. */
  readonly bytes: Uint8Array
  /** Gives the buffer back; `bytes` must not be touched after. Harmless when repeated. */
  release(): void
}

const TELL_MS = 250

interface Waiter {
  lend(bytes: Uint8Array): void
}

export class SlabPool {
  readonly #limit: number
  readonly #onShort: () => void
  readonly #free: Uint8Array[] = []
  /** In order of arrival. */
  readonly #waiters = new Set<Waiter>()
  #inUse = 0
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

  /** Somebody waits for a slab. */
  get isShort(): boolean {
    return this.#waiters.size > 0
  }

  /** Half of all, or more, are on loan: who needs little should not ask for one. */
  get isTight(): boolean {
    return 2 * this.#inUse >= this.#limit
  }

  /** How many slabs are on loan. */
  get inUse(): number {
    return this.#inUse
  }

  /**
   * A slab, when one is free; whoever asks first gets it first.
   *
   * Rejects with the signal's reason when that aborts before.
   */
  acquire(signal?: AbortSignal): Promise<Slab> {
    if (signal?.aborted) return Promise.reject(signal.reason)
    if (this.#inUse < this.#limit) return Promise.resolve(this.#lend(this.#free.pop() ?? newSlabBytes()))
    return this.#wait(signal)
  }

  #wait(signal: AbortSignal | undefined): Promise<Slab> {
    return new Promise((resolve, reject) => {
      const giveUp = (): void => {
        this.#waiters.delete(waiter)
        reject(signal?.reason)
      }
      const waiter: Waiter = {
        lend: (bytes) => {
          signal?.removeEventListener('abort', giveUp)
          resolve(this.#lend(bytes))
        },
      }
      this.#waiters.add(waiter)
      this.#timer ??= setInterval(() => this.#tellShort(), TELL_MS).unref()
      this.#onShort()
      signal?.addEventListener('abort', giveUp, { once: true })
    })
  }

  #tellShort(): void {
    if (this.isShort) {
      this.#onShort()
      return
    }
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #lend(bytes: Uint8Array): Slab {
    this.#inUse++
    let isLent = true
    return {
      bytes,
      release: () => {
        if (!isLent) return
        isLent = false
        this.#takeBack(bytes)
      },
    }
  }

  #takeBack(bytes: Uint8Array): void {
    this.#inUse--
    const [first] = this.#waiters
    if (first === undefined) {
      this.#free.push(bytes)
      return
    }
    this.#waiters.delete(first)
    first.lend(bytes)
  }
}

function newSlabBytes(): Uint8Array {
  return new Uint8Array(new SharedArrayBuffer(SLAB_BYTES))
}
