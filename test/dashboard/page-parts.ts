// What the browser tests know of the page: where its parts are, and how to wait for them.

import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Locator, Page } from 'playwright-core'
import { valueWhen } from '../support/until.js'

/** Where files are dropped while there are none. */
export const DROP_AREA = '.drop-area'
/** The input behind its button, there while it is. */
export const PICK_FILES = 'input[data-pick="files"]'

/** The row of the file with this name that stands highest. */
export function rowOf(page: Page, name: string): Locator {
  return page
    .locator('.staged-row')
    .filter({ has: page.getByRole('link', { name, exact: true }) })
    .first()
}

/** Nothing is sent before it is pressed. */
export function uploadButton(page: Page): Locator {
  return page.getByRole('button', { name: /^Upload \+?\d+ (new )?files?/ })
}

export async function expectText(target: Locator, text: string): Promise<void> {
  await target.and(target.page().getByText(text, { exact: true })).waitFor()
}

/** Resolves when the focus is there: it follows a moment after what moves it. */
export function hasFocus(target: Locator): Promise<void> {
  return target.and(target.page().locator(':focus')).waitFor({ state: 'attached' })
}

/** The text of what has the focus, as soon as it is this one; what it is in the end, if it never is. */
export function textInFocus(page: Page, text: string): Promise<string> {
  return valueWhen(
    () => page.evaluate<string>('document.activeElement?.textContent.trim() ?? ""'),
    (found) => found === text,
  )
}

/** What `copy` puts into the clipboard, which is one for all pages, and is written a moment later. */
export async function copiedBy(page: Page, copy: () => Promise<void>): Promise<string> {
  await page.evaluate(`navigator.clipboard.writeText('')`)
  await copy()
  return valueWhen(
    () => page.evaluate<string>('navigator.clipboard.readText()'),
    (text) => text !== '',
  )
}

export function sha256Of(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** Opens the page with a key in its address, as `npm start` prints it, and goes on to a view; resolves when that stands. */
export async function openSignedIn(
  page: Page,
  { url, key }: { url: string; key: string },
  href = '#/',
): Promise<void> {
  await page.goto(`${url}/#key=${key}`)
  await page.getByRole('navigation').waitFor()
  if (href !== '#/') {
    await page.goto(`${url}/${href}`)
    await page.locator('main h1').filter({ visible: true }).waitFor()
  }
  await settled(page)
}

/** Resolves when the view has its heading, and nothing on it is being loaded any more. */
export async function settled(page: Page): Promise<void> {
  await page.locator('main :is(h1, h2)').filter({ visible: true }).first().waitFor()
  const isLoading = "document.querySelector('main .loading, main [aria-busy=true]') !== null"
  for (let quiet = 0; quiet < 4; quiet += 1) {
    if (await page.evaluate<boolean>(isLoading)) quiet = 0
    await sleep(100)
  }
}

/** All that the page says: its texts, and the names and hints of its controls. */
export function textsOn(page: Page): Promise<string[]> {
  return page.evaluate<string[]>(`(() => {
    const texts = []
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
    while (walker.nextNode()) texts.push(walker.currentNode.data)
    for (const name of ['aria-label', 'title', 'placeholder', 'alt']) {
      for (const element of document.querySelectorAll('[' + name + ']')) texts.push(element.getAttribute(name))
    }
    return [...new Set(texts.map((text) => text.trim()))].filter((text) => text !== '')
  })()`)
}
