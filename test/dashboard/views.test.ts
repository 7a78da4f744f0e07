// Every view in a real browser: nothing in it stands in anybody's way, however they look at it.

import { afterAll, beforeAll, expect, test } from '@jest/globals'
import type { Browser, Page } from 'playwright-core'
import { type Finding, findings } from './axe.js'
import { launchChromium, openWatchedPage } from './browser.js'
import { describeInBrowser } from './describe-in-browser.js'
import { type Ground, openGround } from './ground.js'
import { settled } from './page-parts.js'
import { POSES, type Pose } from './poses.js'

const NARROW = { width: 360, height: 740 }
const WIDE = { width: 1280, height: 900 }

describeInBrowser('every view', (chromiumPath) => {
  let ground: Ground
  let browser: Browser

  beforeAll(async () => {
    ground = await openGround(0.05)
    browser = await launchChromium(chromiumPath)
  })

  afterAll(async () => {
    await browser?.close()
    await ground?.dispose()
  })

  test.each(POSES)(
    '$name has no barriers: light and dark, wide and narrow, with nothing that moves',
    async ({ at, take }: Pose) => {
      const watched = await openWatchedPage(browser, ground[at ?? 'server'].url, WIDE, {
        reducedMotion: 'reduce',
      })
      const { page } = watched
      try {
        await take(watched, ground)
        await settled(page)
        expect(await barriers(page)).toEqual([])
        expect(await page.evaluate(RUNNING_ANIMATIONS)).toEqual([])
        expect(await page.locator('[aria-live=polite], [role=status]').count()).toBe(1)

        await page.emulateMedia({ colorScheme: 'dark' })
        await page.setViewportSize(NARROW)
        await settled(page)
        expect(await barriers(page)).toEqual([])
        expect(await page.evaluate(TOO_WIDE)).toEqual([])
        // What the server refuses is told by the browser, too, and each request that it can't make while it is offline.
        const isExpected = (trouble: string) => / status of 4\d\d |ERR_INTERNET_DISCONNECTED/.test(trouble)
        expect(watched.troubles.filter((trouble) => !isExpected(trouble))).toEqual([])
      } finally {
        await watched.close()
        await ground.tidy()
      }
    },
  )
})

const RUNNING_ANIMATIONS = `document.getAnimations()
  .filter(({ playState }) => playState === 'running')
  .map(({ animationName, transitionProperty, effect }) =>
    [animationName ?? transitionProperty, effect.target?.outerHTML.slice(0, 120)].join(' of '))`

/** What stands out of the page at its end, if one can scroll there. */
const TOO_WIDE = `document.scrollingElement.scrollWidth <= innerWidth ? [] : [...document.querySelectorAll('body *')]
  .filter((element) => element.getBoundingClientRect().right > innerWidth + 1)
  .map((element) => element.outerHTML.slice(0, 120))`

/** Also what axe calls moderate: headings in their order, everything in a landmark. */
async function barriers(page: Page): Promise<Finding[]> {
  return (await findings(page)).filter(({ impact }) => impact !== 'minor')
}
