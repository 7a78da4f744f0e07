// What goes through the whole page: the keyboard, what a screen reader hears, the user's language and time zone.

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals'
import type { Browser, Page } from 'playwright-core'
import { en } from '../../client/dashboard/words/en.js'
import { es } from '../../client/dashboard/words/es.js'
import { createFormats } from '../../client/dashboard/words/formats.js'
import { valueWhen } from '../support/until.js'
import { type Looks, launchChromium, openWatchedPage, type WatchedPage } from './browser.js'
import { describeInBrowser } from './describe-in-browser.js'
import { type Ground, openGround } from './ground.js'
import { focusedName, tabTo } from './keyboard.js'
import { copiedBy, openSignedIn, PICK_FILES, rowOf, settled, textsOn, uploadButton } from './page-parts.js'
import { POSES } from './poses.js'
import { saidIn, textsOf } from './words/texts.js'

const MIB = 1024 * 1024
const SIZE = { width: 1200, height: 900 }

describeInBrowser('the craft of the page', (chromiumPath) => {
  let ground: Ground
  let browser: Browser
  let folder: string
  let watched: WatchedPage

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'antipasto-craft-'))
    ground = await openGround(0.02)
    browser = await launchChromium(chromiumPath)
  })

  afterEach(async () => {
    await watched?.close()
    await ground.tidy()
  })

  afterAll(async () => {
    await browser?.close()
    await ground?.dispose()
    await rm(folder, { recursive: true, force: true })
  })

  async function openPage(looks: Looks = {}): Promise<Page> {
    watched = await openWatchedPage(browser, ground.server.url, SIZE, looks)
    await openSignedIn(watched.page, ground.server)
    return watched.page
  }

  test('everything is done by keyboard: send, open, copy, delete, undo, go back', async () => {
    const file = path.join(folder, 'by-keyboard.csv')
    await writeFile(file, 'depth,light\n')
    watched = await openWatchedPage(browser, ground.emptyServer.url, SIZE)
    const { page } = watched
    await openSignedIn(page, ground.emptyServer)

    const passed = await tabTo(page, en.send.chooseFiles)
    expect(passed[0]).toBe(en.common.skip)
    const chooser = page.waitForEvent('filechooser')
    await page.keyboard.press('Enter')
    await (await chooser).setFiles(file)
    await uploadButton(page).waitFor()
    // It is where one goes on.
    expect(
      await valueWhen(
        () => focusedName(page),
        (name) => name === 'Upload 1 file',
      ),
    ).toBe('Upload 1 file')
    await page.keyboard.press('Enter')
    await rowOf(page, 'by-keyboard.csv').getByText(en.state.ready, { exact: true }).waitFor()

    await tabTo(page, 'by-keyboard.csv')
    await page.keyboard.press('Enter')
    const heading = page.getByRole('heading', { level: 1, name: 'by-keyboard.csv' })
    await heading.waitFor()
    expect(
      await valueWhen(
        () => focusedName(page),
        (name) => name === 'by-keyboard.csv',
      ),
    ).toBe('by-keyboard.csv')
    await tabTo(page, en.common.copyOf('SHA-256'))
    const sha256 = await copiedBy(page, () => page.keyboard.press('Enter'))
    expect(sha256).toMatch(/^[0-9a-f]{64}$/)

    await page.keyboard.press('Shift+Tab')
    await tabTo(page, en.upload.removeOf(en.upload.delete, 'by-keyboard.csv'))
    await page.keyboard.press('Enter')
    await page.getByText(en.upload.endedTitle.deleted).waitFor()
    expect(
      await valueWhen(
        () => focusedName(page),
        (name) => name !== '',
      ),
    ).not.toBe('')
    await tabTo(page, en.upload.restore)
    await page.keyboard.press('Enter')
    await page.getByText(sha256).waitFor()
    expect(
      await valueWhen(
        () => focusedName(page),
        (name) => name !== '',
      ),
    ).not.toBe('')

    await tabTo(page, en.common.toFiles)
    await page.keyboard.press('Enter')
    expect(
      await valueWhen(
        () => focusedName(page),
        (name) => name === 'by-keyboard.csv',
      ),
    ).toBe('by-keyboard.csv')
    expect(watched.troubles).toEqual([])
  })

  test.each(['files', 'upload', 'package', 'settings'])(
    'the focus leaves %s at its end, seen all the way',
    async (name) => {
      const pose = POSES.find((one) => one.name === name)
      watched = await openWatchedPage(browser, ground.server.url, SIZE)
      await pose?.take(watched, ground)
      // Behind the last of the page comes the browser itself.
      const passed = await tabTo(watched.page, /^$/)
      expect(new Set(passed).size).toBeGreaterThan(3)
      expect(watched.troubles).toEqual([])
    },
  )

  test('a screen reader hears the start, the quarters and the end, and no percent between', async () => {
    const page = await openPage()
    await page.evaluate(`{
      window.heard = []
      const region = document.querySelector('.visually-hidden[role=status]')
      new MutationObserver(() => heard.push(region.textContent.trim()))
        .observe(region, { childList: true, characterData: true, subtree: true })
    }`)
    // Slowly enough for each quarter to be seen by a page that stands still for some seconds.
    await watched.limitUpload(2 * MIB)
    await page.setInputFiles(PICK_FILES, ground.files.large)
    await uploadButton(page).click()
    await rowOf(page, 'orthomosaic-2026-07.tif').getByText(en.state.ready, { exact: true }).waitFor()
    const done = en.send.done('1', 1)
    const heard = await valueWhen(
      () => page.evaluate<string[]>('heard'),
      (texts) => texts.includes(done),
    )
    const wanted = [en.send.begun('1', 1), ...['25%', '50%', '75%'].map(en.send.quarter), done]
    expect(heard.filter((text) => wanted.includes(text))).toEqual(wanted)
    expect(heard.length).toBeLessThan(8)
    expect(watched.troubles).toEqual([])
  })

  test.each(['Pacific/Auckland', 'America/Denver'])('times are those of %s', async (timezoneId) => {
    watched = await openWatchedPage(browser, ground.server.url, SIZE, { timezoneId, locale: 'en-GB' })
    const { page } = watched
    await openSignedIn(page, ground.server, `#/uploads/${ground.season.ready}`)
    const time = page.locator('main time').first()
    const at = new Date((await time.getAttribute('datetime')) ?? '')
    const shown = createFormats('en-GB', timezoneId).moment(at)
    expect([await time.textContent(), await time.getAttribute('title')]).toContain(shown)
    expect(createFormats('en-GB', 'UTC').moment(at)).not.toBe(shown)
  })

  const SPANISH_POSES = POSES.filter(({ isInEnglish, at }) => !isInEnglish && at !== 'iamServer')

  test.each(SPANISH_POSES)('a browser in Spanish is told nothing in English: $name', async ({ take, at }) => {
    watched = await openWatchedPage(browser, ground[at ?? 'server'].url, SIZE, { locale: 'es-MX' })
    await take(watched, ground)
    const said = await textsOn(watched.page)
    expect(saidIn(said, textsOf(es), textsOf(en)).length).toBeGreaterThan(3)
    expect(saidIn(said, textsOf(en), textsOf(es))).toEqual([])
    expect(await watched.page.evaluate('document.documentElement.lang')).toBe('es')
  })

  test('Uppy speaks the language of the page, which can be switched and stays so', async () => {
    const page = await openPage()
    await page.getByRole('link', { name: en.frame.settings }).click()
    await page.getByRole('combobox').last().selectOption({ label: 'Español' })
    await page.getByRole('heading', { level: 1, name: es.settings.title }).waitFor()
    await page.getByRole('link', { name: es.frame.files, exact: true }).click()
    await page.setInputFiles(PICK_FILES, ground.files.small)
    await page.getByRole('button', { name: 'Subir 1 archivo' }).waitFor()
    await page.getByRole('button', { name: 'Cancelar' }).first().click()
    await page.reload()
    await settled(page)
    await page.getByRole('heading', { name: es.send.title }).waitFor()
    expect(watched.troubles).toEqual([])
  })

  test('sizes tell their bytes to whoever points at them', async () => {
    const page = await openPage()
    const sizes = page.locator('.staged-row data')
    await sizes.first().waitFor()
    for (const size of await sizes.all()) {
      const bytes = Number(await size.getAttribute('value'))
      expect(await size.getAttribute('title')).toBe(createFormats('en-US').exactBytes(bytes))
    }
  })
})
