// A list of the server's as far as it was loaded: pages and events, in whatever order they come, make what the server would
// list. Pure.

import type { Page } from '../../api/pages.js'
import type { Report, UploadFilters } from '../../api/types.js'
import { belongs, comparePositions, NEWEST_FIRST, type Position, positionOf, type Sort } from './order.js'

export interface Listing {
  readonly filters: UploadFilters
  /** In the list's order. */
  readonly entries: readonly Position[]
  /** All that the server lists up to there, this position included, is in `entries`. */
  readonly knownTo: 'start' | 'end' | Position
  /** Where the next page begins. */
  readonly cursor: string | undefined
}

/** What is known of an upload by now; undefined: it is gone, or nothing is known. */
export type Known = (id: string) => Report | undefined

export function emptyListing(filters: UploadFilters): Listing {
  return { filters, entries: [], knownTo: 'start', cursor: undefined }
}

export function sortOf({ filters }: Pick<Listing, 'filters'>): Sort {
  return filters.sort ?? NEWEST_FIRST
}

/**
 * With the next page, as the server answered it.
 *
 * @param touched ids that events told of since it was asked for: the answer may be older than they are
 * @param known what is known of all of them by now
 */
export function withPage(
  listing: Listing,
  page: Page<Report>,
  touched: Iterable<string>,
  known: Known,
): Listing {
  const last = page.items.at(-1)
  const knownTo =
    page.next_cursor === null
      ? 'end'
      : last === undefined
        ? listing.knownTo
        : positionOf(last, sortOf(listing))
  const grown: Listing = { ...listing, knownTo, cursor: page.next_cursor ?? undefined }
  return withChanges(grown, new Set([...page.items.map(({ id }) => id), ...touched]), known)
}

/** After these uploads have changed: each is put where it belongs now, or taken out. The same listing when nothing moves. */
export function withChanges(listing: Listing, ids: Iterable<string>, known: Known): Listing {
  const sort = sortOf(listing)
  const before = new Map(listing.entries.map((entry) => [entry.id, entry]))
  const leaving = new Set<Position>()
  const coming: Position[] = []
  for (const id of ids) {
    const report = known(id)
    const stands = before.get(id)
    const place =
      report !== undefined && belongs(report, listing.filters) ? positionOf(report, sort) : undefined
    if (stands?.value === place?.value) continue
    if (stands !== undefined) leaving.add(stands)
    if (place !== undefined && isLoaded(listing, place)) coming.push(place)
  }
  if (leaving.size === 0 && coming.length === 0) return listing
  const staying =
    leaving.size === 0 ? listing.entries : listing.entries.filter((entry) => !leaving.has(entry))
  coming.sort((one, other) => comparePositions(one, other, sort))
  return { ...listing, entries: merged(staying, coming, sort) }
}

/** What stands behind comes with a later page. */
function isLoaded(listing: Listing, place: Position): boolean {
  const { knownTo } = listing
  if (knownTo === 'start') return false
  return knownTo === 'end' || comparePositions(place, knownTo, sortOf(listing)) <= 0
}

/** Two lists in order as one. Mostly a few come into many: what lies between them is copied as it is. */
function merged(many: readonly Position[], few: readonly Position[], sort: Sort): Position[] {
  const all: Position[] = []
  let from = 0
  for (const one of few) {
    const to = placeIn(many, one, sort, from)
    for (let at = from; at < to; at += 1) all.push(many[at]!)
    all.push(one)
    from = to
  }
  for (let at = from; at < many.length; at += 1) all.push(many[at]!)
  return all
}

/** Where `position` stands, or would, among `entries` from `from` on; by bisection. */
function placeIn(entries: readonly Position[], position: Position, sort: Sort, from = 0): number {
  let [low, high] = [from, entries.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    const entry = entries[middle]
    if (entry !== undefined && comparePositions(entry, position, sort) < 0) low = middle + 1
    else high = middle
  }
  return low
}
