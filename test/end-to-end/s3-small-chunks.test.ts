// Small pieces, odd sizes and what they cost: acknowledged bytes are safe at once, and S3 is sent little more than the file.

import { createHash } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals'
import { describeS3 } from '../support/s3.js'
import type { TestServer } from '../support/server.js'
import { bytesFrom, expectWhole } from './evidence.js'
import { problemCode, type RawTus, rawTus } from './raw-tus.js'
import { newS3Ground, PART_BYTES, type S3Ground } from './s3-ground.js'
import { startUpload } from './tus-client.js'

const KIB = 1024
const MIB = 1024 * KIB

describeS3('an upload to S3 in small chunks and odd sizes', () => {
  let ground: S3Ground
  let server: TestServer
  let tus: RawTus

  beforeAll(async () => {
    ground = await newS3Ground()
    server = await ground.startInstance()
    tus = rawTus(server)
  })

  beforeEach(() => ground.proxy.reset())
  afterAll(() => ground.dispose())

  async function sendChunks(id: string, source: Buffer, chunkBytes: number): Promise<void> {
    for (let offset = 0; offset < source.byteLength; offset += chunkBytes) {
      const answer = await tus.patch(id, offset, source.subarray(offset, offset + chunkBytes))
      expect(answer?.status).toBe(204)
    }
  }

  test('100 PATCHes of 64 KiB send S3 a small multiple of the file, and each survives kill -9', async () => {
    const source = bytesFrom(1, 100 * 64 * KIB)
    const id = await tus.create(source.byteLength)
    ground.proxy.reset()
    for (let i = 0; i < 100; i += 1) {
      const offset = i * 64 * KIB
      const answer = await tus.patch(id, offset, source.subarray(offset, offset + 64 * KIB))
      expect(answer?.status).toBe(204)
      if (i % 50 !== 37) continue
      await server.restart()
      expect(await tus.offset(id)).toBe(offset + 64 * KIB)
    }
    await expectWhole(tus, id, source)
    expect(ground.proxy.bytesSent()).toBeLessThan(6 * source.byteLength)
    expect(await storedKinds(id)).toEqual(['object'])
    await ground.expectNothingLeftAfterDeletion(tus, id)
  })

  test('chunks of 1 MiB over several parts send each byte two or three times at most', async () => {
    const source = bytesFrom(2, 2 * PART_BYTES + 5 * MIB + 3)
    const id = await tus.create(source.byteLength)
    ground.proxy.reset()
    await sendChunks(id, source, MIB)
    expect(ground.proxy.bytesSent()).toBeLessThan(3 * source.byteLength)
    await expectWhole(tus, id, source)
    expect(await storedKinds(id)).toEqual(['object'])
  })

  test('a small file in the request that creates it is one PutObject, and nothing else', async () => {
    const source = bytesFrom(3, 10_000)
    const watched = startUpload(source, server, { uploadDataDuringCreation: true })
    await watched.done
    expect(ground.proxy.counts()).toEqual({ PutObject: 1 })
    await expectWhole(tus, watched.id(), source)
  })

  test('a file that fits one part, in one PATCH, is one PutObject and one look at it', async () => {
    const source = bytesFrom(4, PART_BYTES)
    const id = await tus.create(source.byteLength)
    expect((await tus.patch(id, 0, source))?.status).toBe(204)
    const { PutObject, GetObject, ...others } = ground.proxy.counts()
    expect(PutObject).toBe(1)
    expect(GetObject ?? 0).toBeLessThanOrEqual(1)
    expect(others).toEqual({})
    await expectWhole(tus, id, source)
    await ground.expectNothingLeftAfterDeletion(tus, id)
  })

  test('a file of n parts in one PATCH costs n + 3 requests', async () => {
    const source = bytesFrom(5, 4 * PART_BYTES - 9)
    const id = await tus.create(source.byteLength)
    ground.proxy.reset()
    expect((await tus.patch(id, 0, source))?.status).toBe(204)
    const counts = ground.proxy.counts()
    expect(counts).toMatchObject({ CreateMultipartUpload: 1, UploadPart: 4, CompleteMultipartUpload: 1 })
    expect(Object.values(counts).reduce((sum, count) => sum + count, 0)).toBeLessThanOrEqual(4 + 3)
    await expectWhole(tus, id, source)
  })

  test.each([
    ['declared at the start', 0],
    ['declared at the end', null],
  ])('no bytes at all, %s: an empty object that can be retrieved', async (_, size) => {
    const id = await tus.create(size)
    if (size === null) {
      const answer = await tus.patch(id, 0, Buffer.alloc(0), { 'Upload-Length': '0' })
      expect(answer?.status).toBe(204)
    }
    const report = await expectWhole(tus, id, Buffer.alloc(0))
    expect(report.warnings).toEqual([expect.stringContaining('empty')])
    expect(await storedKinds(id)).toEqual(['object'])
    await ground.expectNothingLeftAfterDeletion(tus, id)
  })

  test.each([-1, 0, 1])(
    'a part’s size and %i bytes, in one PATCH, in two and with a late length; two parts’ likewise',
    async (more) => {
      for (const [i, [sizeBytes, cutAt, isDeferred]] of [
        [PART_BYTES + more, 0, false],
        [PART_BYTES + more, PART_BYTES - 1, false],
        [PART_BYTES + more, PART_BYTES, true],
        [2 * PART_BYTES + more, 0, true],
        [2 * PART_BYTES + more, PART_BYTES + 1, false],
      ].entries() as Iterable<[number, [number, number, boolean]]>) {
        const source = bytesFrom(sizeBytes + i, sizeBytes)
        const id = await tus.create(isDeferred ? null : sizeBytes)
        const offset = Math.min(cutAt, sizeBytes)
        if (offset > 0) expect((await tus.patch(id, 0, source.subarray(0, offset)))?.status).toBe(204)
        const declaration = isDeferred ? { 'Upload-Length': String(sizeBytes) } : {}
        if (offset < sizeBytes || isDeferred) {
          expect((await tus.patch(id, offset, source.subarray(offset), declaration))?.status).toBe(204)
        }
        await expectWhole(tus, id, source)
        await ground.expectNothingLeftAfterDeletion(tus, id)
      }
    },
    60_000,
  )

  test('a stream of unknown length, past several parts, in chunks', async () => {
    const source = bytesFrom(6, 3 * PART_BYTES + 11)
    const id = await tus.create(null)
    await sendChunks(id, source, 7 * MIB)
    expect((await tus.report(id)).size).toBeNull()
    const end = await tus.patch(id, source.byteLength, Buffer.alloc(0), {
      'Upload-Length': String(source.byteLength),
    })
    expect(end?.status).toBe(204)
    await expectWhole(tus, id, source)
    await ground.expectNothingLeftAfterDeletion(tus, id)
  })

  test('Upload-Checksum: a damaged PATCH counts for nothing, whether it ends in a tail or past a part', async () => {
    const source = bytesFrom(7, PART_BYTES + 6 * MIB)
    const id = await tus.create(source.byteLength)
    const checksum = (bytes: Buffer) => ({
      'Upload-Checksum': `sha1 ${createHash('sha1').update(bytes).digest('base64')}`,
    })
    let offset = 0
    for (const chunkBytes of [3 * MIB + 1, PART_BYTES, 4 * MIB]) {
      const chunk = source.subarray(offset, offset + chunkBytes)
      const damaged = Buffer.from(chunk)
      damaged[damaged.byteLength - 1] = (damaged.at(-1) ?? 0) ^ 1
      const refused = await tus.patch(id, offset, damaged, checksum(chunk))
      expect([refused?.status, problemCode(refused)]).toEqual([460, 'CHECKSUM_MISMATCH'])
      expect(await tus.offset(id)).toBe(offset)
      expect((await tus.patch(id, offset, chunk, checksum(chunk)))?.status).toBe(204)
      offset += chunk.byteLength
    }
    await expectWhole(tus, id, source)
    await ground.expectNothingLeftAfterDeletion(tus, id)
  })

  // Ceph refuses a completion that doesn't name every part it has: see docs/s3.md.
  test('an upload that ends before a part that was sent but never acknowledged is right, or says that it failed', async () => {
    const source = bytesFrom(8, PART_BYTES)
    const id = await tus.create(null)
    expect((await tus.patch(id, 0, source))?.status).toBe(204)
    // A second part goes to S3, and is refused when its last byte is in.
    const wrong = { 'Upload-Checksum': `sha1 ${Buffer.alloc(20).toString('base64')}` }
    const refused = await tus.patch(id, PART_BYTES, bytesFrom(9, PART_BYTES), wrong)
    expect(problemCode(refused)).toBe('CHECKSUM_MISMATCH')
    await tus.patch(id, PART_BYTES, Buffer.alloc(0), { 'Upload-Length': String(PART_BYTES) })
    const { state, error } = await tus.report(id)
    if (state === 'failed') {
      expect(error).toMatchObject({
        code: 'INTERNAL',
        detail: expect.stringContaining('Upload the file again'),
      })
      await ground.expectNothingLeft(id)
      return
    }
    await expectWhole(tus, id, source)
    await ground.expectNothingLeftAfterDeletion(tus, id)
  })

  test('12 uploads at once, small and large, mix nothing up', async () => {
    const sources = Array.from({ length: 12 }, (_, i) =>
      bytesFrom(100 + i, i % 5 === 0 ? PART_BYTES + i : i * 311 * KIB + 1),
    )
    const uploads = sources.map((source, i) =>
      startUpload(source, server, { chunkSize: i % 2 === 0 ? Number.POSITIVE_INFINITY : MIB }),
    )
    await Promise.all(uploads.map(({ done }) => done))
    for (const [i, { id }] of uploads.entries()) await expectWhole(tus, id(), sources[i] as Buffer)
    for (const { id } of uploads) expect(await storedKinds(id())).toEqual(['object'])
  })

  async function storedKinds(id: string): Promise<(string | undefined)[]> {
    return (await ground.stored()).filter((line) => line.includes(id)).map((line) => line.split(' ')[0])
  }
})
