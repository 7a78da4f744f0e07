// The page in a real browser, on a real server: what a researcher does with it, and what goes wrong on the way.

import { randomBytes } from 'node:crypto'
import { mkdtemp, open, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import type { Browser, Page } from 'playwright-core'
import { openApiKeys } from '../../server/auth/api-keys.js'
import { openDatabase } from '../../server/database/client.js'
import { startServer, type TestServer } from '../support/server.js'
import { dropFile, findChromium, launchChromium, openWatchedPage, type WatchedPage } from './browser.js'
import { eventually, expectText, FILE_INPUT, PAUSE, RESUME, rowOf, sha256Of } from './page-parts.js'

const MIB = 1024 * 1024
const MAX_FILE_BYTES = 200 * MIB

const chromiumPath = findChromium()
const isSkipped = chromiumPath === undefined && process.env.REQUIRE_BROWSER !== '1'
const describeInBrowser = isSkipped ? describe.skip : describe

// Jest's summary shows no names of skipped tests.
if (isSkipped)
  console.warn('The browser tests of the page are skipped: no Chromium was found. Set CHROMIUM_PATH.')

describeInBrowser(isSkipped ? 'the page (skipped: no Chromium; set CHROMIUM_PATH)' : 'the page', () => {
  let server: TestServer
  let browser: Browser
  let folder: string
  let watched: WatchedPage

  beforeAll(async () => {
    if (chromiumPath === undefined) throw new Error('REQUIRE_BROWSER is set, and there is no Chromium.')
    folder = await mkdtemp(path.join(tmpdir(), 'antipasto-page-'))
    server = await startServer({ env: { MAX_FILE_BYTES: String(MAX_FILE_BYTES) } })
    browser = await launchChromium(chromiumPath)
  }, 60_000)

  afterEach(async () => watched?.close())

  afterAll(async () => {
    await browser?.close()
    await server?.dispose()
    await rm(folder, { recursive: true, force: true })
  }, 60_000)

  /** Opens the page with a key in its address, as `npm start` prints it. */
  async function openPage({ key = server.key, origin = server.url, viewport = undefined as Viewport } = {}) {
    watched = await openWatchedPage(browser, origin, viewport)
    await watched.page.goto(`${origin}/#key=${key}`)
    return watched.page
  }

  /** A file of random bytes on the disk. */
  async function makeFile(name: string, sizeBytes: number): Promise<{ file: string; sha256: string }> {
    const file = path.join(folder, name)
    const bytes = randomBytes(sizeBytes)
    await writeFile(file, bytes)
    return { file, sha256: sha256Of(bytes) }
  }

  async function uploadsNamed(name: string): Promise<UploadAnswer[]> {
    const response = await fetch(`${server.url}/uploads?limit=500`, { headers: authorization(server.key) })
    expect(response.status).toBe(200)
    const { items } = (await response.json()) as { items: UploadAnswer[] }
    return items.filter(({ filename }) => filename === name)
  }

  async function offsetOf(name: string): Promise<number> {
    return (await uploadsNamed(name))[0]?.offset ?? 0
  }

  /** Waits until the server has at least that many bytes of the file. */
  async function waitForOffset(name: string, atLeastBytes: number): Promise<void> {
    const offset = await eventually(
      () => offsetOf(name),
      (bytes) => bytes >= atLeastBytes,
    )
    expect(offset).toBeGreaterThanOrEqual(atLeastBytes)
  }

  /** The offset once the last bytes on the wire have come in. */
  async function restingOffset(name: string): Promise<number> {
    for (let before = -1; ; ) {
      const now = await offsetOf(name)
      if (now === before) return now
      before = now
      await sleep(400)
    }
  }

  test('takes the key out of the address, keeps it for a reload, and says what to do first', async () => {
    const page = await openPage()
    await page.locator('#staged-list .empty, #staged-list .staged').first().waitFor()
    expect(page.url()).toBe(`${server.url}/`)
    await page.goBack()
    expect(page.url()).not.toContain(server.key)

    await page.goto(server.url)
    await page.reload()
    await page.locator('#staged-list .empty').waitFor()
    expect(await page.locator('#staged-list .empty').textContent()).toContain('Drop a file above')
    expect(await page.locator('#sign-in').isVisible()).toBe(false)
    expect(watched.troubles).toEqual([])
  })

  test('sends a file, pauses, goes on, and hands out checksums, URL and EML that are right', async () => {
    const name = 'lake temperature 2026.csv'
    const { file, sha256 } = await makeFile(name, 60 * MIB)
    const page = await openPage()
    await watched.limitUpload(8 * MIB)
    await page.setInputFiles(FILE_INPUT, file)
    await waitForOffset(name, 4 * MIB)
    await rowOf(page, name).getByText('Uploading', { exact: true }).waitFor()

    await page.click(PAUSE)
    await rowOf(page, name).getByText('Paused', { exact: true }).waitFor()
    const pausedAt = await restingOffset(name)
    expect(pausedAt).toBeGreaterThan(0)
    expect(pausedAt).toBeLessThan(60 * MIB)
    await sleep(1_500)
    expect(await offsetOf(name)).toBe(pausedAt)

    await watched.limitUpload(0)
    await page.click(RESUME)
    const row = rowOf(page, name)
    await row.getByText('Ready', { exact: true }).waitFor()
    expect(await row.locator('[data-digest="SHA-256"] code').textContent()).toBe(sha256)
    expect(await row.textContent()).toMatch(/60\.0 MB\s*Expires in (29|30) days/)

    const copyUrl = row.getByRole('button', { name: 'Copy retrieval URL' })
    await copyUrl.click()
    await expectText(copyUrl, 'Copied')
    const pulled = await fetch(await clipboardOf(page))
    expect(pulled.status).toBe(200)
    expect(sha256Of(Buffer.from(await pulled.arrayBuffer()))).toBe(sha256)

    await row.getByRole('button', { name: 'Copy SHA-256' }).click()
    await expectClipboard(page, sha256)
    await row.getByRole('button', { name: 'Copy EML' }).click()
    await expectClipboard(page, '<size unit="byte">62914560</size>')

    expect(watched.requests.filter((request) => request.startsWith('POST'))).toEqual(['POST /uploads'])
    expect(watched.troubles).toEqual([])
  }, 90_000)

  test('takes a file that is dropped on it, and clears the drop area when it is staged', async () => {
    const { file, sha256 } = await makeFile('dropped.bin', 300_001)
    const page = await openPage()
    await page.locator('.uppy-Dashboard-AddFiles').waitFor()
    await dropFile(page, '.uppy-Dashboard-AddFiles', file)
    const row = rowOf(page, 'dropped.bin')
    await row.getByText('Ready', { exact: true }).waitFor()
    expect(await row.locator('[data-digest="SHA-256"] code').textContent()).toBe(sha256)
    await page.locator('.uppy-Dashboard-Item').waitFor({ state: 'detached' })
    expect((await uploadsNamed('dropped.bin')).map(({ relative_path }) => relative_path)).toEqual([null])
    expect(watched.troubles).toEqual([])
  })

  test('goes on after a reload when the same file is given again, and never goes back', async () => {
    const name = 'reloaded.bin'
    const { file, sha256 } = await makeFile(name, 48 * MIB)
    const page = await openPage()
    await watched.limitUpload(8 * MIB)
    await page.setInputFiles(FILE_INPUT, file)
    await waitForOffset(name, 6 * MIB)

    await page.reload()
    const stoppedAt = await restingOffset(name)
    const row = rowOf(page, name)
    await row.getByText('Unfinished', { exact: true }).waitFor()
    expect(await row.textContent()).toContain('Drop the same file above to go on from here.')

    await page.setInputFiles(FILE_INPUT, file)
    const offsets = [stoppedAt]
    await eventually(
      async () => offsets[offsets.push(await offsetOf(name)) - 1]!,
      (offset) => offset === 48 * MIB,
    )
    expect(offsets.at(-1)).toBe(48 * MIB)
    expect(offsets).toEqual(offsets.toSorted((a, b) => a - b))
    await row.getByText('Ready', { exact: true }).waitFor()
    expect(await row.locator('[data-digest="SHA-256"] code').textContent()).toBe(sha256)
    expect(await uploadsNamed(name)).toHaveLength(1)
    expect(watched.requests.filter((request) => request === 'POST /uploads')).toHaveLength(1)
    expect(watched.troubles).toEqual([])
  }, 90_000)

  test('goes on by itself when the server is killed in the middle and comes back', async () => {
    const name = 'killed.bin'
    const { file, sha256 } = await makeFile(name, 40 * MIB)
    const page = await openPage()
    await watched.limitUpload(8 * MIB)
    await page.setInputFiles(FILE_INPUT, file)
    await waitForOffset(name, 6 * MIB)
    await server.restart()
    await watched.limitUpload(0)
    const row = rowOf(page, name)
    await row.getByText('Ready', { exact: true }).waitFor({ timeout: 60_000 })
    expect(await row.locator('[data-digest="SHA-256"] code').textContent()).toBe(sha256)
    expect(await uploadsNamed(name)).toHaveLength(1)
    expect(watched.requests.filter((request) => request === 'POST /uploads')).toHaveLength(1)
  }, 90_000)

  test('asks for a key when the server refuses the one it has', async () => {
    const page = await openPage({ key: 'ap_wrong' })
    await page.locator('#sign-in').getByText('does not accept this key').waitFor()
    expect(await page.locator('#staged-section').isVisible()).toBe(false)
    await page.fill('#key-input', server.key)
    await page.keyboard.press('Enter')
    await page.locator('#staged-list .staged, #staged-list .empty').first().waitFor()
    expect(await page.locator('#sign-in').isVisible()).toBe(false)
    // The browser reports the 401 itself; nothing else may be wrong.
    expect(watched.troubles.filter((trouble) => !trouble.includes('401'))).toEqual([])
  })

  test('asks for a key when its own is revoked in the middle, and goes on where it stopped', async () => {
    const name = 'revoked.bin'
    const { file, sha256 } = await makeFile(name, 32 * MIB)
    const database = await openDatabase(server.databaseUrl!)
    try {
      const keys = openApiKeys(database.prisma, { upload: [], read: [], delete: [] })
      const request = {
        name: 'page',
        owner: 'default',
        scopes: ['upload', 'read', 'delete'],
        ttlSeconds: undefined,
      } as const
      const made = await keys.create(request)
      const page = await openPage({ key: made.key })
      await watched.limitUpload(4 * MIB)
      await page.setInputFiles(FILE_INPUT, file)
      await waitForOffset(name, 2 * MIB)
      await page.click(PAUSE)
      const pausedAt = await restingOffset(name)
      await keys.revoke(made.id)
      // The server believes a key for some seconds after it was revoked.
      const status = await eventually(
        async () => (await fetch(`${server.url}/uploads`, { headers: authorization(made.key) })).status,
        (answered) => answered === 401,
      )
      expect(status).toBe(401)
      await page.click(RESUME)
      await page.locator('#sign-in').getByText('uploads go on where they stopped').waitFor()
      await watched.limitUpload(0)
      await page.fill('#key-input', server.key)
      await page.keyboard.press('Enter')
      const row = rowOf(page, name)
      await row.getByText('Ready', { exact: true }).waitFor()
      expect(await row.locator('[data-digest="SHA-256"] code').textContent()).toBe(sha256)
      expect(pausedAt).toBeGreaterThan(0)
      expect(await uploadsNamed(name)).toHaveLength(1)
      expect(watched.requests.filter((sent) => sent === 'POST /uploads')).toHaveLength(1)
    } finally {
      await database.close()
    }
  }, 90_000)

  test("shows the server's reason when a file is refused, and sends nothing of it", async () => {
    const file = path.join(folder, 'too-large.bin')
    await (await open(file, 'w')).close()
    await truncate(file, MAX_FILE_BYTES + 1)
    const page = await openPage()
    await page.setInputFiles(FILE_INPUT, file)
    await page.locator('#upload-troubles li').waitFor()
    const answer = await fetch(`${server.url}/uploads`, {
      method: 'POST',
      headers: {
        ...authorization(server.key),
        'Tus-Resumable': '1.0.0',
        'Upload-Length': String(MAX_FILE_BYTES + 1),
      },
    })
    expect(answer.status).toBe(413)
    const { detail } = (await answer.json()) as { detail: string }
    expect(await page.locator('#upload-troubles li').textContent()).toBe(
      `too-large.bin was not sent. ${detail}`,
    )
    expect(await uploadsNamed('too-large.bin')).toEqual([])
    expect(watched.requests.some((request) => request.startsWith('PATCH'))).toBe(false)
  })

  test('deletes a file only after asking, and its URL is dead then', async () => {
    const { file } = await makeFile('deleted.bin', 1_000)
    const page = await openPage()
    await page.setInputFiles(FILE_INPUT, file)
    const row = rowOf(page, 'deleted.bin')
    await row.getByText('Ready', { exact: true }).waitFor()
    const url = await row.locator('a').getAttribute('href')

    await row.getByRole('button', { name: /^Delete/ }).click()
    await page.getByRole('button', { name: 'Cancel', exact: true }).last().click()
    expect((await fetch(url!)).status).toBe(200)

    await row.getByRole('button', { name: /^Delete/ }).click()
    await page.locator('dialog').getByRole('button', { name: 'Delete' }).click()
    await row.waitFor({ state: 'detached' })
    expect((await fetch(url!)).status).toBe(410)
    expect(watched.troubles).toEqual([])
  })

  test('works under localhost as under 127.0.0.1, whichever of them the server calls itself', async () => {
    const { file, sha256 } = await makeFile('other-name.bin', 100_000)
    const page = await openPage({ origin: server.url.replace('127.0.0.1', 'localhost') })
    await page.setInputFiles(FILE_INPUT, file)
    const row = rowOf(page, 'other-name.bin')
    await row.getByText('Ready', { exact: true }).waitFor()
    expect(await row.locator('[data-digest="SHA-256"] code').textContent()).toBe(sha256)
    expect(watched.troubles).toEqual([])
  })

  test('never makes HTML of a file name', async () => {
    const name = '<img src=x onerror=alert(1)>.csv'
    const { file } = await makeFile(name, 10)
    const page = await openPage()
    await page.setInputFiles(FILE_INPUT, file)
    await rowOf(page, name).getByText('Ready', { exact: true }).waitFor()
    expect(await page.locator('#staged-list img').count()).toBe(0)
    expect(watched.troubles).toEqual([])
  })

  test('turns pages, and fits a screen of 360 pixels', async () => {
    const names = Array.from({ length: 51 }, (_, index) => `page-${index}.bin`)
    for (const name of names) {
      const created = await fetch(`${server.url}/uploads`, {
        method: 'POST',
        headers: {
          ...authorization(server.key),
          'Tus-Resumable': '1.0.0',
          'Upload-Length': '10',
          'Upload-Metadata': `filename ${Buffer.from(name).toString('base64')}`,
        },
      })
      expect(created.status).toBe(201)
    }
    const page = await openPage({ viewport: { width: 360, height: 740 } })
    const rows = page.locator('#staged-list .staged')
    await rows.first().waitFor()
    expect(await rows.count()).toBe(50)
    expect(await rows.first().locator('h3').textContent()).toBe('page-50.bin')
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(360)

    await page.locator('#older-page').click()
    await rowOf(page, 'page-0.bin').waitFor()
    expect(await rowOf(page, 'page-50.bin').count()).toBe(0)
    await page.locator('#newer-page').click()
    await rowOf(page, 'page-50.bin').waitFor()
    expect(await rowOf(page, 'page-0.bin').count()).toBe(0)
    expect(watched.troubles).toEqual([])
  })

  test('works by keyboard alone: reaches the URL, copies it, and the focus is to be seen', async () => {
    const { file } = await makeFile('keyboard.bin', 500)
    const page = await openPage()
    await page.setInputFiles(FILE_INPUT, file)
    const row = rowOf(page, 'keyboard.bin')
    await row.getByText('Ready', { exact: true }).waitFor()
    await row.getByRole('link').focus()
    await page.keyboard.press('Tab')
    expect(await page.locator(':focus').getAttribute('aria-label')).toBe('Copy retrieval URL of keyboard.bin')
    expect(await page.evaluate('getComputedStyle(document.activeElement).outlineStyle')).toBe('solid')
    await page.keyboard.press('Enter')
    await expectClipboard(page, (await row.locator('a').getAttribute('href'))!)
    await expectText(page.locator('#announcer'), 'retrieval URL of keyboard.bin copied')
  })
})

type Viewport = { width: number; height: number } | undefined

interface UploadAnswer {
  filename: string
  offset: number
  relative_path: string | null
}

function clipboardOf(page: Page): Promise<string> {
  return page.evaluate<string>('navigator.clipboard.readText()')
}

async function expectClipboard(page: Page, part: string): Promise<void> {
  const text = await eventually(
    () => clipboardOf(page),
    (copied) => copied.includes(part),
  )
  expect(text).toContain(part)
}

function authorization(key: string): { Authorization: string } {
  return { Authorization: `Bearer ${key}` }
}
