// The view of one upload in a real browser, on a real server: its bytes are sent, compared, deleted and brought back.

import { createHash, randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { appendFile, mkdtemp, open, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals'
import type { Browser, Locator, Page } from 'playwright-core'
import { Antipasto } from '../../client/api/antipasto.js'
import { idOf, TusClient } from '../dialects/tus-client.js'
import { withConnection } from '../support/database.js'
import { startServer, type TestServer } from '../support/server.js'
import { valueWhen } from '../support/until.js'
import { dropFile, launchChromium, openWatchedPage, type WatchedPage, watchPage } from './browser.js'
import { cleanSlate } from './clean-slate.js'
import { describeInBrowser } from './describe-in-browser.js'
import { copiedBy, hasFocus, openSignedIn, textInFocus } from './page-parts.js'
import { MIB, makeFile, restingOffset, send, uploadNamed, waitForOffset } from './send/send-page.js'

const DAY_MS = 86_400_000
// Of the test server: who names readers names all of them.
const KEY = 'test-key-0123456789abcdef'
const READ_KEY = 'reader-key-0123456789'
const BYTES = Buffer.from('day,temperature\n1,4.2\n2,4.1\n')

describeInBrowser('the view of an upload', (chromiumPath) => {
  let server: TestServer
  let antipasto: Antipasto
  let tus: TusClient
  let browser: Browser
  let folder: string
  let watched: WatchedPage

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'antipasto-upload-'))
    server = await startServer({
      env: { MAX_TTL: '60d', SWEEP_CRON: '* * * * * *', API_READ_KEYS: `${KEY},${READ_KEY}` },
    })
    antipasto = new Antipasto({ url: server.url, token: server.key })
    tus = new TusClient(server)
    browser = await launchChromium(chromiumPath)
  })

  beforeEach(() => cleanSlate(server))

  afterEach(async () => watched?.close())

  afterAll(async () => {
    await browser?.close()
    await server?.dispose()
    await rm(folder, { recursive: true, force: true })
  })

  async function openUpload(id: string, key = server.key): Promise<Page> {
    watched = await openWatchedPage(browser, server.url)
    await openSignedIn(watched.page, { url: server.url, key }, `#/uploads/${id}`)
    return watched.page
  }

  /** Chromium tells of refusals by itself. */
  function unexpectedTroubles(...statuses: number[]): string[] {
    return watched.troubles.filter((one) => !statuses.some((status) => one.includes(`status of ${status}`)))
  }

  async function fileOf(name: string, bytes: Uint8Array): Promise<string> {
    const file = path.join(folder, name)
    await writeFile(file, bytes)
    return file
  }

  test('says what it is, to the byte, and copies its checksums, its URL and its EML', async () => {
    const metadata = {
      filename: 'lake.csv',
      relativePath: 'north/lake.csv',
      label: 'Lakes',
      filetype: 'text/csv',
    }
    const { id } = await tus.put(BYTES, metadata)
    const report = await antipasto.uploads.change(id, { note: 'Of the old sensor.', key: 'sensor-3' })
    const page = await openUpload(id)
    expect(await page.locator('h1:visible').textContent()).toBe('lake.csv')
    expect(await page.title()).toBe('lake.csv · antipasto')
    await page.getByText('north/lake.csv', { exact: true }).waitFor()
    expect(await page.locator('.view-head .badge').textContent()).toBe('Ready')
    const facts = page.locator('.upload-facts')
    for (const fact of ['28 B', 'text/csv', 'sensor-3', id]) expect(await facts.textContent()).toContain(fact)
    expect(await page.locator('.upload-note').textContent()).toBe('Of the old sensor.')
    expect(await endIn(page).textContent()).toMatch(/^Ends in (29|30) days$/)

    for (const [name, algorithm] of [
      ['MD5', 'md5'],
      ['SHA-1', 'sha1'],
      ['SHA-256', 'sha256'],
    ] as const) {
      const digest = createHash(algorithm).update(BYTES).digest('hex')
      expect(await digestIn(page, name).textContent()).toBe(digest)
      expect(await copied(page, `Copy ${name}`)).toBe(digest)
    }
    expect(await copied(page, 'Copy the URL')).toBe(report.retrieval_url)
    const eml = await antipasto.uploads.eml(id)
    expect(await page.locator('.upload-eml pre').textContent()).toBe(eml)
    expect(await copied(page, 'Copy the EML')).toBe(eml)

    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('link', { name: 'Download' }).click(),
    ])
    expect(download.suggestedFilename()).toBe('lake.csv')
    expect(await bytesOf(download)).toEqual(BYTES)

    await facts.getByRole('link', { name: 'Lakes' }).click()
    expect(page.url()).toBe(`${server.url}/#/packages/${report.package_id}`)
    // Of the download: the server calls itself by that name.
    const { origin } = new URL(report.retrieval_url ?? '')
    expect(watched.troubles.filter((one) => one !== `request to ${origin}`)).toEqual([])
  })

  test('compares a local file: the same, by another name, with another byte, of another size, a folder', async () => {
    const bytes = randomBytes(3 * MIB + 17)
    const { id } = await tus.put(bytes, { filename: 'same.bin' })
    const page = await openUpload(id)
    await page.locator('.upload-verify').scrollIntoViewIfNeeded()
    await dropFile(page, '.upload-verify', await fileOf('same.bin', bytes))
    const same = page.locator('[data-verdict=equal]')
    await same.getByText('same.bin is the same file.').waitFor()
    expect(await same.textContent()).not.toContain('Only its name')
    expect(await page.locator('.upload-mark').allTextContents()).toEqual(['same', 'same', 'same'])
    await page.getByRole('status').getByText('same.bin is the same file.').waitFor()

    await choose(page, await fileOf('renamed.bin', bytes))
    await same.getByText('Only its name is another one.').waitFor()

    const changed = Buffer.from(bytes)
    changed[bytes.length - 1]! ^= 1
    await choose(page, await fileOf('changed.bin', changed))
    const different = page.locator('[data-verdict=different]')
    await different.getByText('changed.bin is not the same file.').waitFor()
    expect(await different.textContent()).toContain('other checksums: MD5, SHA-1, SHA-256.')
    expect(await different.locator('code').allTextContents()).toEqual(
      ['md5', 'sha1', 'sha256'].map((algorithm) => createHash(algorithm).update(changed).digest('hex')),
    )
    expect(await page.locator('.upload-mark').allTextContents()).toEqual(['differs', 'differs', 'differs'])

    await choose(page, await fileOf('short.bin', bytes.subarray(1)))
    await different.getByText('short.bin is not the same file.').waitFor()
    expect(await different.textContent()).toContain(
      'It has 3,145,744 bytes, and the upload has 3,145,745 bytes.',
    )
    expect(await page.locator('.upload-mark').count()).toBe(0)

    await dropFile(page, '.upload-verify', folder)
    await page.getByText('That is a folder. Choose one file.').waitFor()
    // It is compared, not sent.
    expect(watched.requests.filter((request) => /^(POST|PATCH)/.test(request))).toEqual([])
    expect(watched.troubles).toEqual([])
  })

  test('reads 300 MiB with progress, stops when told, and says when the file changed meanwhile', async () => {
    const file = path.join(folder, 'large.bin')
    await writeLargeFile(file, 300)
    const answer = await fetch(`${server.url}/files?filename=large.bin`, {
      method: 'POST',
      headers: { authorization: `Bearer ${server.key}` },
      body: createReadStream(file) as unknown as BodyInit,
      duplex: 'half',
    } as RequestInit)
    expect(answer.status).toBe(201)
    const { upload_id: id } = (await answer.json()) as { upload_id: string }
    const page = await openUpload(id)

    await choose(page, file)
    const progress = page.getByRole('progressbar', { name: 'Reading large.bin …' })
    await valueWhen(
      async () => Number(await progress.getAttribute('value')),
      (value) => value > 10 * MIB,
    )
    expect(await progress.getAttribute('max')).toBe(String(300 * MIB))
    await page.getByText(/^\d+(\.\d+)? MB\/s, \d+ .* left$/).waitFor()
    await page.locator('.upload-verify').getByRole('button', { name: 'Cancel' }).click()
    await progress.waitFor({ state: 'detached' })
    expect(await textInFocus(page, 'Choose a file')).toBe('Choose a file')
    expect(await page.locator('[data-verdict]').count()).toBe(0)

    await choose(page, file)
    await page.locator('[data-verdict=equal]').waitFor()

    await choose(page, file)
    await progress.waitFor()
    await appendFile(file, 'x')
    await page.getByText('large.bin could not be read: it was changed').waitFor()
    expect(watched.troubles).toEqual([])
  })

  test('deletes at once and undoes it: from the notice, and after a reload from its own place', async () => {
    const { id, retrieval_url: url } = await tus.put(BYTES, { filename: 'undone.csv' })
    const page = await openUpload(id)
    await page.getByRole('button', { name: 'Delete undone.csv' }).click()
    const notice = page.locator('.notice')
    await notice.getByText('undone.csv is deleted, and its URL is dead.').waitFor()
    await page.getByRole('heading', { name: 'This upload was deleted' }).waitFor()
    expect(await textInFocus(page, 'undone.csv')).toBe('undone.csv')
    expect((await fetch(url ?? '')).status).toBe(410)
    const first = Number.parseInt((await notice.locator('.number').textContent()) ?? '', 10)
    expect(first).toBeLessThanOrEqual(15)
    const later = await valueWhen(
      async () => Number.parseInt((await notice.locator('.number').textContent()) ?? '', 10),
      (seconds) => seconds < first,
    )
    expect(later).toBeLessThan(first)
    await notice.getByRole('button', { name: 'Undo' }).click()
    await digestIn(page, 'MD5').waitFor()
    expect(await page.locator('.upload-url a').getAttribute('href')).toBe(url)
    expect(Buffer.from(await (await fetch(url ?? '')).arrayBuffer())).toEqual(BYTES)
    await page.getByRole('status').getByText('undone.csv is back.').waitFor()
    expect(await textInFocus(page, 'undone.csv')).toBe('undone.csv')

    await page.getByRole('button', { name: 'Delete undone.csv' }).click()
    await page.getByRole('button', { name: 'Undo the deletion' }).waitFor()
    await page.reload()
    expect(await notice.count()).toBe(0)
    await page.getByRole('button', { name: 'Undo the deletion' }).click()
    await digestIn(page, 'MD5').waitFor()
    expect((await antipasto.uploads.report(id)).state).toBe('ready')
    expect(watched.troubles).toEqual([])
  })

  test('is deleted for good when the time to undo is over', async () => {
    const { id, retrieval_url: url } = await tus.put(BYTES, { filename: 'gone.csv' })
    const page = await openUpload(id)
    await page.getByRole('button', { name: 'Delete gone.csv' }).click()
    const undo = page.getByRole('button', { name: 'Undo the deletion' })
    await undo.waitFor()
    await page.getByText('To have the file here again, send it again.').waitFor()
    expect(await undo.count()).toBe(0)
    expect(await page.locator('.notice').count()).toBe(0)
    expect((await fetch(url ?? '')).status).toBe(410)
    expect(await page.locator('.upload-facts').textContent()).toContain('28 B')
    expect(watched.troubles).toEqual([])
  })

  test('shows in two tabs what either of them does', async () => {
    const { id } = await tus.put(BYTES, { filename: 'both.csv' })
    const one = await openUpload(id)
    const other = await watchPage(one.context(), server.url)
    await openSignedIn(other.page, server, `#/uploads/${id}`)
    await one.getByRole('button', { name: 'Delete both.csv' }).click()
    await one.locator('.notice').waitFor()
    await other.page.getByRole('button', { name: 'Undo the deletion' }).click()
    await digestIn(other.page, 'MD5').waitFor()
    await digestIn(one, 'MD5').waitFor()
    await one.locator('.notice').waitFor({ state: 'detached' })
    await antipasto.uploads.change(id, { note: 'By another program.' })
    await one.bringToFront()
    expect([...watched.troubles, ...other.troubles]).toEqual([])
  })

  test('is discarded while it is unfinished, and goes on where it was when that is undone', async () => {
    const id = await tus.begin(BYTES.length, { filename: 'half.csv' })
    expect((await tus.patch(id, 0, BYTES.subarray(0, 10))).status).toBe(204)
    const page = await openUpload(id)
    await page.getByText('Safe on the server: 10 B of 28 B').waitFor()
    await page.getByRole('button', { name: 'Choose the same file to go on half.csv' }).waitFor()
    await page.getByRole('button', { name: 'Discard half.csv' }).click()
    await page.getByRole('heading', { name: 'This upload was discarded' }).waitFor()
    expect((await tus.head(id)).status).toBe(410)
    await page.getByRole('button', { name: 'Undo the deletion' }).click()
    await page.getByText('Safe on the server: 10 B of 28 B').waitFor()
    // Somebody else goes on with it.
    expect((await tus.patch(id, 10, BYTES.subarray(10, 20))).status).toBe(204)
    await page.getByText('Safe on the server: 20 B of 28 B').waitFor()
    expect((await tus.patch(id, 20, BYTES.subarray(20))).status).toBe(204)
    await digestIn(page, 'SHA-256').waitFor()
    expect(await digestIn(page, 'SHA-256').textContent()).toBe(
      createHash('sha256').update(BYTES).digest('hex'),
    )
    expect(watched.troubles).toEqual([])
  })

  test('is paused, goes on, and is discarded from its own view while this tab sends it', async () => {
    watched = await openWatchedPage(browser, server.url)
    const { page } = watched
    await openSignedIn(page, server)
    const { file } = await makeFile(folder, 'moving.bin', 40 * MIB)
    await watched.limitUpload(MIB / 2)
    await send(page, [file])
    await waitForOffset(server, 'moving.bin', 1)
    const { id } = (await uploadNamed(server, 'moving.bin'))!
    await page.goto(`${server.url}/#/uploads/${id}`)
    await page.getByRole('heading', { name: 'moving.bin' }).waitFor()
    const view = page.locator('.upload-view')
    expect(await view.locator('.badge').textContent()).toBe('Uploading')

    await view.getByRole('button', { name: 'Pause' }).click()
    await view.getByText('Paused', { exact: true }).waitFor()
    const pausedAt = await restingOffset(server, 'moving.bin')
    expect(pausedAt).toBeLessThan(40 * MIB)
    await view.getByRole('button', { name: 'Go on' }).click()
    await waitForOffset(server, 'moving.bin', pausedAt + 1)
    await view.getByText('Uploading', { exact: true }).waitFor()

    await view.getByRole('button', { name: 'Discard moving.bin' }).click()
    await view.getByRole('button', { name: 'Undo the deletion' }).click()
    await view.getByRole('button', { name: /^Choose the same file/ }).waitFor()
    const keptAt = await restingOffset(server, 'moving.bin')
    expect(keptAt).toBeGreaterThanOrEqual(pausedAt)
    expect((await antipasto.uploads.report(id)).state).toBe('receiving')
    // The panel has let go of it: nothing sends it.
    await page.goto(`${server.url}/#/`)
    await page.locator('.drop-area').waitFor()
    expect(watched.requests.filter((request) => request === 'POST /uploads')).toHaveLength(1)
    expect(unexpectedTroubles(410)).toEqual([])
  })

  test('makes a new URL only after asking; the old one is dead then, and the EML has the new one', async () => {
    const { id, retrieval_url: before } = await tus.put(BYTES, { filename: 'renewed.csv' })
    const page = await openUpload(id)
    const ask = page.getByRole('button', { name: 'Make a new URL' })
    await ask.click()
    const dialog = page.getByRole('dialog', { name: 'Make a new URL?' })
    await dialog.getByText('The present URL is dead at once').waitFor()
    await page.keyboard.press('Escape')
    await dialog.waitFor({ state: 'detached' })
    expect((await fetch(before ?? '')).status).toBe(200)

    await ask.click()
    await dialog.getByRole('button', { name: 'Make a new URL' }).click()
    await dialog.waitFor({ state: 'detached' })
    const { retrieval_url: after } = await antipasto.uploads.report(id)
    expect(after).not.toBe(before)
    expect(await page.locator('.upload-url a').getAttribute('href')).toBe(after)
    expect((await fetch(before ?? '')).status).toBe(404)
    expect(Buffer.from(await (await fetch(after ?? '')).arrayBuffer())).toEqual(BYTES)
    await page
      .locator('.upload-eml')
      .getByText(after ?? '', { exact: false })
      .waitFor()
    expect(watched.troubles).toEqual([])
  })

  test('is kept longer: by a week, to the end of a day, and no longer than may be', async () => {
    const made = await tus.put(BYTES, { filename: 'kept.csv' })
    const page = await openUpload(made.id)
    const endsAt = async () => Date.parse((await antipasto.uploads.report(made.id)).expires_at ?? '')
    await page.getByRole('button', { name: '1 week more' }).click()
    await endIn(page)
      .getByText(/^Ends in (36|37) days$/)
      .waitFor()
    expect((await endsAt()) - Date.parse(made.expires_at ?? '')).toBe(7 * DAY_MS)

    const day = page.getByLabel('Until the end of')
    await day.fill('2020-01-01')
    await page.getByText('Choose a later day.').waitFor()
    expect(await page.getByRole('button', { name: 'Keep', exact: true }).isDisabled()).toBe(true)
    const chosen = new Date(Date.parse(made.created_at) + 45 * DAY_MS).toISOString().slice(0, 10)
    await day.fill(chosen)
    await page.getByRole('button', { name: 'Keep', exact: true }).click()
    await endIn(page)
      .getByText(/^Ends in 4[4-6] days$/)
      .waitFor()
    expect(await endsAt()).toBe(new Date(`${chosen}T23:59:59`).getTime())

    await page.getByRole('button', { name: '1 month more' }).click()
    await page.getByText('Its end was not moved. It can be kept until').waitFor()
    await page.getByRole('button', { name: 'Keep it until then' }).click()
    await endIn(page)
      .getByText(/^Ends in (59|60) days$/)
      .waitFor()
    expect((await endsAt()) - Date.parse(made.created_at)).toBe(60 * DAY_MS)
    await page.getByRole('button', { name: '1 week more' }).click()
    await page.getByText('It is kept as long as is allowed already.').waitFor()
    expect(unexpectedTroubles(400)).toEqual([])
  })

  test('has a note, written and changed by keyboard, and never one that is too long', async () => {
    const { id } = await tus.put(BYTES, { filename: 'noted.csv' })
    const page = await openUpload(id)
    await page.getByRole('button', { name: 'Add a note' }).focus()
    await page.keyboard.press('Enter')
    const field = page.getByRole('textbox', { name: 'Note' })
    await hasFocus(field)
    await page.keyboard.type('Sensor 3 was replaced.')
    await page.keyboard.press('Enter')
    await page.locator('.upload-note').getByText('Sensor 3 was replaced.').waitFor()
    expect(await textInFocus(page, 'Edit')).toBe('Edit')
    expect((await antipasto.uploads.report(id)).note).toBe('Sensor 3 was replaced.')

    await page.keyboard.press('Enter')
    await field.fill('é'.repeat(501))
    await page.getByText('A note can have 1,000 bytes at most. Shorten it.').waitFor()
    await page.keyboard.press('Escape')
    expect((await antipasto.uploads.report(id)).note).toBe('Sensor 3 was replaced.')
    await page.getByRole('button', { name: 'Edit' }).click()
    await field.fill(' ')
    await page.getByRole('button', { name: 'Save' }).click()
    await page.getByRole('button', { name: 'Add a note' }).waitFor()
    expect((await antipasto.uploads.report(id)).note).toBeNull()
    expect(watched.troubles).toEqual([])
  })

  test('explains warnings: an empty file, and one that looks like a web page', async () => {
    const empty = await tus.put(Buffer.alloc(0), { filename: 'empty.csv' })
    const page = await openUpload(empty.id)
    await page.getByRole('heading', { name: 'This file is empty' }).waitFor()
    await page.getByText('PASTA refuses a data file without content').waitFor()
    const html = await tus.put(Buffer.from('<!doctype html><html></html>'), { filename: 'page.csv' })
    await page.goto(`${server.url}/#/uploads/${html.id}`)
    await page.getByRole('heading', { name: 'This file looks like a web page' }).waitFor()
    expect(await page.getByRole('heading', { name: 'This file is empty' }).count()).toBe(0)
    expect(watched.troubles).toEqual([])
  })

  test('says why it failed, with both checksums, and leads to sending it again', async () => {
    const id = idOf(
      await tus.create({
        sizeBytes: BYTES.length,
        metadata: { filename: 'failed.csv', sha256: 'ab'.repeat(32) },
      }),
    )
    expect((await tus.patch(id, 0, BYTES)).status).toBe(422)
    const page = await openUpload(id)
    await page.getByRole('heading', { name: 'What arrived is not what was announced' }).waitFor()
    expect(await page.locator('.upload-mismatch code').allTextContents()).toEqual([
      'ab'.repeat(32),
      createHash('sha256').update(BYTES).digest('hex'),
    ])
    expect(await page.getByRole('link', { name: 'Download' }).count()).toBe(0)
    await page.getByRole('link', { name: 'Send the file again' }).click()
    expect(page.url()).toBe(`${server.url}/#/`)

    // What has failed can't be brought back, and nothing offers it.
    await page.goto(`${server.url}/#/uploads/${id}`)
    await page.getByRole('button', { name: 'Delete failed.csv' }).click()
    await page.locator('.notice').getByText('failed.csv is deleted').waitFor()
    expect(await page.getByRole('button', { name: /^Undo/ }).count()).toBe(0)
    expect(watched.troubles).toEqual([])
  })

  test('says what ended, what there is not, and what could not be loaded', async () => {
    const { id } = await tus.put(BYTES, { filename: 'ended.csv' })
    expect((await tus.remove(id)).status).toBe(204)
    // Before there is a page: one that hears of it asks for it again by itself.
    const there = await tus.put(BYTES, { filename: 'there.csv' })
    const page = await openUpload(id)
    await page.getByRole('heading', { name: 'This upload was deleted' }).waitFor()
    expect(await page.getByRole('button', { name: /^(Undo|Delete)/ }).count()).toBe(0)

    const expiring = await tus.put(BYTES, { filename: 'expiring.csv' })
    await page.goto(`${server.url}/#/uploads/${expiring.id}`)
    await digestIn(page, 'MD5').waitFor()
    await withConnection(server.databaseUrl ?? '', (client) =>
      client.query('UPDATE uploads SET expires_at = now() WHERE id = $1', [expiring.id]),
    )
    await page.getByRole('heading', { name: 'The time of this upload is over' }).waitFor()
    expect(await digestIn(page, 'MD5').count()).toBe(0)

    await page.goto(`${server.url}/#/uploads/${'0'.repeat(40)}`)
    await page.getByRole('heading', { name: 'There is no such upload' }).waitFor()
    await page.getByText('It is not yours, or it is gone.').waitFor()

    const route = `**/uploads/${there.id}`
    await page.route(route, (request) =>
      request.fulfill({
        status: 500,
        contentType: 'application/problem+json',
        headers: { 'x-request-id': 'request-7' },
        body: JSON.stringify({
          code: 'INTERNAL',
          detail: 'Try again.',
          request_id: 'request-7',
          status: 500,
        }),
      }),
    )
    await page.goto(`${server.url}/#/uploads/${there.id}`)
    const failure = page.getByRole('alert')
    await failure.getByText('The upload could not be loaded.').waitFor()
    await failure.getByText('request-7').waitFor()
    await page.unroute(route)
    await failure.getByRole('button', { name: 'Try again' }).click()
    await page.getByRole('heading', { name: 'there.csv' }).waitFor()
    expect(unexpectedTroubles(404, 500)).toEqual([])
  })

  test('of a finalized package is not deleted, and is kept as long as the package', async () => {
    const { id, package_id: packageId } = await tus.put(BYTES, { filename: 'frozen.csv', label: 'Frozen' })
    await antipasto.packages.finalize(packageId ?? '')
    const page = await openUpload(id)
    await page.getByRole('link', { name: 'Keep the package longer' }).waitFor()
    expect(await page.getByRole('button', { name: '1 week more' }).count()).toBe(0)
    await page.getByRole('button', { name: 'Delete frozen.csv' }).click()
    await page.getByRole('alert').getByText('which is finalized: its files stay and end together').waitFor()
    expect((await antipasto.uploads.report(id)).state).toBe('ready')
    expect(unexpectedTroubles(409)).toEqual([])
  })

  test('offers a key that may only read nothing that it may not', async () => {
    const { id } = await tus.put(BYTES, { filename: 'read.csv' })
    const page = await openUpload(id, READ_KEY)
    await digestIn(page, 'MD5').waitFor()
    await valueWhen(
      () => page.getByRole('button', { name: /^(Delete|Make a new|Add a note|1 week)/ }).count(),
      (count) => count === 0,
    )
    expect(await page.getByRole('button', { name: /^(Delete|Make a new|Add a note|1 week)/ }).count()).toBe(0)
    expect(await page.getByRole('button', { name: 'Choose a file' }).count()).toBe(1)
    expect(watched.troubles).toEqual([])
  })
})

function endIn(page: Page): Locator {
  return page.locator('.upload-aside .soft').filter({ hasText: 'Ends in' })
}

function digestIn(page: Page, name: string): Locator {
  return page
    .locator('.upload-digest')
    .filter({ hasText: new RegExp(`^${name}`) })
    .locator('code')
}

async function choose(page: Page, file: string): Promise<void> {
  await page.locator('.upload-verify input[type=file]').setInputFiles(file)
}

function copied(page: Page, button: string): Promise<string> {
  return copiedBy(page, () => page.getByRole('button', { name: button, exact: true }).click())
}

async function bytesOf(download: { createReadStream(): Promise<NodeJS.ReadableStream> }): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of await download.createReadStream()) pieces.push(Buffer.from(piece))
  return Buffer.concat(pieces)
}

/** Of random bytes, each MiB another. */
async function writeLargeFile(file: string, mebibytes: number): Promise<void> {
  const handle = await open(file, 'w')
  const piece = randomBytes(MIB)
  for (let index = 0; index < mebibytes; index += 1) {
    piece.writeUInt32LE(index)
    await handle.write(piece)
  }
  await handle.close()
}
