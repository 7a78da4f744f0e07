// The page of documentation in a real browser, on the real server; and openapi.json as it is served.

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import type { Browser, Page } from 'playwright-core'
import { launchChromium, openWatchedPage, type WatchedPage } from '../dashboard/browser.js'
import { cleanSlate } from '../dashboard/clean-slate.js'
import { describeInBrowser } from '../dashboard/describe-in-browser.js'
import { startServer, type TestServer } from '../support/server.js'

let server: TestServer

beforeAll(async () => {
  server = await startServer()
})

afterAll(async () => server?.dispose())

describe('openapi.json', () => {
  test('needs no credential, and is not sent again to whoever has it', async () => {
    const response = await fetch(`${server.url}/openapi.json`)
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toMatch(/^application\/json/)
    expect(await response.json()).toMatchObject({ openapi: '3.1.0', info: { title: 'antipasto' } })

    const etag = response.headers.get('etag') ?? ''
    expect(etag).toMatch(/^"[0-9a-f]{64}"$/)
    const again = await fetch(`${server.url}/openapi.json`, { headers: { 'If-None-Match': etag } })
    expect(again.status).toBe(304)
    expect(again.headers.get('etag')).toBe(etag)
    expect(await again.text()).toBe('')
  })

  test('says nothing of where this server is', async () => {
    const text = await (await fetch(`${server.url}/openapi.json`)).text()
    expect(text).not.toContain('127.0.0.1')
    expect(text).not.toContain('localhost')
  })
})

describe('the files of the page', () => {
  test.each([
    ['/docs', 'text/html'],
    ['/docs/', 'text/html'],
    ['/docs/start.js', 'text/javascript'],
    ['/docs/swagger-ui.css', 'text/css'],
    ['/docs/swagger-ui-bundle.js', 'text/javascript'],
    ['/docs/favicon-32x32.png', 'image/png'],
  ])('%s comes as %s, under a policy without other hosts and without inline scripts', async (path, type) => {
    const response = await fetch(server.url + path)
    await response.arrayBuffer()
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')?.split(';')[0]).toBe(type)
    expect(response.headers.get('x-content-type-options')).toBe('nosniff')
    const policy = response.headers.get('content-security-policy') ?? ''
    expect(policy).toContain("default-src 'none'")
    expect(policy).toContain("script-src 'self';")
    expect(policy).toContain("frame-ancestors 'none'")
    expect(policy).not.toMatch(/https?:|\*|unsafe-eval/)
  })

  test.each(['/docs/package.json', '/docs/index.html', '/docs/..%2fpackage.json', '/docs/swagger-ui.js'])(
    '%s is none of them',
    async (path) => {
      expect((await fetch(server.url + path)).status).toBe(404)
    },
  )
})

describeInBrowser('the page', (chromiumPath) => {
  let browser: Browser
  let watched: WatchedPage

  beforeAll(async () => {
    browser = await launchChromium(chromiumPath)
  })

  beforeEach(() => cleanSlate(server))

  afterEach(async () => watched?.close())

  afterAll(async () => browser?.close())

  async function openPage(path: string): Promise<Page> {
    watched = await openWatchedPage(browser, server.url)
    await watched.page.goto(server.url + path)
    await watched.page.locator('.opblock').first().waitFor()
    return watched.page
  }

  test('shows every operation, opens them without an error, and asks nobody else for anything', async () => {
    const page = await openPage('/docs')
    const document = (await (await fetch(`${server.url}/openapi.json`)).json()) as {
      paths: Record<string, object>
    }
    const operations = Object.values(document.paths).flatMap((item) => Object.keys(item))
    expect(operations.length).toBeGreaterThan(20)
    await expect(page.locator('.opblock').count()).resolves.toBe(operations.length)
    await expect(page.locator('.title').first().textContent()).resolves.toContain('antipasto')
    for (const group of await page.locator('.opblock-tag-section').all()) {
      await group.locator('.opblock-summary-control').first().click()
      await group.locator('.responses-table').first().waitFor()
    }
    await expect(page.locator('.errors-wrapper').count()).resolves.toBe(0)
    expect(watched.troubles).toEqual([])
  })

  test('is the same with a slash at its end', async () => {
    await openPage('/docs/')
    expect(watched.troubles).toEqual([])
  })

  test('lets a pasted key be tried', async () => {
    const page = await openPage('/docs')
    await page.locator('.authorize').first().click()
    await page.locator('.auth-container input').first().fill(server.key)
    await page.locator('.auth-btn-wrapper .authorize').first().click()
    await page.locator('.btn-done').first().click()

    const block = page.locator('#operations-Uploads-createUpload')
    await block.locator('.opblock-summary-control').click()
    await block.locator('.try-out__btn').click()
    await block.locator('.execute').click()
    const status = block.locator('.live-responses-table .response-col_status').last()
    await status.waitFor()
    await expect(status.textContent()).resolves.toContain('201')
    await expect(block.locator('.live-responses-table').textContent()).resolves.toContain('upload_url')
    expect(watched.requests).toContain('POST /uploads')
    expect(watched.troubles).toEqual([])
  })
})
