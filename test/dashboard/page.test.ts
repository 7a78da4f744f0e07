// The page in a real browser, on a real server: a researcher's day with it from the first drop to the manifest, and what
// goes through all its views. What each view does is told in the tests of that view.

import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals'
import type { Browser, Page } from 'playwright-core'
import { Antipasto } from '../../client/api/antipasto.js'
import type { Report } from '../../client/api/types.js'
import { startServer, type TestServer } from '../support/server.js'
import { valueWhen } from '../support/until.js'
import { launchChromium, openWatchedPage, type WatchedPage, watchPage } from './browser.js'
import { cleanSlate } from './clean-slate.js'
import { describeInBrowser } from './describe-in-browser.js'
import { copiedBy, openSignedIn, PICK_FILES, rowOf, settled, sha256Of, uploadButton } from './page-parts.js'
import { makeFile, waitForOffset } from './send/send-page.js'

const MIB = 1024 * 1024

describeInBrowser('the page', (chromiumPath) => {
  let server: TestServer
  let antipasto: Antipasto
  let browser: Browser
  let folder: string
  let watched: WatchedPage

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'antipasto-page-'))
    server = await startServer()
    antipasto = new Antipasto({ url: server.url, token: server.key })
    browser = await launchChromium(chromiumPath)
  })

  beforeEach(() => cleanSlate(server))

  afterEach(async () => watched?.close())

  afterAll(async () => {
    await browser?.close()
    await server?.dispose()
    await rm(folder, { recursive: true, force: true })
  })

  async function openPage({ url = server.url, key = server.key } = {}): Promise<Page> {
    watched = await openWatchedPage(browser, url)
    await openSignedIn(watched.page, { url, key })
    return watched.page
  }

  /** With all files in one list, wherever they belong: chosen before, as there is nothing to choose while nothing is staged. */
  async function openFlatPage({ url = server.url } = {}): Promise<Page> {
    watched = await openWatchedPage(browser, url)
    await watched.page.addInitScript(`localStorage.setItem('antipasto.list', 'flat')`)
    await openSignedIn(watched.page, { url, key: server.key })
    return watched.page
  }

  async function reportsOf(name: string): Promise<Report[]> {
    const reports: Report[] = []
    for await (const report of antipasto.uploads.list({ q: name })) {
      if (report.filename === name) reports.push(report)
    }
    return reports
  }

  async function readyReport(name: string): Promise<Report> {
    const [report] = await valueWhen(
      () => reportsOf(name),
      (reports) => reports[0]?.state === 'ready',
    )
    if (report?.state !== 'ready') throw new Error(`${name} is ${report?.state ?? 'not there'}.`)
    return report
  }

  test('a folder goes in, its link and its checksums come out, and its package is frozen', async () => {
    const survey = path.join(folder, 'Trout Lake')
    await mkdir(path.join(survey, 'raw'), { recursive: true })
    const temperature = Buffer.from('day,degrees\n1,4.5\n')
    await writeFile(path.join(survey, 'raw', 'temperature.csv'), temperature)
    await writeFile(path.join(survey, 'readme.txt'), 'How it was measured.')

    const page = await openPage()
    await page.getByText('Nothing staged yet').waitFor()
    await page.setInputFiles('input[data-pick="folder"]', survey)
    await uploadButton(page).click()
    const row = rowOf(page, 'temperature.csv')
    await row.getByText('Ready', { exact: true }).waitFor()

    const copyUrl = row.getByRole('button', { name: /^Copy URL/ })
    const pulled = await fetch(await copiedBy(page, () => copyUrl.click()))
    expect(pulled.status).toBe(200)
    expect(Buffer.from(await pulled.arrayBuffer())).toEqual(temperature)

    await row.getByRole('link', { name: 'temperature.csv' }).click()
    await page.getByRole('heading', { level: 1, name: 'temperature.csv' }).waitFor()
    expect(await titleOf(page, (title) => title.includes('temperature'))).toBe('temperature.csv · antipasto')
    const copyDigest = page.getByRole('button', { name: 'Copy SHA-256' })
    expect(await copiedBy(page, () => copyDigest.click())).toBe(sha256Of(temperature))
    const copyEml = page.getByRole('button', { name: /^Copy the EML/ })
    const eml = await copiedBy(page, () => copyEml.click())
    expect(eml).toContain(`<size unit="byte">${temperature.length}</size>`)

    await page.getByRole('link', { name: 'Trout Lake' }).click()
    await page.getByRole('heading', { level: 1, name: 'Trout Lake' }).waitFor()
    await page.getByRole('button', { name: 'Finalize …' }).click()
    await page.getByRole('button', { name: 'Finalize 2 files' }).click()
    await page.getByText('SHA-256 of the CBOR form').waitFor()
    const download = page.waitForEvent('download')
    await page.getByRole('button', { name: 'Download JSON' }).click()
    const manifest: unknown = JSON.parse(await readFile(await (await download).path(), 'utf8'))
    expect(JSON.stringify(manifest)).toContain(sha256Of(temperature))

    await page.goBack()
    await page.getByRole('heading', { level: 1, name: 'temperature.csv' }).waitFor()
    await page.goBack()
    await rowOf(page, 'temperature.csv').waitFor()
    expect(watched.troubles).toEqual([])
  })

  test('works under localhost as under 127.0.0.1, whichever of them the server calls itself', async () => {
    const { name, file, sha256 } = await makeFile(folder, 'other-name.bin', 100_000)
    const page = await openFlatPage({ url: server.url.replace('127.0.0.1', 'localhost') })
    await page.setInputFiles(PICK_FILES, file)
    await uploadButton(page).click()
    await rowOf(page, name).getByText('Ready', { exact: true }).waitFor()
    expect((await readyReport(name)).checksums?.sha256).toBe(sha256)
    expect(watched.troubles).toEqual([])
  })

  test.each([
    ['HTML', '<img src=x onerror=alert(1)><script>alert(2)</script>.csv'.replaceAll('/', '∕')],
    ['emoji', '🧊 Gletscher 👩🏽‍🔬.csv'],
    ['255 bytes', `${'ü'.repeat(125)}x.csv`],
    ['Arabic', 'بيانات البحيرة ٢٠٢٦.csv'],
    ['a direction of its own', 'annexe\u202Egpj.exe'],
    ['percent signs and quotes', `100% "sure" & 'so' #1?.csv`],
  ])('takes a name with %s as it is, and makes nothing of it', async (_, name) => {
    const { file, sha256 } = await makeFile(folder, name, 40)
    const page = await openFlatPage()
    await page.setInputFiles(PICK_FILES, file)
    await uploadButton(page).click()
    const [report] = await valueWhen(
      async () => (await antipasto.uploads.page({}, { limit: 1 })).items,
      ([newest]) => newest?.checksums?.sha256 === sha256,
    )
    expect(report?.filename).toBe(name)
    const row = page.locator(`.staged-row[data-id="${report?.id}"]`)
    expect(await row.getByRole('link').first().textContent()).toBe(name)
    await row.getByRole('link').first().click()
    await page.getByRole('button', { name: 'Copy SHA-256' }).waitFor()
    expect(await page.getByRole('heading', { level: 1 }).filter({ visible: true }).textContent()).toBe(name)
    expect(await page.locator('img[src="x"], main script').count()).toBe(0)
    expect(await page.evaluate('document.scrollingElement.scrollWidth <= innerWidth')).toBe(true)
    expect(watched.troubles).toEqual([])
  })

  test('goes on sending while one looks at other views, goes back and forward, and tells how far it is', async () => {
    const { name, file, sha256 } = await makeFile(folder, 'wandering.bin', 24 * MIB)
    const page = await openFlatPage()
    await watched.limitUpload(MIB / 2)
    await page.setInputFiles(PICK_FILES, file)
    await uploadButton(page).click()
    await waitForOffset(server, name, 1)
    await rowOf(page, name).getByRole('link', { name }).click()
    await page.getByRole('heading', { level: 1, name }).waitFor()
    const busy = /^\d+% · wandering\.bin · antipasto$/
    expect(await titleOf(page, (title) => busy.test(title))).toMatch(busy)
    await page.getByRole('link', { name: 'Settings' }).click()
    await page.getByRole('heading', { level: 1, name: 'Settings' }).waitFor()
    await page.locator('.on-the-way').waitFor()
    await page.goBack()
    await page.goBack()
    await page.goForward()
    await page.goForward()
    await page.getByRole('heading', { level: 1, name: 'Settings' }).waitFor()
    await watched.limitUpload(0)
    expect((await readyReport(name)).checksums?.sha256).toBe(sha256)
    await page.locator('.on-the-way').waitFor({ state: 'detached' })
    expect(await titleOf(page, (title) => title.startsWith('Settings'))).toBe('Settings · antipasto')
    expect(await reportsOf(name)).toHaveLength(1)
    expect(watched.requests.filter((request) => request === 'POST /uploads')).toHaveLength(1)
    expect(watched.troubles).toEqual([])
  })

  test('forgets everything of whoever signs out, also in the middle of an upload', async () => {
    const { name, file } = await makeFile(folder, 'left.bin', 16 * MIB)
    const page = await openFlatPage()
    await watched.limitUpload(MIB / 4)
    await page.setInputFiles(PICK_FILES, file)
    await uploadButton(page).click()
    await waitForOffset(server, name, 1)
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByRole('textbox', { name: 'API key' }).waitFor()
    await watched.limitUpload(0)
    expect(await page.content()).not.toContain(name)
    expect(await page.evaluate<string>('JSON.stringify([localStorage, sessionStorage])')).not.toContain(name)
    const [report] = await reportsOf(name)
    await sleep(1_500)
    expect((await antipasto.uploads.report(report?.id ?? '')).state).toBe('receiving')

    await page.getByRole('textbox', { name: 'API key' }).fill(server.key)
    await page.keyboard.press('Enter')
    await settled(page)
    expect(watched.requests.filter((request) => request === 'POST /uploads')).toHaveLength(1)
    expect(watched.troubles).toEqual([])
  })

  test('shows in one tab what the other does, whatever view it has', async () => {
    const { id } = await antipasto.packages.create({ name: 'Two tabs', label: 'two tabs' })
    const page = await openPage()
    await openSignedIn(page, server, `#/packages/${id}`)
    const other = await watchPage(page.context(), server.url)
    await openSignedIn(other.page, server)
    await other.page.getByRole('button', { name: 'One list' }).click()
    const { name, file } = await makeFile(folder, 'both.bin', 1_000)
    await other.page.getByLabel('Label', { exact: true }).first().fill('two tabs')
    await other.page.setInputFiles(PICK_FILES, file)
    await uploadButton(other.page).click()
    await page.getByRole('link', { name }).waitFor()
    await page.getByRole('link', { name }).click()
    await page.getByRole('button', { name: 'Copy SHA-256' }).waitFor()

    await antipasto.packages.remove(id)
    await page.getByRole('heading', { name: 'This upload was deleted' }).waitFor()
    await rowOf(other.page, name).waitFor({ state: 'detached' })
    // The browser tells by itself of what was asked for after its end.
    const troubles = [...watched.troubles, ...other.troubles].filter((one) => !one.includes(' 410 '))
    expect(troubles).toEqual([])
  })
})

/** The title follows a moment after the view. */
function titleOf(page: Page, isRight: (title: string) => boolean): Promise<string> {
  return valueWhen(() => page.title(), isRight)
}
