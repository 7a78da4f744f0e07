// Deletions that can be undone, and servers that die: on a disk, and on S3 with two of them.

import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import type { Report } from '../../server/uploads/report.js'
import { withConnection } from '../support/database.js'
import { describeS3 } from '../support/s3.js'
import { startServer, type TestServer } from '../support/server.js'
import { until } from '../support/until.js'
import { bytesFrom, expectWhole, storedFiles } from './evidence.js'
import { get, type RawTus, rawTus } from './raw-tus.js'
import { newS3Ground, PART_BYTES, type S3Ground } from './s3-ground.js'

const MIB = 1024 * 1024
const EVERY_SECOND = '* * * * * *'
const ONCE_A_YEAR = '0 0 1 1 *'

/** @returns status and report, or problem */
async function act<T>({ url, key }: TestServer, method: string, target: string): Promise<[number, T]> {
  const answer = await fetch(url + target, { method, headers: { 'X-API-Key': key } })
  return [answer.status, (await answer.json()) as T]
}

async function undone(server: TestServer, id: string, seconds: number): Promise<Report> {
  const [status, report] = await act<Report>(server, 'DELETE', `/uploads/${id}?undo_seconds=${seconds}`)
  expect(status).toBe(200)
  expect(report.restorable_until).not.toBeNull()
  return report
}

async function restored(server: TestServer, id: string): Promise<Report> {
  const [status, report] = await act<Report>(server, 'POST', `/uploads/${id}/restore`)
  expect(status).toBe(200)
  return report
}

const tooLate = async (server: TestServer, id: string) =>
  (await act<{ code: string }>(server, 'POST', `/uploads/${id}/restore`))[1].code

describe('a server that is killed while deletions can be undone', () => {
  let server: TestServer
  let tus: RawTus
  afterEach(() => server.dispose())

  async function start(sweepCron: string): Promise<void> {
    server = await startServer({ env: { SWEEP_CRON: sweepCron, TOMBSTONE_TTL: '1s' } })
    tus = rawTus(server)
  }

  async function query(sql: string): Promise<Record<string, unknown>[]> {
    return withConnection(String(server.databaseUrl), async (client) => (await client.query(sql)).rows)
  }

  async function uploaded(source: Buffer): Promise<string> {
    const id = await tus.create(source.byteLength)
    expect((await tus.patch(id, 0, source))?.status).toBe(204)
    return id
  }

  test('restores after its restart what it could before, ready or half sent', async () => {
    await start(EVERY_SECOND)
    const [whole, half] = [bytesFrom(1, 700_001), bytesFrom(2, 3 * MIB)]
    const ready = await uploaded(whole)
    const { retrieval_url: url } = await tus.report(ready)
    const begun = await tus.create(half.byteLength)
    expect((await tus.patch(begun, 0, half.subarray(0, MIB)))?.status).toBe(204)
    await undone(server, ready, 600)
    await undone(server, begun, 600)
    // Finished long ago, as tombstones count their age: still none of these is one.
    await query(`UPDATE uploads SET finished_at = now() - interval '1 day'`)
    await server.kill()
    await server.restart()
    await until(async () => server.logs().split('swept').length > 4)
    expect((await get(String(url))).status).toBe(410)

    expect(await restored(server, ready)).toMatchObject({ state: 'ready', retrieval_url: url })
    await expectWhole(tus, ready, whole)
    expect(await restored(server, begun)).toMatchObject({ state: 'receiving', offset: MIB })
    expect((await tus.patch(begun, MIB, half.subarray(MIB)))?.status).toBe(204)
    await expectWhole(tus, begun, half)
    expect(await query('SELECT * FROM garbage')).toEqual([])
  })

  test('has its next sweep free what nobody restored in time', async () => {
    await start(EVERY_SECOND)
    const ready = await uploaded(bytesFrom(3, 700_001))
    const begun = await tus.create(1000)
    expect((await tus.patch(begun, 0, Buffer.alloc(10)))?.status).toBe(204)
    await undone(server, ready, 2)
    await undone(server, begun, 2)
    await server.kill()
    expect(await storedFiles(server.dataDir)).toEqual({ tmp: [begun], objects: [ready] })
    await server.restart()
    await until(async () => {
      const { tmp, objects } = await storedFiles(server.dataDir)
      return tmp.length + objects.length === 0
    })
    // Now they are tombstones like others.
    await until(async () => (await query('SELECT id FROM uploads')).length === 0)
    for (const table of ['blobs', 'garbage', 'parts'])
      expect([table, await query(`SELECT * FROM ${table}`)]).toEqual([table, []])
    expect(await query('SELECT bytes::int, files, open_uploads FROM owner_usage')).toEqual([
      { bytes: 0, files: 0, open_uploads: 0 },
    ])
    const told = await query(`SELECT type FROM events WHERE type ~ 'deleted|canceled|restored' ORDER BY id`)
    expect(told.map(({ type }) => type)).toEqual(['upload.deleted.v1', 'upload.canceled.v1'])
  })

  test('stops at once, whatever can still be restored', async () => {
    await start(ONCE_A_YEAR)
    const ready = await uploaded(bytesFrom(4, 1000))
    await undone(server, ready, 600)
    const startedAt = performance.now()
    expect(await server.stop()).toBe(0)
    expect(performance.now() - startedAt).toBeLessThan(3000)
    expect((await storedFiles(server.dataDir)).objects).toEqual([ready])
  })
})

describeS3('two servers on one bucket', () => {
  let ground: S3Ground
  let [a, b]: TestServer[] = []
  let onA: RawTus
  let onB: RawTus

  beforeAll(async () => {
    ground = await newS3Ground()
    a = await ground.startInstance({ SWEEP_CRON: EVERY_SECOND })
    b = await ground.startInstance()
    ;[onA, onB] = [rawTus(a), rawTus(b)]
  })
  afterAll(() => ground.dispose())

  const first = (): TestServer => a as TestServer
  const second = (): TestServer => b as TestServer

  test('what one deletes the other restores, in the middle of its parts, and goes on with', async () => {
    const source = bytesFrom(5, 2 * PART_BYTES + 3 * MIB)
    const id = await onA.create(source.byteLength)
    expect((await onA.patch(id, 0, source.subarray(0, PART_BYTES + 5 * MIB)))?.status).toBe(204)
    const stored = await ground.stored()
    const ledger = await ground.rows('SELECT * FROM parts WHERE upload_id = $1 ORDER BY start_bytes', [id])
    expect(ledger.length).toBeGreaterThan(0)
    await undone(first(), id, 2)
    await restored(second(), id)
    await undone(second(), id, 600)
    // The timer of the first finds nothing due, and neither do its sweeps.
    await until(async () => {
      const [row] = await ground.rows<{ past: boolean }>(
        `SELECT finished_at < now() - interval '4 seconds' AS past FROM uploads WHERE id = $1`,
        [id],
      )
      return row?.past === true
    })
    expect(await ground.stored()).toEqual(stored)
    expect(await restored(first(), id)).toMatchObject({ state: 'receiving', offset: PART_BYTES + 5 * MIB })
    expect(await ground.rows('SELECT * FROM parts WHERE upload_id = $1 ORDER BY start_bytes', [id])).toEqual(
      ledger,
    )
    const offset = await onB.offset(id)
    expect((await onB.patch(id, offset, source.subarray(offset)))?.status).toBe(204)
    await expectWhole(onA, id, source)

    await undone(first(), id, 600)
    expect(await restored(second(), id)).toMatchObject({ state: 'ready' })
    await expectWhole(onB, id, source)
    await ground.expectNothingLeftAfterDeletion(onB, id)
  })

  test('and when the one that deleted dies, the other frees parts and pieces in time, and nothing else', async () => {
    const source = bytesFrom(6, 2 * PART_BYTES)
    const begun = await onB.create(source.byteLength)
    expect((await onB.patch(begun, 0, source.subarray(0, PART_BYTES + MIB)))?.status).toBe(204)
    const [ready, kept] = [await onB.create(MIB), await onB.create(MIB)]
    for (const id of [ready, kept])
      expect((await onB.patch(id, 0, source.subarray(0, MIB)))?.status).toBe(204)
    await undone(second(), begun, 1)
    await undone(second(), ready, 1)
    await second().kill()
    await ground.expectNothingLeft(begun)
    expect(await tooLate(first(), begun)).toBe('GONE')
    expect(await tooLate(first(), ready)).toBe('GONE')
    // The same content is another upload's, too.
    await expectWhole(onA, kept, source.subarray(0, MIB))
    expect((await onA.remove(kept)).status).toBe(204)
    expect(await ground.stored()).toEqual([])
    expect(await ground.rows('SELECT bytes::int, files, open_uploads FROM owner_usage')).toEqual([
      { bytes: 0, files: 0, open_uploads: 0 },
    ])
  })
})
