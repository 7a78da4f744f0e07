// One package as its view knows it: its report, and the first of its files. Asked for again when something of it happens.

import { type ReadonlySignal, signal } from '@preact/signals'
import { Gone, NotFound } from '../../api/errors.js'
import type { Event, Package, Report } from '../../api/types.js'
import type { Desk } from '../desk.js'
import { type Soon, soon } from '../parts/soon.js'
import { pathOf } from './file-path.js'

/** As many as the server gives at once. */
const PAGE_FILES = 500
/** Uploads that failed, or are on their way: there are rarely more than a few. */
const MOST_NAMED = 100
/** A push tells of each file. */
const RELOAD = { delayMs: 80, restMs: 900 }
/** How often is asked how far the files are that somebody else sends. */
const LOOK_MS = 3_000
/** Whom a package is shared with sends files of their own into it: their events are theirs. */
const LOOKS_PER_COMPARISON = 5
/** The longest that a browser's timer waits: 24 days. */
const LONGEST_TIMER_MS = 2 ** 31 - 1

export class OpenedPackage {
  readonly id: string
  readonly #desk: Desk
  readonly #report = signal<Package | null>(null)
  readonly #trouble = signal<unknown>(null)
  readonly #fileIds = signal<readonly string[] | null>(null)
  readonly #failedIds = signal<readonly string[]>([])
  readonly #nextCursor = signal<string | null>(null)
  readonly #changes = signal(0)
  readonly #reload: Soon
  readonly #closing = new AbortController()
  #subscriptions: (() => void)[] = []
  #looking: ReturnType<typeof setInterval> | undefined
  #ending: ReturnType<typeof setTimeout> | undefined
  #looks = 0
  #isLoadingMore = false
  #isPaused = false
  /** Of the report: what an answer that was asked for before it doesn't know yet. */
  #version = 0

  constructor(id: string, desk: Desk) {
    this.id = id
    this.#desk = desk
    this.#reload = soon(() => this.#load(), RELOAD)
  }

  /** Null while it isn't known. */
  get report(): ReadonlySignal<Package | null> {
    return this.#report
  }

  /** Why it couldn't be asked for the last time; Gone and NotFound among it. */
  get trouble(): ReadonlySignal<unknown> {
    return this.#trouble
  }

  /** The ids of its files in the order of their paths, as far as they are loaded; null before any are. */
  get fileIds(): ReadonlySignal<readonly string[] | null> {
    return this.#fileIds
  }

  /** The ids of uploads that failed and in whose place nothing has come. */
  get failedIds(): ReadonlySignal<readonly string[]> {
    return this.#failedIds
  }

  /** There are more files than are loaded. */
  get hasMore(): boolean {
    return this.#nextCursor.value !== null
  }

  /** Grows with each thing that happens in it. */
  get changes(): ReadonlySignal<number> {
    return this.#changes
  }

  /** Answers how to close it. */
  open(): () => void {
    const { live } = this.#desk
    this.#subscriptions = [live.onEvent((event) => this.#hear(event)), live.onGap(() => this.#reload.ask())]
    this.#looking = setInterval(() => void this.#look(), LOOK_MS)
    this.#reload.ask()
    return () => {
      this.#closing.abort()
      this.#reload.stop()
      for (const stop of this.#subscriptions) stop()
      clearInterval(this.#looking)
      clearTimeout(this.#ending)
    }
  }

  refresh(): void {
    this.#reload.ask()
  }

  /** Takes in what the server has answered to something that was done. */
  take(report: Package): void {
    this.#version += 1
    this.#report.value = report
    this.#reload.ask()
  }

  /** While it is being deleted here its end is no news. */
  pause(isPaused: boolean): void {
    this.#isPaused = isPaused
    if (!isPaused) this.#reload.ask()
  }

  /** Loads the next files. */
  async more(): Promise<void> {
    const cursor = this.#nextCursor.peek()
    if (cursor === null || this.#isLoadingMore) return
    this.#isLoadingMore = true
    try {
      const page = await this.#filesPage(cursor)
      // Loaded anew meanwhile: this page may not be the next one any more.
      if (this.#nextCursor.peek() !== cursor) return
      this.#fileIds.value = [...(this.#fileIds.peek() ?? []), ...page.ids]
      this.#nextCursor.value = page.nextCursor
    } catch (error) {
      this.#fail(error)
    } finally {
      this.#isLoadingMore = false
    }
  }

  #hear(event: Event): void {
    if (event.package_id !== this.id) return
    this.#changes.value += 1
    this.#reload.ask()
  }

  async #load(): Promise<void> {
    if (this.#isPaused) return
    const version = this.#version
    const { signal: closed } = this.#closing
    try {
      const report = await this.#desk.antipasto.packages.get(this.id, closed)
      if (this.#isPaused) return
      if (version === this.#version) this.#report.value = report
      this.#watchEnd(report)
      await this.#loadFiles()
      await this.#loadFailed(report)
      this.#trouble.value = null
    } catch (error) {
      this.#fail(error)
    }
  }

  /** All that was on show, and what has come between. */
  async #loadFiles(): Promise<void> {
    const most = Math.max(this.#fileIds.peek()?.length ?? 0, PAGE_FILES)
    const ids: string[] = []
    let cursor: string | null = null
    do {
      const page = await this.#filesPage(cursor)
      ids.push(...page.ids)
      cursor = page.nextCursor
    } while (cursor !== null && ids.length < most)
    // The same list again is nothing to draw.
    if (ids.join() !== this.#fileIds.peek()?.join()) this.#fileIds.value = ids
    this.#nextCursor.value = cursor
  }

  async #loadFailed({ counts }: Package): Promise<void> {
    if (counts.failed === 0) {
      this.#failedIds.value = []
      return
    }
    const { antipasto, reports } = this.#desk
    const asked = reports.mark()
    const { items } = await antipasto.uploads.page(
      { package_id: this.id, state: ['failed'] },
      { limit: MOST_NAMED, signal: this.#closing.signal },
    )
    for (const report of items) reports.take(report, asked)
    const ready = new Set(this.#knownFiles().map(pathOf))
    this.#failedIds.value = items.filter((report) => !ready.has(pathOf(report))).map(({ id }) => id)
  }

  async #filesPage(cursor: string | null): Promise<{ ids: string[]; nextCursor: string | null }> {
    const { antipasto, reports } = this.#desk
    const asked = reports.mark()
    const { items, next_cursor: nextCursor } = await antipasto.packages.filesPage(this.id, {
      limit: PAGE_FILES,
      signal: this.#closing.signal,
      ...(cursor === null ? {} : { cursor }),
    })
    for (const report of items) reports.take(report, asked)
    return { ids: items.map(({ id }) => id), nextCursor }
  }

  /** What events don't tell. */
  async #look(): Promise<void> {
    if (document.hidden || this.#isPaused || isEnd(this.#trouble.peek())) return
    this.#looks += 1
    try {
      if (this.#looks % LOOKS_PER_COMPARISON === 0) await this.#compare()
      await this.#lookAtMoving()
    } catch {
      // The next look is soon, and what is wrong is said by what was asked for.
    }
  }

  async #compare(): Promise<void> {
    const before = this.#report.peek()
    const now = await this.#desk.antipasto.packages.get(this.id, this.#closing.signal)
    const isMended = this.#trouble.peek() !== null
    if (isMended || factsOf(now) !== factsOf(before)) this.#reload.ask()
  }

  /** How far a file is that another browser or the command line sends. */
  async #lookAtMoving(): Promise<void> {
    const { antipasto, reports, sending } = this.#desk
    const isMoving = this.#knownFiles().some(
      ({ id, state }) => (state === 'receiving' || state === 'finalizing') && !sending.uploads.peek().has(id),
    )
    if (!isMoving) return
    const asked = reports.mark()
    const { items } = await antipasto.uploads.page(
      { package_id: this.id, state: ['receiving', 'finalizing'] },
      { limit: MOST_NAMED, signal: this.#closing.signal },
    )
    for (const report of items) reports.take(report, asked)
  }

  #knownFiles(): Report[] {
    return (this.#fileIds.peek() ?? []).flatMap((id) => this.#desk.reports.of(id).peek() ?? [])
  }

  /** At its end nobody tells, until the server's sweep comes by. */
  #watchEnd({ expires_in: secondsLeft }: Package): void {
    clearTimeout(this.#ending)
    if (secondsLeft === null || this.#closing.signal.aborted) return
    const delayMs = Math.min((secondsLeft + 1) * 1_000, LONGEST_TIMER_MS)
    this.#ending = setTimeout(() => this.#reload.ask(), delayMs)
  }

  #fail(error: unknown): void {
    if (this.#closing.signal.aborted || this.#isPaused) return
    this.#trouble.value = error
    if (isEnd(error)) clearTimeout(this.#ending)
  }
}

/** It isn't there, or not any more: asking again helps nobody. */
export function isEnd(error: unknown): error is Gone | NotFound {
  return error instanceof Gone || error instanceof NotFound
}

/** All but the seconds that run down. */
function factsOf(report: Package | null): string {
  return JSON.stringify({ ...report, expires_in: null })
}
