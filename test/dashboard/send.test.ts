// Sending files from the page, in a real browser to a real server: what is shown before, what moves, what stops, what is said.

import { mkdir, mkdtemp, open, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals'
import type { Browser, Page } from 'playwright-core'
import { startServer, type TestServer } from '../support/server.js'
import { PATIENCE_MS, valueWhen } from '../support/until.js'
import { dropFile, launchChromium, openWatchedPage, type WatchedPage } from './browser.js'
import { cleanSlate } from './clean-slate.js'
import { describeInBrowser } from './describe-in-browser.js'
import {
  choose,
  MIB,
  makeFile,
  panelItem,
  restingOffset,
  send,
  sendArea,
  uploadButton,
  uploadNamed,
  uploadsOf,
  waitForOffset,
  waitUntilReady,
} from './send/send-page.js'

const MAX_FILE_BYTES = 200 * MIB
const QUOTA_BYTES = 400 * MIB

describeInBrowser('sending', (chromiumPath) => {
  let server: TestServer
  let browser: Browser
  let folder: string
  let watched: WatchedPage

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'antipasto-send-'))
    server = await startServer({
      env: { MAX_FILE_BYTES: String(MAX_FILE_BYTES), QUOTA_BYTES: String(QUOTA_BYTES) },
    })
    browser = await launchChromium(chromiumPath)
  })

  beforeEach(() => cleanSlate(server))

  afterEach(async () => watched?.close())

  afterAll(async () => {
    await browser?.close()
    await server?.dispose()
    await rm(folder, { recursive: true, force: true })
  })

  async function openPage(): Promise<Page> {
    watched = await openWatchedPage(browser, server.url)
    await watched.page.goto(`${server.url}/#key=${server.key}`)
    await watched.page.locator('.drop-area').waitFor()
    return watched.page
  }

  /** A file that takes no room on the disk. */
  async function makeHollowFile(name: string, sizeBytes: number): Promise<string> {
    const file = path.join(folder, name)
    await (await open(file, 'w')).close()
    await truncate(file, sizeBytes)
    return file
  }

  /** Nothing of that name is left that goes on. */
  async function expectCanceled(name: string): Promise<void> {
    const standing = await valueWhen(
      () => uploadNamed(server, name),
      (upload) => upload === undefined,
    )
    expect(standing).toBe(undefined)
    const ended = await uploadsOf(server, 'limit=500&state=canceled')
    expect(ended.some(({ filename }) => filename === name)).toBe(true)
  }

  function sent(method: string): number {
    return watched.requests.filter((one) => one.startsWith(`${method} /uploads`)).length
  }

  test('says what may be sent, and refuses what is too large before a byte of it moves', async () => {
    const page = await openPage()
    await sendArea(page).getByText('Up to 200.0 MB each').waitFor()
    await sendArea(page).getByText('400.0 MB free').waitFor()
    await choose(page, await makeHollowFile('too large.bin', MAX_FILE_BYTES + 1))
    await sendArea(page)
      .getByText('too large.bin was not added: it has 200.0 MB, and a file may have 200.0 MB.')
      .waitFor()
    expect(await page.locator('.drop-area').isVisible()).toBe(true)

    const files = ['a.bin', 'b.bin', 'c.bin'].map((name) => makeHollowFile(name, 150 * MIB))
    await choose(page, await Promise.all(files))
    await sendArea(page).getByText('These files have 450.0 MB, and 400.0 MB are free.').waitFor()
    expect(await uploadButton(page).isVisible()).toBe(false)
    await panelItem(page, 'c.bin').getByRole('button', { name: 'Remove c.bin' }).click()
    await uploadButton(page).waitFor()
    expect(await sendArea(page).getByRole('alert').filter({ hasText: '450.0 MB' }).count()).toBe(0)
    expect(sent('POST')).toBe(0)
    expect(watched.troubles).toEqual([])
  })

  test('keeps the paths of a folder, suggests its name as the label, and offers the labels in use', async () => {
    const made = await fetch(`${server.url}/packages`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${server.key}`, 'Content-Type': 'application/json' },
      body: JSON.stringify({ name: 'Buoys', label: 'buoys 2025' }),
    })
    expect(made.status).toBe(201)
    const lake = path.join(folder, 'Lake Ägeri')
    await mkdir(path.join(lake, '2026'), { recursive: true })
    await writeFile(path.join(lake, 'readme.txt'), 'about')
    await writeFile(path.join(lake, '2026', 'temperature.csv'), 'day,degrees\n1,4.5\n')

    const page = await openPage()
    await page.setInputFiles('input[data-pick="folder"]', lake)
    await uploadButton(page).waitFor()
    const label = sendArea(page).getByLabel('Label', { exact: true })
    expect(await label.inputValue()).toBe('Lake Ägeri')
    await label.focus()
    const offered = page.locator('datalist option[value="buoys 2025"]')
    await offered.waitFor({ state: 'attached' })
    await label.fill('lakes')
    await uploadButton(page).click()
    await waitUntilReady(server, 'temperature.csv')
    await waitUntilReady(server, 'readme.txt')

    const uploads = (await uploadsOf(server)).filter((upload) => upload.label === 'lakes')
    expect(uploads.map((upload) => upload.relative_path).toSorted()).toEqual([
      'Lake Ägeri/2026/temperature.csv',
      'Lake Ägeri/readme.txt',
    ])
    await page.reload()
    await page.locator('.drop-area').waitFor()
    const again = sendArea(page).getByLabel('Label', { exact: true })
    expect(
      await valueWhen(
        () => again.inputValue(),
        (value) => value === 'lakes',
      ),
    ).toBe('lakes')
    await again.fill('')
    await send(page, (await makeFile(folder, 'unlabelled.bin', 10)).file)
    expect((await waitUntilReady(server, 'unlabelled.bin'))?.label).toBe(null)
    expect(watched.troubles).toEqual([])
  })

  test('takes files and folders that are dropped, also before Uppy has come', async () => {
    const dropped = path.join(folder, 'dropped')
    await mkdir(path.join(dropped, 'deep', 'er'), { recursive: true })
    await writeFile(path.join(dropped, 'deep', 'er', 'one.csv'), '1')
    await writeFile(path.join(dropped, 'two.csv'), '2')
    const page = await openPage()
    let letIn: (() => void) | undefined
    const held = new Promise<void>((resolve) => {
      letIn = resolve
    })
    await page.route(/\/assets\/uploader-.*\.js$/, async (route) => {
      await held
      await route.continue()
    })
    await dropFile(page, '.drop-area', dropped)
    await dropFile(page, 'h2 >> nth=-1', (await makeFile(folder, 'beside.bin', 20)).file)
    expect(await page.locator('.uppy-Dashboard-Item').count()).toBe(0)
    letIn?.()
    await panelItem(page, 'beside.bin').waitFor()
    await uploadButton(page).click()
    await waitUntilReady(server, 'one.csv')
    await waitUntilReady(server, 'beside.bin')
    const paths = (await uploadsOf(server)).filter(({ state }) => state === 'ready')
    expect(paths.map((upload) => upload.relative_path).toSorted()).toEqual([
      'dropped/deep/er/one.csv',
      'dropped/two.csv',
      null,
    ])
    expect(watched.troubles).toEqual([])
  })

  test('pauses, goes on and cancels one file and all of them, and says how much is safe', async () => {
    const page = await openPage()
    const one = await makeFile(folder, 'one.bin', 60 * MIB)
    const two = await makeFile(folder, 'two.bin', 60 * MIB)
    await watched.limitUpload(2 * MIB)
    await send(page, [one.file, two.file])
    await waitForOffset(server, 'one.bin', 1)

    // One of them.
    await panelItem(page, 'one.bin').getByRole('button', { name: 'Pause upload' }).click()
    const pausedAt = await restingOffset(server, 'one.bin')
    expect(pausedAt).toBeGreaterThan(0)
    await waitForOffset(server, 'two.bin', ((await uploadNamed(server, 'two.bin'))?.offset ?? 0) + 1)
    expect((await uploadNamed(server, 'one.bin'))?.offset).toBe(pausedAt)

    // All of them.
    await page.getByRole('button', { name: 'Pause', exact: true }).click()
    const both = pausedAt + (await restingOffset(server, 'two.bin'))
    await sendArea(page).getByText('Paused.', { exact: true }).waitFor()
    const safe = `${(both / MIB).toFixed(1)} MB of 120.0 MB are safe on the server`
    await sendArea(page).getByText(safe).waitFor()
    await page.waitForTimeout(1_000)
    expect(await restingOffset(server, 'one.bin')).toBe(pausedAt)
    await page.getByRole('button', { name: 'Resume', exact: true }).click()
    await waitForOffset(server, 'one.bin', pausedAt + 1)

    await panelItem(page, 'two.bin').getByRole('button', { name: 'Remove two.bin' }).click()
    await expectCanceled('two.bin')

    // A hand may slip: it comes back, and goes on from where it was.
    await page.getByRole('button', { name: 'Undo' }).click()
    await waitForOffset(server, 'two.bin', 1)
    expect((await uploadsOf(server)).filter(({ filename }) => filename === 'two.bin')).toHaveLength(1)
    await panelItem(page, 'two.bin').getByRole('button', { name: 'Remove two.bin' }).click()
    await expectCanceled('two.bin')
    await watched.limitUpload(0)
    expect((await waitUntilReady(server, 'one.bin'))?.checksums?.sha256).toBe(one.sha256)

    await page.locator('.drop-area').waitFor()
    await watched.limitUpload(2 * MIB)
    await send(page, [(await makeFile(folder, 'three.bin', 20 * MIB)).file, two.file])
    await waitForOffset(server, 'three.bin', 1)
    await page.locator('.uppy-DashboardContent-back').click()
    await page.locator('.drop-area').waitFor()
    for (const name of ['two.bin', 'three.bin']) await expectCanceled(name)
    expect(watched.troubles).toEqual([])
  })

  test('shows why a file stopped, with the request, and sends it when it is tried again', async () => {
    const page = await openPage()
    const made = await makeFile(folder, 'refused.bin', 3 * MIB)
    const detail = 'This content is not wanted here. Ask the people who run it.'
    await page.route(
      /\/uploads\/[^/]+$/,
      (route) =>
        route.fulfill({
          status: 403,
          contentType: 'application/problem+json',
          body: JSON.stringify({ code: 'FORBIDDEN', detail, request_id: 'req-of-the-test' }),
        }),
      { times: 1 },
    )
    await send(page, made.file)
    const trouble = sendArea(page).getByRole('alert').filter({ hasText: 'refused.bin was not sent.' })
    await trouble.getByText(detail).waitFor()
    await trouble.getByText('req-of-the-test').waitFor()
    await trouble.getByRole('button', { name: 'Try again' }).click()
    expect((await waitUntilReady(server, 'refused.bin'))?.checksums?.sha256).toBe(made.sha256)
    expect(await trouble.count()).toBe(0)
    expect((await uploadsOf(server)).filter(({ filename }) => filename === 'refused.bin')).toHaveLength(1)
    expect(watched.troubles.filter((one) => !one.includes('403'))).toEqual([])
  })

  test('makes one upload of a creation whose answer was lost', async () => {
    const page = await openPage()
    const made = await makeFile(folder, 'once.bin', 2 * MIB)
    await page.route(
      `${server.url}/uploads`,
      async (route) => {
        await route.fetch()
        await route.abort('connectionreset')
      },
      { times: 1 },
    )
    await send(page, made.file)
    expect((await waitUntilReady(server, 'once.bin'))?.checksums?.sha256).toBe(made.sha256)
    expect((await uploadsOf(server)).filter(({ filename }) => filename === 'once.bin')).toHaveLength(1)
    expect(sent('POST')).toBe(2)
  })

  test('sends a folder of many small files, each in one request, and says so once', async () => {
    const many = await mkdtemp(path.join(folder, 'many-'))
    const names = Array.from({ length: 400 }, (_, index) => `plot-${index}.csv`)
    await Promise.all(names.map((name) => writeFile(path.join(many, name), `plot\n${name}\n`)))
    const page = await openPage()
    // Uppy's panel has a region of its own for a moment, "Complete", which stands first.
    await page.evaluate(`globalThis.said = [];
      const region = document.querySelector('.visually-hidden[role=status]');
      new MutationObserver(() => said.push(region.textContent))
        .observe(region, { childList: true, characterData: true, subtree: true })`)
    await page.setInputFiles('input[data-pick="folder"]', many)
    await page.getByRole('button', { name: 'Upload 400 files' }).click()
    // Four hundred requests: on a busy machine they are more than one wait's worth.
    await page.locator('.drop-area').waitFor({ timeout: 2 * PATIENCE_MS })
    const ready = await uploadsOf(server, 'limit=500&state=ready')
    expect(ready).toHaveLength(400)
    expect(sent('PATCH')).toBe(0)
    const said = await valueWhen(
      () => page.evaluate<string[]>('said'),
      (all) => all.some((text) => text.includes('were sent')),
    )
    expect(said.filter((text) => /400 files/.test(text))).toEqual([
      '400 files are being sent.',
      '400 files were sent.',
    ])
    expect(said.filter((text) => /% sent/.test(text)).length).toBeLessThanOrEqual(3)
    expect(watched.troubles).toEqual([])
  })

  test('asks before the page is left while something moves', async () => {
    const page = await openPage()
    await watched.limitUpload(1 * MIB)
    let asked = 0
    page.on('dialog', () => {
      asked += 1
    })
    await choose(page, (await makeFile(folder, 'leaving.bin', 20 * MIB)).file)
    await uploadButton(page).click()
    await waitForOffset(server, 'leaving.bin', 1)
    await page.reload()
    expect(asked).toBe(1)
    await page.locator('.drop-area').waitFor()
    await page.reload()
    expect(asked).toBe(1)
  })
})
