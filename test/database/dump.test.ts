// The database as a file, and back: every row as it was, whole or not at all.

import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { openDatabase } from '../../server/database/client.js'
import { dumpDatabase } from '../../server/database/dump.js'
import { migrateDatabase, readMigrationNames } from '../../server/database/migrate.js'
import { restoreDatabase } from '../../server/database/restore.js'
import { EventOrder } from '../../server/events/order.js'
import { createTestDatabase, type TestDatabase, withConnection } from '../support/database.js'

let folder: string
let file: string
let source: TestDatabase
let target: TestDatabase

beforeEach(async () => {
  ;[folder, source, target] = await Promise.all([
    mkdtemp(path.join(tmpdir(), 'antipasto-dump-')),
    createTestDatabase(),
    createTestDatabase({ isEmpty: true }),
  ])
  file = path.join(folder, 'antipasto.dump')
})
afterEach(async () => {
  await Promise.all([source.drop(), target.drop(), rm(folder, { recursive: true })])
})

const rowsOf = (database: TestDatabase, sql: string) =>
  withConnection(database.databaseUrl, async (client) => (await client.query(sql)).rows)

/** Every row of every table, as text. */
async function everything(database: TestDatabase): Promise<Record<string, string[]>> {
  return withConnection(database.databaseUrl, async (client) => {
    const { rows: tables } = await client.query<{ name: string }>(
      `SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' AND tablename <> '_prisma_migrations'`,
    )
    const found: Record<string, string[]> = {}
    for (const { name } of tables) {
      const { rows } = await client.query<{ line: string }>(
        `SELECT dumped::text AS line FROM "${name}" AS dumped`,
      )
      found[name] = rows.map(({ line }) => line).sort()
    }
    return found
  })
}

/** A few rows of every table, with what is hard to write down. */
async function fill(databaseUrl: string): Promise<void> {
  await withConnection(databaseUrl, async (client) => {
    await client.query(`
      INSERT INTO packages (id, owner, name, retention_class, metadata, expires_at, label)
        VALUES ('p', 'somebody', E'Müggelsee "5"\\n\\\\ \\t', 'permanent', '{"big": 12345678901234567890, "n": null}',
          '9999-12-31T23:59:59Z', '');
      INSERT INTO uploads (id, owner, state, filename, size_bytes, offset_bytes, digest_state, sha256, warnings, keep_until,
          expires_at, package_id, package_path, lease_epoch)
        SELECT 'u' || n, 'owner ' || n % 3, 'ready', E'\\u0001 ', 9007199254740993 + n, 9007199254740993 + n,
          decode('00ff5c0a', 'hex'), 'sha ' || n, ARRAY['a, "b"', '', '{}'], '2026-01-01T00:00:00.123+05:30', now(), 'p',
          'path/' || n, n FROM generate_series(1, 2500) AS n;
      INSERT INTO uploads (id, owner, state, keep_until, expires_at, multipart_id)
        VALUES ('half', 'somebody', 'receiving', now(), now(), 'm');
      INSERT INTO parts VALUES ('half', 0, 5, 'part', '1', '"etag"');
      INSERT INTO concat_sources VALUES ('half', 0, 'u1');
      INSERT INTO blobs (sha256, object_key, size_bytes) VALUES ('sha 1', 'u1', 1);
      INSERT INTO garbage (kind, object_key) VALUES ('temporary', 'gone');
      INSERT INTO retention_extensions (package_id, "by", reason, old_expires_at, new_expires_at)
        VALUES ('p', 'somebody', 'why', now(), now());
      INSERT INTO package_shares (package_id, grantee, may_write) VALUES ('p', 'group', true);
      INSERT INTO webhooks (id, owner, url, events, secret, cursor) VALUES ('w', 'somebody', 'https://a', '{*}', 's', 1);
      INSERT INTO webhook_deliveries (id, webhook_id, type, body) VALUES ('d', 'w', 'ping', '{"a": "b"}');
      INSERT INTO api_keys (id, name, prefix, hash, owner, scopes) VALUES ('k', 'k', 'k', 'h', 'somebody', '{read}');
      INSERT INTO rate_limits VALUES ('r', 1, NULL);
      INSERT INTO events (type, owner, data) VALUES ('first', 'somebody', '[1, {"x": "#"}]'), ('second', 'somebody', '{}')`)
  })
  const database = await openDatabase(databaseUrl)
  await new EventOrder(database.prisma).give()
  await database.close()
}

describe('a dump', () => {
  test('restored, is every row of every table as it was, counted once', async () => {
    await fill(source.databaseUrl)
    const count = await dumpDatabase(source.databaseUrl, file, '1.2.3')
    expect(await restoreDatabase(target.databaseUrl, file)).toBe(count)
    const before = await everything(source)
    expect(await everything(target)).toEqual(before)
    expect(Object.values(before).filter((rows) => rows.length === 0)).toEqual([])
    expect(Object.values(before).flat()).toHaveLength(count)
    expect((await stat(file)).mode & 0o777).toBe(0o600)
    expect(await readdir(folder)).toEqual(['antipasto.dump'])
  })

  test('is of one moment, whatever is written meanwhile', async () => {
    let isOver = false
    const writing = withConnection(source.databaseUrl, async (client) => {
      for (let round = 0; !isOver; round += 1) {
        await client.query(
          `WITH added AS (
            INSERT INTO uploads (id, owner, state, size_bytes, keep_until, expires_at)
            VALUES ($1, 'somebody', 'receiving', 10, now(), now()) RETURNING id
          ) INSERT INTO events (type, owner, upload_id) SELECT 'upload.created.v1', 'somebody', id FROM added`,
          [`u${round}`],
        )
      }
    })
    try {
      await dumpDatabase(source.databaseUrl, file, '1.2.3')
    } finally {
      isOver = true
      await writing
    }
    await restoreDatabase(target.databaseUrl, file)
    const [counts] = await rowsOf(
      target,
      `SELECT (SELECT count(*)::int FROM uploads) AS uploads, (SELECT count(*)::int FROM events) AS events,
         COALESCE((SELECT open_uploads FROM owner_usage), 0) AS used`,
    )
    expect(counts.events).toBe(counts.uploads)
    expect(counts.used).toBe(counts.uploads)
  })

  test('holds no upload that a request held when it was dumped: that one does not write here', async () => {
    await fill(source.databaseUrl)
    await rowsOf(
      source,
      `UPDATE uploads SET lease_holder = 'a', lease_epoch = 7, lease_until = now() + '10 s' WHERE id = 'half'`,
    )
    await dumpDatabase(source.databaseUrl, file, '1.2.3')
    await restoreDatabase(target.databaseUrl, file)
    const held =
      'SELECT id, lease_epoch::int AS epoch, lease_holder, lease_until FROM uploads WHERE lease_epoch = 7'
    expect((await rowsOf(target, held)).filter(({ id }) => id === 'half')).toEqual([
      { id: 'half', epoch: 7, lease_holder: null, lease_until: null },
    ])
  })

  test('goes on behind every number that a reader of events may have seen since', async () => {
    await fill(source.databaseUrl)
    await dumpDatabase(source.databaseUrl, file, '1.2.3')
    await restoreDatabase(target.databaseUrl, file)
    // Usage is counted again by the trigger, too.
    await rowsOf(
      target,
      `INSERT INTO uploads (id, owner, state, size_bytes, keep_until, expires_at) VALUES ('new', 'newcomer', 'receiving', 3, now(), now())`,
    )
    expect(await rowsOf(target, `SELECT bytes::int FROM owner_usage WHERE owner = 'newcomer'`)).toEqual([
      { bytes: 3 },
    ])
    await rowsOf(target, `INSERT INTO events (type, owner) VALUES ('third', 'somebody')`)
    const database = await openDatabase(target.databaseUrl)
    const order = new EventOrder(database.prisma)
    await order.give()
    await database.close()
    const events = await rowsOf(target, 'SELECT type, sequence::int FROM events ORDER BY sequence')
    expect(events.map(({ type }) => type)).toEqual(['first', 'second', 'third'])
    expect(events[2].sequence - events[1].sequence).toBeGreaterThan(1_000_000)
  })

  test('of an older version is brought to this one, as a database would have been', async () => {
    const older = await createTestDatabase({ isEmpty: true })
    const [first, second] = await readMigrationNames()
    await migrateDatabase(older.databaseUrl, undefined, (name) => name === first || name === second)
    await rowsOf(
      older,
      `INSERT INTO uploads (id, owner, state, expires_at) VALUES ('old', 'somebody', 'ready', now())`,
    )
    await dumpDatabase(older.databaseUrl, file, '0.1.0')
    await restoreDatabase(target.databaseUrl, file)
    await migrateDatabase(older.databaseUrl)
    expect(await everything(target)).toEqual(await everything(older))
    expect(await rowsOf(target, 'SELECT finish::text, expires_at = keep_until AS kept FROM uploads')).toEqual(
      [{ finish: 'auto', kept: true }],
    )
    await older.drop()
  })
})

describe('what can be neither dumped nor restored is refused', () => {
  const restored = () => restoreDatabase(target.databaseUrl, file)

  test('a database that is not ours, a folder that is not there', async () => {
    await expect(dumpDatabase(target.databaseUrl, file, '1')).rejects.toMatchObject({ code: 'CONFLICT' })
    const nowhere = path.join(folder, 'nowhere', 'antipasto.dump')
    await expect(dumpDatabase(source.databaseUrl, nowhere, '1')).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      detail: expect.stringContaining('ENOENT'),
    })
    expect(await readdir(folder)).toEqual([])
  })

  test('a database that has rows: nothing of it is changed', async () => {
    await fill(source.databaseUrl)
    await dumpDatabase(source.databaseUrl, file, '1')
    const before = await everything(source)
    await expect(restoreDatabase(source.databaseUrl, file)).rejects.toMatchObject({
      code: 'CONFLICT',
      detail: expect.stringContaining('not empty'),
    })
    expect(await everything(source)).toEqual(before)
  })

  test('a file that is cut off, spoilt or not one of ours; the whole one can be restored after that', async () => {
    await fill(source.databaseUrl)
    await dumpDatabase(source.databaseUrl, file, '1')
    const whole = await readFile(file)
    const lines = gunzipSync(whole).toString().split('\n')
    const spoilt = Buffer.from(whole)
    spoilt.fill(0, whole.length >> 1, (whole.length >> 1) + 64)
    for (const bytes of [
      whole.subarray(0, whole.length >> 1),
      spoilt,
      gzipSync(lines.slice(0, -2).join('\n')),
      gzipSync(lines.filter((line) => !line.includes('"id":"u7"')).join('\n')),
      gzipSync('{"id": 1}\n'),
      gzipSync(''),
      Buffer.from('PGDMP'),
    ]) {
      await writeFile(file, bytes)
      await expect(restored()).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    }
    await rm(file)
    await expect(restored()).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    await writeFile(file, whole)
    await restored()
    expect(await everything(target)).toEqual(await everything(source))
  })

  test('a file of a newer version', async () => {
    await rowsOf(
      source,
      `INSERT INTO _prisma_migrations (id, checksum, finished_at, migration_name)
      VALUES ('x', 'x', now(), '29990101000000_later')`,
    )
    await dumpDatabase(source.databaseUrl, file, '9.0.0')
    await expect(restored()).rejects.toMatchObject({
      code: 'CONFLICT',
      detail: expect.stringContaining('antipasto 9.0.0'),
    })
  })
})
