// The pages under their policy in normal use, and names that look like markup.

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals'
import { openWatchedPage, type WatchedPage } from '../dashboard/browser.js'
import { PICK_FILES, rowOf, uploadButton } from '../dashboard/page-parts.js'
import { bodyOf, RestClient } from '../dialects/rest-client.js'
import { startServer, type TestServer } from '../support/server.js'
import { valueWhen } from '../support/until.js'
import { describeInChromium } from './ground.js'

const MARKUP = [
  '<img src=x onerror=alert(1)>.csv',
  '"><script>alert(1)<&>.csv',
  "'onmouseover='alert(1)' x='.csv",
  '{{constructor.constructor(1)}}<b>.csv',
  'a\u202egnp.exe<svg onload=alert(1)>',
]

describeInChromium('the pages', (browser) => {
  let server: TestServer
  let folder: string
  let watched: WatchedPage

  beforeAll(async () => {
    ;[server, folder] = await Promise.all([startServer(), mkdtemp(path.join(tmpdir(), 'antipasto-web-'))])
    const client = new RestClient(server)
    for (const text of MARKUP) {
      const put = await client.send(
        'POST',
        `/files?${new URLSearchParams({ filename: text, label: text })}`,
        { 'Content-Type': 'text/csv' },
        Buffer.from(`<html>${text}`),
      )
      expect(put.body.toString()).toContain('retrieval_url')
      expect(bodyOf<{ file_id: string }>(put).file_id).toMatch(/^[0-9a-f]{64}$/)
    }
  })

  afterEach(async () => watched?.close())

  afterAll(async () => {
    await server?.dispose()
    await rm(folder, { recursive: true, force: true })
  })

  test('The dashboard takes a picture, shows it and breaks no rule of its policy', async () => {
    // A picture, since a preview of it is drawn.
    const file = path.join(folder, '<b onclick=alert(1)>leaf&.png')
    await writeFile(file, PIXEL)
    watched = await openWatchedPage(browser(), server.url)
    const { page } = watched
    await page.goto(`${server.url}/#key=${server.key}`)
    await page.setInputFiles(PICK_FILES, file)
    await uploadButton(page).click()
    await rowOf(page, path.basename(file)).getByText('Ready', { exact: true }).waitFor()
    expect(await page.locator('b').count()).toBe(0)
    expect(watched.troubles).toEqual([])
  })

  test('What looks like markup is text', async () => {
    watched = await openWatchedPage(browser(), server.url)
    const { page } = watched
    const dialogs: string[] = []
    page.on('dialog', (dialog) => dialogs.push(dialog.message()))
    await page.goto(`${server.url}/#key=${server.key}`)
    // Its names are those of files and of packages.
    for (const text of MARKUP) await page.getByRole('button', { name: text }).first().waitFor()
    await page.getByRole('button', { name: 'One list' }).click()
    for (const text of MARKUP) await rowOf(page, text).waitFor()
    expect(await page.locator('.windowed').locator('img, script, b, [onmouseover], [onerror]').count()).toBe(
      0,
    )
    expect(dialogs).toEqual([])
    expect(watched.troubles).toEqual([])
  })

  test('A script, a style and a frame that get into a page do nothing there', async () => {
    for (const start of ['/', '/docs']) {
      watched = await openWatchedPage(browser(), server.url)
      const { page } = watched
      await page.goto(server.url + start)
      const ran = await page.evaluate(`(async () => {
        globalThis.ran = []
        const markup = '<img src="data:,x" onerror="ran.push(1)"><style>body { --ran: 1 }</style><p style="--ran: 1">' +
          '<iframe srcdoc="<script>parent.ran.push(2)</script>"></iframe><a id="a" href="javascript:ran.push(3)">a</a><form id="f" action="/uploads"><button></button></form>' +
          '<base href="https://evil.example/">'
        document.body.insertAdjacentHTML('beforeend', markup)
        const script = document.createElement('script')
        script.textContent = 'ran.push(4)'
        document.body.append(script)
        document.getElementById('a').click()
        // Later: what DevTools itself evaluates may do so.
        setTimeout(() => { try { ran.push(new Function('return 5')()) } catch {} }, 10)
        document.getElementById('f').requestSubmit()
        await new Promise((resolve) => setTimeout(resolve, 500))
        return { ran, style: getComputedStyle(document.body).getPropertyValue('--ran'), base: document.baseURI, at: location.pathname }
      })()`)
      expect(ran).toEqual({ ran: [], style: '', base: server.url + start, at: start })
      const { troubles } = watched
      // The one for the form comes by way of the browser's own process.
      const breaches = await valueWhen(
        async () => troubles.join('\n'),
        (text) => text.includes('policy: form-action'),
      )
      for (const directive of [
        'script-src-attr',
        'script-src-elem',
        'style-src-elem',
        'style-src-attr',
        'form-action',
        'base-uri',
      ]) {
        expect(breaches).toContain(`policy: ${directive}`)
      }
      await watched.close()
    }
  })
})

/** A PNG of one pixel. */
const PIXEL = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
)
