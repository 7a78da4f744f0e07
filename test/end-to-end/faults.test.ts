// What goes wrong around the server: disks that fill, databases that go away, clients that fight or fall silent, kills.
// Each leaves a documented answer, an exact offset, and an upload that can be finished.

import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rm, statfs, writeFile } from 'node:fs/promises'
import http from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { processesIn } from '../support/postgres.js'
import { startServer, type TestServer } from '../support/server.js'
import { until } from '../support/until.js'
import { startCuttingProxy } from './cutting-proxy.js'
import { bytesFrom, expectWhole, reportWhen, storedFiles, storedSize } from './evidence.js'
import { type Answer, problemCode, type RawTus, type RunningPatch, rawTus } from './raw-tus.js'
import { startUpload, type WatchedUpload } from './tus-client.js'

const MIB = 1024 * 1024
/** Long enough for some mebibytes to be read from a socket, also while the digests' threads start on a busy machine. */
const ARRIVED_MS = 2000
/** Free space is measured twice a second at most. */
const SPACE_MEASURED_MS = 600

describe('one server for all that leaves it running', () => {
  let server: TestServer
  let tus: RawTus

  beforeAll(async () => {
    server = await startServer({ env: { NO_PROGRESS_TIMEOUT: '2s' } })
    tus = rawTus(server)
  })

  afterAll(() => server.dispose())

  test('a file that can never fit is refused with 507 before a byte is sent', async () => {
    const creation = tus.create(4 * 1024 ** 4)
    await expect(creation).rejects.toThrow('507')
    await expect(creation).rejects.toThrow('INSUFFICIENT_STORAGE')
    expect((await storedFiles(server.dataDir)).tmp).toEqual([])
  })

  test('HEAD against a stalled PATCH answers within a second, exactly, and the PATCH ends with 423', async () => {
    const source = bytesFrom(1, 3 * MIB + 1)
    const id = await tus.create(source.byteLength)
    const stalled = tus.startPatch(id, 0, source.byteLength)
    await stalled.write(source.subarray(0, 2 * MIB + 77))
    await sleep(ARRIVED_MS)
    const startedAt = performance.now()
    const offset = await tus.offset(id)
    expect(performance.now() - startedAt).toBeLessThan(1000)
    expect(offset).toBe(2 * MIB + 77)
    const older = await stalled.answer
    expect([older?.status, problemCode(older)]).toEqual([423, 'LOCKED'])
    expect((await tus.patch(id, offset, source.subarray(offset)))?.status).toBe(204)
    await expectWhole(tus, id, source)
  })

  test('of two clients on one upload the newer takes over within a second or so, the older gets 423', async () => {
    const source = bytesFrom(2, 12 * MIB)
    const id = await tus.create(source.byteLength)
    const older = tus.startPatch(id, 0, source.byteLength)
    const isOver = older.answer.then(() => true)
    const sending = trickle(older, source, { pieceBytes: 64 * 1024, pauseMs: 5 })
    await sleep(200)
    const startedAt = performance.now()
    const offset = await tus.offset(id)
    expect(offset).toBeGreaterThan(0)
    expect(offset).toBeLessThan(source.byteLength)
    // The older one comes back without asking, and is still there when the newer one sends.
    const again = tus.startPatch(id, offset, source.byteLength - offset)
    await sleep(100)
    const newer = await tus.patch(id, offset, source.subarray(offset))
    expect(performance.now() - startedAt).toBeLessThan(2000)
    expect(newer?.status).toBe(204)
    for (const { answer } of [older, again]) expect(problemCode(await answer)).toBe('LOCKED')
    expect((await older.answer)?.headers['retry-after']).toBe('1')
    expect(await isOver).toBe(true)
    await sending
    await expectWhole(tus, id, source)
  })

  test('a client that falls silent gets 408, and what it sent is kept', async () => {
    const source = bytesFrom(3, 2 * MIB)
    const id = await tus.create(source.byteLength)
    const silent = tus.startPatch(id, 0, source.byteLength)
    await silent.write(source.subarray(0, MIB + 13))
    const startedAt = performance.now()
    const answer = await silent.answer
    const waitedMs = performance.now() - startedAt
    expect([answer?.status, problemCode(answer)]).toEqual([408, 'REQUEST_TIMEOUT'])
    expect(waitedMs).toBeGreaterThan(1500)
    expect(waitedMs).toBeLessThan(5000)
    expect(await tus.offset(id)).toBe(MIB + 13)
    expect((await tus.patch(id, MIB + 13, source.subarray(MIB + 13)))?.status).toBe(204)
    await expectWhole(tus, id, source)
  })

  test('a DELETE ends a running PATCH, and nothing is left on the disk', async () => {
    const source = bytesFrom(4, 12 * MIB)
    const id = await tus.create(source.byteLength)
    const running = tus.startPatch(id, 0, source.byteLength)
    const sending = trickle(running, source, { pieceBytes: 128 * 1024, pauseMs: 10 })
    await sleep(200)
    expect((await tus.remove(id)).status).toBe(204)
    const answer = await running.answer
    expect([410, 423]).toContain(answer?.status)
    expect(['GONE', 'LOCKED']).toContain(problemCode(answer))
    await sending
    expect((await tus.head(id)).status).toBe(410)
    expect((await tus.report(id)).state).toBe('canceled')
    expect(await storedSize(server.dataDir, id)).toBeUndefined()
  })

  test('512 MiB up and down keep the process under 250 MB', async () => {
    await server.restart()
    const block = bytesFrom(5, MIB)
    const hash = createHash('sha256')
    const id = await tus.create(512 * MIB)
    const patch = tus.startPatch(id, 0, 512 * MIB)
    for (let i = 0; i < 512; i += 1) {
      block.writeUInt32LE(i, 0)
      hash.update(block)
      await patch.write(block)
    }
    patch.end()
    expect((await patch.answer)?.status).toBe(204)
    const sha256 = hash.digest('hex')
    const report = await reportWhen(tus, id, ({ state }) => state === 'ready')
    expect(report.checksums?.sha256).toBe(sha256)
    expect(await downloadedSha256(String(report.retrieval_url))).toBe(sha256)
    const status = await readFile(`/proc/${server.pid}/status`, 'utf8')
    const peakKib = Number(/VmHWM:\s*(\d+) kB/.exec(status)?.[1])
    expect(peakKib).toBeGreaterThan(0)
    expect(peakKib * 1024).toBeLessThan(250_000_000)
    expect((await tus.remove(id)).status).toBe(204)
  })
})

describe('kill -9', () => {
  test('at random times, five times over, under four clients loses nothing that was acknowledged', async () => {
    const proxy = await startCuttingProxy()
    const server = await startServer({ env: { PUBLIC_URL: proxy.url } })
    try {
      proxy.forwardTo(server.url)
      proxy.delay(2)
      const tus = rawTus(server)
      let isKilling = true
      const client = async (number: number): Promise<[WatchedUpload, Buffer][]> => {
        const sent: [WatchedUpload, Buffer][] = []
        for (let i = 0; isKilling; i += 1) {
          const source = bytesFrom(number * 100 + i, 2 * MIB + number * 1000 + i)
          const chunkSize = number % 2 === 0 ? 300_000 : Number.POSITIVE_INFINITY
          const watched = startUpload(source, { url: proxy.url, key: server.key }, { chunkSize })
          await watched.done
          sent.push([watched, source])
        }
        return sent
      }
      const clients = [1, 2, 3, 4].map(client)
      for (let i = 0; i < 5; i += 1) {
        await sleep(100 + Math.random() * 700)
        await server.kill()
        await server.restart()
      }
      isKilling = false
      const sent = (await Promise.all(clients)).flat()
      expect(sent.length).toBeGreaterThanOrEqual(4)
      for (const [watched, source] of sent) {
        expect(watched.losses).toEqual([])
        expect(watched.headRefusals.filter((status) => status !== 423)).toEqual([])
        await expectWhole(tus, watched.id(), source)
      }
    } finally {
      await proxy.close()
      await server.dispose()
    }
  })
})

describe('with the embedded PostgreSQL', () => {
  let server: TestServer
  let tus: RawTus
  let postgresFolder: string

  beforeAll(async () => {
    server = await startServer({ embedded: true })
    tus = rawTus(server)
    postgresFolder = path.join(server.dataDir, 'postgres/data')
  })

  afterAll(() => server.dispose())

  test('a database that is killed in the middle of a PATCH comes back, and nothing is lost', async () => {
    const source = bytesFrom(6, 12 * MIB + 5)
    const other = bytesFrom(7, 3 * MIB)
    const otherId = await tus.create(other.byteLength)
    expect((await tus.patch(otherId, 0, other.subarray(0, MIB)))?.headers['upload-offset']).toBe(String(MIB))
    const id = await tus.create(source.byteLength)
    expect((await tus.patch(id, 0, source.subarray(0, MIB)))?.status).toBe(204)
    const patch = tus.startPatch(id, MIB, source.byteLength - MIB)
    await patch.write(source.subarray(MIB, 4 * MIB))

    const pid = Number((await readFile(path.join(postgresFolder, 'postmaster.pid'), 'utf8')).split('\n')[0])
    process.kill(pid, 'SIGKILL')
    const creation = await tus.create(1000).catch((error: Error) => error.message)
    if (creation.includes('answered')) expect(creation).toMatch(/ 503: .*UNAVAILABLE/)
    await patch.write(source.subarray(4 * MIB))
    patch.end()

    // The client that asks meanwhile must never hear that its upload doesn't exist.
    const heads: Answer[] = []
    await until(async () => {
      const answer = await tus.head(otherId)
      heads.push(answer)
      return answer.status === 200
    })
    for (const head of heads.slice(0, -1)) {
      expect(head.status).toBe(423)
      expect(Number(head.headers['retry-after'])).toBeGreaterThan(0)
    }
    expect(heads.at(-1)?.headers['upload-offset']).toBe(String(MIB))

    const answer = await patch.answer
    expect([204, 423, 503]).toContain(answer?.status)
    if (answer?.status !== 204) expect(Number(answer?.headers['retry-after'])).toBeGreaterThan(0)
    const { state } = await tus.report(id)
    if (state === 'receiving') {
      const offset = await tus.offset(id)
      expect(offset).toBeGreaterThanOrEqual(MIB)
      expect((await tus.patch(id, offset, source.subarray(offset)))?.status).toBe(204)
    }
    await expectWhole(tus, id, source)
    expect((await tus.patch(otherId, MIB, other.subarray(MIB)))?.status).toBe(204)
    await expectWhole(tus, otherId, other)
  })

  test('SIGTERM pauses a running PATCH with all that arrived kept, and ends with code 0, PostgreSQL last', async () => {
    const source = bytesFrom(8, 6 * MIB)
    const id = await tus.create(source.byteLength)
    const patch = tus.startPatch(id, 0, source.byteLength)
    await patch.write(source.subarray(0, 2 * MIB + 9))
    await sleep(ARRIVED_MS)
    const startedAt = performance.now()
    expect(await server.stop()).toBe(0)
    expect(performance.now() - startedAt).toBeLessThan(12_000)
    const answer = await patch.answer
    expect([answer?.status, problemCode(answer)]).toEqual([503, 'UNAVAILABLE'])
    expect(Number(answer?.headers['retry-after'])).toBeGreaterThan(0)
    expect(await processesIn(postgresFolder)).toEqual([])

    await server.restart()
    expect(await tus.offset(id)).toBe(2 * MIB + 9)
    expect((await tus.patch(id, 2 * MIB + 9, source.subarray(2 * MIB + 9)))?.status).toBe(204)
    await expectWhole(tus, id, source)
  })
})

describe('a full disk', () => {
  const testOnTmpfs = canMount() ? test : test.skip

  testOnTmpfs(
    'answers 507, keeps the offset, and finishes the upload once there is room (needs root)',
    async () => {
      await withStoreOf('64m', '0', async ({ server, tus, fill, free }) => {
        const source = bytesFrom(9, 12 * MIB)
        const id = await tus.create(source.byteLength)
        expect((await tus.patch(id, 0, source.subarray(0, 3 * MIB)))?.status).toBe(204)
        await fill(4 * MIB)
        const full = await tus.patch(id, 3 * MIB, source.subarray(3 * MIB))
        expect([full?.status, problemCode(full)]).toEqual([507, 'INSUFFICIENT_STORAGE'])
        const offset = await tus.offset(id)
        expect(offset).toBeGreaterThanOrEqual(3 * MIB)
        expect((await tus.report(id)).state).toBe('receiving')
        await free()
        await sleep(SPACE_MEASURED_MS)
        expect((await tus.patch(id, offset, source.subarray(offset)))?.status).toBe(204)
        await expectWhole(tus, id, source)
        expect((await tus.remove(id)).status).toBe(204)
        expect(await storedFiles(server.dataDir)).toEqual({ tmp: [], objects: [] })
      })
    },
  )

  testOnTmpfs('leaves nothing of a small file that no longer fits (needs root)', async () => {
    await withStoreOf('16m', '0', async ({ server, tus, fill, free }) => {
      const source = bytesFrom(10, 100_000)
      await fill(64 * 1024)
      // Free space is measured twice a second at most: the first is refused by that, or by the disk itself.
      const refused = await createWithBody(server, source)
      expect([refused.status, problemCode(refused)]).toEqual([507, 'INSUFFICIENT_STORAGE'])
      await free()
      await sleep(SPACE_MEASURED_MS)
      const first = await createWithBody(server, source)
      expect(first.status).toBe(201)
      // Measured just now, when there was room; so it's the disk that says no.
      await fill(64 * 1024)
      const other = bytesFrom(11, 100_000)
      const full = await createWithBody(server, other)
      expect([full.status, problemCode(full)]).toEqual([507, 'INSUFFICIENT_STORAGE'])
      const { tmp, objects } = await storedFiles(server.dataDir)
      expect([tmp.length, objects.length]).toEqual([0, 1])
      await free()
      await sleep(SPACE_MEASURED_MS)
      expect((await createWithBody(server, other)).status).toBe(201)
      await expectWhole(tus, String(first.headers.location).split('/').at(-1) ?? '', source)
    })
  })

  testOnTmpfs('is not filled further than MIN_FREE_BYTES, and says so at /readyz (needs root)', async () => {
    await withStoreOf('64m', '20MiB', async ({ server, tus, fill, free, freeBytes }) => {
      const source = bytesFrom(12, 40 * MIB)
      const id = await tus.create(source.byteLength)
      await fill(36 * MIB)
      await sleep(600)
      const full = await tus.patch(id, 0, source)
      expect([full?.status, problemCode(full)]).toEqual([507, 'INSUFFICIENT_STORAGE'])
      expect(await freeBytes()).toBeGreaterThan(0)
      // It looked before it read a byte.
      expect(await tus.offset(id)).toBe(0)
      const offset = 4 * MIB
      expect((await tus.patch(id, 0, source.subarray(0, offset)))?.status).toBe(204)
      expect(await storedSize(server.dataDir, id)).toBe(offset)
      await fill(10 * MIB)
      await sleep(600)
      const readiness = await fetch(`${server.url}/readyz`)
      expect([readiness.status, await readiness.json()]).toEqual([
        503,
        expect.objectContaining({ status: 'degraded', reason: expect.stringContaining('free space') }),
      ])
      await expect(tus.create(1000)).rejects.toThrow('INSUFFICIENT_STORAGE')
      await free()
      await sleep(SPACE_MEASURED_MS)
      expect((await tus.patch(id, offset, source.subarray(offset)))?.status).toBe(204)
      await expectWhole(tus, id, source)
    })
  })
})

interface SmallStore {
  readonly server: TestServer
  readonly tus: RawTus
  /** Takes room away until so much is left. */
  fill(leftBytes: number): Promise<void>
  /** Gives all of it back. */
  free(): Promise<void>
  freeBytes(): Promise<number>
}

/** A server whose store is a file system of its own. */
async function withStoreOf(
  size: string,
  minFreeBytes: string,
  work: (store: SmallStore) => Promise<void>,
): Promise<void> {
  const folder = await mkdtemp(path.join(tmpdir(), 'antipasto-full-'))
  const dataDir = path.join(folder, 'data')
  const store = path.join(dataDir, 'store')
  const ballasts: string[] = []
  await mkdir(store, { recursive: true })
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', store])
  try {
    const server = await startServer({ dataDir, env: { MIN_FREE_BYTES: minFreeBytes } })
    const freeBytes = async () => {
      const { bavail, bsize } = await statfs(store)
      return bavail * bsize
    }
    try {
      await work({
        server,
        tus: rawTus(server),
        freeBytes,
        async fill(leftBytes) {
          const ballast = path.join(store, `ballast-${ballasts.length}`)
          ballasts.push(ballast)
          await writeFile(ballast, Buffer.alloc(Math.max(0, (await freeBytes()) - leftBytes)))
        },
        async free() {
          for (const ballast of ballasts.splice(0)) await rm(ballast)
        },
      })
    } finally {
      await server.dispose()
    }
  } finally {
    execFileSync('umount', ['--lazy', store])
    await rm(folder, { recursive: true, force: true })
  }
}

/** A whole small file in the request that creates its upload. */
function createWithBody(server: TestServer, bytes: Buffer): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = {
      Authorization: `Bearer ${server.key}`,
      'Tus-Resumable': '1.0.0',
      'Content-Type': 'application/offset+octet-stream',
      'Upload-Length': String(bytes.byteLength),
      'Content-Length': String(bytes.byteLength),
    }
    const sent = http.request(
      `${server.url}/uploads`,
      { method: 'POST', headers, agent: false },
      async (response) => {
        const chunks: Buffer[] = []
        for await (const chunk of response) chunks.push(chunk)
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) })
      },
    )
    sent.on('error', reject)
    sent.end(bytes)
  })
}

/** Sends slowly until all is sent or an answer has come. */
async function trickle(
  patch: RunningPatch,
  bytes: Buffer,
  { pieceBytes, pauseMs }: { pieceBytes: number; pauseMs: number },
): Promise<void> {
  let isAnswered = false
  void patch.answer.then(() => {
    isAnswered = true
  })
  for (let at = 0; at < bytes.byteLength && !isAnswered; at += pieceBytes) {
    await patch.write(bytes.subarray(at, at + pieceBytes))
    await sleep(pauseMs)
  }
}

/** Without holding the body in memory: it is this process that would be measured next. */
function downloadedSha256(url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const hash = createHash('sha256')
    const sent = http.get(url, { agent: false }, (response) => {
      response.on('data', (chunk: Buffer) => hash.update(chunk))
      response.on('end', () => resolve(hash.digest('hex')))
      response.on('error', reject)
    })
    sent.on('error', reject)
  })
}

function canMount(): boolean {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false
  const folder = execFileSync('mktemp', ['--directory', '--tmpdir', 'antipasto-mount-XXXXXX'])
    .toString()
    .trim()
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', folder], { stdio: 'ignore' })
    execFileSync('umount', [folder])
    return true
  } catch {
    return false
  } finally {
    execFileSync('rmdir', [folder])
  }
}
