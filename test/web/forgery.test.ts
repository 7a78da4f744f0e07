// CSRF and clickjacking in a real browser: somebody is signed in at the dashboard, and visits another site in the same profile.

import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals'
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

const ENCODINGS = ['application/x-www-form-urlencoded', 'multipart/form-data', 'text/plain'] as const

describeInChromium('another site', (browser) => {
  let site: Site
  let server: TestServer
  let uploadId: string
  let packageId: string
  let witness: Witness

  beforeAll(async () => {
    ;[site, server] = await Promise.all([startSite({ '/': html('<h1>A nice game</h1>') }), startServer()])
    const client = new RestClient(server)
    const put = await client.send(
      'POST',
      '/files?filename=mine.csv',
      { 'Content-Type': 'text/csv' },
      Buffer.from('a,b'),
    )
    uploadId = bodyOf<{ upload_id: string }>(put).upload_id
    packageId = bodyOf<{ id: string }>(await client.json('POST', '/packages', { name: 'mine' })).id
  })

  afterEach(async () => witness?.context.close())

  afterAll(async () => {
    await Promise.all([server?.dispose(), site?.close()])
  })

  /** The dashboard in one tab, signed in; the other site in the next. */
  async function signInAndStray() {
    witness = await openWitness(browser())
    await witness.page.goto(`${server.url}/#key=${server.key}`)
    await witness.page.locator('.staged-row, .staged-group').first().waitFor()
    const page = await witness.context.newPage()
    await page.goto(`${site.origin}/`)
    return page
  }

  const targets = () => [
    ['POST', '/uploads'],
    ['POST', `/uploads/${uploadId}/complete`],
    ['POST', `/uploads/${uploadId}/retrieval-url`],
    ['POST', '/files?filename=forged.csv'],
    ['POST', '/packages'],
    ['POST', `/packages/${packageId}/finalize`],
    ['POST', `/packages/${packageId}/files`],
    ['POST', '/webhooks'],
    ['POST', '/api-keys'],
    ['POST', `/uploads/${uploadId}?_method=DELETE`],
    ['GET', '/uploads'],
    ['GET', `/uploads/${uploadId}?_method=DELETE`],
  ]

  test.each(ENCODINGS)(
    'changes nothing by forms of %s',
    async (encoding) => {
      const page = await signInAndStray()
      const before = await holdings(server)
      const seen: number[] = []
      witness.context.on('response', (answer) => {
        if (answer.url().startsWith(server.url) && answer.request().isNavigationRequest())
          seen.push(answer.status())
      })
      for (const [method, path] of targets()) {
        const answered = page.waitForResponse(
          `${server.url}${path}${method === 'GET' ? '*' : ''}`.replace(/\?.*\*$/, '*'),
        )
        await page.evaluate(`(() => {
        const frame = Object.assign(document.createElement('iframe'), { name: 'f' + Math.random() })
        const form = Object.assign(document.createElement('form'), {
          method: '${method}', action: '${server.url}${path}', enctype: '${encoding}', target: frame.name })
        const fields = { '{"name":"forged","x":"': '"}', scopes: 'upload', name: 'forged', url: 'https://evil.example', _method: 'DELETE', access_key: 'x' }
        for (const [name, value] of Object.entries(fields)) form.append(Object.assign(document.createElement('input'), { type: 'hidden', name, value }))
        document.body.append(frame, form)
        form.submit()
      })()`)
        expect([path, (await answered).status()]).toEqual([path, expect.any(Number)])
      }
      expect(seen.length).toBeGreaterThanOrEqual(targets().length)
      expect(seen.filter((status) => status < 400)).toEqual([])
      expect(await holdings(server)).toEqual(before)
    },
    60_000,
  )

  test('changes nothing by requests that need no leave', async () => {
    const page = await signInAndStray()
    const before = await holdings(server)
    for (const [method, path] of targets()) {
      for (const type of ENCODINGS) {
        const init = {
          method,
          mode: 'no-cors',
          credentials: 'include',
          ...(method === 'POST' && { headers: { 'Content-Type': type }, body: '{}' }),
        }
        const outcome = await page.evaluate(
          `fetch('${server.url}${path}', ${JSON.stringify(init)}).then((answer) => answer.type + answer.status, (error) => error.name)`,
        )
        expect(outcome).toBe('opaque0')
      }
      await page.evaluate(
        `navigator.sendBeacon('${server.url}${path}', new Blob(['{}'], { type: 'text/plain' }))`,
      )
    }
    expect(await holdings(server)).toEqual(before)
    expect(await witness.context.cookies()).toEqual([])
  })

  test('gets its preflights refused for what would need leave', async () => {
    const page = await signInAndStray()
    const before = await holdings(server)
    for (const init of [
      { method: 'DELETE' },
      { method: 'POST', headers: { 'X-HTTP-Method-Override': 'DELETE' } },
      { method: 'PATCH', headers: { 'Content-Type': 'application/merge-patch+json' }, body: '{}' },
    ]) {
      const outcome = await page.evaluate(
        `fetch('${server.url}/uploads/${uploadId}', ${JSON.stringify(init)}).then(() => 'answered', (error) => error.name)`,
      )
      expect(outcome).toBe('TypeError')
    }
    expect(await holdings(server)).toEqual(before)
  })

  test.each(['/', '/docs', '/openapi.json', '/sign-in', '/uploads', '/nothing'])(
    'can not frame %s',
    async (path) => {
      const page = await signInAndStray()
      site.pages.set(
        '/frame',
        html(
          `<iframe name="ours" src="${server.url}${path}"></iframe><object data="${server.url}${path}"></object>`,
        ),
      )
      const refused: string[] = []
      page.on('console', (message) => refused.push(message.text()))
      await page.goto(`${site.origin}/frame`)
      await page.waitForLoadState('load')
      for (const frame of page.frames().slice(1)) {
        expect(frame.url()).not.toContain(server.url)
        expect(
          await frame
            .locator('body')
            .textContent()
            .catch(() => ''),
        ).not.toContain('antipasto')
      }
      expect(refused.join('\n')).toMatch(/frame-ancestors|X-Frame-Options|ERR_BLOCKED_BY_RESPONSE|Refused to/)
    },
  )

  test('has no hold on the dashboard that it opens, nor the dashboard on it', async () => {
    const page = await signInAndStray()
    const opened = witness.context.waitForEvent('page')
    await page.evaluate(`window.held = window.open('${server.url}/')`)
    const ours = await opened
    await ours.waitForLoadState('load')
    expect(await ours.evaluate('window.opener')).toBeNull()
    expect(await page.evaluate('window.held.closed')).toBe(true)
    // Without the tab's own storage nobody is signed in there.
    expect(await ours.evaluate('JSON.stringify(sessionStorage)')).not.toContain(server.key)
  })
})
