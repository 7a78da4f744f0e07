// A hand that has only the keyboard.

import type { Page } from 'playwright-core'

/** Where the focus stands. */
interface Stop {
  /** As a screen reader says it. */
  name: string
  /** Something about it shows that it has the focus. */
  isSeen: boolean
}

const MOST_STOPS = 80

const STOP = `(() => {
  const element = document.activeElement
  if (element === null || element === document.body) return { name: '', isSeen: true }
  const labelledBy = element.getAttribute('aria-labelledby')
  const words = element.getAttribute('aria-label')
    ?? (labelledBy === null ? undefined : document.getElementById(labelledBy)?.textContent)
    ?? element.labels?.[0]?.textContent
    ?? element.textContent
  const { outlineStyle, boxShadow } = getComputedStyle(element)
  // Of a date the browser marks the part that has the focus.
  const isSeen = outlineStyle !== 'none' || boxShadow !== 'none' || element.matches('input[type=date]')
  return { name: words.trim().replaceAll(/\\s+/g, ' '), isSeen }
})()`

/**
 * Presses Tab until the focus is on what is called so; answers the names of all on the way, it last.
 *
 * @throws when one can't get there, or doesn't see where one is
 */
export async function tabTo(page: Page, name: string | RegExp): Promise<string[]> {
  const passed: string[] = []
  while (passed.length < MOST_STOPS) {
    await page.keyboard.press('Tab')
    const stop = await page.evaluate<Stop>(STOP)
    passed.push(stop.name)
    if (!stop.isSeen) throw new Error(`The focus is not to be seen on ${stop.name}.`)
    if (typeof name === 'string' ? stop.name === name : name.test(stop.name)) return passed
  }
  throw new Error(`Tab does not come to ${name}; it passes ${passed.join(' | ')}`)
}

/** What has the focus; empty when nothing has it. */
export async function focusedName(page: Page): Promise<string> {
  return (await page.evaluate<Stop>(STOP)).name
}
