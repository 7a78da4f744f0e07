import { createHash, randomBytes } from 'node:crypto'
import net from 'node:net'
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { connect, createTestBucket, describeS3, type TestBucket } from './s3.js'
import {
  type Action,
  cutAnswer,
  cutBefore,
  cutInside,
  delays,
  delaysAnswer,
  fails,
  hangs,
  losesAnswer,
  rewritesAnswer,
  says200WithError,
  throttles,
} from './s3-faults.js'
import { s3RequestOf } from './s3-operation.js'
import { type S3Proxy, startS3Proxy } from './s3-proxy.js'

const MIB = 1024 * 1024

describe('the operation of a request', () => {
  test.each([
    ['GET', '/', 'ListBuckets'],
    ['PUT', '/b', 'CreateBucket'],
    ['PUT', '/b/?lifecycle', 'Other'],
    ['HEAD', '/b/', 'HeadBucket'],
    ['GET', '/b?prefix=x', 'ListObjects'],
    ['GET', '/b?list-type=2&prefix=x', 'ListObjectsV2'],
    ['GET', '/b?uploads&prefix=x', 'ListMultipartUploads'],
    ['POST', '/b?delete', 'DeleteObjects'],
    ['PUT', '/b/k/l', 'PutObject'],
    ['PUT', '/b/k?partNumber=2&uploadId=u', 'UploadPart'],
    ['POST', '/b/k?uploads=', 'CreateMultipartUpload'],
    ['POST', '/b/k?uploadId=u', 'CompleteMultipartUpload'],
    ['GET', '/b/k?uploadId=u', 'ListParts'],
    ['GET', '/b/k?response-content-type=a', 'GetObject'],
    ['HEAD', '/b/k', 'HeadObject'],
    ['DELETE', '/b/k?uploadId=u', 'AbortMultipartUpload'],
    ['DELETE', '/b/k', 'DeleteObject'],
  ])('%s %s is %s', (method, target, operation) => {
    expect(s3RequestOf(method, target, false).operation).toBe(operation)
  })

  test('with the key decoded, the number of the part, and what is copied', () => {
    expect(s3RequestOf('PUT', '/b/a/b%20c?partNumber=12&uploadId=u', true)).toEqual({
      operation: 'UploadPartCopy',
      key: 'a/b c',
      partNumber: 12,
    })
    expect(s3RequestOf('PUT', '/b/a', true).operation).toBe('CopyObject')
  })
})

describeS3('the proxy in front of S3', () => {
  let bucket: TestBucket
  let proxy: S3Proxy
  let client: S3Client

  beforeAll(async () => {
    bucket = await createTestBucket()
    proxy = await startS3Proxy(bucket.endpoint)
    client = connect({ ...bucket, endpoint: proxy.url }, { maxAttempts: 1 })
  })

  beforeEach(async () => {
    await bucket.empty()
    proxy.reset()
  })

  afterAll(async () => {
    client?.destroy()
    await proxy?.close()
    await bucket?.drop()
  })

  const put = (key: string, bytes: Uint8Array) =>
    client.send(new PutObjectCommand({ Bucket: bucket.bucket, Key: key, Body: bytes }))

  /** Past the proxy; null when it isn't there. */
  async function stored(key: string): Promise<Buffer | null> {
    try {
      const { Body } = await bucket.client.send(new GetObjectCommand({ Bucket: bucket.bucket, Key: key }))
      return Buffer.from((await Body?.transformToByteArray()) ?? [])
    } catch (error) {
      expect(error).toMatchObject({ name: 'NoSuchKey' })
      return null
    }
  }

  /** Through the proxy. */
  async function get(key: string): Promise<Uint8Array | undefined> {
    const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket.bucket, Key: key }))
    return Body?.transformToByteArray()
  }

  test('passes a multipart upload of 20 MiB on byte for byte, and counts it', async () => {
    const bytes = randomBytes(20 * MIB)
    const name = { Bucket: bucket.bucket, Key: 'a folder/ä+%' }
    const { UploadId } = await client.send(new CreateMultipartUploadCommand(name))
    const parts = await Promise.all(
      [1, 2].map(async (PartNumber) => {
        const Body = bytes.subarray((PartNumber - 1) * 16 * MIB, PartNumber * 16 * MIB)
        const { ETag } = await client.send(new UploadPartCommand({ ...name, UploadId, PartNumber, Body }))
        expect(ETag).toBe(`"${createHash('md5').update(Body).digest('hex')}"`)
        return { PartNumber, ETag }
      }),
    )
    await client.send(
      new CompleteMultipartUploadCommand({ ...name, UploadId, MultipartUpload: { Parts: parts } }),
    )
    expect(await client.send(new HeadObjectCommand(name))).toMatchObject({ ContentLength: bytes.byteLength })
    expect(bytes.equals((await get(name.Key)) ?? Buffer.alloc(0))).toBe(true)
    await client.send(new DeleteObjectCommand(name))
    expect(proxy.counts()).toEqual({
      CreateMultipartUpload: 1,
      UploadPart: 2,
      CompleteMultipartUpload: 1,
      HeadObject: 1,
      GetObject: 1,
      DeleteObject: 1,
    })
    for (const count of [proxy.bytesSent(), proxy.bytesReceived()]) {
      expect(count).toBeGreaterThanOrEqual(bytes.byteLength)
      expect(count).toBeLessThan(bytes.byteLength + 4096)
    }
    expect(proxy.headerNames()).toEqual(expect.arrayContaining(['authorization', 'host', 'x-amz-date']))
    proxy.reset()
    expect([proxy.counts(), proxy.bytesSent(), proxy.bytesReceived(), proxy.headerNames()]).toEqual([
      {},
      0,
      0,
      [],
    ])
  })

  test('a rule is for its operation, its key, its part and its turn; all others pass', async () => {
    proxy.on({ operation: 'PutObject', nth: 2, key: 'mine' }, fails(500, 'InternalError'))
    await put('other', randomBytes(1))
    await put('mine-1', randomBytes(1))
    await put('other', randomBytes(1))
    await expect(put('mine-2', randomBytes(1))).rejects.toMatchObject({ name: 'InternalError' })
    await put('mine-3', randomBytes(1))
    expect((await bucket.list()).objects.map(({ key }) => key)).toEqual(['mine-1', 'mine-3', 'other'])
    proxy.on({ operation: 'any', nth: 'every' }, fails(503, 'SlowDown'))
    await expect(get('other')).rejects.toMatchObject({ name: 'SlowDown', $metadata: { httpStatusCode: 503 } })
    await expect(put('other', randomBytes(1))).rejects.toMatchObject({ name: 'SlowDown' })
    proxy.reset()
    await get('other')
  })

  test('of two rules for a request the older counts, and both count the request', async () => {
    proxy.on({ operation: 'PutObject', nth: 1 }, fails(500, 'InternalError'))
    proxy.on({ operation: 'PutObject', nth: 2 }, fails(403, 'AccessDenied'))
    await expect(put('k', randomBytes(1))).rejects.toMatchObject({ name: 'InternalError' })
    await expect(put('k', randomBytes(1))).rejects.toMatchObject({ name: 'AccessDenied' })
    await put('k', randomBytes(1))
  })

  const broken: [string, Action, boolean][] = [
    ['before the request: S3 has nothing', cutBefore, false],
    ['inside the body: S3 has nothing', cutInside, false],
    ['after the answer: S3 has it', losesAnswer, true],
  ]
  test.each(broken)('a connection that breaks %s', async (_, action, isStored) => {
    const bytes = randomBytes(6 * MIB)
    proxy.on({ operation: 'PutObject', nth: 1 }, action)
    await expect(put('k', bytes)).rejects.toThrow(/ECONNRESET|EPIPE/)
    expect((await stored('k'))?.equals(bytes) ?? false).toBe(isStored)
    if (action === cutInside) {
      expect(proxy.bytesSent()).toBeGreaterThanOrEqual(3 * MIB)
      expect(proxy.bytesSent()).toBeLessThan(6 * MIB)
    }
    await put('k', bytes)
    expect((await stored('k'))?.equals(bytes)).toBe(true)
  })

  test('a connection that breaks in the middle of a download: the client has that many bytes', async () => {
    const bytes = randomBytes(3 * MIB)
    await put('k', bytes)
    proxy.on({ operation: 'GetObject', nth: 1 }, cutAnswer(MIB + 1))
    const { Body, ContentLength } = await client.send(
      new GetObjectCommand({ Bucket: bucket.bucket, Key: 'k' }),
    )
    expect(ContentLength).toBe(bytes.byteLength)
    const seen: Uint8Array[] = []
    const reading = async () => {
      for await (const chunk of Body as AsyncIterable<Uint8Array>) seen.push(chunk)
    }
    await expect(reading()).rejects.toThrow(/ECONNRESET|aborted/)
    const sizeBytes = Buffer.concat(seen).byteLength
    expect(Buffer.concat(seen).equals(bytes.subarray(0, sizeBytes))).toBe(true)
    expect(sizeBytes).toBeLessThanOrEqual(MIB + 1)
    expect(proxy.bytesReceived()).toBe(MIB + 1)
  })

  test('a request that hangs is never answered, and S3 has nothing', async () => {
    const hung = proxy.hang({ operation: 'PutObject', nth: 1 })
    const abort = new AbortController()
    const command = new PutObjectCommand({ Bucket: bucket.bucket, Key: 'k', Body: randomBytes(MIB) })
    const sent = client.send(command, { abortSignal: abort.signal })
    await hung.reached
    expect(proxy.bytesSent()).toBe(MIB)
    proxy.on({ operation: 'GetObject', nth: 1 }, hangs)
    const read = client.send(new GetObjectCommand({ Bucket: bucket.bucket, Key: 'k' }), {
      abortSignal: abort.signal,
    })
    const first = Promise.race([sent, read, new Promise((resolve) => setTimeout(resolve, 300, 'nothing'))])
    expect(await first).toBe('nothing')
    abort.abort()
    await expect(sent).rejects.toMatchObject({ name: 'AbortError' })
    await expect(read).rejects.toMatchObject({ name: 'AbortError' })
    expect(await stored('k')).toBeNull()
  })

  test('an answer that is held: S3 has it, the client hears of it when it is released', async () => {
    const held = proxy.hold({ operation: 'PutObject', nth: 1 })
    let isAnswered = false
    const sent = put('k', randomBytes(5)).then(() => {
      isAnswered = true
    })
    await held.reached
    expect(await stored('k')).toHaveLength(5)
    expect(isAnswered).toBe(false)
    held.release()
    await sent
    const other = proxy.hold({ operation: 'PutObject', nth: 1 })
    const sentToo = put('l', randomBytes(5))
    await other.reached
    proxy.reset()
    await sentToo
  })

  test.each([
    ['the request', delays(400), false],
    ['the answer', delaysAnswer(400), true],
  ])('%s comes late', async (_, action, isStoredAtOnce) => {
    proxy.on({ operation: 'PutObject', nth: 1 }, action)
    const startedAt = performance.now()
    const sent = put('k', randomBytes(5))
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect((await stored('k')) !== null).toBe(isStoredAtOnce)
    await sent
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(399)
    expect(await stored('k')).toHaveLength(5)
  })

  test('a slow connection takes its time both ways', async () => {
    const bytes = randomBytes(MIB)
    proxy.on({ operation: 'any', nth: 'every' }, throttles(2 * MIB))
    const startedAt = performance.now()
    await put('k', bytes)
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(450)
    const readAt = performance.now()
    expect(bytes.equals((await get('k')) ?? Buffer.alloc(0))).toBe(true)
    expect(performance.now() - readAt).toBeGreaterThanOrEqual(450)
  })

  test('200 with an error in it, and an answer that is rewritten after S3 has done it', async () => {
    const name = { Bucket: bucket.bucket, Key: 'k' }
    const { UploadId } = await client.send(new CreateMultipartUploadCommand(name))
    const part = { ...name, UploadId, PartNumber: 1, Body: randomBytes(9) }
    const { ETag } = await client.send(new UploadPartCommand(part))
    const complete = () =>
      client.send(
        new CompleteMultipartUploadCommand({
          ...name,
          UploadId,
          MultipartUpload: { Parts: [{ PartNumber: 1, ETag }] },
        }),
      )
    proxy.on({ operation: 'CompleteMultipartUpload', nth: 1 }, says200WithError('InternalError'))
    const answer = '<Error><Code>InternalError</Code><Message>Late.</Message></Error>'
    proxy.on({ operation: 'CompleteMultipartUpload', nth: 2 }, rewritesAnswer(200, answer))
    await expect(complete()).rejects.toMatchObject({ name: 'InternalError' })
    expect(await stored('k')).toBeNull()
    await expect(complete()).rejects.toMatchObject({ name: 'InternalError' })
    expect(await stored('k')).toHaveLength(9)
  })

  test('an error for HEAD has no body, and the connection goes on to work', async () => {
    await put('k', randomBytes(1))
    proxy.on({ operation: 'HeadObject', nth: 1 }, fails(404, 'NoSuchKey'))
    const head = () => client.send(new HeadObjectCommand({ Bucket: bucket.bucket, Key: 'k' }))
    await expect(head()).rejects.toMatchObject({ name: 'NotFound', $metadata: { httpStatusCode: 404 } })
    expect(await head()).toMatchObject({ ContentLength: 1 })
  })

  test('a server that is away is a connection that breaks', async () => {
    const listener = net.createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => listener.once('listening', resolve))
    const { port } = listener.address() as net.AddressInfo
    await new Promise((resolve) => listener.close(resolve))
    const toNowhere = await startS3Proxy(`http://127.0.0.1:${port}`)
    try {
      await expect(fetch(toNowhere.url)).rejects.toThrow('fetch failed')
    } finally {
      await toNowhere.close()
    }
  })
})
