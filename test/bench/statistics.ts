// Pure rules for samples that were taken in rounds. No clocks, no printing.

/** Where a set of samples lies. All in the samples' own unit. */
export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
  readonly count: number
}

/** The middle value, or the mean of the two middle ones. Throws RangeError for no values. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const upper = sorted[Math.floor(sorted.length / 2)]
  const lower = sorted[Math.ceil(sorted.length / 2) - 1]
  if (upper === undefined || lower === undefined)
    throw new RangeError('The median of no values is undefined.')
  return (lower + upper) / 2
}

/** Throws RangeError for no values. */
export function spreadOf(values: readonly number[]): Spread {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values), count: values.length }
}

/**
 * One ratio a round, of two series keyed by round.
 *
 * What slows the machine for a while slows both sides of a round alike, so the ratios are steadier than the figures.
 * Rounds that only one side has are left out.
 */
export function pairedRatios(
  numerators: ReadonlyMap<number, number>,
  denominators: ReadonlyMap<number, number>,
): number[] {
  return [...numerators].flatMap(([round, numerator]) => {
    const denominator = denominators.get(round)
    return denominator === undefined ? [] : [numerator / denominator]
  })
}

/**
 * The slowest one's rate over the mean of all rates, of equal pieces of work that took so long: 1 when all end together.
 *
 * Work that waits for other work shows: of two pieces done one after the other, the second has two thirds of the mean.
 * Throws RangeError for no times.
 */
export function slowestToMeanRate(elapsedMs: readonly number[]): number {
  if (elapsedMs.length === 0) throw new RangeError('No work has no rate.')
  const rates = elapsedMs.map((each) => 1 / each)
  return Math.min(...rates) / (rates.reduce((sum, rate) => sum + rate, 0) / rates.length)
}

/** The items, starting with another one in each round, so that no server always goes first. */
export function rotated<T>(items: readonly T[], round: number): T[] {
  const start = items.length === 0 ? 0 : round % items.length
  return [...items.slice(start), ...items.slice(0, start)]
}
