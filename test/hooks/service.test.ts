// Services as checks: real sockets.

import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import net, { type AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, test } from '@jest/globals'
import { AppError } from '../../server/errors.js'
import type { ContentFacts, Verdict } from '../../server/hooks/content-check.js'
import { ServiceCheck } from '../../server/hooks/service.js'
import { checksumsOf, someBytes } from '../dialects/tus-client.js'
import { findFreePort } from '../support/free-port.js'
import { eventually, someFacts } from './checks.js'

const never = new AbortController().signal
const megabyte = someBytes(1 << 20)

let server: Server | net.Server | undefined
const sockets = new Set<net.Socket>()

afterEach(async () => {
  for (const socket of sockets) socket.destroy()
  sockets.clear()
  await new Promise((resolve) => (server === undefined ? resolve(null) : server.close(resolve)))
  server = undefined
})

async function listen(made: Server | net.Server): Promise<string> {
  server = made
  server.on('connection', (socket: net.Socket) => sockets.add(socket))
  await new Promise<void>((resolve) => made.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(made.address() as AddressInfo).port}/check?depth=2`
}

const serve = (listener: RequestListener) => listen(createServer(listener))

/** A service that answers every connection with these bytes. */
const serveRaw = (answer: string) =>
  listen(
    net.createServer((socket) => {
      socket.on('error', () => {}).once('data', () => socket.end(answer))
    }),
  )

async function sha256Of(request: IncomingMessage): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of request) hash.update(chunk)
  return hash.digest('hex')
}

interface Asked {
  content?: Iterable<Uint8Array> | AsyncIterable<Uint8Array>
  facts?: Partial<ContentFacts>
  signal?: AbortSignal
}

function ask(url: string, { content = [], facts = {}, signal = never }: Asked = {}): Promise<Verdict> {
  const read = async function* () {
    yield* content
  }
  return new ServiceCheck(url).check(someFacts(facts), read, signal)
}

describe('an answer', () => {
  test.each([200, 201, 204])('is yes with %i', async (status) => {
    const url = await serve((_, response) => response.writeHead(status).end())
    expect(await ask(url)).toEqual({ isAccepted: true })
  })

  test.each([
    ['text/plain', 'zu groß\n', 'zu groß'],
    ['application/problem+json', '{"title":"Virus","detail":"Eicar FOUND"}', 'Eicar FOUND'],
    ['application/problem+json; charset=utf-8', '{"title":"Virus"}', 'Virus'],
    ['application/json', '{"detail":7}', '{"detail":7}'],
    ['application/json', 'not json', 'not json'],
    ['text/html', '', ''],
    ['text/plain', 'x'.repeat(10_000_000), `${'x'.repeat(999)}…`],
  ])('is no with 422 and the words, as %s', async (type, body, words) => {
    const url = await serve((_, response) => response.writeHead(422, { 'Content-Type': type }).end(body))
    expect(await ask(url)).toEqual({ isAccepted: false, words })
  })

  test.each([301, 302, 307, 400, 401, 404, 409, 500, 503])('is none with %i', async (status) => {
    let asked = 0
    const url = await serve((_, response) => {
      asked += 1
      response.writeHead(status, { Location: '/' }).end('words')
    })
    await expect(ask(url)).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      detail: expect.stringContaining(`answered ${status}.`),
    })
    expect(asked).toBe(1)
  })

  test.each([
    ['cut off', 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf'],
    ['cut off, of a refusal', 'HTTP/1.1 422 No\r\nContent-Length: 10\r\n\r\nhalf'],
    ['no HTTP', 'hello\r\n\r\n'],
    [
      'an unasked-for upgrade',
      'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n',
    ],
    ['nothing', ''],
  ])('is none when it is %s', async (_, answer) => {
    await expect(ask(await serveRaw(answer))).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  })

  test('is none when nobody is there', async () => {
    const url = `http://127.0.0.1:${await findFreePort()}/`
    await expect(ask(url)).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      detail: expect.stringContaining('ECONNREFUSED'),
    })
  })
})

describe('the request', () => {
  test('has the length, the facts, and the credentials of the URL', async () => {
    let seen: IncomingMessage | undefined
    const url = await serve((request, response) => {
      seen = request
      request.resume().on('end', () => response.end())
    })
    const secret = url.replace('//', '//user:p%40ss@')
    await ask(secret, { content: [Buffer.from('abc')], facts: { filename: 'süß.csv', sizeBytes: 3 } })
    expect(seen?.method).toBe('POST')
    expect(seen?.url).toBe('/check?depth=2')
    expect(seen?.headers).toMatchObject({
      'content-length': '3',
      'content-type': 'application/octet-stream',
      'antipasto-filename': 's%C3%BC%C3%9F.csv',
      'antipasto-size': '3',
      authorization: `Basic ${Buffer.from('user:p@ss').toString('base64')}`,
    })
  })

  test('brings all bytes, 100 MiB of them', async () => {
    const expected = Buffer.concat(Array.from({ length: 100 }, () => megabyte))
    const url = await serve(async (request, response) => {
      const isSame = (await sha256Of(request)) === request.headers['antipasto-sha256']
      response.writeHead(isSame ? 204 : 422).end()
    })
    const facts = { sizeBytes: expected.length, digests: checksumsOf(expected) }
    expect(await ask(url, { content: Array(100).fill(megabyte), facts })).toEqual({ isAccepted: true })
  })

  test('goes no faster than the service reads', async () => {
    let givenChunks = 0
    const content = (async function* () {
      for (; givenChunks < 100; givenChunks += 1) yield megabyte
    })()
    const url = await serve(async (request, response) => {
      await sleep(500)
      request.resume().on('end', () => response.end())
    })
    const asked = ask(url, { content, facts: { sizeBytes: 100 << 20 } })
    await sleep(400)
    // What the kernel's buffers of a loopback connection take.
    expect(givenChunks).toBeLessThan(30)
    expect(await asked).toEqual({ isAccepted: true })
    expect(givenChunks).toBe(100)
  })

  test('is cut when the bytes can not be read, and an answer to the half counts nothing', async () => {
    const lost = new AppError('CONFLICT', 'The bytes are lost.')
    const content = (async function* () {
      yield megabyte
      throw lost
    })()
    const url = await serve((request, response) => {
      request.on('error', () => {}).once('data', () => request.resume())
      request.once('close', () => response.end())
    })
    await expect(ask(url, { content, facts: { sizeBytes: 2 << 20 } })).rejects.toBe(lost)
  })

  test('is cut when it is to end', async () => {
    let isCut = false
    const url = await serve((request) => {
      request
        .on('error', () => {})
        .once('close', () => {
          isCut = true
        })
      request.resume()
    })
    const ending = new AbortController()
    const asked = ask(url, { content: [megabyte], facts: { sizeBytes: 1 << 20 }, signal: ending.signal })
    await eventually('connection', () => (sockets.size > 0 ? true : undefined))
    await sleep(50)
    ending.abort(new Error('deleted'))
    await expect(asked).rejects.toThrow('deleted')
    await eventually('end of the request', () => (isCut ? true : undefined))
  })
})
