import { once } from 'node:events'
import net from 'node:net'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import type { Address } from '../../server/webhooks/resolve.js'
import { findFreePort } from '../support/free-port.js'
import { newSender } from './ground.js'
import { type Receiver, startReceiver } from './receiver.js'
import { isGenuine } from './verify.js'

const secret = 'a secret of the receiver'
const LOOPBACK: Address[] = [{ address: '127.0.0.1', family: 4 }]

function message() {
  return { id: 'd1', timestampSeconds: Math.floor(Date.now() / 1000), body: '{"type":"größe"}' }
}

let receiver: Receiver

beforeEach(async () => {
  receiver = await startReceiver()
})

afterEach(() => receiver.close())

describe('an attempt', () => {
  test('is a signed POST of JSON, and any 2xx takes it', async () => {
    receiver.behave((response) => void response.writeHead(202).end('thank you'))
    const attempt = await newSender().send({ url: `${receiver.url}?token=x%20y`, secret }, message())
    expect(attempt).toEqual({ status: 202, error: null, isCut: false })
    const [received] = receiver.received
    expect(received).toMatchObject({ method: 'POST', path: '/hook?token=x%20y', body: '{"type":"größe"}' })
    expect(received?.headers).toMatchObject({
      'content-type': 'application/json',
      'content-length': '18',
      'user-agent': 'antipasto/1.2.3',
      'webhook-id': 'd1',
      host: `127.0.0.1:${receiver.port}`,
    })
    expect(isGenuine(received!, secret)).toBe(true)
    expect(isGenuine(received!, 'another secret of somebody')).toBe(false)
  })

  test.each([300, 301, 302, 303, 307, 308])(
    'fails with the redirect %i, which nobody follows',
    async (status) => {
      receiver.behave((response) => void response.writeHead(status, { Location: '/elsewhere' }).end())
      const attempt = await newSender().send({ url: receiver.url, secret }, message())
      expect(attempt.status).toBe(status)
      expect(attempt.error).toContain('Redirects are not followed')
      expect(receiver.received).toHaveLength(1)
    },
  )

  test.each([400, 404, 410, 429, 500, 503])(
    'fails with %i, and tells nothing of the answer',
    async (status) => {
      receiver.behave((response) => void response.writeHead(status).end('inside information'))
      const attempt = await newSender().send({ url: receiver.url, secret }, message())
      expect(attempt).toEqual({
        status,
        error: `Answered ${status}. Only 2xx says that it was taken.`,
        isCut: false,
      })
    },
  )

  test('ends after its time when the receiver hangs', async () => {
    receiver.behave(() => {})
    const startedAtMs = performance.now()
    const attempt = await newSender({ timeoutSeconds: 0.5 }).send({ url: receiver.url, secret }, message())
    expect(performance.now() - startedAtMs).toBeLessThan(2_000)
    expect(attempt).toEqual({ status: null, error: 'No answer within 0.5 seconds.', isCut: false })
  })

  test('ends after its time when the name hangs', async () => {
    const sender = newSender({ timeoutSeconds: 0.3, resolve: () => new Promise(() => {}) })
    const attempt = await sender.send(
      { url: receiver.url.replace('127.0.0.1', 'slow.example'), secret },
      message(),
    )
    expect(attempt.error).toBe('No answer within 0.3 seconds.')
    expect(await sender.faultOf('https://slow.example/')).toContain("doesn't resolve")
  })

  test('counts what the first line says, even when the rest of the answer never ends', async () => {
    receiver.behave((response) => void response.writeHead(200).write('and'))
    const attempt = await newSender({ timeoutSeconds: 0.3 }).send({ url: receiver.url, secret }, message())
    expect(attempt).toEqual({ status: 200, error: null, isCut: false })
  })

  test('reads 64 KiB of the answer, not the gigabyte that comes', async () => {
    let writtenBytes = 0
    receiver.behave(async (response) => {
      response.writeHead(200)
      const gigabyte = Readable.from(
        (function* () {
          for (; writtenBytes < 2 ** 30; writtenBytes += 65_536) yield Buffer.alloc(65_536)
        })(),
      )
      await pipeline(gigabyte, response).catch(() => {})
    })
    const attempt = await newSender().send({ url: receiver.url, secret }, message())
    expect(attempt).toEqual({ status: 200, error: null, isCut: false })
    // What the sockets' buffers took.
    expect(writtenBytes).toBeLessThan(32 * 2 ** 20)
  })

  test('is cut when the server stops, and says that it does not know', async () => {
    receiver.behave(() => {})
    const stop = new AbortController()
    const sending = newSender({ timeoutSeconds: 10 }).send(
      { url: receiver.url, secret },
      message(),
      stop.signal,
    )
    await receiver.hasReceived(1)
    stop.abort()
    expect(await sending).toMatchObject({ status: null, isCut: true })
    expect(await newSender().send({ url: receiver.url, secret }, message(), stop.signal)).toMatchObject({
      isCut: true,
    })
    expect(receiver.received).toHaveLength(1)
  })
})

describe('trouble on the way is told in words', () => {
  test('nobody listens', async () => {
    const url = `http://127.0.0.1:${await findFreePort()}/`
    const attempt = await newSender().send({ url, secret }, message())
    expect(attempt).toEqual({ status: null, error: 'The connection was refused.', isCut: false })
  })

  test.each([
    ['http', 'SSH-2.0-OpenSSH_9.2\r\n', 'The answer is not HTTP (HPE_INVALID_CONSTANT).'],
    ['http', '', 'The connection was cut before there was an answer.'],
    [
      'http',
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n',
      'connection was cut',
    ],
    [
      'http',
      `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(100_000)}\r\n\r\n`,
      'The answer is not HTTP (HPE_HEADER_OVERFLOW).',
    ],
    ['https', 'HTTP/1.1 400 Bad Request\r\n\r\n', 'TLS failed'],
  ])('%s, and %j comes', async (scheme, answer, error) => {
    const server = net.createServer((socket) => {
      socket.on('error', () => {})
      socket.once('data', () => socket.end(answer))
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as net.AddressInfo
    try {
      const attempt = await newSender().send({ url: `${scheme}://127.0.0.1:${port}/`, secret }, message())
      expect(attempt.status).toBeNull()
      expect(attempt.error).toContain(error)
    } finally {
      server.close()
    }
  })
})

describe('where a URL leads', () => {
  test.each([
    ...[
      '127.0.0.1',
      '2130706433',
      '0177.0.0.1',
      '0x7f000001',
      '127.1',
      '0',
      '10.0.0.1',
      '192.168.1.1',
      '169.254.169.254',
    ],
    ...[
      '[::1]',
      '[::]',
      '[::ffff:127.0.0.1]',
      '[::ffff:a9fe:a9fe]',
      '[64:ff9b::7f00:1]',
      '[2002:7f00:1::]',
      '[fd00::1]',
    ],
    ...['localhost', 'LOCALHOST'],
  ])('http://%s/ is refused, and nothing connects there', async (host) => {
    const sender = newSender({ allowsPrivate: false })
    const url = `http://${host}:${receiver.port}/`
    expect(await sender.faultOf(url)).toContain('private, loopback or reserved address')
    const attempt = await sender.send({ url, secret }, message())
    expect(attempt.error).toContain('private, loopback or reserved address')
    expect(receiver.received).toEqual([])
  })

  test('A name with one private address among public ones is refused', async () => {
    const resolve = async () => [{ address: '93.184.216.34', family: 4 }, ...LOOPBACK]
    expect(await newSender({ allowsPrivate: false, resolve }).faultOf('https://two.example/')).toContain(
      'private',
    )
  })

  test('A name that does not resolve is said so', async () => {
    const resolve = async () => {
      throw new Error('ENOTFOUND')
    }
    expect(await newSender({ resolve }).faultOf('https://nobody.example/')).toBe(
      "The name nobody.example doesn't resolve.",
    )
    const attempt = await newSender({ resolve }).send({ url: 'https://nobody.example/', secret }, message())
    expect(attempt.error).toBe("The name nobody.example doesn't resolve.")
  })

  test('A name that was public when it was checked and is private at the delivery is refused', async () => {
    const answers = [[{ address: '93.184.216.34', family: 4 }], LOOPBACK]
    const sender = newSender({ allowsPrivate: false, resolve: async () => answers.shift() ?? [] })
    const url = `http://rebinding.example:${receiver.port}/`
    expect(await sender.faultOf(url)).toBeUndefined()
    const attempt = await sender.send({ url, secret }, message())
    expect(attempt).toEqual({ status: null, error: expect.stringContaining('private'), isCut: false })
    expect(receiver.received).toEqual([])
  })

  test('The connection goes to the address that was checked: each attempt asks once, and nobody asks after', async () => {
    const asked: string[] = []
    const sender = newSender({
      resolve: async (name) => {
        asked.push(name)
        return LOOPBACK
      },
    })
    // No DNS knows it, so only our own answer can have led there.
    const url = `http://checked.invalid:${receiver.port}/`
    expect(await sender.send({ url, secret }, message())).toMatchObject({ status: 204, error: null })
    expect(await sender.send({ url, secret }, message())).toMatchObject({ status: 204, error: null })
    expect(asked).toEqual(['checked.invalid', 'checked.invalid'])
    expect(receiver.received[0]?.headers.host).toBe(`checked.invalid:${receiver.port}`)
  })

  test('Of several checked addresses, the next one is tried when the first does not answer', async () => {
    const resolve = async () => [{ address: '::1', family: 6 }, ...LOOPBACK]
    const url = `http://two.invalid:${receiver.port}/`
    expect(await newSender({ resolve }).send({ url, secret }, message())).toMatchObject({ status: 204 })
  })
})
