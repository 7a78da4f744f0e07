// How many of everything there are, counted in a real PostgreSQL.

import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { type Database, openDatabase } from '../../server/database/client.js'
import { Census, MOST_COUNTED } from '../../server/uploads/census.js'
import { createTestDatabase, type TestDatabase, withConnection } from '../support/database.js'

let test_: TestDatabase
let database: Database
let census: Census

beforeAll(async () => {
  test_ = await createTestDatabase()
  database = await openDatabase(test_.databaseUrl)
  census = new Census(database.prisma)
})

afterAll(async () => {
  await database?.close()
  await test_?.drop()
})

const sql = (text: string) => withConnection(test_.databaseUrl, (client) => client.query(text))

test('an empty database has none of anything', async () => {
  expect(await census.count()).toEqual({
    uploads: { receiving: 0, finalizing: 0, ready: 0, failed: 0, canceled: 0, expired: 0, deleted: 0 },
    storedFiles: 0,
    storedBytes: 0,
    oldestFinalizingSeconds: 0,
    garbage: 0,
    pendingDeliveries: 0,
    overdueDeliverySeconds: 0,
  })
})

test('uploads are counted by state, parts of concatenations as what they are', async () => {
  await sql(`
    INSERT INTO uploads (id, owner, state, size_bytes, concat, last_write_at, expires_at, keep_until)
    SELECT state || '-' || number, 'owner-' || number, state::"UploadState", 1000, concat, now() - interval '90 s', now(), now()
    FROM (VALUES ('receiving', 2, NULL), ('receiving', 1, 'partial'), ('finalizing', 3, NULL), ('ready', 5, NULL),
      ('ready', 1, 'partial'), ('failed', 4, NULL), ('deleted', 6, NULL)) AS made (state, count, concat),
      generate_series(1 + CASE WHEN concat IS NULL THEN 0 ELSE 100 END, count + CASE WHEN concat IS NULL THEN 0 ELSE 100 END) AS number`)
  await sql(`INSERT INTO garbage (kind, object_key) VALUES ('object', 'a'), ('temporary', 'a')`)
  const counts = await census.count()
  expect(counts).toMatchObject({
    uploads: { receiving: 3, finalizing: 3, ready: 5, failed: 4, canceled: 0, expired: 0, deleted: 6 },
    // Without parts; their bytes take up room all the same.
    storedFiles: 2 + 3 + 5,
    storedBytes: 1000 * (3 + 3 + 6),
    garbage: 2,
  })
  expect(counts.oldestFinalizingSeconds).toBeGreaterThanOrEqual(90)
  expect(counts.oldestFinalizingSeconds).toBeLessThan(180)
})

test('what is due for long is told, and what is due later is not', async () => {
  await sql(
    `INSERT INTO webhooks (id, owner, url, events, secret, cursor) VALUES ('w', 'o', 'http://x/', '{*}', 's', 0)`,
  )
  const deliver = (id: string, state: string, due: string) =>
    sql(`INSERT INTO webhook_deliveries (id, webhook_id, type, body, state, next_attempt_at)
      VALUES ('${id}', 'w', 't', '{}', '${state}', now() + interval '${due}')`)
  await deliver('later', 'pending', '1 h')
  expect(await census.count()).toMatchObject({ pendingDeliveries: 1, overdueDeliverySeconds: 0 })
  await deliver('due', 'pending', '-60 s')
  await deliver('done', 'delivered', '-600 s')
  const { pendingDeliveries, overdueDeliverySeconds } = await census.count()
  expect(pendingDeliveries).toBe(2)
  expect(overdueDeliverySeconds).toBeGreaterThanOrEqual(60)
  expect(overdueDeliverySeconds).toBeLessThan(120)
})

test('however many there are, no more than the bound is looked at', async () => {
  await sql(
    `INSERT INTO garbage (kind, object_key) SELECT 'object', number::text FROM generate_series(1, ${MOST_COUNTED + 5}) AS number`,
  )
  expect((await census.count()).garbage).toBe(MOST_COUNTED)
})
