// A list of uploads on the page: pages come as they are needed, events move its rows, and what is in view is kept whole.
// What belongs where is decided by listing.ts, what is asked for again by freshening.ts.

import { type ReadonlySignal, signal } from '@preact/signals'
import type { Antipasto } from '../../api/antipasto.js'
import { Gone, NotFound } from '../../api/errors.js'
import type { Page } from '../../api/pages.js'
import { isPassing } from '../../api/retry.js'
import type { Report, UploadFilters } from '../../api/types.js'
import { MOST_SINGLY, nextLookMs, type PageStart, planRefetch } from './freshening.js'
import { emptyListing, type Listing, sortOf, withChanges, withPage } from './listing.js'
import type { Live } from './live.js'
import { createFrameBatch } from './next-frame.js'
import { belongs, type Position, positionOf } from './order.js'
import type { Reports } from './reports.js'

const PER_PAGE = 200
const MOST_PER_REQUEST = 500
/** A page that isn't there by then is asked for again: lists are short work for the server. */
const ANSWER_WITHIN_SECONDS = 8
/** What passes is tried again without anybody's asking. */
const TRY_AGAIN_MS = 5_000
/** The first answer has no gap to the events when the stream is open before; a slow one isn't waited for. */
const STREAM_PATIENCE_MS = 150
/** Of a burst of events the reports are asked for together. */
const FRESHEN_EVERY_MS = 400
const FRESHEN_AFTER_MS = 60

export interface ListFeedOptions {
  antipasto: Antipasto
  reports: Reports
  live: Live
  filters: UploadFilters
  /** What this tab sends itself: its progress needs no asking. */
  isOurs: (id: string) => boolean
}

export class ListFeed {
  /** As far as it was loaded. */
  readonly listing: ReadonlySignal<Listing>
  readonly isLoading: ReadonlySignal<boolean>
  /** Why the next page didn't come. */
  readonly trouble: ReadonlySignal<unknown>

  readonly #options: ListFeedOptions
  readonly #listing
  readonly #isLoading = signal(false)
  readonly #trouble = signal<unknown>(null)
  readonly #ending = new AbortController()
  readonly #batch = createFrameBatch<string>((ids) => this.#change(ids))
  readonly #stops: (() => void)[]
  #starts: PageStart[] = [{ position: null, cursor: undefined }]
  #inView: readonly string[] = []
  #freshenTimer: ReturnType<typeof setTimeout> | undefined
  #isFreshening = false
  #lookTimer: ReturnType<typeof setTimeout> | undefined
  #stillRounds = 0
  #isReloadWanted = false
  #againTimer: ReturnType<typeof setTimeout> | undefined

  constructor(options: ListFeedOptions) {
    this.#options = options
    this.#listing = signal(emptyListing(options.filters))
    this.listing = this.#listing
    this.isLoading = this.#isLoading
    this.trouble = this.#trouble
    this.#stops = [
      options.reports.onChange((id) => this.#batch.add(id)),
      options.live.onGap(() => void this.reload()),
    ]
    document.addEventListener('visibilitychange', this.#onVisibility)
  }

  close(): void {
    this.#ending.abort()
    for (const stop of this.#stops) stop()
    document.removeEventListener('visibilitychange', this.#onVisibility)
    clearTimeout(this.#freshenTimer)
    clearTimeout(this.#lookTimer)
    clearTimeout(this.#againTimer)
  }

  /** Loads the next page, if there is one and none is on its way. */
  async loadMore(): Promise<void> {
    const { knownTo, cursor } = this.#listing.peek()
    if (knownTo === 'end' || this.#isLoading.peek()) return
    await this.#load(async () => {
      if (knownTo === 'start') await this.#options.live.whenOpen(STREAM_PATIENCE_MS)
      const page = await this.#ask(cursor, PER_PAGE)
      this.#listing.value = this.#withPage(this.#listing.peek(), page)
      this.#note(page)
    })
  }

  /** Loads anew what is loaded as far as it is looked at: the rest comes when it is looked for. */
  async reload(): Promise<void> {
    if (this.#listing.peek().knownTo === 'start' && !this.#isLoading.peek()) {
      // Not begun yet; or it was, and nothing came of it.
      if (this.#trouble.peek() !== null) await this.loadMore()
      return
    }
    if (this.#isLoading.peek()) {
      this.#isReloadWanted = true
      return
    }
    await this.#load(async () => {
      const { entries, filters } = this.#listing.peek()
      const last = this.#inView.at(-1)
      const wanted = Math.max(PER_PAGE, 1 + entries.findIndex(({ id }) => id === last))
      const mark = this.#options.reports.mark()
      const starts = this.#starts.slice(0, 1)
      let anew = emptyListing(filters)
      while (anew.knownTo !== 'end' && anew.entries.length < wanted) {
        const limit = Math.min(MOST_PER_REQUEST, Math.max(PER_PAGE, wanted - anew.entries.length))
        const page = await this.#ask(anew.cursor, limit)
        anew = this.#withPage(anew, page)
        starts.push(...startBehind(page, anew))
      }
      const touched = this.#options.reports.touchedSince(mark)
      this.#listing.value = withChanges(anew, this.#placeable(touched), this.#known)
      this.#starts = starts
    })
  }

  /** What is on the screen now, in the list's order. */
  show(ids: readonly string[]): void {
    this.#inView = ids
    this.#freshenSoon()
    this.#lookSoon()
  }

  readonly #known = (id: string): Report | undefined => this.#options.reports.of(id).peek()

  readonly #onVisibility = (): void => {
    if (document.hidden) return
    this.#freshenSoon()
    this.#lookSoon()
  }

  async #load(work: () => Promise<void>): Promise<void> {
    clearTimeout(this.#againTimer)
    this.#isLoading.value = true
    this.#trouble.value = null
    try {
      await work()
    } catch (error) {
      if (!this.#ending.signal.aborted) {
        this.#trouble.value = error
        if (isPassing(error)) this.#againTimer = setTimeout(() => void this.#load(work), TRY_AGAIN_MS)
      }
    } finally {
      this.#isLoading.value = false
    }
    if (!this.#isReloadWanted || this.#ending.signal.aborted) return
    this.#isReloadWanted = false
    await this.reload()
  }

  /** A page, its reports taken in; `touched` is what events told of meanwhile. */
  async #ask(cursor: string | undefined, limit: number): Promise<Page<Report> & { touched: Set<string> }> {
    const { antipasto, reports, filters } = this.#options
    const mark = reports.mark()
    const page = await antipasto.uploads.page(filters, {
      cursor,
      limit,
      signal: this.#ending.signal,
      answerWithinSeconds: ANSWER_WITHIN_SECONDS,
    })
    for (const report of page.items) reports.take(report, mark)
    return { ...page, touched: reports.touchedSince(mark) }
  }

  #withPage(listing: Listing, page: Page<Report> & { touched: Set<string> }): Listing {
    return withPage(listing, page, this.#placeable(page.touched), this.#known)
  }

  #note(page: Page<Report>): void {
    this.#starts = [...this.#starts, ...startBehind(page, this.#listing.peek())]
  }

  #change(ids: Set<string>): void {
    if (this.#listing.peek().knownTo === 'start') return
    const placeable = this.#placeable(ids)
    this.#listing.value = withChanges(this.#listing.peek(), placeable, this.#known)
    this.#freshenSoon()
    this.#lookSoon()
    if (placeable.length < ids.size) void this.#findPlaces(ids)
  }

  /** Of what events told of in the middle of its life, it must be asked where it stands. */
  async #findPlaces(ids: Set<string>): Promise<void> {
    const lost = [...ids].filter((id) => {
      const report = this.#options.reports.isSketch(id) ? this.#known(id) : undefined
      return report !== undefined && belongs(report, this.#options.filters)
    })
    if (lost.length > MOST_SINGLY) await this.reload()
    // What can't be asked for now comes with the reload after the break.
    else await Promise.all(lost.map((id) => this.#askOne(id))).catch(() => {})
  }

  /** Those whose place is known. */
  #placeable(ids: Iterable<string>): string[] {
    return [...ids].filter((id) => !this.#options.reports.isSketch(id))
  }

  #freshenSoon(): void {
    if (this.#isFreshening) return
    this.#freshenTimer ??= setTimeout(() => void this.#freshen(), FRESHEN_AFTER_MS)
  }

  /** Asks for the rest of what events told of, as far as it is on the screen. */
  async #freshen(): Promise<void> {
    this.#freshenTimer = undefined
    const { reports } = this.#options
    const { entries } = this.#listing.peek()
    const stale = new Set(this.#inView.filter((id) => !reports.isWhole(id)))
    if (stale.size === 0 || document.hidden) return
    const plan = planRefetch(
      entries.filter(({ id }) => stale.has(id)),
      entries,
      this.#starts,
      sortOf(this.#listing.peek()),
    )
    this.#isFreshening = true
    try {
      if (plan.kind === 'singly') await Promise.all(plan.ids.map((id) => this.#askOne(id)))
      if (plan.kind === 'stretch') await this.#ask(plan.cursor, plan.limit)
    } catch {
      // The stream tells of a broken network, and the next event asks again.
      return
    } finally {
      this.#isFreshening = false
    }
    if (plan.kind !== 'none') this.#freshenTimer ??= setTimeout(() => void this.#freshen(), FRESHEN_EVERY_MS)
  }

  async #askOne(id: string): Promise<void> {
    const { antipasto, reports } = this.#options
    const mark = reports.mark()
    try {
      reports.take(await antipasto.uploads.report(id, this.#ending.signal), mark)
    } catch (error) {
      if (error instanceof NotFound || error instanceof Gone) reports.forget(id)
      else throw error
    }
  }

  #lookSoon(): void {
    if (this.#lookTimer !== undefined || !this.#hasOthersMoving()) return
    this.#lookTimer = setTimeout(() => void this.#look(), nextLookMs(this.#stillRounds))
  }

  /** What others send: their bytes are no events. */
  async #look(): Promise<void> {
    const { antipasto, reports, filters } = this.#options
    if (!document.hidden && this.#hasOthersMoving()) {
      const mark = reports.mark()
      const before = new Map(this.#inView.map((id) => [id, this.#known(id)?.offset]))
      const unfinished: UploadFilters = { ...filters, state: ['receiving', 'finalizing'] }
      const page = await antipasto.uploads
        .page(unfinished, { limit: PER_PAGE, signal: this.#ending.signal })
        .catch(() => null)
      for (const report of page?.items ?? []) reports.take(report, mark)
      const hasMoved = page?.items.some(({ id, offset }) => before.has(id) && before.get(id) !== offset)
      this.#stillRounds = hasMoved === true ? 0 : this.#stillRounds + 1
    }
    this.#lookTimer = undefined
    if (!this.#ending.signal.aborted && !document.hidden) this.#lookSoon()
  }

  #hasOthersMoving(): boolean {
    return this.#inView.some((id) => {
      const state = this.#known(id)?.state
      return (state === 'receiving' || state === 'finalizing') && !this.#options.isOurs(id)
    })
  }
}

function startBehind(page: Page<Report>, listing: Listing): PageStart[] {
  const last = page.items.at(-1)
  if (last === undefined || page.next_cursor === null) return []
  const position: Position = positionOf(last, sortOf(listing))
  return [{ position, cursor: page.next_cursor }]
}
