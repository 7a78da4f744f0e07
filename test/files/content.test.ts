// Files by their content, through the real server: whose they are, in which form, and when they end.

import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import { openApiKeys } from '../../server/auth/api-keys.js'
import { openDatabase } from '../../server/database/client.js'
import { fileSchema } from '../../server/files/operations.js'
import { type Answer, ask } from '../dialects/exchange.js'
import { expectProblem } from '../dialects/problem-of.js'
import { bodyOf, queryOf, RestClient } from '../dialects/rest-client.js'
import {
  checksumsOf,
  expectSameBytes,
  type HeaderValues,
  pathOf,
  rowsOf,
  someBytes,
  stored,
} from '../dialects/tus-client.js'
import { startServer, type TestServer } from '../support/server.js'

const JSON_TYPE = 'application/json'

let server: TestServer
let mine: RestClient
let theirs: RestClient
let admin: RestClient

beforeAll(async () => {
  server = await startServer()
  mine = new RestClient(server)
  theirs = new RestClient(server, await makeKey('somebody else', ['upload', 'read', 'delete']))
  admin = new RestClient(server, await makeKey('the operator', ['admin']))
})
afterAll(() => server.dispose())
afterEach(() => {
  expect(server.logs()).not.toMatch(/"level":"?(error|fatal|50|60)\b/)
})

async function makeKey(
  owner: string,
  scopes: ('upload' | 'read' | 'delete' | 'admin')[],
  at: TestServer = server,
): Promise<string> {
  const database = await openDatabase(at.databaseUrl ?? '')
  const apiKeys = openApiKeys(database.prisma, { upload: [], read: [], delete: [] })
  const { key } = await apiKeys.create({ name: 'test', owner, scopes, ttlSeconds: undefined })
  await database.close()
  return key
}

interface Put {
  upload_id: string
  file_id: string
  retrieval_url: string
}

async function put(
  client: RestClient,
  bytes: Buffer,
  query: Record<string, string> = {},
  headers: HeaderValues = { 'Content-Type': 'text/csv' },
): Promise<Put> {
  const answer = await client.send('POST', `/files?${queryOf(query)}`, headers, bytes)
  expect(answer.status).toBe(201)
  return bodyOf(answer)
}

const pathTo = (bytes: Buffer) => `/files/${checksumsOf(bytes).sha256}`

/** A 404 but for what names the request itself. */
function expectNothing(answer: Answer): string {
  const { request_id: _, instance: __, ...problem } = expectProblem(answer, 404, 'NOT_FOUND')
  return JSON.stringify(problem)
}

describe('the bytes', () => {
  const bytes = someBytes(100_000, 10)
  let made: Put
  beforeAll(async () => {
    made = await put(mine, bytes, { filename: 'lake.csv' })
  })

  test('come exactly as from the retrieval URL', async () => {
    const retrieved = await ask(server.url, { method: 'GET', path: pathOf(made.retrieval_url) })
    for (const path of [
      pathTo(bytes),
      pathTo(bytes).toUpperCase().replace('FILES', 'files'),
      `${pathTo(bytes)}/download`,
    ]) {
      const answer = await mine.send('GET', path)
      expect(answer.status).toBe(200)
      expectSameBytes(answer.body, bytes)
      for (const name of [
        ...['content-type', 'content-length', 'etag', 'last-modified', 'accept-ranges', 'repr-digest'],
        ...['content-disposition', 'x-content-type-options', 'content-security-policy', 'cache-control'],
      ]) {
        expect([name, answer.headers[name]]).toEqual([name, retrieved.headers[name]])
      }
      const head = await mine.send('HEAD', path)
      expect([head.status, head.body.length, head.headers['content-length']]).toEqual([200, 0, '100000'])
    }
  })

  test('by range, and not at all when they are known', async () => {
    for (const path of [pathTo(bytes), `${pathTo(bytes)}/download`]) {
      const part = await mine.send('GET', path, { Range: 'bytes=10-19' })
      expect([part.status, part.headers['content-range']]).toEqual([206, 'bytes 10-19/100000'])
      expectSameBytes(part.body, bytes.subarray(10, 20))
      const beyond = await mine.send('GET', path, { Range: 'bytes=100000-' })
      expectProblem(beyond, 416, 'RANGE_NOT_SATISFIABLE')
      expect(beyond.headers['content-range']).toBe('bytes */100000')
      const known = await mine.send('GET', path, { 'If-None-Match': `"${made.file_id}"` })
      expect([known.status, known.body.length]).toEqual([304, 0])
    }
  })

  test.each([
    [undefined, false],
    ['*/*', false],
    ['text/html, application/xhtml+xml, */*;q=0.8', false],
    ['text/csv', false],
    ['image/png', false],
    ['application/*', false],
    ['text/csv, application/json', false],
    ['application/json', true],
    ['application/json, */*;q=0.1', true],
    ['application/json, text/csv;q=0.5', true],
    ['application/json;q=0.5, text/csv', false],
    ['*/*, application/json', true],
    ['', false],
    ['nonsense', false],
  ])('or their metadata by Accept: %s', async (accept, isJson) => {
    const answer = await mine.send('GET', pathTo(bytes), { Accept: accept })
    expect(answer.status).toBe(200)
    expect(answer.headers.vary).toMatch(/\bAccept\b/)
    expect(answer.headers['content-type']).toBe(isJson ? 'application/json; charset=utf-8' : 'text/csv')
    if (isJson) expect(bodyOf(answer)).toMatchObject({ file_id: made.file_id })
    else expectSameBytes(answer.body, bytes)
    const head = await mine.send('HEAD', pathTo(bytes), { Accept: accept })
    for (const name of ['content-type', 'content-length', 'vary']) {
      expect(head.headers[name]).toBe(answer.headers[name])
    }
    expect(bodyOf(await mine.send('GET', `${pathTo(bytes)}/info`, { Accept: accept }))).toMatchObject({
      size: 100_000,
    })
    expectSameBytes((await mine.send('GET', `${pathTo(bytes)}/download`, { Accept: accept })).body, bytes)
  })

  test('of a file that is JSON itself', async () => {
    const json = Buffer.from('{"a":1}')
    await put(mine, json, {}, { 'Content-Type': JSON_TYPE })
    expectSameBytes((await mine.send('GET', pathTo(json))).body, json)
    const asked = await mine.send('GET', pathTo(json), { Accept: JSON_TYPE })
    expect(bodyOf(asked)).toMatchObject({ content_type: JSON_TYPE })
    expectSameBytes((await mine.send('GET', `${pathTo(json)}/download`, { Accept: JSON_TYPE })).body, json)
  })

  test('with their metadata as they were made', async () => {
    const answer = await mine.send('GET', `${pathTo(bytes)}/info`)
    expect(answer.headers['cache-control']).toBe('no-store')
    const info = fileSchema.strict().parse(bodyOf(answer))
    expect(info).toMatchObject({
      ...made,
      size: 100_000,
      checksums: checksumsOf(bytes),
      filename: 'lake.csv',
    })
  })
})

describe('whose they are', () => {
  test('his own alone; an operator’s all', async () => {
    const bytes = someBytes(5000, 20)
    const made = await put(theirs, bytes, { filename: 'theirs.csv' })
    const paths = [pathTo(bytes), `${pathTo(bytes)}/info`, `${pathTo(bytes)}/download`]
    for (const path of paths) {
      const foreign = expectNothing(await mine.send('GET', path))
      const unknown = expectNothing(await mine.send('GET', path.replace(/[0-9a-f]{64}/, '0'.repeat(64))))
      expect(foreign).toBe(unknown)
      expect(expectNothing(await mine.send('GET', path.replace(/[0-9a-f]{64}/, 'nonsense')))).toBe(unknown)
      expect((await mine.send('HEAD', path)).status).toBe(404)
      expect((await theirs.send('GET', path)).status).toBe(200)
      expect((await admin.send('GET', path)).status).toBe(200)
    }
    expectNothing(await mine.send('DELETE', pathTo(bytes)))
    expect(bodyOf(await theirs.send('GET', `${pathTo(bytes)}/info`))).toMatchObject(made)

    // The same content of mine is mine: his name and URL are not told.
    const own = await put(mine, bytes, { filename: 'mine.csv' })
    expect(bodyOf(await mine.send('GET', `${pathTo(bytes)}/info`))).toMatchObject({
      ...own,
      filename: 'mine.csv',
    })
    expect((await mine.send('GET', pathTo(bytes))).headers['content-disposition']).toContain('mine.csv')
  })

  test('the newest of several tells', async () => {
    const bytes = someBytes(3000, 21)
    await put(mine, bytes, { filename: 'old.csv' })
    const newest = await put(mine, bytes, { filename: 'new.csv' }, { 'Content-Type': 'image/png' })
    const info = () => mine.send('GET', `${pathTo(bytes)}/info`).then((answer) => bodyOf(answer))
    expect(await info()).toMatchObject({ ...newest, filename: 'new.csv', content_type: 'image/png' })
    await mine.send('DELETE', `/uploads/${newest.upload_id}`)
    expect(await info()).toMatchObject({ filename: 'old.csv', content_type: 'text/csv' })
  })

  test('no more once its time is over', async () => {
    const bytes = someBytes(3000, 22)
    const { upload_id: id } = await put(mine, bytes)
    await rowsOf(server, "UPDATE uploads SET expires_at = now() - interval '1 second' WHERE id = $1", [id])
    expectNothing(await mine.send('GET', pathTo(bytes)))
  })

  test('nobody’s without a credential, or without the scope', async () => {
    const bytes = someBytes(100, 23)
    await put(mine, bytes)
    expectProblem(await ask(server.url, { method: 'GET', path: pathTo(bytes) }), 401, 'UNAUTHORIZED')
    const reader = new RestClient(server, await makeKey('a reader', ['read']))
    expectProblem(await reader.send('POST', '/files', {}, bytes), 403, 'FORBIDDEN')
    expectProblem(await reader.send('DELETE', pathTo(bytes)), 403, 'FORBIDDEN')
  })
})

describe('DELETE', () => {
  const objects = async () => (await stored(server)).objects

  test('ends every upload of one’s own with this content; the bytes go with the last owner’s', async () => {
    const bytes = someBytes(4000, 30)
    const ours = [await put(mine, bytes), await put(mine, bytes, { filename: 'again.csv' })]
    const other = await put(theirs, bytes)
    const before = await objects()
    expect((await mine.send('DELETE', pathTo(bytes))).status).toBe(204)
    for (const { upload_id: id, retrieval_url: url } of ours) {
      expect(await mine.report(id)).toMatchObject({ state: 'deleted' })
      expect((await ask(server.url, { method: 'GET', path: pathOf(url) })).status).toBe(410)
    }
    expect(await objects()).toEqual(before)
    expectSameBytes((await theirs.send('GET', pathTo(bytes))).body, bytes)
    expectNothing(await mine.send('GET', pathTo(bytes)))
    expectNothing(await mine.send('DELETE', pathTo(bytes)))

    expect((await theirs.send('DELETE', pathTo(bytes))).status).toBe(204)
    expect((await ask(server.url, { method: 'GET', path: pathOf(other.retrieval_url) })).status).toBe(410)
    expect((await objects()).length).toBe(before.length - 1)
  })

  test('of what is in a finalized package is refused, and nothing ends', async () => {
    const bytes = someBytes(4000, 31)
    const loose = await put(mine, bytes)
    const packed = await put(mine, bytes, { label: 'to finalize', filename: 'a.csv' })
    const { package_id: packageId } = await mine.report(packed.upload_id)
    // As finalizing leaves it.
    await rowsOf(server, "UPDATE packages SET state = 'finalized', open_label = NULL WHERE id = $1", [
      packageId,
    ])
    expectProblem(await mine.send('DELETE', pathTo(bytes)), 409, 'PACKAGE_FINALIZED')
    for (const { upload_id: id } of [loose, packed]) {
      expect(await mine.report(id)).toMatchObject({ state: 'ready' })
    }
    expectSameBytes((await mine.send('GET', pathTo(bytes))).body, bytes)
  })

  test('of what isn’t there is 204 where the operator wants it so', async () => {
    const lenient = await startServer({ env: { DELETE_STRICT_404: 'false' } })
    try {
      const client = new RestClient(lenient)
      for (const name of ['0'.repeat(64), 'nonsense']) {
        expect((await client.send('DELETE', `/files/${name}`)).status).toBe(204)
      }
    } finally {
      await lenient.dispose()
    }
  })
})

test('other methods say which there are', async () => {
  const digest = '0'.repeat(64)
  for (const [path, allow] of [
    [`/files/${digest}`, 'DELETE, GET, HEAD'],
    [`/files/${digest}/info`, 'GET, HEAD'],
    [`/files/${digest}/download`, 'GET, HEAD'],
  ] as const) {
    const answer = await mine.send('PUT', path, {}, Buffer.from('x'))
    expectProblem(answer, 405, 'METHOD_NOT_ALLOWED')
    expect(answer.headers.allow).toBe(allow)
  }
})

test('reading needs no credential where the operator wants it so', async () => {
  const open = await startServer({ env: { ANON_READ: 'true' } })
  try {
    const bytes = someBytes(1000, 40)
    await put(new RestClient(open), bytes)
    const answer = await ask(open.url, { method: 'GET', path: pathTo(bytes) })
    expect(answer.status).toBe(200)
    expectSameBytes(answer.body, bytes)
    expectProblem(await ask(open.url, { method: 'DELETE', path: pathTo(bytes) }), 401, 'UNAUTHORIZED')
  } finally {
    await open.dispose()
  }
})
