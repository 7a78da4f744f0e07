// One person under two names, as an identity provider may know them: what either name owns is theirs.

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { Identity } from '../../server/auth/identity.js'
import {
  ownScope,
  owns,
  personScope,
  readScope,
  uploaderOf,
  writeScope,
} from '../../server/auth/owner-scope.js'
import { type Database, openDatabase } from '../../server/database/client.js'
import { EventOrder } from '../../server/events/order.js'
import { FileRecords } from '../../server/files/records.js'
import { parsePackageListQuery } from '../../server/packages/list-query.js'
import { PackageShares } from '../../server/packages/shares.js'
import { parseListQuery } from '../../server/uploads/list-query.js'
import { aDescription, openPackageInstance, type PackageInstance } from '../packages/ground.js'
import { aBody, aFile, anActor, type Ground, newGround } from '../uploads/parts.js'

const scopes: Identity['scopes'] = new Set(['upload', 'read', 'delete'])
/** The second name is the first one's alias, and a group reaches what is shared with it. */
const both: Identity = { owner: 'new-name', aliases: ['old-name'], groups: ['lab'], scopes }
const old: Identity = { owner: 'old-name', scopes }
const other: Identity = { owner: 'somebody-else', scopes }

let ground: Ground
let instance: PackageInstance
let database: Database
let files: FileRecords
let shares: PackageShares

beforeAll(async () => {
  ground = await newGround()
  instance = await openPackageInstance(ground)
  database = await openDatabase(ground.databaseUrl)
  files = new FileRecords(database.prisma)
  shares = new PackageShares(database.prisma)
})
afterAll(async () => {
  await database.close()
  await instance.close()
  await ground.dispose()
})

async function take(who: Identity, content: string, about: Parameters<typeof aFile>[1] = {}) {
  const bytes = Buffer.from(content)
  return instance.intake.takeWhole(uploaderOf(who), aFile(bytes.byteLength, about), aBody(bytes))
}

describe('scopes', () => {
  test('name every name of a person; what is shared is reached by names and groups', () => {
    expect(ownScope(both)).toEqual({ owners: ['new-name', 'old-name'], grantees: [], right: 'write' })
    expect(readScope(both)).toEqual({
      owners: ['new-name', 'old-name'],
      grantees: ['new-name', 'old-name', 'lab'],
      right: 'read',
    })
    expect(writeScope(both)).toMatchObject({ right: 'write' })
    expect(owns(ownScope(both), 'old-name')).toBe(true)
    expect(owns(ownScope(old), 'new-name')).toBe(false)
    // What comes in is the first name's.
    expect(uploaderOf(both)).toEqual({
      owner: 'new-name',
      uploads: ownScope(both),
      packages: writeScope(both),
    })
  })

  test('of an administrator are without bound, but for what nobody does to everybody’s', () => {
    const admin: Identity = { ...both, scopes: new Set(['admin']) }
    for (const scope of [ownScope, readScope, writeScope]) expect(typeof scope(admin)).toBe('symbol')
    expect(personScope(admin)).toEqual({ owners: ['new-name', 'old-name'], grantees: [], right: 'write' })
  })
})

describe('a person with two names', () => {
  test('sees the uploads of both in one list, in order, page by page', async () => {
    const ids: string[] = []
    for (let n = 0; n < 9; n += 1) ids.unshift(await take(n % 2 === 0 ? both : old, `content ${n}`))
    await take(other, 'content 3')
    const seen: string[] = []
    let after: ReturnType<typeof parseListQuery>['after'] = null
    for (;;) {
      const query = { ...parseListQuery({}), limit: 4, after }
      const page = await instance.records.list(readScope(both), query)
      seen.push(...page.map(({ id }) => id))
      const last = page.at(-1)
      if (last === undefined) break
      after = { value: last.createdAt, id: last.id }
    }
    expect([...seen].sort()).toEqual([...ids].sort())
    const created = await ground.rows<{ id: string }>(
      `SELECT id FROM uploads WHERE owner <> 'somebody-else' ORDER BY created_at DESC, id DESC`,
    )
    expect(seen).toEqual(created.map(({ id }) => id))
    // The old name alone sees its own.
    expect(await instance.records.list(readScope(old), parseListQuery({}))).toHaveLength(4)
  })

  test('reaches, changes and deletes what either has, and nobody else’s', async () => {
    const id = await take(old, 'of the old name')
    expect((await instance.records.get(id, ownScope(both))).owner).toBe('old-name')
    await expect(instance.records.get(id, ownScope(other))).rejects.toMatchObject({ code: 'NOT_FOUND' })
    const mine = await take(both, 'of the new name')
    await expect(instance.records.get(mine, ownScope(old))).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await instance.removals.remove(id, writeScope(both), anActor('new-name'))
    expect((await instance.records.get(id, ownScope(old))).state).toBe('deleted')
  })

  test('goes on with an upload that the old name began, which stays the old name’s', async () => {
    const { upload } = await instance.intake.begin(uploaderOf(old), aFile(5), { isHeld: false })
    const { lease, upload: claimed } = await instance.intake.claim(upload.id, uploaderOf(both).uploads)
    if (lease === null) throw new Error('It waits for its bytes.')
    const done = await instance.intake.append(lease, claimed, aBody(Buffer.from('abcde')))
    expect(done).toMatchObject({ owner: 'old-name', state: 'ready' })
  })

  test('finds content, and deletes it under both names at once', async () => {
    const ids = [await take(both, 'the same'), await take(old, 'the same')]
    const theirs = await take(other, 'the same')
    const { sha256 } = await instance.records.get(theirs, ownScope(other))
    const found = await files.findNewest(sha256 ?? '', readScope(both))
    expect(ids).toContain(found?.id)
    await instance.removals.removeContent(sha256 ?? '', personScope(both), anActor('new-name'))
    expect(await files.findNewest(sha256 ?? '', readScope(both))).toBeNull()
    expect((await files.findNewest(sha256 ?? '', readScope(other)))?.id).toBe(theirs)
  })

  test('has packages under both, in one list, and joins by a label only those of the first name', async () => {
    const ofOld = await instance.packages.create('old-name', aDescription({ label: 'a label' }))
    await instance.packages.create('somebody-else', aDescription({ label: 'a label' }))
    const joined = await take(both, 'labelled', { label: 'a label' })
    const { packageId } = await instance.records.get(joined, ownScope(both))
    expect(packageId).not.toBe(ofOld.id)
    const list = await instance.packages.list(readScope(both), parsePackageListQuery({}))
    expect(list.map(({ id }) => id).sort()).toEqual([ofOld.id, packageId].sort())
    // By its id either takes it in.
    await take(both, 'by id', { packageId: ofOld.id })
    await expect(take(other, 'by id', { packageId: ofOld.id })).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })

  test('reaches what was shared with the old name, or with a group', async () => {
    for (const grantee of ['old-name', 'lab']) {
      const { id } = await instance.packages.create('somebody-else', aDescription())
      const upload = await take(other, `shared with ${grantee}`, { packageId: id, filename: grantee })
      await shares.put(id, 'somebody-else', { grantee, access: 'read' }, anActor('somebody-else'))
      expect((await instance.packages.get(id, readScope(both))).owner).toBe('somebody-else')
      expect((await instance.records.get(upload, readScope(both))).owner).toBe('somebody-else')
      await expect(instance.packages.get(id, writeScope(both))).rejects.toMatchObject({ code: 'NOT_FOUND' })
      await expect(take(both, 'not so', { packageId: id })).rejects.toMatchObject({ code: 'FORBIDDEN' })
    }
  })

  test('reads the events of both, and has used what both have', async () => {
    const order = new EventOrder(database.prisma)
    await order.give()
    const events = await order.read(ownScope(both), 0, Number.MAX_SAFE_INTEGER, 1000)
    expect(new Set(events.map(({ owner }) => owner))).toEqual(new Set(['new-name', 'old-name']))
    expect(events.map(({ sequence }) => sequence)).toEqual(
      events.map(({ sequence }) => sequence).sort((a, b) => a - b),
    )
    const [together, first, second] = await Promise.all(
      [['new-name', 'old-name'], ['new-name'], ['old-name']].map((owners) => instance.quotas.usage(owners)),
    )
    expect(together?.files).toBe((first?.files ?? 0) + (second?.files ?? 0))
    expect(together?.bytes).toBe((first?.bytes ?? 0) + (second?.bytes ?? 0))
    expect(await instance.quotas.usage(['who-never-came'])).toEqual({ bytes: 0, files: 0, openUploads: 0 })
  })
})
