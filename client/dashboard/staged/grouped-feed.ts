// The list by package: which groups are open, the feeds of their files, and all of it as rows one below the other.

import { computed, type ReadonlySignal, type Signal, signal } from '@preact/signals'
import type { UploadFilters } from '../../api/types.js'
import type { Desk } from '../desk.js'
import { firstOpen, type GroupedRow, type GroupKey, groupKeys, rowsOf } from './groups.js'
import { ListFeed } from './list-feed.js'
import { NO_PACKAGE } from './order.js'
import type { PackageFeed } from './package-feed.js'

/** Closer to the end of what is loaded of a group, and its next page is asked for. */
const NEAR_END_ROWS = 60
/** What begins so soon after this tab has sent something is taken for its own. */
const JUST_SENT_MS = 3_000

export interface GroupedFeedOptions {
  desk: Desk
  packages: PackageFeed
  /** Of the files in each group. Its label is one of packages, too. */
  filters: UploadFilters
  /** What was opened and closed by hand: it outlives another order. */
  toggled: Signal<ReadonlyMap<GroupKey, boolean>>
}

export class GroupedFeed {
  /** Null while it isn't known what there is. */
  readonly rows: ReadonlySignal<readonly GroupedRow[] | null>
  /** Whether more may come. */
  readonly isWhole: ReadonlySignal<boolean>

  readonly #options: GroupedFeedOptions
  readonly #feeds = signal<ReadonlyMap<GroupKey, ListFeed>>(new Map())
  readonly #stop: () => void

  constructor(options: GroupedFeedOptions) {
    this.#options = options
    this.rows = computed(() => this.#rows())
    this.isWhole = computed(
      () =>
        !options.packages.hasMore.value &&
        [...this.#feeds.value.values()].every((feed) => feed.listing.value.knownTo === 'end'),
    )
    const { live, sending } = options.desk
    let sentAtMs = Number.NEGATIVE_INFINITY
    let isFirst = true
    const stopWatching = sending.total.subscribe(() => {
      // At once with what there is, which is no sending.
      if (!isFirst) sentAtMs = performance.now()
      isFirst = false
    })
    const stopListening = live.onEvent((event) => {
      // Small files have arrived before their events have.
      const isSending = sending.total.peek() !== null || performance.now() - sentAtMs < JUST_SENT_MS
      if (event.type === 'upload.created.v1' && isSending) this.#reveal(event.package_id ?? NO_PACKAGE)
    })
    this.#stop = () => {
      stopWatching()
      stopListening()
    }
  }

  /** Asks for what is in no package, and for the files of the groups that are open already. */
  begin(): void {
    this.#feedOf(NO_PACKAGE)
    for (const [key, isOpen] of this.#options.toggled.peek()) if (isOpen) this.#feedOf(key)
  }

  close(): void {
    this.#stop()
    for (const feed of this.#feeds.peek().values()) feed.close()
  }

  toggle(key: GroupKey, isOpen: boolean): void {
    if (isOpen) this.#feedOf(key)
    const { toggled } = this.#options
    toggled.value = new Map([...toggled.peek(), [key, isOpen]])
  }

  /** Why the files of a group didn't come. */
  troubleOf(key: GroupKey): unknown {
    return this.#feeds.value.get(key)?.trouble.value ?? null
  }

  retry(key: GroupKey): void {
    void this.#feedOf(key).loadMore()
  }

  /** How many files are in no package; null: more than are known. */
  looseCount(): number | null {
    const listing = this.#feeds.value.get(NO_PACKAGE)?.listing.value
    return listing?.knownTo === 'end' ? listing.entries.length : null
  }

  /** What is in view: these rows, from `first` up to but not including `end`. */
  show(rows: readonly GroupedRow[], first: number, end: number): void {
    const seen = rows.slice(first, end)
    const near = new Set(
      rows.slice(first, end + NEAR_END_ROWS).flatMap((row) => (row.kind === 'note' ? [row.group] : [])),
    )
    for (const [key, feed] of this.#feeds.peek()) {
      feed.show(seen.flatMap((row) => (row.kind === 'file' && row.group === key ? [row.id] : [])))
      if (near.has(key) && feed.trouble.peek() === null) void feed.loadMore()
    }
    if (end + NEAR_END_ROWS >= rows.length) this.#options.packages.loadMore()
  }

  #rows(): readonly GroupedRow[] | null {
    const { packages: packageFeed, filters, toggled } = this.#options
    const packages = packageFeed.packages.value
    const feeds = this.#feeds.value
    const loose = feeds.get(NO_PACKAGE)?.listing.value
    if (packages === null || loose === undefined || loose.knownTo === 'start') return null
    const keys = groupKeys(packages, loose, filters.label ?? null)
    return rowsOf(
      keys.map((key) => ({
        key,
        isOpen: toggled.value.get(key) ?? false,
        listing: feeds.get(key)?.listing.value ?? null,
        hasTrouble: (feeds.get(key)?.trouble.value ?? null) !== null,
      })),
    )
  }

  /** Opens where the newest things are, when nobody has opened anything. To be called when `rows` are known. */
  openFirst(): void {
    const { packages, toggled, filters, desk } = this.#options
    if ([...toggled.peek().values()].includes(true)) return
    const shown = (packages.packages.peek() ?? []).filter(
      (one) => filters.label === undefined || one.label === filters.label,
    )
    const first = this.#feeds.peek().get(NO_PACKAGE)?.listing.peek().entries[0]
    const newest = first === undefined ? undefined : desk.reports.of(first.id).peek()
    const key = firstOpen(shown, newest === undefined ? null : Date.parse(newest.created_at))
    if (key !== null && !toggled.peek().has(key)) this.toggle(key, true)
  }

  /** What this tab sends is to be seen, unless its group was closed by hand. */
  #reveal(key: GroupKey): void {
    if (!this.#options.toggled.peek().has(key)) this.toggle(key, true)
  }

  #feedOf(key: GroupKey): ListFeed {
    const known = this.#feeds.peek().get(key)
    if (known !== undefined) return known
    const { filters, desk } = this.#options
    const { antipasto, reports, live, sending } = desk
    const { label, ...others } = filters
    // A package's files are all its own, whatever label they have by now.
    const labelled = key === NO_PACKAGE && label !== undefined ? { label } : {}
    const feed = new ListFeed({
      ...{ antipasto, reports, live },
      filters: { ...others, ...labelled, package_id: key },
      isOurs: (id) => sending.uploads.peek().has(id),
    })
    this.#feeds.value = new Map([...this.#feeds.peek(), [key, feed]])
    void feed.loadMore()
    return feed
  }
}
