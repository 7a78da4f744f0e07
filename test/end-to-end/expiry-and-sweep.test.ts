// What ends by itself: uploads past their time, tombstones, interrupted finishing, and bytes that nobody knows.

import { execFile } from 'node:child_process'
import { open, rename, utimes, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { withConnection } from '../support/database.js'
import { startServer, type TestServer } from '../support/server.js'
import { until } from '../support/until.js'
import { bytesFrom, digestsOf, expectWhole, reportWhen, storedFiles, storedSize } from './evidence.js'
import { get, problemCode, type RawTus, rawTus } from './raw-tus.js'

const MIB = 1024 * 1024
const MAIN = fileURLToPath(new URL('../../server/main.js', import.meta.url))
const EVERY_SECOND = '* * * * * *'
const ONCE_A_YEAR = '0 0 1 1 *'

let server: TestServer
let tus: RawTus

async function start(env: Record<string, string>): Promise<void> {
  server = await startServer({ env })
  tus = rawTus(server)
}

async function query(sql: string, values: readonly unknown[] = []): Promise<Record<string, unknown>[]> {
  const url = String(server.databaseUrl)
  return withConnection(url, async (client) => (await client.query(sql, [...values])).rows)
}

async function eventsOf(id: string): Promise<unknown[]> {
  const rows = await query('SELECT type FROM events WHERE upload_id = $1 ORDER BY id', [id])
  return rows.map(({ type }) => type)
}

async function uploaded(source: Buffer): Promise<string> {
  const id = await tus.create(source.byteLength)
  expect((await tus.patch(id, 0, source))?.status).toBe(204)
  return id
}

const putFile = (room: 'tmp' | 'objects', name: string, content: string) =>
  writeFile(path.join(server.dataDir, 'store', room, name), content)

async function age(room: 'tmp' | 'objects', name: string): Promise<void> {
  const longAgo = new Date(Date.now() - 25 * 3600 * 1000)
  await utimes(path.join(server.dataDir, 'store', room, name), longAgo, longAgo)
}

describe('expiry', () => {
  beforeEach(() =>
    start({ UPLOAD_TTL: '4s', SESSION_TTL: '2s', TOMBSTONE_TTL: '2s', SWEEP_CRON: EVERY_SECOND }),
  )
  afterEach(() => server.dispose())

  test('a ready upload ends with its TTL: URL and bytes are gone, the report stays until its tombstone is cleared', async () => {
    const source = bytesFrom(1, 300_000)
    const id = await uploaded(source)
    const { retrieval_url: url, expires_in: secondsLeft } = await expectWhole(tus, id, source)
    expect(secondsLeft).toBeLessThanOrEqual(4)
    await until(async () => (await get(String(url))).status === 410)
    const report = await reportWhen(tus, id, ({ state }) => state === 'expired')
    expect(report).toMatchObject({ retrieval_url: null, file_id: null, expires_in: 0 })
    await until(async () => (await storedFiles(server.dataDir)).objects.length === 0)
    const head = await tus.head(id)
    expect(head.status).toBe(410)
    const late = await tus.remove(id)
    expect([late.status, problemCode(late)]).toEqual([410, 'GONE'])
    expect(await eventsOf(id)).toEqual([
      'upload.created.v1',
      'upload.finalizing.v1',
      'upload.ready.v1',
      'upload.expired.v1',
    ])
    expect(await query('SELECT * FROM blobs')).toEqual([])
    expect(await query('SELECT * FROM garbage')).toEqual([])

    await until(async () => (await tus.head(id)).status === 404)
    expect(await query('SELECT id FROM uploads')).toEqual([])
    expect(await eventsOf(id)).toHaveLength(4)
  })

  test('an unfinished upload ends when nothing came for SESSION_TTL, and each PATCH gives it more time', async () => {
    const id = await tus.create(1000)
    const first = Date.parse(String((await tus.report(id)).expires_at))
    expect((await tus.patch(id, 0, Buffer.alloc(400)))?.status).toBe(204)
    expect(Date.parse(String((await tus.report(id)).expires_at))).toBeGreaterThan(first)
    await reportWhen(tus, id, ({ state }) => state === 'expired')
    await until(async () => (await storedSize(server.dataDir, id)) === undefined)
    const late = await tus.patch(id, 400, Buffer.alloc(600))
    expect([late?.status, problemCode(late)]).toEqual([410, 'GONE'])
    expect(await eventsOf(id)).toEqual(['upload.created.v1', 'upload.expired.v1'])
  })
})

describe('the sweep', () => {
  afterEach(() => server.dispose())

  test('finishes an upload that a crash left finalizing, from either room, with or without its digests', async () => {
    await start({ SWEEP_CRON: EVERY_SECOND })
    for (const room of ['tmp', 'objects']) {
      for (const hasDigests of [true, false]) {
        const source = bytesFrom(room.length * 2 + Number(hasDigests), 2 * MIB + 1)
        const id = await leftFinalizing(source, room, hasDigests)
        await expectWhole(tus, id, source)
        const { tmp, objects } = await storedFiles(server.dataDir)
        expect([tmp, objects.includes(id)]).toEqual([[], true])
        expect((await eventsOf(id)).at(-1)).toBe('upload.ready.v1')
      }
    }
  })

  test('says failed, and why, when the bytes of an upload that has to be finished are gone', async () => {
    await start({ SWEEP_CRON: EVERY_SECOND })
    const source = bytesFrom(3, MIB)
    const id = await tus.create(source.byteLength)
    expect((await tus.patch(id, 0, source.subarray(1)))?.status).toBe(204)
    await query("UPDATE uploads SET state = 'finalizing', offset_bytes = size_bytes WHERE id = $1", [id])
    const report = await reportWhen(tus, id, ({ state }) => state === 'failed')
    expect(report.error?.detail).toContain('Upload the file again')
    expect((await tus.head(id)).status).toBe(410)
    expect(await storedSize(server.dataDir, id)).toBeUndefined()
  })

  test('finishing that was stopped before its commit goes on after a kill -9 and a restart', async () => {
    await start({ SWEEP_CRON: ONCE_A_YEAR })
    const source = bytesFrom(4, MIB)
    const id = await tus.create(source.byteLength)
    await withConnection(String(server.databaseUrl), async (client) => {
      // Nobody can refer to a blob now: the upload waits in finalizing, its bytes already an object.
      await client.query('BEGIN')
      await client.query('LOCK TABLE blobs IN ACCESS EXCLUSIVE MODE')
      const patch = tus.startPatch(id, 0, source.byteLength)
      await patch.write(source)
      patch.end()
      await until(async () => (await storedFiles(server.dataDir)).objects.includes(id))
      expect((await tus.report(id)).state).toBe('finalizing')
      await server.kill()
      expect(await patch.answer).toBeNull()
      // As a database does to the connections of a client that it finds dead.
      await query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'`)
      await client.query('ROLLBACK')
    })
    await server.restart()
    await expectWhole(tus, id, source)
    expect((await storedFiles(server.dataDir)).tmp).toEqual([])
  })

  test('deletes what no record knows once it is a day old, and nothing else; a dry run only says so', async () => {
    await start({ SWEEP_CRON: ONCE_A_YEAR })
    const source = bytesFrom(5, 200_000)
    const kept = await uploaded(source)
    const unfinished = await tus.create(1000)
    expect((await tus.patch(unfinished, 0, Buffer.alloc(10)))?.status).toBe(204)
    await age('objects', kept)
    await age('tmp', unfinished)
    const strayKey = (name: string) => name.repeat(20)
    const [oldTemporary, oldObject] = [strayKey('a1'), strayKey('b2')]
    const [freshTemporary, freshObject] = [strayKey('c3'), strayKey('d4')]
    await putFile('tmp', oldTemporary, 'old')
    await putFile('objects', oldObject, 'old too')
    await age('tmp', oldTemporary)
    await age('objects', oldObject)
    await putFile('tmp', freshTemporary, 'fresh')
    await putFile('objects', freshObject, 'fresh too')
    const before = await storedFiles(server.dataDir)

    const wouldDo = await sweepCommand('--dry-run')
    expect(wouldDo).toContain(`delete temporary ${oldTemporary} (3 bytes), which no record knows`)
    expect(wouldDo).toContain(`delete object ${oldObject} (7 bytes), which no record knows`)
    expect(wouldDo).toMatch(
      /Would do: 0 expired, 0 packages expired, 0 finished, 0 purged, 0 tombstones cleared, 0 parts of what is whole deleted, 0 discarded deleted, 2 strays/,
    )
    expect(await storedFiles(server.dataDir)).toEqual(before)

    expect(await sweepCommand()).toMatch(/Done: .* 2 strays deleted/)
    const { tmp, objects } = await storedFiles(server.dataDir)
    expect(tmp.sort()).toEqual([unfinished, freshTemporary].sort())
    expect(objects.sort()).toEqual([kept, freshObject].sort())
    await expectWhole(tus, kept, source)
    expect(await tus.offset(unfinished)).toBe(10)
  })

  test('as a command tells what has expired before it ends it', async () => {
    await start({ SWEEP_CRON: ONCE_A_YEAR })
    const ready = await uploaded(bytesFrom(6, 200_000))
    await query("UPDATE uploads SET expires_at = now() - interval '1 second'")
    expect(await sweepCommand('--dry-run')).toContain(`expire upload ${ready} (ready`)
    expect((await query('SELECT state FROM uploads'))[0]).toEqual({ state: 'ready' })
    expect(await storedSize(server.dataDir, ready)).toBe(200_000)
    expect(await sweepCommand()).toMatch(/Done: 1 expired/)
    expect((await query('SELECT state FROM uploads'))[0]).toEqual({ state: 'expired' })
    expect(await storedSize(server.dataDir, ready)).toBeUndefined()
  })

  test('the same content twice is one object, deleted with its last reference, whether by its owner or by time', async () => {
    await start({ SWEEP_CRON: EVERY_SECOND })
    const source = bytesFrom(7, 400_000)
    const [first, second, third] = [await uploaded(source), await uploaded(source), await uploaded(source)]
    expect((await storedFiles(server.dataDir)).objects).toEqual([first])
    expect((await tus.remove(first)).status).toBe(204)
    await expectWhole(tus, second, source)
    await query("UPDATE uploads SET expires_at = now() - interval '1 second' WHERE id = $1", [second])
    await reportWhen(tus, second, ({ state }) => state === 'expired')
    await expectWhole(tus, third, source)
    expect((await storedFiles(server.dataDir)).objects).toEqual([first])
    expect((await tus.remove(third)).status).toBe(204)
    expect(await storedFiles(server.dataDir)).toEqual({ tmp: [], objects: [] })
    expect(await query('SELECT * FROM blobs')).toEqual([])
  })
})

/** An upload as a crash in the middle of finishing leaves it: every byte there, in one of the rooms. */
async function leftFinalizing(source: Buffer, room: string, hasDigests: boolean): Promise<string> {
  const id = await tus.create(source.byteLength)
  expect((await tus.patch(id, 0, source.subarray(0, -1)))?.status).toBe(204)
  const temporary = path.join(server.dataDir, 'store/tmp', id)
  const file = await open(temporary, 'r+')
  await file.write(source.subarray(-1), 0, 1, source.byteLength - 1)
  await file.close()
  if (room === 'objects') await rename(temporary, path.join(server.dataDir, 'store/objects', id))
  const { md5, sha1, sha256 } = digestsOf(source)
  const digests = hasDigests ? [md5, sha1, sha256] : [null, null, null]
  await query(
    `UPDATE uploads SET state = 'finalizing', offset_bytes = size_bytes, digest_state = NULL,
       md5 = $2, sha1 = $3, sha256 = $4 WHERE id = $1`,
    [id, ...digests],
  )
  return id
}

/** `npm run sweep` beside the running server. @returns what it printed */
async function sweepCommand(...argv: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [MAIN, 'sweep', ...argv], {
    cwd: path.dirname(server.dataDir),
    env: { PATH: process.env.PATH, DATA_DIR: server.dataDir, DATABASE_URL: server.databaseUrl },
  })
  return stdout
}
