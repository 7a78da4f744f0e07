// The store on a real S3 server: the contract, and completion when something is not as it was left. Faults of whole
// servers are in test/end-to-end/s3-*.test.ts.

import { randomBytes } from 'node:crypto'
import { UploadPartCommand } from '@aws-sdk/client-s3'
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import { S3Store } from '../../server/storage/s3.js'
import { EMPTY_LEDGER, type Ledger, type StoredPart } from '../../server/storage/store.js'
import { createTestBucket, describeS3, type TestBucket } from '../support/s3.js'
import { fails, losesAnswer, rewritesAnswer, says200WithError } from '../support/s3-faults.js'
import { type S3Proxy, startS3Proxy } from '../support/s3-proxy.js'
import { endOf, forWriter, recorded } from './ledger-model.js'
import { collect, storeContract } from './store-contract.js'

const KIB = 1024
const MIB = 1024 ** 2
const SLICE_BYTES = 512 * KIB

const never = new AbortController().signal
const newKey = () => randomBytes(20).toString('hex')

describeS3('S3Store on a real server', () => {
  storeContract('S3Store', async () => {
    const bucket = await createTestBucket()
    const store = new S3Store(bucket.settings(), 64 * MIB)
    return {
      store,
      dispose: async () => {
        await store.close()
        await bucket.drop()
      },
    }
  })

  describe('completing', () => {
    const source = randomBytes(20 * MIB)
    let bucket: TestBucket
    let proxy: S3Proxy
    let store: S3Store
    let key: string
    let ledger: Ledger

    beforeAll(async () => {
      bucket = await createTestBucket()
      proxy = await startS3Proxy(bucket.endpoint)
      const timing = { attempts: 3, backOffBaseMs: 1, backOffCapMs: 2 }
      store = new S3Store({ ...bucket.settings({ endpoint: proxy.url }), timing }, 64 * MIB)
    })
    afterEach(async () => {
      proxy.reset()
      await bucket.empty()
    })
    afterAll(async () => {
      await store.close()
      await proxy.close()
      await bucket.drop()
    })

    /** Writes on, and records it. */
    async function append(bytes: Uint8Array, sizeBytes: number | null): Promise<void> {
      const position = { offsetBytes: endOf(ledger), sizeBytes, ledger: forWriter(ledger) }
      const writer = await store.openTemporary(key, position)
      for (let at = 0; at < bytes.length; ) {
        await writer.ready(never)
        const room = writer.boundaryBytes - position.offsetBytes
        const end = Math.min(bytes.length, at + SLICE_BYTES, room)
        writer.write(new Uint8Array(bytes.subarray(at, end))).catch(() => {})
        at = end
      }
      const stored = await writer.sync()
      writer.confirm(stored)
      await writer.close()
      ledger = recorded(ledger, stored)
    }

    /** 20 MiB in two parts, all of them recorded, nothing completed. */
    async function twoParts(): Promise<void> {
      key = newKey()
      ledger = EMPTY_LEDGER
      await append(source, source.length)
      expect(ledger.parts.map(({ kind }) => kind)).toEqual(['part', 'part'])
      proxy.reset()
    }

    const complete = () => store.complete(key, source.length, ledger)
    const objectKey = () => `${bucket.prefix}/objects/${key}`

    async function expectWhole(): Promise<void> {
      const object = await collect(store.readObject(key, { start: 0, end: source.length }))
      expect(object.equals(source)).toBe(true)
      expect(await bucket.list()).toEqual({
        objects: [{ key: objectKey(), sizeBytes: source.length }],
        multiparts: [],
      })
    }

    /** As a zombie does, whose request S3 carries out late. */
    async function putPartBehindOurBack(PartNumber: number, Body: Uint8Array): Promise<void> {
      const target = { Bucket: bucket.bucket, Key: objectKey(), UploadId: ledger.multipartId ?? '' }
      await bucket.client.send(new UploadPartCommand({ ...target, PartNumber, Body }))
    }

    test('is one request, that names the parts and the size', async () => {
      await twoParts()
      await complete()
      expect(proxy.counts()).toEqual({ CompleteMultipartUpload: 1 })
      expect(proxy.headerNames()).toContain('x-amz-mp-object-size')
      await expectWhole()
    })

    test('whose answer is lost has happened: no error, and the whole object', async () => {
      await twoParts()
      proxy.on({ operation: 'CompleteMultipartUpload', nth: 1 }, losesAnswer)
      await complete()
      await expectWhole()
      await complete()
      await expectWhole()
    })

    test('that was answered 200 with an error in it is tried again', async () => {
      await twoParts()
      proxy.on({ operation: 'CompleteMultipartUpload', nth: 1 }, says200WithError('InternalError'))
      await complete()
      expect(proxy.counts()).toEqual({ CompleteMultipartUpload: 2 })
      await expectWhole()
    })

    test('that was done, and answered with an error in a 200, is done', async () => {
      await twoParts()
      const error = '<Error><Code>InternalError</Code><Message>We encountered an error.</Message></Error>'
      proxy.on({ operation: 'CompleteMultipartUpload', nth: 1 }, rewritesAnswer(200, error))
      await complete()
      await expectWhole()
    })

    test('that S3 refuses for a while is UNAVAILABLE, changes nothing, and succeeds later', async () => {
      await twoParts()
      proxy.on({ operation: 'CompleteMultipartUpload', nth: 'every' }, fails(503, 'SlowDown'))
      await expect(complete()).rejects.toMatchObject({ code: 'UNAVAILABLE' })
      proxy.reset()
      await complete()
      await expectWhole()
    })

    test('after an abort that nobody recorded is NOT_FOUND', async () => {
      await twoParts()
      await store.deleteTemporary(key)
      await expect(complete()).rejects.toMatchObject({ name: 'AppError', code: 'NOT_FOUND' })
      expect(await bucket.list()).toEqual({ objects: [], multiparts: [] })
    })

    test('never takes in a part that the ledger does not name: AWS leaves it out, Ceph refuses', async () => {
      await twoParts()
      await putPartBehindOurBack(3, randomBytes(5 * MIB))
      const refusal = await complete().catch((error: unknown) => error)
      if (refusal === undefined) return expectWhole()
      expect(refusal).toMatchObject({ name: 'AppError', code: 'CONFLICT' })
      expect((await bucket.list()).objects).toEqual([])
    })

    test('with a part that is no longer the recorded one is CONFLICT, never other bytes', async () => {
      await twoParts()
      await putPartBehindOurBack(1, randomBytes(16 * MIB))
      await expect(complete()).rejects.toMatchObject({ name: 'AppError', code: 'CONFLICT' })
      expect((await bucket.list()).objects).toEqual([])
    })

    test('with a part that was sent once more, the same, is the whole object', async () => {
      await twoParts()
      await putPartBehindOurBack(1, source.subarray(0, 16 * MIB))
      await complete()
      await expectWhole()
    })

    test.each<[string, (parts: readonly StoredPart[]) => StoredPart[]]>([
      ['a gap', ([, second]) => (second === undefined ? [] : [second])],
      ['too little', ([first]) => (first === undefined ? [] : [first])],
      ['one part twice', ([first, second]) => [first, second, second].filter((part) => part !== undefined)],
    ])('of a ledger with %s is CONFLICT before S3 is asked', async (_, spoil) => {
      await twoParts()
      const spoilt = { ...ledger, parts: spoil(ledger.parts) }
      await expect(store.complete(key, source.length, spoilt)).rejects.toMatchObject({ code: 'CONFLICT' })
      expect(proxy.counts()).toEqual({})
    })

    test('makes the last part of the pieces behind the others, when the length is told after them', async () => {
      key = newKey()
      ledger = EMPTY_LEDGER
      await append(source.subarray(0, 18 * MIB), null)
      await append(source.subarray(18 * MIB), null)
      expect(ledger.parts.map(({ kind }) => kind)).toEqual(['part', 'piece', 'piece'])
      proxy.reset()
      await complete()
      expect(proxy.counts()).toEqual({ UploadPart: 1, GetObject: 2, CompleteMultipartUpload: 1 })
      await complete()
      const object = await collect(store.readObject(key, { start: 0, end: source.length }))
      expect(object.equals(source)).toBe(true)
      await store.deleteTemporary(key)
      await expectWhole()
    })
  })

  describe('an unfinished upload', () => {
    test('is deleted with every multipart upload that was begun for it, and no other upload’s bytes', async () => {
      const bucket = await createTestBucket()
      const store = new S3Store(bucket.settings(), 64 * MIB)
      const [mine, other] = [newKey(), newKey()]
      // Each writer knows nothing of the one before: as after crashes between the creation and its record.
      for (const key of [mine, mine, other]) {
        const position = { offsetBytes: 0, sizeBytes: 40 * MIB, ledger: EMPTY_LEDGER }
        const writer = await store.openTemporary(key, position)
        await writer.ready(never)
        void writer.write(new Uint8Array(16 * MIB))
        await writer.ready(never)
        void writer.write(new Uint8Array(KIB))
        await writer.sync()
        await writer.close()
      }
      await store.putObject(mine, new Uint8Array(10))
      expect((await bucket.list()).multiparts).toHaveLength(3)
      await store.deleteTemporary(mine)
      const { objects, multiparts } = await bucket.list()
      expect(multiparts.map(({ key }) => key)).toEqual([`${bucket.prefix}/objects/${other}`])
      expect(objects.map(({ key }) => key.split('/')[2]).sort()).toEqual([mine, other].sort())
      await store.close()
      await bucket.drop()
    })

    test('gathers at most a quarter of the memory, and is stored in pieces where a part is larger', async () => {
      const bucket = await createTestBucket()
      const store = new S3Store(bucket.settings(), 4 * MIB)
      const position = { offsetBytes: 0, sizeBytes: null, ledger: EMPTY_LEDGER }
      const writer = await store.openTemporary(newKey(), position)
      expect(writer.boundaryBytes).toBe(MIB)
      await writer.ready(never)
      await writer.write(new Uint8Array(MIB))
      await writer.ready(never)
      const writing = writer.write(new Uint8Array(KIB))
      store.relieveMemory()
      await writing
      expect((await writer.sync()).parts.map(({ kind, sizeBytes }) => [kind, sizeBytes])).toEqual([
        ['piece', MIB],
        ['piece', KIB],
      ])
      await writer.close()
      await store.close()
      await bucket.drop()
    })
  })
})
