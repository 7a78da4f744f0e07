// What composing asks of S3, and what it makes of S3's trouble. That the bytes are right in general: store-contract.ts.

import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals'
import { S3Store } from '../../server/storage/s3.js'
import type { ComposeSource } from '../../server/storage/store.js'
import { createTestBucket, describeS3, type TestBucket } from '../support/s3.js'
import {
  type Action,
  cutAnswer,
  cutBefore,
  cutInside,
  fails,
  losesAnswer,
  rewritesAnswer,
  says200WithError,
} from '../support/s3-faults.js'
import type { Operation } from '../support/s3-operation.js'
import { type S3Proxy, startS3Proxy } from '../support/s3-proxy.js'
import { collect } from './store-contract.js'

const MIB = 1024 ** 2

const newKey = () => randomBytes(20).toString('hex')

describeS3('composing on a real S3 server', () => {
  const random = randomBytes(7 * MIB)
  let bucket: TestBucket
  let proxy: S3Proxy
  let store: S3Store

  beforeAll(async () => {
    bucket = await createTestBucket()
    proxy = await startS3Proxy(bucket.endpoint)
    const timing = { attempts: 3, backOffBaseMs: 1, backOffCapMs: 2 }
    store = new S3Store({ ...bucket.settings({ endpoint: proxy.url }), timing }, 16 * MIB)
    await store.open()
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

  /** Sources of so many bytes, and how to compose them: `key` is new. */
  async function ground(...lengths: number[]) {
    const sources: ComposeSource[] = []
    const contents = lengths.map((lengthBytes, index) => random.subarray(index, index + lengthBytes))
    for (const content of contents) {
      const source = { key: newKey(), sizeBytes: content.length }
      await store.putObject(source.key, content)
      sources.push(source)
    }
    const content = Buffer.concat(contents)
    const key = newKey()
    proxy.reset()
    return {
      key,
      sources,
      compose: (signal?: AbortSignal) => store.compose(key, sources, signal),
      /** The object has the right bytes, and there is nothing else but the sources. */
      expectWhole: async () => {
        const object = await collect(store.readObject(key, { start: 0, end: content.length }))
        expect(object.equals(content)).toBe(true)
        expect((await store.readObjectHead(key, 0)).sizeBytes).toBe(content.length)
        const { objects, multiparts } = await bucket.list()
        expect([objects.length, multiparts]).toEqual([sources.length + 1, []])
      },
    }
  }

  test('large ones are copied by S3: nothing is downloaded, and nothing sent', async () => {
    const { compose, expectWhole } = await ground(5 * MIB, 6 * MIB, 0, 7 * MIB)
    await compose()
    expect(proxy.counts()).toEqual({
      // A byte of each source, and of the object, which isn't there yet.
      GetObject: 5,
      ListMultipartUploads: 1,
      CreateMultipartUpload: 1,
      UploadPartCopy: 3,
      CompleteMultipartUpload: 1,
    })
    expect(proxy.bytesReceived()).toBeLessThan(10_000)
    expect(proxy.bytesSent()).toBeLessThan(10_000)
    await expectWhole()
  })

  test('small ones are read, and sent as one object', async () => {
    const { compose, expectWhole } = await ground(1000, 0, 2 * MIB, 1)
    await compose()
    expect(proxy.counts()).toEqual({ GetObject: 5 + 3, ListMultipartUploads: 1, PutObject: 1 })
    await expectWhole()
  })

  test('a small one among large ones costs its own size, and what fills its part up', async () => {
    const { compose, expectWhole } = await ground(6 * MIB, MIB, 7 * MIB, 7 * MIB)
    await compose()
    expect(proxy.counts()).toMatchObject({ UploadPart: 1, UploadPartCopy: 2, CompleteMultipartUpload: 1 })
    // The third's rest would be too small for a part.
    expect(proxy.bytesReceived()).toBeLessThan(8 * MIB + 20_000)
    expect(proxy.bytesSent()).toBeLessThan(8 * MIB + 20_000)
    await expectWhole()
  })

  test('no more than four copies are on their way at a time', async () => {
    const { compose, expectWhole } = await ground(...Array<number>(6).fill(5 * MIB))
    const held = proxy.hold({ operation: 'UploadPartCopy', nth: 'every' })
    const composing = compose()
    await held.reached
    await sleep(300)
    expect(proxy.counts().UploadPartCopy).toBe(4)
    held.release()
    await composing
    await expectWhole()
  })

  const error = '<Error><Code>InternalError</Code><Message>We encountered an error.</Message></Error>'
  test.each<[string, Operation, Action]>([
    ['a copy that is refused for a moment', 'UploadPartCopy', fails(503, 'SlowDown')],
    ['a copy that is answered 200 with an error in it', 'UploadPartCopy', says200WithError('InternalError')],
    [
      'a copy that is answered 200 with an error in it, and a line end',
      'UploadPartCopy',
      rewritesAnswer(200, `${error}\n`),
    ],
    ['a copy that is answered 200 with nothing', 'UploadPartCopy', rewritesAnswer(200, '')],
    [
      'a copy that is answered without an ETag',
      'UploadPartCopy',
      rewritesAnswer(200, '<CopyPartResult></CopyPartResult>'),
    ],
    ['a copy whose connection breaks', 'UploadPartCopy', cutBefore],
    ['a copy whose answer is lost', 'UploadPartCopy', losesAnswer],
    ['a gathered part whose connection breaks', 'UploadPart', cutInside],
    ['a gathered part whose source breaks off', 'GetObject', cutAnswer(100_000)],
    ['a creation that is refused', 'CreateMultipartUpload', fails(500, 'InternalError')],
    ['a completion that is refused for a moment', 'CompleteMultipartUpload', fails(503, 'SlowDown')],
    [
      'a completion that is answered 200 with an error in it',
      'CompleteMultipartUpload',
      says200WithError('InternalError'),
    ],
    ['a completion whose answer is lost', 'CompleteMultipartUpload', losesAnswer],
    [
      'a completion that was done, and answered with an error in a 200',
      'CompleteMultipartUpload',
      rewritesAnswer(200, error),
    ],
  ])('%s is tried again', async (_, operation, action) => {
    const { compose, expectWhole } = await ground(6 * MIB, MIB, 4 * MIB, 6 * MIB)
    // The first reading of more than a byte is the sixth.
    proxy.on({ operation, nth: operation === 'GetObject' ? 6 : 1 }, action)
    await compose()
    await expectWhole()
  })

  test.each<Operation>(['UploadPartCopy', 'UploadPart', 'CompleteMultipartUpload'])(
    '%s that S3 refuses for a while is UNAVAILABLE; later it is begun anew, and nothing is left over',
    async (operation) => {
      const { compose, expectWhole } = await ground(6 * MIB, MIB, 4 * MIB, 6 * MIB)
      proxy.on({ operation, nth: 'every' }, fails(503, 'SlowDown'))
      await expect(compose()).rejects.toMatchObject({ name: 'AppError', code: 'UNAVAILABLE' })
      proxy.reset()
      await compose()
      expect(proxy.counts()).toMatchObject({ AbortMultipartUpload: 1, CompleteMultipartUpload: 1 })
      await expectWhole()
    },
  )

  test('a failure ends the other copies, and waits for them', async () => {
    const { key, compose } = await ground(...Array<number>(6).fill(5 * MIB))
    proxy.on({ operation: 'UploadPartCopy', nth: 'every', partNumber: 2 }, fails(403, 'AccessDenied'))
    proxy.hang({ operation: 'UploadPartCopy', nth: 'every' })
    await expect(compose()).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    expect(proxy.counts().UploadPartCopy).toBeLessThanOrEqual(4)
    await store.deleteTemporary(key)
    expect((await bucket.list()).multiparts).toEqual([])
  })

  test('a signal ends copies that hang', async () => {
    const { compose, expectWhole } = await ground(5 * MIB, 5 * MIB)
    const controller = new AbortController()
    const { reached } = proxy.hang({ operation: 'UploadPartCopy', nth: 'every' })
    const composing = compose(controller.signal)
    await reached
    controller.abort(new Error('enough'))
    await expect(composing).rejects.toThrow('enough')
    proxy.reset()
    await compose()
    await expectWhole()
  })

  test('a source that goes away meanwhile is NOT_FOUND', async () => {
    const { compose, sources } = await ground(5 * MIB, 5 * MIB)
    const held = proxy.hold({ operation: 'CreateMultipartUpload', nth: 1 })
    const composing = compose()
    await held.reached
    await store.deleteObject(sources[1]?.key ?? '')
    held.release()
    await expect(composing).rejects.toMatchObject({ name: 'AppError', code: 'NOT_FOUND' })
  })

  test('a small source that goes away meanwhile is NOT_FOUND, too', async () => {
    const { compose, sources } = await ground(6 * MIB, MIB, 1000, 6 * MIB)
    const held = proxy.hold({ operation: 'CreateMultipartUpload', nth: 1 })
    const composing = compose()
    await held.reached
    await store.deleteObject(sources[2]?.key ?? '')
    held.release()
    await expect(composing).rejects.toMatchObject({ name: 'AppError', code: 'NOT_FOUND' })
  })

  test('a multipart upload that somebody aborts is UNAVAILABLE: the sources are fine', async () => {
    const { compose, key, expectWhole } = await ground(5 * MIB, MIB, 5 * MIB)
    const held = proxy.hold({ operation: 'CreateMultipartUpload', nth: 1 })
    const composing = compose()
    await held.reached
    await store.deleteTemporary(key)
    held.release()
    await expect(composing).rejects.toMatchObject({ name: 'AppError', code: 'UNAVAILABLE' })
    await compose()
    await expectWhole()
  })

  test('what another instance has completed meanwhile is done', async () => {
    const { compose, expectWhole } = await ground(5 * MIB, 5 * MIB)
    const held = proxy.hold({ operation: 'CreateMultipartUpload', nth: 1 })
    const composing = compose()
    await held.reached
    await compose()
    held.release()
    await composing
    await expectWhole()
  })
})
