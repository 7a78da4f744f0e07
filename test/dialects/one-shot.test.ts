// A whole file in one request, through the real server: what is taken, what is refused when, and what is left.

import { once } from 'node:events'
import net from 'node:net'
import { Readable } from 'node:stream'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { fileSchema } from '../../server/files/operations.js'
import { reportSchema } from '../../server/uploads/operations.js'
import type { Report } from '../../server/uploads/report.js'
import { startServer, type TestServer } from '../support/server.js'
import { until } from '../support/until.js'
import { type Answer, ask, askRaw, inPieces } from './exchange.js'
import { BOUNDARY, FORM_TYPE, file, form, type Part, part } from './form.js'
import { expectProblem } from './problem-of.js'
import { bodyOf, queryOf, RestClient } from './rest-client.js'
import {
  checksumsOf,
  eventsOf,
  expectSameBytes,
  type HeaderValues,
  pathOf,
  rowsOf,
  someBytes,
  stored,
} from './tus-client.js'

const MAX_FILE_BYTES = 8 * 1024 * 1024
const SMALL = someBytes(1000, 1)
const BIG = someBytes(3_000_001, 2)

let server: TestServer
let rest: RestClient

beforeAll(async () => {
  server = await startServer({ env: { MAX_FILE_BYTES: String(MAX_FILE_BYTES) } })
  rest = new RestClient(server)
})
afterAll(() => server.dispose())
afterEach(() => {
  expect(server.logs()).not.toMatch(/"level":"?(error|fatal|50|60)\b/)
})

const post = (
  query: Record<string, string | number | undefined>,
  headers: HeaderValues,
  body?: Uint8Array | Readable,
) => rest.send('POST', `/files?${queryOf(query)}`, headers, body)

const postForm = (parts: Part[], query: Record<string, string | number | undefined> = {}) =>
  post(query, { 'Content-Type': FORM_TYPE }, form(parts))

/** Asserts that `answer` says that the file is ready, and that it is. */
async function expectFile(answer: Answer, bytes: Buffer): Promise<Report> {
  expect({ status: answer.status, text: answer.body.toString() }).toMatchObject({ status: 201 })
  const made = fileSchema.strict().parse(bodyOf(answer))
  const checksums = checksumsOf(bytes)
  expect(made).toMatchObject({ file_id: checksums.sha256, size: bytes.length, checksums })
  expect(answer.headers['cache-control']).toBe('no-store')
  expect(pathOf(String(answer.headers.location))).toBe(`/uploads/${made.upload_id}`)
  const report = await rest.report(made.upload_id)
  expect(report).toMatchObject({ state: 'ready', size: bytes.length, offset: bytes.length, checksums })
  const retrieved = await ask(server.url, { method: 'GET', path: pathOf(made.retrieval_url) })
  expectSameBytes(retrieved.body, bytes)
  return report
}

interface State {
  rows: { id: string; state: string }[]
  store: { tmp: string[]; objects: string[] }
}

async function stateNow(): Promise<State> {
  const rows = await rowsOf<{ id: string; state: string }>(
    server,
    "SELECT id, state FROM uploads WHERE state <> 'canceled' ORDER BY id",
  )
  return { rows, store: await stored(server) }
}

describe('a raw body', () => {
  test.each([
    ['small', SMALL],
    ['big', BIG],
    ['empty', Buffer.alloc(0)],
  ])('that is %s is a file, ready with the answer', async (name, bytes) => {
    const query = {
      filename: `a folder/${name} ü.csv`,
      key: 'k1',
      relative_path: 'x/y.csv',
      size: bytes.length,
    }
    const answer = await post({ ...query, ...checksumsOf(bytes) }, { 'Content-Type': 'text/csv' }, bytes)
    const report = await expectFile(answer, bytes)
    expect(report).toMatchObject({
      filename: `${name} ü.csv`,
      content_type: 'text/csv',
      key: 'k1',
      relative_path: 'x/y.csv',
      label: null,
      declared_checksums: checksumsOf(bytes),
    })
    expect(bodyOf(answer)).toMatchObject({ content_type: 'text/csv', filename: `${name} ü.csv` })
    const events = await eventsOf(server, report.id)
    expect([events[0], events.at(-1)]).toEqual(['upload.created.v1', 'upload.ready.v1'])
  })

  test.each([
    ['with its size', BIG.length],
    ['without', undefined],
  ])('may come chunked, %s', async (_, size) => {
    await expectFile(await post({ size }, {}, Readable.from(inPieces(BIG, 50_000))), BIG)
    await expectFile(await post({}, {}, Readable.from([])), Buffer.alloc(0))
  })

  test('has the media type of its header, of the query before that, and none by curl’s default', async () => {
    const typeOf = async (query: Record<string, string>, type?: string) =>
      bodyOf<{ content_type: string | null }>(await post(query, { 'Content-Type': type }, SMALL)).content_type
    expect(await typeOf({}, 'Text/CSV; charset=utf-8')).toBe('text/csv; charset=utf-8')
    expect(await typeOf({ content_type: 'image/TIFF' }, 'text/csv')).toBe('image/tiff')
    expect(await typeOf({}, 'application/x-www-form-urlencoded')).toBeNull()
    expect(await typeOf({}, 'no type')).toBeNull()
    expect(await typeOf({})).toBeNull()
  })

  test('joins the package of its label', async () => {
    const one = await expectFile(await post({ filename: 'a.csv', label: 'lake' }, {}, SMALL), SMALL)
    const two = await expectFile(await postForm([part('label', 'lake'), file(BIG)]), BIG)
    expect(one.package_id).not.toBeNull()
    expect(two).toMatchObject({ package_id: one.package_id, label: 'lake' })
  })
})

describe('a form', () => {
  test.each([
    ['small', SMALL],
    ['big', BIG],
    ['empty', Buffer.alloc(0)],
  ])('with a file that is %s', async (_, bytes) => {
    const { md5, sha256 } = checksumsOf(bytes)
    const fields = [part('key', 'k2'), part('size', String(bytes.length)), part('md5', md5.toUpperCase())]
    const answer = await postForm([...fields, file(bytes)], { sha256 })
    expect(await expectFile(answer, bytes)).toMatchObject({
      filename: 'lake.csv',
      content_type: 'text/csv',
      key: 'k2',
      declared_checksums: { md5, sha1: null, sha256 },
    })
  })

  test('may come chunked, in pieces of one byte, with a preamble and an epilogue', async () => {
    const body = Buffer.concat([Buffer.from('preamble\r\n'), form([file(SMALL)]), Buffer.from('epilogue')])
    const answer = await post({}, { 'Content-Type': FORM_TYPE }, Readable.from(inPieces(body, 1)))
    await expectFile(answer, SMALL)
  })

  test('with bytes that look like boundaries', async () => {
    const bytes = Buffer.from(`\r\n--${BOUNDARY.slice(0, -1)}\r\n--\r\n\r\n--x${BOUNDARY}--\r\n\r`)
    await expectFile(await postForm([file(bytes)]), bytes)
  })

  test('names its file by the part, the field before that, and in Unicode', async () => {
    const nameOf = async (parts: Part[]) => bodyOf<{ filename: string }>(await postForm(parts)).filename
    expect(await nameOf([file(SMALL, { filename: 'C:\\data\\größe.csv' })])).toBe('größe.csv')
    expect(await nameOf([part('filename', 'given.csv'), file(SMALL)])).toBe('given.csv')
    const { upload_id: id, filename } = bodyOf<{ upload_id: string; filename: string }>(
      await postForm([{ name: 'file', value: SMALL }]),
    )
    expect(filename).toBe(id)
  })
})

describe('Prefer: respond-async', () => {
  test.each([
    ['small', SMALL],
    ['big', BIG],
  ])('a %s file is 202 with the report', async (_, bytes) => {
    const answer = await post({}, { Prefer: 'wait=5, respond-async' }, bytes)
    expect(answer.status).toBe(202)
    expect(answer.headers['preference-applied']).toBe('respond-async')
    const report = reportSchema.strict().parse(bodyOf(answer))
    expect(pathOf(String(answer.headers.location))).toBe(`/uploads/${report.id}`)
    expect(['finalizing', 'ready']).toContain(report.state)
    await until(async () => (await rest.report(report.id)).state === 'ready')
    expect((await rest.report(report.id)).checksums).toEqual(checksumsOf(bytes))
  })
})

describe('what is refused', () => {
  let before: State
  beforeEach(async () => {
    before = await stateNow()
  })
  const expectNothingLeft = async () => expect(await stateNow()).toEqual(before)

  const wrong = { ...checksumsOf(BIG), md5: '0'.repeat(32) }

  test.each([
    ['a size that is not the body’s', { size: 3 }],
    ['a size that is none', { size: '-1' }],
    ['a digest too short', { sha256: 'abc' }],
    ['a digest of other letters', { md5: 'z'.repeat(32) }],
    ['an unknown member', { colour: 'red' }],
    ['a path out of its package', { relative_path: '../etc/passwd' }],
    ['a name with a line break', { filename: 'a\nb' }],
    ['a name of 1 MB', { filename: 'a'.repeat(5000) }],
  ])('%s: before a byte is read', async (_, query) => {
    // The body announces megabytes and never comes.
    const [answer] = await askRaw(server.url, [
      head(`/files?${queryOf(query)}`, ['Content-Length: 4000000', 'Expect: 100-continue']),
    ])
    if (answer === undefined) throw new Error('no answer')
    expectProblem(answer, 400, 'INVALID_INPUT')
    await expectNothingLeft()
  })

  test.each([
    ['by Content-Length', {}, [`Content-Length: ${MAX_FILE_BYTES + 1}`]],
    ['by size', { size: MAX_FILE_BYTES + 1 }, ['Transfer-Encoding: chunked']],
    ['in a form', {}, [`Content-Length: ${MAX_FILE_BYTES * 2}`, `Content-Type: ${FORM_TYPE}`]],
  ])('too large %s: before a byte is read', async (_, query, lines) => {
    const [answer] = await askRaw(server.url, [head(`/files?${queryOf(query)}`, lines)])
    if (answer === undefined) throw new Error('no answer')
    expectProblem(answer, 413, 'PAYLOAD_TOO_LARGE')
    await expectNothingLeft()
  })

  test('too large on its way', async () => {
    const tooMuch = someBytes(MAX_FILE_BYTES + 1)
    expectProblem(await post({}, {}, Readable.from(inPieces(tooMuch, 100_000))), 413, 'PAYLOAD_TOO_LARGE')
    expectProblem(
      await post({}, { 'Content-Type': FORM_TYPE }, Readable.from(inPieces(form([file(tooMuch)]), 100_000))),
      413,
      'PAYLOAD_TOO_LARGE',
    )
    await expectNothingLeft()
  })

  test('another size than was said', async () => {
    const chunked = () => Readable.from(inPieces(BIG, 70_000))
    expectProblem(await post({ size: BIG.length - 1 }, {}, chunked()), 400, 'INVALID_INPUT')
    expectProblem(await post({ size: BIG.length + 1 }, {}, chunked()), 400, 'INVALID_INPUT')
    for (const size of [0, SMALL.length - 1, SMALL.length + 1]) {
      expectProblem(await postForm([part('size', String(size)), file(SMALL)]), 400, 'INVALID_INPUT')
      expectProblem(await postForm([file(SMALL)], { size }), 400, 'INVALID_INPUT')
    }
    const much = await postForm([part('size', String(BIG.length - 1)), file(BIG)])
    expect(expectProblem(much, 400, 'INVALID_INPUT').detail).toContain('more bytes')
    await expectNothingLeft()
  })

  test.each([
    ['a small body', SMALL, false],
    ['a big body', BIG, false],
    ['a form', BIG, true],
  ])('another digest than was declared: %s leaves its report, and no bytes', async (_, bytes, isForm) => {
    const query = { ...wrong, key: 'mismatch' }
    const answer = await (isForm ? postForm([file(bytes)], query) : post(query, {}, bytes))
    expectProblem(answer, 422, 'HASH_MISMATCH')
    expect(await stored(server)).toEqual(before.store)
    const { items } = bodyOf<{ items: Report[] }>(await rest.send('GET', '/uploads?state=failed&limit=1'))
    expect(items[0]).toMatchObject({
      state: 'failed',
      checksums: checksumsOf(bytes),
      declared_checksums: wrong,
      error: { code: 'HASH_MISMATCH' },
    })
  })

  const broken: [string, Buffer][] = [
    ['no file', form([part('key', 'k')])],
    ['nothing at all', Buffer.alloc(0)],
    ['no boundary in it', Buffer.from('hello')],
    ['two files', form([file(SMALL), file(SMALL)])],
    ['two files, the second one big', form([file(SMALL), file(BIG)])],
    ['a file of another name', form([file(SMALL, { name: 'data' })])],
    ['no closing boundary', form([file(SMALL)], '')],
    ['half a closing boundary', form([file(BIG)], `--${BOUNDARY}`)],
    ['a file that is cut', form([file(BIG)]).subarray(0, 1_000_000)],
    ['an unknown field', form([part('colour', 'red'), file(SMALL)])],
    ['a field twice', form([part('key', 'a'), part('key', 'b'), file(SMALL)])],
    ['a field behind the file', form([file(SMALL), part('key', 'late')])],
    ['a digest that is none', form([part('md5', 'x'), file(SMALL)])],
    ['a field of 1 MB', form([part('key', 'a'.repeat(1_000_000)), file(SMALL)])],
    ['10,000 fields', form([...Array(10_000).keys()].map((i) => part(`f${i}`, 'x')).concat(file(SMALL)))],
    [
      '10,000 fields behind it',
      form([file(SMALL), ...[...Array(10_000).keys()].map((i) => part(`f${i}`, 'x'))]),
    ],
    ['headers of 2 MB', form([file(SMALL, { lines: [`X-Long: ${'a'.repeat(2_000_000)}`] })])],
    ['a preamble of 2 MB', Buffer.concat([Buffer.alloc(2_000_000, 'a'), form([file(SMALL)])])],
    ['an epilogue of 2 MB', Buffer.concat([form([file(SMALL)]), Buffer.alloc(2_000_000, 'a')])],
    ['a name with a control character', form([file(SMALL, { filename: 'a\u0001b' })])],
  ]
  test.each(broken)('a form with %s', async (_, body) => {
    expectProblem(await post({}, { 'Content-Type': FORM_TYPE }, body), 400, 'INVALID_INPUT')
    expectProblem(
      await post({}, { 'Content-Type': FORM_TYPE }, Readable.from(inPieces(body, 60_000))),
      400,
      'INVALID_INPUT',
    )
    await expectNothingLeft()
  })

  test.each(broken)('a form that says its size, with %s', async (_, body) => {
    for (const size of [SMALL.length, BIG.length]) {
      expectProblem(await post({ size }, { 'Content-Type': FORM_TYPE }, body), 400, 'INVALID_INPUT')
    }
    await expectNothingLeft()
  })

  test('a form without a boundary in its type, and a member that is given twice', async () => {
    const body = form([file(SMALL)])
    expectProblem(await post({}, { 'Content-Type': 'multipart/form-data' }, body), 400, 'INVALID_INPUT')
    expectProblem(await postForm([part('key', 'a'), file(SMALL)], { key: 'a' }), 400, 'INVALID_INPUT')
    await expectNothingLeft()
  })

  test('bytes under a coding', async () => {
    expectProblem(await post({}, { 'Content-Encoding': 'gzip' }, SMALL), 415, 'UNSUPPORTED_MEDIA_TYPE')
    await expectNothingLeft()
  })

  test('a package that is not there, small, big or in a form', async () => {
    for (const id of ['nonsense', '0'.repeat(32)]) {
      for (const body of [SMALL, BIG]) {
        expectProblem(await post({ package_id: id }, {}, body), 404, 'NOT_FOUND')
        expectProblem(await postForm([file(body)], { package_id: id }), 404, 'NOT_FOUND')
        expectProblem(await rest.send('POST', `/packages/${id}/files`, {}, body), 404, 'NOT_FOUND')
      }
    }
    await expectNothingLeft()
  })

  test('other methods', async () => {
    for (const method of ['GET', 'PUT', 'DELETE']) {
      const answer = await rest.send(method, '/files')
      expectProblem(answer, 405, 'METHOD_NOT_ALLOWED')
      expect(answer.headers.allow).toBe('POST')
    }
  })

  test('nobody who may not upload', async () => {
    const answer = await ask(server.url, { method: 'POST', path: '/files', body: SMALL })
    expectProblem(answer, 401, 'UNAUTHORIZED')
    await expectNothingLeft()
  })
})

describe('into a package', () => {
  test('by its URL: raw and as a form; its place is its own', async () => {
    const first = await expectFile(await post({ label: 'p1', filename: 'a' }, {}, SMALL), SMALL)
    const url = `/packages/${first.package_id}/files`
    const raw = await expectFile(await rest.send('POST', `${url}?relative_path=d/b.csv`, {}, BIG), BIG)
    const body = form([part('relative_path', 'd/c.csv'), file(SMALL)])
    const inForm = await expectFile(await rest.send('POST', url, { 'Content-Type': FORM_TYPE }, body), SMALL)
    expect([raw, inForm].map((report) => [report.package_id, report.relative_path])).toEqual([
      [first.package_id, 'd/b.csv'],
      [first.package_id, 'd/c.csv'],
    ])
    const before = await stateNow()
    for (const bytes of [SMALL, BIG]) {
      const again = await rest.send('POST', `${url}?relative_path=d/b.csv`, {}, bytes)
      expect(expectProblem(again, 409, 'CONFLICT').details).toMatchObject({ upload_id: raw.id })
      const twice = form([part('relative_path', 'd/b.csv'), file(bytes)])
      expectProblem(await rest.send('POST', url, { 'Content-Type': FORM_TYPE }, twice), 409, 'CONFLICT')
    }
    expectProblem(
      await rest.send('POST', `${url}?package_id=${first.package_id}`, {}, SMALL),
      400,
      'INVALID_INPUT',
    )
    expect(await stateNow()).toEqual(before)
  })
})

describe('Expect: 100-continue', () => {
  test('is told to go on when the body is wanted, and only then', async () => {
    const socket = await connect()
    socket.write(head('/files?filename=a', [`Content-Length: ${SMALL.length}`, 'Expect: 100-continue']))
    const [told] = (await once(socket, 'data')) as [Buffer]
    expect(told.toString()).toBe('HTTP/1.1 100 Continue\r\n\r\n')
    socket.write(SMALL)
    const [answer] = (await once(socket, 'data')) as [Buffer]
    expect(answer.toString()).toMatch(/^HTTP\/1.1 201 /)
    socket.destroy()

    const refused = await connect()
    refused.write(head('/files?size=3', ['Content-Length: 1000', 'Expect: 100-continue']))
    const [refusal] = (await once(refused, 'data')) as [Buffer]
    expect(refusal.toString()).toMatch(/^HTTP\/1.1 400 /)
    refused.destroy()
  })
})

describe('a client that goes away', () => {
  const beginnings: [string, string[], Buffer][] = [
    ['a small body', [`Content-Length: ${SMALL.length}`], SMALL.subarray(0, 500)],
    ['a big body', [`Content-Length: ${BIG.length}`], BIG.subarray(0, 2_000_000)],
    [
      'a chunked body',
      ['Transfer-Encoding: chunked'],
      Buffer.concat([Buffer.from('186a0\r\n'), BIG.subarray(0, 70_000)]),
    ],
    [
      'a form in its fields',
      [`Content-Length: 1000`, `Content-Type: ${FORM_TYPE}`],
      form([part('key', 'k')], ''),
    ],
    [
      'a form in its file',
      [`Content-Length: ${form([file(BIG)]).length}`, `Content-Type: ${FORM_TYPE}`],
      form([file(BIG)]).subarray(0, 2_500_000),
    ],
    [
      'a form before its end',
      [`Content-Length: ${form([file(SMALL)]).length}`, `Content-Type: ${FORM_TYPE}`],
      form([file(SMALL)]).subarray(0, -4),
    ],
    [
      'a form in its epilogue',
      [`Content-Length: ${form([file(SMALL)]).length + 10}`, `Content-Type: ${FORM_TYPE}`],
      form([file(SMALL)]),
    ],
  ]
  test.each(beginnings)('in %s leaves nothing', async (_, lines, bytes) => {
    const before = await stateNow()
    for (const ending of ['end', 'destroy'] as const) {
      await askRaw(server.url, [head('/files?filename=cut', lines), bytes], {
        ending,
        before: () => new Promise((resolve) => setTimeout(resolve, 100)),
      })
    }
    await until(async () => JSON.stringify(await stateNow()) === JSON.stringify(before))
  })
})

function head(path: string, lines: readonly string[]): string {
  return [
    `POST ${path} HTTP/1.1`,
    'Host: 127.0.0.1',
    `Authorization: Bearer ${server.key}`,
    ...lines,
    '\r\n',
  ].join('\r\n')
}

async function connect(): Promise<net.Socket> {
  const socket = net.connect({ host: '127.0.0.1', port: Number(new URL(server.url).port) })
  await once(socket, 'connect')
  return socket
}
