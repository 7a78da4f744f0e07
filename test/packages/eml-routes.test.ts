// EML over HTTP, on a real Postgres: whose package, which files, what is refused.

import { readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import express from 'express'
import { authenticate } from '../../server/auth/bearer.js'
import type { Identity } from '../../server/auth/identity.js'
import { type Database, openDatabase } from '../../server/database/client.js'
import { allowedMethods } from '../../server/http/allowed-methods.js'
import { createLog } from '../../server/ops/log.js'
import { requestId } from '../../server/ops/request-id.js'
import { emlOperations, MOST_DOCUMENT_BYTES, patchAnswer } from '../../server/packages/eml-operations.js'
import { EmlRecords } from '../../server/packages/eml-records.js'
import { emlRoutes, packageEmlRoutes } from '../../server/packages/eml-routes.js'
import { problemHandler } from '../../server/problem.js'
import { randomId, randomToken } from '../../server/uploads/random.js'
import { createTestDatabase, type TestDatabase, withConnection } from '../support/database.js'
import { until } from '../support/until.js'
import { findAll, parseXml, schemaProblems } from './eml-schema.js'

const LAKE = new Uint8Array(readFileSync(new URL('../../../test/packages/eml/lake.xml', import.meta.url)))
const ORIGIN = 'https://staging.example.org'
const MD5 = 'd'.repeat(32)
const SHA1 = 'e'.repeat(40)

const identities: Record<string, Identity> = {
  mine: { owner: 'me', scopes: new Set(['read', 'upload']) },
  theirs: { owner: 'them', scopes: new Set(['read', 'upload']) },
  uploader: { owner: 'me', scopes: new Set(['upload']) },
  admin: { owner: 'root', scopes: new Set(['admin']) },
}

let testDatabase: TestDatabase
let database: Database
let server: Server
let url: string

beforeAll(async () => {
  testDatabase = await createTestDatabase()
  database = await openDatabase(testDatabase.databaseUrl)
  const records = new EmlRecords(database.prisma)
  const options = { records, retrievalOrigin: () => ORIGIN }
  const app = express().disable('etag').set('query parser', 'simple')
  app.use(requestId, authenticate({ identify: async (key) => identities[key], anonRead: false }))
  app.use('/packages', packageEmlRoutes(options))
  app.use('/eml', emlRoutes(options))
  app.use(allowedMethods(emlOperations))
  app.use(problemHandler(createLog({ level: 'silent' })))
  server = createServer(app).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterAll(async () => {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
  await database.close()
  await testDatabase.drop()
})
beforeEach(() => sql('TRUNCATE packages, uploads CASCADE'))

async function sql(text: string, values: unknown[] = []): Promise<void> {
  await withConnection(testDatabase.databaseUrl, (client) => client.query(text, values))
}

interface PackageFacts {
  owner?: string
  state?: string
  label?: string
  finalizedAt?: string
}

async function addPackage({ owner = 'me', state = 'open', label, finalizedAt }: PackageFacts = {}) {
  const id = randomId()
  await sql(
    `INSERT INTO packages (id, owner, state, name, label, open_label, retention_class, finalized_at, expires_at)
     VALUES ($1, $2, $3::"PackageState", 'a package', $4::text, CASE WHEN $3 = 'open' THEN $4::text END, 'staging', $5, now() + interval '1 day')`,
    [id, owner, state, label ?? null, finalizedAt ?? null],
  )
  return id
}

interface FileFacts {
  state?: string
  filename?: string | null
  contentType?: string | null
  sizeBytes?: number
  /** Hours from now. */
  endsIn?: number
}

async function addFile(packageId: string, path: string, facts: FileFacts = {}): Promise<string> {
  const { state = 'ready', filename = path.split('/').at(-1), contentType = 'text/csv' } = facts
  const { sizeBytes = 7, endsIn = 5 } = facts
  const id = randomId()
  const isReady = state === 'ready'
  await sql(
    `INSERT INTO uploads (id, owner, state, filename, content_type, package_id, package_path, relative_path,
       size_bytes, md5, sha1, sha256, retrieval_token, expires_at, keep_until)
     VALUES ($1, 'me', $2::"UploadState", $3, $4, $5, $6, $6, $7, $8, $9, $10, $11,
       now() + $12 * interval '1 hour', now() + $12 * interval '1 hour')`,
    [
      ...[id, state, filename, contentType, packageId, path, sizeBytes],
      ...(isReady ? [MD5, SHA1, 'f'.repeat(64), randomToken()] : [null, null, null, null]),
      endsIn,
    ],
  )
  return id
}

async function tokenOf(uploadId: string): Promise<string> {
  return withConnection(testDatabase.databaseUrl, async (client) => {
    const { rows } = await client.query('SELECT retrieval_token FROM uploads WHERE id = $1', [uploadId])
    return rows[0].retrieval_token
  })
}

function send(
  path: string,
  body: Uint8Array<ArrayBuffer> | string = LAKE,
  { key = 'mine', ...headers }: Record<string, string> = {},
): Promise<Response> {
  return fetch(url + path, {
    method: 'POST',
    headers: { Authorization: `Bearer ${key}`, 'Content-Type': 'application/xml', ...headers },
    body,
  })
}

function get(path: string, key = 'mine'): Promise<Response> {
  return fetch(url + path, { headers: { Authorization: `Bearer ${key}` } })
}

async function expectProblem(answer: Response, status: number, code: string, detail = ''): Promise<void> {
  const problem = await answer.json()
  expect([answer.status, problem.code]).toEqual([status, code])
  expect(problem.detail).toContain(detail)
}

const eml = (content: string) =>
  `<e:eml xmlns:e="https://eml.ecoinformatics.org/eml-2.2.0"><dataset>${content}</dataset></e:eml>`

describe('GET /packages/{id}/eml', () => {
  test('is all ready files as entities, in the order of their paths and of the schema', async () => {
    const id = await addPackage()
    const first = await addFile(id, 'a & b/data.csv', { sizeBytes: 5_000_000_000 })
    await addFile(id, 'c/data.csv', { contentType: null })
    await addFile(id, 'd.csv', { contentType: 'text/csv; header=present' })
    await addFile(id, 'e.csv', { state: 'receiving' })
    await addFile(id, 'f.csv', { endsIn: -1 })

    const answer = await get(`/packages/${id}/eml`)
    expect([answer.status, answer.headers.get('content-type'), answer.headers.get('cache-control')]).toEqual([
      200,
      'application/xml; charset=utf-8',
      'no-store',
    ])
    const root = parseXml(await answer.text())
    expect(schemaProblems(root)).toEqual([])
    const texts = (...path: string[]) => findAll(root, 'otherEntity', ...path).map(({ text }) => text)
    expect(texts('entityName')).toEqual(['a & b/data.csv', 'c/data.csv', 'd.csv'])
    // Two have the same name.
    expect(texts('physical', 'objectName')).toEqual(['a & b/data.csv', 'c/data.csv', 'd.csv'])
    expect(texts('physical', 'size')).toEqual(['5000000000', '7', '7'])
    expect(texts('physical', 'authentication').slice(0, 2)).toEqual([MD5, SHA1])
    expect(texts('entityType')).toEqual(['text/csv', 'application/octet-stream', 'text/csv; header=present'])
    expect(texts('physical', 'distribution', 'online', 'url')[0]).toBe(
      `${ORIGIN}/r/${await tokenOf(first)}/data.csv`,
    )
  })

  test('put into a document and sent back, every file is found again', async () => {
    const id = await addPackage({ state: 'finalized' })
    const paths = ['a/x.csv', 'b/x.csv', 'c/<y>.csv', 'c/<y>.csv.bak', 'M\u00fc.csv']
    for (const path of paths) await addFile(id, path)
    const entities = /<entities[^>]*>(.*)<\/entities>/s.exec(await (await get(`/packages/${id}/eml`)).text())
    const text = eml(entities?.[1] ?? '')
    const answer = await send(`/eml?package_id=${id}`, text, { Accept: 'application/json' })
    const report = patchAnswer.parse(await answer.json())
    expect(report.matched.map(({ path }) => path).sort()).toEqual([...paths].sort())
    expect([report.missing, report.unused]).toEqual([[], []])
    expect(report.document).toBe(text)
  })

  test('of 10,000 files is all of them', async () => {
    const id = await addPackage()
    await sql(
      `INSERT INTO uploads (id, owner, state, filename, package_id, package_path, size_bytes, md5, sha1, sha256,
         retrieval_token, expires_at, keep_until)
       SELECT lpad(to_hex(n), 40, '0'), 'me', 'ready', n || '.csv', $1, 'data/' || n || '.csv', n, $2, $3, '', n,
         now() + interval '1 day', now() + interval '1 day' FROM generate_series(1, 10000) n`,
      [id, MD5, SHA1],
    )
    const root = parseXml(await (await get(`/packages/${id}/eml`)).text())
    expect(new Set(findAll(root, 'otherEntity', 'physical', 'objectName').map(({ text }) => text))).toEqual(
      new Set(Array.from({ length: 10_000 }, (_, at) => `${at + 1}.csv`)),
    )
  })

  test('of a package without ready files is 409, and says what to do', async () => {
    const id = await addPackage()
    await expectProblem(await get(`/packages/${id}/eml`), 409, 'CONFLICT', 'has no files')
    await addFile(id, 'a.csv', { state: 'finalizing', endsIn: -1 })
    await expectProblem(await get(`/packages/${id}/eml`), 409, 'CONFLICT', 'None of the 1 files')
  })

  test('of another owner is answered like one that never was; the admin sees it', async () => {
    const id = await addPackage({ owner: 'them' })
    await addFile(id, 'a.csv')
    const bodyOf = async (answer: Response) => {
      const { request_id: _, instance: __, ...problem } = await answer.json()
      return [answer.status, problem]
    }
    const foreign = await bodyOf(await get(`/packages/${id}/eml`))
    expect(foreign).toEqual(await bodyOf(await get(`/packages/${randomId()}/eml`)))
    expect(foreign).toEqual(await bodyOf(await get('/packages/nonsense/eml')))
    expect(foreign[0]).toBe(404)
    expect((await get(`/packages/${id}/eml`, 'admin')).status).toBe(200)
  })

  test('of one that has ended is 410; needs the scope; knows no query and no other method', async () => {
    const id = await addPackage({ state: 'deleted' })
    await expectProblem(await get(`/packages/${id}/eml`), 410, 'GONE')
    await expectProblem(await get(`/packages/${id}/eml`, 'uploader'), 403, 'FORBIDDEN')
    await expectProblem(await get(`/packages/${await addPackage()}/eml?x=1`), 400, 'INVALID_INPUT')
    await expectProblem(await send(`/packages/${id}/eml`), 405, 'METHOD_NOT_ALLOWED')
  })
})

describe('POST /eml', () => {
  test('answers the patched document, and what matched in headers', async () => {
    const id = await addPackage()
    const upload = await addFile(id, 'data/lake_temperature.csv', { sizeBytes: 42 })
    await addFile(id, 'zusätzlich, (neu).csv')
    await addFile(id, 'photographs.zip', { state: 'receiving' })

    const answer = await send(`/eml?package_id=${id}`)
    expect([answer.status, answer.headers.get('content-type')]).toEqual([
      200,
      'application/xml; charset=utf-8',
    ])
    const headers = ['matched', 'missing', 'unused'].map((name) => answer.headers.get(`x-eml-${name}`))
    expect(headers).toEqual([
      'lake_temperature.csv',
      `${encodeURIComponent('R&D <inflow> “v2”.csv')},code%2Fmodel.R,photographs.zip,nowhere.bin`,
      'zus%C3%A4tzlich%2C%20%28neu%29.csv',
    ])
    const text = Buffer.from(LAKE)
      .toString()
      .replace('<size unit="byte">17<', '<size unit="byte">42<')
      .replace('00000000000000000000000000000000', MD5)
      .replace('0000000000000000000000000000000000000000', SHA1)
      .replace(
        'https://old.example.org/data?a=1&amp;b=2',
        `${ORIGIN}/r/${await tokenOf(upload)}/lake_temperature.csv`,
      )
    expect(await answer.text()).toBe(text)
  })

  test('with Accept: application/json answers a report that is as documented', async () => {
    const id = await addPackage()
    const upload = await addFile(id, 'lake_temperature.csv')
    const extra = await addFile(id, 'extra.csv')
    await addFile(id, 'photographs.zip', { state: 'receiving' })
    const bom = Buffer.concat([Buffer.from('\ufeff'), LAKE])
    const answer = await send(`/eml?package_id=${id}`, bom, { Accept: 'application/json' })
    const body = await answer.json()
    const operation = emlOperations.find(({ id: name }) => name === 'patchEml')
    const schema = operation?.answers[200]?.content?.['application/json']
    const { document, ...report } = patchAnswer.parse(body)
    expect(schema).toBe(patchAnswer)
    expect(report).toEqual({
      matched: [
        {
          object_name: 'lake_temperature.csv',
          entity: 'Lake temperature',
          upload_id: upload,
          path: 'lake_temperature.csv',
        },
      ],
      missing: [
        { object_name: 'R&D <inflow> “v2”.csv', entity: 'Inflow', reason: 'no file' },
        { object_name: null, entity: 'code/model.R', reason: 'no file' },
        { object_name: 'photographs.zip', entity: 'Photographs', reason: 'not ready' },
        { object_name: 'nowhere.bin', entity: 'Not uploaded', reason: 'no file' },
      ],
      unused: [{ path: 'extra.csv', upload_id: extra }],
    })
    expect(document.startsWith('\ufeff<?xml')).toBe(true)
    expect(answer.headers.get('vary')).toContain('Accept')
  })

  test('keeps its headers short, whatever the names', async () => {
    const id = await addPackage()
    const one = (at: number) =>
      `<view><entityName>${'ü'.repeat(100)}${at}</entityName></view><view><entityName>${at}</entityName></view>`
    const text = eml(Array.from({ length: 500 }, (_, at) => one(at)).join(''))
    const missing = (await send(`/eml?package_id=${id}`, text)).headers.get('x-eml-missing') ?? ''
    expect(missing.length).toBeLessThan(1_100)
    const [, left] = /^[^()]*%E2%80%A6\(\+(\d+)\)$/.exec(missing) ?? []
    expect(missing.split(',').length + Number(left)).toBe(1_000)
  })

  test('by label means the open package, then the one finalized last, and only one’s own', async () => {
    const old = await addPackage({ label: 'lakes', state: 'finalized', finalizedAt: '2026-01-01' })
    const newer = await addPackage({ label: 'lakes', state: 'finalized', finalizedAt: '2026-02-01' })
    await addPackage({ label: 'lakes', state: 'deleted' })
    const foreign = await addPackage({ label: 'lakes', owner: 'them' })
    for (const [id, path] of [
      [old, 'old'],
      [newer, 'newer'],
      [foreign, 'foreign'],
    ] as const) {
      await addFile(id, path)
    }
    const unused = async (key = 'mine') =>
      (await send('/eml?label=lakes', eml(''), { key })).headers.get('x-eml-unused')
    expect(await unused()).toBe('newer')
    expect(await unused('theirs')).toBe('foreign')
    const open = await addPackage({ label: 'lakes' })
    await addFile(open, 'open')
    expect(await unused()).toBe('open')
    await expectProblem(await send('/eml?label=lakes', LAKE, { key: 'admin' }), 404, 'NOT_FOUND')
    await expectProblem(await send('/eml?label=rivers'), 404, 'NOT_FOUND', 'GET /packages')
  })

  test.each(['', '?package_id=1&label=2', '?label=', '?label=a%00b', '?label=a&label=b', '?label=a&x=1'])(
    'with the query "%s" is refused',
    async (query) => {
      await expectProblem(await send(`/eml${query}`), 400, 'INVALID_INPUT', 'The query')
    },
  )

  test('of what isn’t one’s own, or has ended', async () => {
    const foreign = await addPackage({ owner: 'them' })
    await expectProblem(await send(`/eml?package_id=${foreign}`), 404, 'NOT_FOUND')
    await expectProblem(await send(`/eml?package_id=${randomId()}`), 404, 'NOT_FOUND')
    const ended = await addPackage({ state: 'expired' })
    await expectProblem(await send(`/eml?package_id=${ended}`), 410, 'GONE')
    expect((await send(`/eml?package_id=${foreign}`, LAKE, { key: 'admin' })).status).toBe(200)
    await expectProblem(await send(`/eml?package_id=${foreign}`, LAKE, { key: 'uploader' }), 403, 'FORBIDDEN')
    await expectProblem(await send('/eml', LAKE, { key: 'nobody' }), 401, 'UNAUTHORIZED')
    await expectProblem(await get('/eml'), 405, 'METHOD_NOT_ALLOWED')
  })

  test('refuses what isn’t XML in UTF-8, by its type', async () => {
    const path = `/eml?package_id=${await addPackage()}`
    for (const type of ['application/json', 'text/plain', 'application/xml; charset=iso-8859-1']) {
      const answer = await send(path, LAKE, { 'Content-Type': type })
      await expectProblem(answer, 415, 'UNSUPPORTED_MEDIA_TYPE', 'Content-Type: application/xml')
    }
    for (const type of ['text/xml', 'application/xml;charset="UTF-8"', 'TEXT/XML; charset=utf8']) {
      expect((await send(path, LAKE, { 'Content-Type': type })).status).toBe(200)
    }
    await expectProblem(await send(path, LAKE, { Accept: 'image/png' }), 406, 'NOT_ACCEPTABLE')
    const answer = await send(path, LAKE, { Accept: 'text/xml' })
    expect(answer.headers.get('content-type')).toBe('text/xml; charset=utf-8')
  })

  test('refuses what isn’t EML, with its place', async () => {
    const path = `/eml?package_id=${await addPackage()}`
    await expectProblem(await send(path, ''), 400, 'INVALID_INPUT', 'The body is empty')
    await expectProblem(await send(path, eml('\n<b></a>')), 400, 'INVALID_INPUT', '(line 2, column ')
    await expectProblem(await send(path, '<a/>'), 400, 'INVALID_INPUT', 'not EML')
    const external = `<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>${eml('&x;')}`
    await expectProblem(await send(path, external), 400, 'INVALID_INPUT', 'DOCTYPE')
    await expectProblem(await send(path, Buffer.from([0x3c, 0xff])), 400, 'INVALID_INPUT', 'column 2')
  })

  test('takes 8 MiB and no more, announced or not, and goes on serving meanwhile', async () => {
    const path = `/eml?package_id=${await addPackage()}`
    const filled = (bytes: number) => {
      const unit = '<attribute id="a"><attributeName>a</attributeName></attribute>\n'
      const head = eml('<title/>').length
      const text = eml(`<title>${unit.repeat(Math.floor((bytes - head) / unit.length) - 1)}</title>`)
      return text + ' '.repeat(bytes - text.length)
    }
    const patching = send(path, filled(MOST_DOCUMENT_BYTES)).then((answer) => ({
      answer,
      at: performance.now(),
    }))
    const served: number[] = []
    let isDone = false
    const asking = (async () => {
      while (!isDone) {
        expect((await get(`/packages/${randomId()}/eml`)).status).toBe(404)
        served.push(performance.now())
      }
    })()
    const { answer, at } = await patching
    isDone = true
    await asking
    expect([answer.status, (await answer.arrayBuffer()).byteLength]).toEqual([200, MOST_DOCUMENT_BYTES])
    expect(served.filter((time) => time < at).length).toBeGreaterThan(5)

    const tooLarge = filled(MOST_DOCUMENT_BYTES + 1)
    await expectProblem(await send(path, tooLarge), 413, 'PAYLOAD_TOO_LARGE', '8388608 bytes')
    const stream = new Blob([tooLarge]).stream()
    const chunked = await fetch(url + path, {
      method: 'POST',
      headers: { Authorization: 'Bearer mine', 'Content-Type': 'text/xml' },
      body: stream,
      duplex: 'half',
    } as RequestInit)
    await expectProblem(chunked, 413, 'PAYLOAD_TOO_LARGE')
  })

  test('takes so many documents at a time, tells others to come again, and has room when some have gone', async () => {
    const path = `/eml?package_id=${await addPackage()}`
    const { port } = server.address() as AddressInfo
    // Clients that announce a document and never send it, until there is no room for one that does.
    const idle: Socket[] = []
    const announce = `POST ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer mine\r\nContent-Type: text/xml\r\nContent-Length: 9\r\n\r\n<`
    let status = 200
    while (status === 200) {
      idle.push(connect(port, '127.0.0.1').on('error', () => {}))
      idle.at(-1)?.write(announce)
      status = (await send(path)).status
    }
    expect(status).toBe(503)
    expect(idle.length).toBeGreaterThanOrEqual(16)
    const refused = await send(path)
    expect(refused.headers.get('retry-after')).toBe('5')
    await expectProblem(refused, 503, 'UNAVAILABLE', 'again in a moment')
    for (const socket of idle) socket.destroy()
    await until(async () => (await send(path)).status === 200)
  })
})
