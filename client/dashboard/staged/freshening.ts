// Which reports in view are to be asked for again, and how: a few one by one, many as the page of the list that they are on. Pure.

import { comparePositions, type Position, type Sort } from './order.js'

/** More are one request for a stretch of the list. */
export const MOST_SINGLY = 8
const MOST_PER_REQUEST = 500
/** What came in above while the answer was on its way moves the rest down. */
const SPARE = 16

/** Where a page of the list began: behind `position` (null: at the start), by the server's cursor. */
export interface PageStart {
  readonly position: Position | null
  readonly cursor: string | undefined
}

export type Refetch =
  | { kind: 'none' }
  | { kind: 'singly'; ids: readonly string[] }
  | { kind: 'stretch'; cursor: string | undefined; limit: number }

/**
 * @param stale the entries in view whose reports aren't whole, in the list's order
 * @param starts in the list's order; the first is the list's own start
 */
export function planRefetch(
  stale: readonly Position[],
  entries: readonly Position[],
  starts: readonly PageStart[],
  sort: Sort,
): Refetch {
  const [first, last] = [stale[0], stale.at(-1)]
  if (first === undefined || last === undefined) return { kind: 'none' }
  if (stale.length <= MOST_SINGLY) return { kind: 'singly', ids: stale.map(({ id }) => id) }
  const start = starts.findLast(
    ({ position }) => position === null || comparePositions(position, first, sort) < 0,
  )
  const { position = null } = start ?? {}
  const between = entries.filter(
    (entry) =>
      (position === null || comparePositions(position, entry, sort) < 0) &&
      comparePositions(entry, last, sort) <= 0,
  )
  return {
    kind: 'stretch',
    cursor: start?.cursor,
    limit: Math.min(MOST_PER_REQUEST, between.length + SPARE),
  }
}

const MOVING_MS = 2_000
const STILL_MS = 15_000
/** So often nothing moved: whoever sends it has stopped. */
const STILL_ROUNDS = 3

/** How long until the unfinished ones in view are asked for again, after so many answers in which none had more bytes. */
export function nextLookMs(roundsWithoutBytes: number): number {
  return roundsWithoutBytes < STILL_ROUNDS ? MOVING_MS : STILL_MS
}
