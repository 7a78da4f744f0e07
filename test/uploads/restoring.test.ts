// Deletions that can be undone, through the real server: what is true at once, what comes back, and what is left in the end.

import { rm } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import type { Report } from '../../server/uploads/report.js'
import { type Answer, ask } from '../dialects/exchange.js'
import { expectProblem } from '../dialects/problem-of.js'
import {
  checksumsOf,
  eventsOf,
  expectSameBytes,
  pathOf,
  rowsOf,
  someBytes,
  stored,
  TusClient,
} from '../dialects/tus-client.js'
import { rawTus } from '../end-to-end/raw-tus.js'
import { startServer, type TestServer } from '../support/server.js'
import { until } from '../support/until.js'

let server: TestServer
let tus: TusClient

beforeAll(async () => {
  server = await startServer()
  tus = new TusClient(server)
})
afterAll(() => server.dispose())
beforeEach(() => clear())

async function clear(): Promise<void> {
  for (const room of ['tmp', 'objects'] as const) {
    for (const name of (await stored(server))[room])
      await rm(path.join(server.dataDir, 'store', room, name), { force: true })
  }
  await rowsOf(
    server,
    'TRUNCATE packages, parts, uploads, concat_sources, events, blobs, garbage, owner_usage CASCADE',
  )
}

const plain = { 'Tus-Resumable': undefined }

function send(method: string, target: string, body?: unknown): Promise<Answer> {
  const headers = body === undefined ? plain : { ...plain, 'Content-Type': 'application/json' }
  return tus.send(method, target, headers, body === undefined ? undefined : Buffer.from(JSON.stringify(body)))
}

function reportIn(answer: Answer): Report {
  expect([answer.status, answer.body.toString().slice(0, 300)]).toEqual([200, expect.any(String)])
  return JSON.parse(answer.body.toString())
}

const remove = (id: string, seconds: number | string) =>
  send('DELETE', `/uploads/${id}?undo_seconds=${seconds}`)
const restore = (id: string) => send('POST', `/uploads/${id}/restore`)
const received = (id: string) => send('GET', `/uploads/${id}/received`)
const undone = async (id: string, seconds = 600) => reportIn(await remove(id, seconds))

/** All of a report but what is counted down. */
function lasting({ expires_in, ...rest }: Report) {
  return rest
}

async function listed(query = ''): Promise<string[]> {
  const page = JSON.parse((await send('GET', `/uploads${query}`)).body.toString()) as { items: Report[] }
  return page.items.map(({ id }) => id)
}

async function usage() {
  const [row] = await rowsOf(server, 'SELECT bytes::int, files, open_uploads FROM owner_usage')
  return row ?? { bytes: 0, files: 0, open_uploads: 0 }
}

/** What an upload has in the database but its report, and what the store has at all. */
async function leftOf(id: string) {
  const [row] = await rowsOf<{ digest_state: Buffer | null }>(
    server,
    'SELECT digest_state, restore_state, restore_path FROM uploads WHERE id = $1',
    [id],
  )
  return {
    row,
    ...(await stored(server)),
    parts: await rowsOf(server, 'SELECT * FROM parts WHERE upload_id = $1', [id]),
    blobs: await rowsOf(server, 'SELECT sha256 FROM blobs'),
    garbage: await rowsOf(server, 'SELECT * FROM garbage'),
    usage: await usage(),
  }
}

const NOTHING = {
  row: { digest_state: null, restore_state: null, restore_path: null },
  ...{ tmp: [], objects: [], parts: [], blobs: [], garbage: [] },
  usage: { bytes: 0, files: 0, open_uploads: 0 },
}

async function expectNothingLeft(id: string): Promise<void> {
  expect(await leftOf(id)).toEqual(NOTHING)
}

const bytes = someBytes(300_000)

describe('what is deleted so that it can be restored', () => {
  test('was ready: is gone for everybody at once, and comes back as it was, with the same URL', async () => {
    const before = await tus.put(bytes, { filename: 'lake.csv', label: 'lakes', relativePath: 'a/lake.csv' })
    const { id } = before
    const usedBefore = await usage()
    const askedAt = Date.now()
    const deleted = await undone(id, 300)
    expect(deleted).toMatchObject({ state: 'deleted', retrieval_url: null, file_id: null, expires_in: 0 })
    const until = Date.parse(String(deleted.restorable_until))
    expect(Math.abs(until - askedAt - 300_000)).toBeLessThan(5000)

    expectProblem(await ask(server.url, { method: 'GET', path: pathOf(before.retrieval_url) }), 410, 'GONE')
    expect((await tus.head(id)).status).toBe(410)
    expectProblem(await tus.patch(id, 0, bytes), 410, 'GONE')
    expectProblem(await received(id), 410, 'GONE')
    expectProblem(await send('GET', `/uploads/${id}/eml`), 410, 'GONE')
    expectProblem(await send('POST', `/uploads/${id}/retrieval-url`), 410, 'GONE')
    expectProblem(await send('GET', `/files/${before.file_id}`), 404, 'NOT_FOUND')
    expect(lasting(await tus.report(id))).toEqual(lasting(deleted))
    expect(await listed()).toEqual([])
    expect(await listed('?state=deleted,canceled')).toEqual([id])
    const aPackage = JSON.parse((await send('GET', `/packages/${before.package_id}`)).body.toString())
    expect(aPackage.counts).toMatchObject({ total: 0 })
    expect(await usage()).toEqual(usedBefore)
    expect((await stored(server)).objects).toEqual([id])

    const after = reportIn(await restore(id))
    expect(lasting(after)).toEqual(lasting(before))
    expect(lasting(await tus.report(id))).toEqual(lasting(before))
    expectSameBytes(await tus.retrieve(before), bytes)
    expect((await eventsOf(server, id)).slice(-3)).toEqual([
      'upload.ready.v1',
      'upload.deleted.v1',
      'upload.restored.v1',
    ])
    const [told] = await rowsOf<{ data: object; package_id: string }>(
      server,
      `SELECT data, package_id FROM events WHERE upload_id = $1 AND type = 'upload.restored.v1'`,
      [id],
    )
    expect(told).toMatchObject({
      package_id: before.package_id,
      data: { state: 'ready', relative_path: 'a/lake.csv', by: { key_id: null } },
    })
    expect(await usage()).toEqual(usedBefore)
    expect(await leftOf(id)).toMatchObject({ row: NOTHING.row, garbage: [] })
  })

  test('was receiving: goes on where it was, and its digests are right', async () => {
    const id = await tus.begin(bytes.byteLength, { filename: 'half.csv', label: 'lakes' })
    expect((await tus.patch(id, 0, bytes.subarray(0, 100_000))).status).toBe(204)
    const before = await tus.report(id)
    const sent = await received(id)
    const canceled = await undone(id)
    expect(canceled).toMatchObject({ state: 'canceled', offset: 100_000 })
    expect(canceled.finished_at).not.toBeNull()
    expect((await tus.head(id)).status).toBe(410)
    expectProblem(await tus.patch(id, 100_000, bytes.subarray(100_000)), 410, 'GONE')
    expectProblem(await send('POST', `/uploads/${id}/complete`), 410, 'GONE')
    expect(await usage()).toEqual({ bytes: bytes.byteLength, files: 1, open_uploads: 1 })

    expect(lasting(reportIn(await restore(id)))).toEqual(lasting(before))
    expect((await received(id)).body).toEqual(sent.body)
    expect((await tus.head(id)).headers['upload-offset']).toBe('100000')
    expect((await tus.patch(id, 100_000, bytes.subarray(100_000))).status).toBe(204)
    const ready = await tus.report(id)
    expect(ready).toMatchObject({
      state: 'ready',
      checksums: checksumsOf(bytes),
      package_id: before.package_id,
    })
    expectSameBytes(await tus.retrieve(ready), bytes)
    expect(await eventsOf(server, id)).toEqual([
      'upload.created.v1',
      'upload.canceled.v1',
      'upload.restored.v1',
      'upload.finalizing.v1',
      'upload.ready.v1',
    ])
  })

  test('while it is being written: its writer is stopped, and what it had acknowledged is there again', async () => {
    const raw = rawTus(server)
    const id = await raw.create(10_000_000)
    expect((await raw.patch(id, 0, someBytes(1000)))?.status).toBe(204)
    const running = raw.startPatch(id, 1000, 9_999_000)
    await running.write(someBytes(500_000))
    await until(
      async () => (await rowsOf(server, 'SELECT 1 FROM uploads WHERE lease_holder IS NOT NULL')).length > 0,
    )
    expect(await undone(id)).toMatchObject({ state: 'canceled', offset: 1000 })
    const stopped = await running.answer
    expect([423, undefined]).toContain(stopped?.status)
    expect(reportIn(await restore(id))).toMatchObject({ state: 'receiving', offset: 1000 })
    expect(await raw.offset(id)).toBe(1000)
    expect(JSON.parse((await received(id)).body.toString())).toEqual({
      offset: 1000,
      checksums: checksumsOf(someBytes(1000)),
    })
  })

  test('again: answers the same, and gives no more time', async () => {
    const { id } = await tus.put(bytes)
    const first = await undone(id, 60)
    const second = await undone(id, 600)
    expect(lasting(second)).toEqual(lasting(first))
    expect((await eventsOf(server, id)).filter((type) => type === 'upload.deleted.v1')).toHaveLength(1)
  })

  test('is freed by itself when its time is over: nothing is left but its report, which says so', async () => {
    const ready = await tus.put(bytes)
    await undone(ready.id, 1)
    await until(async () => (await stored(server)).objects.length === 0)
    await expectNothingLeft(ready.id)
    expect(await tus.report(ready.id)).toMatchObject({ state: 'deleted', restorable_until: null })
    expectProblem(await restore(ready.id), 410, 'GONE')
    expectProblem(await remove(ready.id, 60), 410, 'GONE')
    expectProblem(await tus.remove(ready.id), 410, 'GONE')

    await clear()
    const id = await tus.begin(1000)
    expect((await tus.patch(id, 0, someBytes(10))).status).toBe(204)
    await undone(id, 1)
    await until(async () => (await stored(server)).tmp.length === 0)
    await expectNothingLeft(id)
    expectProblem(await restore(id), 410, 'GONE')
    expect((await eventsOf(server, id)).at(-1)).toBe('upload.canceled.v1')
  })

  test('is deleted for good by a DELETE without undo_seconds, at once', async () => {
    const { id } = await tus.put(bytes)
    await undone(id)
    expect((await tus.remove(id)).status).toBe(204)
    await expectNothingLeft(id)
    const answer = await restore(id)
    expectProblem(answer, 409, 'CONFLICT')
    expect(answer.body.toString()).toContain('for good')
    expectProblem(await tus.remove(id), 410, 'GONE')
    expect((await eventsOf(server, id)).filter((type) => type === 'upload.deleted.v1')).toHaveLength(1)

    await clear()
    const begun = await tus.begin(1000)
    expect((await tus.patch(begun, 0, someBytes(10))).status).toBe(204)
    await undone(begun)
    expect((await tus.remove(begun)).status).toBe(204)
    await expectNothingLeft(begun)
  })

  test('keeps the bytes that another upload has too, and keeps its own when that one goes', async () => {
    const mine = await tus.put(bytes)
    const other = await tus.put(bytes)
    await undone(mine.id)
    expect((await tus.remove(other.id)).status).toBe(204)
    expectProblem(await send('DELETE', `/files/${mine.file_id}`), 404, 'NOT_FOUND')
    expect((await stored(server)).objects).toHaveLength(1)
    reportIn(await restore(mine.id))
    expectSameBytes(await tus.retrieve(mine), bytes)

    // The same content sent while it can be restored is one blob with it.
    await undone(mine.id)
    const third = await tus.put(bytes)
    expect((await stored(server)).objects).toHaveLength(1)
    expect((await tus.remove(mine.id)).status).toBe(204)
    expectSameBytes(await tus.retrieve(third), bytes)
    expect((await tus.remove(third.id)).status).toBe(204)
    await expectNothingLeft(mine.id)
  })

  test('is never kept past its own end', async () => {
    const { id } = await tus.put(bytes)
    await rowsOf(server, `UPDATE uploads SET expires_at = now() + interval '20 seconds' WHERE id = $1`, [id])
    const { restorable_until: until, expires_at: end } = await undone(id)
    expect(until).toBe(end)
    const late = await tus.put(bytes)
    await rowsOf(server, `UPDATE uploads SET expires_at = now() WHERE id = $1`, [late.id])
    expectProblem(await remove(late.id, 60), 410, 'GONE')
  })

  test('at once from many: one deletion, one restoration, whoever comes first', async () => {
    const { id } = await tus.put(bytes)
    const reports = (await Promise.all([1, 2, 3, 4, 5].map(() => remove(id, 60)))).map(reportIn)
    expect(new Set(reports.map(({ restorable_until: until }) => until)).size).toBe(1)
    const restored = (await Promise.all([1, 2, 3, 4, 5].map(() => restore(id)))).map(reportIn)
    expect(new Set(restored.map(({ state }) => state))).toEqual(new Set(['ready']))
    expect((await eventsOf(server, id)).slice(-2)).toEqual(['upload.deleted.v1', 'upload.restored.v1'])
  })

  test('and at the same moment restored and deleted for good, it is gone', async () => {
    for (let round = 0; round < 10; round += 1) {
      const { id } = await tus.put(bytes)
      await undone(id)
      const [back, gone] = await Promise.all([restore(id), tus.remove(id)])
      // Whichever came first.
      expect([200, 409]).toContain(back.status)
      expect(gone.status).toBe(204)
      expect((await tus.report(id)).state).toBe('deleted')
      await expectNothingLeft(id)
    }
  })
})

describe('what can’t be kept', () => {
  test('while it is being finished is refused, and says what else there is', async () => {
    const { id } = await tus.put(bytes)
    await rowsOf(
      server,
      `UPDATE uploads SET state = 'finalizing', lease_holder = 'another', lease_until = now() + interval '1 minute' WHERE id = $1`,
      [id],
    )
    const answer = await remove(id, 60)
    expectProblem(answer, 409, 'CONFLICT')
    expect(answer.body.toString()).toContain('Ask again in a moment')
    // As it is being finished it isn't deleted either: to restore it changes nothing.
    expect(reportIn(await restore(id)).state).toBe('finalizing')
    expect((await tus.remove(id)).status).toBe(204)
  })

  test('a file that one request is bringing is canceled for good, and the report says so', async () => {
    const raw = rawTus(server)
    const id = await raw.create(1000)
    await rowsOf(server, `UPDATE uploads SET finish = 'once' WHERE id = $1`, [id])
    expect(await undone(id)).toMatchObject({ state: 'canceled', restorable_until: null })
    await expectNothingLeft(id)
    expectProblem(await restore(id), 409, 'CONFLICT')
  })

  test('a failed upload is deleted for good; not deleted, it is not restored either', async () => {
    const answer = await tus.create({
      sizeBytes: 3,
      metadata: { sha256: '0'.repeat(64) },
      body: Buffer.from('abc'),
    })
    expect(answer.status).toBe(422)
    const [id] = await listed('?state=failed')
    expect(reportIn(await restore(String(id))).state).toBe('failed')
    expect(await undone(String(id))).toMatchObject({ state: 'deleted', restorable_until: null })
    await expectNothingLeft(String(id))
  })

  test('a part of a concatenation is refused, and stays', async () => {
    const answer = await tus.create({
      sizeBytes: 3,
      body: Buffer.from('abc'),
      headers: { 'Upload-Concat': 'partial' },
    })
    const id = String(answer.headers.location).split('/').at(-1) ?? ''
    expectProblem(await remove(id, 60), 400, 'INVALID_INPUT')
    expect((await tus.head(id)).status).toBe(200)
  })

  test.each(['0', '601', '-1', '1.5', 'ten', '', '1e2', '5&undo_seconds=6', '5&x=1', '9'.repeat(20)])(
    'undo_seconds=%s is refused, and nothing is deleted',
    async (seconds) => {
      const { id } = await tus.put(bytes)
      expectProblem(await remove(id, seconds), 400, 'INVALID_INPUT')
      expect((await tus.report(id)).state).toBe('ready')
    },
  )

  test('a mistyped name deletes nothing', async () => {
    const { id } = await tus.put(bytes)
    expectProblem(await send('DELETE', `/uploads/${id}?undo_second=60`), 400, 'INVALID_INPUT')
    expect((await tus.report(id)).state).toBe('ready')
  })

  test('what is not there is not found, also where a DELETE of it would be well', async () => {
    const lenient = await startServer({ env: { DELETE_STRICT_404: 'false' } })
    try {
      const nobody = 'f'.repeat(40)
      const client = new TusClient(lenient)
      expect((await client.remove(nobody)).status).toBe(204)
      for (const [method, target] of [
        ['DELETE', `/uploads/${nobody}?undo_seconds=5`],
        ['POST', `/uploads/${nobody}/restore`],
        ['GET', `/uploads/${nobody}/received`],
      ] as const)
        expectProblem(await client.send(method, target, plain), 404, 'NOT_FOUND')
    } finally {
      await lenient.dispose()
    }
  })
})

describe('in a package', () => {
  async function aPackage(): Promise<string> {
    return JSON.parse((await send('POST', '/packages', { name: 'p' })).body.toString()).id
  }

  const put = (packageId: string, content: string, relativePath = 'data/lake.csv') =>
    tus.put(Buffer.from(content), { packageId, relativePath })

  test('its place is free: who stands there now is named, and when that one has gone it comes back', async () => {
    const packageId = await aPackage()
    const mine = await put(packageId, 'mine')
    await undone(mine.id)
    const other = await put(packageId, 'other')
    const answer = await restore(mine.id)
    expectProblem(answer, 409, 'CONFLICT')
    expect(JSON.parse(answer.body.toString())).toMatchObject({
      detail: expect.stringContaining('"data/lake.csv"'),
      details: { relative_path: 'data/lake.csv', upload_id: other.id },
    })
    expect(await tus.report(mine.id)).toMatchObject({
      state: 'deleted',
      restorable_until: expect.any(String),
    })
    await undone(other.id)
    expect(reportIn(await restore(mine.id))).toMatchObject({
      package_id: packageId,
      relative_path: 'data/lake.csv',
    })
    expectProblem(await restore(other.id), 409, 'CONFLICT')
  })

  test('that was finalized meanwhile it has no place, and the package is as it was frozen', async () => {
    const packageId = await aPackage()
    const { id } = await put(packageId, 'mine')
    const begun = await tus.begin(100, { packageId, relativePath: 'b.csv' })
    await put(packageId, 'other', 'other.csv')
    await undone(id)
    await undone(begun)
    expect((await send('POST', `/packages/${packageId}/finalize`)).status).toBe(200)
    for (const gone of [id, begun]) {
      const answer = await restore(gone)
      expectProblem(answer, 409, 'PACKAGE_FINALIZED')
      expect(answer.body.toString()).toContain('Upload the file again')
    }
    const frozen = JSON.parse((await send('GET', `/packages/${packageId}`)).body.toString())
    expect(frozen.counts).toMatchObject({ total: 1, ready: 1 })
    // Deleted for good it may still be.
    expect((await tus.remove(id)).status).toBe(204)
  })

  test('that is finalized it is not deleted, with undo or without', async () => {
    const packageId = await aPackage()
    const { id } = await put(packageId, 'mine')
    expect((await send('POST', `/packages/${packageId}/finalize`)).status).toBe(200)
    expectProblem(await remove(id, 60), 409, 'PACKAGE_FINALIZED')
    expect((await tus.report(id)).state).toBe('ready')
  })

  test('that is deleted meanwhile its bytes go with the package', async () => {
    const packageId = await aPackage()
    const { id } = await put(packageId, 'mine')
    await undone(id)
    expect((await send('DELETE', `/packages/${packageId}`)).status).toBe(204)
    await expectNothingLeft(id)
    expectProblem(await restore(id), 410, 'GONE')
  })

  test('that is only half deleted it can’t come back', async () => {
    const packageId = await aPackage()
    const { id } = await put(packageId, 'mine')
    await undone(id)
    await rowsOf(server, `UPDATE packages SET state = 'deleted', ended_at = now() WHERE id = $1`, [packageId])
    expectProblem(await restore(id), 409, 'CONFLICT')
    await rowsOf(server, 'DELETE FROM packages WHERE id = $1', [packageId])
    expectProblem(await restore(id), 409, 'CONFLICT')
  })

  test('that is past its end but for this file, it has a package to come back to', async () => {
    const packageId = await aPackage()
    const { id } = await put(packageId, 'mine')
    await rowsOf(server, `UPDATE packages SET expires_at = now() WHERE id = $1`, [packageId])
    await undone(id, 2)
    const asked = () => send('GET', `/packages/${packageId}`)
    expect(JSON.parse((await asked()).body.toString()).state).toBe('open')
    expect(reportIn(await restore(id))).toMatchObject({ state: 'ready', package_id: packageId })
    await undone(id, 1)
    await until(async () => (await asked()).status === 410)
    expectProblem(await restore(id), 410, 'GONE')
  })

  test('that is kept longer meanwhile, it is kept as long', async () => {
    const packageId = await aPackage()
    const { id } = await put(packageId, 'mine')
    const begun = await tus.begin(4, { packageId, relativePath: 'b.csv' })
    const before = await tus.report(begun)
    await undone(id)
    await undone(begun)
    const later = new Date(Date.now() + 60 * 86_400_000).toISOString()
    expect(
      (
        await send('POST', `/packages/${packageId}/retention/extensions`, {
          new_expires_at: later,
          reason: 'r',
        })
      ).status,
    ).toBe(201)
    expect(reportIn(await restore(id)).expires_at).toBe(later)
    // An unfinished one ends for want of bytes, as before; once it is finished, with its package.
    expect(reportIn(await restore(begun)).expires_at).toBe(before.expires_at)
    expect((await tus.patch(begun, 0, Buffer.from('more'))).status).toBe(204)
    expect((await tus.report(begun)).expires_at).toBe(later)
  })
})

test('it counts in the quota until it is freed, so that it fits when it comes back', async () => {
  const small = await startServer({ env: { QUOTA_BYTES: '1000', QUOTA_OPEN_UPLOADS: '1' } })
  try {
    const client = new TusClient(small)
    const { id } = await client.put(someBytes(900))
    expect((await client.send('DELETE', `/uploads/${id}?undo_seconds=600`, plain)).status).toBe(200)
    const refused = await client.create({ sizeBytes: 200 })
    expectProblem(refused, 403, 'QUOTA_EXCEEDED')
    expect((await client.send('POST', `/uploads/${id}/restore`, plain)).status).toBe(200)
    expect((await client.send('DELETE', `/uploads/${id}?undo_seconds=1`, plain)).status).toBe(200)
    await until(async () => (await client.create({ sizeBytes: 200 })).status === 201)
  } finally {
    await small.dispose()
  }
})

describe('GET /uploads/{id}/received', () => {
  const told = async (id: string) => JSON.parse((await received(id)).body.toString())

  test('tells the checksums of exactly what is acknowledged, from the first byte to the last', async () => {
    const id = await tus.begin(bytes.byteLength)
    const cuts = [0, 1, 64, 100_000, 299_999]
    for (const [i, from] of cuts.entries()) {
      expect(await told(id)).toEqual({ offset: from, checksums: checksumsOf(bytes.subarray(0, from)) })
      const to = cuts[i + 1] ?? bytes.byteLength
      expect((await tus.patch(id, from, bytes.subarray(from, to))).status).toBe(204)
    }
    expect(await told(id)).toEqual({ offset: bytes.byteLength, checksums: checksumsOf(bytes) })
    expect((await tus.report(id)).state).toBe('ready')
  })

  test('of a session, too, whose size nobody told', async () => {
    const { id } = JSON.parse((await send('POST', '/uploads', { filename: 's.csv' })).body.toString())
    const range = { ...plain, 'Content-Range': 'bytes 0-4999/*' }
    expect((await tus.send('PATCH', `/uploads/${id}`, range, bytes.subarray(0, 5000))).status).toBe(200)
    expect(await told(id)).toEqual({ offset: 5000, checksums: checksumsOf(bytes.subarray(0, 5000)) })
  })

  test('says what to do when the server has none', async () => {
    const id = await tus.begin(100)
    expect((await tus.patch(id, 0, someBytes(10))).status).toBe(204)
    await rowsOf(server, 'UPDATE uploads SET digest_state = NULL WHERE id = $1', [id])
    const answer = await received(id)
    expectProblem(answer, 409, 'CONFLICT')
    expect(JSON.parse(answer.body.toString())).toMatchObject({
      detail: expect.stringContaining('go on at offset 10'),
      details: { upload_offset: 10 },
    })
  })

  test('stops nobody who writes', async () => {
    const raw = rawTus(server)
    const id = await raw.create(2_000_000)
    const running = raw.startPatch(id, 0, 2_000_000)
    const source = someBytes(2_000_000)
    await running.write(source.subarray(0, 1_000_000))
    for (let i = 0; i < 5; i += 1) {
      const { offset, checksums } = await told(id)
      expect(checksums).toEqual(checksumsOf(source.subarray(0, offset)))
      await sleep(20)
    }
    await running.write(source.subarray(1_000_000))
    running.end()
    expect((await running.answer)?.status).toBe(204)
    expect(await told(id)).toEqual({ offset: 2_000_000, checksums: checksumsOf(source) })
  })
})
