// Where uploads stand in packages: joined with their record, moved while they live, kept at least as long as their package.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { NEVER } from '../../server/packages/retention.js'
import type { UploadDescription, UploadState } from '../../server/uploads/upload.js'
import { someBytes } from '../dialects/tus-client.js'
import { aDescription, aWhole, OWNER, openPackageInstance, type PackageInstance } from '../packages/ground.js'
import { clear, eventsOf, expectInOrder, holdRows, untilWaiting } from './aftermath.js'
import { aBody, aFile, anActor, type Ground, letExpire, newGround, uploaderNamed } from './parts.js'

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

const bytes = someBytes(1000)

async function aPackage(changes = {}, owner = OWNER): Promise<string> {
  return (await here.packages.create(owner, aDescription(changes))).id
}

/** A package that ends in 20 days. */
async function aLongPackage(): Promise<{ id: string; end: Date }> {
  const id = await aPackage()
  const end = new Date(Date.now() + 20 * 86_400_000)
  await here.ends.extend(id, OWNER, { newExpiresAt: end, reason: 'r', by: anActor(OWNER) })
  return { id, end }
}

/** The ways in, each to where `changes` say. */
const ways: [string, (instance: PackageInstance, changes: Partial<UploadDescription>) => Promise<string>][] =
  [
    [
      'whole',
      ({ intake }, changes) => intake.takeWhole(uploaderNamed(OWNER), aFile(1000, changes), aBody(bytes)),
    ],
    [
      'in steps',
      async ({ intake }, changes) =>
        (await intake.begin(uploaderNamed(OWNER), aFile(1000, changes), { isHeld: false })).upload.id,
    ],
  ]

const rowOf = async (id: string) => {
  const { packageId, packagePath, label, relativePath } = await here.records.get(id, OWNER)
  return { packageId, packagePath, label, relativePath }
}

describe.each(ways)('an upload that comes %s', (_, take) => {
  test.each<[string, Partial<UploadDescription>, string | null]>([
    ['its relative path', { relativePath: 'deep/a.csv', filename: 'b.csv' }, 'deep/a.csv'],
    ['its filename', { filename: 'b.csv' }, 'b.csv'],
    ['its filename, in one spelling', { filename: 'e\u0301te\u0301.csv' }, '\u00e9t\u00e9.csv'],
    ['its id', { filename: null }, null],
  ])('stands at %s', async (_name, changes, path) => {
    const packageId = await aPackage()
    const id = await take(here, { packageId, ...changes })
    expect(await rowOf(id)).toMatchObject({ packageId, packagePath: path ?? id })
  })

  test('finds its path taken, however that is written, by whom that names', async () => {
    const packageId = await aPackage()
    const first = await take(here, { packageId, relativePath: '\u00e9t\u00e9.csv' })
    const { tmp, objects } = await ground.stored()
    for (const second of [{ relativePath: '\u00e9t\u00e9.csv' }, { filename: 'e\u0301te\u0301.csv' }]) {
      await expect(take(there, { packageId, ...second })).rejects.toMatchObject({
        code: 'CONFLICT',
        details: { upload_id: first, package_id: packageId, relative_path: '\u00e9t\u00e9.csv' },
      })
    }
    expect(await ground.stored()).toEqual({ tmp, objects })
    // Elsewhere, and when the first has gone, there is room.
    await take(here, { packageId: await aPackage(), relativePath: '\u00e9t\u00e9.csv' })
    await here.removals.remove(first, OWNER)
    await take(here, { packageId, relativePath: '\u00e9t\u00e9.csv' })
  })

  test('is kept as its package is, and not as one in none', async () => {
    const secondsOf = async (changes: Partial<UploadDescription>) => {
      const { keepUntil, createdAt } = await here.records.get(await take(here, changes), OWNER)
      return (keepUntil.getTime() - createdAt.getTime()) / 1000
    }
    expect(await secondsOf({})).toBeCloseTo(3600, 0)
    expect(await secondsOf({ packageId: await aPackage() })).toBeCloseTo(3600, 0)
    const { id: packageId, end } = await aLongPackage()
    const late = await take(here, { packageId, filename: 'late.csv' })
    expect((await here.records.get(late, OWNER)).keepUntil).toEqual(end)
    // A package that never ends: its files neither.
    await ground.rows('UPDATE packages SET expires_at = $2 WHERE id = $1', [packageId, NEVER])
    const id = await take(here, { packageId, filename: 'for ever.csv' })
    const { keepUntil, state, expiresInSeconds } = await here.records.get(id, OWNER)
    expect(keepUntil).toEqual(NEVER)
    // Unfinished, it has a session's time all the same.
    expect(expiresInSeconds > 1_000_000).toBe(state === 'ready')
  })

  test('joins the next package of its label, when the first is finalized as it arrives', async () => {
    const label = 'lakes'
    const before = await here.put('a file', { label, path: 'a file' })
    const { packageId } = await rowOf(before)
    const holder = await holdRows(ground, `SELECT FROM packages WHERE id = '${packageId}' FOR UPDATE`)
    const taking = take(there, { label })
    await untilWaiting(ground)
    // What finalizing does, behind the lock.
    await holder.commit(
      `UPDATE packages SET state = 'finalized', open_label = NULL, finalized_at = now() WHERE id = '${packageId}'`,
    )
    const joined = await rowOf(await taking)
    expect(joined.packageId).not.toBe(packageId)
    expect(joined).toMatchObject({ label, packagePath: 'lake.csv' })
  })
})

describe('many at once', () => {
  test('with the same hundred paths, in opposite order on two instances: each path once, and nobody waits for ever', async () => {
    for (let round = 0; round < 10; round += 1) {
      const packageId = await aPackage()
      const paths = Array.from({ length: 100 }, (_, i) => `${i}`)
      const [first, second] = await Promise.all([
        here.records.insertWhole(paths.map((path) => aWhole(packageId, path))),
        there.records.insertWhole([...paths].reverse().map((path) => aWhole(packageId, path))),
      ])
      const inserted = [...first, ...second].filter((one) => one !== null)
      expect(inserted).toHaveLength(100)
      expect(
        await ground.rows('SELECT count(*)::int AS count FROM uploads WHERE package_id = $1', [packageId]),
      ).toEqual([{ count: 100 }])
    }
  })

  test('of one batch with one path: the first of them', async () => {
    const packageId = await aPackage()
    const wholes = [aWhole(packageId, 'a'), aWhole(packageId, 'a'), aWhole(packageId, 'b')]
    const inserted = await here.records.insertWhole(wholes)
    expect(inserted.map((one) => one !== null)).toEqual([true, false, true])
  })
})

describe('move', () => {
  const move = (
    id: string,
    to: Partial<Parameters<PackageInstance['placement']['move']>[1]>,
    instance = here,
  ) =>
    instance.records.get(id, OWNER).then((upload) =>
      instance.placement.move(upload, {
        packageId: upload.packageId,
        label: upload.label,
        relativePath: upload.relativePath,
        ...to,
      }),
    )

  test.each<UploadState>(['receiving', 'ready'])(
    'of one that is %s: into a package, within it, to another, to a label\u2019s, and out',
    async (state) => {
      const [first, { id: second, end }] = [await aPackage(), await aLongPackage()]
      const id =
        state === 'ready'
          ? await here.put('a file', { path: 'a.csv' })
          : (
              await here.intake.begin(uploaderNamed(OWNER), aFile(10, { relativePath: 'a.csv' }), {
                isHeld: false,
              })
            ).upload.id
      const told = await eventsOf(ground, id)
      const from = await here.records.get(id, OWNER)
      await move(id, { packageId: first })
      expect(await rowOf(id)).toMatchObject({ packageId: first, packagePath: 'a.csv' })
      await move(id, { relativePath: 'deep/b.csv' })
      expect(await rowOf(id)).toMatchObject({ packageId: first, packagePath: 'deep/b.csv' })
      const moved = await move(id, { packageId: second })
      expect(moved).toMatchObject({ packageId: second, packagePath: 'deep/b.csv', state })
      // Kept as the new one wants; an unfinished one has no more time than before.
      expect(moved.keepUntil).toEqual(end)
      expect(moved.expiresAt).toEqual(state === 'ready' ? moved.keepUntil : from.expiresAt)
      await move(id, { packageId: null, label: 'lakes' })
      const labelled = await rowOf(id)
      expect(labelled).toMatchObject({ label: 'lakes', packagePath: 'deep/b.csv' })
      expect([first, second, null]).not.toContain(labelled.packageId)
      const out = await move(id, { packageId: null, label: null })
      expect(out).toMatchObject({ packageId: null, packagePath: null, label: null })
      // Who was promised more keeps it.
      expect(out.keepUntil).toEqual(moved.keepUntil)
      expect(await eventsOf(ground, id)).toEqual(told)
    },
  )

  test('to where it stands changes nothing, in a finalized package neither', async () => {
    const packageId = await aPackage()
    const id = await here.put('a file', { packageId, path: 'a.csv' })
    await here.packageFinalizer.finalize(packageId, OWNER)
    expect(await move(id, {})).toMatchObject({ packageId, packagePath: 'a.csv' })
    for (const to of [
      { relativePath: 'b.csv' },
      { packageId: await aPackage() },
      { packageId: null, label: null },
    ])
      await expect(move(id, to)).rejects.toMatchObject({ code: 'PACKAGE_FINALIZED' })
    expect(await rowOf(id)).toMatchObject({ packageId, packagePath: 'a.csv' })
  })

  test('is refused where its path is taken, and where there is no such package of its owner', async () => {
    const [packageId, theirs] = [await aPackage(), await aPackage({}, 'somebody else')]
    const other = await here.put('other', { packageId, path: 'a.csv' })
    const id = await here.put('a file', { path: 'a.csv' })
    await expect(move(id, { packageId })).rejects.toMatchObject({
      code: 'CONFLICT',
      details: { upload_id: other },
    })
    await expect(move(id, { packageId: theirs })).rejects.toMatchObject({ code: 'NOT_FOUND' })
    expect(await rowOf(id)).toMatchObject({ packageId: null, packagePath: null })
  })

  test('of what has ended, or is past its end, is refused: nothing comes back to life', async () => {
    const packageId = await aPackage()
    const [gone, over] = [await here.put('gone'), await here.put('over')]
    const before = await here.records.get(gone, OWNER)
    await here.removals.remove(gone, OWNER)
    const to = { packageId, label: null, relativePath: null }
    await expect(here.placement.move(before, to)).rejects.toMatchObject({ code: 'GONE' })
    const living = await here.records.get(over, OWNER)
    await letExpire(ground, over)
    await expect(here.placement.move(living, to)).rejects.toMatchObject({ code: 'GONE' })
    await expect(here.records.extend(over, new Date(Date.now() + 3_600_000))).rejects.toMatchObject({
      code: 'GONE',
    })
    expect(await here.endings.commitEnd(over, 'past-end')).not.toBeNull()
  })

  test('of a part of a concatenation is refused', async () => {
    const id = await here.intake.takeWhole(
      uploaderNamed(OWNER),
      aFile(1000, { concat: 'partial' }),
      aBody(bytes),
    )
    await expect(move(id, { packageId: await aPackage() })).rejects.toMatchObject({ code: 'CONFLICT' })
  })

  test('of ten to one path, on two instances: one gets there', async () => {
    for (let round = 0; round < 5; round += 1) {
      const packageId = await aPackage()
      const ids = await Promise.all(
        Array.from({ length: 10 }, (_, i) => here.put(`${round} ${i}`, { path: `${i}` })),
      )
      const moved = await Promise.allSettled(
        ids.map((id, i) => move(id, { packageId, relativePath: 'one.csv' }, i % 2 === 0 ? here : there)),
      )
      expect(moved.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
      for (const one of moved)
        if (one.status === 'rejected') expect(one.reason).toMatchObject({ code: 'CONFLICT' })
    }
    await expectInOrder(ground)
  })

  test('while its package, or the one it goes to, is finalized: it is in one of them, whole', async () => {
    for (let round = 0; round < 12; round += 1) {
      const [from, to] = [await aPackage(), await aPackage()]
      for (const packageId of [from, to]) await here.put(`stays ${round}`, { packageId, path: 'stays' })
      const id = await here.put(`moves ${round}`, { packageId: from, path: 'moves' })
      const [moved] = await Promise.allSettled([
        move(id, { packageId: to }, there),
        here.packageFinalizer.finalize(round % 2 === 0 ? from : to, OWNER),
      ])
      if (moved.status === 'rejected') expect(moved.reason).toMatchObject({ code: 'PACKAGE_FINALIZED' })
      expect((await rowOf(id)).packageId).toBe(moved.status === 'fulfilled' ? to : from)
      await expectInOrder(ground)
    }
  })

  test('to a later end: its owner is told of that one, too', async () => {
    const id = await here.put('a file')
    await here.endings.tellExpiring(3590 + 3600)
    await ground.rows(`UPDATE uploads SET created_at = created_at - interval '10 days'`)
    await here.endings.tellExpiring(86_400)
    await here.endings.tellExpiring(86_400)
    expect(await eventsOf(ground, id)).toEqual(['created', 'ready', 'expiring'])
    await move(id, { packageId: (await aLongPackage()).id })
    await here.endings.tellExpiring(86_400)
    expect(await eventsOf(ground, id)).toEqual(['created', 'ready', 'expiring'])
    await ground.rows(`UPDATE uploads SET expires_at = now() + interval '1 hour'`)
    await here.endings.tellExpiring(86_400)
    expect(await eventsOf(ground, id)).toEqual(['created', 'ready', 'expiring', 'expiring'])
  })
})

describe('an Idempotency-Key', () => {
  const begin = (key: string, digest: string, changes: Partial<UploadDescription> = {}, instance = here) =>
    instance.intake.begin(uploaderNamed(OWNER), aFile(10, { finish: 'manual', ...changes }), {
      isHeld: false,
      idempotency: { key, digest },
    })

  test('is used once: the second finds what the first began, in the same package or in none', async () => {
    for (const changes of [{}, { label: 'lakes' }]) {
      const key = JSON.stringify(changes)
      const { upload } = await begin(key, 'digest', changes)
      await expect(begin(key, 'digest', changes, there)).rejects.toMatchObject({ code: 'CONFLICT' })
      const idempotency = { key, digest: 'digest' }
      expect((await there.intake.begunBefore(OWNER, idempotency))?.id).toBe(upload.id)
      expect(await there.intake.begunBefore('somebody else', idempotency)).toBeNull()
      await expect(there.intake.begunBefore(OWNER, { key, digest: 'another' })).rejects.toMatchObject({
        code: 'CONFLICT',
        details: { upload_id: upload.id },
      })
    }
    expect((await ground.stored()).tmp).toHaveLength(2)
  })

  test.each([
    ['in no package', false, 'a.csv'],
    ['in one, by their paths', true, 'a.csv'],
    ['in one, without a name', true, null],
  ])(
    'on a hundred small files %s, in opposite order on two instances: each once, and nobody waits for ever',
    async (_, isPlaced, filename) => {
      for (let round = 0; round < 5; round += 1) {
        const packageId = await aPackage()
        const wholes = () =>
          Array.from({ length: 100 }, (_, i) => ({
            ...aWhole(packageId, `${i}`),
            description: aFile(7, { packageId, filename, relativePath: filename && `${i}` }),
            ...(isPlaced ? {} : { place: null }),
            idempotency: { key: `${round} ${i}`, digest: 'digest' },
          }))
        const [first, second] = await Promise.all([
          here.records.insertWhole(wholes()),
          there.records.insertWhole(wholes().reverse()),
        ])
        expect([...first, ...second].filter((one) => one !== null)).toHaveLength(100)
        expect(await here.records.insertWhole(wholes())).toEqual(Array(100).fill(null))
        const rows = await ground.rows(
          `SELECT DISTINCT idempotency_key FROM uploads WHERE idempotency_key LIKE $1 AND idempotency_digest = 'digest'`,
          [`${round} %`],
        )
        expect(rows).toHaveLength(100)
      }
      expect(await ground.rows('SELECT FROM uploads')).toHaveLength(500)
    },
  )

  test('twice in one batch: the first of them', async () => {
    const packageId = await aPackage()
    const one = () => ({ ...aWhole(packageId, 'a'), place: null, idempotency: { key: 'k', digest: 'd' } })
    const inserted = await here.records.insertWhole([one(), one(), { ...one(), owner: 'somebody else' }])
    expect(inserted.map((result) => result !== null)).toEqual([true, false, true])
  })

  test('by ten at once on two instances: one upload, and no bytes\u2019 place too many', async () => {
    for (const key of ['a', 'b', 'c']) {
      const begun = await Promise.allSettled(
        Array.from({ length: 10 }, (_, i) => begin(key, 'digest', {}, i % 2 === 0 ? here : there)),
      )
      expect(begun.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
      for (const one of begun)
        if (one.status === 'rejected') expect(one.reason).toMatchObject({ code: 'CONFLICT' })
    }
    expect((await ground.stored()).tmp).toHaveLength(3)
    await expectInOrder(ground)
  })
})
