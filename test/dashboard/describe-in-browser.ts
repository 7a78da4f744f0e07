import { describe, jest } from '@jest/globals'
import { findChromium } from './browser.js'

/**
 * A suite that needs Chromium, and is left out where there is none; with REQUIRE_BROWSER=1 it fails there instead.
 *
 * A test that fails, any of the file, is tried once more, and the run's summary names it: on a machine with two cores a browser
 * now and then stands still for as long as a test waits. So none may mind what its first try has left, wherever that stopped.
 *
 * @param tests gets Chromium's path
 */
export function describeInBrowser(title: string, tests: (chromiumPath: string) => void): void {
  const chromiumPath = findChromium()
  if (chromiumPath !== undefined) {
    jest.retryTimes(1, { logErrorsBeforeRetry: true })
    describe(title, () => tests(chromiumPath))
    return
  }
  if (process.env.REQUIRE_BROWSER === '1')
    throw new Error('REQUIRE_BROWSER is set, and there is no Chromium.')
  // Jest's summary shows no names of skipped tests.
  console.warn(`The browser tests of ${title} are skipped: no Chromium was found. Set CHROMIUM_PATH.`)
  describe.skip(`${title} (skipped: no Chromium; set CHROMIUM_PATH)`, () => tests(''))
}
