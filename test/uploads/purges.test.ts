// The timers behind deletions that can be undone.

import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals'
import { pino } from 'pino'
import { EVERYONE } from '../../server/auth/owner-scope.js'
import { Purges } from '../../server/uploads/purges.js'
import { until } from '../support/until.js'
import { clear, expectInOrder } from './aftermath.js'
import { aBody, aFile, type Ground, type Instance, newGround, openInstance, uploaderNamed } from './parts.js'

let ground: Ground
let instance: Instance

beforeAll(async () => {
  ground = await newGround()
  instance = await openInstance(ground)
})
afterAll(async () => {
  await instance.close()
  await ground.dispose()
})
beforeEach(() => clear(ground, instance.store))

const put = (content: string) =>
  instance.intake.takeWhole(uploaderNamed('somebody'), aFile(content.length), aBody(Buffer.from(content)))

async function restoreStates(): Promise<Record<string, string | null>> {
  const rows = await ground.rows<{ id: string; restore_state: string | null }>(
    'SELECT id, restore_state::text FROM uploads',
  )
  return Object.fromEntries(rows.map(({ id, restore_state }) => [id, restore_state]))
}

/** Timers of the test's own, with a log of what goes wrong. */
function newPurges(endings: Pick<Instance['endings'], 'commitPurge'> = instance.endings) {
  const warnings: string[] = []
  const log = pino({ level: 'warn' }, { write: (line: string) => void warnings.push(line) })
  return { purges: new Purges({ endings, garbage: instance.garbage, log }), warnings }
}

test('a timer frees its upload when the time is over, and none before', async () => {
  const [soon, later] = [await put('soon'), await put('later')]
  await instance.removals.removeWithUndo(soon, EVERYONE, 1)
  await instance.removals.removeWithUndo(later, EVERYONE, 600)
  expect(await restoreStates()).toEqual({ [soon]: 'ready', [later]: 'ready' })
  await until(async () => (await restoreStates())[soon] === null)
  expect((await restoreStates())[later]).toBe('ready')
  await until(async () => (await ground.stored()).objects.length === 1)
  await expectInOrder(ground)
})

test('the timer of one that was restored, and deleted again, doesn’t cut its second time short', async () => {
  const id = await put('twice')
  await instance.removals.removeWithUndo(id, EVERYONE, 1)
  await instance.removals.restore(id, EVERYONE)
  await instance.removals.removeWithUndo(id, EVERYONE, 600)
  await sleep(1600)
  expect(await instance.removals.restore(id, EVERYONE)).toMatchObject({ state: 'ready' })
  await expectInOrder(ground)
})

test('stopped, they leave everything to the sweep, and wait for what runs', async () => {
  const { purges } = newPurges()
  const id = await put('left')
  await instance.removals.removeWithUndo(id, EVERYONE, 600)
  await ground.rows('UPDATE uploads SET restorable_until = now()')
  purges.plan(id, 0.05)
  await purges.stop()
  purges.plan(id, 0)
  await sleep(600)
  expect((await restoreStates())[id]).toBe('ready')
  await purges.purge(id)
  expect((await restoreStates())[id]).toBeNull()
  await expectInOrder(ground)
})

test('forgotten, one does nothing', async () => {
  const { purges } = newPurges()
  const id = await put('forgotten')
  await instance.removals.removeWithUndo(id, EVERYONE, 600)
  await ground.rows('UPDATE uploads SET restorable_until = now()')
  purges.plan(id, 0)
  purges.forget(id)
  await sleep(600)
  expect((await restoreStates())[id]).toBe('ready')
})

test('a database in trouble is told to the log, and harms nobody', async () => {
  const { purges, warnings } = newPurges({ commitPurge: () => Promise.reject(new Error('away')) })
  purges.plan('a'.repeat(40), 0)
  await until(async () => warnings.length > 0)
  expect(JSON.parse(String(warnings[0]))).toMatchObject({
    upload: 'a'.repeat(40),
    err: { message: 'away' },
    msg: 'a deleted upload could not be purged; the sweep does it',
  })
  await purges.stop()
})
