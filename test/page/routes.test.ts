// What the dashboard's files say of themselves: policy, compression, how long they are kept. The policies in a real browser, too.

import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import express from 'express'
import { answerHeaders, documentHeaders, workerHeaders } from '../../server/http/security-headers.js'
import { createLog } from '../../server/ops/log.js'
import { requestId } from '../../server/ops/request-id.js'
import { pageRoutes } from '../../server/page/routes.js'
import { noSuchRoute, problemHandler } from '../../server/problem.js'
import { type Answer, ask } from '../dialects/exchange.js'
import { startServer, type TestServer } from '../support/server.js'
import { describeInChromium } from '../web/ground.js'

/** The smallest WebAssembly there is: no more than says that it is some. */
const WASM = 'new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0])'
const TELL = `WebAssembly.compile(${WASM}).then(() => 'compiled', (error) => error.name)`
const WORKER_SCRIPT = `import('./part-a1b2c3d4.js').then(async ({ part }) =>
  postMessage([part, await ${TELL}, await fetch('/me').then(() => 'fetched', () => 'not fetched')]))`
const HTML = '<!doctype html><title>page</title><script type="module" src="assets/main-a1b2c3d4.js"></script>'
const LONG = `// ${'words that come again '.repeat(2000)}\n`

const FILES: Record<string, string> = {
  'index.html': HTML,
  'assets/main-a1b2c3d4.js': `${LONG}document.title = 'runs'`,
  'assets/verify-worker-D4x_tZ7Q.js': `${LONG}${WORKER_SCRIPT}`,
  'assets/another-D4x_tZ7Q.js': WORKER_SCRIPT,
  'assets/part-a1b2c3d4.js': `export const part = 'part'`,
  'assets/icon-a1b2c3d4.png': 'x'.repeat(5000),
  'assets/workers-a1b2c3d4.css': LONG,
}

let folder: string
let server: Server
let url: string

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'antipasto-page-'))
  await mkdir(path.join(folder, 'assets'))
  for (const [name, text] of Object.entries(FILES)) await writeFile(path.join(folder, name), text)
  const app = express().disable('etag').disable('x-powered-by')
  const options = { isHttps: false }
  app.use(requestId, answerHeaders(options))
  app.get('/secrets', (_request, response) => {
    response.json({ secrets: LONG })
  })
  app.use(
    pageRoutes({ protect: documentHeaders(options), protectWorker: workerHeaders(options), folder }),
    noSuchRoute,
    problemHandler(createLog({ level: 'silent' })),
  )
  server = createServer(app).listen(0, '127.0.0.1')
  await once(server, 'listening')
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})

afterAll(async () => {
  server.closeAllConnections()
  server.close()
  await rm(folder, { recursive: true, force: true })
})

function get(target: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Answer> {
  return ask(url, { method, path: target, headers })
}

const policyOf = ({ headers }: Answer) => String(headers['content-security-policy'])

describe('the policy', () => {
  test.each(['/', '/index.html', '/assets/main-a1b2c3d4.js', '/assets/workers-a1b2c3d4.css'])(
    'of %s lets it run its own scripts and workers, and compile nothing',
    async (target) => {
      const policy = policyOf(await get(target))
      expect(policy).toContain("script-src 'self';")
      expect(policy).toContain("worker-src 'self';")
      expect(policy).not.toMatch(/unsafe|wasm/)
    },
  )

  test('of a worker’s script lets it compile WebAssembly, and nothing else', async () => {
    const answer = await get('/assets/verify-worker-D4x_tZ7Q.js')
    expect(policyOf(answer)).toBe(
      "default-src 'none';script-src 'self' 'wasm-unsafe-eval';frame-ancestors 'none'",
    )
    expect(answer.headers).toMatchObject({
      'cross-origin-resource-policy': 'same-origin',
      'x-content-type-options': 'nosniff',
      'content-type': expect.stringContaining('text/javascript'),
    })
  })

  test('of what isn’t there is that of data', async () => {
    for (const target of ['/assets/no-worker-D4x_tZ7Q.js', '/nothing', '/assets', '/assets/', '/..%2fx']) {
      const answer = await get(target)
      expect(answer.status).toBe(404)
      expect(policyOf(answer)).toBe("default-src 'none'; frame-ancestors 'none'")
    }
  })
})

describe('the bytes', () => {
  const script = '/assets/main-a1b2c3d4.js'
  const text = String(FILES[script.slice(1)])

  test.each([
    ['gzip, deflate, br', 'br', brotliDecompressSync],
    ['br;q=0.1, gzip', 'gzip', gunzipSync],
    ['gzip', 'gzip', gunzipSync],
  ])('for "%s" are %s', async (accepted, encoding, decompress) => {
    const answer = await get(script, { 'Accept-Encoding': accepted })
    expect(answer.headers).toMatchObject({ 'content-encoding': encoding, vary: 'Accept-Encoding' })
    expect(answer.body.length).toBeLessThan(text.length / 10)
    expect(decompress(answer.body).toString()).toBe(text)
  })

  test.each(['identity', 'br;q=0, gzip;q=0', 'x'])('for "%s" are as they are', async (accepted) => {
    const answer = await get(script, { 'Accept-Encoding': accepted })
    expect(answer.headers).not.toHaveProperty('content-encoding')
    expect(answer.headers).toMatchObject({ vary: 'Accept-Encoding', 'content-length': String(text.length) })
    expect(answer.body.toString()).toBe(text)
  })

  test('of a picture, which is compressed, are as they are', async () => {
    const answer = await get('/assets/icon-a1b2c3d4.png', { 'Accept-Encoding': 'br' })
    expect(answer.headers).not.toHaveProperty('content-encoding')
    expect(answer.body).toHaveLength(5000)
  })

  test('come whole to who asks for a range, which would be of others', async () => {
    const answer = await get(script, { Range: 'bytes=0-9', 'Accept-Encoding': 'gzip' })
    expect(answer.status).toBe(200)
    expect(answer.headers).not.toHaveProperty('accept-ranges')
    expect(gunzipSync(answer.body).toString()).toBe(text)
  })

  test('of HEAD are none', async () => {
    const answer = await get(script, { 'Accept-Encoding': 'br' }, 'HEAD')
    expect(answer.status).toBe(200)
    expect(answer.body).toHaveLength(0)
  })

  test('are not sent again to who has them', async () => {
    const { etag } = (await get('/', { 'Accept-Encoding': 'br' })).headers
    const answer = await get('/', { 'If-None-Match': String(etag), 'Accept-Encoding': 'gzip' })
    expect(answer.status).toBe(304)
    expect(answer.body).toHaveLength(0)
  })

  test('of anything else but the page’s files are not compressed', async () => {
    for (const target of ['/secrets', `/nothing/${'x'.repeat(4000)}`]) {
      const answer = await get(target, { 'Accept-Encoding': 'gzip, br' })
      expect(answer.headers).not.toHaveProperty('content-encoding')
    }
  })
})

describe('how long it is kept', () => {
  test.each([
    ['/assets/main-a1b2c3d4.js', 'public, max-age=31536000, immutable'],
    ['/assets/verify-worker-D4x_tZ7Q.js', 'public, max-age=31536000, immutable'],
    ['/', 'no-cache'],
    ['/index.html', 'no-cache'],
    ['/?token=x', 'no-store'],
  ])('%s: %s', async (target, wanted) => {
    const { headers } = await get(target)
    expect(headers['cache-control']).toBe(wanted)
    expect(headers.etag).toMatch(/^W\/"/)
  })
})

describe('on the running server', () => {
  let running: TestServer

  beforeAll(async () => {
    running = await startServer()
  })
  afterAll(() => running.dispose())

  test('the page is compressed, and answers of the API are not', async () => {
    const headers = { 'Accept-Encoding': 'br', Authorization: `Bearer ${running.key}` }
    const page = await ask(running.url, { method: 'GET', path: '/', headers })
    const html = page.headers['content-encoding'] === 'br' ? brotliDecompressSync(page.body) : page.body
    // The others may be too small for it to be worth while.
    const [script = ''] = /assets\/first-[^"]+\.js/.exec(html.toString()) ?? []
    const answer = await ask(running.url, { method: 'GET', path: `/${script}`, headers })
    expect(answer.headers['content-encoding']).toBe('br')
    for (const path of ['/openapi.json', '/uploads', '/me', '/docs', '/nothing']) {
      const other = await ask(running.url, { method: 'GET', path, headers })
      expect(other.headers).not.toHaveProperty('content-encoding')
    }
  })
})

describeInChromium('the policies', (browser) => {
  test('let WebAssembly run in a worker that is named so, in no other and not in the page', async () => {
    const context = await browser().newContext()
    try {
      const page = await context.newPage()
      await page.goto(url)
      expect(await page.title()).toBe('runs')
      const inPage = await page.evaluate<string>(TELL)
      const inWorker = (name: string) =>
        page.evaluate<string[]>(`new Promise((resolve) => {
          const worker = new Worker('/assets/${name}', { type: 'module' })
          worker.onmessage = ({ data }) => resolve(data)
          worker.onerror = () => resolve(['did not start'])
        })`)
      expect({
        inPage,
        named: await inWorker('verify-worker-D4x_tZ7Q.js'),
        other: await inWorker('another-D4x_tZ7Q.js'),
      }).toEqual({
        inPage: 'CompileError',
        named: ['part', 'compiled', 'not fetched'],
        other: ['part', 'CompileError', 'fetched'],
      })
    } finally {
      await context.close()
    }
  })
})
