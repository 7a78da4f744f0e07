// The list follows what happens elsewhere: another browser, the command line, a server that goes and comes.

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals'
import type { Browser, Page } from 'playwright-core'
import { Antipasto } from '../../client/api/antipasto.js'
import { runCli } from '../client/cli/run.js'
import { TusClient } from '../dialects/tus-client.js'
import { startServer, type TestServer } from '../support/server.js'
import { valueWhen } from '../support/until.js'
import { launchChromium, openWatchedPage, type WatchedPage } from './browser.js'
import { cleanSlate } from './clean-slate.js'
import { describeInBrowser } from './describe-in-browser.js'
import { openSignedIn, rowOf, settled } from './page-parts.js'
import { insertUploads } from './staged/many-uploads.js'

const BYTES = Buffer.from('day,temperature\n1,4.2\n2,4.1\n')
/** The server looks at its log every 200 ms; the rest is the page's. */
const MOST_LATENCY_MS = 300
const LATENCIES = 25

describeInBrowser('the list, live', (chromiumPath) => {
  let server: TestServer
  let antipasto: Antipasto
  let tus: TusClient
  let browser: Browser
  let folder: string
  let opened: WatchedPage[] = []

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'antipasto-live-'))
    server = await startServer()
    antipasto = new Antipasto({ url: server.url, token: server.key })
    tus = new TusClient(server)
    browser = await launchChromium(chromiumPath)
  })

  beforeEach(() => cleanSlate(server))

  afterEach(async () => {
    for (const watched of opened) await watched.close()
    opened = []
  })

  afterAll(async () => {
    await browser?.close()
    await server?.dispose()
    await rm(folder, { recursive: true, force: true })
  })

  async function openList(arrangement: 'flat' | 'grouped' = 'flat'): Promise<Page> {
    const watched = await openWatchedPage(browser, server.url)
    opened.push(watched)
    await watched.page.addInitScript(`localStorage.setItem('antipasto.list', '${arrangement}')`)
    await openSignedIn(watched.page, server)
    return watched.page
  }

  const troubles = () => opened.flatMap((watched) => watched.troubles)

  test('a row is there within 300 ms of its event', async () => {
    const page = await openList()
    // When each row was drawn, by the clock that the server's events are told by: this machine's.
    await page.evaluate(`(() => {
      window.drawn = {}
      new MutationObserver(() => {
        for (const row of document.querySelectorAll('.staged-row')) {
          const { id } = row.dataset
          if (id in window.drawn) continue
          window.drawn[id] = null
          requestAnimationFrame(() => { window.drawn[id] = performance.timeOrigin + performance.now() })
        }
      }).observe(document.body, { childList: true, subtree: true })
    })()`)
    const ids: string[] = []
    for (let index = 0; index < LATENCIES; index += 1) {
      ids.push(await tus.begin(10, { filename: `event ${index}.csv` }))
      await sleep(150 + Math.random() * 300)
    }
    await rowOf(page, `event ${LATENCIES - 1}.csv`).waitFor()
    const begun = new Map<string, number>()
    for await (const event of antipasto.events()) {
      if (event.type === 'upload.created.v1') begun.set(event.upload_id, Date.parse(event.at))
    }
    const drawn = await page.evaluate<Record<string, number>>('window.drawn')
    const latencies = ids
      .map((id) => (drawn[id] ?? Number.NaN) - (begun.get(id) ?? Number.NaN))
      .sort((a, b) => a - b)
    const median = latencies[Math.floor(latencies.length / 2)] ?? Number.NaN
    console.info(
      `From an event's commit to its row on the screen: median ${Math.round(median)} ms, worst ${Math.round(latencies.at(-1) ?? Number.NaN)} ms of ${LATENCIES}`,
    )
    expect(latencies.every((latency) => latency > 0)).toBe(true)
    // The worst is the machine's: others may be at work on it.
    expect(median).toBeLessThanOrEqual(MOST_LATENCY_MS)
    expect(troubles()).toEqual([])
  })

  test('what one browser sends moves in the other one: begun, how far, ready, deleted', async () => {
    const [sender, reader] = [await openList(), await openList()]
    await opened[0]!.limitUpload(400_000)
    await sender.locator('input[data-pick="files"]').setInputFiles({
      name: 'moves.bin',
      mimeType: 'application/octet-stream',
      buffer: Buffer.alloc(9_000_000, 'x'),
    })
    await sender.locator('.uppy-StatusBar-actionBtn--upload').click()
    await rowOf(sender, 'moves.bin').getByText('Uploading', { exact: true }).waitFor()
    const row = rowOf(reader, 'moves.bin')
    await row.getByText('Unfinished', { exact: true }).waitFor()
    const percents = new Set<number>()
    const percent = async () => Number(/(\d+)%/.exec((await row.textContent()) ?? '')?.[1] ?? Number.NaN)
    const seen = await valueWhen(
      async () => [...percents.add(await percent())].filter(Number.isFinite).length,
      (count) => count >= 2,
    )
    expect(seen).toBeGreaterThanOrEqual(2)
    await opened[0]!.limitUpload(0)
    await row.getByText('Ready', { exact: true }).waitFor()
    await row.getByRole('button', { name: 'Copy URL of moves.bin' }).waitFor()
    await rowOf(sender, 'moves.bin').getByText('Ready', { exact: true }).waitFor()
    await row.getByRole('button', { name: 'Delete moves.bin' }).click()
    await rowOf(sender, 'moves.bin').waitFor({ state: 'detached' })
    expect(troubles()).toEqual([])
  })

  test('a push of the command line is seen live, file by file, and counted in its package', async () => {
    const files = path.join(folder, 'season')
    await mkdir(files, { recursive: true })
    const count = 400
    for (let index = 0; index < count; index += 1) {
      await writeFile(path.join(files, `plot-${String(index).padStart(3, '0')}.csv`), `plot,${index}\n`)
    }
    const page = await openList('grouped')
    const longest = page.evaluate<number>(`new Promise((resolve) => {
      let longest = 0
      let before = performance.now()
      const tick = (now) => {
        longest = Math.max(longest, now - before)
        before = now
        if (window.isOver) resolve(longest)
        else requestAnimationFrame(tick)
      }
      requestAnimationFrame(tick)
    })`)
    const pushed = runCli(['push', files, '--label', 'season 2026'], { server })
    await page.locator('.staged-group').getByText('season 2026').first().waitFor()
    expect((await pushed).exitCode).toBe(0)
    const counts = page.locator('.staged-group-facts').filter({ hasText: `${count} files` })
    await counts.waitFor()
    await page.evaluate('window.isOver = true')
    console.info(`While ${count} files were pushed: the longest frame took ${Math.round(await longest)} ms`)
    await page.getByRole('button', { name: 'One list' }).click()
    await settled(page)
    await valueWhen(
      () => page.locator('.windowed-row').first().getAttribute('aria-setsize'),
      (size) => size === '-1' || size === String(count),
    )
    const badges = await valueWhen(
      () => page.locator('.staged-row .badge').allTextContents(),
      (names) => names.every((name) => name === 'Ready'),
    )
    for (const name of badges) expect(name).toBe('Ready')
    expect(await page.locator('.staged-row').count()).toBeLessThan(60)
    expect(troubles()).toEqual([])
  })

  test('what somebody reads further down stays in place while files come in above, and a button leads there', async () => {
    await insertUploads(server.databaseUrl!, { count: 300, prefix: 'row ' })
    const page = await openList()
    await rowOf(page, 'row 00001.csv').getByRole('link').focus()
    await page.evaluate('document.activeElement.blur()')
    await page.evaluate('scrollBy(0, 3000)')
    const before = await firstInView(page)
    await tus.put(BYTES, { filename: 'new 1.csv' })
    await page.getByRole('button', { name: '1 new file above' }).waitFor()
    await tus.put(BYTES, { filename: 'new 2.csv' })
    await page.getByRole('button', { name: '2 new files above' }).waitFor()
    expect(await firstInView(page)).toBe(before)
    await page.getByRole('button', { name: '2 new files above' }).click()
    await rowOf(page, 'new 2.csv').waitFor()
    await page.getByRole('button', { name: '2 new files above' }).waitFor({ state: 'detached' })
    expect(await page.evaluate('document.activeElement.id')).toBe('staged-title')
    // At the top, what is new is simply there.
    await tus.put(BYTES, { filename: 'new 3.csv' })
    await rowOf(page, 'new 3.csv').waitFor()
    expect(troubles()).toEqual([])
  })

  test('what this tab sends is seen, though its group was closed', async () => {
    await insertUploads(server.databaseUrl!, { count: 2, prefix: 'old ', newestSecondsAgo: 3_600 })
    const { id } = await antipasto.packages.create({ name: 'Newer', label: 'newer' })
    await insertUploads(server.databaseUrl!, { count: 1, prefix: 'new ', packageId: id })
    const page = await openList('grouped')
    const loose = page.locator('.staged-group[data-group="none"]').getByRole('button')
    expect(await loose.getAttribute('aria-expanded')).toBe('false')
    await page.locator('input[data-pick="files"]').setInputFiles({
      name: 'mine.csv',
      mimeType: 'text/csv',
      buffer: BYTES,
    })
    await page.locator('.uppy-StatusBar-actionBtn--upload').click()
    await rowOf(page, 'mine.csv').getByText('Ready', { exact: true }).waitFor()
    expect(await loose.getAttribute('aria-expanded')).toBe('true')
    expect(troubles()).toEqual([])
  })

  test('only what is searched for comes in, and what is no longer so leaves', async () => {
    const page = await openList()
    await page.goto(`${server.url}/#/?q=lake&state=unfinished`)
    await settled(page)
    const id = await tus.begin(BYTES.byteLength, { filename: 'Lake.csv' })
    await tus.begin(10, { filename: 'river.csv' })
    await rowOf(page, 'Lake.csv').waitFor()
    await tus.patch(id, 0, BYTES)
    await rowOf(page, 'Lake.csv').waitFor({ state: 'detached' })
    expect(await rowOf(page, 'river.csv').count()).toBe(0)
    expect(troubles()).toEqual([])
  })

  test('misses nothing when the server goes and comes, and says so only when it takes a while', async () => {
    const page = await openList()
    await tus.put(BYTES, { filename: 'before.csv' })
    await rowOf(page, 'before.csv').waitFor()
    await server.kill()
    await sleep(1_500)
    expect(await page.locator('.banner').count()).toBe(0)
    await page.locator('.banner', { hasText: 'The server cannot be reached' }).waitFor()
    await server.restart()
    await tus.put(BYTES, { filename: 'meanwhile.csv' })
    await rowOf(page, 'meanwhile.csv').getByText('Ready', { exact: true }).waitFor()
    await page.locator('.banner').waitFor({ state: 'detached' })
    expect(troubles().filter((trouble) => !trouble.includes('ERR_'))).toEqual([])
  })

  test('a hidden tab gives its connection back, and catches up when it is shown again', async () => {
    const page = await openList()
    await tus.put(BYTES, { filename: 'before.csv' })
    await rowOf(page, 'before.csv').waitFor()
    await page.clock.install()
    const given = page.waitForEvent('requestfailed', (request) => request.url().includes('/events?'))
    await hide(page, true)
    await page.clock.fastForward(61_000)
    await given
    await tus.put(BYTES, { filename: 'unseen.csv' })
    await sleep(800)
    expect(await rowOf(page, 'unseen.csv').count()).toBe(0)
    await hide(page, false)
    await rowOf(page, 'unseen.csv').getByText('Ready', { exact: true }).waitFor()
    // And it follows again.
    await tus.put(BYTES, { filename: 'after.csv' })
    await rowOf(page, 'after.csv').waitFor()
    expect(troubles()).toEqual([])
  })
})

/** The first row of the window and its place in it, once nothing moves any more. */
async function firstInView(page: Page): Promise<string> {
  for (let before = ''; ; ) {
    const now = await page.evaluate<string>(`(() => {
      const rows = [...document.querySelectorAll('.staged-row')].map((row) => [row.getBoundingClientRect().top, row])
      const first = rows.filter(([at]) => at > 0).sort(([a], [b]) => a - b)[0]
      return first === undefined ? '' : first[1].querySelector('a').textContent + ' at ' + Math.round(first[0])
    })()`)
    if (now !== '' && now === before) return now
    before = now
    await sleep(300)
  }
}

/** As when another tab comes to the front. */
async function hide(page: Page, isHidden: boolean): Promise<void> {
  await page.evaluate(`(() => {
    Object.defineProperty(document, 'hidden', { configurable: true, get: () => ${isHidden} })
    document.dispatchEvent(new Event('visibilitychange'))
  })()`)
}
