// What stock @tus/server 2.4.5 gets wrong, row by row: each title begins with its row's first words.

import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtemp, readFile, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { type Answer, ask, askRaw } from '../dialects/exchange.js'
import { expectProblem } from '../dialects/problem-of.js'
import {
  checksumsOf,
  eventsOf,
  idOf,
  pathOf,
  rowsOf,
  someBytes,
  TusClient,
  writeMetadata,
} from '../dialects/tus-client.js'
import { reportWhen } from '../end-to-end/evidence.js'
import { startServer, type TestServer } from '../support/server.js'

const WATCH = fileURLToPath(new URL('watch-node.js', import.meta.url))
const STOCK = fileURLToPath(new URL('stock-server.js', import.meta.url))
const DELETE_KEY = 'a-key-that-may-delete-0123'

let server: TestServer
let tus: TusClient

beforeAll(async () => {
  server = await startServer({
    env: {
      PUBLIC_URL: 'https://staging.example.org',
      CORS_ORIGINS: 'https://data.example.org',
      API_DELETE_KEYS: DELETE_KEY,
      NO_PROGRESS_TIMEOUT: '2s',
      // A trickle of ten bytes a second is meant to be progress here.
      MIN_UPLOAD_RATE: 'none',
      NODE_OPTIONS: `--import=${WATCH}`,
    },
  })
  tus = new TusClient(server)
})
afterAll(() => server.dispose())

/** Seconds of CPU that the server's process has used. */
async function cpuSeconds(): Promise<number> {
  const stat = await readFile(`/proc/${server.pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  // utime and stime, in ticks of 10 ms.
  return (Number(fields[11]) + Number(fields[12])) / 100
}

test('"An empty PATCH at the final offset" is 204 as often as one likes, and finishes nothing again', async () => {
  const bytes = someBytes(200_000)
  const id = await tus.begin(bytes.length)
  await tus.patch(id, 0, bytes)
  const before = await tus.report(id)
  const events = await eventsOf(server, id)
  for (let i = 0; i < 3; i += 1) {
    const answer = await tus.patch(id, bytes.length, Buffer.alloc(0))
    expect([answer.status, answer.headers['upload-offset']]).toEqual([204, '200000'])
  }
  expect({ ...(await tus.report(id)), expires_in: 0 }).toEqual({ ...before, expires_in: 0 })
  expect(await eventsOf(server, id)).toEqual(events)
  expect(events.filter((type) => type === 'upload.ready.v1')).toHaveLength(1)
})

test('"`onUploadFinish` throws": what is wrong with the file is told, and HEAD answers 410, not complete', async () => {
  const bytes = someBytes(200_000)
  const id = await tus.begin(bytes.length, { md5: '0'.repeat(32) })
  expectProblem(await tus.patch(id, 0, bytes), 422, 'HASH_MISMATCH')
  expect((await tus.head(id)).status).toBe(410)
  const problem = expectProblem(await tus.patch(id, bytes.length, Buffer.alloc(0)), 410, 'GONE')
  expect(problem).toMatchObject({
    detail: expect.stringContaining('md5'),
    details: { state: 'failed', error: 'HASH_MISMATCH' },
  })
  expect(await tus.report(id)).toMatchObject({ state: 'failed', error: { code: 'HASH_MISMATCH' } })
})

test('"`onUploadFinish` throws" for a passing reason: the client is done, and we try again', async () => {
  const bytes = someBytes(200_000)
  const id = await tus.begin(bytes.length)
  const objects = path.join(server.dataDir, 'store', 'objects')
  await rename(objects, `${objects}-away`)
  try {
    const answer = await tus.patch(id, 0, bytes)
    expect([answer.status, answer.headers['upload-offset']]).toEqual([204, '200000'])
    expect(await tus.report(id)).toMatchObject({ state: 'finalizing', offset: 200_000, retrieval_url: null })
    const head = await tus.head(id)
    expect([head.status, head.headers['upload-offset']]).toEqual([200, '200000'])
  } finally {
    await rename(`${objects}-away`, objects)
  }
  for (let waited = 0; waited < 10_000 && (await tus.report(id)).state !== 'ready'; waited += 100)
    await sleep(100)
  expect(await tus.report(id)).toMatchObject({ state: 'ready', checksums: checksumsOf(bytes) })
})

test('"A 200 from the hook on an empty creation drops `Location`": 201, with Location, and ready', async () => {
  const answer = await tus.create({ sizeBytes: 0 })
  expect(answer.status).toBe(201)
  expect(answer.headers.location).toMatch(/^https:\/\/staging\.example\.org\/uploads\/[0-9a-f]{40}$/)
  expect((await tus.report(idOf(answer))).state).toBe('ready')
})

test('"Errors are text/plain": every one is problem+json, those before the protocol too, with its own headers', async () => {
  const id = await tus.begin(5)
  const answers: [Answer, number, Parameters<typeof expectProblem>[2]][] = [
    [await tus.create({ sizeBytes: 1, headers: { 'Tus-Resumable': undefined } }), 412, 'UNSUPPORTED_VERSION'],
    [await tus.create({ sizeBytes: 1, headers: { 'Upload-Length': '-1' } }), 400, 'INVALID_INPUT'],
    [await tus.create({ sizeBytes: 1, headers: { 'Upload-Metadata': 'x y z' } }), 400, 'INVALID_INPUT'],
    [await tus.patch(id, 3, Buffer.from('x')), 409, 'OFFSET_MISMATCH'],
    [await tus.patch('0'.repeat(40), 0, Buffer.from('x')), 404, 'NOT_FOUND'],
    [await tus.patch(id, 0, Buffer.from('too long')), 413, 'PAYLOAD_TOO_LARGE'],
  ]
  for (const [answer, status, code] of answers) {
    expectProblem(answer, status, code)
    expect(answer.headers['cache-control']).toBe('no-store')
  }
  expect(answers[3]?.[0].headers['upload-offset']).toBe('0')
})

test('"Wrong Tus-Resumable: 400; missing: 412 without Tus-Version": both are 412, with Tus-Version', async () => {
  for (const version of ['0.2.2', '2.0.0', undefined]) {
    const answer = await tus.create({ sizeBytes: 1, headers: { 'Tus-Resumable': version } })
    expectProblem(answer, 412, 'UNSUPPORTED_VERSION')
    expect(answer.headers['tus-version']).toBe('1.0.0')
  }
})

test('"PATCH with a missing Content-Type 403, a wrong one 400, `; charset` refused": 415, 415, accepted', async () => {
  const id = await tus.begin(2)
  const patch = (type: string | undefined) => tus.patch(id, 0, Buffer.from('a'), { 'Content-Type': type })
  expectProblem(await patch(undefined), 415, 'UNSUPPORTED_MEDIA_TYPE')
  expectProblem(await patch('application/octet-stream'), 415, 'UNSUPPORTED_MEDIA_TYPE')
  expect((await tus.head(id)).headers['upload-offset']).toBe('0')
  expect((await patch('application/offset+octet-stream; charset=utf-8')).status).toBe(204)
  expect((await tus.head(id)).headers['upload-offset']).toBe('1')
})

test('"Missing Upload-Offset: 403": 400', async () => {
  const id = await tus.begin(2)
  expectProblem(
    await tus.patch(id, 0, Buffer.from('a'), { 'Upload-Offset': undefined }),
    400,
    'INVALID_INPUT',
  )
  expect((await tus.head(id)).headers['upload-offset']).toBe('0')
})

test('"X-HTTP-Method-Override ignored": honoured, and authorised as the method it names', async () => {
  const id = await tus.begin(2)
  const override = (client: TusClient, method: string, more = {}, body?: Uint8Array) =>
    client.send('POST', `/uploads/${id}`, { 'X-HTTP-Method-Override': method, ...more }, body)
  const patch = { 'Upload-Offset': 0, 'Content-Type': 'application/offset+octet-stream' }
  expect((await override(tus, 'PATCH', patch, Buffer.from('a'))).headers['upload-offset']).toBe('1')
  // This key may upload, not delete; the other one may delete, not upload.
  expectProblem(await override(tus, 'DELETE'), 403, 'FORBIDDEN')
  const deleter = new TusClient(server, DELETE_KEY)
  expectProblem(
    await override(deleter, 'PATCH', { ...patch, 'Upload-Offset': 1 }, Buffer.from('b')),
    403,
    'FORBIDDEN',
  )
  expect(await tus.report(id)).toMatchObject({ state: 'receiving', offset: 1 })
  expect((await override(deleter, 'DELETE')).status).toBe(204)
  expect((await tus.report(id)).state).toBe('canceled')
})

test('"No checksum extension (460)": it is there', async () => {
  const options = await ask(server.url, { method: 'OPTIONS', path: '/uploads' })
  expect(String(options.headers['tus-extension']).split(',')).toContain('checksum')
  expect(options.headers['tus-checksum-algorithm']).toBe('md5,sha1,sha256')
  const id = await tus.begin(4)
  const sha1 = (text: string) => ({
    'Upload-Checksum': `sha1 ${createHash('sha1').update(text).digest('base64')}`,
  })
  expectProblem(await tus.patch(id, 0, Buffer.from('wxyz'), sha1('abcd')), 460, 'CHECKSUM_MISMATCH')
  expect((await tus.head(id)).headers['upload-offset']).toBe('0')
  expect((await tus.patch(id, 0, Buffer.from('abcd'), sha1('abcd'))).status).toBe(204)
})

test('"No … concatenation; declaring `concatenation` in a store meets a misspelt check": ours is asked before it', async () => {
  const options = await ask(server.url, { method: 'OPTIONS', path: '/uploads' })
  expect(String(options.headers['tus-extension'])).toContain('concatenation')
  const parts = ['abc', 'de'].map((text) => ({ text, partial: { 'Upload-Concat': 'partial' } }))
  const urls: string[] = []
  for (const { text, partial } of parts) {
    const created = await tus.create({ sizeBytes: text.length, headers: partial })
    urls.push(String(created.headers.location))
    expect((await tus.patch(idOf(created), 0, Buffer.from(text))).status).toBe(204)
  }
  const final = await tus.send('POST', '/uploads', { 'Upload-Concat': `final;${urls.join(' ')}` })
  expect(final.status).toBe(201)
  const report = await reportWhen(tus, idOf(final), ({ state }) => state === 'ready')
  expect(report.checksums?.sha1).toBe(createHash('sha1').update('abcde').digest('hex'))
})

test('"MemoryLocker busy-spins": a HEAD against a stalled PATCH is answered within a second, exactly', async () => {
  const id = await tus.begin(1_000)
  const head = [
    `PATCH /uploads/${id} HTTP/1.1`,
    'Host: x',
    `Authorization: Bearer ${server.key}`,
    'Tus-Resumable: 1.0.0',
    'Upload-Offset: 0',
    'Content-Type: application/offset+octet-stream',
    'Content-Length: 1000',
  ].join('\r\n')
  const stalled = askRaw(server.url, [`${head}\r\n\r\n`, Buffer.alloc(400)])
  await sleep(300)
  const startedAt = performance.now()
  const answer = await tus.head(id)
  expect(performance.now() - startedAt).toBeLessThan(1_000)
  expect([answer.status, answer.headers['upload-offset']]).toEqual([200, '400'])
  expectProblem((await stalled)[0]!, 423, 'LOCKED')
})

test('"MemoryLocker busy-spins": while a HEAD waits for a holder elsewhere, the CPU rests', async () => {
  const id = await tus.begin(1_000)
  await rowsOf(
    server,
    `UPDATE uploads SET lease_holder = 'another instance', lease_epoch = 9, lease_until = now() + interval '4 seconds' WHERE id = $1`,
    [id],
  )
  const [cpuBefore, startedAt] = [await cpuSeconds(), performance.now()]
  const answer = await tus.head(id)
  const waitedSeconds = (performance.now() - startedAt) / 1000
  expect([answer.status, answer.headers['upload-offset']]).toEqual([200, '0'])
  expect(waitedSeconds).toBeGreaterThan(3)
  expect((await cpuSeconds()) - cpuBefore).toBeLessThan(waitedSeconds / 4)
})

test('"The default Location reflects Host and X-Forwarded-Host": it is built from PUBLIC_URL', async () => {
  const answer = await tus.create({
    sizeBytes: 1,
    headers: {
      Host: 'evil.example',
      'X-Forwarded-Host': 'evil.example',
      'X-Forwarded-Proto': 'http',
      Forwarded: 'host=evil.example;proto=http',
    },
  })
  expect(answer.status).toBe(201)
  expect(new URL(String(answer.headers.location)).origin).toBe('https://staging.example.org')
})

test('"CORS is `*`": the configured origins, for what a browser sends and may read', async () => {
  const preflight = (origin: string) =>
    ask(server.url, {
      method: 'OPTIONS',
      path: '/uploads',
      headers: {
        Origin: origin,
        'Access-Control-Request-Method': 'PATCH',
        'Access-Control-Request-Headers': 'authorization,tus-resumable,upload-offset,content-type',
      },
    })
  const good = await preflight('https://data.example.org')
  expect(good.headers['access-control-allow-origin']).toBe('https://data.example.org')
  expect(good.headers['access-control-allow-methods']).toContain('PATCH')
  expect(good.headers['access-control-allow-headers']).toContain('upload-offset')
  expect((await preflight('https://evil.example')).headers['access-control-allow-origin']).toBeUndefined()

  const origin = { Origin: 'https://data.example.org' }
  const created = await tus.create({ sizeBytes: 1, headers: origin })
  expect(created.headers['access-control-allow-origin']).toBe('https://data.example.org')
  const exposed = String(created.headers['access-control-expose-headers']).split(',')
  expect(exposed).toEqual(
    expect.arrayContaining(['Location', 'Upload-Offset', 'Upload-Length', 'Tus-Resumable', 'Upload-Expires']),
  )
  expect(created.headers['access-control-allow-credentials']).toBeUndefined()
  // A page may read why it was refused.
  const refused = await tus.patch(idOf(created), 7, Buffer.from('x'), origin)
  expect([refused.status, refused.headers['access-control-allow-origin']]).toEqual([
    409,
    'https://data.example.org',
  ])
  const other = await tus.create({ sizeBytes: 1, headers: { Origin: 'https://evil.example' } })
  expect(other.headers['access-control-allow-origin']).toBeUndefined()
})

test('"CORS is `*`": with origins configured, OPTIONS still says what tus can do', async () => {
  for (const headers of [{}, { Origin: 'https://data.example.org' }]) {
    const answer = await ask(server.url, { method: 'OPTIONS', path: '/uploads', headers })
    expect(answer.headers).toMatchObject({ 'tus-version': '1.0.0', 'tus-resumable': '1.0.0' })
    expect(answer.headers['tus-extension']).toContain('creation')
  }
})

test('"GET serves inline with the client’s type and no nosniff": the report, and bytes that can’t run', async () => {
  const page = Buffer.from('<!doctype html><script>alert(1)</script>')
  const report = await tus.put(page, { filename: 'page.html', filetype: 'text/html' })
  const resource = await tus.send('GET', `/uploads/${report.id}`)
  expect(resource.headers['content-type']).toMatch(/^application\/json/)
  const file = await ask(server.url, { method: 'GET', path: pathOf(report.retrieval_url) })
  expect(file.headers).toMatchObject({
    'content-disposition': 'attachment; filename="page.html"',
    'x-content-type-options': 'nosniff',
    'content-security-policy': "default-src 'none'; frame-ancestors 'none'; sandbox",
  })
})

test('"GET serves inline …; CR/LF or Japanese in a filename gives 500": refused at creation, and served by RFC 6266', async () => {
  const report = await tus.put(Buffer.from('x'), { filename: '湖.csv' })
  const file = await ask(server.url, { method: 'GET', path: pathOf(report.retrieval_url) })
  expect([file.status, file.headers['content-disposition']]).toEqual([
    200,
    `attachment; filename="?.csv"; filename*=UTF-8''%E6%B9%96.csv`,
  ])
  const metadata = writeMetadata({ filename: 'a\r\nX-Injected: yes' })
  const refused = await tus.create({ sizeBytes: 1, headers: { 'Upload-Metadata': metadata } })
  expectProblem(refused, 400, 'INVALID_INPUT')
})

test('"`handle()` turns the socket into a web stream and back": no web stream is made for our bytes', async () => {
  const bytes = someBytes(3_000_000)
  const id = await tus.begin(bytes.length)
  // Not the creation: there the empty text of the answer is one.
  const said = server.logs().length
  await tus.patch(id, 0, bytes.subarray(0, 1_000_000))
  await tus.patch(id, 1_000_000, Readable.from([bytes.subarray(1_000_000)]))
  expect(await tus.report(id)).toMatchObject({ state: 'ready', checksums: checksumsOf(bytes) })
  expect(server.logs()).toContain('[watch] requestTimeout')
  expect(server.logs().slice(said)).not.toContain('[watch]')
})

test('"`handle()` turns the socket into a web stream and back": stock does, so the test above would see it', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'antipasto-stock-'))
  const stock = spawn(process.execPath, ['--import', WATCH, STOCK, folder], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  let said = ''
  stock.stdout.on('data', (chunk: Buffer) => {
    said += chunk.toString()
  })
  try {
    while (!said.includes('port=')) await sleep(20)
    const url = `http://127.0.0.1:${/port=(\d+)/.exec(said)?.[1]}`
    const client = new TusClient({ url, key: '', dataDir: folder, databaseUrl: undefined })
    const id = await client.begin(3)
    const before = said.length
    expect((await client.patch(id, 0, Buffer.from('abc'))).status).toBe(204)
    for (let waited = 0; waited < 2_000 && said.length === before; waited += 20) await sleep(20)
    expect(said.slice(before)).toContain('[watch]')
  } finally {
    stock.stdin.end()
    await new Promise((resolve) => stock.once('exit', resolve))
    await rm(folder, { recursive: true, force: true })
  }
})

test('"Its own GET throws an uncaught `ReadableStream is already closed`": 20 of 20 with Connection: close are whole, with ranges', async () => {
  const { pid } = server
  const bytes = someBytes(1024 ** 2)
  const report = await tus.put(bytes)
  for (let i = 0; i < 20; i += 1) {
    const range = i % 2 === 0 ? {} : { Range: `bytes=${i * 1_000}-` }
    const headers = { Connection: 'close', ...range }
    const answer = await ask(server.url, { method: 'GET', path: pathOf(report.retrieval_url), headers })
    expect(answer.status).toBe(i % 2 === 0 ? 200 : 206)
    expect(answer.body.equals(bytes.subarray(i % 2 === 0 ? 0 : i * 1_000))).toBe(true)
  }
  expect(server.pid).toBe(pid)
})

test('"Node’s `requestTimeout` (300 s) ends long PATCHes": it is 0', () => {
  expect(server.logs()).toContain('[watch] requestTimeout=0')
})

test('"Node’s `requestTimeout` (300 s) ends long PATCHes": a slow one goes on, one without progress is ended with its bytes kept', async () => {
  const bytes = someBytes(50)
  const id = await tus.begin(bytes.length)
  async function* trickle() {
    for (let at = 0; at < 40; at += 4) {
      yield bytes.subarray(at, at + 4)
      await sleep(400)
    }
    await sleep(20_000, undefined, { ref: false })
  }
  const startedAt = performance.now()
  // Ten pieces in four seconds: longer than the two of NO_PROGRESS_TIMEOUT; and then nothing.
  const answer = await tus.patch(id, 0, Readable.from(trickle()))
  expectProblem(answer, 408, 'REQUEST_TIMEOUT')
  expect(performance.now() - startedAt).toBeGreaterThan(5_000)
  expect((await tus.head(id)).headers['upload-offset']).toBe('40')
  expect((await tus.patch(id, 40, bytes.subarray(40))).status).toBe(204)
  expect((await tus.report(id)).checksums).toEqual(checksumsOf(bytes))
})
