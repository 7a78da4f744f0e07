import { randomBytes } from 'node:crypto'
import type http from 'node:http'
import { PassThrough, Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { PutObjectCommand } from '@aws-sdk/client-s3'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import type { Bucket } from '../../server/storage/s3-client.js'
import { readHead, readRange, sendRange, sizeOf } from '../../server/storage/s3-read.js'
import { createTestBucket, describeS3, type TestBucket } from '../support/s3.js'
import { bucketBehind, type Exchange, type Front, startFront } from './s3-front.js'

const MIB = 1024 ** 2
const bytes = randomBytes(3 * MIB + 17)
const key = 'antipasto/objects/0123456789abcdef'

/** What is received, and a sink that takes it as `take` pleases. */
function collector(take: (chunk: Buffer) => Promise<void> = async () => {}) {
  const chunks: Buffer[] = []
  const sink = new Writable({
    highWaterMark: 16 * 1024,
    write(chunk: Buffer, _, done) {
      chunks.push(Buffer.from(chunk))
      take(chunk).then(() => done(), done)
    },
  })
  return { sink, received: () => Buffer.concat(chunks) }
}

/** Passes on so much of the answer's body, and then cuts the connection. */
const cutAfter =
  (lengthBytes: number) =>
  ({ response, forward }: Exchange): void =>
    forward((answer: http.IncomingMessage) => {
      response.writeHead(answer.statusCode ?? 0, answer.headers)
      let sentBytes = 0
      answer.on('data', (chunk: Buffer) => {
        const part = chunk.subarray(0, lengthBytes - sentBytes)
        sentBytes += part.length
        response.write(part)
        if (sentBytes < lengthBytes) return
        answer.destroy()
        setTimeout(() => response.destroy(), 10)
      })
      if (lengthBytes === 0) setTimeout(() => response.destroy(), 10)
    })

describeS3('reading an object of S3', () => {
  let there: TestBucket
  let front: Front
  let bucket: Bucket
  const ranges: { range: unknown; ifMatch: unknown }[] = []
  let next: ((exchange: Exchange) => void)[]

  beforeAll(async () => {
    there = await createTestBucket()
    await there.client.send(new PutObjectCommand({ Bucket: there.bucket, Key: key, Body: bytes }))
  })
  afterAll(() => there.drop())
  beforeEach(async () => {
    front = await startFront(there.endpoint)
    bucket = bucketBehind(front, { bucket: there.bucket })
    ranges.length = 0
    next = []
    front.answer = (exchange) => {
      const { headers } = exchange.request
      ranges.push({ range: headers.range, ifMatch: headers['if-match'] })
      const act = next.shift()
      if (act === undefined) exchange.forward()
      else act(exchange)
    }
  })
  afterEach(async () => {
    bucket.close()
    await front.close()
  })

  const send = (sink: Writable, start = 0, end = bytes.length, beforeFirstByte = () => {}) =>
    sendRange(bucket, { key, range: { start, end }, sink, beforeFirstByte })
  async function noConnection(): Promise<void> {
    for (let i = 0; i < 50 && (await front.countConnections()) > 0; i++) await sleep(10)
    expect(await front.countConnections()).toBe(0)
  }

  test('a body that breaks off is gone on with where it broke, of the same object', async () => {
    next = [cutAfter(MIB), cutAfter(MIB)]
    const { sink, received } = collector()
    let begun = 0
    await send(sink, 5, bytes.length, () => {
      begun += 1
    })
    expect(received().equals(bytes.subarray(5))).toBe(true)
    expect(begun).toBe(1)
    const last = bytes.length - 1
    expect(ranges).toEqual([
      { range: `bytes=5-${last}`, ifMatch: undefined },
      { range: `bytes=${MIB + 5}-${last}`, ifMatch: expect.stringMatching(/^"[0-9a-f]{32}"$/) },
      { range: `bytes=${2 * MIB + 5}-${last}`, ifMatch: expect.stringMatching(/^"[0-9a-f]{32}"$/) },
    ])
  })

  test('a body that ends early and looks whole is not taken for whole', async () => {
    next = [
      ({ response, forward }) =>
        forward((answer) => {
          const { 'content-length': _, ...headers } = answer.headers
          response.writeHead(206, headers)
          answer.once('data', (chunk: Buffer) => {
            answer.destroy()
            response.end(chunk.subarray(0, 1000))
          })
        }),
    ]
    const { sink, received } = collector()
    await send(sink)
    expect(received().equals(bytes)).toBe(true)
    expect(ranges[1]).toMatchObject({ range: `bytes=1000-${bytes.length - 1}` })
  })

  test('a server that falls silent in the middle is left for a new connection', async () => {
    next = [
      ({ response, forward }) =>
        forward((answer) => {
          response.writeHead(206, answer.headers)
          answer.once('data', (chunk: Buffer) => response.write(chunk.subarray(0, 1000)))
        }),
    ]
    const { sink, received } = collector()
    await send(sink)
    expect(received().equals(bytes)).toBe(true)
    expect(ranges).toHaveLength(2)
  })

  test('a sink that pauses for longer than a connection may be idle gets all', async () => {
    let isPaused = false
    const { sink, received } = collector(async () => {
      if (isPaused) return
      isPaused = true
      await sleep(1_000)
    })
    await send(sink)
    expect(received().equals(bytes)).toBe(true)
    expect(ranges.length).toBeGreaterThan(1)
    // Not a GET for each idle time: the next one waits until the sink wants more.
    expect(ranges.length).toBeLessThan(4)
  })

  test('five bodies in a row without a byte are UNAVAILABLE', async () => {
    next = [cutAfter(1000), ...Array.from({ length: 9 }, () => cutAfter(0))]
    const { sink, received } = collector()
    await expect(send(sink)).rejects.toMatchObject({ name: 'AppError', code: 'UNAVAILABLE' })
    expect(received().equals(bytes.subarray(0, 1000))).toBe(true)
    expect(ranges).toHaveLength(6)
  })

  test('an object that was replaced meanwhile is a CONFLICT, never a mixture', async () => {
    const other = 'antipasto/objects/00000000'
    const put = (body: Buffer) =>
      there.client.send(new PutObjectCommand({ Bucket: there.bucket, Key: other, Body: body }))
    await put(bytes)
    next = [
      cutAfter(1000),
      (exchange) => {
        void put(randomBytes(bytes.length)).then(() => exchange.forward())
      },
    ]
    const { sink, received } = collector()
    const range = { start: 0, end: bytes.length }
    await expect(sendRange(bucket, { key: other, range, sink, beforeFirstByte() {} })).rejects.toMatchObject({
      code: 'CONFLICT',
    })
    expect(received().length).toBe(1000)
  })

  test('a sink that closes ends the GET at once', async () => {
    const sink = new Writable({ highWaterMark: 1, write() {} })
    const sending = send(sink)
    setTimeout(() => sink.destroy(), 50)
    await expect(sending).rejects.toThrow('The connection closed before the last byte.')
    await noConnection()
    expect(sink.listenerCount('close') + sink.listenerCount('error')).toBe(0)
  })

  test('a sink that closes ends the pause before another GET, too', async () => {
    front.answer = ({ response }) => response.destroy()
    const { sink } = collector()
    const sending = send(sink)
    sink.destroy()
    await expect(sending).rejects.toThrow('The connection closed before the last byte.')
  })

  test('a sink that fails rejects, also with its last bytes', async () => {
    let takenBytes = 0
    const { sink } = collector(async (chunk) => {
      takenBytes += chunk.length
      if (takenBytes === bytes.length) throw new Error('the disk is full')
    })
    await expect(send(sink)).rejects.toThrow('The connection closed before the last byte.')
  })

  test('what the sink has not taken stays in S3', async () => {
    const big = Buffer.alloc(32 * MIB)
    await there.client.send(new PutObjectCommand({ Bucket: there.bucket, Key: 'big', Body: big }))
    const sink = new PassThrough({ highWaterMark: 1 })
    const range = { start: 0, end: big.length }
    const sending = sendRange(bucket, { key: 'big', range, sink, beforeFirstByte() {} })
    while (sink.writableLength === 0) await sleep(20)
    await sleep(250)
    expect(sink.writableLength).toBeLessThan(MIB)
    sink.destroy()
    await expect(sending).rejects.toBeDefined()
  })

  test('what can not be begun ends the GET', async () => {
    const { sink } = collector()
    const refuse = () => {
      throw new Error('The response has ended.')
    }
    await expect(send(sink, 0, bytes.length, refuse)).rejects.toThrow('The response has ended.')
    await noConnection()
  })

  test('connections are used again', async () => {
    for (let i = 0; i < 5; i++) await send(collector().sink)
    expect(await front.countConnections()).toBe(1)
  })

  test('an object shorter than the range is a CONFLICT before its first byte', async () => {
    const begin = () => {
      throw new Error('There is nothing to begin with.')
    }
    const { sink } = collector()
    await expect(send(sink, 0, bytes.length + 1, begin)).rejects.toMatchObject({ code: 'CONFLICT' })
    await noConnection()
    await expect(send(sink, bytes.length, bytes.length + 1, begin)).rejects.toMatchObject({
      code: 'CONFLICT',
    })
  })

  test('iterating resumes, and ends the GET when it is left', async () => {
    next = [cutAfter(MIB)]
    const chunks: Uint8Array[] = []
    for await (const chunk of readRange(bucket, key, { start: 1, end: bytes.length - 1 })) chunks.push(chunk)
    expect(Buffer.concat(chunks).equals(bytes.subarray(1, -1))).toBe(true)
    for await (const chunk of readRange(bucket, key, { start: 0, end: bytes.length })) {
      expect(chunk.length).toBeGreaterThan(0)
      break
    }
    await noConnection()
  })

  test('iterating over what is not there is NOT_FOUND', async () => {
    const reading = readRange(bucket, 'nothing', { start: 0, end: 1 })[Symbol.asyncIterator]()
    await expect(reading.next()).rejects.toMatchObject({ name: 'AppError', code: 'NOT_FOUND' })
  })

  test('a head that breaks off is asked for again', async () => {
    next = [cutAfter(100)]
    const { head, sizeBytes } = await readHead(bucket, key, 1024)
    expect([Buffer.from(head).equals(bytes.subarray(0, 1024)), sizeBytes]).toEqual([true, bytes.length])
    expect(ranges).toHaveLength(2)
  })
})

describe('a server that ignores Range', () => {
  let front: Front
  let bucket: Bucket
  beforeEach(async () => {
    front = await startFront()
    bucket = bucketBehind(front)
    front.answer = ({ response }) => response.setHeader('ETag', '"e"').end(bytes)
  })
  afterEach(async () => {
    bucket.close()
    await front.close()
  })

  test('is read from the beginning, up to what was asked for', async () => {
    const { head, sizeBytes } = await readHead(bucket, key, 10)
    expect([Buffer.from(head), sizeBytes]).toEqual([bytes.subarray(0, 10), bytes.length])
    const { sink, received } = collector()
    await sendRange(bucket, { key, range: { start: 0, end: 100_000 }, sink, beforeFirstByte() {} })
    expect(received().equals(bytes.subarray(0, 100_000))).toBe(true)
  })

  test('is never believed to have sent the middle', async () => {
    const { sink, received } = collector()
    const sending = sendRange(bucket, { key, range: { start: 1, end: 5 }, sink, beforeFirstByte() {} })
    await expect(sending).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    expect(received()).toHaveLength(0)
  })
})

test.each<[string, Parameters<typeof sizeOf>[0], number | null]>([
  ['a part', { contentRange: 'bytes 5-9/100', contentLength: 5, start: 5 }, 100],
  ['the whole, asked for from its beginning', { contentRange: undefined, contentLength: 7, start: 0 }, 7],
  ['the whole, asked for from its middle', { contentRange: undefined, contentLength: 7, start: 1 }, null],
  ['another part', { contentRange: 'bytes 4-9/100', contentLength: 6, start: 5 }, null],
  ['a part of nobody knows what', { contentRange: 'bytes 5-9/*', contentLength: 5, start: 5 }, null],
  ['no length', { contentRange: undefined, contentLength: undefined, start: 0 }, null],
])('the size in an answer with %s', (_, answer, sizeBytes) => {
  expect(sizeOf(answer)).toBe(sizeBytes)
})
