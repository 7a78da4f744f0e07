// Which rows of a long list are in view: rows of known heights, one below the other. Pure.

/** From which row (inclusive) to which (exclusive). */
export interface Range {
  readonly first: number
  readonly end: number
}

/** Where each row begins, in pixels from the list's top; one more at the end: the whole list's height. */
export function topsOf(rows: readonly { readonly heightPx: number }[]): Float64Array {
  const tops = new Float64Array(rows.length + 1)
  let top = 0
  for (const [index, { heightPx }] of rows.entries()) {
    top += heightPx
    tops[index + 1] = top
  }
  return tops
}

/** The row at a height: the first above the list, the last below it; -1 when there is none. */
export function rowAt(tops: Float64Array, yPx: number): number {
  let [low, high] = [0, tops.length - 2]
  while (low < high) {
    const middle = (low + high + 1) >>> 1
    if ((tops[middle] ?? 0) <= yPx) low = middle
    else high = middle - 1
  }
  return high < 0 ? -1 : low
}

/** The rows that are to be seen between two heights. */
export function rangeBetween(tops: Float64Array, fromPx: number, toPx: number): Range {
  const height = tops.at(-1) ?? 0
  if (tops.length < 2 || toPx <= 0 || fromPx >= height) {
    const at = fromPx >= height ? Math.max(0, tops.length - 1) : 0
    return { first: at, end: at }
  }
  // A row that ends where the view begins isn't in it, nor one that begins where it ends.
  const last = rowAt(tops, toPx)
  return { first: rowAt(tops, Math.max(0, fromPx)), end: (tops[last] ?? 0) < toPx ? last + 1 : last }
}

/** A row that is read, and where: how far below the list's visible part it begins. */
export interface Reading<Key = string> {
  readonly key: Key
  readonly belowPx: number
}

/**
 * How far the page is to be scrolled so that what is read stays where it is, after the rows have changed.
 *
 * @param readings what was in view, from the top; the first that is still there counts
 * @param fromPx where the visible part begins now
 * @param placeOf a row's place, or -1 when it has gone
 */
export function shiftFor<Key>(
  readings: readonly Reading<Key>[],
  tops: Float64Array,
  fromPx: number,
  placeOf: (key: Key) => number,
): number {
  for (const { key, belowPx } of readings) {
    const place = placeOf(key)
    if (place !== -1) return (tops[place] ?? 0) - fromPx - belowPx
  }
  return 0
}
