// What the browser's tests stand on: other people's sites, which are real servers on other origins, and a page that remembers
// what happened in it.

import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe } from '@jest/globals'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { findChromium, launchChromium } from '../dashboard/browser.js'
import { type State, StateReader } from '../hostile/state.js'
import type { TestServer } from '../support/server.js'

export interface Served {
  type: string
  body: string | Uint8Array
  headers?: Readonly<Record<string, string>>
}

export interface Site {
  /** `http://localhost:PORT`, another origin than that of a server under test by its port. */
  readonly origin: string
  /** Paths that were asked for, in order. */
  readonly requests: string[]
  /** Its paths, with what they answer; anything else is 204. */
  readonly pages: Map<string, Served>
  close(): Promise<void>
}

export async function startSite(pages: Readonly<Record<string, Served>> = {}): Promise<Site> {
  const known = new Map(Object.entries(pages))
  const requests: string[] = []
  const server = createServer((request, response) => {
    request.resume()
    const url = request.url ?? ''
    requests.push(url)
    const page = known.get(url.replace(/\?.*/, ''))
    // Everybody may read it: what is stopped must be stopped by us.
    response.setHeader('Access-Control-Allow-Origin', '*')
    response.setHeader('Cache-Control', 'no-store')
    if (page === undefined) {
      response.writeHead(204).end()
      return
    }
    response.writeHead(200, { 'Content-Type': page.type, ...page.headers }).end(page.body)
  })
  server.listen(0, 'localhost')
  await once(server, 'listening')
  return {
    origin: `http://localhost:${(server.address() as AddressInfo).port}`,
    requests,
    pages: known,
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

export function html(body: string): Served {
  return {
    type: 'text/html; charset=utf-8',
    body: `<!doctype html><meta charset="utf-8"><title>site</title>${body}`,
  }
}

const chromiumPath = findChromium()
const isSkipped = chromiumPath === undefined && process.env.REQUIRE_BROWSER !== '1'

/** A `describe` with a Chromium; skipped, and said so, where there is none and REQUIRE_BROWSER isn't set. */
export function describeInChromium(name: string, tests: (browser: () => Browser) => void): void {
  if (isSkipped)
    console.warn(`The browser tests of ${name} are skipped: no Chromium was found. Set CHROMIUM_PATH.`)
  const kind = isSkipped ? describe.skip : describe
  kind(isSkipped ? `${name} (skipped: no Chromium; set CHROMIUM_PATH)` : name, () => {
    let browser: Browser | undefined
    beforeAll(async () => {
      if (chromiumPath === undefined) throw new Error('REQUIRE_BROWSER is set, and there is no Chromium.')
      browser = await launchChromium(chromiumPath)
    })
    afterAll(async () => browser?.close())
    tests(() => {
      if (browser === undefined) throw new Error('The browser is not started yet.')
      return browser
    })
  })
}

export interface Witness {
  readonly context: BrowserContext
  readonly page: Page
  /** Dialogs that were opened, in any page of the context. */
  readonly dialogs: string[]
  /** Names of files that were offered for saving. */
  readonly downloads: string[]
  /** URLs that a main frame has gone to. */
  readonly visited: string[]
}

/** A page in a profile of its own, where whatever opens is seen. */
export async function openWitness(browser: Browser): Promise<Witness> {
  const context = await browser.newContext({ acceptDownloads: true })
  context.setDefaultTimeout(15_000)
  const witness: Witness = { context, page: await context.newPage(), dialogs: [], downloads: [], visited: [] }
  const watch = (page: Page) => {
    page.on('dialog', (dialog) => {
      witness.dialogs.push(dialog.message())
      void dialog.dismiss()
    })
    page.on('download', (download) => witness.downloads.push(download.suggestedFilename()))
    page.on('framenavigated', (frame) => {
      if (frame.parentFrame() === null) witness.visited.push(frame.url())
    })
  }
  watch(witness.page)
  context.on('page', watch)
  return witness
}

/** All that a server keeps: the same before and after what must not change anything. */
export async function holdings(server: TestServer): Promise<State> {
  const reader = await StateReader.open(server)
  try {
    return await reader.read()
  } finally {
    await reader.close()
  }
}
