import type { Writable } from 'node:stream'

/** A sink as its writer sees it: how many bytes it has yet to take, and whether it is still there. */
export class Outlet {
  inHandBytes = 0
  /** Aborts when the sink closes. */
  readonly signal: AbortSignal
  readonly #sink: Writable
  readonly #closing = new AbortController()
  #waiting: { bytes: number; resolve: () => void; reject: (reason: unknown) => void } | undefined

  constructor(sink: Writable) {
    this.#sink = sink
    this.signal = this.#closing.signal
    sink.on('close', this.#onClose)
    sink.on('error', this.#onClose)
    if (sink.destroyed) this.#onClose()
  }

  write(bytes: Uint8Array): void {
    this.inHandBytes += bytes.length
    this.#sink.write(bytes, (error) => {
      // Later: its 'error' event is still to come, and is uncaught once we have let go of the sink.
      if (error) {
        setImmediate(this.#onClose)
        return
      }
      this.inHandBytes -= bytes.length
      if (this.#waiting === undefined || this.inHandBytes > this.#waiting.bytes) return
      this.#waiting.resolve()
      this.#waiting = undefined
    })
  }

  /**
   * Resolves when the sink has yet to take at most `bytes`. Rejects when it closes: it may never take the rest then.
   *
   * One waits at a time: who asks later replaces who asked before.
   */
  below(bytes: number): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.signal.aborted) reject(this.signal.reason)
      else if (this.inHandBytes <= bytes) resolve()
      else this.#waiting = { bytes, resolve, reject }
    })
  }

  release(): void {
    this.#sink.off('close', this.#onClose)
    this.#sink.off('error', this.#onClose)
  }

  readonly #onClose = () => {
    const reason = new Error('The connection closed before the last byte.')
    this.#closing.abort(reason)
    this.#waiting?.reject(reason)
    this.#waiting = undefined
  }
}
