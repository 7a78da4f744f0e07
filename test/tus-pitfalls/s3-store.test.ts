// What stock @tus/s3-store 2.0.7 gets wrong, row by row: each title begins with its row's first words.

import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { CreateMultipartUploadCommand, UploadPartCommand } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals'
import { bytesFrom, expectWhole, reportWhen } from '../end-to-end/evidence.js'
import { get, problemCode, type RawTus, rawTus } from '../end-to-end/raw-tus.js'
import { expectUnavailable, newS3Ground, PART_BYTES, type S3Ground } from '../end-to-end/s3-ground.js'
import { describeS3 } from '../support/s3.js'
import { fails } from '../support/s3-faults.js'
import type { TestServer } from '../support/server.js'
import { until } from '../support/until.js'

const MIB = 1024 * 1024
const MAIN = fileURLToPath(new URL('../../server/main.js', import.meta.url))

describeS3('what stock @tus/s3-store gets wrong', () => {
  let ground: S3Ground
  let server: TestServer
  let tus: RawTus
  let temporaryFolder: string

  beforeAll(async () => {
    ground = await newS3Ground()
    temporaryFolder = await mkdtemp(path.join(tmpdir(), 'antipasto-temporary-'))
    server = await ground.startInstance({ TMPDIR: temporaryFolder })
    tus = rawTus(server)
  })

  beforeEach(async () => {
    ground.proxy.reset()
    if (server.pid === undefined) await server.restart()
  })

  afterAll(async () => {
    await ground.dispose()
    await rm(temporaryFolder, { recursive: true, force: true })
  })

  const storedOf = async (id: string) => (await ground.stored()).filter((line) => line.includes(id))
  const partsOf = async (id: string) =>
    (await ground.bucket.list()).multiparts.find(({ key }) => key.includes(id))?.parts ?? []

  test('"Parts go up in parallel": the offset ends before the part that failed, whatever landed behind it', async () => {
    const source = bytesFrom(1, 4 * PART_BYTES)
    const id = await tus.create(source.byteLength)
    ground.proxy.on(
      { operation: 'UploadPart', partNumber: 2, nth: 'every', key: id },
      fails(500, 'InternalError'),
    )
    expectUnavailable(await tus.patch(id, 0, source))
    // S3 has the first part and more than that, but not the second.
    const landed = (await partsOf(id)).map(({ partNumber }) => partNumber)
    expect(landed).toContain(1)
    expect(landed).not.toContain(2)
    const offset = await tus.offset(id)
    expect(offset).toBeLessThanOrEqual(PART_BYTES)
    ground.proxy.reset()
    expect((await tus.patch(id, offset, source.subarray(offset)))?.status).toBe(204)
    await expectWhole(tus, id, source)
  })

  test('"Part 1 fails, the tail lands in `.part`": nothing counts, and the right bytes follow', async () => {
    const source = bytesFrom(2, 2 * PART_BYTES)
    const id = await tus.create(source.byteLength)
    ground.proxy.on(
      { operation: 'UploadPart', partNumber: 1, nth: 'every', key: id },
      fails(500, 'InternalError'),
    )
    expectUnavailable(await tus.patch(id, 0, source.subarray(0, PART_BYTES + 4 * MIB)))
    expect(await tus.offset(id)).toBe(0)
    ground.proxy.reset()
    expect((await tus.patch(id, 0, source))?.status).toBe(204)
    await expectWhole(tus, id, source)
  })

  test('"`.part` is deleted *before* its bytes are stored again": a crash then finds them', async () => {
    const source = bytesFrom(3, PART_BYTES + MIB)
    const id = await tus.create(source.byteLength)
    expect((await tus.patch(id, 0, source.subarray(0, 3 * MIB)))?.status).toBe(204)
    const tail = await storedOf(id)
    expect(tail).toHaveLength(1)
    // The part that replaces the tail is in S3, but nobody has heard of it yet.
    const held = ground.proxy.hold({ operation: 'UploadPart', nth: 1, key: id })
    const patch = tus.startPatch(id, 3 * MIB, source.byteLength - 3 * MIB)
    // Not to the end: the last bytes are a part of their own, which might come first and be the one that is held.
    await patch.write(source.subarray(3 * MIB, PART_BYTES))
    await held.reached
    expect(await storedOf(id)).toEqual(expect.arrayContaining(tail))
    await server.kill()
    held.release()
    expect(await patch.answer).toBeNull()
    await server.restart()
    await ground.lapseLeases()
    expect(await tus.offset(id)).toBe(3 * MIB)
    expect((await tus.patch(id, 3 * MIB, source.subarray(3 * MIB)))?.status).toBe(204)
    await expectWhole(tus, id, source)
    await ground.expectNothingLeftAfterDeletion(tus, id)
  })

  test('"Each PATCH smaller than 5 MiB downloads and uploads the whole tail again": a small one costs its own size', async () => {
    const source = bytesFrom(4, 12 * MIB)
    const id = await tus.create(PART_BYTES)
    ground.proxy.reset()
    for (let offset = 0; offset < source.byteLength; offset += MIB) {
      expect((await tus.patch(id, offset, source.subarray(offset, offset + MIB)))?.status).toBe(204)
    }
    // Stock sends 1 + 2 + 3 + 4 MiB and so on up to 5.
    expect(ground.proxy.bytesSent()).toBeLessThan(2 * source.byteLength)
    expect(ground.proxy.bytesReceived()).toBeLessThan(source.byteLength)
    await ground.expectNothingLeftAfterDeletion(tus, id)
  })

  test('"A zero-byte upload": an empty object that can be retrieved, and no multipart', async () => {
    const id = await tus.create(0)
    await expectWhole(tus, id, Buffer.alloc(0))
    expect(await storedOf(id)).toEqual([`object ${ground.bucket.prefix}/objects/${id} 0`])
    await ground.expectNothingLeftAfterDeletion(tus, id)
  })

  test('"DELETE of a finished upload answers 404 and the object stays": all of it is gone, finished or not', async () => {
    const source = bytesFrom(5, PART_BYTES + 3 * MIB)
    const finished = await tus.create(source.byteLength)
    expect((await tus.patch(finished, 0, source))?.status).toBe(204)
    expect(await storedOf(finished)).toHaveLength(1)
    await ground.expectNothingLeftAfterDeletion(tus, finished)
    // With a part and a tail.
    const unfinished = await tus.create(source.byteLength)
    expect((await tus.patch(unfinished, 0, source.subarray(0, -1)))?.status).toBe(204)
    expect((await storedOf(unfinished)).map((line) => line.split(' ')[0])).toEqual(
      expect.arrayContaining(['multipart', 'object']),
    )
    await ground.expectNothingLeftAfterDeletion(tus, unfinished)
  })

  test.each([
    ['403', fails(403, 'AccessDenied')],
    ['503', fails(503, 'SlowDown')],
    ['404', fails(404, 'NoSuchBucket')],
  ])(
    '"Any S3 error on `.info` (403, 503) becomes 404": %s is 423 or the true offset to HEAD, 503 to PATCH',
    async (_, action) => {
      const source = bytesFrom(6, 4 * MIB)
      const id = await tus.create(source.byteLength)
      expect((await tus.patch(id, 0, source.subarray(0, MIB)))?.status).toBe(204)
      ground.proxy.on({ operation: 'any', nth: 'every' }, action)
      const head = await tus.head(id)
      expect([200, 423]).toContain(head.status)
      if (head.status === 200) expect(head.headers['upload-offset']).toBe(String(MIB))
      expectUnavailable(await tus.patch(id, MIB, source.subarray(MIB)))
      expect((await tus.report(id)).state).toBe('receiving')
      ground.proxy.reset()
      expect(await tus.offset(id)).toBe(MIB)
      expect((await tus.patch(id, MIB, source.subarray(MIB)))?.status).toBe(204)
      await expectWhole(tus, id, source)
    },
    60_000,
  )

  test('"A multipart aborted by a bucket rule: HEAD says *complete*": failed, with the reason, and 410', async () => {
    const source = bytesFrom(7, 2 * PART_BYTES)
    const id = await tus.create(source.byteLength)
    expect((await tus.patch(id, 0, source.subarray(0, PART_BYTES)))?.status).toBe(204)
    expect(await ground.abortMultiparts(id)).toBe(1)
    expect([200, 410]).toContain((await tus.head(id)).status)
    const patch = await tus.patch(id, PART_BYTES, source.subarray(PART_BYTES))
    expect([patch?.status, problemCode(patch)]).toEqual([410, 'GONE'])
    expect((await tus.head(id)).status).toBe(410)
    const report = await tus.report(id)
    expect(report.state).toBe('failed')
    expect(report.error?.detail).toMatch(/store lost bytes/)
  })

  test('"Empty PATCH at the final offset": 204, as often as it comes', async () => {
    const source = bytesFrom(8, PART_BYTES + 1)
    const id = await tus.create(source.byteLength)
    expect((await tus.patch(id, 0, source))?.status).toBe(204)
    for (let i = 0; i < 3; i += 1) {
      const again = await tus.patch(id, source.byteLength, Buffer.alloc(0))
      expect([again?.status, again?.headers['upload-offset']]).toEqual([204, String(source.byteLength)])
    }
    await expectWhole(tus, id, source)
  })

  test('"Every part is spooled to the temp folder first": memory is bounded, and no disk is written', async () => {
    await server.restart()
    const written = async () =>
      Number(/^write_bytes: (\d+)/m.exec(await readFile(`/proc/${server.pid}/io`, 'utf8'))?.[1])
    const before = await written()
    const seen = new Set<string>()
    const looking = setInterval(async () => {
      for (const name of await readdir(temporaryFolder)) seen.add(name)
    }, 5)
    const source = bytesFrom(9, 128 * MIB)
    const id = await tus.create(null)
    const patch = await tus.patch(id, 0, source, { 'Upload-Length': String(source.byteLength) })
    clearInterval(looking)
    expect(patch?.status).toBe(204)
    expect([...seen]).toEqual([])
    expect((await written()) - before).toBeLessThan(MIB)
    const status = await readFile(`/proc/${server.pid}/status`, 'utf8')
    const peakKib = Number(/VmHWM:\s*(\d+) kB/.exec(status)?.[1])
    expect(peakKib * 1024).toBeLessThan(400_000_000)
    await expectWhole(tus, id, source)
  })

  test('"Default cache is an unbounded Map, stale across instances": each instance knows what the other has taken', async () => {
    const source = bytesFrom(10, 3 * MIB)
    const other = await ground.startInstance()
    const there = rawTus(other)
    const id = await tus.create(source.byteLength)
    expect(await there.offset(id)).toBe(0)
    expect((await tus.patch(id, 0, source.subarray(0, MIB)))?.status).toBe(204)
    expect(await there.offset(id)).toBe(MIB)
    expect((await there.patch(id, MIB, source.subarray(MIB, 2 * MIB)))?.status).toBe(204)
    expect(await tus.offset(id)).toBe(2 * MIB)
    expect((await there.remove(id)).status).toBe(204)
    expect((await tus.head(id)).status).toBe(410)
    await other.dispose()
  })

  test('"`deleteExpired` aborts every multipart upload in the bucket": the sweep ends ours, by its id', async () => {
    const source = bytesFrom(11, PART_BYTES + 1)
    const [expired, alive] = [await tus.create(2 * PART_BYTES), await tus.create(2 * PART_BYTES)]
    for (const id of [expired, alive]) expect((await tus.patch(id, 0, source))?.status).toBe(204)
    const { bucket, client, prefix } = ground.bucket
    const strangers = ['another-program/file', `${prefix}/objects/not-one-of-ours`]
    for (const key of strangers) {
      const begun = await client.send(new CreateMultipartUploadCommand({ Bucket: bucket, Key: key }))
      await client.send(
        new UploadPartCommand({
          Bucket: bucket,
          Key: key,
          UploadId: begun.UploadId,
          PartNumber: 1,
          Body: Buffer.alloc(1000),
        }),
      )
    }
    await ground.rows(`UPDATE uploads SET expires_at = now() - interval '1 second' WHERE id = $1`, [expired])
    await promisify(execFile)(process.execPath, [MAIN, 'sweep'], {
      env: { ...process.env, ...ground.env, DATA_DIR: server.dataDir },
    })
    // The server's own sweep may have come first, and still be at it.
    await reportWhen(tus, expired, ({ state }) => state === 'expired')
    await until(async () => !(await ground.stored()).some((line) => line.includes(expired)))
    const stored = await ground.stored()
    expect(await partsOf(alive)).toHaveLength(1)
    for (const key of strangers) expect(stored).toContain(`multipart ${key} 1`)
    expect((await tus.patch(alive, source.byteLength, bytesFrom(12, PART_BYTES - 1)))?.status).toBe(204)
  })

  test('"8 MiB parts; a client that sends 8 MiB chunks ends at 78 GiB": parts follow the declared size, not the chunks', async () => {
    const source = bytesFrom(13, 40 * MIB)
    for (const [sizeBytes, partBytes] of [
      [source.byteLength + 1, PART_BYTES],
      [300 * 1024 * MIB, 35 * MIB],
    ] as const) {
      const id = await tus.create(sizeBytes)
      for (let offset = 0; offset < source.byteLength; offset += 8 * MIB) {
        expect((await tus.patch(id, offset, source.subarray(offset, offset + 8 * MIB)))?.status).toBe(204)
      }
      const sizes = (await partsOf(id)).map((part) => part.sizeBytes)
      expect(sizes).toEqual(Array(Math.floor(source.byteLength / partBytes)).fill(partBytes))
      expect(Math.ceil(sizeBytes / partBytes)).toBeLessThan(10_000)
      await ground.expectNothingLeftAfterDeletion(tus, id)
    }
  })

  test('"Newer SDKs add CRC32 by default": none is sent unless S3_CHECKSUMS says so', async () => {
    const source = bytesFrom(14, PART_BYTES + MIB)
    const sendThrough = async (client: RawTus): Promise<string[]> => {
      ground.proxy.reset()
      const id = await client.create(source.byteLength)
      expect((await client.patch(id, 0, source))?.status).toBe(204)
      await get(String((await expectWhole(client, id, source)).retrieval_url))
      return ground.proxy
        .headerNames()
        .filter((name) => /checksum|x-amz-trailer|x-amz-sdk-checksum/.test(name))
    }
    expect(await sendThrough(tus)).toEqual([])
  })
})
