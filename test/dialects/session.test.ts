// Sessions over plain HTTP, through the real server: opened, sent by ranges, completed, in any mixture with tus.

import { once } from 'node:events'
import net from 'node:net'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import { openApiKeys } from '../../server/auth/api-keys.js'
import { openDatabase } from '../../server/database/client.js'
import { reportSchema, sessionSchema } from '../../server/uploads/operations.js'
import type { Report } from '../../server/uploads/report.js'
import { startServer, type TestServer } from '../support/server.js'
import { type Answer, askRaw } from './exchange.js'
import { expectProblem } from './problem-of.js'
import { bodyOf, RestClient } from './rest-client.js'
import { checksumsOf, expectSameBytes, pathOf, rowsOf, someBytes, stored, TusClient } from './tus-client.js'

const BYTES = someBytes(300_000)

let server: TestServer
let rest: RestClient
let stranger: RestClient
let tus: TusClient

beforeAll(async () => {
  server = await startServer({ env: { MAX_FILE_BYTES: '10000000' } })
  rest = new RestClient(server)
  stranger = new RestClient(server, await makeKey('somebody else'))
  tus = new TusClient(server)
})
afterAll(() => server.dispose())
afterEach(() => {
  expect(server.logs()).not.toMatch(/"level":"?(error|fatal|50|60)\b/)
})

async function makeKey(owner: string): Promise<string> {
  const database = await openDatabase(server.databaseUrl ?? '')
  const apiKeys = openApiKeys(database.prisma, { upload: [], read: [], delete: [] })
  const scopes = ['upload', 'read', 'delete'] as const
  const { key } = await apiKeys.create({ name: 'test', owner, scopes: [...scopes], ttlSeconds: undefined })
  await database.close()
  return key
}

/** Opens a session; answers its id. */
async function open(body: object = {}): Promise<string> {
  const answer = await rest.json('POST', '/uploads', { filename: 'lake.csv', ...body })
  expect(answer.status).toBe(201)
  return bodyOf(answer).id
}

function expectReport(answer: Answer, status: number, expected: Partial<Report>): Report {
  expect({ status: answer.status, text: answer.body.toString() }).toMatchObject({ status })
  expect(answer.headers['cache-control']).toBe('no-store')
  const report = reportSchema.strict().parse(bodyOf(answer))
  expect(report).toMatchObject(expected)
  return report
}

async function expectReady(id: string, bytes: Buffer): Promise<Report> {
  const report = await rest.report(id)
  expect(report).toMatchObject({ state: 'ready', size: bytes.length, checksums: checksumsOf(bytes) })
  expectSameBytes(await tus.retrieve(report), bytes)
  return report
}

describe('a session', () => {
  test('is opened with all that is known, and answers the report', async () => {
    const body = {
      filename: 'a folder/lake é.csv',
      key: 'k',
      label: 'session',
      relative_path: 'd/e.csv',
      size: 300_000,
      content_type: 'Text/CSV',
      checksums: { sha256: checksumsOf(BYTES).sha256.toUpperCase() },
    }
    const answer = await rest.json('POST', '/uploads', body)
    expect(answer.status).toBe(201)
    expect(answer.headers).toMatchObject({ 'cache-control': 'no-store', 'upload-offset': '0' })
    const session = sessionSchema.strict().parse(bodyOf(answer))
    expect(session).toMatchObject({
      state: 'receiving',
      filename: 'lake é.csv',
      key: 'k',
      label: 'session',
      package_id: expect.stringMatching(/./),
      relative_path: 'd/e.csv',
      size: 300_000,
      offset: 0,
      content_type: 'text/csv',
      declared_checksums: { md5: null, sha1: null, sha256: checksumsOf(BYTES).sha256 },
    })
    expect(session.upload_url).toBe(answer.headers.location)
    expect(pathOf(session.upload_url)).toBe(`/uploads/${session.id}`)
  })

  test('takes its bytes by ranges and waits to be completed', async () => {
    const id = await open({ size: BYTES.length })
    const first = await rest.patch(id, 0, BYTES.subarray(0, 100_000), BYTES.length)
    expectReport(first, 200, { state: 'receiving', offset: 100_000 })
    expect(first.headers['upload-offset']).toBe('100000')
    expectReport(await rest.patch(id, 100_000, BYTES.subarray(100_000), '*'), 200, {
      state: 'receiving',
      offset: BYTES.length,
    })
    await sleep(100)
    expect((await rest.report(id)).state).toBe('receiving')
    const done = expectReport(await rest.complete(id), 200, { state: 'ready' })
    expect(bodyOf(await rest.complete(id))).toMatchObject({ ...done, expires_in: expect.any(Number) })
    await expectReady(id, BYTES)
  })

  test.each([
    ['with its last range', async (id: string) => rest.patch(id, 200_000, BYTES.subarray(200_000), 300_000)],
    ['never', async (id: string) => rest.patch(id, 200_000, BYTES.subarray(200_000), '*')],
  ])('learns its size %s', async (_, send) => {
    const id = await open()
    expectReport(await rest.patch(id, 0, BYTES.subarray(0, 200_000), '*'), 200, {
      size: null,
      offset: 200_000,
    })
    expectReport(await send(id), 200, { offset: 300_000 })
    expectReport(await rest.complete(id, { checksums: checksumsOf(BYTES) }), 200, { state: 'ready' })
    await expectReady(id, BYTES)
  })

  test('of an empty file needs no bytes', async () => {
    for (const body of [{}, { size: 0 }]) {
      const id = await open(body)
      const answer = await rest.send('POST', `/uploads/${id}/complete`)
      expectReport(answer, 200, { state: 'ready', size: 0 })
      await expectReady(id, Buffer.alloc(0))
    }
  })

  test('takes any media type but changes of its details', async () => {
    const id = await open()
    for (const [at, type] of [
      'text/csv',
      'application/json',
      'application/offset+octet-stream',
      '',
    ].entries()) {
      const answer = await rest.patch(id, at, Buffer.from([at]), '*', { 'Content-Type': type })
      expectReport(answer, 200, { offset: at + 1 })
    }
    const merge = await rest.patch(id, 4, Buffer.from('{}'), '*', {
      'Content-Type': 'application/merge-patch+json',
    })
    expectReport(merge, 200, { offset: 4 })
  })

  test('and tus are two languages for one upload', async () => {
    const id = await open({ size: BYTES.length })
    expect((await tus.patch(id, 0, BYTES.subarray(0, 1000))).status).toBe(204)
    expectReport(await rest.patch(id, 1000, BYTES.subarray(1000, 2000), BYTES.length), 200, { offset: 2000 })
    expect((await tus.head(id)).headers['upload-offset']).toBe('2000')
    expect((await tus.patch(id, 2000, BYTES.subarray(2000))).status).toBe(204)
    expect((await rest.report(id)).state).toBe('receiving')
    expectReport(await rest.complete(id), 200, { state: 'ready' })
    await expectReady(id, BYTES)

    const other = await tus.begin(BYTES.length)
    expectReport(await rest.patch(other, 0, BYTES, BYTES.length), 200, { state: 'ready' })
    expectReport(await rest.complete(other, { checksums: { md5: checksumsOf(BYTES).md5 } }), 200, {
      state: 'ready',
    })
    await expectReady(other, BYTES)
  })
})

describe('Idempotency-Key', () => {
  const send = (key: string, body: object, client = rest) =>
    client.json('POST', '/uploads', body, { 'Idempotency-Key': key })

  test('repeated with the same body answers the same upload, however that is written', async () => {
    const first = await send('a key', { filename: 'a.csv', size: 5, checksums: { md5: 'AB'.repeat(16) } })
    const again = await send('a key', { checksums: { md5: 'ab'.repeat(16) }, size: 5, filename: 'a.csv' })
    expect([first.status, again.status]).toEqual([201, 200])
    expect(sessionSchema.strict().parse(bodyOf(again)).id).toBe(bodyOf(first).id)
    expect(again.headers.location).toBe(first.headers.location)
    await rest.patch(bodyOf(first).id, 0, Buffer.from('abc'), 5)
    const later = await send('a key', { filename: 'a.csv', size: 5, checksums: { md5: 'ab'.repeat(16) } })
    expect([later.status, later.headers['upload-offset']]).toEqual([200, '3'])
  })

  test('with another body is refused, and is each owner’s own', async () => {
    const first = await send('shared', { filename: 'a.csv' })
    const other = await send('shared', { filename: 'b.csv' })
    expect(expectProblem(other, 409, 'CONFLICT').details).toEqual({ upload_id: bodyOf(first).id })
    const theirs = await send('shared', { filename: 'b.csv' }, stranger)
    expect(theirs.status).toBe(201)
    expect(bodyOf(theirs).id).not.toBe(bodyOf(first).id)
  })

  test('many at once make one upload, in a package too', async () => {
    const tmp = async () => (await stored(server)).tmp.length
    for (const body of [{ filename: 'a.csv' }, { filename: 'a.csv', label: 'at once' }]) {
      const before = await tmp()
      const key = `at once ${JSON.stringify(body)}`
      const answers = await Promise.all(Array.from({ length: 12 }, () => send(key, body)))
      expect(answers.map(({ status }) => status).sort()).toEqual([...Array(11).fill(200), 201])
      expect(new Set(answers.map((answer) => bodyOf(answer).id)).size).toBe(1)
      expect(await tmp()).toBe(before + 1)
    }
  })

  test.each(['', 'a'.repeat(201), 'ümlaut'])('%j is none', async (key) => {
    expectProblem(await send(key, { filename: 'a.csv' }), 400, 'INVALID_INPUT')
  })
})

describe('what is refused', () => {
  test.each([
    ['no name', {}],
    ['an empty name', { filename: '' }],
    ['an unknown member', { filename: 'a', colour: 'red' }],
    ['a size in words', { filename: 'a', size: '5' }],
    ['a size below nothing', { filename: 'a', size: -1 }],
    ['a size that is no whole number', { filename: 'a', size: 1.5 }],
    ['a size past 2^53', { filename: 'a', size: 2 ** 60 }],
    ['a digest that is none', { filename: 'a', checksums: { md5: 'x' } }],
    ['an unknown digest', { filename: 'a', checksums: { crc32: '00000000' } }],
    ['a path out of its package', { filename: 'a', relative_path: 'a/../../b' }],
    ['an absolute path', { filename: 'a', relative_path: '/a' }],
    ['a line break', { filename: 'a\r\nSet-Cookie: x' }],
    ['half a character', { filename: '\ud800' }],
    ['a type that is none', { filename: 'a', content_type: 'text' }],
    ['a list', []],
  ])('to open a session with %s', async (_, body) => {
    const before = await rowsOf(server, 'SELECT id FROM uploads')
    expectProblem(await rest.json('POST', '/uploads', body), 400, 'INVALID_INPUT')
    expect(await rowsOf(server, 'SELECT id FROM uploads')).toEqual(before)
  })

  test('to open one too large, with broken or huge JSON, or in no known language', async () => {
    expectProblem(
      await rest.json('POST', '/uploads', { filename: 'a', size: 10_000_001 }),
      413,
      'PAYLOAD_TOO_LARGE',
    )
    const json = { 'Content-Type': 'application/json' }
    const send = (text: string) => rest.send('POST', '/uploads', json, Buffer.from(text))
    expectProblem(await send('{"filename": '), 400, 'INVALID_INPUT')
    expectProblem(await send(''), 400, 'INVALID_INPUT')
    expectProblem(await send('"text"'), 400, 'INVALID_INPUT')
    expectProblem(await send(`{"filename":${'['.repeat(10_000)}${']'.repeat(10_000)}}`), 400, 'INVALID_INPUT')
    expectProblem(await send(`{"filename":"${'a'.repeat(1_000_000)}"}`), 413, 'PAYLOAD_TOO_LARGE')
    for (const headers of [{}, { 'Content-Type': 'text/plain' }]) {
      const { detail } = expectProblem(
        await rest.send('POST', '/uploads', headers, Buffer.from('x')),
        415,
        'UNSUPPORTED_MEDIA_TYPE',
      )
      expect(detail).toMatch(/application\/json.*Tus-Resumable.*POST \/files/)
    }
    const { detail } = expectProblem(
      await rest.send('POST', '/uploads', { 'Upload-Length': 3 }),
      412,
      'UNSUPPORTED_VERSION',
    )
    expect(detail).toContain('Tus-Resumable')
  })

  test('bytes anywhere but at the offset, past the end, or of another size: nothing is stored', async () => {
    const id = await open({ size: 10 })
    await rest.patch(id, 0, Buffer.from('abc'), 10)
    const wrongPlace = await rest.patch(id, 4, Buffer.from('e'), 10)
    expect(expectProblem(wrongPlace, 409, 'OFFSET_MISMATCH').details).toMatchObject({ upload_offset: 3 })
    expect(wrongPlace.headers['upload-offset']).toBe('3')
    expectProblem(await rest.patch(id, 0, Buffer.from('abc'), 10), 409, 'OFFSET_MISMATCH')
    expectProblem(await rest.patch(id, 3, Buffer.from('d'), 11), 400, 'INVALID_INPUT')
    expectProblem(await rest.patch(id, 3, Buffer.from('defghijk'), '*'), 413, 'PAYLOAD_TOO_LARGE')
    expectProblem(await rest.patch(id, 3, Buffer.from('defghijk'), 10), 400, 'INVALID_INPUT')
    expect(await rest.report(id)).toMatchObject({ offset: 3, size: 10 })

    const unknown = await open()
    const last = `bytes 0-0/10000001`
    expectProblem(
      await rest.send('PATCH', `/uploads/${unknown}`, { 'Content-Range': last }, Buffer.from('x')),
      413,
      'PAYLOAD_TOO_LARGE',
    )
    expect(await rest.report(unknown)).toMatchObject({ offset: 0, size: null })
  })

  test('a body that is not as long as its range', async () => {
    const id = await open()
    const range = { 'Content-Range': 'bytes 0-4/*' }
    const path = `/uploads/${id}`
    expectProblem(await rest.send('PATCH', path, range, Buffer.from('abcd')), 400, 'INVALID_INPUT')
    expectProblem(await rest.send('PATCH', path, range, Buffer.from('abcdef')), 400, 'INVALID_INPUT')
    // One that doesn't say its length is counted as it comes.
    const longer = Readable.from([Buffer.from('abcdef')])
    expectProblem(await rest.send('PATCH', path, range, longer), 413, 'PAYLOAD_TOO_LARGE')
    expectProblem(await rest.send('PATCH', path, range), 400, 'INVALID_INPUT')
    expectProblem(
      await rest.send('PATCH', path, { 'Content-Range': 'bytes */5' }, Buffer.from('abcde')),
      400,
      'INVALID_INPUT',
    )
    expect(await rest.report(id)).toMatchObject({ offset: 0 })
    const exact = Readable.from([Buffer.from('abc'), Buffer.from('de')])
    expect((await rest.send('PATCH', path, range, exact)).headers['upload-offset']).toBe('5')
  })

  test('more bytes for what is whole', async () => {
    const id = await open({ size: 3 })
    await rest.patch(id, 0, Buffer.from('abc'), 3)
    expectProblem(await rest.patch(id, 3, Buffer.from('d'), '*'), 413, 'PAYLOAD_TOO_LARGE')
    await rest.complete(id)
    expectProblem(await rest.patch(id, 3, Buffer.from('d'), '*'), 413, 'PAYLOAD_TOO_LARGE')
    expectProblem(await rest.patch(id, 0, Buffer.from('abc'), 3), 409, 'OFFSET_MISMATCH')
    await expectReady(id, Buffer.from('abc'))
  })

  test('to complete what has bytes missing, says the offset', async () => {
    const id = await open({ size: 10 })
    await rest.patch(id, 0, Buffer.from('abc'), 10)
    const answer = await rest.complete(id)
    expect(expectProblem(answer, 409, 'OFFSET_MISMATCH').details).toMatchObject({ upload_offset: 3 })
    expect(answer.headers['upload-offset']).toBe('3')
    expectReport(await rest.patch(id, 3, Buffer.from('defghij'), '*'), 200, { offset: 10 })
    expectReport(await rest.complete(id), 200, { state: 'ready' })
  })

  test('to complete with another digest: it is failed, and nothing of it is left', async () => {
    for (const declaring of [
      { checksums: { md5: '0'.repeat(32) }, later: {} },
      { later: { checksums: { md5: '0'.repeat(32) } } },
    ]) {
      const { later, ...now } = declaring
      const id = await open(now)
      await rest.patch(id, 0, Buffer.from('abc'), '*')
      expectProblem(await rest.complete(id, later), 422, 'HASH_MISMATCH')
      expect(await rest.report(id)).toMatchObject({ state: 'failed', error: { code: 'HASH_MISMATCH' } })
      expectProblem(await rest.complete(id), 410, 'GONE')
      const { tmp, objects } = await stored(server)
      expect([...tmp, ...objects]).not.toContain(id)
    }
    // What is ready stays so: only the answer says that it isn't what was expected.
    const { id } = await tus.put(Buffer.from('abc'))
    expectProblem(await rest.complete(id, { checksums: { md5: '0'.repeat(32) } }), 422, 'HASH_MISMATCH')
    await expectReady(id, Buffer.from('abc'))
  })

  test('to complete with what is no completion', async () => {
    const id = await open()
    for (const body of [{ colour: 'red' }, { relative_path: '../a' }, { checksums: { md5: 'x' } }, []]) {
      expectProblem(await rest.complete(id, body), 400, 'INVALID_INPUT')
    }
    expectProblem(
      await rest.send('POST', `/uploads/${id}/complete`, { 'Content-Type': 'text/plain' }, Buffer.from('{}')),
      415,
      'UNSUPPORTED_MEDIA_TYPE',
    )
    expectProblem(await rest.complete(id, { package_id: 'nonsense' }), 404, 'NOT_FOUND')
    const get = await rest.send('GET', `/uploads/${id}/complete`)
    expectProblem(get, 405, 'METHOD_NOT_ALLOWED')
    expect(get.headers.allow).toBe('POST')
    expect((await rest.report(id)).state).toBe('receiving')
  })

  test('what has ended: 410', async () => {
    const id = await open()
    await rest.send('DELETE', `/uploads/${id}`)
    expectProblem(await rest.patch(id, 0, Buffer.from('a'), '*'), 410, 'GONE')
    expectProblem(await rest.complete(id), 410, 'GONE')
  })

  test('a stranger, as if it weren’t there', async () => {
    const id = await open()
    const nothing = 'f'.repeat(id.length)
    for (const act of [
      (at: string) => stranger.patch(at, 0, Buffer.from('a'), '*'),
      (at: string) => stranger.complete(at),
    ]) {
      const [theirs, none] = [await act(id), await act(nothing)]
      const text = (answer: Answer, at: string) => {
        const { request_id: _, ...problem } = expectProblem(answer, 404, 'NOT_FOUND')
        return JSON.stringify(problem).replaceAll(at, 'ID')
      }
      expect(text(theirs, id)).toBe(text(none, nothing))
    }
  })
})

describe('its package', () => {
  test('can be told when it is completed, and afterwards', async () => {
    const { package_id: packageId } = bodyOf(
      await rest.json('POST', '/uploads', { filename: 'x', label: 'target' }),
    )
    const id = await open({ filename: 'a.csv' })
    await rest.patch(id, 0, Buffer.from('abc'), '*')
    expectReport(await rest.complete(id, { package_id: packageId, relative_path: 'd/a.csv' }), 200, {
      state: 'ready',
      package_id: packageId,
      relative_path: 'd/a.csv',
    })
    const { id: late } = await tus.put(Buffer.from('abc'), { filename: 'b.csv' })
    const taken = await rest.complete(late, { package_id: packageId, relative_path: 'd/a.csv' })
    expect(expectProblem(taken, 409, 'CONFLICT').details).toMatchObject({ upload_id: id })
    expect(await rest.report(late)).toMatchObject({ package_id: null })
    expectReport(await rest.complete(late, { package_id: packageId }), 200, { package_id: packageId })
    const again = await rest.json('POST', '/uploads', { filename: 'b.csv', package_id: packageId })
    expectProblem(again, 409, 'CONFLICT')
  })
})

describe('a range that is cut', () => {
  test('keeps what arrived; the next request goes on from there', async () => {
    const id = await open({ size: BYTES.length })
    const head = [
      `PATCH /uploads/${id} HTTP/1.1`,
      'Host: 127.0.0.1',
      `Authorization: Bearer ${server.key}`,
      `Content-Range: bytes 0-${BYTES.length - 1}/${BYTES.length}`,
      `Content-Length: ${BYTES.length}`,
      '\r\n',
    ].join('\r\n')
    await askRaw(server.url, [head, BYTES.subarray(0, 123_456)], {
      ending: 'destroy',
      before: () => sleep(200),
    })
    const offset = Number((await tus.head(id)).headers['upload-offset'])
    expect(offset).toBe(123_456)
    expectReport(await rest.patch(id, offset, BYTES.subarray(offset), BYTES.length), 200, {
      offset: BYTES.length,
    })
    expectReport(await rest.complete(id), 200, { state: 'ready' })
    await expectReady(id, BYTES)
  })

  test('one that hangs lets go for a newer one', async () => {
    const id = await open({ size: BYTES.length })
    const socket = net.connect({ host: '127.0.0.1', port: Number(new URL(server.url).port) })
    await once(socket, 'connect')
    socket.write(
      [
        `PATCH /uploads/${id} HTTP/1.1`,
        'Host: 127.0.0.1',
        `Authorization: Bearer ${server.key}`,
        `Content-Range: bytes 0-${BYTES.length - 1}/*`,
        `Content-Length: ${BYTES.length}`,
        '\r\n',
      ].join('\r\n'),
    )
    socket.write(BYTES.subarray(0, 50_000))
    await sleep(200)
    const told = once(socket, 'data') as Promise<[Buffer]>
    const newer = await rest.patch(id, 50_000, BYTES.subarray(50_000), BYTES.length)
    expectReport(newer, 200, { offset: BYTES.length })
    expect((await told)[0].toString()).toMatch(/^HTTP\/1.1 423 /)
    socket.destroy()
    expectReport(await rest.complete(id), 200, { state: 'ready' })
    await expectReady(id, BYTES)
  })
})
