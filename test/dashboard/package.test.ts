// The view of one package in a real browser, on a real server.

import { createHash } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals'
import type { Browser, Locator, Page } from 'playwright-core'
import { Antipasto } from '../../client/api/antipasto.js'
import type { Package } from '../../client/api/types.js'
import { openApiKeys } from '../../server/auth/api-keys.js'
import { openDatabase } from '../../server/database/client.js'
import { TusClient } from '../dialects/tus-client.js'
import { withConnection } from '../support/database.js'
import { startServer, type TestServer } from '../support/server.js'
import { valueWhen } from '../support/until.js'
import { dropFile, launchChromium, openWatchedPage, type WatchedPage } from './browser.js'
import { cleanSlate } from './clean-slate.js'
import { describeInBrowser } from './describe-in-browser.js'
import { copiedBy, openSignedIn, textInFocus } from './page-parts.js'

const DAY_MS = 86_400_000
const MIB = 1024 * 1024
const EML_SAMPLES = new URL('../../../test/packages/eml/', import.meta.url)

describeInBrowser('the view of a package', (chromiumPath) => {
  let server: TestServer
  let antipasto: Antipasto
  let tus: TusClient
  let browser: Browser
  let folder: string
  let watched: WatchedPage

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'antipasto-package-'))
    server = await startServer({ env: { MAX_TTL: '60d' } })
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

  async function openPackage(id: string, { width = 1000, key = server.key } = {}): Promise<Page> {
    watched = await openWatchedPage(browser, server.url, { width, height: 860 })
    await openSignedIn(watched.page, { url: server.url, key }, `#/packages/${id}`)
    return watched.page
  }

  /** A package with these files, each with its path for content. */
  async function makePackage(
    name: string,
    paths: readonly string[] = [],
    more: { label?: string } = {},
  ): Promise<Package> {
    const made = await antipasto.packages.create({ name, ...more })
    for (const file of paths) await putFile(made.id, file)
    return antipasto.packages.get(made.id)
  }

  async function putFile(packageId: string, file: string): Promise<string> {
    const metadata = { filename: path.posix.basename(file), relativePath: file, packageId }
    return (await tus.put(Buffer.from(file), metadata)).id
  }

  /** The last byte of a file of ten hasn't come. */
  async function beginFile(packageId: string, file: string): Promise<string> {
    const id = await tus.begin(10, { filename: path.posix.basename(file), relativePath: file, packageId })
    expect((await tus.patch(id, 0, Buffer.from('012345678'))).status).toBe(204)
    return id
  }

  async function failFile(packageId: string, file: string): Promise<void> {
    const metadata = { filename: file, relativePath: file, packageId, md5: '0'.repeat(32) }
    await tus.create({ sizeBytes: 3, metadata, body: Buffer.from('abc') })
  }

  test('shows what it has, by path, and leads to each file', async () => {
    const made = await makePackage('Lake survey', ['b/2.csv', 'a.csv', 'b/1.csv'], { label: 'lake' })
    const page = await openPackage(made.id)
    expect(await page.locator('h1:visible').textContent()).toBe('Lake survey')
    expect(await page.title()).toBe('Lake survey · antipasto')
    expect(await pathsIn(filesOf(page))).toEqual(['a.csv', 'b/1.csv', 'b/2.csv'])
    expect(await totalsIn(page)).toEqual({ Files: '3', 'Size of what is ready': '19 B' })
    expect(await page.locator('.facts').textContent()).toContain('Labellake')
    expect(await page.locator('.facts time').first().textContent()).toMatch(/^Ends in (29|30) days$/)

    const [first] = await toArray(antipasto.packages.files(made.id))
    await filesOf(page).getByRole('link', { name: 'a.csv' }).click()
    expect(page.url()).toBe(`${server.url}/#/uploads/${first?.id}`)
    expect(watched.troubles).toEqual([])
  })

  test('moves with what others do to it: files that come, get ready, fail and go', async () => {
    const made = await makePackage('Live', ['m.csv'])
    const page = await openPackage(made.id)
    const begun = await beginFile(made.id, 'a.csv')
    const row = filesOf(page).getByRole('listitem').filter({ hasText: 'a.csv' })
    await row.getByText('Unfinished', { exact: true }).waitFor()
    expect(await pathsIn(filesOf(page))).toEqual(['a.csv', 'm.csv'])
    await valueWhen(
      () => row.locator('progress').getAttribute('value'),
      (value) => value === '9',
    )
    expect(await totalsIn(page)).toMatchObject({ Files: '2', Ready: '1', Unfinished: '1' })

    expect((await tus.patch(begun, 9, Buffer.from('9'))).status).toBe(204)
    await row.getByText('Ready', { exact: true }).waitFor()
    await eventuallyTotals(page, { Files: '2', 'Size of what is ready': '15 B' })

    await failFile(made.id, 'z.csv')
    await eventuallyTotals(page, { Files: '3', Ready: '2', Failed: '1', 'Size of what is ready': '15 B' })
    const failed = page.getByRole('list', { name: 'Failed' })
    await failed.waitFor()
    expect(await pathsIn(failed)).toEqual(['z.csv'])
    expect(await failed.textContent()).toContain('The declared md5 is')

    // What comes to the same path is in the place of what failed.
    await putFile(made.id, 'z.csv')
    await failed.waitFor({ state: 'detached' })
    expect((await tus.remove(begun)).status).toBe(204)
    await row.waitFor({ state: 'detached' })
    expect(await pathsIn(filesOf(page))).toEqual(['m.csv', 'z.csv'])
    expect(watched.troubles).toEqual([])
  })

  test('is not finalized while files are not ready, says which, and leads to them', async () => {
    const made = await makePackage('Half done', ['a.csv'])
    const begun = await beginFile(made.id, 'b.csv')
    await failFile(made.id, 'c.csv')
    const page = await openPackage(made.id)
    await page.getByText('2 files are not ready yet.').waitFor()
    await page.getByRole('button', { name: 'Finalize …' }).click()
    const dialog = page.getByRole('dialog', { name: 'Finalize “Half done”?' })
    await dialog.getByText('this can’t be undone').waitFor()
    await dialog.getByRole('button', { name: 'Finalize 3 files' }).click()
    await dialog.getByText('2 files are not ready: b.csv (receiving), c.csv (failed).').waitFor()
    expect(await dialog.locator('.in-the-way').textContent()).toBe('b.csvUnfinishedc.csvFailed')
    expect((await antipasto.packages.get(made.id)).state).toBe('open')
    await dialog.getByRole('link', { name: 'b.csv' }).click()
    expect(page.url()).toBe(`${server.url}/#/uploads/${begun}`)
    await dialog.waitFor({ state: 'detached' })
    // Chromium tells of the 409 by itself.
    expect(watched.troubles.filter((one) => !one.includes('409'))).toEqual([])
  })

  test('is finalized by the keyboard, and hands out its manifest byte for byte', async () => {
    const made = await makePackage('Lakes: 2026/1', ['a.csv', 'b.csv'])
    const page = await openPackage(made.id)
    await page.getByRole('button', { name: 'Finalize …' }).focus()
    await page.keyboard.press('Enter')
    await page.getByRole('dialog').waitFor()
    await page.keyboard.press('Escape')
    await page.getByRole('dialog').waitFor({ state: 'detached' })
    expect(await textInFocus(page, 'Finalize …')).toBe('Finalize …')
    expect((await antipasto.packages.get(made.id)).state).toBe('open')

    await page.keyboard.press('Enter')
    await page.getByRole('button', { name: 'Finalize 2 files' }).focus()
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'Manifest' }).waitFor()
    expect(await textInFocus(page, 'Manifest')).toBe('Manifest')
    await page.getByRole('status').getByText('“Lakes: 2026/1” is finalized.').waitFor()
    expect(await page.locator('.view-head .badge').textContent()).toBe('Finalized')

    const { manifest_sha256: sha256 } = await antipasto.packages.get(made.id)
    expect(await page.locator('.digest code').textContent()).toBe(sha256)
    const copy = page.getByRole('button', { name: 'Copy SHA-256 of the CBOR form' })
    expect(await copiedBy(page, () => copy.click())).toBe(sha256)
    await page.getByText('Copied', { exact: true }).waitFor()

    const cbor = await downloaded(page, () => page.getByRole('button', { name: 'Download CBOR' }).click())
    expect(cbor.name).toBe('Lakes 2026 1 manifest.cbor')
    expect(createHash('sha256').update(cbor.bytes).digest('hex')).toBe(sha256)
    const json = await downloaded(page, () => page.getByRole('button', { name: 'Download JSON' }).click())
    expect(json.name).toBe('Lakes 2026 1 manifest.json')
    expect(json.bytes.equals(Buffer.from(await antipasto.packages.manifest(made.id, 'json')))).toBe(true)
    expect(watched.troubles).toEqual([])
  })

  test('is kept longer for a reason, and no longer than may be', async () => {
    const made = await makePackage('Kept', ['a.csv'])
    const page = await openPackage(made.id)
    await page.getByRole('button', { name: 'Keep longer …' }).click()
    const dialog = page.getByRole('dialog', { name: 'Keep “Kept” longer?' })
    await dialog.getByRole('button', { name: 'Keep it longer' }).click()
    await dialog.getByText('Say why, in a few words.').waitFor()
    await dialog.getByLabel('Why').fill('The review takes longer.')
    await dialog.getByLabel('How much longer').selectOption('One week')
    await dialog.getByRole('button', { name: 'Keep it longer' }).click()
    await dialog.waitFor({ state: 'detached' })
    const extended = await antipasto.packages.get(made.id)
    expect(Date.parse(extended.expires_at ?? '') - Date.parse(made.expires_at ?? '')).toBe(7 * DAY_MS)
    await page.getByText('Kept longer once').click()
    await page.locator('.extensions').getByText('The review takes longer.').waitFor()

    await page.getByRole('button', { name: 'Keep longer …' }).click()
    await dialog.getByLabel('Why').fill('For good')
    await dialog.getByLabel('How much longer').selectOption('Until a day of your choice')
    await dialog.getByLabel('Until the end of').fill('2020-01-01')
    await dialog.getByText('Choose a day later than when it ends now.').waitFor()
    await dialog.getByLabel('Until the end of').fill('2099-12-31')
    await dialog.getByRole('button', { name: 'Keep it longer' }).click()
    await dialog.getByText('which is MAX_TTL from its start').waitFor()
    await dialog.getByRole('button', { name: 'the latest there is' }).click()
    await dialog.waitFor({ state: 'detached' })
    await page.getByText('Kept longer 2 times').waitFor()
    const latest = await antipasto.packages.get(made.id)
    expect(Date.parse(latest.expires_at ?? '') - Date.parse(made.created_at)).toBe(60 * DAY_MS)
    expect(watched.troubles.filter((one) => !one.includes('400'))).toEqual([])
  })

  test('fills an EML document in, and says what is missing, not described, and what to do', async () => {
    const made = await makePackage('Lake Müggel', [
      'lake_temperature.csv',
      'code/model.R',
      'photos/photographs.zip',
      'extra/notes.txt',
    ])
    const begun = await beginFile(made.id, 'R&D <inflow> “v2”.csv')
    const page = await openPackage(made.id)
    const document = await readFile(new URL('lake.xml', EML_SAMPLES))
    const file = path.join(folder, 'lake.xml')
    await writeFile(file, document)

    await page.locator('.eml-drop').scrollIntoViewIfNeeded()
    await dropFile(page, '.eml-drop', file)
    await page.getByText('3 filled in, 2 missing, 1 not described').first().waitFor()
    expect(await textInFocus(page, 'lake.xml')).toBe('lake.xml')
    const table = page.getByRole('table', { name: 'What lake.xml and this package have of each other' })
    expect(await rowsIn(table)).toEqual([
      ['Missing: 2Its file is still on its way. Fill the document in again when it is ready.'],
      ['R&D <inflow> “v2”.csv', 'nothing'],
      ['nowhere.bin', 'Send a file of this name into the package, or correct the objectName.'],
      ['Not described: 1Describe it in the document, with its path as the objectName; or delete it here.'],
      ['nothing', 'extra/notes.txt'],
      ['Filled in: 3'],
      ['lake_temperature.csv', 'lake_temperature.csv'],
      ['model.R', 'code/model.R'],
      ['photographs.zip', 'photos/photographs.zip'],
    ])
    const saved = await downloaded(page, () =>
      page.getByRole('button', { name: 'Save lake-filled.xml' }).click(),
    )
    expect(saved.name).toBe('lake-filled.xml')
    const answer = await antipasto.packages.patchEml({ packageId: made.id }, new Uint8Array(document))
    expect(saved.bytes.equals(Buffer.from(answer.document))).toBe(true)
    expect(saved.bytes.equals(document)).toBe(false)

    expect((await tus.patch(begun, 9, Buffer.from('9'))).status).toBe(204)
    await page.getByText('The package has changed since.').waitFor()
    await page.getByRole('button', { name: 'Fill it in again' }).click()
    await page.getByText('4 filled in, 1 missing, 1 not described').first().waitFor()
    expect(await page.getByText('The package has changed since.').count()).toBe(0)
    expect(watched.troubles).toEqual([])
  })

  test('hands out all its files as EML, and refuses documents that are none', async () => {
    const made = await makePackage('Refusals', ['a.csv'])
    const page = await openPackage(made.id)
    const entities = await downloaded(page, () =>
      page.getByRole('button', { name: 'Download these files as EML' }).click(),
    )
    expect(entities.name).toBe('Refusals entities.xml')
    expect(entities.bytes.toString()).toBe(await antipasto.packages.eml(made.id))

    const chooser = page.locator('.eml-drop input')
    const give = (name: string, content: string | Buffer) =>
      chooser.setInputFiles({ name, mimeType: 'application/xml', buffer: Buffer.from(content) })
    const told = page.locator('.package-part .note.failure')
    const refusals: [string, string | Buffer, RegExp][] = [
      ['notes.txt', 'no XML at all', /^notes\.txt was not filled in\. .*line 1/],
      ['dtd.xml', '<!DOCTYPE a><a/>', /^dtd\.xml was not filled in\. .*DOCTYPE/],
      ['latin.xml', Buffer.from([0x3c, 0xe9, 0x3e]), /UTF-8/],
      ['empty.xml', '', /empty/],
      [
        'large.xml',
        Buffer.alloc(8 * MIB + 1, 0x20),
        /^large\.xml has 8\.0 MB\. A document may have 8 MB at most/,
      ],
    ]
    for (const [name, content, words] of refusals) {
      await give(name, content)
      await told.filter({ hasText: words }).waitFor()
      expect(await page.locator('.eml-result').count()).toBe(0)
    }
    // The same one again, corrected.
    await give('large.xml', '<eml/>')
    await told.filter({ hasText: 'large.xml was not filled in.' }).waitFor()
    await give('right.xml', await readFile(new URL('plots.xml', EML_SAMPLES)))
    await page.locator('.eml-result').waitFor()
    expect(await told.count()).toBe(0)
    expect(watched.troubles.filter((one) => !one.includes('400'))).toEqual([])
  })

  test('fills in the document that was given last, whichever answer comes last', async () => {
    const made = await makePackage('Twice', ['plots.zip'])
    const page = await openPackage(made.id)
    let release = () => {}
    const isHeld = new Promise<void>((resolve) => {
      release = resolve
    })
    let asked = 0
    await page.route('**/eml?*', async (route) => {
      asked += 1
      if (asked === 1) await isHeld
      // The page may have given it up.
      await route.continue().catch(() => {})
    })
    const chooser = page.locator('.eml-drop input')
    for (const name of ['lake.xml', 'plots.xml']) {
      const buffer = await readFile(new URL(name, EML_SAMPLES))
      await chooser.setInputFiles({ name, mimeType: 'application/xml', buffer })
      await page.getByText(`Filling in ${name} …`).first().waitFor()
    }
    const result = page.getByRole('heading', { level: 3 })
    await result.filter({ hasText: 'plots.xml' }).waitFor()
    release()
    await page.waitForTimeout(500)
    expect(await result.allTextContents()).toEqual(['plots.xml'])
    expect(watched.troubles).toEqual([])
  })

  test('says when it could not be loaded, with the request, and tries again', async () => {
    const made = await makePackage('Trouble', ['a.csv'])
    watched = await openWatchedPage(browser, server.url)
    const { page } = watched
    await page.route(`**/packages/${made.id}`, (route) =>
      route.fulfill({
        status: 500,
        contentType: 'application/problem+json',
        body: JSON.stringify({
          ...{ type: 'about:blank', title: 'Internal', status: 500, code: 'INTERNAL' },
          detail: 'The server met a fault.',
          request_id: 'request-7',
        }),
      }),
    )
    await openSignedIn(page, server, `#/packages/${made.id}`)
    const alert = page.getByRole('alert')
    await alert.getByText('The server met a fault.').waitFor()
    expect(await alert.locator('code').textContent()).toBe('request-7')
    await page.unroute(`**/packages/${made.id}`)
    await alert.getByRole('button', { name: 'Try again' }).click()
    await filesOf(page).getByRole('link', { name: 'a.csv' }).waitFor()
    expect(await alert.count()).toBe(0)
    expect(watched.troubles.filter((one) => !one.includes('500'))).toEqual([])
  })

  test('is deleted with all its files when that is confirmed, and leads back', async () => {
    const made = await makePackage('Old', ['a.csv', 'b.csv'])
    const [file] = await toArray(antipasto.packages.files(made.id))
    const page = await openPackage(made.id)
    await page.getByRole('button', { name: 'Delete …' }).click()
    const dialog = page.getByRole('dialog', { name: 'Delete “Old”?' })
    await dialog.getByText('The package is deleted with 2 files (10 B).').waitFor()
    expect(await textInFocus(page, 'Cancel')).toBe('Cancel')
    await page.keyboard.press('Enter')
    await dialog.waitFor({ state: 'detached' })
    expect((await antipasto.packages.get(made.id)).state).toBe('open')

    await page.getByRole('button', { name: 'Delete …' }).click()
    await dialog.getByRole('button', { name: 'Delete 2 files' }).click()
    await page.waitForURL(`${server.url}/#/`)
    await page.locator('.notice').getByText('“Old” was deleted.').waitFor()
    await expect(antipasto.packages.get(made.id)).rejects.toMatchObject({ code: 'GONE' })
    expect((await fetch(file?.retrieval_url ?? '')).status).toBe(410)

    await page.goBack()
    await page.getByText('This package was deleted').waitFor()
    // Chromium tells of the 410 by itself.
    expect(watched.troubles.filter((one) => !one.includes('410'))).toEqual([])
  })

  test('tells when another has deleted it, and when there is none', async () => {
    const made = await makePackage('Shared computer')
    const page = await openPackage(made.id)
    await page.getByText('No files yet').waitFor()
    expect(await page.getByRole('button', { name: 'Finalize …' }).isDisabled()).toBe(true)
    await page.getByRole('button', { name: 'Delete …' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Delete the package' }).waitFor()
    await antipasto.packages.remove(made.id)
    await page.getByText('This package was deleted').waitFor()
    expect(await page.getByRole('dialog').count()).toBe(0)
    expect(await textInFocus(page, 'Shared computer')).toBe('Shared computer')
    expect(await page.getByRole('heading', { level: 1 }).filter({ visible: true }).textContent()).toBe(
      'Shared computer',
    )

    await page.goto(`${server.url}/#/packages/${'0'.repeat(40)}`)
    await page.getByText('There is no such package').waitFor()
    expect(watched.troubles.filter((one) => !/ 4(04|10) /.test(one))).toEqual([])
  })

  test('takes a file out with some seconds to undo it, and the focus stays in the list', async () => {
    const made = await makePackage('Less', ['a.csv', 'b.csv', 'c.csv'])
    const page = await openPackage(made.id)
    await page.getByRole('button', { name: 'Delete b.csv' }).focus()
    await page.keyboard.press('Enter')
    await eventuallyTotals(page, { Files: '2', 'Size of what is ready': '10 B' })
    expect(await textInFocus(page, 'c.csv')).toBe('c.csv')
    expect(await pathsIn(filesOf(page))).toEqual(['a.csv', 'c.csv'])
    await page.locator('.notice').getByRole('button', { name: 'Undo' }).click()
    await eventuallyTotals(page, { Files: '3', 'Size of what is ready': '15 B' })
    expect(await pathsIn(filesOf(page))).toEqual(['a.csv', 'b.csv', 'c.csv'])

    await antipasto.packages.finalize(made.id)
    await page.getByRole('heading', { name: 'Manifest' }).waitFor()
    expect(await page.getByRole('button', { name: /^Delete .\.csv$/ }).count()).toBe(0)
    expect(watched.troubles).toEqual([])
  })

  test('shows whom it is shared with what they may do, and what they send to its owner', async () => {
    const made = await makePackage('Together', ['a.csv'])
    const grace = await keyOf('grace')
    const share = await fetch(`${server.url}/packages/${made.id}/shares/grace`, {
      method: 'PUT',
      headers: { Authorization: `Bearer ${server.key}`, 'Content-Type': 'application/json' },
      body: JSON.stringify({ access: 'write' }),
    })
    expect(share.status).toBe(200)
    const owners = await openWatchedPage(browser, server.url)
    await openSignedIn(owners.page, server, `#/packages/${made.id}`)

    const page = await openPackage(made.id, { key: grace })
    await page.getByText('Shared with you by default').waitFor()
    expect(await page.getByRole('button', { name: 'Keep longer …' }).count()).toBe(0)
    expect(await page.getByRole('button', { name: 'Delete …' }).count()).toBe(0)
    const metadata = { filename: 'g.csv', packageId: made.id }
    await new TusClient(server, grace).put(Buffer.from('grace'), metadata)
    await eventuallyTotals(page, { Files: '2', 'Size of what is ready': '10 B' })
    // The owner gets no event of it.
    await owners.page.getByRole('link', { name: 'g.csv' }).waitFor()
    await owners.close()

    await page.getByRole('button', { name: 'Finalize …' }).click()
    await page.getByRole('button', { name: 'Finalize 2 files' }).click()
    await page.getByRole('heading', { name: 'Manifest' }).waitFor()
    expect((await antipasto.packages.get(made.id)).state).toBe('finalized')
    expect([...owners.troubles, ...watched.troubles]).toEqual([])
  })

  test('shows thousands of files as they are scrolled to, in few at a time', async () => {
    const made = await makePackage('Large', ['f/0000.csv'])
    await copyFile(made.id, 1_300)
    const page = await openPackage(made.id)
    await page.getByText('1,301 files', { exact: true }).waitFor()
    expect(await filesOf(page).getByRole('link').count()).toBeLessThan(100)
    const last = filesOf(page).getByRole('link', { name: 'f/1300.csv' })
    await valueWhen(
      async () => {
        await page.mouse.wheel(0, 20_000)
        return last.count()
      },
      (count) => count === 1,
    )
    expect(await filesOf(page).getByRole('link').count()).toBeLessThan(100)
    expect(await last.locator('xpath=ancestor::li').getAttribute('aria-setsize')).toBe('1301')
    await last.click()
    expect(page.url()).toContain('#/uploads/')
    expect(watched.troubles).toEqual([])
  })

  test('fits a narrow window with names that are long, or read from right to left', async () => {
    const long = `${'measurements'.repeat(18)}.csv`
    const made = await makePackage(`שלום ${'x'.repeat(200)}`, [long, 'بيانات/درجة الحرارة.csv'], {
      label: 'לייק',
    })
    const page = await openPackage(made.id, { width: 360 })
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(360)
    await page.locator('.eml-drop input').setInputFiles({
      name: `${long}.xml`,
      mimeType: 'text/xml',
      buffer: await readFile(new URL('lake.xml', EML_SAMPLES)),
    })
    await page.getByRole('table').waitFor()
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(360)
    await page.getByRole('button', { name: 'Delete …' }).click()
    await page.getByRole('dialog').waitFor()
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(360)
    expect(watched.troubles).toEqual([])
  })

  /** A key of another owner. */
  async function keyOf(owner: string): Promise<string> {
    const database = await openDatabase(server.databaseUrl ?? '')
    try {
      const keys = openApiKeys(database.prisma, { upload: [], read: [], delete: [] })
      const scopes = ['upload', 'read', 'delete'] as const
      return (await keys.create({ name: owner, owner, scopes, ttlSeconds: undefined })).key
    } finally {
      await database.close()
    }
  }

  /** So many more files like the one there is, without sending them. */
  async function copyFile(packageId: string, copies: number): Promise<void> {
    await withConnection(server.databaseUrl ?? '', (client) =>
      client.query(
        `INSERT INTO uploads SELECT (jsonb_populate_record(uploads, jsonb_build_object(
           'id', lpad(to_hex(n), 40, '0'), 'filename', lpad(n::text, 4, '0') || '.csv',
           'relative_path', 'f/' || lpad(n::text, 4, '0') || '.csv', 'package_path', 'f/' || lpad(n::text, 4, '0') || '.csv',
           'retrieval_token', lpad(to_hex(n), 43, '0')))).*
         FROM uploads, generate_series(1, $2::int) AS n WHERE package_id = $1`,
        [packageId, copies],
      ),
    )
  }
})

const filesOf = (page: Page) => page.getByRole('list', { name: 'Files of the package, by path' })

function pathsIn(list: Locator): Promise<string[]> {
  return list.getByRole('link').allTextContents()
}

async function totalsIn(page: Page): Promise<Record<string, string>> {
  const [names, values] = await Promise.all([
    page.locator('.totals dt').allTextContents(),
    page.locator('.totals dd').allTextContents(),
  ])
  return Object.fromEntries(names.map((name, index) => [name, values[index] ?? '']))
}

async function eventuallyTotals(page: Page, expected: Record<string, string>): Promise<void> {
  const totals = await valueWhen(
    () => totalsIn(page),
    (found) => JSON.stringify(found) === JSON.stringify(expected),
  )
  expect(totals).toEqual(expected)
}

async function rowsIn(table: Locator): Promise<string[][]> {
  const rows = await table.locator('tbody tr').all()
  return Promise.all(rows.map((row) => row.locator('th, td').allTextContents()))
}

async function downloaded(page: Page, act: () => Promise<void>): Promise<{ name: string; bytes: Buffer }> {
  const [download] = await Promise.all([page.waitForEvent('download'), act()])
  return { name: download.suggestedFilename(), bytes: await readFile(await download.path()) }
}

async function toArray<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = []
  for await (const item of items) all.push(item)
  return all
}
