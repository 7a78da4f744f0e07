// The packages, newest first, with what is in them: for the groups of the list, and the labels to choose from.

import { type ReadonlySignal, signal } from '@preact/signals'
import type { Antipasto } from '../../api/antipasto.js'
import { MOST_PER_PAGE } from '../../api/pages.js'
import type { PackageSummary } from '../../api/types.js'
import { soon } from '../parts/soon.js'
import type { Live } from './live.js'

export class PackageFeed {
  /** Null while they aren't known. */
  readonly packages: ReadonlySignal<readonly PackageSummary[] | null>
  readonly trouble: ReadonlySignal<unknown>
  /** Whether there are more than were loaded. */
  readonly hasMore: ReadonlySignal<boolean>

  readonly #antipasto: Antipasto
  readonly #packages = signal<readonly PackageSummary[] | null>(null)
  readonly #trouble = signal<unknown>(null)
  readonly #hasMore = signal(false)
  readonly #ending = new AbortController()
  readonly #stops: (() => void)[]
  /** A push of a thousand files into a package is one reason to count them again, not a thousand. */
  readonly #again = soon(() => this.load(), { delayMs: 150, restMs: 1_500 })
  #pages = 1

  constructor(antipasto: Antipasto, live: Live) {
    this.#antipasto = antipasto
    this.packages = this.#packages
    this.trouble = this.#trouble
    this.hasMore = this.#hasMore
    this.#stops = [
      live.onGap(() => this.#again.ask()),
      live.onEvent(({ package_id: id }) => {
        if (id !== null) this.#again.ask()
      }),
    ]
  }

  close(): void {
    this.#ending.abort()
    this.#again.stop()
    for (const stop of this.#stops) stop()
  }

  loadMore(): void {
    if (!this.#hasMore.peek()) return
    this.#hasMore.value = false
    this.#pages += 1
    this.#again.ask()
  }

  /** All that are shown, anew. Doesn't reject. */
  async load(): Promise<void> {
    const all: PackageSummary[] = []
    let cursor: string | undefined
    try {
      for (let page = 0; page < this.#pages; page += 1) {
        const options = { cursor, limit: MOST_PER_PAGE, signal: this.#ending.signal }
        const { items, next_cursor: next } = await this.#antipasto.packages.page({}, options)
        all.push(...items)
        cursor = next ?? undefined
        if (cursor === undefined) break
      }
      this.#packages.value = all
      this.#hasMore.value = cursor !== undefined
      this.#trouble.value = null
    } catch (error) {
      if (!this.#ending.signal.aborted) this.#trouble.value = error
    }
  }
}
