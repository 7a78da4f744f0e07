import { describe } from '@jest/globals'
import { findChromium } from './browser.js'

/**
 * A suite that needs Chromium, and is left out where there is none; with REQUIRE_BROWSER=1 it fails there instead.
 *
 * @param tests gets Chromium's path
 */
export function describeInBrowser(title: string, tests: (chromiumPath: string) => void): void {
  const chromiumPath = findChromium()
  if (chromiumPath !== undefined) {
    describe(title, () => tests(chromiumPath))
    return
  }
  if (process.env.REQUIRE_BROWSER === '1')
    throw new Error('REQUIRE_BROWSER is set, and there is no Chromium.')
  // Jest's summary shows no names of skipped tests.
  console.warn(`The browser tests of ${title} are skipped: no Chromium was found. Set CHROMIUM_PATH.`)
  describe.skip(`${title} (skipped: no Chromium; set CHROMIUM_PATH)`, () => tests(''))
}
