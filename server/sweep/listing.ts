// Everything that the store has, in temporary tables of one connection to Postgres: so millions of things are compared in
// bounded memory, whatever the order in which the store lists them.

import type pg from 'pg'
import type { Room, Store, StoredItem } from '../storage/store.js'

const BATCH = 5000
/** How many rows `pages` expects of a page. */
export const PAGE = 500

/** What a record stands behind: objects of blobs, both rooms of what is unfinished or can be restored, what waits for its deletion. */
const KNOWN = `
  SELECT 'object' AS room, object_key AS key FROM blobs
  UNION ALL SELECT room, id FROM uploads, (VALUES ('temporary'), ('object')) AS rooms (room)
    WHERE COALESCE(restore_state, state) IN ('receiving', 'finalizing')
  UNION ALL SELECT kind::text, object_key FROM garbage`

export interface RecordedObject {
  sha256: string
  objectKey: string
  sizeBytes: number
  /** As it was listed; null: it wasn't. */
  storedBytes: number | null
}

export interface UnknownItem {
  room: Room
  key: string
  sizeBytes: number
  modifiedAt: Date
  isOld: boolean
}

/**
 * Lists the store into this connection's temporary tables, after what the records know at its beginning: what they know
 * neither before nor afterwards was never theirs.
 */
export async function takeListing(client: pg.Client, store: Store): Promise<void> {
  await client.query(`CREATE TEMP TABLE recorded AS ${KNOWN}`)
  await client.query(
    'CREATE TEMP TABLE stored (room text, key text, size_bytes bigint, modified_at timestamptz)',
  )
  let batch: StoredItem[] = []
  for await (const item of store.list()) {
    batch.push(item)
    if (batch.length < BATCH) continue
    await insert(client, batch)
    batch = []
  }
  await insert(client, batch)
  await client.query(`
    CREATE INDEX ON recorded (key, room); CREATE INDEX ON stored (key, room); ANALYZE recorded; ANALYZE stored`)
}

async function insert(client: pg.Client, items: readonly StoredItem[]): Promise<void> {
  await client.query(
    'INSERT INTO stored SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::timestamptz[])',
    [
      items.map(({ room }) => room),
      items.map(({ key }) => key),
      items.map(({ sizeBytes }) => sizeBytes),
      items.map(({ modifiedAt }) => modifiedAt),
    ],
  )
}

export async function countListing(
  client: pg.Client,
): Promise<{ recordedObjects: number; foundObjects: number; storedItems: number }> {
  const { rows } = await client.query(`
    SELECT (SELECT count(*) FROM blobs)::float8 AS "recordedObjects", (SELECT count(*) FROM stored)::float8 AS "storedItems",
      (SELECT count(*) FROM blobs JOIN stored ON room = 'object' AND key = object_key)::float8 AS "foundObjects"`)
  return rows[0]
}

/** Recorded objects that were listed as they are recorded, or that were not. In the order of their keys. */
export function recordedObjects(
  client: pg.Client,
  which: 'matching' | 'not-matching',
): AsyncIterable<RecordedObject> {
  const doesMatch = `COALESCE(stored.size_bytes = blobs.size_bytes, FALSE)`
  return pages<RecordedObject>(
    client,
    `SELECT sha256, object_key AS "objectKey", blobs.size_bytes::float8 AS "sizeBytes",
       stored.size_bytes::float8 AS "storedBytes"
     FROM blobs LEFT JOIN stored ON room = 'object' AND key = object_key
     WHERE object_key > $1 AND ${which === 'matching' ? doesMatch : `NOT ${doesMatch}`} ORDER BY object_key LIMIT ${PAGE}`,
    ({ objectKey }) => objectKey,
  )
}

/** What was listed and no record has known meanwhile. A temporary comes once, with all of its bytes. */
export async function* unknownItems(client: pg.Client, oldAfterSeconds: number): AsyncIterable<UnknownItem> {
  await client.query(
    `CREATE TEMP TABLE unknown AS WITH known AS (${KNOWN})
     SELECT room, key, sum(size_bytes) AS size_bytes, min(modified_at) AS modified_at FROM stored
     WHERE NOT EXISTS (SELECT FROM recorded WHERE recorded.key = stored.key AND recorded.room = stored.room)
       AND NOT EXISTS (SELECT FROM known WHERE known.key = stored.key AND known.room = stored.room)
     GROUP BY room, key`,
  )
  await client.query('CREATE INDEX ON unknown ((room || key)); ANALYZE unknown')
  yield* pages<UnknownItem>(
    client,
    `SELECT room, key, size_bytes::float8 AS "sizeBytes", modified_at AS "modifiedAt",
       now() - modified_at > $2::float8 * interval '1 second' AS "isOld"
     FROM unknown WHERE room || key > $1 ORDER BY room || key LIMIT ${PAGE}`,
    ({ room, key }) => room + key,
    [oldAfterSeconds],
  )
}

/** The rows of `sql`, which begins behind the place `$1`, page after page. */
export async function* pages<Row extends object>(
  client: pg.Client,
  sql: string,
  placeOf: (row: Row) => string,
  values: readonly unknown[] = [],
): AsyncIterable<Row> {
  let place = ''
  for (;;) {
    const { rows } = await client.query<Row>(sql, [place, ...values])
    yield* rows
    const last = rows.at(-1)
    if (last === undefined || rows.length < PAGE) return
    place = placeOf(last)
  }
}
