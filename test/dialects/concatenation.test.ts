// tus 1.0.0's Concatenation extension as its specification says it, through the real server over real sockets. The real
// clients' parallel uploads are in test/end-to-end/concatenation.test.ts.

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { openApiKeys } from '../../server/auth/api-keys.js'
import { openDatabase } from '../../server/database/client.js'
import type { Report } from '../../server/uploads/report.js'
import { createTestBucket, describeS3 } from '../support/s3.js'
import { fails } from '../support/s3-faults.js'
import { startS3Proxy } from '../support/s3-proxy.js'
import { startServer, type TestServer } from '../support/server.js'
import { until } from '../support/until.js'
import { type Answer, ask } from './exchange.js'
import { expectProblem } from './problem-of.js'
import {
  checksumsOf,
  eventsOf,
  expectSameBytes,
  type HeaderValues,
  idOf,
  pathOf,
  rowsOf,
  someBytes,
  stored,
  TusClient,
  writeMetadata,
} from './tus-client.js'

const MIB = 1024 ** 2
const MAX_FILE_BYTES = 20 * MIB

let server: TestServer
let tus: TusClient
let stranger: TusClient

beforeAll(async () => {
  const env = { MAX_FILE_BYTES: String(MAX_FILE_BYTES) }
  server = await startServer({ env })
  tus = new TusClient(server)
  stranger = new TusClient(server, await makeKey('somebody else'))
})
afterAll(() => server.dispose())

async function makeKey(owner: string): Promise<string> {
  const database = await openDatabase(server.databaseUrl ?? '')
  const apiKeys = openApiKeys(database.prisma, { upload: [], read: [], delete: [] })
  const scopes = ['upload', 'read', 'delete'] as const
  const { key } = await apiKeys.create({ name: 'test', owner, scopes: [...scopes], ttlSeconds: undefined })
  await database.close()
  return key
}

const PARTIAL = { 'Upload-Concat': 'partial' }

/** A whole partial upload. @returns its id */
async function putPartial(bytes: Uint8Array, by = tus): Promise<string> {
  const answer = await by.create({ sizeBytes: bytes.byteLength, body: bytes, headers: PARTIAL })
  expect([answer.status, answer.headers['upload-offset']]).toEqual([201, String(bytes.byteLength)])
  return idOf(answer)
}

const urlOf = (id: string) => `/uploads/${id}`

/** Asks for the final upload of these. */
function concatenate(
  ids: readonly string[],
  metadata: Record<string, string> = {},
  headers: HeaderValues = {},
  by = tus,
): Promise<Answer> {
  return by.send('POST', '/uploads', {
    'Upload-Concat': `final;${ids.map(urlOf).join(' ')}`,
    'Content-Length': 0,
    ...(Object.keys(metadata).length === 0 ? {} : { 'Upload-Metadata': writeMetadata(metadata) }),
    ...headers,
  })
}

/** The report once finishing is over. */
async function finished(id: string): Promise<Report> {
  await until(async () => !['receiving', 'finalizing'].includes((await tus.report(id)).state))
  return tus.report(id)
}

async function expectReady(answer: Answer, bytes: Uint8Array): Promise<Report> {
  expect([answer.status, answer.body.toString()]).toEqual([201, ''])
  const report = await finished(idOf(answer))
  const checksums = checksumsOf(bytes)
  expect(report).toMatchObject({
    state: 'ready',
    size: bytes.byteLength,
    offset: bytes.byteLength,
    checksums,
    file_id: checksums.sha256,
    error: null,
  })
  expectSameBytes(await tus.retrieve(report), bytes)
  return report
}

/** Of all these ids, what the store has. */
async function storedOf(...ids: string[]): Promise<string[]> {
  const { tmp, objects } = await stored(server)
  return [...tmp.map((key) => `tmp ${key}`), ...objects.map((key) => `object ${key}`)].filter((line) =>
    ids.some((id) => line.includes(id)),
  )
}

/** Asserts that the store has nothing of these, now or in a moment. */
async function expectNothingOf(...ids: string[]): Promise<void> {
  await until(async () => (await storedOf(...ids)).length === 0).catch(() => {})
  expect(await storedOf(...ids)).toEqual([])
}

test('OPTIONS names the extension', async () => {
  const answer = await ask(server.url, { method: 'OPTIONS', path: '/uploads' })
  const extensions = String(answer.headers['tus-extension']).split(',')
  expect(extensions).toContain('concatenation')
  // Its parts have to be whole.
  expect(extensions).not.toContain('concatenation-unfinished')
})

describe('a partial upload', () => {
  test('is sent as any other, and says what it is', async () => {
    const bytes = someBytes(300_000, 1)
    const created = await tus.create({ sizeBytes: bytes.length, headers: PARTIAL })
    expect(created.status).toBe(201)
    const id = idOf(created)
    for (const [start, end] of [
      [0, 100_001],
      [100_001, 300_000],
    ] as const) {
      const head = await tus.head(id)
      expect(head.headers).toMatchObject({
        'upload-concat': 'partial',
        'upload-offset': String(start),
        'upload-length': '300000',
      })
      expect((await tus.patch(id, start, bytes.subarray(start, end))).status).toBe(204)
    }
    expect((await tus.head(id)).headers).toMatchObject({
      'upload-concat': 'partial',
      'upload-offset': '300000',
    })
    await expectReady(await concatenate([id]), bytes)
  })

  test('may have a length that is told late, and a checksum of each request', async () => {
    const bytes = someBytes(200_000, 2)
    const created = await tus.create({ sizeBytes: null, headers: PARTIAL })
    const id = idOf(created)
    expect((await tus.head(id)).headers).toMatchObject({
      'upload-defer-length': '1',
      'upload-concat': 'partial',
    })
    const wrong = await tus.patch(id, 0, bytes, { 'Upload-Checksum': 'sha1 AAAAAAAAAAAAAAAAAAAAAAAAAAA=' })
    expectProblem(wrong, 460, 'CHECKSUM_MISMATCH')
    expect((await tus.patch(id, 0, bytes, { 'Upload-Length': bytes.length })).status).toBe(204)
    await expectReady(await concatenate([id]), bytes)
  })

  test('is in no list, and no event tells of it; its own URL does', async () => {
    const label = `partial-${Date.now()}`
    const metadata = { label, filename: 'a part.csv' }
    const created = await tus.create({
      sizeBytes: 10,
      body: someBytes(10, 3),
      metadata,
      headers: PARTIAL,
    })
    const id = idOf(created)
    expect(await tus.report(id)).toMatchObject({ id, size: 10 })
    expect(await listed()).not.toContain(id)
    expect(await eventsOf(server, id)).toEqual([])
    // Not a package's file, whatever its metadata says.
    expect(await rowsOf(server, 'SELECT id FROM packages WHERE label = $1', [label])).toEqual([])
  })

  test('that was deleted leaves nothing', async () => {
    const id = await putPartial(someBytes(400_000, 4))
    expect((await tus.remove(id)).status).toBe(204)
    expect((await tus.head(id)).status).toBe(410)
    await expectNothingOf(id)
    expect(await eventsOf(server, id)).toEqual([])
  })
})

async function listed(): Promise<string[]> {
  const answer = await tus.send('GET', '/uploads?limit=500', { 'Tus-Resumable': undefined })
  expect(answer.status).toBe(200)
  return JSON.parse(answer.body.toString()).items.map((item: Report) => item.id)
}

describe('a final upload', () => {
  test('has the bytes of its parts in the order of its list, their digests, and nothing is left of them', async () => {
    const parts = [
      someBytes(1, 10),
      someBytes(6 * MIB, 11),
      Buffer.alloc(0),
      someBytes(5 * MIB + 1, 12),
      someBytes(300_000, 13),
    ]
    const ids: string[] = []
    for (const part of parts) ids.push(await putPartial(part))
    const order = [4, 1, 2, 0, 3]
    const whole = Buffer.concat(order.map((index) => parts[index] ?? Buffer.alloc(0)))
    const answer = await concatenate(order.map((index) => ids[index] ?? ''))
    expect(answer.headers.location).toMatch(/^http:.*\/uploads\/[0-9a-f]+$/)
    expect(answer.headers['tus-resumable']).toBe('1.0.0')
    await expectReady(answer, whole)
    await expectNothingOf(...ids)
    expect(await storedOf(idOf(answer))).toEqual([`object ${idOf(answer)}`])
  })

  test('may name a part twice, and parts with the same bytes', async () => {
    const [first, second] = [someBytes(200_000, 20), someBytes(1000, 21)]
    const ids = [await putPartial(first), await putPartial(second), await putPartial(first)] as const
    const answer = await concatenate([ids[0], ids[1], ids[1], ids[2]])
    await expectReady(answer, Buffer.concat([first, second, second, first]))
    await expectNothingOf(...ids)
  })

  test('may be of a single part, and empty', async () => {
    const bytes = someBytes(70_000, 22)
    await expectReady(await concatenate([await putPartial(bytes)]), bytes)
    await expectReady(await concatenate([await putPartial(Buffer.alloc(0))]), Buffer.alloc(0))
  })

  test('may have the bytes of a file that is there already: one object for both, which outlives either', async () => {
    const bytes = someBytes(400_000, 23)
    const plain = await tus.put(bytes)
    const answer = await concatenate([await putPartial(bytes)])
    const report = await expectReady(answer, bytes)
    expect((await tus.remove(plain.id)).status).toBe(204)
    expectSameBytes(await tus.retrieve(report), bytes)
    expect((await tus.remove(report.id)).status).toBe(204)
    await expectNothingOf(plain.id, report.id)
  })

  test('names its parts by absolute URLs, by paths, and by the URL of another way here', async () => {
    const parts = [someBytes(100_000, 24), someBytes(2, 25), someBytes(50_000, 26)]
    const ids: string[] = []
    for (const part of parts) ids.push(await putPartial(part))
    const urls = [`${server.url}/uploads/${ids[0]}`, `/uploads/${ids[1]}`, `https://proxy/uploads/${ids[2]}`]
    const concat = `final;${urls.join(' ')}`
    const answer = await tus.send('POST', '/uploads', { 'Upload-Concat': concat, 'Content-Length': 0 })
    await expectReady(answer, Buffer.concat(parts))
    // Verbatim.
    expect((await tus.head(idOf(answer))).headers['upload-concat']).toBe(concat)
  })

  test('tells by HEAD what it is, how long, and that all is there; its metadata is its own', async () => {
    const part = someBytes(100_000, 27)
    const created = await tus.create({
      sizeBytes: part.length,
      body: part,
      metadata: { filename: 'part-0', label: 'not this one' },
      headers: PARTIAL,
    })
    const id = idOf(created)
    const metadata = { filename: 'lake temperature.csv', filetype: 'text/csv', key: 'k-1' }
    const answer = await concatenate([id], metadata)
    const whileFinishing = await tus.head(idOf(answer))
    expect(whileFinishing.headers).toMatchObject({
      'upload-length': '100000',
      'upload-concat': `final;/uploads/${id}`,
      'upload-metadata': writeMetadata(metadata),
    })
    const report = await expectReady(answer, part)
    expect(report).toMatchObject({
      filename: 'lake temperature.csv',
      content_type: 'text/csv',
      key: 'k-1',
      label: null,
      package_id: null,
    })
    const head = await tus.head(report.id)
    expect(head.status).toBe(200)
    expect(head.headers).toMatchObject({
      'upload-length': '100000',
      'upload-offset': '100000',
      'upload-concat': `final;/uploads/${id}`,
      'upload-metadata': writeMetadata(metadata),
    })
    expect(await listed()).toContain(report.id)
    expect(await eventsOf(server, report.id)).toEqual([
      'upload.created.v1',
      'upload.finalizing.v1',
      'upload.ready.v1',
    ])
  })

  test('joins the package of its label, and stands there under its own path', async () => {
    const part = someBytes(1000, 28)
    const label = `survey-${Date.now()}`
    const id = idOf(await tus.create({ sizeBytes: 1000, body: part, metadata: { label }, headers: PARTIAL }))
    const metadata = { label, filename: 'lake.csv', relativePath: 'data/2025/lake.csv' }
    const report = await expectReady(await concatenate([id], metadata), part)
    expect(report).toMatchObject({ label, relative_path: 'data/2025/lake.csv' })
    const rows = await rowsOf<{ id: string; package_path: string }>(
      server,
      `SELECT uploads.id, package_path FROM uploads JOIN packages ON packages.id = package_id WHERE packages.label = $1`,
      [label],
    )
    expect(rows).toEqual([{ id: report.id, package_path: 'data/2025/lake.csv' }])
    expect(report.package_id).not.toBeNull()
  })

  test('takes no bytes, while it is finished and afterwards: 403', async () => {
    const part = someBytes(9 * MIB, 29)
    const answer = await concatenate([await putPartial(part)])
    const id = idOf(answer)
    for (const when of ['at once', 'ready']) {
      if (when === 'ready') await finished(id)
      for (const [offset, body] of [
        [0, Buffer.from('x')],
        [part.length, Buffer.from('x')],
        [part.length, Buffer.alloc(0)],
      ] as const) {
        expectProblem(await tus.patch(id, offset, body), 403, 'FORBIDDEN')
      }
    }
    await expectReady(answer, part)
  })

  test('with a declared digest that is right is ready, with a wrong one failed, and then nothing is left', async () => {
    const parts = [someBytes(200_000, 30), someBytes(300_000, 31)] as const
    const whole = Buffer.concat(parts)
    const { md5, sha1, sha256 } = checksumsOf(whole)
    const ids = [await putPartial(parts[0]), await putPartial(parts[1])]
    await expectReady(await concatenate(ids, { md5, sha1, sha256 }), whole)

    const others = [await putPartial(parts[0]), await putPartial(parts[1])]
    const wrong = await concatenate(others, { sha256: sha256.replace(/./g, '0') })
    const report = await finished(idOf(wrong))
    expect(report).toMatchObject({ state: 'failed', error: { code: 'HASH_MISMATCH' } })
    expect((await tus.head(report.id)).status).toBe(410)
    await expectNothingOf(report.id)
    for (const id of others) await tus.remove(id)
    await expectNothingOf(...others)
  })

  test('is deleted as any other, and nothing is left', async () => {
    const ids = [await putPartial(someBytes(300_000, 32)), await putPartial(someBytes(300_000, 33))]
    const answer = await concatenate(ids)
    const { retrieval_url: url } = await finished(idOf(answer))
    expect((await tus.remove(idOf(answer))).status).toBe(204)
    expect((await tus.head(idOf(answer))).status).toBe(410)
    expect((await ask(server.url, { method: 'GET', path: pathOf(url) })).status).toBe(410)
    await expectNothingOf(idOf(answer), ...ids)
  })
})

describe('a final upload is refused, and nothing made', () => {
  /** Asserts that what is asked is refused, and that no upload has come of it. */
  async function expectRefused(
    ask: () => Promise<Answer>,
    status: number,
    code: Parameters<typeof expectProblem>[2],
  ) {
    const count = async () => (await rowsOf(server, 'SELECT id FROM uploads')).length
    const before = await count()
    const problem = expectProblem(await ask(), status, code)
    expect(await count()).toBe(before)
    return problem
  }

  test.each([
    'final',
    'final;',
    'final; ',
    'partial;/uploads/0123456789abcdef',
    'Final;/uploads/0123456789abcdef',
    'whatever',
    'final;/uploads/../api-keys',
    'final;/files/0123456789abcdef',
    'final;nonsense',
    'final;https://',
    'final;/uploads/',
    'final;/uploads/0123456789abcdef/eml',
    'final;/uploads/XYZ',
  ])('for Upload-Concat: %s', async (concat) => {
    await expectRefused(
      () => tus.send('POST', '/uploads', { 'Upload-Concat': concat, 'Content-Length': 0 }),
      400,
      'INVALID_INPUT',
    )
  })

  test('with a length, a deferred length or a body of its own', async () => {
    const id = await putPartial(someBytes(10, 40))
    const offsetStream = { 'Content-Type': 'application/offset+octet-stream' }
    for (const [headers, body] of [
      [{ 'Upload-Length': 10 }],
      [{ 'Upload-Defer-Length': 1 }],
      [offsetStream, Buffer.from('0123456789')],
    ] as const) {
      await expectRefused(
        () => tus.send('POST', '/uploads', { 'Upload-Concat': `final;${urlOf(id)}`, ...headers }, body),
        400,
        'INVALID_INPUT',
      )
    }
    await expectReady(await concatenate([id]), someBytes(10, 40))
  })

  test('of a part that nobody has, or that another owner has: 404, the same words', async () => {
    const mine = await putPartial(someBytes(10, 41))
    const theirs = await putPartial(someBytes(10, 42), stranger)
    const unknown = '0123456789abcdef0123456789abcdef'.slice(0, theirs.length)
    const problems = []
    for (const id of [unknown, theirs]) {
      const { request_id, ...problem } = await expectRefused(() => concatenate([mine, id]), 404, 'NOT_FOUND')
      expect(request_id).toBeDefined()
      problems.push(JSON.stringify(problem).replaceAll(id, 'ID'))
    }
    expect(problems[0]).toBe(problems[1])
    // What was refused has used up nothing.
    await expectReady(await concatenate([mine]), someBytes(10, 41))
    expect((await stranger.head(theirs)).headers['upload-offset']).toBe('10')
  })

  test('of a part that is not whole yet, and accepted when it is', async () => {
    const bytes = someBytes(100_000, 43)
    const created = await tus.create({ sizeBytes: bytes.length, headers: PARTIAL })
    const id = idOf(created)
    await tus.patch(id, 0, bytes.subarray(0, 99_999))
    const { detail } = await expectRefused(() => concatenate([id]), 409, 'CONFLICT')
    expect(detail).toContain(id)
    expect((await tus.patch(id, 99_999, bytes.subarray(99_999))).status).toBe(204)
    await expectReady(await concatenate([id]), bytes)
  })

  test('of a part whose length nobody has told', async () => {
    const created = await tus.create({ sizeBytes: null, headers: PARTIAL })
    await expectRefused(() => concatenate([idOf(created)]), 409, 'CONFLICT')
  })

  test('of a part that failed, or was deleted', async () => {
    const good = await putPartial(someBytes(10, 44))
    const failed = await tus.create({
      sizeBytes: 10,
      metadata: { sha256: '0'.repeat(64) },
      headers: PARTIAL,
    })
    expectProblem(await tus.patch(idOf(failed), 0, someBytes(10, 45)), 422, 'HASH_MISMATCH')
    const deleted = await putPartial(someBytes(10, 46))
    await tus.remove(deleted)
    for (const id of [idOf(failed), deleted]) await expectRefused(() => concatenate([good, id]), 410, 'GONE')
    await expectReady(await concatenate([good]), someBytes(10, 44))
  })

  test('of an upload that is no part: a plain one, or a final one', async () => {
    const plain = await tus.put(someBytes(1000, 47))
    const final = await expectReady(
      await concatenate([await putPartial(someBytes(1000, 48))]),
      someBytes(1000, 48),
    )
    for (const id of [plain.id, final.id]) await expectRefused(() => concatenate([id]), 400, 'INVALID_INPUT')
  })

  test('of more bytes than a file may have', async () => {
    const part = someBytes(11 * MIB, 49)
    const ids = [await putPartial(part), await putPartial(part)]
    await expectRefused(() => concatenate(ids), 413, 'PAYLOAD_TOO_LARGE')
    for (const id of ids) await tus.remove(id)
    await expectNothingOf(...ids)
  })

  test('with metadata that is malformed', async () => {
    const id = await putPartial(someBytes(10, 50))
    await expectRefused(
      () => concatenate([id], {}, { 'Upload-Metadata': 'filename ???' }),
      400,
      'INVALID_INPUT',
    )
    await expectRefused(() => concatenate([id], { relativePath: '../../etc/passwd' }), 400, 'INVALID_INPUT')
  })

  test('without a credential, and without Tus-Resumable', async () => {
    const id = await putPartial(someBytes(10, 51))
    await expectRefused(() => concatenate([id], {}, { Authorization: undefined }), 401, 'UNAUTHORIZED')
    const answer = await concatenate([id], {}, { 'Tus-Resumable': '0.2.2' })
    expect([answer.status, answer.headers['tus-version']]).toEqual([412, '1.0.0'])
  })
})

describeS3('on a server that does not copy parts', () => {
  test('the extension is not named, its header refused, and everything else works', async () => {
    const bucket = await createTestBucket()
    const proxy = await startS3Proxy(bucket.endpoint)
    proxy.on({ operation: 'UploadPartCopy', nth: 'every' }, fails(501, 'NotImplemented'))
    const without = await startServer({ env: bucket.env({ endpoint: proxy.url }) })
    try {
      const plain = new TusClient(without)
      const answer = await ask(without.url, { method: 'OPTIONS', path: '/uploads' })
      expect(answer.headers['tus-extension']).not.toContain('concatenation')
      const partial = await plain.create({ sizeBytes: 10, headers: PARTIAL })
      expectProblem(partial, 400, 'INVALID_INPUT')
      const final = await plain.send('POST', '/uploads', {
        'Upload-Concat': 'final;/uploads/0123456789abcdef',
        'Content-Length': 0,
      })
      expectProblem(final, 400, 'INVALID_INPUT')
      await plain.put(someBytes(1000, 60))
    } finally {
      await without.dispose()
      await proxy.close()
      await bucket.drop()
    }
  })
})
