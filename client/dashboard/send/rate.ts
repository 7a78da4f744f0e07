// How fast bytes go, over the last seconds. Pure: the caller tells the time.

const WINDOW_MS = 10_000
/** Less than that is chance. */
const LEAST_MS = 1_500

interface Sample {
  atMs: number
  bytes: number
}

export class Rate {
  #samples: Sample[] = []

  /**
   * @param bytes all that has gone so far; fewer than before begin anew
   * @param atMs of a clock that doesn't jump
   */
  note(bytes: number, atMs: number): void {
    const last = this.#samples.at(-1)
    if (last !== undefined && bytes < last.bytes) this.#samples = []
    this.#samples.push({ bytes, atMs })
    // One older than the window stays: what lies between it and the next is in it.
    while (this.#samples.length > 2 && (this.#samples[1]?.atMs ?? atMs) < atMs - WINDOW_MS)
      this.#samples.shift()
  }

  /** Stands still from now on: what comes after a pause isn't to be spread over it. */
  rest(): void {
    this.#samples = []
  }

  /** Null while it can't be told. */
  bytesPerSecond(): number | null {
    const first = this.#samples[0]
    const last = this.#samples.at(-1)
    if (first === undefined || last === undefined || last.atMs - first.atMs < LEAST_MS) return null
    return ((last.bytes - first.bytes) / (last.atMs - first.atMs)) * 1_000
  }
}
