// CORS in a real browser: pages of other origins, listed and not, with a key in their hands.

import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals'
import type { Frame, Page } from 'playwright-core'
import { bodyOf, RestClient } from '../dialects/rest-client.js'
import { startServer, type TestServer } from '../support/server.js'
import {
  describeInChromium,
  holdings,
  html,
  openWitness,
  type Site,
  startSite,
  type Witness,
} from './ground.js'

describeInChromium('CORS', (browser) => {
  let listed: Site
  let other: Site
  let server: TestServer
  let open: TestServer
  let witness: Witness

  beforeAll(async () => {
    const tusClient = createRequire(import.meta.url).resolve('tus-js-client/dist/tus.min.js')
    const pages = {
      '/': html('<script src="/tus.js"></script>'),
      '/tus.js': { type: 'text/javascript', body: await readFile(tusClient) },
      // The origin of what is in there is `null`.
      '/boxed': html('<iframe name="box" sandbox="allow-scripts" src="/"></iframe>'),
    }
    ;[listed, other] = await Promise.all([startSite(pages), startSite(pages)])
    ;[server, open] = await Promise.all([
      startServer({ env: { CORS_ORIGINS: `https://data.example.org, ${listed.origin}` } }),
      startServer({ env: { CORS_ORIGINS: '*' } }),
    ])
  })

  afterEach(async () => witness?.context.close())

  afterAll(async () => {
    await Promise.all([server?.dispose(), open?.dispose(), listed?.close(), other?.close()])
  })

  async function openAt(url: string): Promise<Page> {
    witness = await openWitness(browser())
    await witness.page.goto(url)
    return witness.page
  }

  /** What a page gets of a request with the key: its status and text, or the error's name. */
  function fetchIn(page: Page | Frame, to: TestServer, path: string, init: object = {}): Promise<Fetched> {
    const request = { headers: { Authorization: `Bearer ${to.key}` }, ...init }
    return page.evaluate<Fetched>(`fetch(${JSON.stringify(to.url + path)}, ${JSON.stringify(request)}).then(
      async (answer) => ({ status: answer.status, type: answer.type, text: await answer.text(), id: answer.headers.get('x-request-id') }),
      (error) => ({ error: error.name }))`)
  }

  interface Fetched {
    status?: number
    type?: string
    text?: string
    id?: string | null
    error?: string
  }

  /** Uploads with tus-js-client, in chunks; answers the upload's URL, or the error's message. */
  function uploadIn(page: Page | Frame, to: TestServer): Promise<string> {
    return page.evaluate<string>(`new Promise((resolve) => {
      new tus.Upload(new Blob(['x'.repeat(300_000)]), {
        endpoint: ${JSON.stringify(`${to.url}/uploads`)}, chunkSize: 100_000, retryDelays: null, storeFingerprintForResuming: false,
        headers: { Authorization: ${JSON.stringify(`Bearer ${to.key}`)} }, metadata: { filename: 'from-a-page.csv' },
        onSuccess() { resolve(this.url ?? 'done') }, onError(error) { resolve('failed: ' + error.message) },
      }).start()
    })`)
  }

  async function uploadsOf(to: TestServer): Promise<{ id: string; state: string; offset: number }[]> {
    const list = await new RestClient(to).send('GET', '/uploads')
    return bodyOf<{ items: { id: string; state: string; offset: number }[] }>(list).items
  }

  test('A page that is listed uploads, reads, changes and deletes', async () => {
    const page = await openAt(`${listed.origin}/`)
    expect(await uploadIn(page, server)).not.toContain('failed')
    const [upload] = await uploadsOf(server)
    expect(upload).toMatchObject({ state: 'ready', offset: 300_000 })

    const read = await fetchIn(page, server, '/uploads')
    expect(read).toMatchObject({ status: 200, type: 'cors', id: expect.stringMatching(/./) })
    expect(read.text).toContain(upload?.id)
    const changed = await fetchIn(page, server, `/uploads/${upload?.id}`, {
      method: 'PATCH',
      headers: { Authorization: `Bearer ${server.key}`, 'Content-Type': 'application/merge-patch+json' },
      body: '{"note":"from a page"}',
    })
    expect(changed.status).toBe(200)
    expect(
      (
        await fetchIn(page, server, `/uploads/${upload?.id}`, {
          method: 'DELETE',
          headers: { 'X-API-Key': server.key },
        })
      ).status,
    ).toBe(204)
    expect(await uploadsOf(server)).toEqual([])
    // A refusal is read, too: a page must be able to say why.
    expect(await fetchIn(page, server, '/uploads', { headers: {} })).toMatchObject({
      status: 401,
      text: expect.stringContaining('UNAUTHORIZED'),
    })
  })

  test('It has no cookie to send, and none is taken', async () => {
    const page = await openAt(`${listed.origin}/`)
    expect(await fetchIn(page, server, '/uploads', { credentials: 'include' })).toEqual({
      error: 'TypeError',
    })
    expect(await witness.context.cookies()).toEqual([])
  })

  test('What a retrieval URL leads to is read by a page that is listed, and by no other', async () => {
    const put = await new RestClient(server).send(
      'POST',
      '/files?filename=a.csv',
      { 'Content-Type': 'text/csv' },
      Buffer.from('a,b'),
    )
    const { pathname } = new URL(bodyOf<{ retrieval_url: string }>(put).retrieval_url)
    const page = await openAt(`${listed.origin}/`)
    const plain = { headers: {} }
    expect(await fetchIn(page, server, pathname, plain)).toMatchObject({ status: 200, text: 'a,b' })
    await page.goto(`${other.origin}/`)
    expect(await fetchIn(page, server, pathname, plain)).toEqual({ error: 'TypeError' })
    // Not even as something that it can't look into.
    expect(await fetchIn(page, server, pathname, { ...plain, mode: 'no-cors' })).toEqual({
      error: 'TypeError',
    })
  })

  test.each<[string, () => string]>([
    ['that is not listed', () => `${other.origin}/`],
    ['without an origin, in a box', () => `${listed.origin}/boxed`],
  ])('A page %s reads nothing and does nothing, even with a key', async (_which, url) => {
    const page = await openAt(url())
    const frame = page.frame('box') ?? page.mainFrame()
    await frame.waitForFunction('typeof tus === "object"')
    expect(await frame.evaluate('self.origin')).toBe(url().endsWith('/boxed') ? 'null' : other.origin)
    const before = await holdings(server)
    const victim = (await uploadsOf(server))[0]?.id ?? 'none'

    expect(await uploadIn(frame, server)).toContain('failed')
    for (const [path, init] of [
      ['/uploads', {}],
      ['/me', {}],
      ['/events?after=0', {}],
      [`/uploads/${victim}`, { method: 'DELETE', headers: { Authorization: `Bearer ${server.key}` } }],
      [
        '/files',
        {
          method: 'POST',
          headers: { Authorization: `Bearer ${server.key}`, 'Content-Type': 'text/csv' },
          body: 'a',
        },
      ],
      [
        '/packages',
        {
          method: 'POST',
          headers: { 'X-API-Key': server.key, 'Content-Type': 'application/json' },
          body: '{}',
        },
      ],
      // What needs no preflight goes out, and its answer is kept from the page.
      ['/uploads', { headers: {} }],
      ['/openapi.json', { headers: {} }],
      ['/healthz', { headers: {} }],
      ['/packages', { method: 'POST', headers: { 'Content-Type': 'text/plain' }, body: '{}' }],
    ] as const) {
      expect([path, await fetchIn(frame, server, path, init)]).toEqual([path, { error: 'TypeError' }])
    }
    expect(await holdings(server)).toEqual(before)
  })

  test('With * every page may, boxed ones too, but never with cookies', async () => {
    const page = await openAt(`${other.origin}/`)
    expect(await uploadIn(page, open)).not.toContain('failed')
    expect((await fetchIn(page, open, '/uploads')).status).toBe(200)
    expect(await fetchIn(page, open, '/uploads', { credentials: 'include' })).toEqual({ error: 'TypeError' })
    await page.goto(`${other.origin}/boxed`)
    expect((await fetchIn(page.frame('box') ?? page, open, '/uploads')).status).toBe(200)
  })
})
