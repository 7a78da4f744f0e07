import { utimes, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { pino } from 'pino'
import { EVERYONE } from '../../server/auth/owner-scope.js'
import type { Store, StoredItem } from '../../server/storage/store.js'
import { Sweep } from '../../server/sweep/sweep.js'
import { randomId } from '../../server/uploads/random.js'
import {
  aBody,
  aFile,
  type Ground,
  type Instance,
  insertUpload,
  newGround,
  openInstance,
  uploaderNamed,
} from '../uploads/parts.js'

let ground: Ground
let instance: Instance
let sweep: Sweep

beforeAll(async () => {
  ground = await newGround()
  instance = await openInstance(ground)
  const log = pino({ level: 'silent' })
  sweep = new Sweep({
    apiKeys: { forgetOld: async () => {} },
    events: { forgetOld: async () => {} },
    eventTtlSeconds: 31_536_000,
    ...instance,
    log,
    databaseUrl: ground.databaseUrl,
    tombstoneTtlSeconds: 60,
    expiryNoticeSeconds: 60,
  })
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

  await insertUpload(instance.records, randomId(), 'somebody', aFile(10), null)
  expect(await sweep.run({ isDryRun: false }, () => {})).toMatchObject({ strays: 1 })
  expect((await ground.stored()).objects).toEqual([])
})

describe('a store that several servers share', () => {
  const twoDaysAgo = new Date(Date.now() - 2 * 86_400_000)
  const log = pino({ level: 'silent' })

  /** A bucket in which a temporary is listed once for each of its pieces; nothing in it is deleted. */
  function listing(items: readonly StoredItem[]) {
    const deleted: string[] = []
    const asked = { listings: 0 }
    const changes: Partial<Store> = {
      isShared: true,
      async *list() {
        asked.listings += 1
        yield* items
      },
      deleteTemporary: async (key) => void deleted.push(`temporary ${key}`),
      deleteObject: async (key) => void deleted.push(`object ${key}`),
    }
    const store: Store = Object.assign(Object.create(instance.store), changes)
    const { databaseUrl } = ground
    return {
      deleted,
      asked,
      sweep: new Sweep({
        apiKeys: { forgetOld: async () => {} },
        events: { forgetOld: async () => {} },
        eventTtlSeconds: 31_536_000,
        ...instance,
        store,
        log,
        databaseUrl,
        tombstoneTtlSeconds: 60,
        expiryNoticeSeconds: 60,
      }),
    }
  }

  const item = (room: StoredItem['room'], key: string, modifiedAt = twoDaysAgo): StoredItem => {
    return { room, key, sizeBytes: 5, modifiedAt }
  }

  test('is listed by its first sweep, and then not again for hours', async () => {
    const { asked, sweep } = listing([])
    await sweep.runQuietly()
    await sweep.runQuietly()
    expect(asked.listings).toBe(1)
    // Who asks for it gets it.
    await sweep.run({ isDryRun: false }, () => {})
    expect(asked.listings).toBe(2)
  })

  test('keeps what can be restored, half sent or ready, and no tombstone is made of it', async () => {
    const { intake, removals, records, endings } = instance
    const owner = uploaderNamed('somebody')
    const begun = await intake.begin(owner, aFile(10), { isHeld: true })
    if (begun.lease === null) throw new Error('A lease was asked for.')
    const { id: half } = await intake.append(begun.lease, begun.upload, {
      ...aBody(Buffer.from('half')),
      announcedBytes: null,
    })
    const ready = await intake.takeWhole(owner, aFile(5), aBody(Buffer.from('whole')))
    for (const id of [half, ready]) await removals.removeWithUndo(id, EVERYONE, 600)
    // Finished long ago, as tombstones count their age.
    await ground.rows(`UPDATE uploads SET finished_at = now() - interval '1 day' WHERE id = ANY($1)`, [
      [half, ready],
    ])
    const { deleted, sweep } = listing([item('temporary', half), item('object', half), item('object', ready)])
    expect(await sweep.run({ isDryRun: false }, () => {})).toMatchObject({
      strays: 0,
      purged: 0,
      forgotten: 0,
    })
    await endings.deleteTombstone(ready)
    expect(await records.isAbandoned(half)).toBe(false)
    expect(deleted).toEqual([])
    expect(await removals.restore(half, EVERYONE)).toMatchObject({ state: 'receiving', offsetBytes: 4n })
    expect(await removals.restore(ready, EVERYONE)).toMatchObject({ state: 'ready' })

    // A dry run says what it would do when their time is over, and then it is done.
    for (const id of [half, ready]) await removals.removeWithUndo(id, EVERYONE, 600)
    await ground.rows('UPDATE uploads SET restorable_until = now() WHERE id = ANY($1)', [[half, ready]])
    const lines: string[] = []
    expect(await sweep.run({ isDryRun: true }, (line) => lines.push(line))).toMatchObject({ purged: 2 })
    expect(lines).toEqual(
      expect.arrayContaining([
        expect.stringContaining(`purge upload ${half} (canceled`),
        expect.stringContaining(`purge upload ${ready} (deleted`),
      ]),
    )
    expect(await records.isAbandoned(half)).toBe(false)
    expect(await sweep.run({ isDryRun: false }, () => {})).toMatchObject({ purged: 2 })
    expect(await records.isAbandoned(half)).toBe(true)
    for (const id of [half, ready]) await endings.deleteTombstone(id)
    expect(await ground.rows('SELECT id FROM uploads WHERE id = ANY($1)', [[half, ready]])).toEqual([])
  })

  test('loses a stray of many pieces once, and nothing that is young or that a record knows', async () => {
    const [stray, young, known] = [randomId(), randomId(), randomId()]
    await insertUpload(instance.records, known, 'somebody', aFile(10), null)
    const { deleted, sweep } = listing([
      ...[1, 2, 3].map(() => item('temporary', stray)),
      item('object', stray),
      item('temporary', young, new Date()),
      item('temporary', known),
      item('object', known),
    ])
    const lines: string[] = []
    expect(await sweep.run({ isDryRun: true }, (line) => lines.push(line))).toMatchObject({ strays: 2 })
    expect(deleted).toEqual([])
    expect(lines.filter((line) => line.includes(stray))).toHaveLength(2)
    expect(await sweep.run({ isDryRun: false }, () => {})).toMatchObject({ strays: 2 })
    expect(deleted.sort()).toEqual([`object ${stray}`, `temporary ${stray}`])
  })
})
