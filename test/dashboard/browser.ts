// Chromium for the page's tests, and a page that remembers everything that went wrong in it.

import { existsSync } from 'node:fs'
import path from 'node:path'
import {
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  type CDPSession,
  chromium,
  type Page,
} from 'playwright-core'
import { PATIENCE_MS } from '../support/until.js'

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']

/** The Chromium to use: CHROMIUM_PATH, or the first on PATH. Undefined when there is none. */
export function findChromium(): string | undefined {
  const named = process.env.CHROMIUM_PATH
  if (named) return existsSync(named) ? named : undefined
  const folders = (process.env.PATH ?? '').split(path.delimiter)
  return NAMES.flatMap((name) => folders.map((folder) => path.join(folder, name))).find(existsSync)
}

export function launchChromium(executablePath: string): Promise<Browser> {
  return chromium.launch({
    executablePath,
    args: [
      // Chromium refuses its sandbox to root.
      ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--no-first-run',
    ],
  })
}

export interface WatchedPage {
  readonly page: Page
  /** Console errors, uncaught exceptions, breaches of the page's policy, and requests to other origins. */
  readonly troubles: string[]
  /** Method and path of each request so far, e.g. "POST /uploads". */
  readonly requests: string[]
  /** What the browser may send per second; 0 is no limit. */
  limitUpload(bytesPerSecond: number): Promise<void>
  close(): Promise<void>
}

/** How the person who looks at the page has set up the browser. */
export type Looks = Pick<BrowserContextOptions, 'colorScheme' | 'locale' | 'timezoneId' | 'reducedMotion'>

/** A page in a profile of its own that may read the clipboard; nothing is opened yet. */
export async function openWatchedPage(
  browser: Browser,
  origin: string,
  viewport = { width: 1000, height: 860 },
  looks: Looks = {},
): Promise<WatchedPage> {
  return watchPage(await browser.newContext({ viewport, ...looks }), origin)
}

/** A page in that profile: another tab of the same person, or one of a profile on the disk. */
export async function watchPage(context: BrowserContext, origin: string): Promise<WatchedPage> {
  await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin })
  context.setDefaultTimeout(PATIENCE_MS)
  const page = await context.newPage()
  const troubles: string[] = []
  const requests: string[] = []

  page.on('console', (message) => {
    if (message.type() === 'error') troubles.push(message.text())
  })
  page.on('pageerror', (error) => troubles.push(String(error)))
  page.on('request', (request) => {
    const url = new URL(request.url())
    if (url.protocol.startsWith('http') && url.origin !== origin) troubles.push(`request to ${url.origin}`)
    requests.push(`${request.method()} ${url.pathname}`)
  })
  // Leaving with files on their way makes the browser ask.
  page.on('dialog', (dialog) => void dialog.accept())
  await page.addInitScript(`addEventListener('securitypolicyviolation', (breach) => {
    console.error('policy: ' + breach.violatedDirective + ' stops ' + breach.blockedURI)
  })`)

  let devtools: CDPSession | undefined
  return {
    page,
    troubles,
    requests,
    async limitUpload(bytesPerSecond) {
      devtools ??= await context.newCDPSession(page)
      await devtools.send('Network.enable')
      await devtools.send('Network.emulateNetworkConditions', {
        offline: false,
        latency: 0,
        downloadThroughput: -1,
        uploadThroughput: bytesPerSecond === 0 ? -1 : bytesPerSecond,
      })
    },
    close: () => context.close(),
  }
}

/** Drops files from the disk on the middle of an element, as a hand with a mouse does. */
export async function dropFile(page: Page, selector: string, ...files: readonly string[]): Promise<void> {
  await drag(page, selector, ['dragEnter', 'dragOver', 'drop'], files)
}

/** Brings a file from the disk over the middle of an element, and lets nothing fall. */
export async function dragOver(page: Page, selector: string, file = '/dev/null'): Promise<void> {
  await drag(page, selector, ['dragEnter', 'dragOver'], [file])
}

async function drag(
  page: Page,
  selector: string,
  steps: readonly ('dragEnter' | 'dragOver' | 'drop')[],
  files: readonly string[],
): Promise<void> {
  const box = await page.locator(selector).boundingBox()
  if (box === null) throw new Error(`${selector} is not to be seen`)
  const devtools = await page.context().newCDPSession(page)
  const place = { x: box.x + box.width / 2, y: box.y + box.height / 2 }
  const data = { items: [], files: [...files], dragOperationsMask: 1 }
  for (const type of steps) await devtools.send('Input.dispatchDragEvent', { type, ...place, data })
  await devtools.detach()
}
