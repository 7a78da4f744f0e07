// How fast something goes, over the last seconds. Pure: the clock is given.

/** Long enough to be steady, short enough to tell of a change. */
const WINDOW_MS = 10_000
const SAMPLE_MS = 500
/** A rate of less than this is a guess. */
const LEAST_MS = 1_000

interface Sample {
  atMs: number
  value: number
}

/** The rate of a value that only grows. */
export class Rate {
  /** At most one each `SAMPLE_MS`, the oldest at least `WINDOW_MS` old once there is one. */
  readonly #samples: Sample[] = []

  sample(value: number, nowMs: number): void {
    const last = this.#samples.at(-1)
    if (last !== undefined && nowMs - last.atMs < SAMPLE_MS) return
    this.#samples.push({ atMs: nowMs, value })
    while ((this.#samples[1]?.atMs ?? nowMs) < nowMs - WINDOW_MS) this.#samples.shift()
  }

  /** Per second, from the oldest sample until now; null in the first second. */
  perSecond(value: number, nowMs: number): number | null {
    const oldest = this.#samples[0]
    if (oldest === undefined || nowMs - oldest.atMs < LEAST_MS) return null
    return Math.max(0, ((value - oldest.value) / (nowMs - oldest.atMs)) * 1000)
  }
}
