// What stock @tus/file-store 2.1.1 gets wrong, row by row: each title begins with its row's first words.

import { type FileHandle, mkdir, open, rm, rmdir } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals'
import pg from 'pg'
import { pino } from 'pino'
import { EVERYONE } from '../../server/auth/owner-scope.js'
import { Sweep } from '../../server/sweep/sweep.js'
import { someBytes } from '../dialects/tus-client.js'
import { collect } from '../storage/store-contract.js'
import {
  aBody,
  aFile,
  type Ground,
  type Instance,
  newGround,
  openInstance,
  takeInTwoSteps,
  uploaderNamed,
} from '../uploads/parts.js'

let ground: Ground
let instance: Instance
let sweep: Sweep

beforeAll(async () => {
  ground = await newGround()
  instance = await openInstance(ground, { lifetimes: { uploadTtlSeconds: 3600, sessionTtlSeconds: 1 } })
  sweep = new Sweep({
    apiKeys: { forgetOld: async () => {} },
    events: { forgetOld: async () => {} },
    eventTtlSeconds: 31_536_000,
    ...instance,
    log: pino({ level: 'silent' }),
    databaseUrl: ground.databaseUrl,
    tombstoneTtlSeconds: 3600,
    expiryNoticeSeconds: 60,
  })
})
afterAll(async () => {
  await instance.close()
  await ground.dispose()
})
afterEach(() => {
  jest.restoreAllMocks()
})

describe('"`deleteExpired` also deletes *finished* uploads"', () => {
  test('the sweep ends a session that is over, and leaves the finished upload that began as one', async () => {
    const bytes = someBytes(200_000)
    const finished = await takeInTwoSteps(instance, 'somebody', bytes)
    const { upload: unfinished } = await instance.intake.begin(uploaderNamed('somebody'), aFile(10), {
      isHeld: false,
    })
    // Both were begun longer ago than a session lasts.
    await ground.rows(`UPDATE uploads SET created_at = now() - interval '1 minute'`)
    await ground.rows(`UPDATE uploads SET expires_at = now() - interval '1 second' WHERE id = $1`, [
      unfinished.id,
    ])
    expect(await sweep.run({ isDryRun: false }, () => {})).toMatchObject({ expired: 1 })
    expect((await instance.records.get(unfinished.id, EVERYONE)).state).toBe('expired')
    expect((await instance.records.get(finished, EVERYONE)).state).toBe('ready')
    const object = await collect(instance.store.readObject(finished, { start: 0, end: bytes.length }))
    expect(object.equals(bytes)).toBe(true)
    expect(await ground.stored()).toEqual({ tmp: [], objects: [finished] })
    await instance.removals.remove(finished, EVERYONE)
  })
})

describe('"`remove` turns every failure into 404"', () => {
  const key = 'f'.repeat(40)

  test('a failure is told as what it is, and what is not there is no failure', async () => {
    const places = [
      ['tmp', () => instance.store.deleteTemporary(key)],
      ['objects', () => instance.store.deleteObject(key)],
    ] as const
    for (const [room, remove] of places) {
      await remove()
      // A folder in its place can't be removed as a file.
      await mkdir(path.join(ground.folder, room, key))
      await expect(remove()).rejects.toMatchObject({ code: 'ERR_FS_EISDIR' })
      await rmdir(path.join(ground.folder, room, key))
    }
  })

  test('bytes that can’t be deleted now are remembered, and the next sweep deletes them', async () => {
    const id = await takeInTwoSteps(instance, 'somebody', someBytes(200_000))
    const file = path.join(ground.folder, 'objects', id)
    await rm(file)
    await mkdir(file)
    await instance.removals.remove(id, EVERYONE)
    expect((await instance.records.get(id, EVERYONE)).state).toBe('deleted')
    expect(await ground.rows('SELECT kind, object_key FROM garbage')).toEqual([
      { kind: 'object', object_key: id },
    ])
    await rmdir(file)
    await sweep.run({ isDryRun: false }, () => {})
    expect(await ground.rows('SELECT * FROM garbage')).toEqual([])
    expect(await ground.stored()).toEqual({ tmp: [], objects: [] })
  })
})

describe('"Nothing is fsynced before it is acknowledged"', () => {
  /** Makes every `name` of an open file wait until it is let go. */
  async function holdBack(name: 'sync' | 'datasync'): Promise<{ begun: () => number; letGo: () => void }> {
    const file = await open('/dev/null')
    await file.close()
    const handles: FileHandle = Object.getPrototypeOf(file)
    const original = handles[name]
    let letGo = () => {}
    const gate = new Promise<void>((resolve) => {
      letGo = resolve
    })
    const spy = jest.spyOn(handles, name).mockImplementation(async function (this: FileHandle) {
      await gate
      return Reflect.apply(original, this, [])
    })
    return { begun: () => spy.mock.calls.length, letGo }
  }

  /** Waits until a sync has begun, and long enough for what doesn't wait for it to happen. */
  async function whileSyncing(begun: () => number): Promise<void> {
    while (begun() === 0) await new Promise((resolve) => setTimeout(resolve, 10))
    await new Promise((resolve) => setTimeout(resolve, 200))
  }

  test.each([
    ['a part', 100_000, 200_000],
    ['the last bytes', 200_000, 200_000],
  ])('%s counts only when the disk has it', async (_, bodyBytes, sizeBytes) => {
    const { upload, lease } = await instance.intake.begin(uploaderNamed('somebody'), aFile(sizeBytes), {
      isHeld: true,
    })
    const { begun, letGo } = await holdBack('datasync')
    let isAnswered = false
    const answered = instance.intake.append(lease!, upload, aBody(someBytes(bodyBytes))).then((appended) => {
      isAnswered = true
      return appended
    })
    await whileSyncing(begun)
    expect(isAnswered).toBe(false)
    expect(await instance.records.get(upload.id, EVERYONE)).toMatchObject({
      offsetBytes: 0n,
      state: 'receiving',
    })
    letGo()
    expect((await answered).offsetBytes).toBe(BigInt(bodyBytes))
    await instance.removals.remove(upload.id, EVERYONE)
  })

  test('a small whole file is ready only when the disk has it, and its name', async () => {
    const { begun, letGo } = await holdBack('sync')
    let isAnswered = false
    const bytes = someBytes(1_000)
    const answered = instance.intake
      .takeWhole(uploaderNamed('somebody'), aFile(bytes.length), aBody(bytes))
      .then((id) => {
        isAnswered = true
        return id
      })
    await whileSyncing(begun)
    expect(isAnswered).toBe(false)
    expect(await ground.rows(`SELECT * FROM uploads WHERE state = 'ready'`)).toEqual([])
    letGo()
    const id = await answered
    expect(begun()).toBeGreaterThanOrEqual(2)
    await instance.removals.remove(id, EVERYONE)
  })

  test('an upload is promised only when its place is durable', async () => {
    const { begun, letGo } = await holdBack('sync')
    const beginning = instance.intake.begin(uploaderNamed('somebody'), aFile(10), { isHeld: false })
    await whileSyncing(begun)
    expect(await ground.rows(`SELECT * FROM uploads WHERE state = 'receiving'`)).toEqual([])
    letGo()
    const { upload } = await beginning
    await instance.removals.remove(upload.id, EVERYONE)
  })

  test('an object is ready only when its name is durable', async () => {
    const bytes = someBytes(200_000)
    const { upload, lease } = await instance.intake.begin(uploaderNamed('somebody'), aFile(bytes.length), {
      isHeld: true,
    })
    const { begun, letGo } = await holdBack('sync')
    const answered = instance.intake.append(lease!, upload, aBody(bytes))
    await whileSyncing(begun)
    expect((await instance.records.get(upload.id, EVERYONE)).state).toBe('finalizing')
    letGo()
    expect((await answered).state).toBe('ready')
    await instance.removals.remove(upload.id, EVERYONE)
  })
})

test('no connection of the sweep stays behind', async () => {
  await sweep.run({ isDryRun: true }, () => {})
  const client = new pg.Client({ connectionString: ground.databaseUrl })
  await client.connect()
  const { rows } = await client.query(
    `SELECT pid FROM pg_stat_activity WHERE application_name = 'antipasto sweep'`,
  )
  await client.end()
  expect(rows).toEqual([])
})
