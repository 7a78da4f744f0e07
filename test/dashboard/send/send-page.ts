// What the tests of sending do on the page, as a researcher does.

import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Locator, Page } from 'playwright-core'
import { valueWhen } from '../../support/until.js'
import { sha256Of } from '../page-parts.js'

export const MIB = 1024 * 1024

export interface MadeFile {
  name: string
  file: string
  bytes: Buffer
  sha256: string
}

/** A file of random bytes on the disk. */
export async function makeFile(folder: string, name: string, sizeBytes: number): Promise<MadeFile> {
  const file = path.join(folder, name)
  const bytes = randomBytes(sizeBytes)
  await writeFile(file, bytes)
  return { name, file, bytes, sha256: sha256Of(bytes) }
}

export interface UploadAnswer {
  id: string
  state: string
  filename: string
  label: string | null
  relative_path: string | null
  size: number
  offset: number
  checksums: { sha256: string } | null
}

/** The owner's uploads, asked of the server itself. */
export async function uploadsOf(
  { url, key }: { url: string; key: string },
  query = 'limit=500',
): Promise<UploadAnswer[]> {
  const response = await fetch(`${url}/uploads?${query}`, { headers: { Authorization: `Bearer ${key}` } })
  if (!response.ok) throw new Error(`GET /uploads: ${response.status}`)
  const { items } = (await response.json()) as { items: UploadAnswer[] }
  return items
}

export async function uploadNamed(
  server: { url: string; key: string },
  name: string,
): Promise<UploadAnswer | undefined> {
  return (await uploadsOf(server)).find(({ filename }) => filename === name)
}

/** Waits until the server has at least that many bytes of the file; answers how many. */
export async function waitForOffset(
  server: { url: string; key: string },
  name: string,
  atLeastBytes: number,
): Promise<number> {
  const upload = await valueWhen(
    () => uploadNamed(server, name),
    (found) => (found?.offset ?? 0) >= atLeastBytes,
  )
  if ((upload?.offset ?? 0) < atLeastBytes) throw new Error(`${name} stands at ${upload?.offset}.`)
  return upload?.offset ?? 0
}

export async function waitUntilReady(
  server: { url: string; key: string },
  name: string,
): Promise<UploadAnswer | undefined> {
  return valueWhen(
    () => uploadNamed(server, name),
    (found) => found?.state === 'ready',
  )
}

/** The offset once the last bytes on the wire have come in: it has stayed the same for a second. */
export async function restingOffset(server: { url: string; key: string }, name: string): Promise<number> {
  for (let before = -1; ; ) {
    const now = (await uploadNamed(server, name))?.offset ?? 0
    if (now === before) return now
    before = now
    await sleep(1_000)
  }
}

/** Chooses files on the empty drop area. */
export async function choose(page: Page, files: string | string[]): Promise<void> {
  await page.setInputFiles('input[data-pick="files"]', files)
}

export function uploadButton(page: Page): Locator {
  return page.getByRole('button', { name: /^Upload \+?\d+ (new )?files?/ })
}

/** Chooses files and presses the button that sends them. */
export async function send(page: Page, files: string | string[]): Promise<void> {
  await choose(page, files)
  await uploadButton(page).click()
}

export function panelItem(page: Page, name: string): Locator {
  return page.locator('.uppy-Dashboard-Item').filter({ hasText: name })
}

export function sendArea(page: Page): Locator {
  return page.getByRole('region', { name: 'Send files' })
}
