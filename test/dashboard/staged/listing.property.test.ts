// Whatever happens at the server, in whatever order pages, events and reports reach the page: when all is still, the page's
// list is the server's.

import { describe, expect, test } from '@jest/globals'
import type { Event, Report, UploadFilters, UploadState } from '../../../client/api/types.js'
import {
  emptyListing,
  type Listing,
  sortOf,
  withChanges,
  withPage,
} from '../../../client/dashboard/staged/listing.js'
import {
  belongs,
  comparePositions,
  type Position,
  positionOf,
  type Sort,
} from '../../../client/dashboard/staged/order.js'
import type { UploadEvent } from '../../../client/dashboard/staged/report-after.js'
import { Reports } from '../../../client/dashboard/staged/reports.js'
import { SORTS } from '../../../client/dashboard/staged/wish.js'
import fc from '../../support/properties.js'
import { anEvent, aReport } from './a-report.js'

const PER_PAGE = 3

/** The server as far as lists go: every upload, the log, and pages by keyset. */
class Model {
  readonly uploads = new Map<string, Report>()
  readonly log: Event[] = []
  readonly #cursors: Position[] = []

  change(report: Report, type: UploadEvent['type']): void {
    this.uploads.set(report.id, report)
    this.log.push(anEvent(report, type, this.log.length + 1))
  }

  listed(filters: UploadFilters): Report[] {
    const sort = filters.sort ?? '-created_at'
    return [...this.uploads.values()]
      .filter((report) => belongs(report, filters))
      .sort((one, other) => comparePositions(positionOf(one, sort), positionOf(other, sort), sort))
  }

  page(filters: UploadFilters, cursor: string | undefined): { items: Report[]; next_cursor: string | null } {
    const sort = filters.sort ?? '-created_at'
    const behind = cursor === undefined ? undefined : this.#cursors[Number(cursor)]
    const rest = this.listed(filters).filter(
      (report) => behind === undefined || comparePositions(positionOf(report, sort), behind, sort) > 0,
    )
    const items = rest.slice(0, PER_PAGE)
    const last = items.at(-1)
    const isLast = rest.length <= PER_PAGE || last === undefined
    const next = isLast ? null : String(this.#cursors.push(positionOf(last, sort)) - 1)
    return { items: structuredClone(items), next_cursor: next }
  }
}

/** The page: what ListFeed does, without its timers. */
class Client {
  readonly reports = new Reports()
  listing: Listing
  #read = 0
  #turning: (() => void) | null = null
  #asking: (() => void)[] = []
  readonly #model: Model

  constructor(model: Model, filters: UploadFilters) {
    this.#model = model
    this.listing = emptyListing(filters)
    this.#read = model.log.length
  }

  hear(most: number): void {
    const events = this.#model.log.slice(this.#read, this.#read + most)
    this.#read += events.length
    for (const event of events) this.reports.apply(event)
    this.#place(new Set(events.flatMap(({ upload_id: id }) => (id === null ? [] : [id]))))
  }

  /** Asks for the next page, unless one is on its way. The server answers as it is now; the answer takes its time. */
  turn(): void {
    if (this.listing.knownTo === 'end' || this.#turning !== null) return
    const mark = this.reports.mark()
    const page = this.#model.page(this.listing.filters, this.listing.cursor)
    this.#turning = () => {
      this.#turning = null
      for (const report of page.items) this.reports.take(report, mark)
      const touched = [...this.reports.touchedSince(mark)].filter((id) => !this.reports.isSketch(id))
      this.listing = withPage(this.listing, page, touched, this.#known)
      this.#place(page.items.map(({ id }) => id))
    }
  }

  /** Asks for one report. */
  ask(id: string): void {
    const mark = this.reports.mark()
    const report = structuredClone(this.#model.uploads.get(id))
    this.#asking.push(() => {
      if (report !== undefined) this.reports.take(report, mark)
      this.#place([id])
    })
  }

  /** The answer to one of the questions is here. */
  answer(which: number): void {
    const answers = [...this.#asking, ...(this.#turning === null ? [] : [this.#turning])]
    const answer = answers[which % Math.max(answers.length, 1)]
    if (answer === undefined) return
    if (answer !== this.#turning) this.#asking = this.#asking.filter((other) => other !== answer)
    answer()
  }

  /** Until nothing is left to hear, and nothing is known by halves. */
  settle(): void {
    this.hear(Number.POSITIVE_INFINITY)
    while (this.#asking.length > 0 || this.#turning !== null) this.answer(0)
    for (const id of this.#model.uploads.keys()) {
      if (this.reports.of(id).peek() === undefined || this.reports.isWhole(id)) continue
      this.ask(id)
      this.answer(0)
    }
  }

  readonly #known = (id: string): Report | undefined => this.reports.of(id).peek()

  #place(ids: Iterable<string>): void {
    if (this.listing.knownTo === 'start') return
    const placeable = [...ids].filter((id) => !this.reports.isSketch(id))
    this.listing = withChanges(this.listing, placeable, this.#known)
  }
}

const NEXT: Record<UploadState, readonly [UploadState, UploadEvent['type']][]> = {
  receiving: [
    ['finalizing', 'upload.finalizing.v1'],
    ['canceled', 'upload.canceled.v1'],
    ['ready', 'upload.ready.v1'],
    ['failed', 'upload.failed.v1'],
  ],
  finalizing: [
    ['ready', 'upload.ready.v1'],
    ['failed', 'upload.failed.v1'],
  ],
  ready: [
    ['deleted', 'upload.deleted.v1'],
    ['expired', 'upload.expired.v1'],
    ['ready', 'upload.extended.v1'],
  ],
  failed: [['deleted', 'upload.deleted.v1']],
  canceled: [['receiving', 'upload.restored.v1']],
  deleted: [['ready', 'upload.restored.v1']],
  expired: [],
}

type Step =
  | { do: 'create'; name: string; size: number | null; at: number; label: string | null; end: number | null }
  | { do: 'advance'; which: number; how: number; end: number }
  | { do: 'hear'; most: number }
  | { do: 'turn' }
  | { do: 'ask'; which: number }
  | { do: 'answer'; which: number }

const names = fc.constantFrom('a.csv', 'B.csv', 'b.csv', 'lake.csv', 'Zürich.csv', '😀.csv', '\uffee.csv')
const created = fc.record({
  do: fc.constant('create' as const),
  name: names,
  size: fc.option(fc.integer({ min: 0, max: 3 })),
  at: fc.integer({ min: 0, max: 5 }),
  label: fc.option(fc.constantFrom('lakes', 'rivers')),
  end: fc.option(fc.integer({ min: 0, max: 3 })),
})
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    created,
    fc.record({
      do: fc.constant('advance' as const),
      which: fc.nat(),
      how: fc.nat(),
      end: fc.integer({ min: 0, max: 9 }),
    }),
    fc.record({ do: fc.constant('hear' as const), most: fc.integer({ min: 0, max: 4 }) }),
    fc.record({ do: fc.constant('turn' as const) }),
    fc.record({ do: fc.constant('ask' as const), which: fc.nat() }),
    fc.record({ do: fc.constant('answer' as const), which: fc.nat() }),
  ),
  { maxLength: 60, size: 'max' },
)
const filters: fc.Arbitrary<UploadFilters> = fc.record(
  {
    sort: fc.constantFrom<Sort>(...SORTS),
    state: fc.constantFrom<UploadState[]>(
      ['ready'],
      ['receiving', 'finalizing'],
      ['deleted', 'canceled', 'expired'],
    ),
    label: fc.constantFrom('lakes'),
    q: fc.constantFrom('LAKE', 'b.'),
  },
  { requiredKeys: ['sort'] },
)

const momentOf = (value: number | null) =>
  value === null ? null : new Date(Date.UTC(2026, 10, 1, 0, 0, value)).toISOString()

function run(model: Model, client: Client | null, step: Step): void {
  const ids = [...model.uploads.keys()]
  switch (step.do) {
    case 'create': {
      const { name, size, at, label, end } = step
      const id = ((ids.length * 7919) % 65_536).toString(16).padStart(4, '0')
      const created_at = momentOf(at) ?? ''
      const members = { created_at, expires_at: momentOf(end), state: 'receiving', offset: 0 } as const
      model.change(aReport({ id, filename: name, size, label, ...members }), 'upload.created.v1')
      return
    }
    case 'advance': {
      const before = model.uploads.get(ids[step.which % Math.max(ids.length, 1)] ?? '')
      const ways = before === undefined ? [] : NEXT[before.state]
      const way = ways[step.how % Math.max(ways.length, 1)]
      if (before === undefined || way === undefined) return
      const [state, type] = way
      const expires_at = type === 'upload.extended.v1' ? momentOf(step.end) : before.expires_at
      model.change({ ...before, state, expires_at }, type)
      return
    }
    case 'hear':
      client?.hear(step.most)
      return
    case 'turn':
      client?.turn()
      return
    case 'ask':
      if (ids.length > 0) client?.ask(ids[step.which % ids.length]!)
      return
    case 'answer':
      client?.answer(step.which)
  }
}

describe('a list of the page', () => {
  test('is the server’s list as far as it was loaded, whatever the order of pages, events and reports', () => {
    fc.assert(
      fc.property(filters, steps, steps, (wished, before, during) => {
        const model = new Model()
        for (const step of before) run(model, null, step)
        const client = new Client(model, wished)
        for (const step of during) run(model, client, step)
        client.settle()
        const shown = client.listing.entries.map(({ id }) => id)
        const { knownTo } = client.listing
        const expected = model
          .listed(wished)
          .filter((report) => {
            if (knownTo === 'start') return false
            if (knownTo === 'end') return true
            return (
              comparePositions(positionOf(report, sortOf(client.listing)), knownTo, sortOf(client.listing)) <=
              0
            )
          })
          .map(({ id }) => id)
        expect(shown).toEqual(expected)
        // And to its end, when it is turned over to there.
        for (let page = 0; page < 100 && client.listing.knownTo !== 'end'; page += 1) {
          client.turn()
          client.answer(0)
        }
        expect(client.listing.entries.map(({ id }) => id)).toEqual(model.listed(wished).map(({ id }) => id))
        for (const { id } of client.listing.entries) {
          expect(client.reports.of(id).peek()).toEqual(model.uploads.get(id))
        }
      }),
      { numRuns: 1_500 },
    )
  })

  test('is the same object when nothing in it has moved', () => {
    const known = (id: string) => aReport({ id })
    const page = { items: [aReport({ id: 'aa' })], next_cursor: null }
    const listing = withPage(emptyListing({}), page, [], known)
    expect(withChanges(listing, ['aa'], known)).toBe(listing)
  })
})
