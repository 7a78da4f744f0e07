// How uploads end, one or many at once: what their reports say, what is told of it, and which bytes go.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { EVERYONE } from '../../server/auth/owner-scope.js'
import { isAppError } from '../../server/errors.js'
import { EMPTY_LEDGER } from '../../server/storage/store.js'
import { randomToken } from '../../server/uploads/random.js'
import type { UploadDescription, UploadState } from '../../server/uploads/upload.js'
import { checksumsOf, someBytes } from '../dialects/tus-client.js'
import { aDescription, OWNER, openPackageInstance, type PackageInstance } from '../packages/ground.js'
import { clear, eventsOf, expectInOrder, holdRows, stateOf, untilWaiting } from './aftermath.js'
import { aBody, aFile, type Ground, letExpire, newGround, uploaderNamed } from './parts.js'

let ground: Ground
let here: PackageInstance
let there: PackageInstance

beforeAll(async () => {
  ground = await newGround()
  here = await openPackageInstance(ground)
  there = await openPackageInstance(ground)
})
afterAll(async () => {
  await here.close()
  await there.close()
  await ground.dispose()
})
beforeEach(() => clear(ground, here.store))

const content = someBytes(1000)

/** An upload of 1000 bytes in `state`, with its bytes where they are then. @returns its id */
async function anUploadIn(state: UploadState, changes: Partial<UploadDescription> = {}): Promise<string> {
  const { intake, removals, records, leases, store } = here
  if (state === 'ready') return intake.takeWhole(uploaderNamed(OWNER), aFile(1000, changes), aBody(content))
  const { upload, lease } = await intake.begin(uploaderNamed(OWNER), aFile(1000, changes), { isHeld: true })
  if (lease === null) throw new Error('A lease was asked for.')
  const { id } = upload
  if (state === 'finalizing' || state === 'failed') {
    const writer = await store.openTemporary(id, { offsetBytes: 0, sizeBytes: 1000, ledger: EMPTY_LEDGER })
    await writer.write(content)
    await writer.sync()
    await writer.close()
    await records.beginFinalizing(lease, checksumsOf(content), EMPTY_LEDGER)
    await store.complete(id, 1000, EMPTY_LEDGER)
  }
  if (state === 'failed') {
    await removals.remove(id, OWNER)
    // As it is when finishing fails: its report stays.
    await ground.rows(`UPDATE uploads SET state = 'failed', error_code = 'HASH_MISMATCH' WHERE id = $1`, [id])
    await ground.rows(`DELETE FROM events WHERE upload_id = $1 AND type = 'upload.canceled.v1'`, [id])
  }
  if (state === 'canceled' || state === 'deleted') await removals.remove(id, OWNER)
  if (state === 'expired') {
    await letExpire(ground, id)
    await here.garbage.empty((await here.endings.commitEnd(id, 'past-end'))?.discarded ?? [])
  }
  await leases.release(lease, false)
  return id
}

async function emptied(discarded: readonly Parameters<PackageInstance['garbage']['empty']>[0][number][]) {
  await here.garbage.empty(discarded)
  await expectInOrder(ground)
}

const STATES: UploadState[] = ['receiving', 'finalizing', 'ready', 'failed', 'canceled', 'expired', 'deleted']

describe('commitEnd', () => {
  test.each<[UploadState, UploadState | null, UploadState | null, UploadState | null]>([
    // What becomes of it when its owner asks, when its time is over, and when its one request is over.
    ['receiving', 'canceled', 'expired', 'canceled'],
    ['finalizing', 'canceled', null, null],
    ['ready', 'deleted', 'expired', null],
    ['failed', 'deleted', null, null],
    ['canceled', null, null, null],
    ['expired', null, null, null],
  ])('of one that is %s', async (state, asked, pastEnd, abandoned) => {
    for (const [when, end] of [
      ['asked', asked],
      ['past-end', pastEnd],
      ['abandoned', abandoned],
    ] as const) {
      await clear(ground, here.store)
      const id = await anUploadIn(state, { finish: 'once', label: 'lakes' })
      if (when !== 'asked') await letExpire(ground, id)
      const before = await eventsOf(ground, id)
      const ended = await here.endings.commitEnd(id, when)
      expect(ended?.upload.state ?? null).toBe(end)
      if (ended === null) {
        expect([await stateOf(ground, id), await eventsOf(ground, id)]).toEqual([state, before])
        continue
      }
      expect(await eventsOf(ground, id)).toEqual([...before, end])
      expect(ended.upload).toMatchObject({ packagePath: null, digestState: null, isHeld: false })
      expect(ended.upload.finishedAt).not.toBeNull()
      expect(await here.endings.commitEnd(id, when)).toBeNull()
      await emptied(ended.discarded)
      expect(await ground.stored()).toEqual({ tmp: [], objects: [] })
    }
  })

  test.each(['past-end', 'abandoned'] as const)('%s of what lives does nothing', async (when) => {
    for (const state of ['receiving', 'finalizing', 'ready'] as const) {
      const id = await anUploadIn(state)
      expect(await here.endings.commitEnd(id, when)).toBeNull()
      expect(await stateOf(ground, id)).toBe(state)
    }
  })

  test('abandoned leaves alone what somebody holds, and what another request may bring', async () => {
    const { upload } = await here.intake.begin(uploaderNamed(OWNER), aFile(10, { finish: 'once' }), {
      isHeld: true,
    })
    expect(await there.endings.commitEnd(upload.id, 'abandoned')).toBeNull()
    for (const finish of ['auto', 'manual'] as const) {
      const begun = await here.intake.begin(uploaderNamed(OWNER), aFile(10, { finish }), { isHeld: false })
      expect(await there.endings.commitEnd(begun.upload.id, 'abandoned')).toBeNull()
    }
  })

  test('voids the lease: who held it can record nothing any more', async () => {
    const { upload, lease } = await here.intake.begin(uploaderNamed(OWNER), aFile(1000), { isHeld: true })
    if (lease === null) throw new Error('A lease was asked for.')
    await there.removals.remove(upload.id, OWNER)
    const late = here.intake.append(lease, upload, aBody(content))
    await expect(late).rejects.toMatchObject({ code: expect.stringMatching(/^(LOCKED|GONE)$/) })
    expect(await eventsOf(ground, upload.id)).toEqual(['created', 'canceled'])
    await expectInOrder(ground)
  })

  test('twenty times at once on two instances: once', async () => {
    for (const state of ['receiving', 'ready'] as const) {
      const id = await anUploadIn(state)
      const ended = await Promise.all(
        Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? here : there).endings.commitEnd(id)),
      )
      expect(ended.filter((one) => one !== null)).toHaveLength(1)
      expect((await eventsOf(ground, id)).slice(1)).toEqual([
        state === 'ready' ? 'ready' : 'canceled',
        ...(state === 'ready' ? ['deleted'] : []),
      ])
      await emptied(ended.flatMap((one) => one?.discarded ?? []))
    }
  })

  test('leaves the bytes to another owner of the same content, whoever sent them', async () => {
    const first = await here.intake.takeWhole(uploaderNamed(OWNER), aFile(1000), aBody(content))
    const second = await there.intake.takeWhole(uploaderNamed('somebody else'), aFile(1000), aBody(content))
    await here.removals.remove(first, OWNER)
    expect((await ground.stored()).objects).toEqual([first])
    await expectInOrder(ground)
    await there.removals.remove(second, 'somebody else')
    expect((await ground.stored()).objects).toEqual([])
    await expectInOrder(ground)
  })
})

describe('a finalized package', () => {
  test('keeps its files, by whatever way they are to be deleted; what failed in it may go', async () => {
    const packageId = (await here.packages.create(OWNER, aDescription())).id
    const failed = await anUploadIn('failed', { packageId })
    const file = await here.put('a file', { packageId, path: 'lake.csv' })
    await here.packageFinalizer.finalize(packageId, OWNER)
    const { sha256 } = await here.records.get(file, OWNER)
    for (const scope of [OWNER, EVERYONE] as const) {
      await expect(here.removals.remove(file, scope)).rejects.toMatchObject({
        code: 'PACKAGE_FINALIZED',
        details: { package_id: packageId },
      })
      await expect(here.removals.removeContent(sha256 ?? '', scope)).rejects.toMatchObject({
        code: 'PACKAGE_FINALIZED',
      })
    }
    const later = new Date(Date.now() + 7_000_000)
    await expect(here.records.extend(file, later)).rejects.toMatchObject({ code: 'PACKAGE_FINALIZED' })
    await here.removals.remove(failed, OWNER)
    expect([await stateOf(ground, file), await stateOf(ground, failed)]).toEqual(['ready', 'deleted'])
    await expectInOrder(ground)
  })

  test('keeps a file that is deleted at the moment when it is finalized, or is finalized without it', async () => {
    for (let round = 0; round < 15; round += 1) {
      const packageId = (await here.packages.create(OWNER, aDescription())).id
      const ids = await Promise.all(['a', 'b', 'c'].map((path) => here.put(`${round}`, { packageId, path })))
      const [removed, finalized] = await Promise.allSettled([
        there.removals.remove(ids[1] ?? '', OWNER),
        here.packageFinalizer.finalize(packageId, OWNER),
      ])
      expect(finalized.status).toBe('fulfilled')
      if (removed.status === 'rejected') expect(removed.reason).toMatchObject({ code: 'PACKAGE_FINALIZED' })
      expect(await stateOf(ground, ids[1] ?? '')).toBe(removed.status === 'fulfilled' ? 'deleted' : 'ready')
      await expectInOrder(ground)
    }
  })

  test('keeps a file that got there after somebody began to delete its content', async () => {
    const [first, second] = [
      (await here.packages.create(OWNER, aDescription())).id,
      (await here.packages.create(OWNER, aDescription())).id,
    ]
    const old = await here.put('the same', { packageId: first })
    const { sha256 } = await here.records.get(old, OWNER)
    // Whoever deletes has looked which packages there are, and waits for the first one.
    const holder = await holdRows(ground, `SELECT FROM packages WHERE id = '${first}' FOR UPDATE`)
    const removing = there.removals.removeContent(sha256 ?? '', OWNER)
    await untilWaiting(ground)
    const fresh = await here.put('the same', { packageId: second })
    await here.packageFinalizer.finalize(second, OWNER)
    await holder.commit()
    await removing
    expect([await stateOf(ground, old), await stateOf(ground, fresh)]).toEqual(['deleted', 'ready'])
    await expectInOrder(ground)
  })

  test('keeps a file that was moved there after somebody began to delete it', async () => {
    const [from, to] = [
      (await here.packages.create(OWNER, aDescription())).id,
      (await here.packages.create(OWNER, aDescription())).id,
    ]
    const id = await here.put('moved', { packageId: from, path: 'lake.csv' })
    const holder = await holdRows(
      ground,
      `SELECT FROM uploads WHERE id = '${id}' FOR UPDATE; UPDATE uploads SET package_id = '${to}' WHERE id = '${id}'`,
    )
    // It has locked the package that the file was in, and waits for the file.
    const removing = there.removals.remove(id, OWNER).catch((error: unknown) => error)
    await untilWaiting(ground)
    await holder.commit()
    await removing
    // Gone or kept, it is what its new package says.
    const state = await stateOf(ground, id)
    expect(['ready', 'deleted']).toContain(state)
    const finalizing = here.packageFinalizer.finalize(to, OWNER)
    if (state === 'ready') await finalizing
    else await expect(finalizing).rejects.toMatchObject({ code: 'CONFLICT' })
    await expectInOrder(ground)
  })
})

describe('removeContent', () => {
  test('ends what its owner has of it, finished and in whatever package, and nothing else', async () => {
    const mine = [await here.put('same'), await here.put('same', { label: 'lakes', path: 'b' })]
    const theirs = await here.put('same', { owner: 'somebody else' })
    const other = await here.put('other')
    const { sha256 } = await here.records.get(theirs, EVERYONE)
    const unfinished = await anUploadIn('receiving')
    await there.removals.removeContent(sha256 ?? '', OWNER)
    for (const id of mine) {
      expect(await stateOf(ground, id)).toBe('deleted')
      expect(await eventsOf(ground, id)).toEqual(['created', 'ready', 'deleted'])
    }
    expect(await Promise.all([theirs, other, unfinished].map((id) => stateOf(ground, id)))).toEqual([
      'ready',
      'ready',
      'receiving',
    ])
    await expect(there.removals.removeContent(sha256 ?? '', OWNER)).rejects.toMatchObject({
      code: 'NOT_FOUND',
    })
    await expectInOrder(ground)
  })

  test('is all or nothing: one in a finalized package keeps them all', async () => {
    const packageId = (await here.packages.create(OWNER, aDescription())).id
    const ids = [await here.put('same', { packageId }), await here.put('same')]
    await here.packageFinalizer.finalize(packageId, OWNER)
    const { sha256 } = await here.records.get(ids[0] ?? '', OWNER)
    await expect(here.removals.removeContent(sha256 ?? '', OWNER)).rejects.toMatchObject({
      code: 'PACKAGE_FINALIZED',
    })
    for (const id of ids) expect(await stateOf(ground, id)).toBe('ready')
  })
})

describe('the end of a package', () => {
  test('is the end of what is in it, whatever it was doing', async () => {
    const packageId = (await here.packages.create(OWNER, aDescription())).id
    const ids = new Map<UploadState, string>()
    for (const state of STATES)
      ids.set(state, await anUploadIn(state, { packageId, relativePath: `${state}.csv` }))
    const outside = await here.put('outside')
    await here.ends.commitDelete(packageId, OWNER)
    await there.removals.removeAllOf(packageId)
    const after = await Promise.all(STATES.map((state) => stateOf(ground, ids.get(state) ?? '')))
    expect(after).toEqual(['canceled', 'canceled', 'deleted', 'deleted', 'canceled', 'expired', 'canceled'])
    expect(await stateOf(ground, outside)).toBe('ready')
    await expectInOrder(ground)
    expect((await ground.stored()).tmp).toEqual([])
    // Nothing joins it any more, by its id neither.
    await expect(here.put('late', { packageId })).rejects.toMatchObject({ code: 'GONE' })
  })

  test('of one with hundreds of files, with the same contents as others', async () => {
    const [packageId, other] = [
      (await here.packages.create(OWNER, aDescription())).id,
      (await here.packages.create('somebody else', aDescription())).id,
    ]
    await Promise.all(
      Array.from({ length: 200 }, (_, i) =>
        i % 2 === 0
          ? here.put(`${i % 20}`, { packageId, path: `${i}` })
          : there.put(`${i % 20 === 1 ? 0 : i}`, { packageId: other, path: `${i}`, owner: 'somebody else' }),
      ),
    )
    await here.ends.commitDelete(packageId, OWNER)
    await Promise.all([here.removals.removeAllOf(packageId), there.removals.removeAllOf(packageId)])
    expect(await ground.rows(`SELECT DISTINCT package_id, state::text FROM uploads ORDER BY state`)).toEqual(
      expect.arrayContaining([
        { package_id: packageId, state: 'deleted' },
        { package_id: other, state: 'ready' },
      ]),
    )
    expect(await ground.rows(`SELECT DISTINCT state FROM uploads`)).toHaveLength(2)
    expect(
      await ground.rows(
        `SELECT upload_id FROM events WHERE type = 'upload.deleted.v1' GROUP BY 1 HAVING count(*) > 1`,
      ),
    ).toEqual([])
    await expectInOrder(ground)
  })
})

test('uploads, moves, ends, packages that are finalized and deleted, all at once on two instances: in order', async () => {
  const allowed = ['CONFLICT', 'PACKAGE_FINALIZED', 'GONE', 'NOT_FOUND', 'LOCKED']
  const quietly = async (act: () => Promise<unknown>) => {
    try {
      await act()
    } catch (error) {
      if (!isAppError(error, ...(allowed as ['CONFLICT']))) throw error
    }
  }
  const life = async (i: number) => {
    const instance = i % 2 === 0 ? here : there
    const { removals, placement, records, endings, packageFinalizer, ends } = instance
    for (let round = 0; round < 12; round += 1) {
      const label = `label ${(i + round) % 3}`
      const id = await instance
        .put(`content ${(i * round) % 5}`, { label, path: `${(i * 7 + round) % 10}` })
        .catch((error: unknown) => {
          if (!isAppError(error, 'CONFLICT', 'PACKAGE_FINALIZED', 'GONE')) throw error
          return null
        })
      if (id === null) continue
      const upload = await records.get(id, OWNER)
      const packageId = upload.packageId ?? ''
      const act = (i + round) % 6
      if (act === 0) await quietly(() => removals.remove(id, OWNER))
      if (act === 1) await quietly(() => packageFinalizer.finalize(packageId, OWNER))
      if (act === 2)
        await quietly(() =>
          placement.move(upload, { packageId: null, label: `label ${round % 3}`, relativePath: `m${i}` }),
        )
      if (act === 3) await quietly(() => removals.removeContent(upload.sha256 ?? '', OWNER))
      if (act === 4)
        await quietly(async () => {
          await ends.commitDelete(packageId, OWNER)
          await removals.removeAllOf(packageId)
        })
      if (act === 5) await quietly(() => endings.tellExpiring(1_000_000))
    }
  }
  await Promise.all(Array.from({ length: 12 }, (_, i) => life(i)))
  await here.garbage.empty(await here.garbage.list(1000))
  await expectInOrder(ground)
  expect(
    await ground.rows(
      `SELECT upload_id, type FROM events WHERE upload_id IS NOT NULL GROUP BY 1, 2 HAVING count(*) > 1`,
    ),
  ).toEqual([])
})

test('the URL of what has ended is dead', async () => {
  const id = await anUploadIn('ready')
  const token = randomToken()
  await here.records.setRetrievalToken(id, token)
  await there.removals.remove(id, OWNER)
  const found = await here.records.findByRetrievalToken(token)
  expect([found?.state, found?.objectKey]).toEqual(['deleted', null])
})
