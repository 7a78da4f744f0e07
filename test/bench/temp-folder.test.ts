import { mkdtemp, open, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { TempFolderWatch } from './temp-folder.js'

const LONG_ENOUGH_TO_BE_SEEN_MS = 100

let directory = ''

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'antipasto-temp-watch-'))
})

afterEach(() => rm(directory, { recursive: true }))

test('an unused folder comes to 0, whatever was in it before', async () => {
  await writeFile(join(directory, 'old'), 'before')
  const watch = new TempFolderWatch(directory)
  await sleep(LONG_ENOUGH_TO_BE_SEEN_MS)
  expect(watch.stop()).toBe(0)
})

test('files count with their last size, those that stay and those that go', async () => {
  const watch = new TempFolderWatch(directory)
  await writeFile(join(directory, 'stays'), Buffer.alloc(100))
  const file = await open(join(directory, 'goes'), 'w')
  await file.write(Buffer.alloc(1000))
  await sleep(LONG_ENOUGH_TO_BE_SEEN_MS)
  await file.write(Buffer.alloc(1000))
  await file.close()
  await rm(join(directory, 'goes'))
  await sleep(LONG_ENOUGH_TO_BE_SEEN_MS)
  expect(watch.stop()).toBe(2100)
})
