// What somebody stores must not run in our origin, however a browser is brought to it. Each file tells a site of the test when
// anything in it runs; a control shows that it would, were it served by somebody less careful.

import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import { bodyOf, RestClient } from '../dialects/rest-client.js'
import { startServer, type TestServer } from '../support/server.js'
import { describeInChromium, html, openWitness, type Site, startSite, type Witness } from './ground.js'

interface Payload {
  name: string
  type: string
  /** @param canary the URL that is asked when it runs */
  make(canary: string): string
}

/** Everything that a script might do to be noticed. */
const act = (canary: string) =>
  `try{(self.fetch||fetch)('${canary}/fetch',{mode:'no-cors'})}catch(e){};try{new Image().src='${canary}/image'}catch(e){};` +
  `try{importScripts('${canary}/import')}catch(e){};try{alert('ran')}catch(e){};try{top.location='${canary}/top'}catch(e){}`

const PAYLOADS: readonly Payload[] = [
  {
    name: 'page.html',
    type: 'text/html',
    make: (canary) =>
      `<!doctype html><script>${act(canary)}</script><img src="${canary}/img" onerror="${act(canary)}">` +
      `<meta http-equiv="refresh" content="0;url=${canary}/refresh"><link rel="stylesheet" href="${canary}/style">` +
      `<iframe src="${canary}/frame"></iframe><form id=f action="${canary}/form"></form><script>f.submit()</script>`,
  },
  {
    name: 'page.xhtml',
    type: 'application/xhtml+xml',
    make: (canary) =>
      `<html xmlns="http://www.w3.org/1999/xhtml"><body><script><![CDATA[${act(canary)}]]></script><img src="${canary}/img"/></body></html>`,
  },
  {
    name: 'picture.svg',
    type: 'image/svg+xml',
    make: (canary) =>
      `<svg xmlns="http://www.w3.org/2000/svg" onload="${act(canary).replaceAll('&', '&amp;')}"><script><![CDATA[${act(canary)}]]></script>` +
      `<image href="${canary}/img" width="9" height="9"/><foreignObject><iframe xmlns="http://www.w3.org/1999/xhtml" src="${canary}/frame"/></foreignObject></svg>`,
  },
  {
    name: 'style.xml',
    type: 'application/xml',
    // Its transformation is in the file itself, so that nothing has to be fetched for it.
    make: (canary) =>
      `<?xml version="1.0"?><?xml-stylesheet type="text/xsl" href="#sheet"?><!DOCTYPE d [<!ATTLIST xsl:stylesheet id ID #IMPLIED>]>` +
      `<d><xsl:stylesheet id="sheet" version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"><xsl:template match="/">` +
      `<html><body><script>${act(canary)}</script><img src="${canary}/img"/></body></html></xsl:template></xsl:stylesheet>` +
      `<h:script xmlns:h="http://www.w3.org/1999/xhtml"><![CDATA[${act(canary)}]]></h:script></d>`,
  },
  {
    name: 'paper.pdf',
    type: 'application/pdf',
    make: (canary) =>
      `%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R/OpenAction<</S/JavaScript/JS(app.alert\\('ran'\\);this.submitForm\\('${canary}/pdf'\\);)>>>>endobj\n` +
      `2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]/AA<</O<</S/URI/URI(${canary}/uri)>>>>>>endobj\n` +
      `trailer<</Root 1 0 R>>\n%%EOF`,
  },
  {
    name: 'archive.mhtml',
    type: 'multipart/related; boundary=b',
    make: (canary) =>
      `MIME-Version: 1.0\r\nContent-Type: multipart/related; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\nContent-Location: http://x/\r\n\r\n` +
      `<script>${act(canary)}</script><img src="${canary}/img">\r\n--b--\r\n`,
  },
  { name: 'program.js', type: 'text/javascript', make: (canary) => act(canary) },
  { name: 'module.mjs', type: 'application/javascript', make: (canary) => `${act(canary)};export default 1` },
  // Whatever the type claims, what is inside mustn't be found out by looking.
  {
    name: 'plain.txt',
    type: 'text/plain',
    make: (canary) => `<!doctype html><script>${act(canary)}</script>`,
  },
  {
    name: 'unknown',
    type: 'application/octet-stream',
    make: (canary) => `<html><script>${act(canary)}</script>`,
  },
]

/** All the ways to have a page run, show or load a URL; each settles whatever comes of it. */
const TRY_EVERYTHING = `async (urls) => {
  const settled = (element, insert) => new Promise((resolve) => {
    element.onload = element.onerror = resolve
    insert(element)
    setTimeout(resolve, 1_500)
  })
  const add = (tag, members) => settled(Object.assign(document.createElement(tag), members), (made) => document.body.append(made))
  const all = []
  for (const url of urls) {
    all.push(add('iframe', { src: url }), add('img', { src: url }), add('object', { data: url }), add('embed', { src: url }),
      add('script', { src: url }), add('script', { src: url, type: 'module' }), add('link', { rel: 'stylesheet', href: url }),
      add('video', { src: url }), add('audio', { src: url }))
    for (const start of [() => new Worker(url), () => new Worker(url, { type: 'module' }), () => new SharedWorker(url),
      () => import(url), () => navigator.serviceWorker.register(url), () => document.fonts.add(new FontFace('f', 'url(' + url + ')'))]) {
      all.push((async () => start())().catch(() => {}))
    }
    all.push((async () => {
      const answer = await fetch(url)
      const blob = URL.createObjectURL(new Blob([await answer.arrayBuffer()], { type: answer.headers.get('content-type') }))
      await Promise.all([add('iframe', { src: blob }), add('script', { src: blob }), add('object', { data: blob }), add('img', { src: blob }),
        (async () => new Worker(blob))().catch(() => {}), import(blob).catch(() => {})])
    })().catch(() => {}))
  }
  await Promise.all(all)
}`

describeInChromium('what is stored', (browser) => {
  let canary: Site
  let attacker: Site
  /** Its retrieval URLs are in the origin of its dashboard; those of the other one aren't. */
  let joined: TestServer
  let split: TestServer
  let witness: Witness
  const urlsAt = new Map<TestServer, Map<string, string[]>>()

  beforeAll(async () => {
    ;[canary, attacker] = await Promise.all([startSite(), startSite({ '/': html('attacker') })])
    // Without a credential, /files would refuse everybody before anything else could.
    const env = { ANON_READ: 'true' }
    const splitEnv: Record<string, string> = { ...env }
    ;[joined, split] = await Promise.all([startServer({ env }), startServer({ env: splitEnv })])
    // Which port it has is known only now.
    splitEnv.RETRIEVAL_URL = split.url
    await split.restart()
    for (const server of [joined, split]) urlsAt.set(server, await store(server))
  })

  afterEach(async () => {
    await witness?.context.close()
    canary.requests.length = 0
  })

  afterAll(async () => {
    await Promise.all([joined?.dispose(), split?.dispose(), canary?.close(), attacker?.close()])
  })

  const canaryOf = (name: string) => `${canary.origin}/ran/${name}`

  async function store(server: TestServer): Promise<Map<string, string[]>> {
    const urls = new Map<string, string[]>()
    for (const { name, type, make } of PAYLOADS) {
      const put = await new RestClient({ url: dashboardOf(server), key: server.key }).send(
        'POST',
        `/files?filename=${name}`,
        { 'Content-Type': type },
        Buffer.from(make(canaryOf(name))),
      )
      expect(put.status).toBe(201)
      const { retrieval_url, file_id } = bodyOf<{ retrieval_url: string; file_id: string }>(put)
      const content = `${dashboardOf(server)}/files/${file_id}`
      urls.set(name, [retrieval_url, content, `${content}/download`])
    }
    return urls
  }

  /** PUBLIC_URL, as nothing else is set. */
  function dashboardOf(server: TestServer): string {
    return server.url.replace('127.0.0.1', 'localhost')
  }

  function urlsOf(server: TestServer, name: string): string[] {
    return urlsAt.get(server)?.get(name) ?? []
  }

  /** Nothing ran, nothing was asked for, and no page has gone anywhere but to `expected`. */
  function expectNothingRan(expected: string): void {
    expect(canary.requests).toEqual([])
    expect(witness.dialogs).toEqual([])
    expect(new Set(witness.visited)).toEqual(new Set([expected]))
    expect(witness.page.url()).toBe(expected)
  }

  test('has its URLs where it should', () => {
    const [atJoined = '', contentAtJoined = ''] = urlsOf(joined, 'page.html')
    const [atSplit = '', contentAtSplit = ''] = urlsOf(split, 'page.html')
    expect(new URL(atJoined).origin).toBe(new URL(contentAtJoined).origin)
    expect(new URL(atSplit).origin).toBe(split.url)
    expect(new URL(contentAtSplit).origin).toBe(dashboardOf(split))
  })

  test.each(['page.html', 'page.xhtml', 'picture.svg', 'style.xml', 'program.js', 'module.mjs'])(
    'would run, were it served without care: %s',
    async (name) => {
      const payload = PAYLOADS.find((one) => one.name === name)
      const careless = await startSite()
      careless.pages.set(`/${name}`, { type: payload?.type ?? '', body: payload?.make(canaryOf(name)) ?? '' })
      const kind = name.endsWith('.mjs') ? ' type="module"' : ''
      careless.pages.set('/', html(`<script src="/${name}"${kind}></script>`))
      witness = await openWitness(browser())
      const isScript = payload?.type.includes('javascript')
      await witness.page
        .goto(careless.origin + (isScript ? '/' : `/${name}`), { waitUntil: 'commit' })
        .catch(() => {})
      for (let waited = 0; waited < 5_000 && canary.requests.length === 0; waited += 50) await sleep(50)
      expect(canary.requests.filter((path) => !path.endsWith('favicon.ico'))).not.toEqual([])
      await witness.context.close()
      canary.requests.length = 0
      await careless.close()
    },
  )

  describe.each([
    ['in the origin of the dashboard', () => joined],
    ['on a host of its own', () => split],
  ])('%s', (_where, serverOf) => {
    test.each(PAYLOADS)('is saved when somebody goes there: $name', async ({ name }) => {
      witness = await openWitness(browser())
      const start = `${attacker.origin}/`
      await witness.page.goto(start)
      for (const url of urlsOf(serverOf(), name)) {
        const download = witness.page.waitForEvent('download')
        await witness.page.evaluate(`location = ${JSON.stringify(url)}`)
        expect((await download).suggestedFilename()).toContain(name.split('.')[0])
      }
      await sleep(150)
      expectNothingRan(start)
    })

    test('runs in no page of another site', async () => {
      await tryEverythingAt(`${attacker.origin}/`, serverOf())
    })

    test.each(['/', '/docs'])(
      'runs not even in %s, if somebody got a foot into it',
      async (path) => {
        await tryEverythingAt(dashboardOf(serverOf()) + path, serverOf())
      },
      60_000,
    )
  })

  async function tryEverythingAt(start: string, server: TestServer): Promise<void> {
    const urls = [...(urlsAt.get(server)?.values() ?? [])].flat()
    expect(urls).toHaveLength(3 * PAYLOADS.length)
    witness = await openWitness(browser())
    await witness.page.goto(start)
    await witness.page.evaluate(`(${TRY_EVERYTHING})(${JSON.stringify(urls)})`)
    expectNothingRan(start)
  }

  test('is refused to a page of ours as a script, which the policy of the page alone would let pass', async () => {
    witness = await openWitness(browser())
    await witness.page.goto(`${dashboardOf(joined)}/`)
    for (const url of urlsOf(joined, 'program.js')) {
      const answer = witness.page.waitForResponse(url)
      await witness.page.evaluate(
        `document.head.append(Object.assign(document.createElement('script'), { src: ${JSON.stringify(url)} }))`,
      )
      expect((await answer).status()).toBe(403)
    }
    expectNothingRan(`${dashboardOf(joined)}/`)
  })

  test('is read by a page of ours all the same', async () => {
    witness = await openWitness(browser())
    await witness.page.goto(`${dashboardOf(joined)}/`)
    for (const url of urlsOf(joined, 'plain.txt')) {
      const text = await witness.page.evaluate(
        `fetch(${JSON.stringify(url)}).then((answer) => answer.text())`,
      )
      expect(text).toContain('<!doctype html>')
    }
  })
})
