import { describe, expect, test } from '@jest/globals'
import type { PackageSummary, Report, UploadFilters } from '../../../client/api/types.js'
import { failureWords } from '../../../client/dashboard/staged/failure-words.js'
import { MOST_SINGLY, nextLookMs, planRefetch } from '../../../client/dashboard/staged/freshening.js'
import { firstOpen, groupKeys, rowsOf } from '../../../client/dashboard/staged/groups.js'
import { emptyListing, withPage } from '../../../client/dashboard/staged/listing.js'
import { belongs, comparePositions, NO_PACKAGE } from '../../../client/dashboard/staged/order.js'
import { reportAfter, type UploadEvent } from '../../../client/dashboard/staged/report-after.js'
import { Reports } from '../../../client/dashboard/staged/reports.js'
import { rowHeightPx } from '../../../client/dashboard/staged/row-heights.js'
import {
  filtersOf,
  hashOf,
  isNarrowed,
  NO_WISH,
  SORTS,
  STATE_CHOICES,
  type StateChoice,
  type Wish,
  wishOf,
} from '../../../client/dashboard/staged/wish.js'
import { en } from '../../../client/dashboard/words/en.js'
import fc from '../../support/properties.js'
import { anEvent, aReport } from './a-report.js'

describe('the order of a list', () => {
  test('takes names by the bytes of UTF-8, as the server does', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (one, other) => {
        const order = comparePositions({ value: one, id: 'a' }, { value: other, id: 'a' }, 'filename')
        expect(Math.sign(order)).toBe(Buffer.from(one).compare(Buffer.from(other)))
      }),
    )
  })

  test.each([
    ['created_at', 1, 2, -1],
    ['-created_at', 1, 2, 1],
    ['size', 0, 0, -1],
    ['-size', 0, 0, 1],
    ['-expires_at', Number.POSITIVE_INFINITY, 5, -1],
  ] as const)('%s: %d and %d', (sort, one, other, sign) => {
    expect(Math.sign(comparePositions({ value: one, id: 'a' }, { value: other, id: 'b' }, sort))).toBe(sign)
  })

  test.each([
    ['all that lives, and what failed', { state: 'failed' }, {}, true],
    ['not what ended', { state: 'expired' }, {}, false],
    ['what ended, when it is asked for', { state: 'expired' }, { state: ['expired'] }, true],
    ['a label', { label: 'lakes' }, { label: 'lakes' }, true],
    ['no other label', { label: 'Lakes' }, { label: 'lakes' }, false],
    ['what is in no package', { package_id: null }, { package_id: NO_PACKAGE }, true],
    ['not what is in one', { package_id: 'ab' }, { package_id: NO_PACKAGE }, false],
    ['a text in the name, in any case', { filename: 'Lake.CSV' }, { q: 'lake.c' }, true],
    ['a text in the path', { relative_path: 'north/tile.laz' }, { q: 'NORTH' }, true],
    ['its id', {}, { q: 'aa' }, true],
    ['no part of its id', { filename: 'x' }, { q: 'a' }, false],
  ] satisfies [string, Partial<Report>, UploadFilters, boolean][])(
    'has %s',
    (_, members, filters, isThere) => {
      expect(belongs(aReport({ id: 'aa', filename: null, ...members }), filters)).toBe(isThere)
    },
  )
})

describe('what an event says of a report', () => {
  const event = (members: Parameters<typeof aReport>[0], type: UploadEvent['type']) =>
    anEvent(aReport(members), type) as UploadEvent

  test('makes unknown uploads known', () => {
    const report = reportAfter(undefined, event({ id: 'aa', state: 'receiving' }, 'upload.created.v1'))
    expect(report).toMatchObject({
      id: 'aa',
      state: 'receiving',
      filename: 'aa.csv',
      offset: 0,
      checksums: null,
    })
    expect(report.created_at).toBe('2026-11-01T00:00:00.000Z')
  })

  test('gives all bytes to what is ready, and takes the URL from what is not', () => {
    const before = aReport({
      id: 'aa',
      state: 'receiving',
      offset: 400,
      retrieval_url: null,
      checksums: null,
    })
    expect(reportAfter(before, event({ id: 'aa' }, 'upload.ready.v1'))).toMatchObject({
      state: 'ready',
      offset: 1_000,
    })
    const deleted = reportAfter(
      aReport({ id: 'aa' }),
      event({ id: 'aa', state: 'deleted' }, 'upload.deleted.v1'),
    )
    expect(deleted).toMatchObject({ state: 'deleted', retrieval_url: null })
  })

  test('takes nothing back that an answer has overtaken, but a deletion that was undone', () => {
    const ready = aReport({ id: 'aa' })
    expect(reportAfter(ready, event({ id: 'aa', state: 'finalizing' }, 'upload.finalizing.v1'))).toBe(ready)
    const deleted = aReport({ id: 'aa', state: 'deleted' })
    expect(reportAfter(deleted, event({ id: 'aa' }, 'upload.restored.v1')).state).toBe('ready')
  })
})

describe('the reports of the page', () => {
  test('an answer that is older than an event gives only what the event does not tell', () => {
    const reports = new Reports()
    const asked = reports.mark()
    reports.apply(anEvent(aReport({ id: 'aa', state: 'deleted' }), 'upload.deleted.v1'))
    reports.take(aReport({ id: 'aa', note: 'from the field' }), asked)
    expect(reports.of('aa').peek()).toMatchObject({ state: 'deleted', note: 'from the field' })
    expect(reports.isWhole('aa')).toBe(false)
    reports.take(aReport({ id: 'aa', state: 'deleted' }), reports.mark())
    expect(reports.isWhole('aa')).toBe(true)
  })

  test('tells of each change, and which uploads are known by halves', () => {
    const reports = new Reports()
    const told: string[] = []
    const stop = reports.onChange((id) => told.push(id))
    reports.apply(anEvent(aReport({ id: 'aa', state: 'receiving' }), 'upload.created.v1'))
    reports.apply(anEvent(aReport({ id: 'bb' }), 'upload.extended.v1'))
    expect([reports.isSketch('aa'), reports.isSketch('bb')]).toEqual([false, true])
    reports.take(aReport({ id: 'bb' }))
    expect(reports.isSketch('bb')).toBe(false)
    stop()
    reports.forget('bb')
    expect(told).toEqual(['aa', 'bb', 'bb'])
    expect(reports.of('bb').peek()).toBeUndefined()
  })
})

describe('what is asked for again', () => {
  const entries = Array.from({ length: 1_000 }, (_, at) => ({ value: 1_000 - at, id: `${at}` }))
  const starts = [
    { position: null, cursor: undefined },
    { position: entries[199]!, cursor: 'page 2' },
    { position: entries[399]!, cursor: 'page 3' },
  ]

  test('nothing, a few one by one, many as the stretch of the list that they are in', () => {
    expect(planRefetch([], entries, starts, '-created_at')).toEqual({ kind: 'none' })
    const few = entries.slice(500, 500 + MOST_SINGLY)
    expect(planRefetch(few, entries, starts, '-created_at')).toEqual({
      kind: 'singly',
      ids: few.map(({ id }) => id),
    })
    expect(planRefetch(entries.slice(0, 20), entries, starts, '-created_at')).toEqual({
      kind: 'stretch',
      cursor: undefined,
      limit: 36,
    })
    expect(planRefetch(entries.slice(210, 230), entries, starts, '-created_at')).toEqual({
      kind: 'stretch',
      cursor: 'page 2',
      limit: 46,
    })
  })

  test('the unfinished ones often while they move, seldom when nothing has come for a while', () => {
    expect([0, 2, 3, 100].map(nextLookMs)).toEqual([2_000, 2_000, 15_000, 15_000])
  })
})

describe('what the list is to show', () => {
  const wishes: fc.Arbitrary<Wish> = fc.record({
    text: fc.string({ maxLength: 60 }).map((text) => wishOf(`#/?${new URLSearchParams({ q: text })}`).text),
    state: fc.option(fc.constantFrom(...(Object.keys(STATE_CHOICES) as StateChoice[]))),
    label: fc.option(fc.constantFrom('lakes', 'a&b=c', '?#/', 'بحيرة')),
    sort: fc.constantFrom(...SORTS),
  })

  test('goes into the address and comes out of it as it was', () => {
    fc.assert(
      fc.property(wishes, (wish) => {
        const hash = hashOf(wish)
        expect(wishOf(hash)).toEqual(wish)
        expect(wishOf(new URL(`https://example.org/${hash}`).hash)).toEqual(wish)
      }),
    )
  })

  test.each([
    ['', NO_WISH],
    ['#/', NO_WISH],
    ['#/?state=nonsense&sort=nonsense&q=', NO_WISH],
    ['#/?q=%00lake%0A&state=failed', { ...NO_WISH, text: 'lake', state: 'failed' as const }],
    ['#/?sort=-size&label=lakes', { ...NO_WISH, sort: '-size' as const, label: 'lakes' }],
  ])('%s', (hash, wish) => {
    expect(wishOf(hash)).toEqual(wish)
  })

  test('is told to the server in its own words', () => {
    expect(filtersOf(NO_WISH)).toEqual({ sort: '-created_at' })
    const wish: Wish = { text: ' lake ', state: 'unfinished', label: 'lakes', sort: 'size' }
    expect(filtersOf(wish)).toEqual({
      q: 'lake',
      state: ['receiving', 'finalizing'],
      label: 'lakes',
      sort: 'size',
    })
    expect([isNarrowed(NO_WISH), isNarrowed({ ...NO_WISH, sort: 'size' }), isNarrowed(wish)]).toEqual([
      false,
      false,
      true,
    ])
  })
})

describe('the groups', () => {
  const pack = (id: string, label: string | null, created_at: string) =>
    ({ id, label, created_at }) as unknown as PackageSummary // only these members count
  const packages = [
    pack('p2', 'lakes', '2026-11-02T00:00:00.000Z'),
    pack('p1', 'rivers', '2026-11-01T00:00:00.000Z'),
  ]
  const listing = (ids: string[], next: string | null) => {
    const items = ids.map((id) => aReport({ id }))
    const page = { items, next_cursor: next }
    return withPage(emptyListing({}), page, [], (id) => items.find((one) => one.id === id))
  }

  test('are the packages, and before them what is in none, where there is something', () => {
    expect(groupKeys(packages, listing([], null), null)).toEqual(['p2', 'p1'])
    expect(groupKeys(packages, listing(['aa'], null), null)).toEqual([NO_PACKAGE, 'p2', 'p1'])
    expect(groupKeys(packages, null, 'rivers')).toEqual(['p1'])
  })

  test('are open where the newest things are', () => {
    expect(firstOpen([], null)).toBeNull()
    expect(firstOpen([], 1)).toBe(NO_PACKAGE)
    expect(firstOpen(packages, null)).toBe('p2')
    expect(firstOpen(packages, Date.parse('2026-11-01T12:00:00Z'))).toBe('p2')
    expect(firstOpen(packages, Date.parse('2026-11-03T00:00:00Z'))).toBe(NO_PACKAGE)
  })

  test('show their files when they are open, and say what is missing', () => {
    const kinds = (isOpen: boolean, files: ReturnType<typeof listing> | null, hasTrouble = false) =>
      rowsOf([{ key: 'p1', isOpen, listing: files, hasTrouble }]).map((row) =>
        row.kind === 'note' ? row.note : row.kind,
      )
    expect(kinds(false, listing(['aa'], null))).toEqual(['group'])
    expect(kinds(true, null)).toEqual(['group', 'loading'])
    expect(kinds(true, listing([], null))).toEqual(['group', 'empty'])
    expect(kinds(true, listing(['aa', 'bb'], null))).toEqual(['group', 'file', 'file'])
    expect(kinds(true, listing(['aa'], 'more'))).toEqual(['group', 'file', 'loading'])
    expect(kinds(true, listing(['aa'], 'more'), true)).toEqual(['group', 'file', 'trouble'])
  })
})

describe('why an upload failed', () => {
  const { failures, sendAgain } = en.staged

  test.each([
    ['HASH_MISMATCH', 'Check the file.', failures.HASH_MISMATCH, 'Check the file.'],
    ['CONTENT_REFUSED', 'No archives.', failures.CONTENT_REFUSED, 'No archives.'],
    ['INTERNAL', 'The disk broke.', failures.other, `The disk broke. ${sendAgain}`],
    ['constructor', '', failures.other, sendAgain],
  ])('%s', (code, detail, short, all) => {
    expect(failureWords({ code, detail }, en.staged)).toEqual({ short, detail: all })
  })

  test('is told in general as long as the server has not been asked', () => {
    expect(failureWords(null, en.staged)).toEqual({ short: failures.other, detail: sendAgain })
  })
})

describe('how high a row is', () => {
  test('does not depend on what is in it, but on what kind it is', () => {
    expect(rowHeightPx({ kind: 'file' }, false)).toBe(60)
    expect(rowHeightPx({ kind: 'file', hasReason: true }, false)).toBe(106)
    expect(rowHeightPx({ kind: 'file', hasReason: true }, true)).toBeGreaterThan(106)
    expect(rowHeightPx({ kind: 'file', hasTrouble: true }, false)).toBeGreaterThan(60)
  })
})
