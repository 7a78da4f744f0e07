// Packages over HTTP, on a real database and a real store.

import { createHash } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { decode } from 'cborg'
import { encodeCursor } from '../../server/http/cursor.js'
import {
  extensionSchema,
  manifestSchema,
  packagePage,
  packageSchema,
} from '../../server/packages/operations.js'
import type { PackageReport, PackageSummary } from '../../server/packages/package.js'
import { randomId } from '../../server/uploads/random.js'
import type { Report } from '../../server/uploads/report.js'
import type { Answer } from '../dialects/exchange.js'
import { expectProblem } from '../dialects/problem-of.js'
import { checksumsOf } from '../dialects/tus-client.js'
import { aFile, type Ground, letExpire, newGround, uploaderNamed } from '../uploads/parts.js'
import { assertDeterministicCbor, canonicalJson } from './canonical.js'
import {
  aWhole,
  jsonOf,
  OWNER,
  openPackageInstance,
  PackageApi,
  type PackageInstance,
  PUBLIC_URL,
} from './ground.js'

let ground: Ground
let instance: PackageInstance
let api: PackageApi

beforeAll(async () => {
  ground = await newGround()
  instance = await openPackageInstance(ground)
  api = await PackageApi.open(instance)
})
afterAll(async () => {
  api.close()
  await instance.close()
  await ground.dispose()
})
beforeEach(() =>
  ground.rows('TRUNCATE parts, uploads, packages, retention_extensions, events, blobs, garbage CASCADE'),
)

interface Page<Item> {
  items: Item[]
  next_cursor: string | null
}

async function make(body: object = {}): Promise<PackageReport> {
  const answer = await api.send('POST', '/packages', { body: { name: 'Lake survey', ...body } })
  expect([answer.status, answer.body.toString()]).toEqual([201, expect.any(String)])
  return packageSchema.strict().parse(jsonOf(answer)) as PackageReport
}

async function report(id: string): Promise<PackageReport> {
  const answer = await api.send('GET', `/packages/${id}`)
  expect(answer.status).toBe(200)
  return packageSchema.strict().parse(jsonOf(answer)) as PackageReport
}

async function finalize(id: string): Promise<PackageReport> {
  const answer = await api.send('POST', `/packages/${id}/finalize`)
  expect([answer.status, answer.body.toString()]).toEqual([200, expect.any(String)])
  return packageSchema.strict().parse(jsonOf(answer)) as PackageReport
}

async function names(query: string): Promise<string[]> {
  const answer = await api.send('GET', `/packages${query}`)
  expect([answer.status, answer.body.toString()]).toEqual([200, expect.any(String)])
  return packagePage.parse(jsonOf(answer)).items.map(({ name }) => name)
}

async function eventsOf(packageId: string): Promise<{ type: string; data: Record<string, unknown> }[]> {
  return ground.rows(
    'SELECT type, data FROM events WHERE package_id = $1 AND upload_id IS NULL ORDER BY id',
    [packageId],
  )
}

/** `count` objects in each other, with `name` in the middle. */
const nestedJson = (count: number) => `${'{"a":'.repeat(count)}1${'}'.repeat(count)}`

describe('POST /packages', () => {
  test('makes an open package, and says all of it', async () => {
    const body = {
      name: 'Lake survey',
      label: 'lake',
      producer: 'NTL',
      subject: 'limnology',
      retention_class: 'long',
      metadata: { site: 'Mendota', depth_m: 25.3, tags: ['a', null, { b: true }] },
    }
    const answer = await api.send('POST', '/packages', { body })
    expect(answer.status).toBe(201)
    const made = jsonOf<PackageReport>(answer)
    expect(answer.headers).toMatchObject({
      location: `${PUBLIC_URL}/packages/${made.id}`,
      'cache-control': 'no-store',
    })
    expect(made).toMatchObject({
      ...body,
      state: 'open',
      counts: { total: 0, ready: 0, failed: 0, unfinished: 0, bytes: 0 },
      finalized_at: null,
      manifest_sha256: null,
      manifest_url: null,
      retention: { class: 'long', extensions: [] },
    })
    expect(Date.parse(made.expires_at ?? '') - Date.parse(made.created_at)).toBe(20 * 86_400_000)
    const { expires_in: now, ...rest } = await report(made.id)
    const { expires_in: then, ...first } = made
    expect(rest).toEqual(first)
    expect((then ?? 0) - (now ?? 0)).toBeLessThan(5)
    expect(await eventsOf(made.id)).toMatchObject([
      { type: 'package.created.v1', data: { state: 'open', label: 'lake' } },
    ])
  })

  test('takes the first class when none is named, reads text in NFC, and never ends when its class doesn’t', async () => {
    expect(await make({ label: 'cafe\u0301' })).toMatchObject({
      retention_class: 'staging',
      label: 'caf\u00e9',
      metadata: {},
    })
    expect(await make({ retention_class: 'permanent' })).toMatchObject({ expires_at: null, expires_in: null })
  })

  test('a label that has an open package already is a conflict that names it; a finalized one frees it', async () => {
    const first = await make({ label: 'lake' })
    const again = await api.send('POST', '/packages', { body: { name: 'other', label: 'lake' } })
    expect(expectProblem(again, 409, 'CONFLICT').details).toEqual({ package_id: first.id })
    // Another owner's labels are its own.
    const theirs = await api.send('POST', '/packages', {
      body: { name: 'x', label: 'lake' },
      key: 'other:upload',
    })
    expect(theirs.status).toBe(201)
    await instance.put('1', { packageId: first.id })
    await finalize(first.id)
    expect((await make({ label: 'lake' })).id).not.toBe(first.id)
  })

  test('of ten at once with one label, one is made', async () => {
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => api.send('POST', '/packages', { body: { name: 'x', label: 'race' } })),
    )
    expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array(9).fill(409)])
    expect(await names('?label=race')).toEqual(['x'])
  })

  test('a label whose package is past its end is free at once', async () => {
    const old = await make({ label: 'lake' })
    await ground.rows(`UPDATE packages SET expires_at = now() - interval '1 second'`)
    expect((await make({ label: 'lake' })).id).not.toBe(old.id)
    expect(await eventsOf(old.id)).toMatchObject([
      {},
      { type: 'package.expired.v1', data: { state: 'expired' } },
    ])
  })

  test.each<[string, unknown, number?]>([
    ['no body', undefined, 415],
    ['no JSON', '{"name":', 400],
    ['a list', []],
    ['no name', {}],
    ['a blank name', { name: ' ' }],
    ['a name that isn’t text', { name: 7 }],
    ['a name with a line break', { name: 'a\nb' }],
    ['half a character', '{"name":"\\ud800"}'],
    ['too long a name', { name: 'x'.repeat(1025) }],
    ['1 MB', { name: 'x'.repeat(1_000_000) }, 413],
    ['an unknown member', { name: 'x', owner: 'me' }],
    ['an unknown class', { name: 'x', retention_class: 'eternal' }],
    ['an empty label', { name: 'x', label: '' }],
    ['a label of 3072 bytes', { name: 'x', label: '\u4e00'.repeat(1024) }],
    ['null for nothing', { name: 'x', label: null }],
    ['metadata that is a list', { name: 'x', metadata: [] }],
    ['metadata 10,000 deep', `{"name":"x","metadata":${nestedJson(10_000)}}`],
    ['a name 10,000 deep', `{"name":${nestedJson(10_000)}}`],
    ['an unknown member 10,000 deep', `{"name":"x","y":${nestedJson(10_000)}}`],
    ['lists 100,000 deep', `${'['.repeat(100_000)}${']'.repeat(100_000)}`],
    ['metadata with __proto__', '{"name":"x","metadata":{"__proto__":{}}}'],
    ['a member __proto__', '{"name":"x","__proto__":{"label":"y"}}'],
    ['metadata with NUL', '{"name":"x","metadata":{"a":"\\u0000"}}'],
    ['metadata beyond 2^53', '{"name":"x","metadata":{"a":9007199254740993}}'],
    ['metadata of 65 KiB', { name: 'x', metadata: { a: 'x'.repeat(65 * 1024) } }],
  ])('refuses %s, and makes nothing', async (_name, body, status = 400) => {
    const answer = await api.send('POST', '/packages', { body })
    const codes = { 400: 'INVALID_INPUT', 413: 'PAYLOAD_TOO_LARGE', 415: 'UNSUPPORTED_MEDIA_TYPE' } as const
    expectProblem(answer, status, codes[status as 400])
    expect(await ground.rows('SELECT id FROM packages')).toEqual([])
  })

  test('64 KiB of metadata come back as they went', async () => {
    const metadata = { a: 'ä'.repeat(32 * 1024 - 50), 'b.c': 5e-324, d: [-1.7e-7, 0.1] }
    expect((await make({ metadata })).metadata).toEqual(metadata)
  })
})

describe('GET /packages', () => {
  test('filters by each member, by metadata, and by all at once', async () => {
    const metadata = { site: 'Mendota', year: 2026, is_open: true, 'odd key': 'x', deep: { a: 1 } }
    await make({ name: 'a', producer: 'NTL', subject: 's1', metadata })
    await make({ name: 'b', producer: 'NTL', subject: 's2', label: 'l', retention_class: 'long' })
    await make({ name: 'c', metadata: { site: 'Monona' } })
    expect(await names('')).toEqual(['c', 'b', 'a'])
    expect(await names('?producer=NTL')).toEqual(['b', 'a'])
    expect(await names('?subject=s1')).toEqual(['a'])
    expect(await names('?retention_class=long')).toEqual(['b'])
    expect(await names('?label=l')).toEqual(['b'])
    expect(await names('?metadata.site=Monona')).toEqual(['c'])
    expect(await names('?metadata.year=2026')).toEqual(['a'])
    expect(await names('?metadata.is_open=true')).toEqual(['a'])
    expect(await names('?metadata.odd%20key=x')).toEqual(['a'])
    expect(await names('?metadata.deep.a=1')).toEqual([])
    expect(await names(`?metadata.site=${encodeURIComponent(`' OR TRUE --`)}`)).toEqual([])
    expect(
      await names(
        '?producer=NTL&subject=s1&retention_class=staging&metadata.site=Mendota&metadata.year=2026',
      ),
    ).toEqual(['a'])
  })

  test('shows what lives; other states when they are asked for', async () => {
    const gone = await make({ name: 'deleted' })
    await api.send('DELETE', `/packages/${gone.id}`)
    const done = await make({ name: 'finalized' })
    await instance.put('1', { packageId: done.id })
    await finalize(done.id)
    const past = await make({ name: 'past its end' })
    await ground.rows(`UPDATE packages SET expires_at = now() - interval '1 s' WHERE id = $1`, [past.id])
    await make({ name: 'open' })
    expect(await names('')).toEqual(['open', 'finalized'])
    expect(await names('?state=expired')).toEqual(['past its end'])
    expect(await names('?state=deleted,open')).toEqual(['open', 'deleted'])
  })

  test('finds text in names and labels, in any case, as it stands', async () => {
    await make({ name: 'Lake 100% full', label: 'mendota' })
    await make({ name: 'River', label: 'LAKE_side' })
    await make({ name: 'Bog' })
    expect(await names('?q=lake')).toEqual(['River', 'Lake 100% full'])
    expect(await names('?q=MENDOTA')).toEqual(['Lake 100% full'])
    expect(await names('?q=0%25%20f')).toEqual(['Lake 100% full'])
    expect(await names('?q=e_s')).toEqual(['River'])
    expect(await names('?q=%25')).toEqual(['Lake 100% full'])
    expect(await names('?q=lake&state=finalized')).toEqual([])
    expect(await names('?q=lake&label=mendota')).toEqual(['Lake 100% full'])
  })

  test('counts for each what GET /packages/{id} counts', async () => {
    const { records } = instance
    const full = await make({ name: 'full' })
    await instance.put('12345', { packageId: full.id, path: 'a.csv' })
    await instance.put('678', { packageId: full.id, path: 'b.csv' })
    const place = { packageId: full.id, ttlSeconds: 3600 }
    for (const relativePath of ['c.csv', 'd.csv']) {
      const lease = { holder: 'h', seconds: 10 }
      const waiting = await records.insertReceiving(randomId(), OWNER, aFile(9, { relativePath }), place, {
        lease,
      })
      if (waiting === null) throw new Error('There was no place for it.')
      if (relativePath === 'd.csv') continue
      const fence = { uploadId: waiting.id, epoch: waiting.leaseEpoch }
      const { AppError } = await import('../../server/errors.js')
      await records.commitFailed(fence, new AppError('HASH_MISMATCH', 'No.'), null)
    }
    await make({ name: 'empty' })
    const done = await make({ name: 'finalized' })
    await instance.put('1', { packageId: done.id })
    await finalize(done.id)
    const gone = await make({ name: 'deleted' })
    await instance.put('22', { packageId: gone.id })
    await api.send('DELETE', `/packages/${gone.id}`)

    const answer = await api.send('GET', '/packages?state=open,finalized,deleted')
    const { items } = packagePage.parse(jsonOf(answer))
    expect(items.map(({ name, counts }) => [name, counts])).toEqual([
      ['deleted', { total: 0, ready: 0, failed: 0, unfinished: 0, bytes: 0 }],
      ['finalized', { total: 1, ready: 1, failed: 0, unfinished: 0, bytes: 1 }],
      ['empty', { total: 0, ready: 0, failed: 0, unfinished: 0, bytes: 0 }],
      ['full', { total: 4, ready: 2, failed: 1, unfinished: 1, bytes: 8 }],
    ])
    for (const { id, state, counts } of items) {
      if (state !== 'deleted') expect((await report(id)).counts).toEqual(counts)
    }
  })

  test('pages of any size cut the same list, with ties', async () => {
    for (let i = 0; i < 11; i += 1) await make({ name: `package ${i}` })
    await ground.rows(
      `UPDATE packages SET created_at = '2026-01-01Z'::timestamptz + ascii(right(id, 1)) % 4 * interval '1 ms'`,
    )
    const whole = await names('?limit=500')
    expect(whole).toHaveLength(11)
    for (const limit of [1, 3, 10, 11]) {
      const seen: string[] = []
      let path: string | undefined = `/packages?limit=${limit}&state=open`
      while (path !== undefined) {
        const answer: Answer = await api.send('GET', path)
        const page = jsonOf<Page<PackageSummary>>(answer)
        seen.push(...page.items.map(({ name }) => name))
        const link = /^<https:\/\/staging\.example\.org(\/packages\?[^>]+)>; rel="next"$/.exec(
          String(answer.headers.link),
        )
        expect(link === null).toBe(page.next_cursor === null)
        path = link?.[1]
      }
      expect(seen).toEqual(whole)
    }
  })

  test.each([
    'limit=0',
    'limit=501',
    'produser=x',
    'label=a&label=b',
    'cursor=x',
    `cursor=${encodeCursor(['0000-01-01T00:00:00Z', 'a'.repeat(40)])}`,
    `cursor=${encodeCursor(['2026-01-01T00:00:00Z', "' OR TRUE --"])}`,
    'state=ajar',
    'metadata.=x',
    'label=%00',
  ])('refuses ?%s', async (query) => {
    expectProblem(await api.send('GET', `/packages?${query}`), 400, 'INVALID_INPUT')
  })
})

describe('GET /packages/{id}', () => {
  test('counts what is there, and what failed until it is made good', async () => {
    const { id } = await make({})
    const { records } = instance
    await instance.put('12345', { packageId: id, path: 'a.csv' })
    await instance.put('678', { packageId: id, path: 'b.csv' })
    const place = { packageId: id, ttlSeconds: 3600 }
    const waiting = await records.insertReceiving(
      randomId(),
      OWNER,
      aFile(9, { relativePath: 'c.csv' }),
      place,
      {
        lease: { holder: 'h', seconds: 10 },
      },
    )
    if (waiting === null) throw new Error('There was no place for it.')
    expect((await report(id)).counts).toEqual({ total: 3, ready: 2, failed: 0, unfinished: 1, bytes: 8 })

    const fence = { uploadId: waiting.id, epoch: waiting.leaseEpoch }
    const { AppError } = await import('../../server/errors.js')
    await records.commitFailed(fence, new AppError('HASH_MISMATCH', 'No.'), null)
    expect((await report(id)).counts).toEqual({ total: 3, ready: 2, failed: 1, unfinished: 0, bytes: 8 })
    await instance.put('9', { packageId: id, path: 'c.csv' })
    expect((await report(id)).counts).toEqual({ total: 3, ready: 3, failed: 0, unfinished: 0, bytes: 9 })
    await letExpire(ground, waiting.id)
    const [first] = await ground.rows<{ id: string }>(`SELECT id FROM uploads WHERE package_path = 'a.csv'`)
    await letExpire(ground, first?.id ?? '')
    expect((await report(id)).counts).toEqual({ total: 2, ready: 2, failed: 0, unfinished: 0, bytes: 4 })
  })

  test('an open one ends with the last of its files', async () => {
    const { id, expires_at: end } = await make({})
    await instance.put('1', { packageId: id })
    await ground.rows(
      `UPDATE uploads SET keep_until = keep_until + interval '1 day', expires_at = expires_at + interval '1 day'`,
    )
    const later = await report(id)
    expect(Date.parse(later.expires_at ?? '') - Date.parse(end ?? '')).toBeGreaterThan(86_300_000)
    // Past its own end, but a file of it lives.
    await ground.rows(`UPDATE packages SET expires_at = now() - interval '1 s'`)
    expect((await report(id)).expires_at).toBe(later.expires_at)
    await ground.rows(`UPDATE uploads SET expires_at = now() - interval '1 s'`)
    expectProblem(await api.send('GET', `/packages/${id}`), 410, 'GONE')
  })

  test('what another owner has is answered with the bytes of what never was', async () => {
    const { id } = await make({})
    await instance.put('1', { packageId: id })
    const tries: [string, string, unknown?][] = [
      ['GET', ''],
      ['DELETE', ''],
      ['GET', '/files'],
      ['POST', '/finalize'],
      ['GET', '/manifest'],
      ['GET', '/manifest.json'],
      ['POST', '/retention/extensions', { new_expires_at: '2030-01-01T00:00:00Z', reason: 'x' }],
    ]
    const never = randomId()
    for (const [method, rest, body] of tries) {
      const request = {
        body,
        key: 'other:read+upload+delete',
        headers: { 'X-Request-ID': 'one-and-the-same-request' },
      }
      const theirs = await api.send(method, `/packages/${id}${rest}`, request)
      const nobodys = await api.send(method, `/packages/${never}${rest}`, request)
      expectProblem(theirs, 404, 'NOT_FOUND')
      expect(theirs.body.toString().replaceAll(id, never)).toBe(nobodys.body.toString())
      const { date: _, ...headers } = theirs.headers
      expect(nobodys.headers).toMatchObject(headers)
    }
    expect((await report(id)).state).toBe('open')
    expect((await api.send('GET', `/packages/${id}`, { key: 'root:admin' })).status).toBe(200)
    expect(jsonOf<Page<unknown>>(await api.send('GET', '/packages', { key: 'other:read' })).items).toEqual([])
  })

  test('needs its scope', async () => {
    const { id } = await make({})
    for (const [method, path, scope] of [
      ['GET', '/packages', 'upload'],
      ['POST', '/packages', 'read'],
      ['GET', `/packages/${id}`, 'upload'],
      ['DELETE', `/packages/${id}`, 'upload+read'],
      ['POST', `/packages/${id}/finalize`, 'read'],
      ['POST', `/packages/${id}/retention/extensions`, 'read'],
      ['GET', `/packages/${id}/manifest`, 'upload'],
    ] as const) {
      expectProblem(
        await api.send(method, path, {
          key: `${OWNER}:${scope}`,
          ...(method === 'POST' ? { body: {} } : {}),
        }),
        403,
        'FORBIDDEN',
      )
    }
  })

  test.each(['PUT', 'PATCH'])('%s is not allowed, and says what is', async (method) => {
    const { id } = await make({})
    const answer = await api.send(method, `/packages/${id}`)
    expectProblem(answer, 405, 'METHOD_NOT_ALLOWED')
    expect(answer.headers.allow).toBe('DELETE, GET, HEAD')
  })

  test.each(['x', '..%2f..', '%00', `${'a'.repeat(39)}G`, 'a'.repeat(10_000)])(
    'the id %p is not found',
    async (id) => {
      expectProblem(await api.send('GET', `/packages/${id}`), 404, 'NOT_FOUND')
      expectProblem(await api.send('POST', `/packages/${id}/finalize`), 404, 'NOT_FOUND')
      expectProblem(await api.send('DELETE', `/packages/${id}`), 404, 'NOT_FOUND')
    },
  )
})

describe('GET /packages/{id}/files', () => {
  test('lists reports in the order of their paths’ bytes, in pages', async () => {
    const { id } = await make({})
    const paths = ['b', 'a/b', 'a', 'a.b', 'Z', '\u00e9', '\u{1f4be}', '\uffee', 'a b', `${'é'.repeat(500)}`]
    for (const path of paths) await instance.put(path, { packageId: id, path })
    const sorted = [...paths].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    for (const limit of [1, 4, 500]) {
      const seen: (string | null)[] = []
      let query: string | null = `limit=${limit}`
      while (query !== null) {
        const answer = await api.send('GET', `/packages/${id}/files?${query}`)
        expect(answer.status).toBe(200)
        const page: Page<Report> = jsonOf<Page<Report>>(answer)
        seen.push(...page.items.map((item) => item.relative_path))
        expect(page.items.every((item) => item.package_id === id)).toBe(true)
        query = page.next_cursor === null ? null : `limit=${limit}&cursor=${page.next_cursor}`
      }
      expect(seen).toEqual(sorted)
    }
  })

  test('refuses another package’s cursor, and what it doesn’t know', async () => {
    const { id } = await make({})
    for (const query of [`cursor=${encodeCursor([randomId(), 'a'])}`, 'cursor=x', 'q=x', 'limit=501']) {
      expectProblem(await api.send('GET', `/packages/${id}/files?${query}`), 400, 'INVALID_INPUT')
    }
  })
})

describe('POST /packages/{id}/finalize', () => {
  test('freezes the files: nothing joins, nothing leaves, and the label is free', async () => {
    const { id } = await make({ label: 'lake' })
    const first = await instance.put('1', { label: 'lake', path: 'a.csv' })
    const done = await finalize(id)
    expect(done).toMatchObject({
      state: 'finalized',
      counts: { total: 1, ready: 1 },
      manifest_url: `${PUBLIC_URL}/packages/${id}/manifest`,
    })
    expect(done.finalized_at).not.toBeNull()
    await expect(instance.put('2', { packageId: id })).rejects.toMatchObject({ code: 'PACKAGE_FINALIZED' })
    await expect(instance.removals.remove(first, OWNER)).rejects.toMatchObject({ code: 'PACKAGE_FINALIZED' })
    await instance.put('2', { label: 'lake' })
    const [other] = jsonOf<Page<PackageSummary>>(
      await api.send('GET', '/packages?label=lake&state=open'),
    ).items
    expect(other?.id).not.toBe(id)
    expect((await report(id)).counts.total).toBe(1)
    expect(await eventsOf(id)).toMatchObject([
      { type: 'package.created.v1' },
      { type: 'package.finalized.v1', data: { state: 'finalized', manifest_sha256: done.manifest_sha256 } },
    ])
  })

  test('again it answers the same', async () => {
    const { id } = await make({})
    await instance.put('1', { packageId: id })
    const { expires_in: _first, ...first } = await finalize(id)
    const { expires_in: _second, ...second } = await finalize(id)
    expect(second).toEqual(first)
    expect(await eventsOf(id)).toHaveLength(2)
  })

  test('without a file is a conflict that says so', async () => {
    const { id } = await make({})
    const problem = expectProblem(await api.send('POST', `/packages/${id}/finalize`), 409, 'CONFLICT')
    expect(problem.detail).toMatch(/no file/)
    expect((await report(id)).state).toBe('open')
  })

  test('with files that aren’t ready names a hundred of them, and changes nothing', async () => {
    const { id } = await make({})
    await instance.put('1', { packageId: id, path: 'a.csv' })
    const place = { packageId: id, ttlSeconds: 3600 }
    for (let i = 0; i < 103; i += 1) {
      const path = `b/${String(i).padStart(3, '0')}`
      await instance.records.insertReceiving(randomId(), OWNER, aFile(9, { relativePath: path }), place, {
        lease: null,
      })
    }
    const problem = expectProblem(await api.send('POST', `/packages/${id}/finalize`), 409, 'CONFLICT')
    const notReady = problem.details.not_ready as { path: string; state: string }[]
    expect(problem.details.not_ready_count).toBe(103)
    expect(notReady.map(({ path }) => path)).toEqual(
      Array.from({ length: 100 }, (_, i) => `b/${String(i).padStart(3, '0')}`),
    )
    expect(notReady[0]).toEqual({ id: expect.any(String), path: 'b/000', state: 'receiving' })
    expect(await report(id)).toMatchObject({ state: 'open', manifest_sha256: null })
    const [{ count } = { count: 0 }] = await ground.rows<{ count: number }>(
      'SELECT count(*)::int AS count FROM uploads WHERE package_path IS NOT NULL',
    )
    expect(count).toBe(104)
  })

  test('a failed one blocks until another stands at its path, or it is deleted', async () => {
    const { id } = await make({})
    await instance.put('1', { packageId: id, path: 'a.csv' })
    const wrong = { packageId: id, declared: { sha256: 'a'.repeat(64) } }
    const { aBody } = await import('../uploads/parts.js')
    for (const changes of [{ relativePath: 'b.csv' }, { filename: 'cafe\u0301.csv' }]) {
      const failing = instance.intake.takeWhole(
        uploaderNamed(OWNER),
        aFile(1, { ...wrong, ...changes }),
        aBody(Buffer.from('2')),
      )
      await expect(failing).rejects.toMatchObject({ code: 'HASH_MISMATCH' })
    }
    const problem = expectProblem(await api.send('POST', `/packages/${id}/finalize`), 409, 'CONFLICT')
    expect(problem.details.not_ready).toMatchObject([
      { path: 'b.csv', state: 'failed' },
      { path: 'caf\u00e9.csv', state: 'failed' },
    ])
    await instance.put('2', { packageId: id, path: 'caf\u00e9.csv' })
    const still = expectProblem(await api.send('POST', `/packages/${id}/finalize`), 409, 'CONFLICT')
    const blockers = still.details.not_ready as { id: string; path: string }[]
    expect(blockers.map(({ path }) => path)).toEqual(['b.csv'])
    await instance.removals.remove(blockers[0]?.id ?? '', OWNER)
    expect((await finalize(id)).counts).toMatchObject({ total: 2, ready: 2, failed: 0 })
  })

  test('all files end with the package: after its class’s time, or with the longest-lived of them', async () => {
    const { id } = await make({ retention_class: 'staging' })
    await instance.put('1', { packageId: id, path: 'a' })
    await instance.put('2', { packageId: id, path: 'b' })
    await ground.rows(`UPDATE uploads SET keep_until = now() + interval '9 days' WHERE package_path = 'b'`)
    const { expires_at: end, finalized_at: at } = await finalize(id)
    expect(Date.parse(end ?? '') - Date.parse(at ?? '')).toBeGreaterThan(8.9 * 86_400_000)
    const ends = await ground.rows<{ expires_at: Date; keep_until: Date }>(
      'SELECT expires_at, keep_until FROM uploads',
    )
    for (const one of ends)
      expect([one.expires_at.toISOString(), one.keep_until.toISOString()]).toEqual([end, end])

    const other = await make({ retention_class: 'long' })
    await instance.records.insertWhole([aWhole(other.id, 'a')])
    const done = await finalize(other.id)
    expect(Date.parse(done.expires_at ?? '') - Date.parse(done.finalized_at ?? '')).toBe(20 * 86_400_000)

    const never = await make({ retention_class: 'permanent' })
    await instance.put('1', { packageId: never.id })
    expect(await finalize(never.id)).toMatchObject({ expires_at: null, expires_in: null })
  })

  test('what is past its end, swept or not, is no file of it', async () => {
    const { id } = await make({})
    await instance.put('1', { packageId: id, path: 'a' })
    await letExpire(ground, await instance.put('2', { packageId: id, path: 'b' }))
    expect((await finalize(id)).counts).toMatchObject({ total: 1, ready: 1 })
    const manifest = jsonOf<{ files: { path: string }[] }>(
      await api.send('GET', `/packages/${id}/manifest.json`),
    )
    expect(manifest.files.map(({ path }) => path)).toEqual(['a'])
  })
})

describe('the manifest', () => {
  test('in CBOR and in JSON says the same, under the digests of its bytes', async () => {
    const metadata = { z: [1.5, -1], a: { '\u20ac': null, '\r': true, '1': 'x', '\ud83d\ude00': 1e-7 } }
    const { id } = await make({ name: 'Lake \u{1f4be}', label: 'lake', producer: 'NTL', metadata })
    for (const path of ['b/c.csv', 'a.csv', 'b.csv'])
      await instance.put(`content of ${path}`, { packageId: id, path })
    const done = await finalize(id)

    const cbor = await api.send('GET', `/packages/${id}/manifest`)
    const json = await api.send('GET', `/packages/${id}/manifest.json`)
    expect([cbor.status, json.status]).toEqual([200, 200])
    const sha256 = createHash('sha256').update(cbor.body).digest()
    expect(cbor.headers).toMatchObject({
      'content-type': 'application/cbor',
      'content-length': String(cbor.body.byteLength),
      etag: `"${sha256.toString('hex')}"`,
      'repr-digest': `sha-256=:${sha256.toString('base64')}:`,
      vary: 'Accept',
      'cache-control': 'private, no-cache',
      'last-modified': new Date(done.finalized_at ?? '').toUTCString(),
    })
    expect(done.manifest_sha256).toBe(sha256.toString('hex'))
    expect(json.headers).toMatchObject({
      'content-type': 'application/json',
      'content-length': String(json.body.byteLength),
      etag: `"${createHash('sha256').update(json.body).digest('hex')}"`,
    })
    const value = jsonOf<unknown>(json)
    expect(decode(cbor.body, { strict: true })).toEqual(value)
    assertDeterministicCbor(cbor.body)
    expect(canonicalJson(value)).toBe(json.body.toString())
    const manifest = manifestSchema.strict().parse(value)
    expect(manifest).toMatchObject({
      manifest_version: 1,
      package: {
        id,
        name: 'Lake \u{1f4be}',
        label: 'lake',
        producer: 'NTL',
        subject: null,
        owner: OWNER,
        metadata,
      },
      totals: { files: 3, bytes: 'content of '.length * 3 + 17 },
      retention: { class: 'staging', expires_at: done.expires_at, extensions: [] },
      provenance: { service: 'antipasto', version: '0.0.0', public_url: PUBLIC_URL, store: 'local' },
    })
    expect(manifest.files.map(({ path }) => path)).toEqual(['a.csv', 'b.csv', 'b/c.csv'])
    const [file] = manifest.files
    const digests = checksumsOf(Buffer.from('content of a.csv'))
    expect(file).toMatchObject({
      ...digests,
      size: 16,
      media_type: 'text/csv',
      storage_receipt: { store: 'local', size: 16, sha256: digests.sha256, upload_id: file?.upload_id },
    })
  })

  test('holds nothing of another owner who sent the same bytes first, and no retrieval URL', async () => {
    const theirs = await instance.put('same bytes', { owner: 'other' })
    const { id } = await make({})
    await instance.put('same bytes', { packageId: id })
    await finalize(id)
    const text = (await api.send('GET', `/packages/${id}/manifest.json`)).body.toString()
    expect(text).not.toContain(theirs)
    expect(text).not.toContain('/r/')
  })

  test('If-None-Match spares it; HEAD has all but the body', async () => {
    const { id } = await make({})
    await instance.put('1', { packageId: id })
    await finalize(id)
    for (const path of [`/packages/${id}/manifest`, `/packages/${id}/manifest.json`]) {
      const whole = await api.send('GET', path)
      const etag = String(whole.headers.etag)
      for (const header of [etag, `"x", W/${etag}`, '*']) {
        for (const method of ['GET', 'HEAD']) {
          const spared = await api.send(method, path, { headers: { 'If-None-Match': header } })
          expect([spared.status, spared.body.byteLength, spared.headers.etag]).toEqual([304, 0, etag])
        }
      }
      expect((await api.send('GET', path, { headers: { 'If-None-Match': '"x"' } })).status).toBe(200)
      const head = await api.send('HEAD', path)
      expect(head.body.byteLength).toBe(0)
      for (const name of [
        'etag',
        'content-length',
        'content-type',
        'repr-digest',
        'vary',
        'last-modified',
        'cache-control',
      ]) {
        expect([name, head.headers[name]]).toEqual([name, whole.headers[name]])
      }
    }
  })

  test.each([
    [undefined, 'application/cbor'],
    ['*/*', 'application/cbor'],
    ['application/*', 'application/cbor'],
    ['application/json', 'application/json'],
    ['application/cbor;q=0.5, application/json', 'application/json'],
    ['text/html, */*;q=0.1', 'application/cbor'],
    ['text/html', null],
    ['application/cbor;q=0, application/json;q=0', null],
  ])('asked for as %p comes as %p', async (accept, type) => {
    const { id } = await make({})
    await instance.put('1', { packageId: id })
    await finalize(id)
    const headers: Record<string, string> = accept === undefined ? {} : { Accept: accept }
    const answer = await api.send('GET', `/packages/${id}/manifest`, { headers })
    if (type === null) expectProblem(answer, 406, 'NOT_ACCEPTABLE')
    else expect([answer.status, answer.headers['content-type']]).toEqual([200, type])
    expect(answer.headers.vary).toBe('Accept')
    // Its own path says what it is.
    expect((await api.send('GET', `/packages/${id}/manifest.json`, { headers })).status).toBe(200)
  })

  test('there is none before finalizing', async () => {
    const { id } = await make({})
    const problem = expectProblem(await api.send('GET', `/packages/${id}/manifest`), 409, 'CONFLICT')
    expect(problem.detail).toContain(`POST /packages/${id}/finalize`)
  })

  test('of a thousand files comes in pieces, and whole', async () => {
    const { id } = await make({})
    const wholes = Array.from({ length: 1003 }, (_, i) => aWhole(id, `folder ${i % 7}/${i}`))
    await instance.records.insertWhole(wholes)
    await finalize(id)
    const cbor = await api.send('GET', `/packages/${id}/manifest`)
    const json = await api.send('GET', `/packages/${id}/manifest.json`)
    const value = jsonOf<{ files: { path: string }[] }>(json)
    expect(decode(cbor.body)).toEqual(value)
    assertDeterministicCbor(cbor.body)
    const sorted = wholes.map(({ description }) => description.relativePath ?? '').sort()
    expect(value.files.map(({ path }) => path)).toEqual(sorted)
  })

  test('never looks whole when it isn’t the one that was frozen', async () => {
    const { id } = await make({})
    await instance.records.insertWhole(Array.from({ length: 600 }, (_, i) => aWhole(id, `${i}`)))
    await finalize(id)
    await ground.rows(`UPDATE uploads SET md5 = repeat('0', 32) WHERE package_path = '77'`)
    await expect(api.send('GET', `/packages/${id}/manifest`)).rejects.toThrow()
    await ground.rows(`UPDATE uploads SET package_path = NULL WHERE package_path = '77'`)
    await expect(api.send('GET', `/packages/${id}/manifest.json`)).rejects.toThrow()
  })
})

describe('POST /packages/{id}/retention/extensions', () => {
  const DAY_MS = 86_400_000

  function extend(id: string, body: unknown): Promise<Answer> {
    return api.send('POST', `/packages/${id}/retention/extensions`, { body })
  }

  const inDays = (days: number) => new Date(Date.now() + days * DAY_MS).toISOString()

  test('keeps an open package and all its files longer, and those to come', async () => {
    const { id, expires_at: end } = await make({})
    await instance.put('1', { packageId: id, path: 'a' })
    const place = { packageId: id, ttlSeconds: 3600 }
    const waiting = await instance.records.insertReceiving(
      randomId(),
      OWNER,
      aFile(9, { relativePath: 'b' }),
      place,
      { lease: null },
    )
    const oldEnd = (await report(id)).expires_at
    expect(Date.parse(oldEnd ?? '')).toBeGreaterThanOrEqual(Date.parse(end ?? ''))
    const newEnd = inDays(5)
    const answer = await extend(id, { new_expires_at: newEnd, reason: 'The review takes longer.' })
    expect(answer.status).toBe(201)
    expect(extensionSchema.strict().parse(jsonOf(answer))).toEqual({
      package_id: id,
      at: expect.any(String),
      by: OWNER,
      reason: 'The review takes longer.',
      old_expires_at: oldEnd,
      new_expires_at: newEnd,
      expires_at: newEnd,
      expires_in: expect.any(Number),
    })
    await instance.put('3', { packageId: id, path: 'c' })
    const files = await ground.rows<{ package_path: string; keep_until: Date; expires_at: Date }>(
      'SELECT package_path, keep_until, expires_at FROM uploads ORDER BY package_path',
    )
    for (const { package_path: path, keep_until: keepUntil, expires_at: expiresAt } of files) {
      expect([path, keepUntil.toISOString()]).toEqual([path, newEnd])
      if (path !== 'b') expect([path, expiresAt.toISOString()]).toEqual([path, newEnd])
      // What is unfinished still ends for want of bytes.
      else expect(expiresAt).toEqual(waiting?.expiresAt)
    }
    const after = await report(id)
    expect(after.retention.extensions).toMatchObject([
      { by: OWNER, old_expires_at: oldEnd, new_expires_at: newEnd },
    ])
    expect(after.expires_at).toBe(newEnd)
    expect(await eventsOf(id)).toMatchObject([{}, { type: 'package.retention_extended.v1' }])
  })

  test('keeps a finalized one longer, and leaves its manifest as it is', async () => {
    const { id } = await make({})
    await instance.put('1', { packageId: id })
    expect((await extend(id, { new_expires_at: inDays(2), reason: 'before' })).status).toBe(201)
    const { manifest_sha256: sha256 } = await finalize(id)
    const before = await api.send('GET', `/packages/${id}/manifest.json`)
    const newEnd = inDays(3)
    expect((await extend(id, { new_expires_at: newEnd, reason: 'after' })).status).toBe(201)
    const after = await report(id)
    expect(after).toMatchObject({ expires_at: newEnd, manifest_sha256: sha256 })
    expect(after.retention.extensions.map(({ reason }) => reason)).toEqual(['before', 'after'])
    expect((await api.send('GET', `/packages/${id}/manifest.json`)).body.equals(before.body)).toBe(true)
    const manifest = manifestSchema.parse(jsonOf(before))
    expect(manifest.retention.extensions.map(({ reason }) => reason)).toEqual(['before'])
    const [file] = await ground.rows<{ expires_at: Date }>('SELECT expires_at FROM uploads')
    expect(file?.expires_at.toISOString()).toBe(newEnd)
  })

  test('of ten at once to the same moment, one is made', async () => {
    const { id } = await make({})
    const body = { new_expires_at: inDays(1), reason: 'x' }
    const answers = await Promise.all(Array.from({ length: 10 }, () => extend(id, body)))
    expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array(9).fill(400)])
  })

  test('is refused for what never ends, and past the longest life', async () => {
    const { id } = await make({ retention_class: 'permanent' })
    expectProblem(await extend(id, { new_expires_at: inDays(1), reason: 'x' }), 409, 'CONFLICT')
    const other = await make({})
    const problem = expectProblem(
      await extend(other.id, { new_expires_at: inDays(31), reason: 'x' }),
      400,
      'INVALID_INPUT',
    )
    expect(problem.detail).toMatch(/MAX_TTL/)
    expectProblem(
      await extend(other.id, { new_expires_at: '2020-01-01T00:00:00Z', reason: 'x' }),
      400,
      'INVALID_INPUT',
    )
  })

  test.each<[string, unknown, number?]>([
    ['no body', undefined, 415],
    ['no reason', { new_expires_at: inDays(1) }],
    ['a blank reason', { new_expires_at: inDays(1), reason: ' ' }],
    ['too long a reason', { new_expires_at: inDays(1), reason: 'x'.repeat(1001) }],
    ['no time', { new_expires_at: 'tomorrow', reason: 'x' }],
    ['a day without a time', { new_expires_at: '2030-01-01', reason: 'x' }],
    ['a time without a zone', { new_expires_at: '2030-01-01T00:00:00', reason: 'x' }],
    ['the year 0', { new_expires_at: '0000-01-01T00:00:00Z', reason: 'x' }],
    ['the end of time', { new_expires_at: '9999-12-31T23:59:59-23:59', reason: 'x' }],
    ['an unknown member', { new_expires_at: inDays(1), reason: 'x', by: 'me' }],
  ])('refuses %s', async (_name, body, status = 400) => {
    const { id } = await make({})
    expectProblem(await extend(id, body), status, status === 415 ? 'UNSUPPORTED_MEDIA_TYPE' : 'INVALID_INPUT')
    expect((await report(id)).retention.extensions).toEqual([])
  })
})

describe('DELETE /packages/{id}', () => {
  test.each(['open', 'finalized'])('ends an %s package with all its files, bytes and URLs', async (state) => {
    const { id } = await make({ label: 'lake' })
    const before = (await ground.stored()).objects.length
    const uploads = [
      await instance.put('1', { packageId: id, path: 'a' }),
      await instance.put('2', { packageId: id, path: 'b' }),
    ]
    const elsewhere = await instance.put('2')
    if (state === 'finalized') await finalize(id)
    const answer = await api.send('DELETE', `/packages/${id}`)
    expect([answer.status, answer.body.byteLength]).toEqual([204, 0])
    for (const [method, rest] of [
      ['GET', ''],
      ['DELETE', ''],
      ['GET', '/files'],
      ['GET', '/manifest'],
      ['POST', '/finalize'],
    ] as const) {
      expectProblem(await api.send(method, `/packages/${id}${rest}`), 410, 'GONE')
    }
    for (const upload of uploads) {
      expect(await instance.records.get(upload, OWNER)).toMatchObject({ state: 'deleted', packagePath: null })
    }
    // Others' bytes stay, though they are the same.
    expect((await instance.records.get(elsewhere, OWNER)).state).toBe('ready')
    expect((await ground.stored()).objects).toHaveLength(before + 1)
    expect((await eventsOf(id)).at(-1)).toMatchObject({
      type: 'package.deleted.v1',
      data: { state: 'deleted' },
    })
    expect((await make({ label: 'lake' })).id).not.toBe(id)
    await expect(instance.put('3', { packageId: id })).rejects.toMatchObject({ code: 'GONE' })
  })

  test('without strictness, what isn’t there is deleted already', async () => {
    const lenient = await PackageApi.open(instance, { deleteStrict404: false })
    try {
      const { id } = await make({})
      for (const path of [id, id, randomId()]) {
        expect((await lenient.send('DELETE', `/packages/${path}`)).status).toBe(204)
      }
    } finally {
      lenient.close()
    }
  })
})
