// What must be true of records, store and events when nothing is under way, whatever happened before. And stores in trouble.

import { expect } from '@jest/globals'
import pg from 'pg'
import type { Store } from '../../server/storage/store.js'
import type { UploadState } from '../../server/uploads/upload.js'
import { until } from '../support/until.js'
import type { Ground } from './parts.js'

/** The events of an upload in the order in which they were written, without `upload.` and `.v1`. */
export async function eventsOf(ground: Ground, uploadId: string): Promise<string[]> {
  const rows = await ground.rows<{ type: string }>(
    'SELECT type FROM events WHERE upload_id = $1 ORDER BY id',
    [uploadId],
  )
  return rows.map(({ type }) => type.replace(/^upload\./, '').replace(/\.v1$/, ''))
}

export async function stateOf(ground: Ground, uploadId: string): Promise<UploadState | null> {
  const rows = await ground.rows<{ state: UploadState }>('SELECT state::text FROM uploads WHERE id = $1', [
    uploadId,
  ])
  return rows[0]?.state ?? null
}

export async function untilState(ground: Ground, uploadId: string, state: UploadState): Promise<void> {
  await until(async () => (await stateOf(ground, uploadId)) === state)
}

/** Waits until `count` statements wait for a lock in the database: somebody has come to where a test holds one. */
export async function untilWaiting(ground: Ground, count = 1): Promise<void> {
  await until(async () => {
    const rows = await ground.rows<{ count: number }>(
      `SELECT count(*)::int AS count FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    )
    return (rows[0]?.count ?? 0) >= count
  })
}

/** A transaction of a test's own, which has run `sql` and holds its locks until it is told to commit, `more` as well. */
export async function holdRows(
  ground: Ground,
  sql: string,
): Promise<{ commit(more?: string): Promise<void> }> {
  const client = new pg.Client({ connectionString: ground.databaseUrl })
  await client.connect()
  await client.query(`BEGIN; ${sql}`)
  return {
    async commit(more = '') {
      await client.query(`${more}; COMMIT`)
      await client.end()
    },
  }
}

/**
 * Asserts what holds whenever nothing is under way: every upload that is ready, or was and can be restored, has its bytes, the
 * store has nothing else but the temporaries of what is unfinished, nobody holds a lease, and a finalized package has the files
 * of its manifest.
 */
export async function expectInOrder(ground: Ground): Promise<void> {
  const { tmp, objects } = await ground.stored()
  const keys = await ground.rows<{ key: string }>('SELECT object_key AS key FROM blobs ORDER BY 1')
  expect(objects).toEqual(keys.map(({ key }) => key))
  expect(
    await ground.rows(`SELECT id FROM uploads WHERE COALESCE(restore_state, state) = 'ready'
      AND NOT EXISTS (SELECT FROM blobs WHERE blobs.sha256 = uploads.sha256)`),
  ).toEqual([])
  expect(
    await ground.rows(`SELECT sha256 FROM blobs
      WHERE NOT EXISTS (
        SELECT FROM uploads WHERE uploads.sha256 = blobs.sha256 AND COALESCE(restore_state, state) = 'ready')`),
  ).toEqual([])
  const unfinished = await ground.rows<{ id: string }>(
    `SELECT id FROM uploads WHERE COALESCE(restore_state, state) = 'receiving'`,
  )
  const living = new Set(unfinished.map(({ id }) => id))
  expect(tmp.filter((key) => !living.has(key))).toEqual([])
  expect(await ground.rows('SELECT * FROM garbage')).toEqual([])
  expect(await ground.rows(`SELECT id FROM uploads WHERE state = 'finalizing'`)).toEqual([])
  expect(await ground.rows('SELECT id FROM uploads WHERE lease_holder IS NOT NULL')).toEqual([])
  expect(
    await ground.rows(`SELECT id FROM uploads WHERE package_path IS NOT NULL
      AND state NOT IN ('receiving', 'finalizing', 'ready')`),
  ).toEqual([])
  // Of what can't be restored nothing is kept that only a restored one would need.
  expect(
    await ground.rows(`SELECT id FROM uploads WHERE (restore_state IS NULL AND restore_path IS NOT NULL)
      OR (restore_state IS NOT NULL AND (state NOT IN ('canceled', 'deleted') OR restorable_until IS NULL))
      OR (state IN ('canceled', 'deleted') AND restore_state IS NULL
        AND (digest_state IS NOT NULL OR EXISTS (SELECT FROM parts WHERE upload_id = uploads.id)))`),
  ).toEqual([])
  expect(
    await ground.rows(`SELECT packages.id FROM packages WHERE state = 'finalized'
      AND (manifest_head->'head'->'totals'->>'files')::int <> (
        SELECT count(*) FROM uploads WHERE package_id = packages.id AND package_path IS NOT NULL AND uploads.state = 'ready')`),
  ).toEqual([])
}

/** `store`, with some of its functions replaced. */
export function changedStore(store: Store, functions: Partial<Store>): Store {
  return new Proxy(store, {
    get(target, name) {
      if (Object.hasOwn(functions, name)) return Reflect.get(functions, name)
      const member = Reflect.get(target, name)
      return typeof member === 'function' ? member.bind(target) : member
    },
  })
}

/** Empties every table of what a test left, and the store with it. */
export async function clear(ground: Ground, store: Store): Promise<void> {
  await ground.rows('TRUNCATE uploads, packages, retention_extensions, events, blobs, garbage CASCADE')
  const { tmp, objects } = await ground.stored()
  for (const key of tmp) await store.deleteTemporary(key)
  for (const key of objects) await store.deleteObject(key)
}
