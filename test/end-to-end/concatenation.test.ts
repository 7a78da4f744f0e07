// Files that clients send as several uploads at a time, and the server puts together: tus-js-client and Uppy, on both stores,
// with cut connections, kill -9 in the middle, and a store in trouble.

import { stat } from 'node:fs/promises'
import path from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { DeleteObjectCommand } from '@aws-sdk/client-s3'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import Uppy from '@uppy/core'
import Tus from '@uppy/tus'
import type { UploadOptions } from 'tus-js-client'
import { withConnection } from '../support/database.js'
import { describeS3 } from '../support/s3.js'
import { fails, hangs, losesAnswer, throttles } from '../support/s3-faults.js'
import { startServer, type TestServer } from '../support/server.js'
import { until } from '../support/until.js'
import { type CuttingProxy, startCuttingProxy } from './cutting-proxy.js'
import { bytesFrom, expectWhole, reportWhen, storedFiles } from './evidence.js'
import { type ParallelUpload, startParallelUpload } from './parallel-client.js'
import { type RawTus, rawTus } from './raw-tus.js'
import { newS3Ground, type S3Ground } from './s3-ground.js'
import { MemoryUrlStorage } from './tus-client.js'

const MIB = 1024 * 1024
/** The next file's: each has its own, since the same content would be one object with what a failed test has left. */
let seed = 100

let line: CuttingProxy
let server: TestServer
let databaseUrl: string
let tus: RawTus
/** The keys of everything in the store, whatever it is. */
let storedKeys: () => Promise<string[]>
/** What an earlier test has left, for which it has failed. */
let storedBefore: ReadonlySet<string>

/** Through the line, as all the URLs that the server hands out. */
const endpoint = () => ({ url: line.url, key: server.key })

function send(source: Buffer, options: UploadOptions = {}): ParallelUpload {
  return startParallelUpload(source, endpoint(), {
    metadata: { filename: 'lake.csv', filetype: 'text/csv' },
    ...options,
  })
}

/** Asserts that each part was made once, that no acknowledged byte was lost, and that the store has but the whole. */
async function expectOneWhole(sent: ParallelUpload, source: Buffer): Promise<void> {
  await sent.done
  expect(sent.losses).toEqual([])
  expect(sent.headRefusals.filter((status) => status !== 423)).toEqual([])
  expect(sent.partIds).toHaveLength(4)
  await expectWholeAlone(sent.id(), source)
}

async function expectWholeAlone(id: string, source: Buffer): Promise<void> {
  await reportWhen(tus, id, ({ state }) => state !== 'finalizing')
  const report = await expectWhole(tus, id, source)
  expect(report).toMatchObject({ filename: 'lake.csv', content_type: 'text/csv' })
  await expectOnlyStored(id)
}

/** Asserts that these keys are all that this test has in the store, now or in a moment. */
async function expectOnlyStored(...ids: string[]): Promise<void> {
  const added = async () => (await storedKeys()).filter((key) => !storedBefore.has(key))
  // What else there is is told below.
  await until(async () => JSON.stringify(await added()) === JSON.stringify(ids)).catch(() => {})
  expect(await added()).toEqual(ids)
}

/** Sends a file to its end, but for the last request, that makes the whole; answers the id of that. */
async function makeWhole(source: Buffer): Promise<string> {
  const sent = send(source)
  await sent.done
  return sent.id()
}

/** As `until`, without a pause: for what lasts a tenth of a second. */
function asSoonAs(condition: () => Promise<boolean>): Promise<void> {
  return until(condition, turn)
}

function rows<Row extends object>(sql: string, values: readonly unknown[] = []): Promise<Row[]> {
  return withConnection(databaseUrl, async (client) => (await client.query<Row>(sql, [...values])).rows)
}

/** Kills the server, if it runs, and starts it; nothing has to wait for the dead one's leases to run out. */
async function restart(): Promise<void> {
  await server.kill()
  await rows('UPDATE uploads SET lease_until = now() WHERE lease_until > now()')
  await server.restart()
}

/** Deletes all that there is, so that each test looks at its own. */
async function removeAll(ids: readonly string[]): Promise<void> {
  for (const id of ids) expect([204, 410]).toContain((await tus.remove(id)).status)
}

/** What both stores have to stand. */
function suite(): void {
  const made: string[] = []

  beforeEach(async () => {
    if (server.pid === undefined) await server.restart()
    line.goOn()
    storedBefore = new Set(await storedKeys())
  })
  afterEach(async () => {
    line.goOn()
    await removeAll(made.splice(0))
    await expectOnlyStored()
  })

  test('tus-js-client sends four parts at a time, and the whole is right', async () => {
    const source = bytesFrom(seed++, 40 * MIB + 3)
    const sent = send(source)
    await expectOneWhole(sent, source)
    made.push(sent.id())
  })

  test('parts smaller than S3 copies are put together as well', async () => {
    const source = bytesFrom(seed++, 4 * MIB + 1)
    const sent = send(source)
    await expectOneWhole(sent, source)
    made.push(sent.id())
  })

  test('parts in many chunks, through one reset after the other', async () => {
    const source = bytesFrom(seed++, 48 * MIB + 7)
    const sent = send(source, { chunkSize: 3 * MIB + 1 })
    for (let i = 0; i < 4; i += 1) await line.cutAfter(7 * MIB)
    await expectOneWhole(sent, source)
    made.push(sent.id())
  })

  test('parts that a client left behind are gone on with by the next one', async () => {
    const source = bytesFrom(seed++, 40 * MIB)
    const urlStorage = new MemoryUrlStorage()
    const stalled = line.stallAfter(20 * MIB)
    const first = send(source, { urlStorage, chunkSize: 2 * MIB })
    await stalled
    await first.upload.abort()
    line.cut()
    line.goOn()
    const second = send(source, { urlStorage, chunkSize: 2 * MIB })
    await second.done
    expect([first.partIds.length, second.partIds]).toEqual([4, []])
    // Some were sent by the first.
    expect(first.acknowledgedBytes()).toBeGreaterThan(0)
    await expectWholeAlone(second.id(), source)
    made.push(second.id())
  })

  test('kill -9 of the server while parts are sent', async () => {
    const source = bytesFrom(seed++, 64 * MIB + 1)
    const stalled = line.stallAfter(40 * MIB)
    const sent = send(source)
    await stalled
    await restart()
    line.goOn()
    await expectOneWhole(sent, source)
    made.push(sent.id())
  })

  test('the answer to the last request is lost: the next client is told of the same whole, and sends nothing again', async () => {
    const source = bytesFrom(seed++, 24 * MIB)
    const urlStorage = new MemoryUrlStorage()
    let id = ''
    const first = send(source, {
      urlStorage,
      onBeforeRequest: async (request) => {
        const concat = request.getHeader('Upload-Concat')
        if (request.getMethod() !== 'POST' || !concat?.startsWith('final')) return
        // It is carried out, and the client hears nothing of it.
        const headers = {
          Authorization: `Bearer ${server.key}`,
          'Tus-Resumable': '1.0.0',
          'Upload-Concat': concat,
          'Upload-Metadata': request.getHeader('Upload-Metadata') ?? '',
        }
        const answer = await fetch(request.getURL(), { method: 'POST', headers })
        id = String(answer.headers.get('location')).split('/').at(-1) ?? ''
        await reportWhen(tus, id, ({ state }) => state === 'ready')
        throw new Error('The connection broke.')
      },
    })
    await expect(first.done).rejects.toThrow('The connection broke.')
    const second = send(source, { urlStorage })
    await second.done
    expect([second.partIds, second.id()]).toEqual([[], id])
    await expectWholeAlone(id, source)
    made.push(id)
  })

  test('Uppy sends files with parallelUploads, several at a time', async () => {
    const sources = [bytesFrom(seed++, 12 * MIB), bytesFrom(seed++, 30 * MIB + 1)]
    const uppy = new Uppy().use(Tus, {
      endpoint: `${line.url}/uploads`,
      headers: { Authorization: `Bearer ${server.key}` },
      parallelUploads: 4,
      retryDelays: [250, 250, 250, 250],
    })
    for (const [index, data] of sources.entries()) {
      // Uppy's types want a browser's Blob; tus-js-client takes a Buffer in Node.
      const name = `lake-${index}.csv`
      uppy.addFile({ name, type: 'text/csv', data: data as unknown as Blob, source: 'test' })
    }
    const result = await uppy.upload()
    expect(result?.failed).toEqual([])
    const ids = (result?.successful ?? []).map((file) => String(file.uploadURL).split('/').at(-1) ?? '')
    uppy.destroy()
    for (const [index, source] of sources.entries()) {
      const id = ids[index] ?? ''
      const report = await expectWhole(tus, id, source)
      expect(report).toMatchObject({ filename: `lake-${index}.csv`, content_type: 'text/csv' })
    }
    await expectOnlyStored(...[...ids].sort())
    made.push(...ids)
  })
}

describe('parallel uploads on a disk', () => {
  beforeAll(async () => {
    line = await startCuttingProxy()
    server = await startServer({ env: { PUBLIC_URL: line.url } })
    databaseUrl = server.databaseUrl ?? ''
    line.forwardTo(server.url)
    tus = rawTus(server)
    storedKeys = async () =>
      Object.values(await storedFiles(server.dataDir))
        .flat()
        .sort()
  })
  afterAll(async () => {
    await line.close()
    await server.dispose()
  })

  suite()

  const at = (room: string, id: string) => path.join(server.dataDir, 'store', room, id)
  const isThere = (file: string) =>
    stat(file).then(
      () => true,
      () => false,
    )

  test.each([
    ['putting it together', 'tmp'],
    ['reading it again', 'objects'],
  ])(
    'kill -9 in the middle of %s',
    async (_, room) => {
      // On a machine that is busy elsewhere a kill may come too late.
      for (let attempt = 1; ; attempt += 1) {
        const source = bytesFrom(seed++, 256 * MIB + 1)
        const id = await makeWhole(source)
        await asSoonAs(() => isThere(at(room, id)))
        await server.kill()
        const [row] = await rows<{ state: string }>('SELECT state FROM uploads WHERE id = $1', [id])
        const isInTheMiddle = row?.state === 'finalizing' && (await isThere(at(room, id)))
        await restart()
        await expectWholeAlone(id, source)
        await removeAll([id])
        await expectOnlyStored()
        if (isInTheMiddle) return
        expect(attempt).toBeLessThan(4)
      }
    },
    120_000,
  )

  test('deleted in the middle of being put together, nothing is left of it', async () => {
    const source = bytesFrom(seed++, 256 * MIB)
    const sent = send(source)
    await sent.done
    await asSoonAs(() => isThere(at('tmp', sent.id())))
    expect((await tus.remove(sent.id())).status).toBe(204)
    expect((await tus.head(sent.id())).status).toBe(410)
    await removeAll(sent.partIds)
    await expectOnlyStored()
  })

  test('a stop in the middle of being put together is soon over, and it goes on at the next start', async () => {
    const source = bytesFrom(seed++, 256 * MIB)
    const id = await makeWhole(source)
    await asSoonAs(() => isThere(at('tmp', id)))
    expect(await server.stop()).toBe(0)
    await server.restart()
    await expectWholeAlone(id, source)
    await removeAll([id])
  })
})

describeS3('parallel uploads on S3', () => {
  let ground: S3Ground

  beforeAll(async () => {
    line = await startCuttingProxy()
    ground = await newS3Ground()
    server = await ground.startInstance({ PUBLIC_URL: line.url })
    line.forwardTo(server.url)
    databaseUrl = ground.databaseUrl
    tus = rawTus(server)
    storedKeys = async () => {
      const { objects, multiparts } = await ground.bucket.list()
      return [...objects, ...multiparts].map(({ key }) => key.split('/')[2] ?? '').sort()
    }
  })
  beforeEach(() => ground.proxy.reset())
  afterAll(async () => {
    await line.close()
    await ground.dispose()
  })

  suite()

  let source: Buffer
  beforeEach(() => {
    source = bytesFrom(seed++, 40 * MIB + 5)
  })

  /** A dead server's requests have reached S3 or not; the next one's all do. */
  async function restartWithS3(): Promise<void> {
    await server.kill()
    ground.proxy.reset()
    await restart()
  }

  test('large parts are copied by S3: what is read is what the digests need', async () => {
    const sent = send(source)
    await expectOneWhole(sent, source)
    expect(ground.proxy.counts()).toMatchObject({ UploadPartCopy: 4 })
    // Once for the digests, once by us, and a head here and there.
    expect(ground.proxy.bytesReceived()).toBeLessThan(2 * source.length + MIB)
    await removeAll([sent.id()])
    await expectOnlyStored()
  })

  test('kill -9 in the middle of copying', async () => {
    const copying = ground.proxy.hang({ operation: 'UploadPartCopy', nth: 3 })
    const id = await makeWhole(source)
    await copying.reached
    await restartWithS3()
    await expectWholeAlone(id, source)
    await removeAll([id])
    await expectOnlyStored()
  })

  test('kill -9 before S3 completes it, and after it', async () => {
    for (const way of ['hang', 'hold'] as const) {
      const completing = ground.proxy[way]({ operation: 'CompleteMultipartUpload', nth: 1 })
      const id = await makeWhole(source)
      await completing.reached
      await restartWithS3()
      await expectWholeAlone(id, source)
      await removeAll([id])
      await expectOnlyStored()
    }
  })

  test('kill -9 in the middle of reading it again', async () => {
    const id = await makeWhole(source)
    ground.proxy.on({ operation: 'GetObject', nth: 'every', key: id }, throttles(4 * MIB))
    await until(async () => (await ground.stored()).some((item) => /^object/.test(item) && item.includes(id)))
    expect((await tus.report(id)).state).toBe('finalizing')
    await restartWithS3()
    await expectWholeAlone(id, source)
    await removeAll([id])
    await expectOnlyStored()
  })

  test('another instance’s sweep goes on where one has died', async () => {
    const other = await ground.startInstance({ PUBLIC_URL: line.url, SWEEP_CRON: '* * * * * *' })
    const copying = ground.proxy.hang({ operation: 'UploadPartCopy', nth: 2 })
    const id = await makeWhole(source)
    await copying.reached
    await server.kill()
    ground.proxy.reset()
    await ground.lapseLeases()
    line.forwardTo(other.url)
    await expectWhole(rawTus(other), id, source)
    await expectOnlyStored(id)
    await server.restart()
    line.forwardTo(server.url)
    await removeAll([id])
    expect(await other.stop()).toBe(0)
  })

  test('S3 that copies nothing for a while: it is ready soon after', async () => {
    ground.proxy.on({ operation: 'UploadPartCopy', nth: 'every' }, fails(503, 'SlowDown'))
    const id = await makeWhole(source)
    await until(async () => (ground.proxy.counts().UploadPartCopy ?? 0) > 8)
    expect((await tus.report(id)).state).toBe('finalizing')
    ground.proxy.reset()
    await expectWholeAlone(id, source)
    await removeAll([id])
    await expectOnlyStored()
  })

  test('a completion whose answer is lost: ready, and one object', async () => {
    ground.proxy.on({ operation: 'CompleteMultipartUpload', nth: 1 }, losesAnswer)
    const id = await makeWhole(source)
    await expectWholeAlone(id, source)
    await removeAll([id])
  })

  test('deleted while it is put together, nothing is left of it, whatever S3 still does', async () => {
    for (const operation of ['CreateMultipartUpload', 'UploadPartCopy', 'CompleteMultipartUpload'] as const) {
      const held = ground.proxy.hold({ operation, nth: 1 })
      const sent = send(source)
      await sent.done
      await held.reached
      expect((await tus.remove(sent.id())).status).toBe(204)
      expect((await tus.head(sent.id())).status).toBe(410)
      held.release()
      await removeAll(sent.partIds)
      await expectOnlyStored()
      ground.proxy.reset()
    }
  })

  test('a stop while S3 does not answer a copy is soon over, and it goes on at the next start', async () => {
    ground.proxy.on({ operation: 'UploadPartCopy', nth: 'every' }, hangs)
    const id = await makeWhole(source)
    await until(async () => (ground.proxy.counts().UploadPartCopy ?? 0) === 4)
    const startedAt = performance.now()
    expect(await server.stop()).toBe(0)
    expect(performance.now() - startedAt).toBeLessThan(8_000)
    ground.proxy.reset()
    await server.restart()
    await expectWholeAlone(id, source)
    await removeAll([id])
  })

  test('a part that S3 has lost fails the whole, which says why, and nothing is left', async () => {
    const held = ground.proxy.hang({ operation: 'UploadPartCopy', nth: 'every' })
    const sent = send(source)
    await sent.done
    await held.reached
    await server.kill()
    const { objects } = await ground.bucket.list()
    const lost = objects.find(({ key }) => key.includes(sent.partIds[2] ?? ''))
    await ground.bucket.client.send(
      new DeleteObjectCommand({ Bucket: ground.bucket.bucket, Key: lost?.key ?? '' }),
    )
    await restartWithS3()
    const report = await reportWhen(tus, sent.id(), ({ state }) => state !== 'finalizing')
    expect(report).toMatchObject({ state: 'failed', error: { code: 'INTERNAL' } })
    await removeAll(sent.partIds)
    await expectOnlyStored()
  })
})
