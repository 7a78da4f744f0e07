import { mkdtemp, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { Journal } from '../../../../client/cli/push/journal.js'
import {
  apply,
  compacted,
  decode,
  emptyState,
  encode,
  type JournalRecord,
  type JournalState,
} from '../../../../client/cli/push/journal-records.js'
import fc from '../../../support/properties.js'

let folder: string
let file: string
let faults: unknown[]

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'antipasto-journal-'))
  file = path.join(folder, 'push', 'a.jsonl')
  faults = []
})

afterEach(() => rm(folder, { recursive: true, force: true }))

const open = (options = {}) => Journal.open(file, { onFault: (error) => faults.push(error), ...options })
const began = (key: string, url = `https://s/uploads/${key}`): JournalRecord => ({
  type: 'began',
  key,
  version: 'v1',
  generation: 0,
  url,
})
const done = (key: string, expiresAt: string | null = null): JournalRecord => ({
  type: 'done',
  key,
  version: 'v1',
  generation: 0,
  url: `https://s/uploads/${key}`,
  sha256: 'aa',
  expiresAt,
})

const key = fc.constantFrom('a', 'b', 'c')
const line = { key, version: fc.constantFrom('v1', 'v2'), generation: fc.nat(3) }
const url = fc.constantFrom('https://s/uploads/1', 'https://s/uploads/é')
const record: fc.Arbitrary<JournalRecord> = fc.oneof(
  fc.record({ type: fc.constant('salt' as const), salt: fc.string() }),
  fc.record({ type: fc.constant('began' as const), ...line, url }),
  fc.record({ type: fc.constant('progress' as const), ...line, bytes: fc.nat(), sha256: fc.string() }),
  fc.record({
    type: fc.constant('done' as const),
    ...line,
    url,
    sha256: fc.constant(null),
    expiresAt: fc.constant(null),
  }),
  fc.record({ type: fc.constant('ended' as const), ...line }),
)

function stateOf(text: string): JournalState {
  const state = emptyState()
  for (const one of text.split('\n')) {
    const read = decode(one)
    if (read !== null) apply(state, read)
  }
  return state
}

describe('what the lines mean', () => {
  test('any beginning of a journal is a journal: that of the lines that are whole in it', () => {
    fc.assert(
      fc.property(fc.array(record, { maxLength: 20 }), fc.nat(), (records, at) => {
        const bytes = Buffer.from(records.map(encode).join(''))
        const cut = bytes.subarray(0, bytes.byteLength === 0 ? 0 : at % (bytes.byteLength + 1))
        const whole = cut.subarray(0, cut.lastIndexOf(10) + 1)
        const expected = emptyState()
        for (const one of records.slice(0, whole.toString().split('\n').length - 1)) apply(expected, one)
        // A line that misses only its end is known, too.
        const torn = decode(cut.subarray(whole.byteLength).toString())
        if (torn !== null) apply(expected, torn)
        expect(stateOf(cut.toString())).toEqual(expected)
      }),
    )
  })

  test('the fewest lines mean the same', () => {
    fc.assert(
      fc.property(fc.array(record, { maxLength: 30 }), (records) => {
        const state = emptyState()
        for (const one of records) apply(state, one)
        const again = emptyState()
        for (const one of compacted(state, new Date(0))) apply(again, one)
        expect(again).toEqual(state)
      }),
    )
  })

  test.each([
    '',
    '{',
    'null',
    '[]',
    '{"type":"began"}',
    '{"type":"other","key":"a","version":"v"}',
    '{"type":"salt","salt":1}',
  ])('the line %j says nothing', (text) => {
    expect(decode(text)).toBeNull()
  })

  test('what is past its end on the server is forgotten, and its idempotency key with it', () => {
    const state = emptyState()
    apply(state, done('a', '2026-01-01T00:00:00Z'))
    expect([...compacted(state, new Date('2026-01-02'))]).toEqual([
      { type: 'ended', key: 'a', version: 'v1', generation: 1 },
    ])
    expect([...compacted(state, new Date('2025-12-31'))]).toEqual([done('a', '2026-01-01T00:00:00Z')])
  })
})

describe('the journal on disk', () => {
  test('knows after its end what was written to it, in files that only their owner reads', async () => {
    const first = await open()
    await first.write(began('a'), { isDurable: true })
    await first.write({ type: 'progress', key: 'a', version: 'v1', bytes: 7, sha256: 'bb' })
    await first.write(done('b'))
    const { salt } = first
    await first.close()
    expect((await stat(file)).mode & 0o777).toBe(0o600)
    expect((await stat(path.dirname(file))).mode & 0o777).toBe(0o700)

    const second = await open()
    expect(second.salt).toBe(salt)
    expect(salt).toMatch(/^[0-9a-f]{32}$/)
    expect(second.get('a')).toMatchObject({ state: 'began', prefix: { bytes: 7, sha256: 'bb' } })
    expect(second.get('b')).toMatchObject({ state: 'done', url: 'https://s/uploads/b' })
    expect([second.hasDone('b'), second.hasDone('a')]).toEqual([true, false])
    await second.close()
    expect(faults).toEqual([])
  })

  test('survives a torn last line, and writes on behind it', async () => {
    const first = await open()
    await first.write(done('a'))
    await first.write(done('b'))
    await first.close()
    await truncate(file, (await stat(file)).size - 10)
    const second = await open()
    expect(second.get('a')?.state).toBe('done')
    expect(second.get('b')).toBeUndefined()
    await second.write(done('c'))
    await second.close()
    const third = await open()
    expect([third.get('a')?.state, third.get('c')?.state]).toEqual(['done', 'done'])
    await third.close()
  })

  test('is made small again at the start when most of it is history, and means the same', async () => {
    const first = await open()
    for (let at = 0; at < 5000; at += 1) void first.write(began('a', `https://s/uploads/${at}`))
    await first.write(done('b'))
    await first.close()
    const { size } = await stat(file)
    const second = await open()
    expect((await stat(file)).size).toBeLessThan(size / 100)
    expect(second.get('a')?.url).toBe('https://s/uploads/4999')
    expect(second.get('b')?.state).toBe('done')
    expect(second.salt).toBe(first.salt)
    await second.close()
  })

  test('two at once lose nothing of each other, even when one made it small under the other', async () => {
    const first = await open()
    for (let at = 0; at < 5000; at += 1) void first.write(began('old', `https://s/uploads/${at}`))
    await first.write(done('a'))
    const second = await open()
    await second.write(done('b'))
    await first.close()
    const sizeBefore = (await stat(file)).size
    const third = await open()
    expect((await stat(file)).size).toBeLessThan(sizeBefore)
    await second.write(done('c'))
    await third.write(done('d'))
    await second.refresh()
    expect(['a', 'b', 'c', 'd'].map((one) => second.get(one)?.state)).toEqual(Array(4).fill('done'))
    await Promise.all([second.close(), third.close()])
    const last = await open()
    expect(['a', 'b', 'c', 'd'].map((one) => last.get(one)?.state)).toEqual(Array(4).fill('done'))
    await last.close()
  })

  test('a folder that can not be written to is told once, and everything goes on in memory', async () => {
    await writeFile(path.join(folder, 'push'), 'a file in its place')
    const journal = await open()
    await journal.write(began('a'), { isDurable: true })
    await journal.write(done('a'))
    expect(journal.get('a')?.state).toBe('done')
    await journal.refresh()
    await journal.close()
    expect(faults).toHaveLength(1)
    expect(await readFile(path.join(folder, 'push'), 'utf8')).toBe('a file in its place')
  })

  test('a journal that is removed meanwhile is begun again', async () => {
    const journal = await open()
    await journal.write(done('a'))
    await rm(path.dirname(file), { recursive: true })
    await journal.write(done('b'))
    await journal.close()
    expect(await readFile(file, 'utf8')).toContain('"key":"b"')
    expect(faults).toEqual([])
  })
})
