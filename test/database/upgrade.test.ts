// A database that an earlier version has filled: its uploads and events go on under this one, none lost and none twice.

import { cp, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { EVERYONE } from '../../server/auth/owner-scope.js'
import { type Database, openDatabase } from '../../server/database/client.js'
import { migrateDatabase } from '../../server/database/migrate.js'
import { EventOrder } from '../../server/events/order.js'
import { randomToken } from '../../server/uploads/random.js'
import { UPLOAD_STATES, type UploadState } from '../../server/uploads/upload.js'
import { checksumsOf, someBytes } from '../dialects/tus-client.js'
import { createTestDatabase, type TestDatabase, withConnection } from '../support/database.js'
import { expectInOrder, stateOf } from '../uploads/aftermath.js'
import { aBody, aFile, type Ground, type Instance, openInstance, uploaderNamed } from '../uploads/parts.js'

const MIGRATIONS = fileURLToPath(new URL('../../../prisma/migrations', import.meta.url))

let earlier: string
let database: TestDatabase
let ground: Ground

beforeAll(async () => {
  // The migrations of the versions before packages.
  earlier = await mkdtemp(path.join(tmpdir(), 'antipasto-upgrade-'))
  const names = (await readdir(MIGRATIONS)).filter((name) => /^\d{14}_/.test(name)).sort()
  const api = names.findIndex((name) => name.endsWith('_api'))
  for (const name of names.slice(0, api))
    await cp(path.join(MIGRATIONS, name), path.join(earlier, name), { recursive: true })
})
afterAll(() => rm(earlier, { recursive: true }))

beforeEach(async () => {
  database = await createTestDatabase({ isEmpty: true })
  const folder = await mkdtemp(path.join(tmpdir(), 'antipasto-parts-'))
  const names = async (room: string) => (await readdir(path.join(folder, room))).sort()
  ground = {
    databaseUrl: database.databaseUrl,
    folder,
    rows: <Row extends object>(sql: string, values: unknown[] = []) =>
      withConnection(database.databaseUrl, async (client) => (await client.query<Row>(sql, values)).rows),
    stored: async () => ({ tmp: await names('tmp'), objects: await names('objects') }),
    dispose: async () => {
      await database.drop()
      await rm(folder, { recursive: true })
    },
  }
  expect(await migrateDatabase(database.databaseUrl, earlier)).toHaveLength(2)
})
afterEach(() => ground.dispose())

const upgrade = () => migrateDatabase(database.databaseUrl)

const content = someBytes(1000)
const { md5, sha1, sha256 } = checksumsOf(content)
const DAY = 86_400_000

/** Forty hexadecimal digits that tell the state. */
const idOf = (state: UploadState) => UPLOAD_STATES.indexOf(state).toString(16).repeat(40)

/** One upload in each state, 2 days old, and their events with the gaps that a crash leaves, as the earlier version wrote them. */
async function fill(): Promise<void> {
  for (const state of UPLOAD_STATES) {
    const id = idOf(state)
    const isWhole = ['finalizing', 'ready', 'deleted'].includes(state)
    await ground.rows(
      `INSERT INTO uploads (id, owner, state, filename, label, size_bytes, offset_bytes, md5, sha1, sha256, retrieval_token,
         created_at, last_write_at, finished_at, expires_at, lease_epoch)
       VALUES ($1, 'somebody', $2::"UploadState", 'lake.csv', 'lakes', 1000, $3, $4, $5, $6, $7, now() - interval '2 days',
         now() - interval '1 day', $8, now() + ($9 || ' days')::interval, 3)`,
      [
        id,
        state,
        isWhole ? 1000 : 0,
        ...(isWhole ? [md5, sha1, sha256] : [null, null, null]),
        state === 'ready' ? randomToken() : null,
        ['receiving', 'finalizing'].includes(state) ? null : new Date(),
        // Until its last byte an upload has a day more; finished, its whole life.
        state === 'receiving' ? 1 : 28,
      ],
    )
    await ground.rows(
      `INSERT INTO events (type, owner, upload_id) VALUES ('upload.created.v1', 'somebody', $1), ($2, 'somebody', $1)`,
      [id, `upload.${state}.v1`],
    )
    // A transaction that was rolled back has taken its number along.
    await ground.rows(`SELECT nextval(pg_get_serial_sequence('events', 'sequence'))`)
  }
  await ground.rows(`INSERT INTO blobs (sha256, object_key, size_bytes) VALUES ($1, $2, 1000)`, [
    sha256,
    idOf('ready'),
  ])
  await ground.rows(
    `INSERT INTO parts (upload_id, start_bytes, size_bytes, kind, name, etag) VALUES ($1, 0, 1000, 'part', '1', 'e')`,
    [idOf('finalizing')],
  )
}

const withoutNew = `SELECT id, owner, state::text, filename, label, size_bytes, offset_bytes, md5, sha1, sha256, retrieval_token,
  created_at, last_write_at, finished_at, expires_at, lease_epoch FROM uploads ORDER BY id`

describe('a database of the version before packages', () => {
  test('keeps every upload as it was: in no package, finished by its last byte, and kept as long as it was', async () => {
    await fill()
    const before = await ground.rows(withoutNew)
    await upgrade()
    expect(await ground.rows(withoutNew)).toEqual(before)
    const rows = await ground.rows<{ id: string; kept: Date; created: Date; ends: Date; rest: object }>(
      `SELECT id, keep_until AS kept, created_at AS created, expires_at AS ends, jsonb_build_array(finish, package_id, package_path,
         concat, idempotency_key, is_expiry_told) AS rest FROM uploads ORDER BY id`,
    )
    for (const { id, kept, created, ends, rest } of rows) {
      expect(rest).toEqual(['auto', null, null, null, null, false])
      const isUnfinished = id === idOf('receiving')
      expect(kept.getTime()).toBe(isUnfinished ? created.getTime() + 30 * DAY : ends.getTime())
    }
    expect(await ground.rows('SELECT upload_id, kind::text, name FROM parts')).toEqual([
      { upload_id: idOf('finalizing'), kind: 'part', name: '1' },
    ])
  })

  test('tells its events in their order behind 1, and new ones behind them', async () => {
    await fill()
    const before = await ground.rows<{ type: string; upload_id: string }>(
      'SELECT type, upload_id FROM events ORDER BY sequence',
    )
    await upgrade()
    const database = await openDatabase(ground.databaseUrl)
    const order = new EventOrder(database.prisma)
    expect((await order.look()).isWaiting).toBe(false)
    const newest = (await order.look()).newest
    const old = await order.read(EVERYONE, 1, newest, 1000)
    expect(old.map(({ type, upload_id }) => ({ type, upload_id }))).toEqual(before)
    expect(await order.read(EVERYONE, 0, newest, 1000)).toEqual(old)

    await ground.rows(`INSERT INTO events (type, owner) VALUES ('first', 'somebody'), ('second', 'somebody')`)
    await order.give()
    const fresh = await order.read('somebody', newest, Number.MAX_SAFE_INTEGER, 1000)
    expect(fresh.map(({ type }) => type)).toEqual(['first', 'second'])
    expect(fresh[0]?.sequence).toBeGreaterThan(newest)
    await database.close()
  })

  test('that is empty begins its events at 2', async () => {
    await upgrade()
    const database: Database = await openDatabase(ground.databaseUrl)
    const order = new EventOrder(database.prisma)
    expect(await order.look()).toEqual({ isWaiting: false, newest: 0 })
    await ground.rows(`INSERT INTO events (type, owner) VALUES ('first', 'somebody')`)
    await order.give()
    const [first] = await order.read(EVERYONE, 1, 1000, 10)
    expect(first).toMatchObject({ sequence: 2, type: 'first' })
    await database.close()
  })

  test('is upgraded once, and then is as a new one', async () => {
    await fill()
    expect(await upgrade()).not.toEqual([])
    expect(await upgrade()).toEqual([])
    const columns = `SELECT table_name, column_name, data_type, is_nullable, collation_name FROM information_schema.columns
      WHERE table_schema = 'public' ORDER BY 1, 2`
    const indexes = `SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1`
    const fresh = await createTestDatabase()
    const inFresh = (sql: string) =>
      withConnection(fresh.databaseUrl, async (client) => (await client.query(sql)).rows)
    expect(await ground.rows(columns)).toEqual(await inFresh(columns))
    expect(await ground.rows(indexes)).toEqual(await inFresh(indexes))
    await fresh.drop()
  })
})

describe('what was under way before the upgrade', () => {
  let instance: Instance

  async function upgraded(): Promise<void> {
    await fill()
    await upgrade()
    instance = await openInstance(ground)
    await instance.store.putObject(idOf('ready'), content)
    await instance.store.createTemporary(idOf('receiving'))
  }
  afterEach(() => instance.close())

  test('goes on: bytes are taken, what is finishing is finished, what is ready is found', async () => {
    await upgraded()
    const { lease, upload } = await instance.intake.claim(idOf('receiving'), 'somebody')
    if (lease === null) throw new Error('It is not finished.')
    const taken = await instance.intake.append(lease, upload, aBody(content))
    expect(taken).toMatchObject({ state: 'ready', sha256, packageId: null })
    expect(taken.expiresAt).toEqual(taken.keepUntil)
    // Its object was made, and the server stopped before it could say so.
    await instance.store.putObject(idOf('finalizing'), content)
    await instance.finalizer.resume(idOf('finalizing'))
    expect(await stateOf(ground, idOf('finalizing'))).toBe('ready')
    for (const state of ['receiving', 'finalizing', 'ready'] as const) {
      const { retrievalToken } = await instance.records.get(idOf(state), 'somebody')
      const found = await instance.records.findByRetrievalToken(retrievalToken ?? '')
      expect(found?.objectKey).toBe(idOf('ready'))
    }
    await expectInOrder(ground)
  })

  test('joins packages as new uploads do, when it is told to; its label alone has made none', async () => {
    await upgraded()
    expect(await ground.rows('SELECT FROM packages')).toEqual([])
    const id = await instance.intake.takeWhole(
      uploaderNamed('somebody'),
      aFile(1000, { label: 'lakes', filename: 'new.csv' }),
      aBody(content),
    )
    const { packageId } = await instance.records.get(id, 'somebody')
    const old = await instance.records.get(idOf('ready'), 'somebody')
    expect(old.packageId).toBeNull()
    const moved = await instance.placement.move(old, { packageId, label: 'lakes', relativePath: null })
    expect(moved).toMatchObject({ packageId, packagePath: 'lake.csv', expiresAt: old.expiresAt })
  })

  test('ends as new uploads do', async () => {
    await upgraded()
    for (const state of ['receiving', 'ready', 'failed'] as const)
      await instance.removals.remove(idOf(state), 'somebody')
    await instance.removals.remove(idOf('finalizing'), 'somebody')
    expect(await Promise.all(UPLOAD_STATES.map((state) => stateOf(ground, idOf(state))))).toEqual([
      'canceled',
      'canceled',
      'deleted',
      'deleted',
      'canceled',
      'expired',
      'deleted',
    ])
    await expectInOrder(ground)
    expect(await ground.stored()).toEqual({ tmp: [], objects: [] })
  })
})
