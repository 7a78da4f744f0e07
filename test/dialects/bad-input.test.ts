// Nonsense, by accident or on purpose: each is answered with its documented code, changes nothing, and harms nobody.

import net from 'node:net'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { openApiKeys } from '../../server/auth/api-keys.js'
import { openDatabase } from '../../server/database/client.js'
import type { ErrorCode } from '../../server/errors.js'
import { startServer, type TestServer } from '../support/server.js'
import { ask, askRaw } from './exchange.js'
import { expectProblem } from './problem-of.js'
import {
  checksumsOf,
  idOf,
  pathOf,
  rowsOf,
  someBytes,
  stored,
  TusClient,
  writeMetadata,
} from './tus-client.js'

const OFFSET_STREAM = 'application/offset+octet-stream'
const MAX_FILE_BYTES = 1024 ** 3

let server: TestServer
let tus: TusClient
let stranger: TusClient
let pid: number | undefined

beforeAll(async () => {
  server = await startServer({ env: { MAX_FILE_BYTES: String(MAX_FILE_BYTES) } })
  tus = new TusClient(server)
  stranger = new TusClient(server, await makeKey('somebody else'))
  pid = server.pid
})
afterAll(() => server.dispose())

let before: unknown
beforeEach(async () => {
  before = await wholeState()
})

/** After every test the process is the same one, and serves. */
afterEach(async () => {
  expect(server.pid).toBe(pid)
  const report = await tus.put(Buffer.from('a good request'))
  expect((await tus.remove(report.id)).status).toBe(204)
  await rowsOf(server, 'DELETE FROM uploads WHERE id = $1', [report.id])
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

/** Everything that a refused request must leave as it was: but for the lease, which any request may have held. */
async function wholeState(): Promise<unknown> {
  const sql = `SELECT id, state, offset_bytes, size_bytes, label, key, note, filename, retrieval_token, expires_at,
    lease_holder FROM uploads ORDER BY id`
  return { uploads: await rowsOf(server, sql), store: await stored(server) }
}

/** A raw request: the head's lines, and a body as it is. */
function raw(
  requestLine: string,
  headers: string[],
  body: string | Uint8Array = '',
): (string | Uint8Array)[] {
  const head = [
    `${requestLine} HTTP/1.1`,
    'Host: 127.0.0.1',
    `Authorization: Bearer ${server.key}`,
    'Tus-Resumable: 1.0.0',
    ...headers,
  ]
  return [`${head.join('\r\n')}\r\n\r\n`, ...(body.length === 0 ? [] : [body])]
}

describe('lengths', () => {
  const broken = [
    '-1',
    '1.5',
    '1.0',
    '0x10',
    '1e3',
    '+5',
    '007',
    'NaN',
    'ten',
    '9007199254740992',
    '99999999999999999999',
    '1, 1',
  ]

  test.each(broken)('Upload-Length %s is 400', async (length) => {
    const [answer] = await askRaw(server.url, raw('POST /uploads', [`Upload-Length: ${length}`]))
    expectProblem(answer!, 400, 'INVALID_INPUT')
    expect(await wholeState()).toEqual(before)
  })

  test.each([
    ['an empty one', ['Upload-Length:']],
    ['none', []],
    ['two', ['Upload-Length: 1', 'Upload-Length: 1']],
    ['one and a deferred one', ['Upload-Length: 1', 'Upload-Defer-Length: 1']],
    ['a deferred one that is not 1', ['Upload-Defer-Length: 2']],
  ])('%s is 400', async (_, headers) => {
    const [answer] = await askRaw(server.url, raw('POST /uploads', headers))
    expectProblem(answer!, 400, 'INVALID_INPUT')
    expect(await wholeState()).toEqual(before)
  })

  test.each([MAX_FILE_BYTES + 1, Number.MAX_SAFE_INTEGER])(
    'Upload-Length %d is over the limit, 413',
    async (length) => {
      const problem = expectProblem(await tus.create({ sizeBytes: length }), 413, 'PAYLOAD_TOO_LARGE')
      expect(problem.details).toEqual({ max_file_bytes: MAX_FILE_BYTES })
      expect(await wholeState()).toEqual(before)
    },
  )

  test.each(broken)('a length of %s can not be declared in a PATCH either', async (length) => {
    const id = await tus.begin(null)
    before = await wholeState()
    const answer = await tus.patch(id, 0, Buffer.from('ab'), { 'Upload-Length': length })
    expectProblem(answer, 400, 'INVALID_INPUT')
    expect(await wholeState()).toEqual(before)
  })
})

describe('offsets', () => {
  test.each([
    '-1',
    '2.5',
    '0x2',
    '1e0',
    '+2',
    '02',
    'two',
    '9007199254740992',
    '99999999999999999999',
    '2, 2',
    '',
  ])('Upload-Offset "%s" is 400', async (offset) => {
    const id = await tus.begin(10)
    await tus.patch(id, 0, Buffer.from('ab'))
    before = await wholeState()
    const headers = [`Upload-Offset: ${offset}`, `Content-Type: ${OFFSET_STREAM}`, 'Content-Length: 1']
    const [answer] = await askRaw(server.url, raw(`PATCH /uploads/${id}`, headers, 'c'))
    expectProblem(answer!, 400, 'INVALID_INPUT')
    expect(await wholeState()).toEqual(before)
  })

  test.each([0, 1, 3, 10, 11, Number.MAX_SAFE_INTEGER])(
    'Upload-Offset %d, where 2 bytes are stored, is 409',
    async (offset) => {
      const id = await tus.begin(10)
      await tus.patch(id, 0, Buffer.from('ab'))
      before = await wholeState()
      const answer = await tus.patch(id, offset, Buffer.from('c'))
      const problem = expectProblem(answer, 409, 'OFFSET_MISMATCH')
      expect(problem).toMatchObject({
        detail: expect.stringContaining('Resume at offset 2'),
        details: { upload_offset: 2 },
      })
      expect(answer.headers['upload-offset']).toBe('2')
      expect(await wholeState()).toEqual(before)
    },
  )

  test('a missing Upload-Offset is 400', async () => {
    const id = await tus.begin(10)
    before = await wholeState()
    expectProblem(
      await tus.patch(id, 0, Buffer.from('c'), { 'Upload-Offset': undefined }),
      400,
      'INVALID_INPUT',
    )
    expect(await wholeState()).toEqual(before)
  })
})

describe('bodies', () => {
  const head = (id: string, more: string[]) =>
    raw(`PATCH /uploads/${id}`, ['Upload-Offset: 0', `Content-Type: ${OFFSET_STREAM}`, ...more])

  /** Waits until a request writes `id`, and for it to have taken what has arrived. */
  async function whileWritten(id: string): Promise<void> {
    const sql = 'SELECT lease_holder AS holder FROM uploads WHERE id = $1'
    while ((await rowsOf<{ holder: string | null }>(server, sql, [id]))[0]?.holder === null) await sleep(10)
    await sleep(100)
  }

  test.each(['end', 'destroy'] as const)(
    'a body shorter than its Content-Length (%s): what arrived is kept',
    async (ending) => {
      const id = await tus.begin(200_000)
      const bytes = someBytes(200_000)
      await askRaw(server.url, [...head(id, ['Content-Length: 200000']), bytes.subarray(0, 70_000)], {
        ending,
        before: () => whileWritten(id),
      })
      expect((await tus.head(id)).headers['upload-offset']).toBe('70000')
      expect((await tus.patch(id, 70_000, bytes.subarray(70_000))).status).toBe(204)
      expect(await tus.report(id)).toMatchObject({ state: 'ready', checksums: checksumsOf(bytes) })
    },
  )

  test.each(['end', 'destroy'] as const)(
    'a chunked body that breaks off (%s): what arrived is kept',
    async (ending) => {
      const id = await tus.begin(10)
      const parts = [...head(id, ['Transfer-Encoding: chunked']), '4\r\nabcd\r\n5\r\nefg']
      await askRaw(server.url, parts, { ending, before: () => whileWritten(id) })
      expect((await tus.head(id)).headers['upload-offset']).toBe('7')
      expect((await tus.patch(id, 7, Buffer.from('hij'))).status).toBe(204)
      expect((await tus.report(id)).checksums).toEqual(checksumsOf(Buffer.from('abcdefghij')))
    },
  )

  test('a small creation that is cut leaves nothing', async () => {
    const headers = ['Upload-Length: 10', `Content-Type: ${OFFSET_STREAM}`, 'Content-Length: 10']
    await askRaw(server.url, raw('POST /uploads', headers, 'abcd'), { ending: 'destroy' })
    await sleep(200)
    expect(await wholeState()).toEqual(before)
  })

  test('bytes past the Content-Length are no bytes of the file', async () => {
    const id = await tus.begin(10)
    const parts = [...head(id, ['Content-Length: 4']), 'abcdEFGHIJ']
    const answers = await askRaw(server.url, parts, { answers: 2 })
    // Node may see the nonsense behind the request before the request is answered.
    expectProblem(answers.at(-1)!, 400, 'INVALID_INPUT')
    const offset = Number((await tus.head(id)).headers['upload-offset'])
    expect([0, 4]).toContain(offset)
    await tus.patch(id, offset, Buffer.from('abcdefghij').subarray(offset))
    expect((await tus.report(id)).checksums).toEqual(checksumsOf(Buffer.from('abcdefghij')))
  })

  test.each([11, 70_000, 5_000_000])(
    'an announced body of %d bytes for an upload of 10 is 413 before it is read',
    async (lengthBytes) => {
      const id = await tus.begin(10)
      before = await wholeState()
      const problem = expectProblem(await tus.patch(id, 0, someBytes(lengthBytes)), 413, 'PAYLOAD_TOO_LARGE')
      expect(problem.details).toMatchObject({ upload_offset: 0, upload_length: 10 })
      expect(await wholeState()).toEqual(before)
    },
  )

  test.each([11, 70_000, 5_000_000])(
    'a chunked body of %d bytes for an upload of 10 is 413',
    async (lengthBytes) => {
      const id = await tus.begin(10)
      const answer = await tus.patch(id, 0, Readable.from([someBytes(lengthBytes)]))
      expectProblem(answer, 413, 'PAYLOAD_TOO_LARGE')
      expect(await tus.report(id)).toMatchObject({ state: 'receiving', size: 10 })
      const offset = Number((await tus.head(id)).headers['upload-offset'])
      expect(offset).toBeLessThan(10)
      const bytes = someBytes(10)
      expect((await tus.patch(id, offset, bytes.subarray(offset))).status).toBe(204)
      expect((await tus.report(id)).checksums).toEqual(checksumsOf(bytes))
    },
  )

  test.each(['announced', 'chunked'])(
    'more bytes (%s) for an upload that is ready are 413, not swallowed',
    async (how) => {
      const { id } = await tus.put(Buffer.from('abc'))
      before = await wholeState()
      const more = Buffer.from('def')
      const answer = await tus.patch(id, 3, how === 'chunked' ? Readable.from([more]) : more)
      expectProblem(answer, 413, 'PAYLOAD_TOO_LARGE')
      expect(await wholeState()).toEqual(before)
    },
  )

  test.each([
    ['a chunk size that is none', 'zz\r\nabcd\r\n'],
    ['a chunk longer than it says', '2\r\nabcd\r\n0\r\n\r\n'],
  ])('%s is 400, and the upload can go on', async (_, chunks) => {
    const id = await tus.begin(10)
    const answers = await askRaw(server.url, [...head(id, ['Transfer-Encoding: chunked']), chunks])
    expectProblem(answers.at(-1)!, 400, 'INVALID_INPUT')
    const offset = Number((await tus.head(id)).headers['upload-offset'])
    const bytes = Buffer.from('abcdefghij')
    expect((await tus.patch(id, offset, bytes.subarray(offset))).status).toBe(204)
    expect((await tus.report(id)).checksums).toEqual(checksumsOf(bytes))
  })

  test.each([
    ['negative', ['Content-Length: -1']],
    ['fractional', ['Content-Length: 1.5']],
    ['hex', ['Content-Length: 0x10']],
    ['told twice', ['Content-Length: 4', 'Content-Length: 5']],
    ['told with chunks too', ['Content-Length: 4', 'Transfer-Encoding: chunked']],
    ['over 2^64', ['Content-Length: 99999999999999999999']],
  ])('a Content-Length that is %s is 400', async (_, headers) => {
    const id = await tus.begin(10)
    before = await wholeState()
    const [answer] = await askRaw(server.url, head(id, headers))
    expectProblem(answer!, 400, 'INVALID_INPUT')
    expect(await wholeState()).toEqual(before)
  })

  test('a Content-Length over 2^53 is refused', async () => {
    const id = await tus.begin(10)
    before = await wholeState()
    const [answer] = await askRaw(server.url, head(id, ['Content-Length: 9007199254740993']))
    expectProblem(answer!, 400, 'INVALID_INPUT')
    expect(await wholeState()).toEqual(before)
  })

  test('headers over 16 KiB are 431', async () => {
    const [answer] = await askRaw(server.url, raw('POST /uploads', [`X-Long: ${'x'.repeat(20_000)}`]))
    expect(answer?.status).toBe(431)
    expect(answer?.headers['content-type']).toMatch(/^application\/problem\+json/)
    expect(await wholeState()).toEqual(before)
  })

  test.each([
    'GET / HTTP/9.9\r\n\r\n',
    'nonsense\r\n\r\n',
    '\0\0\0\0',
    'GET /a b HTTP/1.1\r\n\r\n',
    'POST /uploads HTTP/1.1\r\nA B: c\r\n\r\n',
  ])('what is not HTTP is 400: %j', async (text) => {
    const [answer] = await askRaw(server.url, [text], { ending: 'end' })
    expectProblem(answer!, 400, 'INVALID_INPUT')
  })
})

describe('protocol', () => {
  test.each([
    ['POST', '/uploads'],
    ['HEAD', '/uploads/x'],
    ['PATCH', '/uploads/x'],
  ])('%s without Tus-Resumable, or with another, is 412 and says what is spoken', async (method, path) => {
    for (const version of [undefined, '0.2.2', '1.0.1', 'x']) {
      const headers = {
        'Tus-Resumable': version,
        'Content-Type': OFFSET_STREAM,
        'Upload-Offset': 0,
        'Upload-Length': 1,
      }
      const answer = await tus.send(method, path, headers)
      if (method === 'HEAD') expect(answer.status).toBe(412)
      else expectProblem(answer, 412, 'UNSUPPORTED_VERSION')
      expect(answer.headers['tus-version']).toBe('1.0.0')
    }
    expect(await wholeState()).toEqual(before)
  })

  test.each([undefined, 'application/octet-stream', 'text/plain', 'multipart/form-data'])(
    'a PATCH of type %s is 415',
    async (type) => {
      const id = await tus.begin(10)
      before = await wholeState()
      expectProblem(
        await tus.patch(id, 0, Buffer.from('a'), { 'Content-Type': type }),
        415,
        'UNSUPPORTED_MEDIA_TYPE',
      )
      expect(await wholeState()).toEqual(before)
    },
  )

  test.each([
    ['PUT', '/uploads'],
    ['DELETE', '/uploads'],
    ['PUT', '/uploads/x'],
    ['POST', '/uploads/x'],
  ])('%s %s is 405 and says what is allowed', async (method, path) => {
    const answer = await tus.send(method, path)
    expectProblem(answer, 405, 'METHOD_NOT_ALLOWED')
    expect(answer.headers.allow).toContain('OPTIONS')
  })

  test.each(['/uploads/x/y', '/nothing', '/r', '/uploads/x/retrieval-url/y'])(
    'GET %s is 404',
    async (path) => {
      expectProblem(await tus.send('GET', path), 404, 'NOT_FOUND')
    },
  )
})

describe('metadata', () => {
  const creation = (metadata: string) =>
    tus.send('POST', '/uploads', { 'Upload-Length': 5, 'Upload-Metadata': metadata })

  test.each([
    ['no Base64', 'filename a!b='],
    ['no padding', 'filename YQ'],
    ['a key twice', 'filename YQ==,filename Yg=='],
    ['a known key under both its cases of value', 'label YQ==,label'],
    ['a comma too many', 'filename YQ==,'],
    ['two spaces', 'filename  YQ=='],
    ['a name that is not UTF-8', writeMetadata({ filename: Buffer.from([0xff, 0xfe, 0x41]) })],
    ['CR and LF in a name', writeMetadata({ filename: 'a\r\nSet-Cookie: b' })],
    ['NUL in a name', writeMetadata({ filename: 'a\0.csv' })],
    ['NUL in a label', writeMetadata({ label: 'a\0' })],
    ['a relative path that leaves its folder', writeMetadata({ relativePath: '../../etc/passwd' })],
    ['a value over 1024 characters', writeMetadata({ filename: 'x'.repeat(1025) })],
    ['a digest that is none', writeMetadata({ sha256: 'abc' })],
    ['a way to finish that there is not', writeMetadata({ finalize: 'later' })],
  ])('%s is 400', async (_, metadata) => {
    expectProblem(await creation(metadata), 400, 'INVALID_INPUT')
    expect(await wholeState()).toEqual(before)
  })

  test('bytes outside ASCII in the header itself are 400', async () => {
    const parts = raw('POST /uploads', ['Upload-Length: 5', 'Upload-Metadata: näme YQ=='])
    const [answer] = await askRaw(server.url, parts)
    expectProblem(answer!, 400, 'INVALID_INPUT')
    expect(await wholeState()).toEqual(before)
  })

  test.each([
    ['a path of dots', '../../../etc/passwd', 'passwd'],
    ['backslashes', '..\\..\\windows\\x.ini', 'x.ini'],
    ['quotes', `a "b" 'c'.csv`, `a "b" 'c'.csv`],
    ['Japanese', '湖の水温.csv', '湖の水温.csv'],
    ['an emoji', '🐟🏳️‍🌈.csv', '🐟🏳️‍🌈.csv'],
    ['300 characters', 'é'.repeat(300), 'é'.repeat(300)],
    ['a percent sign and a hash', '100%#1?.csv', '100%#1?.csv'],
    ['only dots', '..', null],
    ['markup', '<script>alert(1)</script>', 'script>'],
    ['a name that text direction turns around', 'gpj.\u202excs', 'gpj.\u202excs'],
  ])('a name with %s is kept harmless, from creation to retrieval', async (_, given, kept) => {
    const bytes = Buffer.from(given)
    const report = await tus.put(bytes, { filename: given })
    expect(report.filename).toBe(kept)
    const url = pathOf(report.retrieval_url)
    expect(url).toMatch(/^\/r\/[\w-]+\/[\w.~%-]+$/)
    const answer = await ask(server.url, { method: 'GET', path: url })
    expect(answer.status).toBe(200)
    expect(answer.body.equals(bytes)).toBe(true)
    expect(answer.headers['content-disposition']).toMatch(/^attachment(; |$)/)
    expect((await tus.head(report.id)).headers['upload-metadata']).toBe(writeMetadata({ filename: given }))
  })
})

describe('ids', () => {
  const paths: [string, string, number, ErrorCode][] = [
    ['an unknown one', '/uploads/0123456789012345678901234567890123456789', 404, 'NOT_FOUND'],
    ['..%2f', '/uploads/..%2f..%2fetc%2fpasswd', 404, 'NOT_FOUND'],
    ['%2e%2e', '/uploads/%2e%2e', 404, 'NOT_FOUND'],
    ['NUL', '/uploads/%00', 404, 'NOT_FOUND'],
    ['NUL in the middle', '/uploads/abc%00def', 404, 'NOT_FOUND'],
    ['a broken escape', '/uploads/%zz', 400, 'INVALID_INPUT'],
    ['half an escape', '/uploads/%a', 400, 'INVALID_INPUT'],
    ['no UTF-8', '/uploads/%ff%fe', 400, 'INVALID_INPUT'],
    ['10 kB', `/uploads/${'a'.repeat(10_000)}`, 404, 'NOT_FOUND'],
    ['CR and LF', '/uploads/%0d%0aX:%20y', 404, 'NOT_FOUND'],
    ['an emoji', '/uploads/%F0%9F%90%9F', 404, 'NOT_FOUND'],
    ["SQL's quote", "/uploads/'%20OR%20'1'='1", 404, 'NOT_FOUND'],
  ]

  test.each(paths)('%s', async (_, path, status, code) => {
    const patch = { 'Upload-Offset': 0, 'Content-Type': OFFSET_STREAM }
    expectProblem(await tus.send('GET', path), status, code)
    expect((await tus.send('HEAD', path)).status).toBe(status)
    expectProblem(await tus.send('PATCH', path, patch, Buffer.from('x')), status, code)
    expectProblem(await tus.send('DELETE', path), status, code)
    expectProblem(await tus.send('POST', `${path}/retrieval-url`), status, code)
    expectProblem(await tus.send('GET', `${path}/eml`), status, code)
    const merge = { 'Content-Type': 'application/merge-patch+json', 'Tus-Resumable': undefined }
    expectProblem(await tus.send('PATCH', path, merge, Buffer.from('{"label":"x"}')), status, code)
    expect(await wholeState()).toEqual(before)
  })

  test.each(paths.filter(([name]) => name !== '10 kB'))(
    'as a retrieval token: %s',
    async (_, path, status, code) => {
      const url = path.replace('/uploads/', '/r/')
      expectProblem(await ask(server.url, { method: 'GET', path: url }), status, code)
      expectProblem(await ask(server.url, { method: 'GET', path: `${url}/name.csv` }), status, code)
    },
  )

  test('a known one in uppercase is another one', async () => {
    const id = await tus.begin(5)
    before = await wholeState()
    expectProblem(await tus.send('GET', `/uploads/${id.toUpperCase()}`), 404, 'NOT_FOUND')
    expectProblem(await tus.patch(id.toUpperCase(), 0, Buffer.from('x')), 404, 'NOT_FOUND')
    expect(await wholeState()).toEqual(before)
  })

  test.each(['receiving', 'ready', 'deleted', 'expired'])(
    "another owner's upload that is %s looks like one that never was",
    async (state) => {
      const id = state === 'receiving' ? await tus.begin(5) : (await tus.put(Buffer.from('mine'))).id
      if (state === 'deleted') await tus.remove(id)
      if (state === 'expired')
        await rowsOf(server, `UPDATE uploads SET expires_at = now() WHERE id = $1`, [id])
      before = await wholeState()
      const unknown = '0'.repeat(id.length)
      const patch = { 'Upload-Offset': 0, 'Content-Type': OFFSET_STREAM }
      const merge = { 'Content-Type': 'application/merge-patch+json', 'Tus-Resumable': undefined }
      const requests: [string, string, Record<string, string | number | undefined>, Uint8Array?][] = [
        ['GET', '', {}],
        ['HEAD', '', {}],
        ['PATCH', '', patch, Buffer.from('x')],
        ['PATCH', '', merge, Buffer.from('{"label":"x"}')],
        ['DELETE', '', {}],
        ['POST', '/retrieval-url', {}],
        ['GET', '/eml', {}],
      ]
      for (const [method, suffix, headers, body] of requests) {
        const fixed = { ...headers, 'X-Request-ID': 'the-same-for-both' }
        const foreign = await stranger.send(method, `/uploads/${id}${suffix}`, fixed, body)
        const never = await stranger.send(method, `/uploads/${unknown}${suffix}`, fixed, body)
        expect(foreign.status).toBe(404)
        expect(foreign.body.toString().replaceAll(id, unknown)).toBe(never.body.toString())
        const { date: _date, ...foreignHeaders } = foreign.headers
        const { date: _otherDate, ...neverHeaders } = never.headers
        expect(foreignHeaders).toEqual(neverHeaders)
      }
      const list = JSON.parse(
        (await stranger.send('GET', '/uploads?state=receiving,ready,deleted,expired')).body.toString(),
      )
      expect(list.items).toEqual([])
      expect(await wholeState()).toEqual(before)
    },
  )

  test.each([
    ['deleted', /was deleted/],
    ['canceled', /was canceled/],
    ['expired', /expired at/],
  ] as const)('what is %s is 410 and says so', async (state, said) => {
    const id = state === 'canceled' ? await tus.begin(5) : (await tus.put(Buffer.from('gone'))).id
    if (state === 'expired') await rowsOf(server, `UPDATE uploads SET expires_at = now() WHERE id = $1`, [id])
    else await tus.remove(id)
    before = await wholeState()
    const problems = [
      expectProblem(await tus.patch(id, 4, Buffer.from('x')), 410, 'GONE'),
      expectProblem(await tus.send('POST', `/uploads/${id}/retrieval-url`), 410, 'GONE'),
      expectProblem(await tus.send('GET', `/uploads/${id}/eml`), 410, 'GONE'),
    ]
    for (const { detail } of problems) expect(detail).toMatch(said)
    expect((await tus.head(id)).status).toBe(410)
    expect(await wholeState()).toEqual(before)
  })
})

describe('queries and patches', () => {
  test.each([
    'limit=0',
    'limit=501',
    'limit=1.5',
    'limit=x',
    'limit[gt]=1',
    'sort=colour',
    'state=nowhere',
    'state=',
    'label=',
    'label=a&label=b',
    `q=${'x'.repeat(201)}`,
    'cursor=abc',
    'cursor=%00',
    'unknown=1',
    '__proto__=1',
  ])('GET /uploads?%s is 400', async (query) => {
    expectProblem(await tus.send('GET', `/uploads?${query}`), 400, 'INVALID_INPUT')
  })

  test.each(['label=%00', 'q=%00', 'label=a%00b', 'label=%ff', 'q=%25_\\'])(
    'GET /uploads?%s finds nothing, or is 400',
    async (query) => {
      const answer = await tus.send('GET', `/uploads?${query}`)
      if (answer.status === 200) expect(JSON.parse(answer.body.toString()).items).toEqual([])
      else expectProblem(answer, 400, 'INVALID_INPUT')
    },
  )

  test('a request id that could forge a line is replaced', async () => {
    const answer = await tus.send('GET', '/uploads/x', { 'X-Request-ID': 'a b<script>' })
    expect(expectProblem(answer, 404, 'NOT_FOUND').request_id).not.toContain('script')
  })
})

describe('slow and silent clients', () => {
  test('a hundred connections that say nothing keep nobody from being served', async () => {
    const { hostname, port } = new URL(server.url)
    const sockets = Array.from({ length: 100 }, () =>
      net.connect({ host: hostname, port: Number(port) }).on('error', () => {}),
    )
    const startedAt = performance.now()
    await tus.put(Buffer.from('served'))
    expect(performance.now() - startedAt).toBeLessThan(2_000)
    for (const socket of sockets) socket.destroy()
  })

  test('an upload under a name that the client chose does not exist', async () => {
    const answer = await tus.send('PUT', '/uploads/../../etc/passwd', {}, Buffer.from('x'))
    expect(answer.status).toBeGreaterThanOrEqual(400)
    expect(idOf(answer)).toBe('undefined')
    expect(await wholeState()).toEqual(before)
  })
})
