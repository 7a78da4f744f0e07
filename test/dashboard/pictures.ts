// Pictures of every view, to be looked at:  node dist/test/dashboard/pictures.js FOLDER [NAME…]
//
// A real server with a field season's files, and Chromium. With names only those are made whose name begins so.

import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { findChromium, launchChromium, openWatchedPage } from './browser.js'
import { type Ground, openGround } from './ground.js'
import { settled } from './page-parts.js'
import { POSES, type Pose } from './poses.js'
import { provideDatabases } from './standalone.js'

/** What the links on the pictures say. */
const PUBLIC_URL = 'https://staging.example.org'

const LOOKS = {
  usual: { viewport: { width: 1200, height: 860 } },
  narrow: { viewport: { width: 360, height: 780 } },
  wide: { viewport: { width: 1600, height: 1000 } },
  dark: { viewport: { width: 1200, height: 860 }, colorScheme: 'dark' },
  'narrow-dark': { viewport: { width: 360, height: 780 }, colorScheme: 'dark' },
  spanish: { viewport: { width: 1200, height: 860 }, locale: 'es-ES', timezoneId: 'Europe/Madrid' },
  // What a screen shows, for the README; made only when it is named.
  screen: { viewport: { width: 1120, height: 960 } },
} as const

async function main([folder, ...wanted]: readonly string[]): Promise<void> {
  const chromiumPath = findChromium()
  if (folder === undefined || chromiumPath === undefined) {
    console.error('It needs a folder, and Chromium: node dist/test/dashboard/pictures.js FOLDER [NAME…]')
    process.exitCode = 2
    return
  }
  await mkdir(folder, { recursive: true })
  const endDatabases = await provideDatabases()
  try {
    const ground = await openGround(1, { MAX_FILE_BYTES: String(200 * 1024 ** 3), PUBLIC_URL })
    const browser = await launchChromium(chromiumPath)
    try {
      for (const pose of POSES) await takeAll(pose, { folder, wanted, ground, browser })
    } finally {
      await browser.close()
      await ground.dispose()
    }
  } finally {
    await endDatabases()
  }
}

interface Studio {
  folder: string
  wanted: readonly string[]
  ground: Ground
  browser: Browser
}

async function takeAll(pose: Pose, studio: Studio): Promise<void> {
  for (const look of Object.keys(LOOKS) as (keyof typeof LOOKS)[]) {
    const name = `${pose.name}-${look}`
    if (studio.wanted.length > 0 && !studio.wanted.some((beginning) => name.startsWith(beginning))) continue
    if ((look === 'spanish' && pose.isInEnglish) || (look === 'screen' && studio.wanted.length === 0))
      continue
    const troubles = await take(pose, look, path.join(studio.folder, `${name}.png`), studio).catch(
      (error: unknown) => [String(error)],
    )
    console.log(name, ...troubles)
  }
}

/** Answers what went wrong in the page meanwhile. */
async function take(
  pose: Pose,
  look: keyof typeof LOOKS,
  file: string,
  { ground, browser }: Studio,
): Promise<string[]> {
  const { viewport, ...looks } = LOOKS[look]
  const watched = await openWatchedPage(browser, ground[pose.at ?? 'server'].url, viewport, looks)
  try {
    await pose.take(watched, ground)
    await settled(watched.page)
    if (look !== 'screen') await showAll(watched.page, viewport)
    await watched.page.screenshot({ path: file })
    return watched.troubles
  } finally {
    await watched.close()
    await ground.tidy()
  }
}

/** Makes the window so high that it has room for all of it: of long lists only what is in view is drawn. */
async function showAll(page: Page, { width, height }: { width: number; height: number }): Promise<void> {
  const wholeHeight = await page.evaluate<number>('document.scrollingElement.scrollHeight')
  await page.setViewportSize({ width, height: Math.max(wholeHeight, height) })
  await settled(page)
}

await main(process.argv.slice(2))
