/**
 * Does `act` for all of `items`, begun in order, at most `laneCount` at a time.
 *
 * The first failure, or `signal`, aborts the signal that the others have, and rejects when they have settled: nothing goes on
 * behind the caller's back.
 *
 * @returns what `act` resolved with, in the order of the items
 */
export async function inLanes<T, R>(
  laneCount: number,
  items: readonly T[],
  signal: AbortSignal,
  act: (item: T, signal: AbortSignal) => Promise<R>,
): Promise<R[]> {
  const results: R[] = []
  const failed = new AbortController()
  const either = AbortSignal.any([signal, failed.signal])
  const waiting = items.entries()
  const lane = async () => {
    for (const [index, item] of waiting) {
      either.throwIfAborted()
      results[index] = await act(item, either)
    }
  }
  const lanes = Array.from({ length: Math.min(laneCount, items.length) }, () =>
    lane().catch((error) => {
      // The reason is that of the first.
      failed.abort(error)
    }),
  )
  await Promise.all(lanes)
  either.throwIfAborted()
  return results
}
