// The main promise, with the client that users have: whatever breaks in the middle, the upload goes on and the bytes are right.

import path from 'node:path'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { killCluster } from '../support/postgres.js'
import { startServer, type TestServer } from '../support/server.js'
import { until } from '../support/until.js'
import { type CuttingProxy, startCuttingProxy } from './cutting-proxy.js'
import { bytesFrom, expectWhole, reportWhen, storedFiles, storedSize } from './evidence.js'
import { problemCode, type RawTus, rawTus } from './raw-tus.js'
import { MemoryUrlStorage, startUpload, type WatchedUpload } from './tus-client.js'

const MIB = 1024 * 1024

let proxy: CuttingProxy
let server: TestServer
let tus: RawTus

async function start(options: { embedded: boolean }): Promise<void> {
  proxy = await startCuttingProxy()
  server = await startServer({ ...options, env: { PUBLIC_URL: proxy.url } })
  proxy.forwardTo(server.url)
  tus = rawTus(server)
}

async function stop(): Promise<void> {
  await proxy.close()
  await server.dispose()
}

/** Through the proxy, as all the URLs that the server hands out. */
const endpoint = () => ({ url: proxy.url, key: server.key })

function expectNothingLost(watched: WatchedUpload): void {
  expect(watched.losses).toEqual([])
  expect(watched.headRefusals.filter((status) => status !== 423)).toEqual([])
  expect(watched.creations()).toBe(1)
}

describe('tus-js-client against one server', () => {
  beforeAll(() => start({ embedded: false }))
  afterAll(stop)
  beforeEach(() => proxy.goOn())
  afterEach(async () => {
    proxy.delay(0)
    if (server.pid === undefined) await server.restart()
  })

  test('resumes an unchunked upload at the byte where its connection was closed', async () => {
    const source = bytesFrom(1, 24 * MIB + 1)
    const closed = proxy.cutAfter(16 * MIB, 'close')
    const watched = startUpload(source, endpoint(), {
      metadata: { filename: 'lake.csv', filetype: 'text/csv' },
    })
    await closed
    await watched.done
    expectNothingLost(watched)
    // All that went into the connection but the headers of two requests was body, and is kept.
    expect(watched.headOffsets).toHaveLength(1)
    expect(watched.headOffsets[0]).toBeGreaterThan(16 * MIB - 4096)
    const report = await expectWhole(tus, watched.id(), source)
    expect(report).toMatchObject({ filename: 'lake.csv', content_type: 'text/csv' })
    expect((await storedFiles(server.dataDir)).tmp).toEqual([])
  })

  test('resumes a chunked upload through one reset after the other', async () => {
    const source = bytesFrom(2, 13 * MIB + 7)
    const watched = startUpload(source, endpoint(), { chunkSize: 2 * MIB + 1 })
    for (let i = 0; i < 4; i += 1) await proxy.cutAfter(2.5 * MIB)
    await watched.done
    expectNothingLost(watched)
    expect(watched.headOffsets.length).toBeGreaterThanOrEqual(4)
    await expectWhole(tus, watched.id(), source)
  })

  test('resumes after kill -9 of the server, at or past the offset that a report had told', async () => {
    const source = bytesFrom(3, 96 * MIB + 3)
    const stalled = proxy.stallAfter(80 * MIB)
    const watched = startUpload(source, endpoint())
    await stalled
    const told = await reportWhen(tus, watched.id(), ({ offset }) => offset > 0)
    expect(told.state).toBe('receiving')
    await server.kill()
    expect(await storedSize(server.dataDir, told.id)).toBeGreaterThanOrEqual(told.offset)
    await server.restart()
    proxy.goOn()
    await watched.done
    expectNothingLost(watched)
    expect(watched.headOffsets[0]).toBeGreaterThanOrEqual(told.offset)
    await expectWhole(tus, watched.id(), source)
  })

  test('resumes a chunked upload after kill -9 of the server in the middle of a chunk', async () => {
    const source = bytesFrom(4, 12 * MIB + 11)
    const stalled = proxy.stallAfter(7.5 * MIB)
    const watched = startUpload(source, endpoint(), { chunkSize: 3 * MIB })
    await stalled
    await until(async () => watched.acknowledgedBytes() === 6 * MIB)
    await server.kill()
    await server.restart()
    proxy.goOn()
    await watched.done
    expectNothingLost(watched)
    expect(watched.headOffsets[0]).toBeGreaterThanOrEqual(6 * MIB)
    await expectWhole(tus, watched.id(), source)
  })

  test('resumes in another run of the client that finds its previous upload', async () => {
    const source = bytesFrom(5, 9 * MIB)
    const urlStorage = new MemoryUrlStorage()
    const cut = proxy.cutAfter(5 * MIB, 'close')
    const first = startUpload(source, endpoint(), { retryDelays: null, urlStorage })
    await cut
    await expect(first.done).rejects.toThrow('failed to upload chunk')
    // What a close had brought is recorded a moment later; only then is it safe from a crash.
    const kept = await reportWhen(tus, first.id(), ({ offset }) => offset > 0)
    expect(kept.offset).toBeGreaterThan(5 * MIB - 4096)
    await server.kill()
    await server.restart()

    const second = startUpload(source, endpoint(), { urlStorage })
    await second.done
    expect(second.id()).toBe(first.id())
    expect(second.creations()).toBe(0)
    expect(second.headOffsets).toEqual([kept.offset])
    await expectWhole(tus, second.id(), source)
  })

  test('sends a stream of unknown length through a cut and a kill -9', async () => {
    const source = bytesFrom(6, 7 * MIB + 333)
    const cut = proxy.cutAfter(2.5 * MIB)
    const watched = startUpload(Readable.from(pieces(source, 300_001)), endpoint(), {
      uploadLengthDeferred: true,
      chunkSize: MIB,
    })
    await cut
    await proxy.stallAfter(2.5 * MIB)
    expect(watched.acknowledgedBytes()).toBeGreaterThan(0)
    expect((await tus.report(watched.id())).size).toBeNull()
    await server.kill()
    await server.restart()
    proxy.goOn()
    await watched.done
    expectNothingLost(watched)
    await expectWhole(tus, watched.id(), source)
  })

  test('sends two files at once through a cut and a kill -9, and mixes nothing up', async () => {
    const sources = [bytesFrom(7, 10 * MIB + 1), bytesFrom(8, 10 * MIB + 1)]
    const cut = proxy.cutAfter(6 * MIB)
    const both = sources.map((source) => startUpload(source, endpoint(), { chunkSize: MIB }))
    await cut
    await proxy.stallAfter(6 * MIB)
    await server.kill()
    await server.restart()
    proxy.goOn()
    await Promise.all(both.map(({ done }) => done))
    for (const [i, watched] of both.entries()) {
      expectNothingLost(watched)
      await expectWhole(tus, watched.id(), sources[i] as Buffer)
    }
  })

  test('goes on slowly over a slow line, and is not ended for that', async () => {
    const source = bytesFrom(9, 3 * MIB)
    proxy.delay(20)
    const watched = startUpload(source, endpoint())
    await watched.done
    expectNothingLost(watched)
    expect(watched.headOffsets).toEqual([])
    await expectWhole(tus, watched.id(), source)
  })

  test('ends ready, never stuck, when the server is killed within milliseconds of the last byte', async () => {
    const source = bytesFrom(10, 2 * MIB + 5)
    for (const delayMs of [0, 1, 2, 4, 7, 12, 20]) {
      // Other bytes each time, so that every upload has an object of its own.
      source.writeUInt32LE(delayMs, 0)
      const id = await tus.create(source.byteLength)
      const patch = tus.startPatch(id, 0, source.byteLength)
      await patch.write(source.subarray(0, -1))
      patch.end()
      await patch.write(source.subarray(-1)).catch(() => {})
      await sleep(delayMs)
      await server.kill()
      const answer = await patch.answer
      await server.restart()
      const report = await tus.report(id)
      // An answer is a promise; without one, the client asks and goes on.
      if (answer?.status === 204) expect(['finalizing', 'ready']).toContain(report.state)
      if (report.state === 'receiving') {
        const offset = await tus.offset(id)
        expect((await tus.patch(id, offset, source.subarray(offset)))?.status).toBe(204)
      }
      await expectWhole(tus, id, source)
      const { tmp, objects } = await storedFiles(server.dataDir)
      expect([tmp.includes(id), objects.includes(id)]).toEqual([false, true])
    }
  })
})

describe('with the embedded PostgreSQL', () => {
  beforeAll(() => start({ embedded: true }))
  afterAll(stop)

  const killEverything = async () => {
    await server.kill()
    await killCluster({ dataFolder: path.join(server.dataDir, 'postgres/data') })
  }

  test('resumes after kill -9 of the server and the database together', async () => {
    const source = bytesFrom(11, 12 * MIB + 1)
    const stalled = proxy.stallAfter(7.5 * MIB)
    const watched = startUpload(source, endpoint(), { chunkSize: 2 * MIB })
    await stalled
    await until(async () => watched.acknowledgedBytes() === 6 * MIB)
    await killEverything()
    await server.restart()
    proxy.goOn()
    await watched.done
    expectNothingLost(watched)
    expect(watched.headOffsets[0]).toBeGreaterThanOrEqual(6 * MIB)
    await expectWhole(tus, watched.id(), source)
  })

  test('keeps a report and its bytes when everything is killed right after the last answer', async () => {
    const source = bytesFrom(12, 5 * MIB)
    const id = await tus.create(source.byteLength)
    expect((await tus.patch(id, 0, source))?.status).toBe(204)
    await killEverything()
    await server.restart()
    await expectWhole(tus, id, source)
    expect((await tus.remove(id)).status).toBe(204)
    expect(problemCode(await tus.remove(id))).toBe('GONE')
    expect(await storedSize(server.dataDir, id)).toBeUndefined()
  })

  test('keeps a small file and its bytes when everything is killed right after the answer to its creation', async () => {
    const source = bytesFrom(13, 4321)
    const watched = startUpload(source, endpoint(), { uploadDataDuringCreation: true })
    await watched.done
    await killEverything()
    await server.restart()
    await expectWhole(tus, watched.id(), source)
  })
})

function* pieces(bytes: Buffer, lengthBytes: number): Generator<Buffer> {
  for (let at = 0; at < bytes.byteLength; at += lengthBytes) yield bytes.subarray(at, at + lengthBytes)
}
