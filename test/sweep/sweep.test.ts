import { utimes, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { pino } from 'pino'
import { Sweep } from '../../server/sweep/sweep.js'
import { randomId } from '../../server/uploads/random.js'
import { aFile, type Ground, type Instance, newGround, openInstance } from '../uploads/parts.js'

let ground: Ground
let instance: Instance
let sweep: Sweep

beforeAll(async () => {
  ground = await newGround()
  instance = await openInstance(ground)
  const log = pino({ level: 'silent' })
  sweep = new Sweep({ ...instance, log, databaseUrl: ground.databaseUrl, tombstoneTtlSeconds: 60 })
})
afterAll(async () => {
  await instance.close()
  await ground.dispose()
})

test('a store beside a database that knows no upload keeps everything; beside one that does, old strays go', async () => {
  const stray = randomId()
  const file = path.join(ground.folder, 'objects', stray)
  await writeFile(file, 'bytes of another database')
  const twoDaysAgo = new Date(Date.now() - 2 * 86_400_000)
  await utimes(file, twoDaysAgo, twoDaysAgo)

  expect(await sweep.run({ isDryRun: false }, () => {})).toMatchObject({ strays: 0 })
  expect((await ground.stored()).objects).toEqual([stray])

  await instance.records.insertReceiving(randomId(), 'somebody', aFile(10), null)
  expect(await sweep.run({ isDryRun: false }, () => {})).toMatchObject({ strays: 1 })
  expect((await ground.stored()).objects).toEqual([])
})
