// A creation by tus that comes again, because its answer was lost: one upload, however often, and whatever way it came.

import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { type CuttingProxy, startCuttingProxy } from '../end-to-end/cutting-proxy.js'
import { keysOf } from '../rights/ground.js'
import fc from '../support/properties.js'
import { createTestBucket, describeS3, type TestBucket } from '../support/s3.js'
import { startServer, type TestServer } from '../support/server.js'
import { until } from '../support/until.js'
import { type Answer, askRaw, inPieces } from './exchange.js'
import { expectProblem } from './problem-of.js'
import { RestClient } from './rest-client.js'
import {
  type Creation,
  checksumsOf,
  eventsOf,
  expectSameBytes,
  idOf,
  rowsOf,
  someBytes,
  stored,
  TusClient,
  writeMetadata,
} from './tus-client.js'

const KIB = 1024
const QUOTA_BYTES = 200 * KIB ** 2

let server: TestServer
let tus: TusClient

beforeAll(async () => {
  server = await startServer({
    env: { QUOTA_BYTES: String(QUOTA_BYTES), RATE_LIMIT_KEY: '100000/1m', RATE_LIMIT_IP: '100000/1m' },
  })
  tus = new TusClient(server)
})
afterAll(() => server.dispose())

const PARTIAL = { 'Upload-Concat': 'partial' }

let lastKey = 0
/** A key that nobody has used. */
const newKey = () => `key ${++lastKey}`

const withKey = (creation: Creation, key: string): Creation => ({
  ...creation,
  headers: { ...creation.headers, 'Idempotency-Key': key },
})

/** All that a test may have left behind, but for what moves by itself. */
async function everything(target: TestServer) {
  const [uploads, packages, events, usage, garbage] = await Promise.all([
    rowsOf(
      target,
      `SELECT id, state, offset_bytes, package_id, sha256, idempotency_key FROM uploads ORDER BY id`,
    ),
    rowsOf(target, 'SELECT id, state, label FROM packages ORDER BY id'),
    rowsOf(target, 'SELECT id, type, upload_id FROM events ORDER BY id'),
    rowsOf(target, 'SELECT * FROM owner_usage ORDER BY owner'),
    rowsOf(target, 'SELECT * FROM garbage'),
  ])
  return { uploads, packages, events, usage, garbage, stored: await stored(target) }
}

const uploadsOfKey = (key: string) =>
  rowsOf<{ id: string; state: string }>(
    server,
    'SELECT id, state::text AS state FROM uploads WHERE idempotency_key = $1',
    [key],
  )

interface Way {
  name: string
  creation: () => Creation
  /** What is stored when it is answered. */
  offset: number
  state: 'receiving' | 'ready'
}

const small = someBytes(10_000, 1)
const large = someBytes(700_001, 2)
const metadata = { filename: 'lake.csv', filetype: 'text/csv', note: 'unknown here' }

const WAYS: readonly Way[] = [
  { name: 'without bytes', creation: () => ({ sizeBytes: 500, metadata }), offset: 0, state: 'receiving' },
  { name: 'with no length', creation: () => ({ sizeBytes: null, metadata }), offset: 0, state: 'receiving' },
  {
    name: 'of an empty file',
    creation: () => ({ sizeBytes: 0, metadata }),
    offset: 0,
    state: 'ready',
  },
  {
    name: 'with all of a small file',
    creation: () => ({ sizeBytes: small.length, metadata, body: small }),
    offset: small.length,
    state: 'ready',
  },
  {
    name: 'with all of a large file',
    creation: () => ({ sizeBytes: large.length, metadata, body: large }),
    offset: large.length,
    state: 'ready',
  },
  {
    name: 'with the first bytes of a file',
    creation: () => ({ sizeBytes: large.length, metadata, body: large.subarray(0, 300_000) }),
    offset: 300_000,
    state: 'receiving',
  },
  {
    name: 'of a session’s kind, finished by a call',
    creation: () => ({
      sizeBytes: small.length,
      metadata: { ...metadata, finalize: 'manual' },
      body: small,
    }),
    offset: small.length,
    state: 'receiving',
  },
  {
    name: 'of an empty file that is finished by a call',
    creation: () => ({ sizeBytes: 0, metadata: { ...metadata, finalize: 'manual' } }),
    offset: 0,
    state: 'receiving',
  },
  {
    name: 'of a small part',
    creation: () => ({ sizeBytes: small.length, body: small, headers: PARTIAL }),
    offset: small.length,
    state: 'ready',
  },
  {
    name: 'of a large part',
    creation: () => ({ sizeBytes: large.length, body: large, headers: PARTIAL }),
    offset: large.length,
    state: 'ready',
  },
  {
    name: 'of a small file with a label',
    creation: () => ({ sizeBytes: small.length, metadata: { ...metadata, label: newKey() }, body: small }),
    offset: small.length,
    state: 'ready',
  },
  {
    name: 'of a large file with a label',
    creation: () => ({ sizeBytes: large.length, metadata: { ...metadata, label: newKey() }, body: large }),
    offset: large.length,
    state: 'ready',
  },
]

/** Asserts that `answer` is the one of a creation which has been made before, as `id`. */
function expectSame(answer: Answer, id: string, offset: number, state: 'receiving' | 'ready'): void {
  expect({ status: answer.status, id: idOf(answer), body: answer.body.toString() }).toEqual({
    status: 201,
    id,
    body: '',
  })
  expect(answer.headers).toMatchObject({
    location: `http://localhost:${new URL(server.url).port}/uploads/${id}`,
    'upload-offset': String(offset),
    'tus-resumable': '1.0.0',
    'content-length': '0',
  })
  if (state === 'receiving') expect(Date.parse(String(answer.headers['upload-expires']))).toBeGreaterThan(0)
  else expect(answer.headers['upload-expires']).toBeUndefined()
}

describe.each(WAYS)('a creation $name', ({ creation, offset, state }) => {
  const settled = async (id: string) => {
    await until(async () => (await tus.report(id)).state === state)
  }

  test('that comes again is answered with the same upload, and changes nothing', async () => {
    const key = newKey()
    const asked = creation()
    const first = await tus.create(withKey(asked, key))
    expect(first.status).toBe(201)
    const id = idOf(first)
    await settled(id)
    const before = await everything(server)
    for (let i = 0; i < 2; i += 1) expectSame(await tus.create(withKey(asked, key)), id, offset, state)
    // The same pairs in another order are the same.
    const turned = Object.fromEntries(Object.entries(asked.metadata ?? {}).reverse())
    expectSame(await tus.create(withKey({ ...asked, metadata: turned }, key)), id, offset, state)
    // Bytes or none, right or wrong: none of them is taken.
    expectSame(await tus.create(withKey({ ...asked, body: undefined as never }, key)), id, offset, state)
    if (asked.sizeBytes !== null && asked.sizeBytes > 0) {
      const others = { ...asked, body: someBytes(asked.sizeBytes, 99) }
      expectSame(await tus.create(withKey(others, key)), id, offset, state)
    }
    expect(await everything(server)).toEqual(before)
    expect(before.garbage).toEqual([])
    expect(await uploadsOfKey(key)).toHaveLength(1)
  })

  test('without a key makes another upload each time', async () => {
    const metadata = { filename: `a`, relativePath: newKey() }
    const ids = new Set<string>()
    for (let i = 0; i < 2; i += 1) ids.add(idOf(await tus.create({ ...creation(), metadata })))
    expect(ids.size).toBe(2)
  })

  test('with a key of another request is refused, and changes nothing', async () => {
    const key = newKey()
    const asked = creation()
    const id = idOf(await tus.create(withKey(asked, key)))
    await settled(id)
    const before = await everything(server)
    const length = { ...asked, sizeBytes: (asked.sizeBytes ?? 0) + 1, body: undefined as never }
    const named = { ...asked, metadata: { ...asked.metadata, filename: 'other.csv' } }
    const part = { ...asked, headers: asked.headers === undefined ? PARTIAL : {} }
    for (const other of [length, named, part]) {
      const problem = expectProblem(await tus.create(withKey(other, key)), 409, 'CONFLICT')
      expect(problem.details).toEqual({ upload_id: id })
    }
    const session = await new RestClient(server).json(
      'POST',
      '/uploads',
      { filename: 'lake.csv' },
      { 'Idempotency-Key': key },
    )
    expect(expectProblem(session, 409, 'CONFLICT').details).toEqual({ upload_id: id })
    expect(await everything(server)).toEqual(before)
  })

  test('by many at once makes one upload', async () => {
    const key = newKey()
    const asked = creation()
    const before = await stored(server)
    const answers = await Promise.all(Array.from({ length: 8 }, () => tus.create(withKey(asked, key))))
    // A newer one asks a running one to let go of the upload, as every request does.
    const told = answers.filter(({ status }) => status !== 423)
    expect(told.map(({ status }) => status)).toEqual(told.map(() => 201))
    expect(told.length).toBeGreaterThan(0)
    const made = await uploadsOfKey(key)
    expect(made).toHaveLength(1)
    const id = made[0]?.id ?? ''
    expect(new Set(answers.flatMap((answer) => (answer.headers.location ? [idOf(answer)] : [])))).toEqual(
      new Set([id]),
    )
    // Whoever is told an offset goes on there.
    const body = asked.body as Buffer | undefined
    const { headers } = await tus.head(id)
    const at = Number(headers['upload-offset'])
    if (body !== undefined && at < body.length)
      expect((await tus.patch(id, at, body.subarray(at))).status).toBe(204)
    await settled(id)
    if (body !== undefined && state === 'ready')
      expect((await tus.report(id)).checksums).toEqual(checksumsOf(body))
    const after = await stored(server)
    const isNew = (room: 'tmp' | 'objects') => after[room].filter((name) => !before[room].includes(name))
    expect([...isNew('tmp'), ...isNew('objects')].filter((name) => name !== id)).toEqual([])
    expect(await rowsOf(server, 'SELECT * FROM garbage')).toEqual([])
    const created = (await eventsOf(server, id)).filter((type) => type === 'upload.created.v1')
    expect(created).toHaveLength(asked.headers === undefined ? 1 : 0)
  })

  test('of an upload that has ended is told so, and nothing new is made', async () => {
    const key = newKey()
    const asked = creation()
    const id = idOf(await tus.create(withKey(asked, key)))
    await settled(id)
    expect((await tus.remove(id)).status).toBe(204)
    const before = await everything(server)
    const again = await tus.create(withKey(asked, key))
    const ended = state === 'ready' ? 'deleted' : 'canceled'
    expect(expectProblem(again, 410, 'GONE').details).toEqual({ state: ended, error: null, upload_id: id })
    expect(idOf(again)).toBe(id)
    expect(await everything(server)).toEqual(before)
  })

  test('is each owner’s own', async () => {
    const keys = await keysOf(server)
    const stranger = new TusClient(server, (await keys.make('a stranger')).key ?? '')
    await keys.close()
    const key = newKey()
    const mine = await tus.create(withKey(creation(), key))
    const theirs = await stranger.create(withKey(creation(), key))
    expect([mine.status, theirs.status]).toEqual([201, 201])
    expect(idOf(theirs)).not.toBe(idOf(mine))
    expect((await stranger.create(withKey({ sizeBytes: 1 }, key))).status).toBe(409)
    expect((await stranger.head(idOf(mine))).status).toBe(404)
  })
})

describe('the answer to a creation that comes again', () => {
  test('tells how far the upload is now', async () => {
    const key = newKey()
    const asked: Creation = { sizeBytes: large.length, metadata }
    const id = idOf(await tus.create(withKey(asked, key)))
    await tus.patch(id, 0, large.subarray(0, 123_456))
    expectSame(await tus.create(withKey(asked, key)), id, 123_456, 'receiving')
    await tus.patch(id, 123_456, large.subarray(123_456))
    expectSame(await tus.create(withKey(asked, key)), id, large.length, 'ready')
    expectSameBytes(await tus.retrieve(await tus.report(id)), large)
  })

  test('has the first one, which is still bringing bytes, store them and let go', async () => {
    const key = newKey()
    const body = someBytes(3 * KIB ** 2, 5)
    const head =
      `POST /uploads HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${server.key}\r\nTus-Resumable: 1.0.0\r\n` +
      `Idempotency-Key: ${key}\r\nUpload-Length: ${body.length}\r\n` +
      `Content-Type: application/offset+octet-stream\r\nContent-Length: ${body.length}\r\n\r\n`
    const first = askRaw(server.url, [head, body.subarray(0, 1_500_000)])
    await until(async () => (await uploadsOfKey(key)).length === 1)
    await sleep(300)
    const again = await tus.create(withKey({ sizeBytes: body.length, body }, key))
    const [id] = (await uploadsOfKey(key)).map((row) => row.id)
    expectSame(again, id ?? '', 1_500_000, 'receiving')
    expect((await first).map(({ status }) => status)).toEqual([423])
    expect((await tus.patch(id ?? '', 1_500_000, body.subarray(1_500_000))).status).toBe(204)
    expectSameBytes(await tus.retrieve(await tus.report(id ?? '')), body)
  })

  test('comes before the body that it doesn’t want, whose end it doesn’t wait for', async () => {
    const key = newKey()
    const asked: Creation = { sizeBytes: 50 * KIB ** 2, metadata }
    const id = idOf(await tus.create(withKey(asked, key)))
    const head =
      `POST /uploads HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${server.key}\r\nTus-Resumable: 1.0.0\r\n` +
      `Idempotency-Key: ${key}\r\nUpload-Length: ${asked.sizeBytes}\r\n` +
      `Upload-Metadata: ${writeMetadata(metadata)}\r\nContent-Type: application/offset+octet-stream\r\n`
    const announced = `${head}Content-Length: ${asked.sizeBytes}\r\n\r\n`
    const chunked = `${head}Transfer-Encoding: chunked\r\n\r\n3e8\r\n`
    for (const text of [announced, chunked]) {
      const [answer] = await askRaw(server.url, [text, someBytes(1_000)])
      expect(answer?.headers).toMatchObject({ connection: 'close', 'upload-offset': '0' })
      expect([answer?.status, idOf(answer as Answer)]).toEqual([201, id])
    }
    // A client that sends all the same gets it, too.
    const body = someBytes(2 * KIB ** 2)
    expectSame(await tus.create(withKey({ ...asked, body }, key)), id, 0, 'receiving')
    expect((await tus.report(id)).offset).toBe(0)
  })

  test('lets the connection live when the body is small', async () => {
    const key = newKey()
    const request = (body: string) =>
      `POST /uploads HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${server.key}\r\nTus-Resumable: 1.0.0\r\n` +
      `Idempotency-Key: ${key}\r\nUpload-Length: 5\r\nContent-Type: application/offset+octet-stream\r\n` +
      `Content-Length: ${body.length}\r\n\r\n${body}`
    const id = idOf(await tus.create(withKey({ sizeBytes: 5 }, key)))
    const parts = [request('12345'), request('12'), request('12345')]
    const answers = await askRaw(server.url, parts, { answers: 3 })
    for (const answer of answers) expectSame(answer, id, 0, 'receiving')
    expect(answers).toHaveLength(3)
    expect(answers.map(({ headers }) => headers.connection)).not.toContain('close')
  })

  test.each([small, large])('is the same when the first one has filled the quota (%#)', async (bytes) => {
    const keys = await keysOf(server)
    const person = await keys.make(newKey())
    await keys.close()
    const owner = new TusClient(server, person.key ?? '')
    await owner.begin(QUOTA_BYTES - bytes.length)
    const asked = withKey({ sizeBytes: bytes.length, metadata, body: bytes }, newKey())
    const first = await owner.create(asked)
    expect(first.status).toBe(201)
    const before = await everything(server)
    expectSame(await owner.create(asked), idOf(first), bytes.length, 'ready')
    expect(await everything(server)).toEqual(before)
    expectProblem(await owner.create({ sizeBytes: 1, body: Buffer.from('1') }), 403, 'QUOTA_EXCEEDED')
  })

  test.each([small, large])(
    'is the same when its package is finalized, and its label free again (%#)',
    async (bytes) => {
      const label = newKey()
      const asked = withKey(
        { sizeBytes: bytes.length, metadata: { ...metadata, label }, body: bytes },
        newKey(),
      )
      const first = await tus.create(asked)
      const { package_id: packageId } = await tus.report(idOf(first))
      const finalized = await new RestClient(server).send('POST', `/packages/${packageId}/finalize`)
      expect(finalized.status).toBe(200)
      const before = await everything(server)
      expectSame(await tus.create(asked), idOf(first), bytes.length, 'ready')
      expect(await everything(server)).toEqual(before)
      // Another file of that label has a package of its own.
      const other = await tus.put(bytes, { filename: 'other.csv', label })
      expect(other.package_id).not.toBe(packageId)
    },
  )

  test.each([small, large])('is 410 once the bytes were not what was declared (%#)', async (bytes) => {
    const declared = { ...metadata, sha256: checksumsOf(someBytes(3, 77)).sha256 }
    const asked = withKey({ sizeBytes: bytes.length, metadata: declared, body: bytes }, newKey())
    const first = expectProblem(await tus.create(asked), 422, 'HASH_MISMATCH')
    const before = await everything(server)
    const again = await tus.create(asked)
    const { details } = expectProblem(again, 410, 'GONE')
    expect(details).toEqual({ state: 'failed', error: 'HASH_MISMATCH', upload_id: idOf(again) })
    if (bytes === small) expect(first.details).toMatchObject({ upload_id: idOf(again) })
    expect(await everything(server)).toEqual(before)
    expect(before.stored).not.toMatchObject({ objects: expect.arrayContaining([idOf(again)]) })
  })

  test('is 410 past the upload’s end, before the sweep has come by', async () => {
    const asked = withKey({ sizeBytes: 10, metadata }, newKey())
    const id = idOf(await tus.create(asked))
    await rowsOf(server, `UPDATE uploads SET expires_at = now() - interval '1 second' WHERE id = $1`, [id])
    const { details } = expectProblem(await tus.create(asked), 410, 'GONE')
    expect(details).toMatchObject({ upload_id: id })
  })

  test.each(['', 'a'.repeat(201), 'ümlaut'])(
    'is a refusal for the key %j, and nothing is made',
    async (key) => {
      const before = await everything(server)
      for (const creation of [{ sizeBytes: 10 }, { sizeBytes: small.length, body: small }]) {
        expectProblem(await tus.create(withKey(creation, key)), 400, 'INVALID_INPUT')
      }
      expect(await everything(server)).toEqual(before)
    },
  )

  test('that was cut, or damaged on its way, is as if it had not come', async () => {
    const key = newKey()
    const asked = withKey({ sizeBytes: small.length, metadata, body: small }, key)
    const damaged = {
      ...asked,
      headers: { ...asked.headers, 'Upload-Checksum': 'md5 AAAAAAAAAAAAAAAAAAAAAA==' },
    }
    expectProblem(await tus.create(damaged), 460, 'CHECKSUM_MISMATCH')
    expect(await uploadsOfKey(key)).toEqual([])
    const answer = await tus.create(asked)
    expect([answer.status, answer.headers['upload-offset']]).toEqual([201, String(small.length)])
  })
})

describe('a final upload', () => {
  const final = (ids: readonly string[], key: string, more: Record<string, string> = {}) =>
    tus.send('POST', '/uploads', {
      'Upload-Concat': `final;${ids.map((id) => `/uploads/${id}`).join(' ')}`,
      'Content-Length': 0,
      'Idempotency-Key': key,
      ...more,
    })
  const parts = async () =>
    Promise.all(
      [small, large].map(async (body) =>
        idOf(await tus.create({ sizeBytes: body.length, body, headers: PARTIAL })),
      ),
    )
  const bytes = Buffer.concat([small, large])

  test('that is asked for again, by many at once too, is the same; with other parts it is refused', async () => {
    const ids = await parts()
    const key = newKey()
    const answers = await Promise.all(Array.from({ length: 6 }, () => final(ids, key)))
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 201))
    const [id = '', ...others] = new Set(answers.map(idOf))
    expect(others).toEqual([])
    await until(async () => (await tus.report(id)).state === 'ready')
    await until(async () => !(await stored(server)).objects.some((name) => ids.includes(name)))
    const before = await everything(server)
    expectSame(await final(ids, key), id, bytes.length, 'ready')
    const other = await final(ids.toReversed(), key)
    expect(expectProblem(other, 409, 'CONFLICT').details).toEqual({ upload_id: id })
    expectProblem(
      await final(ids, key, { 'Upload-Metadata': writeMetadata({ filename: 'b' }) }),
      409,
      'CONFLICT',
    )
    expect(await everything(server)).toEqual(before)
    expectSameBytes(await tus.retrieve(await tus.report(id)), bytes)
    expect(await uploadsOfKey(key)).toEqual([{ id, state: 'ready' }])
  })

  test('that has ended is 410', async () => {
    const ids = await parts()
    const key = newKey()
    const id = idOf(await final(ids, key))
    await until(async () => (await tus.report(id)).state === 'ready')
    await tus.remove(id)
    const { details } = expectProblem(await final(ids, key), 410, 'GONE')
    expect(details).toEqual({ state: 'deleted', error: null, upload_id: id })
  })
})

describe('answers that are lost', () => {
  let proxy: CuttingProxy

  beforeAll(async () => {
    proxy = await startCuttingProxy()
    proxy.forwardTo(server.url)
  })
  beforeEach(() => proxy.goOn())
  afterAll(() => proxy.close())

  const through = () => new TusClient({ ...server, url: proxy.url, key: server.key })

  /** As every client does: while an earlier creation that comes late takes the upload over, it asks again how far it is. */
  const sendOn = async (id: string, bytes: Buffer, toldBytes: number) => {
    await until(async () => {
      const { headers } = await tus.head(id)
      const at = Number(headers['upload-offset'])
      expect(at).toBeGreaterThanOrEqual(toldBytes)
      if (at === bytes.length) return true
      const { status } = await tus.patch(id, at, bytes.subarray(at))
      expect([204, 423]).toContain(status)
      return status === 204
    })
  }

  test('leave one upload, wherever the creation was cut, and its bytes are right', async () => {
    const cases = fc.record({
      sizeBytes: fc.oneof(fc.integer({ min: 1, max: 5_000 }), fc.integer({ min: 130 * KIB, max: 900 * KIB })),
      /** Where each attempt is cut: a part of its bytes. 1: it arrived, and only the answer is lost. */
      cuts: fc.array(fc.oneof(fc.constant(1), fc.double({ min: 0, max: 1, noNaN: true })), {
        minLength: 1,
        maxLength: 3,
      }),
      manner: fc.constantFrom('close' as const, 'reset' as const),
      isChunked: fc.boolean(),
      label: fc.option(fc.constantFrom('a label', 'another'), { nil: undefined }),
      seed: fc.nat(),
    })
    await fc.assert(
      fc.asyncProperty(cases, async ({ sizeBytes, cuts, manner, isChunked, label, seed }) => {
        const key = newKey()
        const bytes = someBytes(sizeBytes, seed)
        const about = { filename: key, ...(label === undefined ? {} : { label }) }
        const asked = () =>
          withKey(
            { sizeBytes, metadata: about, body: isChunked ? Readable.from(inPieces(bytes, 40_000)) : bytes },
            key,
          )
        const headBytes = 350
        for (const cut of cuts) {
          const broken = proxy.cutAfter(Math.max(1, Math.floor((headBytes + sizeBytes) * cut)), manner)
          const answer = await Promise.race([through().create(asked()), broken.then(() => null)]).catch(
            () => null,
          )
          if (answer !== null) expect(answer.status === 201 || answer.status === 423).toBe(true)
          proxy.goOn()
        }
        const answer = await tus.create(asked())
        expect(answer.status).toBe(201)
        const id = idOf(answer)
        await sendOn(id, bytes, Number(answer.headers['upload-offset']))
        expect(await uploadsOfKey(key)).toEqual([{ id, state: 'ready' }])
        expectSameBytes(await tus.retrieve(await tus.report(id)), bytes)
        expect((await eventsOf(server, id)).filter((type) => /created|ready/.test(type))).toEqual([
          'upload.created.v1',
          'upload.ready.v1',
        ])
      }),
      { numRuns: 40 },
    )
    // What was cut after its bytes were stored may still be on its way to being refused.
    await until(async () => {
      const blobs = await rowsOf<{ key: string }>(server, 'SELECT object_key AS key FROM blobs ORDER BY 1')
      const { objects } = await stored(server)
      return JSON.stringify(objects) === JSON.stringify(blobs.map((blob) => blob.key))
    })
    expect(await rowsOf(server, 'SELECT * FROM garbage')).toEqual([])
  })
})

describeS3('on S3', () => {
  let bucket: TestBucket
  let onS3: TestServer

  beforeAll(async () => {
    bucket = await createTestBucket()
    onS3 = await startServer({ env: bucket.env() })
  })
  afterAll(async () => {
    await onS3?.dispose()
    await bucket?.drop()
  })

  test.each([small, large])('a creation that comes again leaves one object (%#)', async (bytes) => {
    const client = new TusClient(onS3)
    const asked = withKey({ sizeBytes: bytes.length, metadata, body: bytes }, newKey())
    const answers = await Promise.all([client.create(asked), client.create(asked), client.create(asked)])
    const last = await client.create(asked)
    expect(last.status).toBe(201)
    const at = Number(last.headers['upload-offset'])
    if (at < bytes.length) await client.patch(idOf(last), at, bytes.subarray(at))
    expect(new Set(answers.filter(({ status }) => status === 201).map(idOf))).toEqual(new Set([idOf(last)]))
    const report = await client.report(idOf(last))
    expectSameBytes(await client.retrieve(report), bytes)
    expect((await client.remove(report.id)).status).toBe(204)
    await until(async () => (await bucket.list()).objects.length === 0)
    expect(await bucket.list()).toEqual({ objects: [], multiparts: [] })
  })
})
