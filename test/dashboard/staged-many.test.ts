// Ten thousand rows: scrolled to the end by a slow computer, with the frames counted.

import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals'
import type { Browser } from 'playwright-core'
import { Antipasto } from '../../client/api/antipasto.js'
import { startServer, type TestServer } from '../support/server.js'
import { launchChromium, openWatchedPage, type WatchedPage } from './browser.js'
import { describeInBrowser } from './describe-in-browser.js'
import { openSignedIn } from './page-parts.js'
import { insertUploads } from './staged/many-uploads.js'

const MANY = 10_000
const SLOWDOWN = 4
const FRAMES = 240
/** Of one way through the list: some seconds, and ten times as many where the processor is busy elsewhere. */
const PATIENCE_MS = 100_000
/** 120 px of 860: 7,200 px in a second. */
const WHEEL_WINDOWS = 0.14
/** Rows of the window, and what is kept ready around it. */
const MOST_ROWS = 80

describeInBrowser('a list of 10,000 rows', (chromiumPath) => {
  let server: TestServer
  let browser: Browser
  let watched: WatchedPage

  beforeAll(async () => {
    server = await startServer()
    await insertUploads(server.databaseUrl!, { count: MANY, prefix: 'row ' })
    browser = await launchChromium(chromiumPath)
  })

  afterEach(async () => watched?.close())

  afterAll(async () => {
    await browser?.close()
    await server?.dispose()
  })

  test('is scrolled through by a slow computer with even frames, to its end, with few rows in the document', async () => {
    watched = await openWatchedPage(browser, server.url)
    const { page } = watched
    await page.addInitScript(`localStorage.setItem('antipasto.list', 'flat')`)
    await openSignedIn(page, server)
    const toEnd = await page.evaluate<Scrolled>(scrollBy(2, '4'))
    const last = page.locator('.windowed-row').last()
    expect(await last.getAttribute('aria-posinset')).toBe(String(MANY))
    expect(await last.getAttribute('aria-setsize')).toBe(String(MANY))
    const antipasto = new Antipasto({ url: server.url, token: server.key })
    const oldest = await antipasto.uploads.page({ sort: 'created_at' }, { limit: 1 })
    expect(await last.locator('.staged-row').getAttribute('data-id')).toBe(oldest.items[0]?.id)

    // With all of it there: as fast as a wheel goes, at full speed for the work of a frame, then slowed down for its evenness.
    await page.evaluate('scrollTo(0, 600)')
    await sleep(500)
    const devtools = await page.context().newCDPSession(page)
    const before = await rendererSeconds(browser)
    const swift = await page.evaluate<Scrolled>(scrollBy(WHEEL_WINDOWS, String(FRAMES)))
    const workMs = ((await rendererSeconds(browser)) - before) * (1000 / swift.frames.length)
    await devtools.send('Emulation.setCPUThrottlingRate', { rate: SLOWDOWN })
    const slow = await page.evaluate<Scrolled>(scrollBy(WHEEL_WINDOWS, String(FRAMES)))
    await devtools.send('Emulation.setCPUThrottlingRate', { rate: 1 })
    const { usedSize } = await devtools.send('Runtime.getHeapUsage')
    const sorted = slow.frames.toSorted((one, other) => one - other)
    const at = (part: number) => Math.round(sorted[Math.floor(part * (sorted.length - 1))] ?? Number.NaN)
    const rows = Math.max(toEnd.rows, swift.rows, slow.rows)
    console.info(
      `10,000 rows: ${workMs.toFixed(1)} ms of the renderer's CPU for a frame of scrolling; at a CPU ×${SLOWDOWN} slower frames take ` +
        `${at(0.5)} ms (median), ${at(0.95)} ms (95%), ${at(1)} ms (longest); at most ${rows} rows in the document; heap ${Math.round(usedSize / 1024 / 1024)} MiB`,
    )
    expect(rows).toBeLessThan(MOST_ROWS)
    // By the clock it is other processes' business, too: a stutter would be far above this.
    expect(workMs).toBeLessThan(30)
    expect(at(0.5)).toBeLessThan(150)
    expect(usedSize).toBeLessThan(150 * 1024 * 1024)
    expect(watched.troubles).toEqual([])
  })

  test('loads on by itself after a page that never came, and one that was refused', async () => {
    watched = await openWatchedPage(browser, server.url)
    const { page } = watched
    await page.addInitScript(`localStorage.setItem('antipasto.list', 'flat')`)
    let asked = 0
    await page.route(
      (url) => url.pathname === '/uploads' && url.searchParams.has('cursor'),
      async (route) => {
        asked += 1
        if (asked === 1) return
        if (asked > 2) return route.continue()
        const headers = { 'content-type': 'application/problem+json', 'retry-after': '60' }
        const body = JSON.stringify({
          code: 'UNAVAILABLE',
          detail: 'The database does not answer.',
          status: 503,
        })
        await route.fulfill({ status: 503, headers, body })
      },
    )
    await openSignedIn(page, server)
    await page.evaluate('scrollTo(0, document.scrollingElement.scrollHeight)')
    await page.locator('.staged-list [role=alert]').waitFor()
    await page.evaluate<Scrolled>(scrollBy(2, '4'))
    expect(await page.locator('.windowed-row').last().getAttribute('aria-posinset')).toBe(String(MANY))
    expect(await page.locator('.staged-list [role=alert]').count()).toBe(0)
  })

  test('jumps to anywhere, back and forth, without an empty window', async () => {
    watched = await openWatchedPage(browser, server.url)
    const { page } = watched
    await page.addInitScript(`localStorage.setItem('antipasto.list', 'flat')`)
    await openSignedIn(page, server)
    for (const place of ['10000', '0', '8000', '3000', '11500']) {
      await page.evaluate(`scrollTo(0, ${place})`)
      await page.evaluate('new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))')
      const filled = await page.evaluate<number>(`(() => {
        const list = document.querySelector('.windowed').getBoundingClientRect()
        const rows = [...document.querySelectorAll('.windowed-row')].map((row) => row.getBoundingClientRect())
        const [from, to] = [Math.max(0, list.top), Math.min(innerHeight, list.bottom)]
        const covered = rows.reduce((sum, row) => sum + Math.max(0, Math.min(row.bottom, to) - Math.max(row.top, from)), 0)
        return covered / (to - from)
      })()`)
      expect(filled).toBeCloseTo(1, 2)
    }
    expect(watched.troubles).toEqual([])
  })
})

interface Scrolled {
  /** Milliseconds from each frame to the next. */
  frames: number[]
  /** The most that were in the document at once. */
  rows: number
}

/** So much of a window with each frame: less than one for `most` frames, more until it has stood at the very end for as many. */
function scrollBy(windows: number, most: string): string {
  return `new Promise((resolve, reject) => {
    const frames = []
    let [rows, before, still] = [0, performance.now(), 0]
    setTimeout(() => {
      const { ariaSetSize } = document.querySelector('.windowed-row') ?? {}
      const said = [...document.querySelectorAll('[role=alert], .loading')].map(({ textContent }) => textContent)
      const place = { scrollY, innerHeight, scrollHeight: document.scrollingElement.scrollHeight }
      const drawn = { frames: frames.length, sinceMs: performance.now() - before, as: document.visibilityState }
      reject(new Error('Not there, by ${windows}: ' + JSON.stringify({ ariaSetSize, said, place, drawn })))
    }, ${PATIENCE_MS})
    const step = (now) => {
      frames.push(now - before)
      before = now
      rows = Math.max(rows, document.querySelectorAll('.windowed-row').length)
      const isWhole = document.querySelector('.windowed-row')?.ariaSetSize === '${MANY}'
      const isAtEnd = scrollY + innerHeight >= document.scrollingElement.scrollHeight - 1
      still = isWhole && isAtEnd ? still + 1 : 0
      if (still >= ${most} || (${windows} < 1 && frames.length >= ${most})) return resolve({ frames, rows })
      scrollBy(0, innerHeight * ${windows})
      requestAnimationFrame(step)
    }
    requestAnimationFrame(step)
  })`
}

/** What the pages' processes have used of the processors, however busy these are with others. */
async function rendererSeconds(browser: Browser): Promise<number> {
  const devtools = await browser.newBrowserCDPSession()
  const { processInfo } = await devtools.send('SystemInfo.getProcessInfo')
  await devtools.detach()
  return processInfo.filter(({ type }) => type === 'renderer').reduce((sum, { cpuTime }) => sum + cpuTime, 0)
}
