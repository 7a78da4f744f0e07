// Which groups the list has, which of them are open, and their files one below the other. Pure.

import type { PackageSummary } from '../../api/types.js'
import type { Listing } from './listing.js'
import { NO_PACKAGE } from './order.js'

/** A package's id, or NO_PACKAGE. */
export type GroupKey = string

export type GroupedRow =
  | { readonly kind: 'group'; readonly key: string; readonly group: GroupKey; readonly isOpen: boolean }
  | { readonly kind: 'file'; readonly key: string; readonly group: GroupKey; readonly id: string }
  | {
      readonly kind: 'note'
      readonly key: string
      readonly group: GroupKey
      readonly note: 'loading' | 'empty' | 'trouble'
    }

export interface Group {
  readonly key: GroupKey
  readonly isOpen: boolean
  /** Null while nobody has looked into it. */
  readonly listing: Listing | null
  readonly hasTrouble: boolean
}

/** The groups in their order: what is in no package first, if there is anything; then the packages, the newest first. */
export function groupKeys(
  packages: readonly PackageSummary[],
  loose: Listing | null,
  label: string | null,
): GroupKey[] {
  const shown = packages.filter((one) => label === null || one.label === label)
  const hasLoose = loose !== null && loose.entries.length > 0
  return [...(hasLoose ? [NO_PACKAGE] : []), ...shown.map(({ id }) => id)]
}

/** Open before anybody has opened or closed one: where the newest things are. */
export function firstOpen(
  packages: readonly PackageSummary[],
  looseNewestMs: number | null,
): GroupKey | null {
  const newest = packages[0]
  if (newest === undefined) return looseNewestMs === null ? null : NO_PACKAGE
  if (looseNewestMs === null) return newest.id
  return Date.parse(newest.created_at) >= looseNewestMs ? newest.id : NO_PACKAGE
}

export function rowsOf(groups: readonly Group[]): GroupedRow[] {
  return groups.flatMap((group) => {
    const { key, isOpen } = group
    const head: GroupedRow = { kind: 'group', key: `group ${key}`, group: key, isOpen }
    return isOpen ? [head, ...filesOf(group)] : [head]
  })
}

function filesOf({ key: group, listing, hasTrouble }: Group): GroupedRow[] {
  const files: GroupedRow[] = (listing?.entries ?? []).map(({ id }) => ({ kind: 'file', key: id, group, id }))
  const note = hasTrouble
    ? 'trouble'
    : listing?.knownTo !== 'end'
      ? 'loading'
      : files.length === 0
        ? 'empty'
        : null
  return note === null ? files : [...files, { kind: 'note', key: `note ${group}`, group, note }]
}
