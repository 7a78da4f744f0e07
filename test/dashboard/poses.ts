// Every view of the page, and how one comes there: for the test that looks for barriers in each, and for the pictures.

import { fileURLToPath } from 'node:url'
import { hrefOf } from '../../client/dashboard/route.js'
import type { WatchedPage } from './browser.js'
import { BUOY_LABEL, type FieldSeason, LIDAR_LABEL } from './field-season.js'
import type { Ground } from './ground.js'
import { openSignedIn, PICK_FILES, settled, uploadButton } from './page-parts.js'

const MIB = 1024 * 1024

export interface Pose {
  readonly name: string
  /** Default: the one with the season's files. */
  readonly at?: 'emptyServer' | 'iamServer'
  /** Its way there knows the page in English only. */
  readonly isInEnglish?: boolean
  /** Goes there. */
  take(watched: WatchedPage, ground: Ground): Promise<void>
}

const NOWHERE = '0'.repeat(40)
const EML_DOCUMENT = fileURLToPath(new URL('../../../test/packages/eml/lake.xml', import.meta.url))

const toFiles: Pose['take'] = ({ page }, { server }) => openSignedIn(page, server)
const toSettings: Pose['take'] = ({ page }, { server }) =>
  openSignedIn(page, server, hrefOf({ view: 'settings' }))

function toUpload(which: keyof FieldSeason): Pose['take'] {
  return ({ page }, { server, season }) =>
    openSignedIn(page, server, hrefOf({ view: 'upload', id: season[which] }))
}

function toPackage(which: keyof FieldSeason): Pose['take'] {
  return ({ page }, { server, season }) =>
    openSignedIn(page, server, hrefOf({ view: 'package', id: season[which] }))
}

/** Goes somewhere, and there presses buttons with these names, one after the other. */
function press(start: Pose['take'], ...names: readonly (string | RegExp)[]): Pose['take'] {
  return async (watched, ground) => {
    await start(watched, ground)
    for (const name of names) await watched.page.getByRole('button', { name }).first().click()
    await settled(watched.page)
  }
}

/** A view without anything that was done there. */
const VIEWS: readonly Pose[] = [
  {
    name: 'sign-in',
    async take({ page }, { server }) {
      await page.goto(server.url)
      await settled(page)
    },
  },
  {
    name: 'sign-in-iam',
    at: 'iamServer',
    async take({ page }, { iamServer }) {
      await page.goto(iamServer.url)
      await settled(page)
    },
  },
  { name: 'files', take: toFiles },
  {
    name: 'files-empty',
    at: 'emptyServer',
    take: ({ page }, { emptyServer }) => openSignedIn(page, emptyServer),
  },
  { name: 'upload', take: toUpload('ready') },
  { name: 'upload-unfinished', take: toUpload('unfinished') },
  { name: 'upload-untouched', take: toUpload('untouched') },
  { name: 'upload-finalizing', take: toUpload('finalizing') },
  { name: 'upload-mismatched', take: toUpload('mismatched') },
  { name: 'upload-refused', take: toUpload('refused') },
  { name: 'upload-0-bytes', take: toUpload('empty') },
  { name: 'upload-html', take: toUpload('html') },
  { name: 'upload-long-name', take: toUpload('longName') },
  { name: 'upload-arabic', take: toUpload('arabic') },
  { name: 'upload-ends-soon', take: toUpload('endsSoon') },
  {
    name: 'upload-not-found',
    take: ({ page }, { server }) => openSignedIn(page, server, hrefOf({ view: 'upload', id: NOWHERE })),
  },
  { name: 'package', take: toPackage('openPackage') },
  { name: 'package-finalized', take: toPackage('finalizedPackage') },
  { name: 'package-unfinished', take: toPackage('lidarPackage') },
  {
    name: 'package-not-found',
    take: ({ page }, { server }) => openSignedIn(page, server, hrefOf({ view: 'package', id: NOWHERE })),
  },
  { name: 'settings', take: toSettings },
  { name: 'unknown', take: ({ page }, { server }) => openSignedIn(page, server, '#/nowhere') },
]

/** What one comes to by doing something. */
const DOINGS: readonly Pose[] = [
  { name: 'files-flat', take: press(toFiles, 'One list') },
  {
    name: 'files-grouped',
    async take(watched, ground) {
      await toFiles(watched, ground)
      for (const name of [BUOY_LABEL, LIDAR_LABEL])
        await watched.page.getByRole('button', { name: `Files of ${name}` }).click()
      await settled(watched.page)
    },
  },
  {
    name: 'files-failed-only',
    async take(watched, ground) {
      await toFiles(watched, ground)
      await watched.page.getByLabel('State', { exact: true }).selectOption({ label: 'Failed' })
      await settled(watched.page)
    },
  },
  {
    name: 'files-none-found',
    async take(watched, ground) {
      await toFiles(watched, ground)
      await watched.page.getByRole('searchbox').fill('glacier')
      await watched.page.getByText('Nothing matches').waitFor()
    },
  },
  {
    name: 'files-chosen',
    async take(watched, ground) {
      await toFiles(watched, ground)
      await watched.page.setInputFiles(PICK_FILES, Object.values(ground.files))
      await uploadButton(watched.page).waitFor()
    },
  },
  {
    name: 'files-busy',
    async take(watched, ground) {
      await toFiles(watched, ground)
      await beginSending(watched, ground)
    },
  },
  {
    name: 'files-paused',
    async take(watched, ground) {
      await toFiles(watched, ground)
      await beginSending(watched, ground)
      await watched.page.getByRole('button', { name: 'Pause', exact: true }).click()
      await watched.limitUpload(0)
    },
  },
  {
    name: 'files-offline',
    async take(watched, ground) {
      await toFiles(watched, ground)
      await watched.page.context().setOffline(true)
      await watched.page.getByText('You are offline').first().waitFor()
    },
  },
  {
    name: 'upload-compared',
    async take(watched, ground) {
      const id = await ground.stageSmallFile()
      await openSignedIn(watched.page, ground.server, hrefOf({ view: 'upload', id }))
      await watched.page.locator('.upload-verify input[type=file]').setInputFiles(ground.files.small)
      await watched.page.getByText('is the same file.').first().waitFor()
    },
  },
  {
    name: 'upload-different',
    async take(watched, ground) {
      await toUpload('endsSoon')(watched, ground)
      await watched.page.locator('.upload-verify input[type=file]').setInputFiles(ground.files.small)
      await watched.page.getByText('is not the same file.').first().waitFor()
    },
  },
  {
    name: 'upload-deleted',
    async take(watched, ground) {
      const id = await ground.stageSmallFile()
      await press(
        ({ page }) => openSignedIn(page, ground.server, hrefOf({ view: 'upload', id })),
        /^Delete /,
      )(watched, ground)
      await watched.page.getByText('This upload was deleted').waitFor()
    },
  },
  { name: 'upload-new-url', take: press(toUpload('ready'), 'Make a new URL') },
  { name: 'upload-note', take: press(toUpload('ready'), 'Add a note') },
  { name: 'package-finalize', take: press(toPackage('finalizable'), 'Finalize …') },
  { name: 'package-extend', take: press(toPackage('openPackage'), 'Keep longer …') },
  { name: 'package-delete', take: press(toPackage('openPackage'), 'Delete …') },
  {
    name: 'package-not-finalized',
    take: press(toPackage('openPackage'), 'Finalize …', /^Finalize \d+ files/),
  },
  {
    name: 'package-eml',
    async take(watched, ground) {
      await toPackage('openPackage')(watched, ground)
      await watched.page.locator('.eml-drop input[type=file]').setInputFiles(EML_DOCUMENT)
      await watched.page.getByRole('table').waitFor()
    },
  },
  {
    name: 'package-eml-refused',
    async take(watched, ground) {
      await toPackage('openPackage')(watched, ground)
      await watched.page.locator('.eml-drop input[type=file]').setInputFiles(ground.files.small)
      await watched.page.getByRole('alert').waitFor()
    },
  },
  { name: 'settings-key-form', take: press(toSettings, 'Make a key') },
  {
    name: 'settings-key-shown',
    async take(watched, ground) {
      await press(toSettings, 'Make a key')(watched, ground)
      await watched.page.getByRole('textbox', { name: 'Name', exact: true }).fill('field laptop')
      await watched.page.keyboard.press('Enter')
      await watched.page.getByRole('button', { name: 'I have copied it' }).waitFor()
    },
  },
  { name: 'settings-webhook-form', take: press(toSettings, 'Add a webhook') },
]

export const POSES: readonly Pose[] = [...VIEWS, ...DOINGS.map((pose) => ({ ...pose, isInEnglish: true }))]

async function beginSending(watched: WatchedPage, { files }: Ground): Promise<void> {
  const { page } = watched
  await watched.limitUpload(2 * MIB)
  await page.setInputFiles(PICK_FILES, files.large)
  await uploadButton(page).click()
  // Some of it is seen to be safe.
  await page.getByText(/^([2-9]|\d{2})\.\d MB of .* safe/).waitFor()
}
