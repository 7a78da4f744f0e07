// What comes between the first byte and the last: reloads, crashes, no network, a dead server, a sign-in that ends, other tabs.

import { randomBytes } from 'node:crypto'
import { copyFile, mkdtemp, open, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import type { Browser, Locator, Page } from 'playwright-core'
import { ediId, type Iam, startIam } from '../support/iam.js'
import { startServer, type TestServer } from '../support/server.js'
import { valueWhen } from '../support/until.js'
import { launchChromium, openWatchedPage, type WatchedPage, watchPage } from './browser.js'
import { cleanSlate } from './clean-slate.js'
import { describeInBrowser } from './describe-in-browser.js'
import { type KeptBrowser, openKeptBrowser } from './send/kept-browser.js'
import {
  choose,
  type MadeFile,
  MIB,
  makeFile,
  restingOffset,
  send,
  sendArea,
  uploadButton,
  uploadNamed,
  uploadsOf,
  waitForOffset,
  waitUntilReady,
} from './send/send-page.js'
import { type SlowProxy, startSlowProxy } from './slow-proxy.js'

const LARGE_BYTES = 200 * MIB

describeInBrowser('sending that is interrupted', (chromiumPath) => {
  let server: TestServer
  let proxy: SlowProxy
  let browser: Browser
  let folder: string
  let watched: WatchedPage | undefined

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'antipasto-going-on-'))
    server = await startServer()
    proxy = await startSlowProxy()
    proxy.leadTo(server.url)
    browser = await launchChromium(chromiumPath)
  })

  beforeEach(async () => {
    proxy.setRate(Number.POSITIVE_INFINITY)
    await cleanSlate(server)
  })

  afterEach(async () => {
    await watched?.close()
    watched = undefined
  })

  afterAll(async () => {
    await browser?.close()
    await proxy?.close()
    await server?.dispose()
    await rm(folder, { recursive: true, force: true })
  })

  async function openPage(url = server.url): Promise<{ page: Page; watched: WatchedPage }> {
    watched = await openWatchedPage(browser, url)
    await watched.page.goto(`${url}/#key=${server.key}`)
    await watched.page.locator('.drop-area').waitFor()
    return { page: watched.page, watched }
  }

  /** The same name and size, and other bytes somewhere in what was sent. */
  async function makeOther({ file, name }: MadeFile, atByte: number): Promise<string> {
    const other = path.join(await mkdtemp(path.join(folder, 'other-')), name)
    await copyFile(file, other)
    const handle = await open(other, 'r+')
    await handle.write(randomBytes(64), 0, 64, atByte)
    await handle.close()
    return other
  }

  /** Where each PATCH began that the page has sent so far. */
  function notePatches(page: Page): number[] {
    const offsets: number[] = []
    page.on('request', (request) => {
      if (request.method() === 'PATCH') offsets.push(Number(request.headers()['upload-offset']))
    })
    return offsets
  }

  test('goes on after a reload in the middle of 200 MiB, with the same file only', async () => {
    const made = await makeFile(folder, 'reloaded.bin', LARGE_BYTES)
    const { page, watched } = await openPage()
    await watched.limitUpload(24 * MIB)
    await send(page, made.file)
    await waitForOffset(server, made.name, 60 * MIB)
    await page.reload()
    await page.locator('.drop-area').waitFor()
    const stoppedAt = await restingOffset(server, made.name)
    const patches = notePatches(page)
    const row = page.locator('.go-on').first()
    await row.getByRole('button', { name: new RegExp(`(Choose|Go on).*${made.name}`) }).waitFor()

    await row.locator('input').setInputFiles((await makeFile(folder, 'shorter.bin', 1_000)).file)
    await page.getByText('it has 1,000 bytes, and the upload is of 209,715,200 bytes').first().waitFor()
    await row.locator('input').setInputFiles(await makeOther(made, stoppedAt - 100))
    await page.getByText('begins with other bytes').first().waitFor()
    expect(patches).toEqual([])
    expect(await restingOffset(server, made.name)).toBe(stoppedAt)

    await watched.limitUpload(0)
    await row.locator('input').setInputFiles(made.file)
    const upload = await waitUntilReady(server, made.name)
    expect(upload?.checksums?.sha256).toBe(made.sha256)
    expect(patches[0]).toBe(stoppedAt)
    expect(watched.requests.filter((one) => one === 'POST /uploads')).toHaveLength(1)
    expect((await uploadsOf(server)).filter(({ filename }) => filename === made.name)).toHaveLength(1)
    expect(watched.troubles).toEqual([])
  })

  test('goes on by itself when the network is away, and when the server was killed', async () => {
    const made = await makeFile(folder, 'interrupted.bin', 32 * MIB)
    const { page, watched } = await openPage(proxy.url)
    const patches = notePatches(page)
    proxy.setRate(4 * MIB)
    await send(page, made.file)
    await waitForOffset(server, made.name, 1)
    await page.context().setOffline(true)
    await page.locator('.banner').getByText('You are offline.').waitFor()
    await sendArea(page).getByText('Waiting for the connection.').waitFor()
    // As a network does that goes away; the browser itself only plays it.
    proxy.cut()
    const offlineAt = await restingOffset(server, made.name)
    await page.context().setOffline(false)
    await waitForOffset(server, made.name, offlineAt + 1)

    await server.kill()
    await page.waitForTimeout(500)
    await server.restart()
    proxy.setRate(Number.POSITIVE_INFINITY)
    expect((await uploadNamed(server, made.name))?.offset).toBeGreaterThan(offlineAt)
    expect((await waitUntilReady(server, made.name))?.checksums?.sha256).toBe(made.sha256)
    // From where it was each time, never from the beginning.
    expect(patches).toEqual(patches.toSorted((a, b) => a - b))
    expect(patches).toContain(offlineAt)
    expect(watched.requests.filter((one) => one === 'POST /uploads')).toHaveLength(1)
    expect(watched.troubles.filter((one) => !/ERR_|Failed to load resource/.test(one))).toEqual([])
  })

  test('never brings back what was deleted elsewhere; only a hand sends it anew', async () => {
    const made = await makeFile(folder, 'deleted.bin', 24 * MIB)
    const { page, watched } = await openPage()
    await watched.limitUpload(MIB)
    await send(page, made.file)
    await waitForOffset(server, made.name, 1)
    const before = await uploadNamed(server, made.name)
    await fetch(`${server.url}/uploads/${before?.id}`, {
      method: 'DELETE',
      headers: { Authorization: `Bearer ${server.key}` },
    })
    await watched.limitUpload(0)
    const trouble = sendArea(page).getByRole('alert').filter({ hasText: 'deleted.bin was not sent.' })
    await trouble.waitFor()
    await page.waitForTimeout(1_000)
    expect(watched.requests.filter((one) => one === 'POST /uploads')).toHaveLength(1)
    await trouble.getByRole('button', { name: 'Try again' }).click()
    const again = await waitUntilReady(server, made.name)
    expect(again?.checksums?.sha256).toBe(made.sha256)
    expect(again?.id).not.toBe(before?.id)
  })

  test('another tab leaves what this one sends alone, and may take it over', async () => {
    const made = await makeFile(folder, 'two-tabs.bin', 30 * MIB)
    const { page, watched } = await openPage()
    await watched.limitUpload(MIB / 2)
    await send(page, made.file)
    await waitForOffset(server, made.name, 1)
    const other = await watchPage(page.context(), server.url)
    await other.page.goto(`${server.url}/#key=${server.key}`)
    const goOn = other.page.locator('.go-on').first()
    await goOn.waitFor()
    await other.page.waitForTimeout(1_500)
    expect(other.requests.filter((one) => /^(PATCH|POST|HEAD) \/uploads/.test(one))).toEqual([])

    await goOn.locator('input').setInputFiles(made.file)
    await page.getByText('two-tabs.bin goes on in another window of this browser.').first().waitFor()
    expect((await waitUntilReady(server, made.name))?.checksums?.sha256).toBe(made.sha256)
    expect((await uploadsOf(server)).filter(({ filename }) => filename === made.name)).toHaveLength(1)
    expect([...watched.troubles, ...other.troubles]).toEqual([])
  })

  describe('by a crash of the browser', () => {
    let kept: KeptBrowser

    beforeEach(async () => {
      kept = await openKeptBrowser(chromiumPath)
    })

    afterEach(async () => {
      await crash()
      await kept.dispose()
    })

    async function start(): Promise<{ page: Page; watched: WatchedPage }> {
      const context = await kept.start()
      watched = await watchPage(context, server.url)
      await watched.page.goto(`${server.url}/#key=${server.key}`)
      return { page: watched.page, watched }
    }

    async function crash(): Promise<void> {
      await kept.kill()
      // Its connection to the test is gone with it.
      watched = undefined
    }

    test('in the middle of 200 MiB: the same file, dropped again, goes on at the offset; another one does not', async () => {
      const made = await makeFile(folder, 'crashed.bin', LARGE_BYTES)
      const first = await start()
      await first.page.locator('.drop-area').waitFor()
      await first.watched.limitUpload(24 * MIB)
      await send(first.page, made.file)
      await waitForOffset(server, made.name, 60 * MIB)
      await crash()
      const stoppedAt = await restingOffset(server, made.name)

      const { page, watched } = await start()
      await page.locator('.drop-area').waitFor()
      const patches = notePatches(page)
      await choose(page, await makeOther(made, 1_000))
      const offer = page.getByRole('checkbox', {
        name: 'Go on with the upload of 1 file that was begun before',
      })
      await expectChecked(offer)
      await uploadButton(page).click()
      await sendArea(page).getByRole('alert').getByText('begins with other bytes').waitFor()
      await page.getByRole('button', { name: 'Remove crashed.bin' }).click()
      expect(patches).toEqual([])

      await choose(page, made.file)
      await expectChecked(offer)
      await uploadButton(page).click()
      expect((await waitUntilReady(server, made.name))?.checksums?.sha256).toBe(made.sha256)
      expect(patches).toEqual([stoppedAt])
      expect((await uploadsOf(server)).filter(({ filename }) => filename === made.name)).toHaveLength(1)
      expect(watched.troubles).toEqual([])
    })

    test('small files go on without being asked for, and are sent once', async () => {
      const made = await Promise.all(
        ['small-1.bin', 'small-2.bin', 'small-3.bin', 'small-4.bin'].map((name) =>
          makeFile(folder, name, 12 * MIB),
        ),
      )
      const first = await start()
      await first.page.locator('.drop-area').waitFor()
      await first.watched.limitUpload(1 * MIB)
      await send(
        first.page,
        made.map(({ file }) => file),
      )
      await waitForOffset(server, 'small-1.bin', 1)
      await waitUntilHeld(first.page, made.length)
      // And where they stand.
      await first.page.waitForTimeout(1_500)
      const stopped = await uploadNamed(server, 'small-1.bin')
      await crash()

      const { page, watched } = await start()
      await page.getByText('4 files go on where they stopped.').first().waitFor()
      for (const { name, sha256 } of made) {
        expect((await waitUntilReady(server, name))?.checksums?.sha256).toBe(sha256)
      }
      const names = (await uploadsOf(server)).map(({ filename }) => filename)
      expect(names.filter((name) => name.startsWith('small-')).toSorted()).toEqual(
        made.map(({ name }) => name),
      )
      expect((await uploadNamed(server, 'small-1.bin'))?.id).toBe(stopped?.id)
      await page.locator('.drop-area').waitFor()
      expect(watched.troubles).toEqual([])

      // What has arrived isn't kept, and isn't sent once more.
      await page.reload()
      await page.locator('.drop-area').waitFor()
      await page.waitForTimeout(1_000)
      expect(await page.locator('.uppy-Dashboard-Item').count()).toBe(0)
    })

    test('nothing of them is left when their owner signs out', async () => {
      const made = await makeFile(folder, 'signed-out.bin', 8 * MIB)
      const { page, watched } = await start()
      await page.locator('.drop-area').waitFor()
      await watched.limitUpload(MIB / 4)
      await send(page, made.file)
      await waitForOffset(server, made.name, 1)
      await waitUntilHeld(page, 1)
      await page.getByRole('button', { name: 'Sign out' }).click()
      await page.locator('#sign-in').waitFor()
      expect(await heldIn(page)).toEqual([])
      expect((await uploadNamed(server, made.name))?.state).toBe('receiving')
      expect(watched.troubles).toEqual([])
    })
  })
})

describeInBrowser('sending while the sign-in ends', (chromiumPath) => {
  const ADA = ediId('ada')
  /** The server takes a token for 60 s after its end: this one for 15 s more. */
  const ALMOST_OVER_SECONDS = -45
  let iam: Iam
  let proxy: SlowProxy
  let server: TestServer
  let browser: Browser
  let folder: string
  let watched: WatchedPage | undefined

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'antipasto-going-on-'))
    iam = await startIam()
    proxy = await startSlowProxy()
    server = await startServer({ env: { ...iam.env, PUBLIC_URL: proxy.url } })
    proxy.leadTo(server.url)
    browser = await launchChromium(chromiumPath)
  })

  beforeEach(async () => {
    proxy.setRate(Number.POSITIVE_INFINITY)
    await cleanSlate(server)
  })

  afterEach(async () => watched?.close())

  afterAll(async () => {
    await browser?.close()
    await server?.dispose()
    await proxy?.close()
    await iam?.close()
    await rm(folder, { recursive: true, force: true })
  })

  test('waits for another one, and goes on where it stopped', async () => {
    const bytes = randomBytes(24 * MIB)
    const file = path.join(folder, 'ended.bin')
    await writeFile(file, bytes)
    const good = iam.issue({ sub: ADA })
    const ending = iam.issue({ sub: ADA, expiresInSeconds: ALMOST_OVER_SECONDS })
    watched = await openWatchedPage(browser, proxy.url)
    const { page, requests } = watched
    await page.goto(`${proxy.url}/#key=${ending}`)
    await page.locator('.drop-area').waitFor()
    proxy.setRate(1 * MIB)
    await send(page, file)
    const asAda = { url: server.url, key: good }
    await waitForOffset(asAda, 'ended.bin', 1)
    const status = await valueWhen(
      async () =>
        (await fetch(`${server.url}/uploads`, { headers: { Authorization: `Bearer ${ending}` } })).status,
      (answered) => answered === 401,
    )
    expect(status).toBe(401)
    proxy.cut()
    proxy.setRate(Number.POSITIVE_INFINITY)
    const stoppedAt = await restingOffset(asAda, 'ended.bin')
    expect(stoppedAt).toBeLessThan(bytes.length)
    await sendArea(page).getByText('Waiting for you to sign in.').waitFor()
    const sentBefore = requests.length

    await page.waitForTimeout(1_500)
    expect(requests.slice(sentBefore).filter((one) => one.includes('/uploads'))).toEqual([])
    await page.goto(`${proxy.url}/#key=${good}`)
    const upload = await waitUntilReady(asAda, 'ended.bin')
    expect(upload?.offset).toBe(bytes.length)
    expect(requests.filter((one) => one === 'POST /uploads')).toHaveLength(1)
  })
})

async function expectChecked(checkbox: Locator): Promise<void> {
  await checkbox.waitFor()
  expect(await checkbox.isChecked()).toBe(true)
}

/** Waits until this browser keeps that many files. */
async function waitUntilHeld(page: Page, count: number): Promise<void> {
  // Golden Retriever's keys of files have a "!"; those of its snapshots haven't.
  const filesIn = (held: string[]) => held.filter((key) => key.includes('!'))
  const held = await valueWhen(
    () => heldIn(page),
    (all) => filesIn(all).length === count,
  )
  expect(filesIn(held)).toHaveLength(count)
}

/** The names under which Golden Retriever keeps anything in this browser. */
function heldIn(page: Page): Promise<string[]> {
  return page.evaluate<string[]>(`new Promise((resolve, reject) => {
    const request = indexedDB.open('uppy-blobs')
    request.onerror = reject
    request.onsuccess = () => {
      const database = request.result
      if (database.objectStoreNames.length === 0) return resolve([])
      const transaction = database.transaction(['files', 'metadata'])
      const blobs = transaction.objectStore('files').getAllKeys()
      const snapshots = transaction.objectStore('metadata').getAllKeys()
      transaction.oncomplete = () => {
        database.close()
        resolve([...blobs.result, ...snapshots.result])
      }
    }
  })`)
}
