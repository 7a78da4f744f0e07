// Retrieval, as RFC 9110 and PASTA want it, through the real server.

import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import express from 'express'
import { readConfig } from '../../server/config.js'
import { type Database, openDatabase } from '../../server/database/client.js'
import { type RetrievalOptions, retrievalRoutes } from '../../server/files/routes.js'
import { createLog } from '../../server/ops/log.js'
import { requestId } from '../../server/ops/request-id.js'
import { problemHandler } from '../../server/problem.js'
import { NO_QUOTA } from '../../server/quotas/quota.js'
import { QuotaRecords } from '../../server/quotas/records.js'
import { LocalStore } from '../../server/storage/local.js'
import type { Presentation } from '../../server/storage/store.js'
import { Records } from '../../server/uploads/records.js'
import type { Report } from '../../server/uploads/report.js'
import { type Answer, ask } from '../dialects/exchange.js'
import { expectProblem } from '../dialects/problem-of.js'
import { checksumsOf, pathOf, rowsOf, someBytes, stored, TusClient } from '../dialects/tus-client.js'
import { createTestBucket, describeS3, type TestBucket } from '../support/s3.js'
import { startServer, type TestServer } from '../support/server.js'

const bytes = someBytes(1_000_003)

let server: TestServer
let tus: TusClient
let report: Report

beforeAll(async () => {
  server = await startServer()
  tus = new TusClient(server)
  report = await tus.put(bytes, { filename: 'lake temperature.csv', filetype: 'text/csv' })
})
afterAll(() => server.dispose())

const etag = () => `"${report.checksums?.sha256}"`

function get(headers: Record<string, string> = {}, method = 'GET', of: Report = report): Promise<Answer> {
  return ask(server.url, { method, path: pathOf(of.retrieval_url), headers })
}

function expectBytes(answer: Answer, start: number, end: number): void {
  expect(Number(answer.headers['content-length'])).toBe(end - start)
  expect(answer.body.equals(bytes.subarray(start, end))).toBe(true)
}

describe('the whole file', () => {
  test('comes with every header of the contract, and needs no credential', async () => {
    const answer = await get()
    expect(answer.status).toBe(200)
    expectBytes(answer, 0, bytes.length)
    expect(answer.headers).toMatchObject({
      'content-type': 'text/csv',
      'content-length': '1000003',
      'accept-ranges': 'bytes',
      etag: etag(),
      'last-modified': new Date(report.finished_at ?? '').toUTCString(),
      'repr-digest': `sha-256=:${createHash('sha256').update(bytes).digest('base64')}:`,
      'content-disposition': 'attachment; filename="lake temperature.csv"',
      'x-content-type-options': 'nosniff',
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'; sandbox",
      'x-request-id': expect.stringMatching(/./),
    })
    for (const name of [
      'content-encoding',
      'transfer-encoding',
      'set-cookie',
      'location',
      'vary',
      'tus-resumable',
    ]) {
      expect(answer.headers[name]).toBeUndefined()
    }
  })

  test.each(['text/html', 'application/json', 'image/gif;q=1, */*;q=0', ''])(
    'is never negotiated: Accept "%s"',
    async (accept) => {
      const answer = await get({ Accept: accept, 'Accept-Encoding': 'gzip, br' })
      expect([answer.status, answer.headers['content-type']]).toEqual([200, 'text/csv'])
      expectBytes(answer, 0, bytes.length)
    },
  )

  test('a bad credential is no matter', async () => {
    expect((await get({ Authorization: 'Bearer nonsense', 'X-API-Key': 'x' })).status).toBe(200)
  })

  test('the name in the URL is for people: any other, or none, brings the same', async () => {
    const token = pathOf(report.retrieval_url).split('/')[2]
    for (const path of [`/r/${token}`, `/r/${token}/other.html`, `/r/${token}/%E6%B9%96`]) {
      const answer = await ask(server.url, { method: 'GET', path })
      expect([answer.status, answer.headers['content-type']]).toEqual([200, 'text/csv'])
      expectBytes(answer, 0, bytes.length)
    }
  })

  test('an empty file is 200 with no bytes, whatever range is asked for', async () => {
    const empty = await tus.put(Buffer.alloc(0))
    const answer = await get({}, 'GET', empty)
    expect([answer.status, answer.headers['content-length'], answer.body.length]).toEqual([200, '0', 0])
    expect(answer.headers['content-type']).toBe('application/octet-stream')
    expectProblem(await get({ Range: 'bytes=0-' }, 'GET', empty), 416, 'RANGE_NOT_SATISFIABLE')
  })

  test('many at once are all right', async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => get()))
    for (const answer of answers) expectBytes(answer, 0, bytes.length)
  })
})

describe('HEAD', () => {
  test('says what GET would, and sends no byte', async () => {
    const [full, head] = [await get(), await get({}, 'HEAD')]
    expect([head.status, head.body.length]).toEqual([200, 0])
    for (const name of ['date', 'x-request-id']) {
      delete full.headers[name]
      delete head.headers[name]
    }
    expect(head.headers).toEqual(full.headers)
  })

  test('knows no ranges, but 304', async () => {
    const ranged = await get({ Range: 'bytes=0-1' }, 'HEAD')
    expect([ranged.status, ranged.headers['content-length']]).toEqual([200, '1000003'])
    expect((await get({ 'If-None-Match': etag() }, 'HEAD')).status).toBe(304)
  })
})

describe('ranges', () => {
  test.each([
    ['the first byte', 'bytes=0-0', 0, 1],
    ['the first 500', 'bytes=0-499', 0, 500],
    ['the middle', 'bytes=262143-524288', 262_143, 524_289],
    ['from the middle on', 'bytes=500000-', 500_000, 1_000_003],
    ['the last byte', 'bytes=1000002-1000002', 1_000_002, 1_000_003],
    ['a suffix', 'bytes=-10', 999_993, 1_000_003],
    ['a suffix longer than the file', 'bytes=-2000000', 0, 1_000_003],
    ['an end past the end', 'bytes=1000000-9999999999', 1_000_000, 1_000_003],
    ['all of it', 'bytes=0-', 0, 1_000_003],
  ])('%s (%s) is 206', async (_, range, start, end) => {
    const answer = await get({ Range: range })
    expect(answer.status).toBe(206)
    expect(answer.headers['content-range']).toBe(`bytes ${start}-${end - 1}/1000003`)
    expect(answer.headers).toMatchObject({
      etag: etag(),
      'accept-ranges': 'bytes',
      'content-type': 'text/csv',
    })
    expectBytes(answer, start, end)
  })

  test.each([
    ['past the end', 'bytes=1000003-'],
    ['far past the end', 'bytes=99999999999999999999-'],
    ['an empty suffix', 'bytes=-0'],
    ['several', 'bytes=0-1,5-6'],
    ['backwards', 'bytes=5-4'],
    ['malformed', 'bytes=a-b'],
    ['nothing', 'bytes='],
  ])('%s (%s) is 416 and says the size', async (_, range) => {
    const answer = await get({ Range: range })
    const problem = expectProblem(answer, 416, 'RANGE_NOT_SATISFIABLE')
    expect(answer.headers['content-range']).toBe('bytes */1000003')
    expect(problem.details).toEqual({ size: 1_000_003 })
    for (const name of ['etag', 'content-disposition', 'repr-digest', 'last-modified', 'accept-ranges']) {
      expect(answer.headers[name]).toBeUndefined()
    }
  })

  test('a unit that nobody knows is ignored', async () => {
    const answer = await get({ Range: 'lines=1-2' })
    expect(answer.status).toBe(200)
    expectBytes(answer, 0, bytes.length)
  })

  test('If-Range with this ETag or this date lets the range through; anything else sends the whole', async () => {
    const date = new Date(report.finished_at ?? '').toUTCString()
    const validators: [string, number][] = [
      [etag(), 206],
      [date, 206],
      [`W/${etag()}`, 200],
      ['"another"', 200],
      [new Date(0).toUTCString(), 200],
      ['nonsense', 200],
    ]
    for (const [validator, status] of validators) {
      const answer = await get({ Range: 'bytes=0-9', 'If-Range': validator })
      expect([validator, answer.status]).toEqual([validator, status])
      expectBytes(answer, 0, status === 206 ? 10 : bytes.length)
    }
  })
})

describe('what the client has already', () => {
  test('is 304 without a body, with what a cache needs', async () => {
    for (const validator of [etag(), `W/${etag()}`, `"x", ${etag()}`, '*']) {
      const answer = await get({ 'If-None-Match': validator })
      expect([validator, answer.status, answer.body.length]).toEqual([validator, 304, 0])
      expect(answer.headers).toMatchObject({ etag: etag(), 'cache-control': 'private, no-cache' })
    }
  })

  test('something else is sent', async () => {
    const answer = await get({ 'If-None-Match': '"x"' })
    expect(answer.status).toBe(200)
    expectBytes(answer, 0, bytes.length)
  })

  test('a range of it, too, is 304', async () => {
    expect((await get({ 'If-None-Match': etag(), Range: 'bytes=0-1' })).status).toBe(304)
  })
})

describe('names and types', () => {
  test.each([
    ['plain.csv', 'attachment; filename="plain.csv"'],
    ['a "b".csv', String.raw`attachment; filename="a \"b\".csv"`],
    ['a;b=c.csv', 'attachment; filename="a;b=c.csv"'],
    ['100%.csv', 'attachment; filename="100%.csv"'],
    [
      '湖の水温.csv',
      `attachment; filename="????.csv"; filename*=UTF-8''%E6%B9%96%E3%81%AE%E6%B0%B4%E6%B8%A9.csv`,
    ],
    ['€ rates.txt', `attachment; filename="? rates.txt"; filename*=UTF-8''%E2%82%AC%20rates.txt`],
    ["it's 🐟.csv", expect.stringContaining(`filename*=UTF-8''it%27s%20%F0%9F%90%9F.csv`)],
  ])(
    '%s is handed out by RFC 6266, under a URL that needs no more escaping',
    async (filename, disposition) => {
      const named = await tus.put(Buffer.from(filename), { filename })
      const answer = await get({}, 'GET', named)
      expect(answer.headers['content-disposition']).toEqual(disposition)
      expect(decodeURIComponent(pathOf(named.retrieval_url).split('/').at(-1) ?? '')).toBe(filename)
      expect(new URL(named.retrieval_url ?? '').href).toBe(named.retrieval_url)
    },
  )

  test.each(['text/plain\u2028; charset=utf-8', 'text/plain; name="湖"'])(
    'a type that no header can carry (%j) is dropped, and the file is handed out without one',
    async (filetype) => {
      const odd = await tus.put(Buffer.from(filetype), { filetype })
      expect(odd.content_type).toBeNull()
      const answer = await get({}, 'GET', odd)
      expect([answer.status, answer.headers['content-type']]).toEqual([200, 'application/octet-stream'])
      expect(answer.body.toString()).toBe(filetype)
    },
  )

  test('without a name, the relative path gives one, and else the id', async () => {
    const placed = await tus.put(Buffer.from('placed'), { relativePath: 'data/lake.csv' })
    expect((await get({}, 'GET', placed)).headers['content-disposition']).toBe(
      'attachment; filename="lake.csv"',
    )
    const bare = await tus.put(Buffer.from('bare'))
    expect((await get({}, 'GET', bare)).headers['content-disposition']).toContain(bare.id)
  })

  test.each([
    ['text/html', '<!doctype html><script>alert(1)</script>'],
    ['image/svg+xml', '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'],
    ['text/javascript', 'alert(1)'],
  ])('a %s can not run here', async (filetype, text) => {
    const page = await tus.put(Buffer.from(text), { filename: 'page.html', filetype })
    const answer = await get({}, 'GET', page)
    expect(answer.headers).toMatchObject({
      'content-type': filetype,
      'content-disposition': 'attachment; filename="page.html"',
      'x-content-type-options': 'nosniff',
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'; sandbox",
    })
    expect(answer.body.toString()).toBe(text)
  })
})

describe('what is not there', () => {
  test.each(['/r/unknown', '/r/unknown/name.csv', `/r/${'A'.repeat(27)}/x`, '/r/', '/r/a/b/c'])(
    '%s is 404',
    async (path) => {
      expectProblem(await ask(server.url, { method: 'GET', path }), 404, 'NOT_FOUND')
    },
  )

  test('an id is no token', async () => {
    expectProblem(await ask(server.url, { method: 'GET', path: `/r/${report.id}/x` }), 404, 'NOT_FOUND')
  })

  test('deleted: 410 to GET, HEAD and ranges, and the bytes are gone', async () => {
    const doomed = await tus.put(Buffer.from('doomed'))
    await tus.remove(doomed.id)
    expectProblem(await get({}, 'GET', doomed), 410, 'GONE')
    expectProblem(await get({ Range: 'bytes=0-1' }, 'GET', doomed), 410, 'GONE')
    expect((await get({}, 'HEAD', doomed)).status).toBe(410)
    expect((await stored(server)).objects).not.toContain(doomed.id)
  })

  test('expired: 410 at once, even before the sweep', async () => {
    const old = await tus.put(Buffer.from('old'))
    await rowsOf(server, `UPDATE uploads SET expires_at = now() WHERE id = $1`, [old.id])
    expectProblem(await get({}, 'GET', old), 410, 'GONE')
    expectProblem(await get({ 'If-None-Match': '*' }, 'GET', old), 410, 'GONE')
  })

  test.each(['POST', 'PUT', 'DELETE', 'PATCH'])('%s means nothing here', async (method) => {
    const answer = await get({}, method)
    expect([404, 405]).toContain(answer.status)
    expect((await get()).status).toBe(200)
  })

  test('the same content twice has two URLs, and one that is deleted leaves the other alive', async () => {
    const content = Buffer.from('twice')
    const [first, second] = [await tus.put(content), await tus.put(content)]
    expect(first.retrieval_url).not.toBe(second.retrieval_url)
    await tus.remove(first.id)
    expectProblem(await get({}, 'GET', first), 410, 'GONE')
    const answer = await get({}, 'GET', second)
    expect(checksumsOf(answer.body)).toEqual(checksumsOf(content))
  })
})

describe('RETRIEVAL_MODE=redirect', () => {
  /** What the store was asked for, and whether it has URLs at all. */
  const asked: { key: string; seconds: number; presentation: Presentation }[] = []
  let hasUrls = true

  let database: Database
  let redirecting: Server
  let origin: string

  beforeAll(async () => {
    database = await openDatabase(server.databaseUrl ?? '')
    const local = new LocalStore(path.join(server.dataDir, 'store'))
    await local.open()
    // The server's own store, as if it could also be reached at store.example.org.
    const store: RetrievalOptions['store'] = {
      sendObject: (...args) => local.sendObject(...args),
      objectUrl: async (key, seconds, presentation) => {
        asked.push({ key, seconds, presentation })
        return hasUrls ? `https://store.example.org/${key}?signature=1` : null
      },
    }
    const records = new Records(database.prisma, readConfig({}), new QuotaRecords(database.prisma, NO_QUOTA))
    const app = express()
    app.use(requestId).use('/r', retrievalRoutes({ records, store, mode: 'redirect' }))
    app.use(problemHandler(createLog({ level: 'silent' })))
    redirecting = createServer(app).listen(0, '127.0.0.1')
    await once(redirecting, 'listening')
    origin = `http://127.0.0.1:${(redirecting.address() as AddressInfo).port}`
  })
  afterAll(async () => {
    redirecting.close()
    await database.close()
  })

  function getThere(headers: Record<string, string> = {}, method = 'GET', of: Report = report) {
    asked.length = 0
    return ask(origin, { method, path: pathOf(of.retrieval_url), headers })
  }

  test('GET is sent on, for five minutes, to an answer with the name and the type of the file', async () => {
    const answer = await getThere()
    expect([answer.status, answer.body.length]).toEqual([302, 0])
    expect(answer.headers).toMatchObject({
      location: `https://store.example.org/${report.id}?signature=1`,
      'cache-control': 'no-store',
    })
    // They are the file's, and this answer isn't the file.
    for (const name of ['etag', 'repr-digest', 'content-disposition', 'accept-ranges', 'last-modified']) {
      expect(answer.headers[name]).toBeUndefined()
    }
    expect(asked).toEqual([
      {
        key: report.id,
        seconds: 300,
        presentation: {
          contentType: 'text/csv',
          contentDisposition: 'attachment; filename="lake temperature.csv"',
        },
      },
    ])
  })

  test('a range is for the store to serve', async () => {
    for (const range of ['bytes=0-9', 'bytes=99999999-']) {
      expect((await getThere({ Range: range })).status).toBe(302)
    }
  })

  test('HEAD is answered here: the URL would be signed for GET alone', async () => {
    const answer = await getThere({}, 'HEAD')
    expect([answer.status, answer.headers['content-length'], answer.headers.etag]).toEqual([
      200,
      String(bytes.length),
      etag(),
    ])
    expect(answer.headers.location).toBeUndefined()
    expect(asked).toEqual([])
  })

  test('what the client has already is 304, without a URL', async () => {
    const answer = await getThere({ 'If-None-Match': etag() })
    expect([answer.status, answer.headers.location]).toEqual([304, undefined])
    expect(asked).toEqual([])
  })

  test('a store without URLs has its bytes sent', async () => {
    hasUrls = false
    try {
      const answer = await getThere()
      expect(answer.status).toBe(200)
      expectBytes(answer, 0, bytes.length)
    } finally {
      hasUrls = true
    }
  })

  test('unknown 404, unfinished no URL at all, deleted and expired 410: no signed URL is made for them', async () => {
    const unknown = await ask(origin, { method: 'GET', path: `/r/${'A'.repeat(27)}/x` })
    expectProblem(unknown, 404, 'NOT_FOUND')
    expect((await tus.report(await tus.begin(10))).retrieval_url).toBeNull()
    const [deleted, expired] = [await tus.put(Buffer.from('gone')), await tus.put(Buffer.from('late'))]
    await tus.remove(deleted.id)
    await rowsOf(server, `UPDATE uploads SET expires_at = now() WHERE id = $1`, [expired.id])
    for (const ended of [deleted, expired]) {
      const answer = await getThere({}, 'GET', ended)
      expectProblem(answer, 410, 'GONE')
      expect(answer.headers.location).toBeUndefined()
    }
    expect(asked).toEqual([])
  })
})

describeS3('RETRIEVAL_MODE=redirect on S3', () => {
  let bucket: TestBucket
  let onS3: TestServer

  beforeAll(async () => {
    bucket = await createTestBucket()
    onS3 = await startServer({ env: { ...bucket.env(), RETRIEVAL_MODE: 'redirect' } })
  })
  afterAll(async () => {
    await onS3.dispose()
    await bucket.drop()
  })

  test('whoever follows the URL gets the bytes from the bucket, named and typed, whole or a range', async () => {
    const staged = await new TusClient(onS3).put(bytes, { filename: '湖 1.csv', filetype: 'text/csv' })
    const sent = await ask(onS3.url, { method: 'GET', path: pathOf(staged.retrieval_url) })
    expect(sent.status).toBe(302)
    const url = new URL(String(sent.headers.location))
    expect(url.origin).toBe(bucket.endpoint)
    expect(url.searchParams.get('X-Amz-Expires')).toBe('300')

    const whole = await ask(url.origin, { method: 'GET', path: url.pathname + url.search })
    expect(whole.status).toBe(200)
    expectBytes(whole, 0, bytes.length)
    expect(whole.headers).toMatchObject({
      'content-type': 'text/csv',
      'content-disposition': `attachment; filename="? 1.csv"; filename*=UTF-8''%E6%B9%96%201.csv`,
    })
    const range = await ask(url.origin, {
      method: 'GET',
      path: url.pathname + url.search,
      headers: { Range: 'bytes=10-19' },
    })
    expect(range.status).toBe(206)
    expectBytes(range, 10, 20)
    // No log holds what lets others in.
    expect(onS3.logs()).not.toContain('X-Amz-Signature')
  })

  test('HEAD of such a URL is refused by S3, and so it is answered by the server', async () => {
    const staged = await new TusClient(onS3).put(Buffer.from('head'))
    const path = pathOf(staged.retrieval_url)
    const url = new URL(String((await ask(onS3.url, { method: 'GET', path })).headers.location))
    expect((await ask(url.origin, { method: 'HEAD', path: url.pathname + url.search })).status).toBe(403)
    const head = await ask(onS3.url, { method: 'HEAD', path })
    expect([head.status, head.headers['content-length']]).toEqual([200, '4'])
  })
})
