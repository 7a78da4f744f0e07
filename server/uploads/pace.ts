// Holds a body against the least number of bytes a second. Pure: whoever reads it tells the time.

/**
 * Judges windows of `windowMs` in which the body was being read: time in which we made it wait doesn't count.
 *
 * Times are of one clock, in milliseconds, and never go back.
 */
export class Pace {
  readonly #leastBytes: number
  readonly #windowMs: number
  #windowSinceMs: number
  #windowBytes = 0
  #waitedMs = 0
  #waitingSinceMs: number | undefined

  constructor(leastBytesPerSecond: number, windowMs: number, nowMs: number) {
    this.#leastBytes = (leastBytesPerSecond * windowMs) / 1000
    this.#windowMs = windowMs
    this.#windowSinceMs = nowMs
  }

  arrived(bytes: number): void {
    this.#windowBytes += bytes
  }

  /** From now on the body waits for us. */
  wait(nowMs: number): void {
    this.#waitingSinceMs ??= nowMs
  }

  /** From now on we wait for the body. */
  go(nowMs: number): void {
    if (this.#waitingSinceMs !== undefined) this.#waitedMs += nowMs - this.#waitingSinceMs
    this.#waitingSinceMs = undefined
  }

  /** True when the window that ends now brought too little; a window that brought enough is followed by the next. */
  isTooSlow(nowMs: number): boolean {
    const waitingMs = this.#waitingSinceMs === undefined ? 0 : nowMs - this.#waitingSinceMs
    if (nowMs - this.#windowSinceMs - this.#waitedMs - waitingMs < this.#windowMs) return false
    if (this.#windowBytes < this.#leastBytes) return true
    this.#windowSinceMs = nowMs
    this.#windowBytes = 0
    this.#waitedMs = 0
    if (this.#waitingSinceMs !== undefined) this.#waitingSinceMs = nowMs
    return false
  }
}
