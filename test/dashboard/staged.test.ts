// Everything staged, in a real browser on a real server: what the list shows is held against what the API says.

import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals'
import type { Browser, Locator, Page } from 'playwright-core'
import { Antipasto } from '../../client/api/antipasto.js'
import type { UploadFilters } from '../../client/api/types.js'
import { SORTS } from '../../client/dashboard/staged/wish.js'
import { idOf, TusClient } from '../dialects/tus-client.js'
import { startServer, type TestServer } from '../support/server.js'
import { valueWhen } from '../support/until.js'
import { launchChromium, openWatchedPage, type WatchedPage } from './browser.js'
import { cleanSlate } from './clean-slate.js'
import { describeInBrowser } from './describe-in-browser.js'
import { copiedBy, hasFocus, openSignedIn, rowOf, settled, textInFocus } from './page-parts.js'
import { insertUploads } from './staged/many-uploads.js'

const BYTES = Buffer.from('day,temperature\n1,4.2\n2,4.1\n')
const UPLOAD_KEY = 'uploader-key-0123456789'
/** More than two pages of the list's. */
const MANY = 450

describeInBrowser('everything staged', (chromiumPath) => {
  let shared: TestServer
  let server: TestServer
  let antipasto: Antipasto
  let tus: TusClient
  let browser: Browser
  let watched: WatchedPage

  beforeAll(async () => {
    shared = await startServer()
    browser = await launchChromium(chromiumPath)
  })

  // What is listed is only what the test has made.
  beforeEach(async () => {
    use(shared)
    await cleanSlate(shared)
  })

  afterEach(async () => {
    await watched?.close()
    if (server !== shared) await server.dispose()
  })

  afterAll(async () => {
    await browser?.close()
    await shared?.dispose()
  })

  function use(other: TestServer): void {
    server = other
    antipasto = new Antipasto({ url: server.url, token: server.key })
    tus = new TusClient(server)
  }

  async function openList(
    arrangement: 'flat' | 'grouped',
    { viewport = { width: 1100, height: 900 }, hash = '', key = server.key } = {},
  ): Promise<Page> {
    watched = await openWatchedPage(browser, server.url, viewport)
    const { page } = watched
    await page.addInitScript(
      `localStorage.getItem('antipasto.list') ?? localStorage.setItem('antipasto.list', '${arrangement}')`,
    )
    await openSignedIn(page, { url: server.url, key })
    if (hash !== '') {
      await page.goto(`${server.url}/${hash}`)
      await settled(page)
    }
    return page
  }

  async function idsOf(filters: UploadFilters): Promise<string[]> {
    const ids: string[] = []
    for await (const { id } of antipasto.uploads.list(filters)) ids.push(id)
    return ids
  }

  test('says how files come here when there are none, and shows the first one when it comes', async () => {
    const page = await openList('grouped')
    await page.getByText('Nothing staged yet').waitFor()
    expect(await page.locator('.staged .empty').textContent()).toContain('antipasto push FILE')
    await tus.put(BYTES, { filename: 'first.csv' })
    await rowOf(page, 'first.csv').waitFor()
    expect(await page.locator('.staged-group').textContent()).toContain('Without a package')
    await page.getByText('Give files a label when you send them').waitFor()
    expect(watched.troubles).toEqual([])
  })

  test('a row says what it is, how long it stays, and hands out its URL', async () => {
    const report = await tus.put(BYTES, {
      filename: 'lake.csv',
      relativePath: 'north/2026/lake.csv',
      label: 'Lakes',
    })
    const page = await openList('flat')
    const row = rowOf(page, 'lake.csv')
    await row.waitFor()
    expect(await row.locator('.badge').textContent()).toBe('Ready')
    expect(await row.locator('.staged-folder').first().textContent()).toBe('north/2026')
    expect(await row.locator('.staged-size data').getAttribute('title')).toBe('28 bytes')
    expect(await row.locator('.staged-end').textContent()).toMatch(/^Ends in (29|30) days$/)
    const end = new Date(report.expires_at ?? '')
    expect(await row.locator('.staged-end time').getAttribute('datetime')).toBe(report.expires_at)
    expect(await row.locator('.staged-end time').getAttribute('title')).toContain(String(end.getFullYear()))
    expect(await row.locator('.staged-age time').textContent()).toMatch(/ago$/)
    const copy = row.getByRole('button', { name: 'Copy URL of lake.csv' })
    expect(await copiedBy(page, () => copy.click())).toBe(report.retrieval_url)
    await row.getByRole('link', { name: 'lake.csv', exact: true }).click()
    expect(page.url()).toBe(`${server.url}/#/uploads/${report.id}`)
    expect(watched.troubles).toEqual([])
  })

  test('counts down to the end by the second, and says when it is soon', async () => {
    use(await startServer({ env: { UPLOAD_TTL: '1h' } }))
    await tus.put(BYTES, { filename: 'short.csv' })
    const page = await openList('flat')
    await page.clock.install()
    await page.reload()
    const left = rowOf(page, 'short.csv').locator('.staged-end time')
    expect(await left.textContent()).toMatch(/^Ends in (59|60) minutes$/)
    expect(await left.getAttribute('data-soon')).toBe('')
    await page.clock.fastForward(30 * 60_000)
    const later = /^Ends in (29|28) minutes$/
    const text = await valueWhen(
      async () => (await left.textContent()) ?? '',
      (found) => later.test(found),
    )
    expect(text).toMatch(later)
  })

  test('says why an upload failed, in short and in the server’s words; what PASTA would stumble over is marked', async () => {
    const sha256 = Buffer.from('0'.repeat(64)).toString()
    const failed = await tus.create({
      sizeBytes: BYTES.byteLength,
      metadata: { filename: 'wrong.csv', sha256 },
      body: BYTES,
    })
    expect(failed.status).toBe(422)
    await tus.put(Buffer.from('<!doctype html><title>Sign in</title>'), { filename: 'page.csv' })
    const page = await openList('flat')
    const row = rowOf(page, 'wrong.csv')
    await row.waitFor()
    expect(await row.locator('.badge').textContent()).toBe('Failed')
    const { items } = await antipasto.uploads.page({ state: ['failed'] })
    expect(await row.locator('.staged-reason').textContent()).toBe(
      `What arrived is not the file that was declared. ${items[0]?.error?.detail}`,
    )
    expect(await row.getByRole('button', { name: /^Copy/ }).count()).toBe(0)
    await rowOf(page, 'page.csv').getByRole('img', { name: '1 warning' }).waitFor()
    expect(watched.troubles).toEqual([])
  })

  test('in every order it has all rows once, page by page, as the server has them', async () => {
    await insertUploads(server.databaseUrl!, { count: MANY, prefix: 'Lake ' })
    const page = await openList('flat')
    for (const sort of SORTS) {
      await page.goto(`${server.url}/#/?sort=${sort}`)
      await settled(page)
      expect(await idsByScrolling(page)).toEqual(await idsOf({ sort }))
    }
    expect(watched.troubles).toEqual([])
  })

  test('searches, filters by state and label, keeps it in the address, and shows all again', async () => {
    await insertUploads(server.databaseUrl!, { count: 20, prefix: 'buoy ', label: 'Lakes' })
    await insertUploads(server.databaseUrl!, { count: 20, prefix: 'tile ', label: 'LiDAR' })
    await antipasto.packages.create({ name: 'LiDAR', label: 'LiDAR' })
    const unfinished = idOf(await tus.create({ sizeBytes: 10, metadata: { filename: 'tile unfinished' } }))
    const page = await openList('flat')
    const shown = () => idsByScrolling(page)

    await page.getByRole('searchbox').fill('TILE 0000')
    await page.waitForURL('**/#/?q=TILE+0000')
    await settled(page)
    expect(await shown()).toEqual(await idsOf({ q: 'TILE 0000' }))
    expect(await shown()).toHaveLength(9)

    // Whoever types slowly is searched for after each letter, and loses none.
    await page.getByRole('searchbox').fill('')
    await page.getByRole('searchbox').pressSequentially('tile', { delay: 270 })
    expect(await page.getByRole('searchbox').inputValue()).toBe('tile')
    await tools(page).getByRole('combobox', { name: 'State' }).selectOption({ label: 'Unfinished' })
    await settled(page)
    expect(await shown()).toEqual([unfinished])
    await tools(page).getByRole('combobox', { name: 'State' }).selectOption({ label: 'All states' })
    await tools(page).getByRole('combobox', { name: 'Label' }).selectOption({ label: 'LiDAR' })
    await tools(page).getByRole('combobox', { name: 'Order' }).selectOption({ label: 'Largest first' })
    await settled(page)
    const wished = { q: 'tile', label: 'LiDAR', sort: '-size' } as const
    expect(await shown()).toEqual(await idsOf(wished))
    expect(page.url()).toBe(`${server.url}/#/?q=tile&label=LiDAR&sort=-size`)

    await page.reload()
    await settled(page)
    expect(await page.getByRole('searchbox').inputValue()).toBe('tile')
    expect(await shown()).toEqual(await idsOf(wished))

    await page.goBack()
    await settled(page)
    expect(page.url()).toBe(`${server.url}/#/?q=tile&label=LiDAR`)
    expect(await shown()).toEqual(await idsOf({ q: 'tile', label: 'LiDAR' }))

    await page.getByRole('searchbox').fill('no such file')
    await page.getByText('Nothing matches').waitFor()
    await page.getByRole('button', { name: 'Show all files' }).click()
    await settled(page)
    await hasFocus(page.locator('#staged-title'))
    expect(await shown()).toEqual(await idsOf({}))
    expect(watched.troubles).toEqual([])
  })

  test('groups by package: the newest open, counts and ends, files when a group is opened, all of them', async () => {
    const old = await antipasto.packages.create({ name: 'Old rivers', label: 'rivers' })
    const large = await antipasto.packages.create({ name: 'Many tiles', label: 'tiles' })
    await insertUploads(server.databaseUrl!, {
      count: 3,
      prefix: 'river ',
      label: 'rivers',
      packageId: old.id,
    })
    await insertUploads(server.databaseUrl!, {
      count: MANY,
      prefix: 'tile ',
      label: 'tiles',
      packageId: large.id,
    })
    await insertUploads(server.databaseUrl!, { count: 2, prefix: 'loose ' })
    const page = await openList('grouped')
    const groups = page.locator('.staged-group')
    expect(await groups.locator('h3').allTextContents()).toEqual(['Without a package', 'Many tiles'])
    expect(await groups.nth(0).textContent()).toContain('2 files')
    expect(await groups.nth(1).textContent()).toContain('450 files')
    expect(await groups.nth(1).getByRole('button').getAttribute('aria-expanded')).toBe('true')
    expect(await idsByScrolling(page)).toEqual(await idsOf({ package_id: large.id }))

    // Its files, all of them, are between its head and the next.
    const rivers = page.locator(`.staged-group[data-group="${old.id}"]`)
    await rivers.getByRole('button').click()
    await rowOf(page, 'river 00003.csv').waitFor()
    await rivers.getByRole('link', { name: 'View package Old rivers' }).click()
    await page.locator('h1').filter({ visible: true }).waitFor()
    await settled(page)
    await page.goBack()
    expect(await textInFocus(page, 'Old rivers')).toBe('Old rivers')

    await tools(page).getByRole('combobox', { name: 'Label' }).selectOption({ label: 'rivers' })
    await settled(page)
    expect(await groups.locator('h3').allTextContents()).toEqual(['Old rivers'])
    await page.getByRole('searchbox').fill('loose')
    await page.waitForURL('**q=loose**')
    await tools(page).getByRole('combobox', { name: 'Label' }).selectOption({ label: 'All labels' })
    await settled(page)
    expect(await idsByScrolling(page)).toEqual(await idsOf({ q: 'loose' }))
    await page.getByRole('button', { name: 'One list' }).click()
    await page.reload()
    await settled(page)
    expect(await page.getByRole('button', { name: 'One list' }).getAttribute('aria-pressed')).toBe('true')
    expect(watched.troubles).toEqual([])
  })

  test('works by keyboard: from row to row, to the ends, and on where a deleted row was', async () => {
    await insertUploads(server.databaseUrl!, { count: MANY, prefix: 'row ' })
    const page = await openList('flat')
    const focused = () => page.evaluate<string>('document.activeElement.textContent')
    const press = async (key: string, name: string) => {
      await page.keyboard.press(key)
      expect(await textInFocus(page, name)).toBe(name)
    }
    await rowOf(page, 'row 00001.csv').getByRole('link').focus()
    await press('ArrowDown', 'row 00002.csv')
    expect(await page.evaluate('getComputedStyle(document.activeElement).outlineStyle')).toBe('solid')
    const afterPage = Number(/\d+/.exec(await pageDown(page))?.[0])
    expect(afterPage).toBeGreaterThan(5)
    await press('ArrowUp', `row ${String(afterPage - 1).padStart(5, '0')}.csv`)
    await press('Home', 'row 00001.csv')
    await page.keyboard.press('End')
    await valueWhen(focused, (name) => name === 'row 00200.csv')
    // The rest comes while one looks: the end is further down now.
    await valueWhen(
      async () => {
        await page.keyboard.press('End')
        return focused()
      },
      (name) => name === `row 00${MANY}.csv`,
    )
    expect(await focused()).toBe(`row 00${MANY}.csv`)

    await page.keyboard.press('Tab')
    await page.keyboard.press('Tab')
    expect(await page.evaluate('document.activeElement.ariaLabel')).toBe(`Delete row 00${MANY}.csv`)
    await press('Enter', `row 00${MANY - 1}.csv`)
    // Whoever doesn't want to walk through all rows doesn't have to.
    await page.locator('.skip-list').focus()
    await page.keyboard.press('Enter')
    await hasFocus(page.locator('#staged-end'))
    expect(watched.troubles).toEqual([])
  })

  test('coming back from an upload it is where it was left, with the focus on that row', async () => {
    await insertUploads(server.databaseUrl!, { count: 150, prefix: 'row ' })
    const page = await openList('flat', { hash: '#/?sort=filename' })
    await rowOf(page, 'row 00001.csv').getByRole('link').focus()
    let name = ''
    for (let times = 0; times < 6; times += 1) name = await pageDown(page)
    const before = await page.evaluate<number>('scrollY')
    expect(before).toBeGreaterThan(1_000)
    await page.keyboard.press('Enter')
    await page.locator('h1').filter({ visible: true }).waitFor()
    await page.locator('a.back').click()
    expect(await textInFocus(page, name)).toBe(name)
    expect(page.url()).toBe(`${server.url}/#/?sort=filename`)
    expect(Math.abs((await page.evaluate<number>('scrollY')) - before)).toBeLessThan(2)
    expect(watched.troubles).toEqual([])
  })

  test('fits a window of 360 pixels, with names of any length and direction', async () => {
    await tus.put(BYTES, {
      filename: `${'phytoplankton_'.repeat(17)}.csv`.slice(-255),
      label: 'ל'.repeat(90),
    })
    await tus.put(BYTES, { filename: 'بيانات درجة حرارة البحيرة ٢٠٢٦.csv' })
    await tus.create({ sizeBytes: 9e12, metadata: { filename: '<img src=x onerror=alert(1)>.csv' } })
    for (const arrangement of ['flat', 'grouped'] as const) {
      const page = await openList(arrangement, { viewport: { width: 360, height: 740 } })
      await page.locator('.staged-row').first().waitFor()
      expect(await page.evaluate('document.scrollingElement.scrollWidth')).toBe(360)
      expect(await page.locator('.staged-row img').count()).toBe(0)
      // Nothing of a row hangs out of it.
      const overhanging = `[...document.querySelectorAll('.windowed-row')].filter((row) => row.firstElementChild.scrollHeight > row.clientHeight + 1).length`
      expect(await page.evaluate(overhanging)).toBe(0)
      expect(watched.troubles).toEqual([])
      await watched.close()
    }
  })

  test('says so when the key may not read, and asks for nothing that it may not have', async () => {
    const keys = { API_UPLOAD_KEYS: UPLOAD_KEY, API_READ_KEYS: 'reader-key-0123456789' }
    use(await startServer({ env: keys }))
    const page = await openList('flat', { key: UPLOAD_KEY })
    await page.getByText('What was sent cannot be shown').waitFor()
    expect(await page.locator('.staged').textContent()).toContain('your key lacks the right “read”')
    // The stream of events may be asked for before it is known what the key may.
    const refusals = watched.troubles.filter((trouble) => !trouble.includes('status of 403'))
    expect(refusals).toEqual([])
  })

  test('deletes with one press, and the row is back when that is undone', async () => {
    await tus.put(BYTES, { filename: 'stays.csv' })
    await tus.put(BYTES, { filename: 'gone.csv' })
    const page = await openList('flat')
    await rowOf(page, 'gone.csv').getByRole('button', { name: 'Delete gone.csv' }).click()
    await rowOf(page, 'gone.csv').waitFor({ state: 'detached' })
    await tools(page).getByRole('combobox', { name: 'State' }).selectOption({ label: 'Deleted and expired' })
    await rowOf(page, 'gone.csv').getByText('Deleted', { exact: true }).waitFor()
    await page.getByRole('button', { name: 'Undo' }).click()
    await page.getByText('Nothing matches').waitFor()
    await page.getByRole('button', { name: 'Show all files' }).click()
    await rowOf(page, 'gone.csv').getByRole('button', { name: 'Copy URL of gone.csv' }).waitFor()

    for (const name of ['gone.csv', 'stays.csv']) {
      await rowOf(page, name)
        .getByRole('button', { name: `Delete ${name}` })
        .press('Enter')
      await rowOf(page, name).waitFor({ state: 'detached' })
    }
    // With the last row the list goes.
    await page.getByText('Nothing staged yet').waitFor()
    await hasFocus(page.locator('#staged-title'))
    expect(await tools(page).isVisible()).toBe(false)
    expect(watched.troubles).toEqual([])
  })
})

/** Above the list. The send area has a label of its own. */
function tools(page: Page): Locator {
  return page.getByRole('search', { name: 'Everything staged' })
}

/** Answers the row that has the focus then: another one. */
async function pageDown(page: Page): Promise<string> {
  const focused = () => page.evaluate<string>('document.activeElement.textContent')
  const before = await focused()
  await page.keyboard.press('PageDown')
  return valueWhen(focused, (name) => name !== before)
}

/** The window has rows wherever the list is in it: they follow a moment after it was scrolled. */
const IS_DRAWN = `(() => {
  const list = document.querySelector('.windowed').getBoundingClientRect()
  const rows = [...document.querySelectorAll('.windowed-row')].map((row) => row.getBoundingClientRect())
  const [from, to] = [Math.max(0, list.top), Math.min(innerHeight, list.bottom)]
  const drawn = rows.reduce((sum, row) => sum + Math.max(0, Math.min(row.bottom, to) - Math.max(row.top, from)), 0)
  return drawn > to - from - 1
})()`

/** All rows from the top to the end, as somebody meets them who scrolls down; pages come on the way. */
async function idsByScrolling(page: Page): Promise<string[]> {
  await page.evaluate('scrollTo(0, 0)')
  const places = new Map<number, string>()
  const seen = `[...document.querySelectorAll('.windowed-row:has(.staged-row)')].map((row) => [Number(row.ariaPosInSet), row.firstElementChild.dataset.id])`
  for (let still = 0; still < 4; ) {
    await page.waitForTimeout(60)
    await valueWhen(() => page.evaluate<boolean>(IS_DRAWN), Boolean)
    for (const [place, id] of await page.evaluate<[number, string][]>(seen)) places.set(place, id)
    const atEnd = `scrollY + innerHeight >= document.scrollingElement.scrollHeight - 1`
    still = (await page.evaluate<boolean>(atEnd)) ? still + 1 : 0
    await page.evaluate('scrollBy(0, innerHeight * 0.9)')
  }
  return [...places].sort(([one], [other]) => one - other).map(([, id]) => id)
}
