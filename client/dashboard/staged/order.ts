// What belongs to a list of uploads, and in which order: as the server decides both (GET /uploads), so that an event can be
// put where the next answer would have it. Pure.

import type { Report, UploadFilters, UploadState } from '../../api/types.js'

export type Sort = NonNullable<UploadFilters['sort']>

/** What the server lists when no state is named: what lives, and what failed. */
const LISTED_STATES: readonly UploadState[] = ['receiving', 'finalizing', 'ready', 'failed']

export const NEWEST_FIRST: Sort = '-created_at'

/** In `UploadFilters.package_id`: those in no package. */
export const NO_PACKAGE = 'none'

/** Where an upload stands: what the list is sorted by, and the id between those that are alike. */
export interface Position {
  readonly value: number | string
  readonly id: string
}

export function positionOf(report: Report, sort: Sort): Position {
  return { value: sortValue(report, sort), id: report.id }
}

function sortValue(report: Report, sort: Sort): number | string {
  switch (sort) {
    case 'created_at':
    case '-created_at':
      return Date.parse(report.created_at)
    case 'expires_at':
    case '-expires_at':
      return report.expires_at === null ? Number.POSITIVE_INFINITY : Date.parse(report.expires_at)
    case 'filename':
    case '-filename':
      return (report.filename ?? '').toLowerCase()
    case 'size':
    case '-size':
      return report.size ?? 0
  }
}

/** Negative: `one` stands before `other`. */
export function comparePositions(one: Position, other: Position, sort: Sort): number {
  const ascending = compareValues(one.value, other.value) || compareTexts(one.id, other.id)
  return sort.startsWith('-') ? -ascending : ascending
}

function compareValues(one: number | string, other: number | string): number {
  if (typeof one === 'string' || typeof other === 'string') return compareTexts(String(one), String(other))
  return one === other ? 0 : one < other ? -1 : 1
}

/** By the bytes of UTF-8, as Postgres' collation "C": that is by code points, which UTF-16 has in another order. */
function compareTexts(one: string, other: string): number {
  const length = Math.min(one.length, other.length)
  for (let at = 0; at < length; at += 1) {
    const [left, right] = [one.charCodeAt(at), other.charCodeAt(at)]
    if (left !== right) return inUtf8(left) - inUtf8(right)
  }
  return one.length - other.length
}

/** Surrogates stand for what lies above all other characters. */
function inUtf8(codeUnit: number): number {
  return codeUnit >= 0xd800 && codeUnit <= 0xdfff ? codeUnit + 0x10000 : codeUnit
}

/** Whether the server would list it. */
export function belongs(report: Report, filters: UploadFilters): boolean {
  const { state = LISTED_STATES, label, package_id: packageId, q } = filters
  if (!state.includes(report.state)) return false
  if (label !== undefined && report.label !== label) return false
  if (packageId !== undefined && (report.package_id ?? NO_PACKAGE) !== packageId) return false
  return q === undefined || matches(report, q)
}

function matches({ id, filename, label, key, relative_path: path }: Report, text: string): boolean {
  const sought = text.toLowerCase()
  return id === text || [filename, label, key, path].some((one) => one?.toLowerCase().includes(sought))
}
