import { once } from 'node:events'
import type { IncomingHttpHeaders } from 'node:http'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { AppError } from '../../server/errors.js'
import { type Bucket, backOffMs, type SendOptions } from '../../server/storage/s3-client.js'
import { DEFAULT_TIMING } from '../../server/storage/s3-connection.js'
import { bucketBehind, type Exchange, errorXml, type Front, fail, QUICK, startFront } from './s3-front.js'

let front: Front
let bucket: Bucket
beforeEach(async () => {
  front = await startFront()
  bucket = bucketBehind(front)
})
afterEach(async () => {
  bucket.close()
  await front.close()
})

const get = (options?: SendOptions) =>
  bucket.send(
    'GetObject',
    (abortSignal) => bucket.client.getObject({ Bucket: bucket.name, Key: 'key' }, { abortSignal }),
    options,
  )
const put = (body: () => Uint8Array | Readable, sizeBytes: number) =>
  bucket.send('PutObject', (abortSignal) =>
    bucket.client.putObject(
      { Bucket: bucket.name, Key: 'key', Body: body(), ContentLength: sizeBytes },
      { abortSignal },
    ),
  )
const complete = () =>
  bucket.send('CompleteMultipartUpload', (abortSignal) =>
    bucket.client.completeMultipartUpload(
      {
        Bucket: bucket.name,
        Key: 'key',
        UploadId: 'id',
        MultipartUpload: { Parts: [{ PartNumber: 1, ETag: 'x' }] },
      },
      { abortSignal },
    ),
  )
/** Fails the first requests, one after the other, and then answers 200. */
function failFirst(...failures: ((exchange: Exchange) => void)[]): void {
  front.answer = (exchange) => {
    const failure = failures.shift()
    if (failure !== undefined) failure(exchange)
    else
      exchange.request.resume().once('end', () => exchange.response.setHeader('ETag', '"etag"').end('bytes'))
  }
}

describe('sending', () => {
  test('tries again what may pass, until it has', async () => {
    failFirst(
      (exchange) => fail(exchange, 503, 'SlowDown'),
      (exchange) => exchange.response.destroy(),
      (exchange) => fail(exchange, 500, 'InternalError'),
      (exchange) => exchange.request.socket.end('not HTTP\r\n\r\n'),
    )
    const { Body } = await get()
    expect(await Body?.transformToString()).toBe('bytes')
    expect(front.seen).toHaveLength(5)
  })

  test('gives up after five attempts with UNAVAILABLE', async () => {
    front.answer = (exchange) => fail(exchange, 503, 'SlowDown')
    await expect(get()).rejects.toMatchObject({
      name: 'AppError',
      code: 'UNAVAILABLE',
      retryAfterSeconds: 60,
      cause: { message: 'GetObject: SlowDown 503: it says' },
    })
    expect(front.seen).toHaveLength(5)
  })

  test('begins no attempt after its time', async () => {
    front.answer = ({ response }) => setTimeout(() => response.destroy(), 60)
    await expect(get({ timing: { attempts: Infinity, giveUpMs: 150 } })).rejects.toMatchObject({
      code: 'UNAVAILABLE',
    })
    expect(front.seen.length).toBeGreaterThan(1)
    expect(front.seen.length).toBeLessThan(5)
  })

  test.each<[string, number, string, string]>([
    ['a missing object', 404, 'NoSuchKey', 'NOT_FOUND'],
    ['a missing right', 403, 'AccessDenied', 'UNAVAILABLE'],
    ['a missing bucket', 404, 'NoSuchBucket', 'UNAVAILABLE'],
    ['a full store', 403, 'QuotaExceeded', 'INSUFFICIENT_STORAGE'],
  ])('asks once for %s', async (_, status, code, translated) => {
    front.answer = (exchange) => fail(exchange, status, code)
    await expect(get()).rejects.toMatchObject({ name: 'AppError', code: translated })
    expect(front.seen).toHaveLength(1)
  })

  test('a server that is away is UNAVAILABLE', async () => {
    await front.close()
    await expect(get()).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    front = await startFront()
  })

  test('a server that never answers is left after the idle time', async () => {
    front.answer = ({ request }) => request.resume()
    const startedAt = performance.now()
    await expect(get({ timing: { attempts: 2 } })).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    const elapsedMs = performance.now() - startedAt
    expect(elapsedMs).toBeGreaterThan(550)
    expect(elapsedMs).toBeLessThan(1_500)
    await sleep(20)
    expect(await front.countConnections()).toBe(0)
  })

  test('a body that moves slowly is not idle', async () => {
    failFirst()
    async function* slowly() {
      for (let i = 0; i < 10; i++) {
        await sleep(60)
        yield Buffer.alloc(10)
      }
    }
    await put(() => Readable.from(slowly(), { objectMode: false }), 100)
    expect(front.seen).toHaveLength(1)
  })

  test('a completion has more patience', async () => {
    front.answer = ({ request, response }) => {
      request.resume()
      setTimeout(
        () =>
          response.end('<CompleteMultipartUploadResult><ETag>"e-1"</ETag></CompleteMultipartUploadResult>'),
        600,
      )
    }
    expect((await complete()).ETag).toBe('"e-1"')
    expect(front.seen).toHaveLength(1)
  })

  test('aborting ends a request under way with the reason, and its connection', async () => {
    const controller = new AbortController()
    const reason = new AppError('LOCKED', 'Another has it.')
    front.answer = () => controller.abort(reason)
    await expect(get({ signal: controller.signal })).rejects.toBe(reason)
    expect(front.seen).toHaveLength(1)
    await sleep(20)
    expect(await front.countConnections()).toBe(0)
  })

  test('aborting ends the pause between attempts', async () => {
    bucket.close()
    bucket = bucketBehind(front, { timing: { ...QUICK, backOffBaseMs: 600_000, backOffCapMs: 600_000 } })
    const controller = new AbortController()
    front.answer = (exchange) => {
      fail(exchange, 503)
      setTimeout(() => controller.abort(new Error('enough')), 50)
    }
    await expect(get({ signal: controller.signal, timing: { giveUpMs: Infinity } })).rejects.toThrow('enough')
  })

  test('what is aborted already is not sent', async () => {
    await expect(get({ signal: AbortSignal.abort(new Error('before')) })).rejects.toThrow('before')
    expect(front.seen).toEqual([])
  })

  test('leaves no listener on a signal that lives longer', async () => {
    const { signal } = new AbortController()
    let listeners = 0
    const { addEventListener, removeEventListener } = signal
    signal.addEventListener = (...given: Parameters<typeof addEventListener>) => {
      listeners += 1
      addEventListener.apply(signal, given)
    }
    signal.removeEventListener = (...given: Parameters<typeof removeEventListener>) => {
      listeners -= 1
      removeEventListener.apply(signal, given)
    }
    failFirst((exchange) => fail(exchange, 500))
    const { Body } = await get({ signal })
    await Body?.transformToString()
    expect(listeners).toBe(0)
  })
})

describe('a body on its way', () => {
  let headers: IncomingHttpHeaders

  test('is not signed, has its length and no checksum, and is made anew for each attempt', async () => {
    const received: string[] = []
    let isFirst = true
    front.answer = async (exchange) => {
      headers = exchange.request.headers
      if (isFirst) {
        isFirst = false
        fail(exchange, 503)
        return
      }
      let text = ''
      for await (const chunk of exchange.request) text += chunk
      received.push(text)
      exchange.response.setHeader('ETag', '"e"').end()
    }
    // As the intake's slabs are.
    const slab = new Uint8Array(new SharedArrayBuffer(5))
    slab.set(Buffer.from('bytes'))
    let madeBodies = 0
    await put(() => {
      madeBodies += 1
      return Readable.from([slab], { objectMode: false })
    }, 5)
    expect([received, madeBodies]).toEqual([['bytes'], 2])
    expect(headers).toMatchObject({ 'content-length': '5', 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' })
    expect(Object.keys(headers).filter((name) => /checksum|crc|expect|trailer/.test(name))).toEqual([])
    await put(() => slab, 5)
    expect(received).toEqual(['bytes', 'bytes'])
    expect(headers['x-amz-content-sha256']).toBe('UNSIGNED-PAYLOAD')
  })

  test('is let go when S3 refuses before it has all of it', async () => {
    front.answer = ({ response }) => {
      response.writeHead(403, { 'content-length': errorXml('AccessDenied').length })
      response.end(errorXml('AccessDenied'))
    }
    const bodies: Readable[] = []
    const chunk = Buffer.alloc(64 * 1024)
    const body = () => {
      const made = new Readable({
        read() {
          this.push(chunk)
        },
      })
      bodies.push(made)
      return made
    }
    await expect(put(body, 1e12)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    expect(bodies.map(({ destroyed }) => destroyed)).toEqual([true])
  })

  test('ends its request with its own error, which nobody else has to catch', async () => {
    front.answer = ({ request }) => request.resume()
    async function* fails() {
      yield Buffer.alloc(10)
      throw new AppError('NOT_FOUND', 'A piece is gone.')
    }
    await expect(put(() => Readable.from(fails(), { objectMode: false }), 100)).rejects.toMatchObject({
      detail: 'A piece is gone.',
    })
    await sleep(20)
    expect(await front.countConnections()).toBe(0)
  })

  test('is let go when the sending is aborted', async () => {
    const controller = new AbortController()
    front.answer = () => controller.abort(new Error('enough'))
    const body = new Readable({ read() {} })
    body.push(Buffer.alloc(10))
    const sending = bucket.send(
      'PutObject',
      (abortSignal) =>
        bucket.client.putObject(
          { Bucket: bucket.name, Key: 'key', Body: body, ContentLength: 100 },
          { abortSignal },
        ),
      { signal: controller.signal },
    )
    await expect(sending).rejects.toThrow('enough')
    if (!body.closed) await once(body, 'close')
    expect(body.destroyed).toBe(true)
  })
})

describe('a success that is none', () => {
  test.each<[string, string]>([
    ['an error', errorXml('InternalError')],
    ['an error after white space, and a line end', `   ${errorXml('InternalError')}\n`],
    ['nothing', ''],
    ['a page', '<html><br></html>'],
    ['a part of an answer', '<CompleteMultipartUploadResult><ETag>"e'],
  ])('a 200 of a completion with %s is tried again, and then UNAVAILABLE', async (_, body) => {
    front.answer = ({ request, response }) => {
      request.resume().once('end', () => response.end(body))
    }
    await expect(complete()).rejects.toMatchObject({ name: 'AppError', code: 'UNAVAILABLE' })
    expect(front.seen).toHaveLength(5)
  })

  test('an error in a 200 means what it says', async () => {
    front.answer = ({ request, response }) => {
      request.resume().once('end', () => response.end(errorXml('NoSuchUpload')))
    }
    await expect(complete()).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })

  test('a PutObject without an ETag did not store anything', async () => {
    front.answer = ({ request, response }) => {
      request.resume().once('end', () => response.end())
    }
    await expect(put(() => Buffer.from('bytes'), 5)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    expect(front.seen).toHaveLength(5)
  })

  test('an answer that is cut is tried again', async () => {
    let answers = 0
    front.answer = ({ request, response }) => {
      request.resume().once('end', () => {
        answers += 1
        const xml = '<CompleteMultipartUploadResult><ETag>"e"</ETag></CompleteMultipartUploadResult>'
        response.setHeader('content-length', xml.length)
        response.write(xml.slice(0, 20))
        if (answers === 1) setTimeout(() => response.destroy(), 20)
        else response.end(xml.slice(20))
      })
    }
    expect((await complete()).ETag).toBe('"e"')
  })
})

describe('the back-off', () => {
  test.each<[number, number]>([
    [1, 100],
    [2, 200],
    [3, 400],
    [6, 3_000],
    [60, 3_000],
  ])('after attempt %i is jittered over %i ms', (attempt, boundMs) => {
    expect(backOffMs(attempt, DEFAULT_TIMING, 0)).toBe(0)
    expect(backOffMs(attempt, DEFAULT_TIMING, 0.5)).toBe(boundMs / 2)
  })
})

test('the SDK says nothing about the age of Node', async () => {
  const warnings: Error[] = []
  const listen = (warning: Error) => warnings.push(warning)
  process.on('warning', listen)
  bucketBehind(front).close()
  await sleep(10)
  process.off('warning', listen)
  expect(warnings).toEqual([])
})
