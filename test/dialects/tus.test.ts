// tus 1.0.0 as its specification says it, through the real server over real sockets.

import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { startServer, type TestServer } from '../support/server.js'
import { ask, inPieces } from './exchange.js'
import { expectProblem } from './problem-of.js'
import {
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

const MAX_FILE_BYTES = 200 * 1024 ** 2

let server: TestServer
let tus: TusClient

beforeAll(async () => {
  server = await startServer({ env: { MAX_FILE_BYTES: String(MAX_FILE_BYTES) } })
  tus = new TusClient(server)
})
afterAll(() => server.dispose())

/** Half of `body`, and then nothing more for a while. */
async function* half(body: Uint8Array): AsyncIterable<Uint8Array> {
  yield body.subarray(0, body.byteLength / 2)
  await sleep(5_000, undefined, { ref: false })
}

function checksum(algorithm: string, body: Uint8Array): string {
  return `${algorithm} ${createHash(algorithm).update(body).digest('base64')}`
}

describe('OPTIONS', () => {
  test.each(['/uploads', '/uploads/0123456789abcdef'])(
    '%s says without a credential what the server can do',
    async (path) => {
      const answer = await ask(server.url, { method: 'OPTIONS', path })
      expect(answer.status).toBe(204)
      expect(answer.headers).toMatchObject({
        'tus-resumable': '1.0.0',
        'tus-version': '1.0.0',
        'tus-max-size': String(MAX_FILE_BYTES),
        'tus-checksum-algorithm': 'md5,sha1,sha256',
      })
      expect(String(answer.headers['tus-extension']).split(',').sort()).toEqual([
        'checksum',
        'concatenation',
        'creation',
        'creation-defer-length',
        'creation-with-upload',
        'expiration',
        'termination',
      ])
    },
  )

  test('a version of tus that nobody speaks does not keep it from answering', async () => {
    const answer = await ask(server.url, {
      method: 'OPTIONS',
      path: '/uploads',
      headers: { 'Tus-Resumable': '9.9' },
    })
    expect(answer.status).toBe(204)
    expect(answer.headers['tus-version']).toBe('1.0.0')
  })
})

describe('core', () => {
  test('a file is sent in parts, and is ready with its last byte', async () => {
    const bytes = someBytes(700_001)
    const id = await tus.begin(bytes.length, { filename: 'lake.csv' })
    for (const [start, end] of [
      [0, 1],
      [1, 300_000],
      [300_000, 700_001],
    ] as const) {
      const head = await tus.head(id)
      expect(head.status).toBe(200)
      expect(head.headers).toMatchObject({
        'upload-offset': String(start),
        'upload-length': '700001',
        'upload-metadata': writeMetadata({ filename: 'lake.csv' }),
        'cache-control': 'no-store',
        'tus-resumable': '1.0.0',
      })
      const answer = await tus.patch(id, start, bytes.subarray(start, end))
      expect(answer.status).toBe(204)
      expect(answer.headers).toMatchObject({ 'upload-offset': String(end), 'tus-resumable': '1.0.0' })
    }
    const report = await tus.report(id)
    expect(report).toMatchObject({ state: 'ready', checksums: checksumsOf(bytes), filename: 'lake.csv' })
    expectSameBytes(await tus.retrieve(report), bytes)
    expect(await stored(server)).toMatchObject({
      tmp: expect.not.arrayContaining([id]),
      objects: expect.arrayContaining([id]),
    })
    expect(await eventsOf(server, id)).toEqual([
      'upload.created.v1',
      'upload.finalizing.v1',
      'upload.ready.v1',
    ])
  })

  test('a chunked PATCH, whose length nobody announces, counts as well', async () => {
    const bytes = someBytes(300_000)
    const id = await tus.begin(bytes.length)
    const answer = await tus.patch(id, 0, Readable.from(inPieces(bytes, 7_001)))
    expect([answer.status, answer.headers['upload-offset']]).toEqual([204, '300000'])
    expect((await tus.report(id)).checksums).toEqual(checksumsOf(bytes))
  })

  test('an empty PATCH in the middle changes nothing', async () => {
    const id = await tus.begin(10)
    await tus.patch(id, 0, someBytes(4))
    const answer = await tus.patch(id, 4, Buffer.alloc(0))
    expect([answer.status, answer.headers['upload-offset']]).toEqual([204, '4'])
    expect(await tus.report(id)).toMatchObject({ state: 'receiving', offset: 4 })
  })

  test('HEAD of a finished upload says that it is complete', async () => {
    const { id } = await tus.put(someBytes(5))
    const head = await tus.head(id)
    expect([head.status, head.headers['upload-offset'], head.headers['upload-length']]).toEqual([
      200,
      '5',
      '5',
    ])
  })

  test('a wrong offset is 409 with the right one, and nothing of the body is kept', async () => {
    const id = await tus.begin(10)
    await tus.patch(id, 0, Buffer.from('abcd'))
    for (const offset of [0, 3, 5, 10, 11]) {
      const answer = await tus.patch(id, offset, Buffer.from('XX'))
      expectProblem(answer, 409, 'OFFSET_MISMATCH')
      expect(answer.headers['upload-offset']).toBe('4')
    }
    await tus.patch(id, 4, Buffer.from('efghij'))
    expect((await tus.report(id)).checksums).toEqual(checksumsOf(Buffer.from('abcdefghij')))
  })
})

describe('creation', () => {
  test('answers 201 with the URL and the end of the session, and has made nothing but a record and a place', async () => {
    const answer = await tus.create({ sizeBytes: 12, metadata: { filename: 'a.csv' } })
    const id = idOf(answer)
    expect(answer.status).toBe(201)
    expect(answer.headers.location).toBe(`http://localhost:${new URL(server.url).port}/uploads/${id}`)
    expect(answer.headers['upload-expires']).toMatch(/^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$/)
    expect(id).toMatch(/^[0-9a-f]{40}$/)
    expect(await tus.report(id)).toMatchObject({
      state: 'receiving',
      size: 12,
      offset: 0,
      checksums: null,
      file_id: null,
    })
    expect((await stored(server)).tmp).toContain(id)
    expect(await eventsOf(server, id)).toEqual(['upload.created.v1'])
  })

  test('an empty file is ready at once', async () => {
    const answer = await tus.create({ sizeBytes: 0 })
    expect(answer.status).toBe(201)
    const report = await tus.report(idOf(answer))
    expect(report).toMatchObject({
      state: 'ready',
      size: 0,
      offset: 0,
      checksums: checksumsOf(Buffer.alloc(0)),
    })
    expect(report.warnings).toEqual([expect.stringContaining('empty')])
    expect(await tus.retrieve(report)).toHaveLength(0)
  })

  test('a file over the limit is 413 and leaves nothing', async () => {
    const before = await stored(server)
    const count = await rowsOf(server, 'SELECT count(*) FROM uploads')
    expectProblem(await tus.create({ sizeBytes: MAX_FILE_BYTES + 1 }), 413, 'PAYLOAD_TOO_LARGE')
    expect(await stored(server)).toEqual(before)
    expect(await rowsOf(server, 'SELECT count(*) FROM uploads')).toEqual(count)
    await tus.remove(await tus.begin(MAX_FILE_BYTES))
  })
})

describe('creation-with-upload', () => {
  test.each([
    ['small', 10_240],
    ['at the border of small', 131_072],
    ['just over small', 131_073],
    ['big', 3_000_001],
  ])('a %s file that comes whole is ready with the answer', async (_, lengthBytes) => {
    const bytes = someBytes(lengthBytes)
    const answer = await tus.create({ sizeBytes: lengthBytes, body: bytes })
    expect([answer.status, answer.headers['upload-offset']]).toEqual([201, String(lengthBytes)])
    expect(answer.headers['upload-expires']).toBeUndefined()
    const report = await tus.report(idOf(answer))
    expect(report).toMatchObject({ state: 'ready', checksums: checksumsOf(bytes) })
    expectSameBytes(await tus.retrieve(report), bytes)
    const events = await eventsOf(server, report.id)
    expect([events[0], events.at(-1)]).toEqual(['upload.created.v1', 'upload.ready.v1'])
  })

  // The one takes a short way, the other goes through @tus/server.
  test.each([0, 10_240, 131_072, 131_073])(
    '%d bytes are answered with the same headers',
    async (lengthBytes) => {
      const answer = await tus.create({ sizeBytes: lengthBytes, body: someBytes(lengthBytes) })
      const { location, 'x-request-id': _id, date: _date, ...headers } = answer.headers
      expect(location).toMatch(/^http:\/\/[^/]+\/uploads\/[0-9a-f]{40}$/)
      expect(headers).toMatchObject({
        'tus-resumable': '1.0.0',
        'upload-offset': String(lengthBytes),
        'content-length': '0',
      })
      expect(Object.keys(headers).sort()).toEqual(
        [
          ...['connection', 'content-length', 'content-security-policy', 'tus-resumable'],
          ...['upload-offset', 'x-content-type-options'],
        ].sort(),
      )
    },
  )

  test.each([10_240, 131_073])(
    'an offset that is no number is 400 with %d bytes, and leaves nothing',
    async (lengthBytes) => {
      const before = await stored(server)
      const answer = await tus.create({
        sizeBytes: lengthBytes,
        body: someBytes(lengthBytes),
        headers: { 'Upload-Offset': 'nowhere' },
      })
      expectProblem(answer, 400, 'INVALID_INPUT')
      expect(await stored(server)).toEqual(before)
    },
  )

  test.each([1, 5_000, 200_000])(
    'a first part of %d bytes counts, and the rest follows',
    async (firstBytes) => {
      const bytes = someBytes(400_000)
      const answer = await tus.create({ sizeBytes: bytes.length, body: bytes.subarray(0, firstBytes) })
      expect([answer.status, answer.headers['upload-offset']]).toEqual([201, String(firstBytes)])
      expect(answer.headers['upload-expires']).toBeDefined()
      const id = idOf(answer)
      expect((await tus.head(id)).headers['upload-offset']).toBe(String(firstBytes))
      await tus.patch(id, firstBytes, bytes.subarray(firstBytes))
      expect((await tus.report(id)).checksums).toEqual(checksumsOf(bytes))
    },
  )

  test('a chunked body counts as well', async () => {
    const bytes = someBytes(50_000)
    const answer = await tus.create({ sizeBytes: bytes.length, body: Readable.from(inPieces(bytes, 999)) })
    expect([answer.status, answer.headers['upload-offset']]).toEqual([201, '50000'])
    expect(await tus.report(idOf(answer))).toMatchObject({ state: 'ready', checksums: checksumsOf(bytes) })
  })

  test('a body that stops coming is 408 with the URL under which it can be resumed', async () => {
    const impatient = await startServer({ env: { NO_PROGRESS_TIMEOUT: '1s' } })
    try {
      const client = new TusClient(impatient)
      const bytes = someBytes(400_000)
      const answer = await client.create({ sizeBytes: bytes.length, body: Readable.from(half(bytes)) })
      expectProblem(answer, 408, 'REQUEST_TIMEOUT')
      expect(answer.headers.location).toMatch(/^http:\/\/[^/]+\/uploads\/[0-9a-f]+$/)
      const id = idOf(answer)
      expect((await client.head(id)).headers['upload-offset']).toBe('200000')
      expect((await client.patch(id, 200_000, bytes.subarray(200_000))).status).toBe(204)
      expect(await client.report(id)).toMatchObject({ state: 'ready', checksums: checksumsOf(bytes) })
    } finally {
      await impatient.dispose()
    }
  })

  test('a body longer than the file is 413 and leaves nothing', async () => {
    const before = await stored(server)
    expectProblem(await tus.create({ sizeBytes: 3, body: someBytes(4) }), 413, 'PAYLOAD_TOO_LARGE')
    expectProblem(await tus.create({ sizeBytes: 0, body: someBytes(1) }), 413, 'PAYLOAD_TOO_LARGE')
    expect(await stored(server)).toEqual(before)
  })

  test('a body of another type is 415 and leaves nothing', async () => {
    const before = await stored(server)
    const answer = await tus.create({
      sizeBytes: 4,
      body: someBytes(4),
      headers: { 'Content-Type': 'text/csv' },
    })
    expectProblem(answer, 415, 'UNSUPPORTED_MEDIA_TYPE')
    expect(await stored(server)).toEqual(before)
  })

  test.each([4, 300_000])(
    'a file of %d bytes that is not what was declared is 422, failed, and its bytes are gone',
    async (lengthBytes) => {
      const bytes = someBytes(lengthBytes)
      const before = await stored(server)
      const declared = checksumsOf(Buffer.from('another')).sha256
      const answer = await tus.create({ sizeBytes: lengthBytes, metadata: { sha256: declared }, body: bytes })
      const problem = expectProblem(answer, 422, 'HASH_MISMATCH')
      expect(problem.details).toMatchObject({
        algorithm: 'sha256',
        declared,
        computed: checksumsOf(bytes).sha256,
      })
      const [row] = await rowsOf<{ id: string }>(
        server,
        'SELECT id FROM uploads ORDER BY created_at DESC, id LIMIT 1',
      )
      const report = await tus.report(row?.id ?? '')
      expect(report).toMatchObject({
        state: 'failed',
        error: { code: 'HASH_MISMATCH', detail: problem.detail },
        checksums: checksumsOf(bytes),
        declared_checksums: { sha256: declared },
        file_id: null,
        retrieval_url: null,
      })
      expectProblem(await tus.patch(report.id, lengthBytes, Buffer.alloc(0)), 410, 'GONE')
      expect((await tus.head(report.id)).status).toBe(410)
      expect(await stored(server)).toEqual(before)
      expect((await eventsOf(server, report.id)).at(-1)).toBe('upload.failed.v1')
    },
  )

  test('declared digests that match are kept in the report', async () => {
    const bytes = someBytes(99)
    const { md5, sha1, sha256 } = checksumsOf(bytes)
    const report = await tus.put(bytes, { md5: md5.toUpperCase(), sha1, sha256 })
    expect(report.declared_checksums).toEqual({ md5, sha1, sha256 })
  })
})

describe('creation-defer-length', () => {
  test('HEAD says that the length is deferred until a PATCH declares it', async () => {
    const bytes = someBytes(2_000)
    const id = await tus.begin(null)
    const head = await tus.head(id)
    expect([head.headers['upload-defer-length'], head.headers['upload-length']]).toEqual(['1', undefined])
    await tus.patch(id, 0, bytes.subarray(0, 1_000))
    expect(await tus.report(id)).toMatchObject({ state: 'receiving', size: null, offset: 1_000 })
    expect(
      (await tus.patch(id, 1_000, bytes.subarray(1_000, 1_500), { 'Upload-Length': 2_000 })).status,
    ).toBe(204)
    const declared = await tus.head(id)
    expect([declared.headers['upload-defer-length'], declared.headers['upload-length']]).toEqual([
      undefined,
      '2000',
    ])
    await tus.patch(id, 1_500, bytes.subarray(1_500))
    expect(await tus.report(id)).toMatchObject({ state: 'ready', size: 2_000, checksums: checksumsOf(bytes) })
  })

  test('declared with the last bytes, it is ready', async () => {
    const bytes = someBytes(100)
    const id = await tus.begin(null)
    expect((await tus.patch(id, 0, bytes, { 'Upload-Length': 100 })).status).toBe(204)
    expect(await tus.report(id)).toMatchObject({ state: 'ready', checksums: checksumsOf(bytes) })
  })

  test('declared with an empty PATCH after the last byte, it is ready', async () => {
    const bytes = someBytes(100)
    const id = await tus.begin(null)
    await tus.patch(id, 0, bytes)
    expect((await tus.patch(id, 100, Buffer.alloc(0), { 'Upload-Length': 100 })).status).toBe(204)
    expect(await tus.report(id)).toMatchObject({ state: 'ready', checksums: checksumsOf(bytes) })
  })

  test('a first part may come with the creation', async () => {
    const bytes = someBytes(100)
    const answer = await tus.create({ sizeBytes: null, body: bytes.subarray(0, 60) })
    expect([answer.status, answer.headers['upload-offset']]).toEqual([201, '60'])
    await tus.patch(idOf(answer), 60, bytes.subarray(60), { 'Upload-Length': 100 })
    expect(await tus.report(idOf(answer))).toMatchObject({ state: 'ready', checksums: checksumsOf(bytes) })
  })

  test.each([
    ['less than what is stored', 9, 400, 'INVALID_INPUT'],
    ['less than what the body brings', 12, 413, 'PAYLOAD_TOO_LARGE'],
    ['over the limit', MAX_FILE_BYTES + 1, 413, 'PAYLOAD_TOO_LARGE'],
  ] as const)(
    'a length %s is refused, and can still be declared rightly',
    async (_, length, status, code) => {
      const id = await tus.begin(null)
      await tus.patch(id, 0, someBytes(10))
      expectProblem(await tus.patch(id, 10, someBytes(5, 2), { 'Upload-Length': length }), status, code)
      expect(await tus.report(id)).toMatchObject({ state: 'receiving', size: null, offset: 10 })
      const head = await tus.head(id)
      expect([head.headers['upload-offset'], head.headers['upload-defer-length']]).toEqual(['10', '1'])
      expect((await tus.patch(id, 10, Buffer.alloc(0), { 'Upload-Length': 10 })).status).toBe(204)
      expect(await tus.report(id)).toMatchObject({ state: 'ready', checksums: checksumsOf(someBytes(10)) })
    },
  )

  test('a length can not be declared twice', async () => {
    const id = await tus.begin(10)
    expectProblem(await tus.patch(id, 0, someBytes(5), { 'Upload-Length': 11 }), 400, 'INVALID_INPUT')
    expect(await tus.report(id)).toMatchObject({ state: 'receiving', size: 10, offset: 0 })
  })

  test('a declared length may be said again as it is, and not as another', async () => {
    const bytes = someBytes(30)
    const id = await tus.begin(null)
    const declare = (start: number, end: number, length: number) =>
      tus.patch(id, start, bytes.subarray(start, end), { 'Upload-Length': length })
    expect((await declare(0, 10, 30)).status).toBe(204)
    const again = await declare(10, 20, 30)
    expect([again.status, again.headers['upload-offset']]).toEqual([204, '20'])
    expectProblem(await declare(20, 25, 31), 400, 'INVALID_INPUT')
    expect(await tus.report(id)).toMatchObject({ state: 'receiving', size: 30, offset: 20 })
    expect((await declare(20, 30, 30)).status).toBe(204)
    expect(await tus.report(id)).toMatchObject({ state: 'ready', size: 30, checksums: checksumsOf(bytes) })
  })

  test('without any length, no more than the limit is taken', async () => {
    const id = await tus.begin(null)
    await tus.patch(id, 0, someBytes(10))
    // Its first bytes must do: the refusal comes before the body.
    const headers = { 'Content-Length': MAX_FILE_BYTES, Expect: '100-continue' }
    const answer = await tus.patch(id, 10, Readable.from([]), headers)
    expectProblem(answer, 413, 'PAYLOAD_TOO_LARGE')
    expect((await tus.head(id)).headers['upload-offset']).toBe('10')
  })
})

describe('expiration', () => {
  test('Upload-Expires comes with every answer while the upload is unfinished, and says when it ends', async () => {
    const created = await tus.create({ sizeBytes: 10 })
    const id = idOf(created)
    const answers = [created, await tus.patch(id, 0, someBytes(5)), await tus.head(id)]
    const { expires_at } = await tus.report(id)
    for (const answer of answers) {
      const expiresAt = Date.parse(String(answer.headers['upload-expires']))
      expect(Math.abs(expiresAt - Date.parse(String(expires_at)))).toBeLessThan(5_000)
    }
    const last = await tus.patch(id, 5, someBytes(5))
    expect(last.headers['upload-expires']).toBeUndefined()
    expect((await tus.head(id)).headers['upload-expires']).toBeUndefined()
  })

  test('past its end it is gone at once, before any sweep', async () => {
    const id = await tus.begin(10)
    await tus.patch(id, 0, someBytes(5))
    await rowsOf(server, `UPDATE uploads SET expires_at = now() - interval '1 second' WHERE id = $1`, [id])
    expect((await tus.head(id)).status).toBe(410)
    expectProblem(await tus.patch(id, 5, someBytes(5)), 410, 'GONE')
    expect((await tus.report(id)).offset).toBe(5)
  })
})

describe('checksum', () => {
  const big = someBytes(65 * 1024 ** 2 + 3)

  test.each(['md5', 'sha1', 'sha256'])('%s: a body that arrives as it left is taken', async (algorithm) => {
    for (const body of [Buffer.alloc(0), someBytes(7), someBytes(200_000)]) {
      const id = await tus.begin(body.length + 1)
      const answer = await tus.patch(id, 0, body, { 'Upload-Checksum': checksum(algorithm, body) })
      expect([answer.status, answer.headers['upload-offset']]).toEqual([204, String(body.length)])
      await tus.patch(id, body.length, Buffer.from('x'), {
        'Upload-Checksum': checksum(algorithm, Buffer.from('x')),
      })
      expect((await tus.report(id)).checksums).toEqual(checksumsOf(Buffer.concat([body, Buffer.from('x')])))
    }
  })

  test.each([
    ['md5', 7],
    ['sha1', 7],
    ['sha256', 7],
    ['md5', 300_000],
    ['sha1', 300_000],
    ['sha256', 300_000],
  ])(
    '%s: a damaged body of %d bytes is 460, and the offset has not moved',
    async (algorithm, lengthBytes) => {
      const bytes = someBytes(lengthBytes + 10)
      const id = await tus.begin(bytes.length)
      await tus.patch(id, 0, bytes.subarray(0, 10))
      const header = { 'Upload-Checksum': checksum(algorithm, Buffer.from('as it left')) }
      const answer = await tus.patch(id, 10, bytes.subarray(10), header)
      expectProblem(answer, 460, 'CHECKSUM_MISMATCH')
      expect((await tus.head(id)).headers['upload-offset']).toBe('10')
      expect(await tus.report(id)).toMatchObject({ state: 'receiving', offset: 10 })
      expect((await tus.patch(id, 10, bytes.subarray(10))).status).toBe(204)
      expect((await tus.report(id)).checksums).toEqual(checksumsOf(bytes))
    },
  )

  test.each(['md5', 'sha1', 'sha256'])(
    '%s: no checkpoint leaks into a damaged body of 65 MiB',
    async (algorithm) => {
      const id = await tus.begin(big.length + 10)
      await tus.patch(id, 0, someBytes(10, 2))
      const header = { 'Upload-Checksum': checksum(algorithm, Buffer.from('as it left')) }
      expectProblem(await tus.patch(id, 10, big, header), 460, 'CHECKSUM_MISMATCH')
      expect((await tus.head(id)).headers['upload-offset']).toBe('10')
      const [row] = await rowsOf<{ offset_bytes: string }>(
        server,
        'SELECT offset_bytes FROM uploads WHERE id = $1',
        [id],
      )
      expect(row?.offset_bytes).toBe('10')
      expect((await tus.patch(id, 10, big, { 'Upload-Checksum': checksum(algorithm, big) })).status).toBe(204)
      expect((await tus.report(id)).checksums).toEqual(checksumsOf(Buffer.concat([someBytes(10, 2), big])))
      expect((await tus.remove(id)).status).toBe(204)
    },
  )

  test.each([6, 200_000])(
    'a damaged creation-with-upload of %d bytes is 460 and never ready',
    async (lengthBytes) => {
      const { objects } = await stored(server)
      const header = { 'Upload-Checksum': checksum('sha1', Buffer.from('as it left')) }
      const answer = await tus.create({
        sizeBytes: lengthBytes,
        body: someBytes(lengthBytes),
        headers: header,
      })
      expectProblem(answer, 460, 'CHECKSUM_MISMATCH')
      expect((await stored(server)).objects).toEqual(objects)
    },
  )

  test('a body that is cut counts for nothing when it has a checksum', async () => {
    const body = someBytes(100_000)
    const id = await tus.begin(body.length)
    const headers = { 'Upload-Checksum': checksum('md5', body), 'Content-Length': body.length }
    const stalled = tus.patch(id, 0, Readable.from(half(body)), headers)
    await sleep(300)
    // A newer request takes over from the one that brings no more.
    expect((await tus.head(id)).headers['upload-offset']).toBe('0')
    expectProblem(await stalled, 423, 'LOCKED')
    expect((await tus.patch(id, 0, body)).status).toBe(204)
    expect((await tus.report(id)).checksums).toEqual(checksumsOf(body))
  })

  test.each([
    ['an unknown algorithm', 'crc32 AAAAAA=='],
    ['a digest that is not Base64', 'sha1 ???'],
    ['no digest', 'sha1'],
  ])('%s is 400, and the upload is not held by the refused request', async (_, header) => {
    const id = await tus.begin(4)
    expectProblem(await tus.patch(id, 0, someBytes(4), { 'Upload-Checksum': header }), 400, 'INVALID_INPUT')
    const startedAt = performance.now()
    expect((await tus.patch(id, 0, someBytes(4))).status).toBe(204)
    expect(performance.now() - startedAt).toBeLessThan(2_000)
  })
})

describe('termination', () => {
  test('of an unfinished upload: 204, canceled, its bytes are gone, and it is gone', async () => {
    const id = await tus.begin(10)
    await tus.patch(id, 0, someBytes(5))
    expect((await tus.remove(id)).status).toBe(204)
    expect((await tus.head(id)).status).toBe(410)
    expectProblem(await tus.patch(id, 5, someBytes(5)), 410, 'GONE')
    expect(await tus.report(id)).toMatchObject({ state: 'canceled', expires_in: 0 })
    const { tmp, objects } = await stored(server)
    expect([...tmp, ...objects]).not.toContain(id)
    expect((await eventsOf(server, id)).at(-1)).toBe('upload.canceled.v1')
  })

  test('of a finished upload: 204, deleted, its bytes are gone, and its URL is dead', async () => {
    const report = await tus.put(someBytes(1_234))
    expect((await tus.remove(report.id)).status).toBe(204)
    expect(await tus.report(report.id)).toMatchObject({
      state: 'deleted',
      file_id: null,
      retrieval_url: null,
    })
    const answer = await ask(server.url, {
      method: 'GET',
      path: new URL(report.retrieval_url ?? '').pathname,
    })
    expectProblem(answer, 410, 'GONE')
    expect((await stored(server)).objects).not.toContain(report.id)
    expectProblem(await tus.remove(report.id), 410, 'GONE')
  })
})

describe('X-HTTP-Method-Override', () => {
  test('a POST is a PATCH, a HEAD or a DELETE when it says so', async () => {
    const id = await tus.begin(4)
    const headers = { 'Upload-Offset': 0, 'Content-Type': 'application/offset+octet-stream' }
    const override = (method: string, more = {}, body?: Uint8Array) =>
      tus.send('POST', `/uploads/${id}`, { 'X-HTTP-Method-Override': method, ...more }, body)
    expect((await override('PATCH', headers, Buffer.from('ab'))).status).toBe(204)
    const head = await override('head')
    expect([head.status, head.headers['upload-offset'], head.body.length]).toEqual([200, '2', 0])
    expect((await override('DELETE')).status).toBe(204)
    expect((await tus.report(id)).state).toBe('canceled')
  })

  test.each(['GET', 'PUT', 'OPTIONS', 'nonsense', ''])('%p is not a method it may name', async (method) => {
    const id = await tus.begin(4)
    const answer = await tus.send('POST', `/uploads/${id}`, { 'X-HTTP-Method-Override': method })
    expectProblem(answer, 400, 'INVALID_INPUT')
  })

  test('a GET can not be made to delete', async () => {
    const id = await tus.begin(4)
    const answer = await tus.send('GET', `/uploads/${id}`, { 'X-HTTP-Method-Override': 'DELETE' })
    expectProblem(answer, 400, 'INVALID_INPUT')
    expect((await tus.report(id)).state).toBe('receiving')
  })
})
