// A time limit that can be moved, and a caller's signal, as one signal.

/**
 * AbortSignal.any would do, but before Node 22 it leaks each signal that it was given with a long-lived one.
 *
 * Always `end` it: until then it listens to `parent`.
 */
export class Deadline {
  /** Aborted by `parent`, with its reason, or when time is over. */
  readonly signal: AbortSignal
  /** Whether it was time that ended it. */
  isOver = false
  readonly #controller = new AbortController()
  readonly #parent: AbortSignal | undefined
  readonly #onAbort = () => this.#controller.abort(this.#parent?.reason)
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(limitMs: number, parent?: AbortSignal) {
    this.signal = this.#controller.signal
    this.#parent = parent
    if (parent?.aborted) this.#onAbort()
    parent?.addEventListener('abort', this.#onAbort, { once: true })
    this.move(limitMs)
  }

  /** `limitMs` from now; Infinity: never. */
  move(limitMs: number): void {
    clearTimeout(this.#timer)
    if (limitMs === Number.POSITIVE_INFINITY || this.signal.aborted) return
    this.#timer = setTimeout(() => {
      this.isOver = true
      this.#controller.abort()
    }, limitMs)
  }

  end(): void {
    clearTimeout(this.#timer)
    this.#parent?.removeEventListener('abort', this.#onAbort)
  }
}
