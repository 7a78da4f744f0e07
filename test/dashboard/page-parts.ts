// What the browser tests know of the page: where its parts are, and how to wait for them.

import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Locator, Page } from 'playwright-core'

export const FILE_INPUT = 'input.uppy-Dashboard-input >> nth=0'
export const PAUSE = 'button.uppy-StatusBar-actionCircleBtn[aria-label="Pause"]'
export const RESUME = 'button.uppy-StatusBar-actionCircleBtn[aria-label="Resume"]'

/** The newest row of a file with this name. */
export function rowOf(page: Page, name: string): Locator {
  return page
    .locator('#staged-list .staged')
    .filter({ has: page.getByText(name, { exact: true }) })
    .first()
}

/** Reads again and again until the value is right, for 20 s at most; answers the last one. */
export async function eventually<Value>(
  read: () => Promise<Value>,
  isRight: (value: Value) => boolean,
): Promise<Value> {
  const deadline = performance.now() + 20_000
  for (;;) {
    const value = await read()
    if (isRight(value) || performance.now() > deadline) return value
    await sleep(50)
  }
}

export async function expectText(target: Locator, text: string): Promise<void> {
  await target.and(target.page().getByText(text, { exact: true })).waitFor()
}

export function sha256Of(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}
