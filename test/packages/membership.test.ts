// Which package an upload joins: the one it names, or the open one of its label, of which there is one at a time.

import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { type Database, openDatabase } from '../../server/database/client.js'
import { Membership } from '../../server/packages/membership.js'
import { RetentionClasses } from '../../server/packages/retention.js'
import { randomId } from '../../server/uploads/random.js'
import { type Ground, newGround, uploaderNamed } from '../uploads/parts.js'
import { aDescription, CLASSES, OWNER, openPackageInstance, type PackageInstance } from './ground.js'

let ground: Ground
let one: PackageInstance
let other: PackageInstance
let database: Database

beforeAll(async () => {
  ground = await newGround()
  one = await openPackageInstance(ground)
  other = await openPackageInstance(ground)
  database = await openDatabase(ground.databaseUrl)
})
afterAll(async () => {
  await one.close()
  await other.close()
  await database.close()
  await ground.dispose()
})
beforeEach(() => ground.rows('TRUNCATE uploads, packages, events, blobs, garbage CASCADE'))

const named = (packageId: string, owner = OWNER) =>
  one.membership.placeFor(uploaderNamed(owner), { packageId, label: null })
const labelled = (label: string, owner = OWNER, instance = one) =>
  instance.membership.placeFor(uploaderNamed(owner), { packageId: null, label })

const events = () => ground.rows('SELECT type, owner, package_id FROM events ORDER BY id')
const packages = () =>
  ground.rows<{ id: string; state: string; open_label: string | null }>(
    'SELECT id, state::text, open_label FROM packages ORDER BY created_at',
  )

async function make(changes = {}, owner = OWNER): Promise<string> {
  return (await one.packages.create(owner, aDescription(changes))).id
}

const end = (id: string) =>
  ground.rows(`UPDATE packages SET expires_at = now() - interval '1 second' WHERE id = $1`, [id])

test('who names neither package nor label joins none', async () => {
  expect(await one.membership.placeFor(uploaderNamed(OWNER), { packageId: null, label: null })).toBeNull()
  expect(await packages()).toEqual([])
})

describe('the package that an upload names', () => {
  test.each([
    ['staging', 3600],
    ['long', 20 * 86_400],
    ['permanent', null],
  ])(
    'of class %s: it is joined, and says how long its files are kept',
    async (retentionClass, ttlSeconds) => {
      const packageId = await make({ retentionClass })
      expect(await named(packageId)).toEqual({ packageId, ttlSeconds })
    },
  )

  test('of a class that the operator has taken away keeps its files for ever', async () => {
    const packageId = await make({ retentionClass: 'long' })
    const classes = new RetentionClasses([{ name: 'staging', ttlSeconds: 60 }])
    const place = await new Membership(database.prisma, classes).placeFor(uploaderNamed(OWNER), {
      packageId,
      label: null,
    })
    expect(place).toEqual({ packageId, ttlSeconds: null })
  })

  test('goes before the label, which makes no package then', async () => {
    const packageId = await make()
    expect(await one.membership.placeFor(uploaderNamed(OWNER), { packageId, label: 'lakes' })).toMatchObject({
      packageId,
    })
    expect(await packages()).toHaveLength(1)
  })

  test('of another owner is the same as one that never was, and as no id at all', async () => {
    const theirs = await make({}, 'somebody else')
    const ids = [theirs, randomId(), randomUUID(), '', 'x'.repeat(10_000), "' OR TRUE --", '\u0000']
    const refusals = await Promise.all(
      ids.map((id) => named(id).then(String, ({ code, detail, details }) => ({ code, detail, details }))),
    )
    expect(new Set(refusals.map((refusal) => JSON.stringify(refusal)))).toHaveProperty('size', 1)
    expect(refusals[0]).toMatchObject({ code: 'NOT_FOUND' })
  })

  test('takes nothing in any more when it is finalized, past its end, expired or deleted', async () => {
    const finalized = await make()
    await one.put('a file', { packageId: finalized })
    await one.packageFinalizer.finalize(finalized, OWNER)
    await expect(named(finalized)).rejects.toMatchObject({
      code: 'PACKAGE_FINALIZED',
      details: { package_id: finalized },
    })
    const [over, expired, deleted] = [await make(), await make(), await make()]
    await end(over)
    await expect(named(over)).rejects.toMatchObject({ code: 'GONE' })
    await end(expired)
    await one.ends.expireDue()
    await one.ends.commitDelete(deleted, OWNER)
    for (const id of [expired, deleted]) await expect(named(id)).rejects.toMatchObject({ code: 'GONE' })
  })

  test('past its own end is open while a file in it lives', async () => {
    const packageId = await make()
    await one.put('a file', { packageId })
    await end(packageId)
    expect(await named(packageId)).toMatchObject({ packageId })
    await ground.rows(`UPDATE uploads SET expires_at = now() - interval '1 second'`)
    await expect(named(packageId)).rejects.toMatchObject({ code: 'GONE' })
  })
})

describe('a label', () => {
  test('makes its package on first use, of the first class, and tells of it once', async () => {
    const first = await labelled('lakes')
    const second = await labelled('lakes', OWNER, other)
    expect(second).toEqual(first)
    expect(first?.ttlSeconds).toBe(CLASSES.get(null).ttlSeconds)
    expect(await events()).toEqual([
      { type: 'package.created.v1', owner: OWNER, package_id: first?.packageId },
    ])
    expect(await one.packages.get(first?.packageId ?? '', OWNER)).toMatchObject({
      name: 'lakes',
      label: 'lakes',
      state: 'open',
      retentionClass: 'staging',
    })
  })

  test('joins the package that was made with it, with its class', async () => {
    const packageId = await make({ label: 'lakes', retentionClass: 'permanent' })
    expect(await labelled('lakes')).toEqual({ packageId, ttlSeconds: null })
  })

  test('is its owner\u2019s: each has one of its own', async () => {
    const mine = await labelled('lakes')
    const theirs = await labelled('lakes', 'somebody else')
    expect(theirs?.packageId).not.toBe(mine?.packageId)
    expect((await labelled('lakes'))?.packageId).toBe(mine?.packageId)
  })

  test('used forty times at once on two instances makes one package', async () => {
    for (const label of ['a', 'b', 'c']) {
      const places = await Promise.all(
        Array.from({ length: 40 }, (_, i) => labelled(label, OWNER, i % 2 === 0 ? one : other)),
      )
      expect(new Set(places.map((place) => place?.packageId)).size).toBe(1)
    }
    expect(await packages()).toHaveLength(3)
    expect(await events()).toHaveLength(3)
  })

  test.each<[string, (id: string) => Promise<unknown>]>([
    [
      'finalized',
      async (id) => {
        await one.put('a file', { packageId: id })
        await one.packageFinalizer.finalize(id, OWNER)
      },
    ],
    ['deleted', (id) => one.ends.commitDelete(id, OWNER)],
    [
      'expired',
      async (id) => {
        await end(id)
        await one.ends.expireDue()
      },
    ],
    ['past its end, which nobody has noticed yet', end],
  ])('whose package is %s makes a new one', async (_, finish) => {
    const before = await labelled('lakes')
    await finish(before?.packageId ?? '')
    const places = await Promise.all([labelled('lakes'), labelled('lakes', OWNER, other)])
    expect(places[0]).toEqual(places[1])
    expect(places[0]?.packageId).not.toBe(before?.packageId)
    const [old, fresh, ...more] = await packages()
    expect([old?.open_label, fresh?.open_label, more]).toEqual([null, 'lakes', []])
  })

  test('of one that ended unnoticed tells of the end first', async () => {
    const before = await labelled('lakes')
    await end(before?.packageId ?? '')
    await labelled('lakes')
    expect((await events()).map((event) => (event as { type: string }).type)).toEqual([
      'package.created.v1',
      'package.expired.v1',
      'package.created.v1',
    ])
  })

  test('while its package is finalized, and used, and finalized again: every file is in one that has it', async () => {
    const finalize = async () => {
      const [open] = (await packages()).filter(({ open_label }) => open_label === 'lakes')
      await one.packageFinalizer.finalize(open?.id ?? '', OWNER).catch((error: unknown) => {
        expect(error).toMatchObject({ code: expect.stringMatching(/^(CONFLICT|NOT_FOUND|GONE)$/) })
      })
    }
    const uploads: string[] = []
    for (let round = 0; round < 8; round += 1) {
      const [, ...put] = await Promise.all([
        finalize(),
        ...Array.from({ length: 6 }, (_, i) =>
          (i % 2 === 0 ? one : other).put(`${round}.${i}`, { label: 'lakes', path: `${round}/${i}` }),
        ),
      ])
      uploads.push(...put)
    }
    expect(uploads).toHaveLength(48)
    const frozen = await ground.rows<{ id: string; promised: number; has: number }>(`
      SELECT packages.id, (manifest_head->'head'->'totals'->>'files')::int AS promised, count(*)::int AS has
      FROM packages JOIN uploads ON package_id = packages.id AND package_path IS NOT NULL
      WHERE packages.state = 'finalized' GROUP BY packages.id`)
    expect(frozen.length).toBeGreaterThan(1)
    for (const { promised, has } of frozen) expect(has).toBe(promised)
    expect(
      await ground.rows(`SELECT uploads.id FROM uploads JOIN packages ON packages.id = package_id
        WHERE packages.finalized_at < uploads.created_at`),
    ).toEqual([])
    expect(await ground.rows('SELECT FROM uploads WHERE package_id IS NULL')).toEqual([])
  })
})
