// How packages end by themselves, and what the sweep has to do about it.

import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { EVERYONE } from '../../server/auth/owner-scope.js'
import { anActor, type Ground, newGround } from '../uploads/parts.js'
import { aDescription, aWhole, OWNER, openPackageInstance, type PackageInstance } from './ground.js'

let ground: Ground
let one: PackageInstance
let other: PackageInstance

beforeAll(async () => {
  ground = await newGround()
  one = await openPackageInstance(ground)
  other = await openPackageInstance(ground)
})
afterAll(async () => {
  await one.close()
  await other.close()
  await ground.dispose()
})
beforeEach(() =>
  ground.rows('TRUNCATE parts, uploads, packages, retention_extensions, events, blobs, garbage CASCADE'),
)

async function make(label: string | null = null): Promise<string> {
  return (await one.packages.create(OWNER, aDescription({ label }))).id
}

const end = (table: string, id: string) =>
  ground.rows(`UPDATE ${table} SET expires_at = now() - interval '1 s' WHERE id = $1`, [id])

async function stateOf(id: string): Promise<string | undefined> {
  return (await ground.rows<{ state: string }>('SELECT state::text FROM packages WHERE id = $1', [id]))[0]
    ?.state
}

describe('expireDue', () => {
  test('ends finalized ones past their end, open ones when no file of theirs lives, and no other', async () => {
    const living = await make()
    const empty = await make('empty')
    const [held, finalized, kept] = [await make(), await make(), await make()]
    for (const id of [held, finalized, kept]) await one.records.insertWhole([aWhole(id, 'a')])
    for (const id of [finalized, kept]) await one.packageFinalizer.finalize(id, OWNER)
    for (const id of [empty, held, finalized]) await end('packages', id)
    expect((await one.ends.findDue(10)).sort()).toEqual([empty, finalized].sort())
    expect((await one.ends.expireDue()).sort()).toEqual([empty, finalized].sort())
    expect(await one.ends.expireDue()).toEqual([])
    expect(await Promise.all([living, empty, held, finalized, kept].map(stateOf))).toEqual([
      'open',
      'expired',
      'open',
      'expired',
      'finalized',
    ])
    const events = await ground.rows<{ package_id: string; owner: string }>(
      `SELECT package_id, owner FROM events WHERE type = 'package.expired.v1'`,
    )
    expect(events.map((event) => event.package_id).sort()).toEqual([empty, finalized].sort())
    // The label is free.
    await make('empty')
  })

  test('and two sweeps at once tell of each end once', async () => {
    const ids = await Promise.all(Array.from({ length: 30 }, () => make()))
    await ground.rows(`UPDATE packages SET expires_at = now() - interval '1 s'`)
    const [first, second] = await Promise.all([one.ends.expireDue(), other.ends.expireDue()])
    expect([...first, ...second].sort()).toEqual([...ids].sort())
    expect(await ground.rows(`SELECT FROM events WHERE type = 'package.expired.v1'`)).toHaveLength(30)
  })

  test('leaves an open one that a file joins meanwhile', async () => {
    for (let round = 0; round < 10; round += 1) {
      const label = `label ${round}`
      const id = await make(label)
      await end('packages', id)
      const [upload] = await Promise.all([
        other.put(`${round}`, { label }).then((uploadId) => other.records.get(uploadId, OWNER)),
        one.ends.expireDue(),
      ])
      expect(await stateOf(upload.packageId ?? '')).toBe('open')
    }
  })
})

describe('a package past its end that the sweep hasn’t seen', () => {
  test('takes nothing in, and its label begins another', async () => {
    const id = await make('lake')
    await end('packages', id)
    await expect(one.put('1', { packageId: id })).rejects.toMatchObject({ code: 'GONE' })
    const upload = await one.records.get(await one.put('1', { label: 'lake' }), OWNER)
    expect(upload.packageId).not.toBe(id)
    expect(await stateOf(id)).toBe('expired')
  })

  test('can’t be extended, finalized or deleted', async () => {
    const id = await make()
    await one.records.insertWhole([aWhole(id, 'a')])
    await one.packageFinalizer.finalize(id, OWNER)
    await end('packages', id)
    const wanted = { newExpiresAt: new Date(Date.now() + 86_400_000), reason: 'x', by: anActor(OWNER) }
    const gone = { code: 'GONE' }
    await expect(one.ends.extend(id, OWNER, wanted)).rejects.toMatchObject(gone)
    await expect(one.packageFinalizer.finalize(id, OWNER)).rejects.toMatchObject(gone)
    await expect(one.ends.commitDelete(id, OWNER)).rejects.toMatchObject(gone)
  })
})

describe('an extension at the last moment', () => {
  test('either keeps every file, or comes too late', async () => {
    for (let round = 0; round < 8; round += 1) {
      const id = await make()
      const wholes = Array.from({ length: 20 }, (_, i) => aWhole(id, `${round} ${i}`))
      await one.records.insertWhole(wholes)
      await one.packageFinalizer.finalize(id, OWNER)
      const endsAt = new Date(Date.now() + 700)
      await ground.rows('UPDATE packages SET expires_at = $2 WHERE id = $1', [id, endsAt])
      await ground.rows('UPDATE uploads SET expires_at = $2, keep_until = $2 WHERE package_id = $1', [
        id,
        endsAt,
      ])
      const sweeping = (async () => {
        while (Date.now() < endsAt.getTime() + 60) {
          await Promise.all(wholes.slice(0, 5).map((whole) => other.endings.commitEnd(whole.id, 'past-end')))
        }
      })()
      await sleep(endsAt.getTime() - Date.now() - 40 + round * 6)
      const wanted = { newExpiresAt: new Date(Date.now() + 86_400_000), reason: 'x', by: anActor(OWNER) }
      const [outcome] = await Promise.allSettled([one.ends.extend(id, OWNER, wanted)])
      await sweeping
      const { ready } = await one.packages.contents(id)
      if (outcome?.status === 'fulfilled') expect(ready).toBe(20)
      else expect(outcome?.reason).toMatchObject({ code: 'GONE' })
    }
  })
})

describe('a deletion that a crash cut short', () => {
  test('is found until its files have ended', async () => {
    const id = await make()
    await one.put('1', { packageId: id })
    await one.ends.commitDelete(id, OWNER)
    expect(await other.ends.findHalfDeleted(10)).toEqual([id])
    expect(await other.ends.forget(0)).toBe(0)
    await other.removals.removeAllOf(id)
    expect(await other.ends.findHalfDeleted(10)).toEqual([])
  })
})

describe('forget', () => {
  test('takes what ended long ago, and leaves its uploads’ reports', async () => {
    const [old, recent, living] = [await make(), await make(), await make()]
    const upload = await one.put('1', { packageId: old })
    for (const id of [old, recent]) {
      await one.ends.commitDelete(id, OWNER)
      await one.removals.removeAllOf(id)
    }
    await ground.rows(`UPDATE packages SET ended_at = now() - interval '1 hour' WHERE id = $1`, [old])
    expect(await one.ends.forget(600)).toBe(1)
    await expect(one.packages.get(old, EVERYONE)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    expect(await stateOf(recent)).toBe('deleted')
    expect(await stateOf(living)).toBe('open')
    expect(await one.records.get(upload, OWNER)).toMatchObject({ state: 'deleted', packageId: null })
  })
})
