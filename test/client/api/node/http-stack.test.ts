import { once } from 'node:events'
import http from 'node:http'
import net from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, test } from '@jest/globals'
import { type Network, openNetwork } from '../../../../client/api/node/dispatcher.js'
import { Pace } from '../../../../client/api/node/pace.js'
import { bytesFrom } from '../../../end-to-end/evidence.js'
import { startOddServer } from '../odd-server.js'

const KIB = 1024
const MIB = 1024 * KIB

const closers: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

function network(): Network {
  const opened = openNetwork({ stallSeconds: 1 })
  closers.push(() => opened.close())
  return opened
}

async function odd(handler: http.RequestListener) {
  const server = await startOddServer(handler)
  closers.push(() => server.close())
  return server
}

/** Sockets as they come, without HTTP. */
async function rude(onSocket: (socket: net.Socket) => void): Promise<string> {
  const sockets = new Set<net.Socket>()
  const server = net.createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    onSocket(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closers.push(async () => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as net.AddressInfo).port}/`
}

interface Watched {
  readonly size: number
  pulledBytes: number
  isEnded: boolean
  [Symbol.asyncIterator](): AsyncGenerator<Uint8Array>
}

function streamOf(bytes: Uint8Array, blockBytes = MIB, fault?: Error): Watched {
  return {
    size: bytes.byteLength + (fault === undefined ? 0 : 1),
    pulledBytes: 0,
    isEnded: false,
    async *[Symbol.asyncIterator]() {
      try {
        for (let at = 0; at < bytes.byteLength; at += blockBytes) {
          const block = bytes.subarray(at, at + blockBytes)
          this.pulledBytes += block.byteLength
          yield block
        }
        if (fault !== undefined) throw fault
      } finally {
        this.isEnded = true
      }
    },
  }
}

const echo: http.RequestListener = async (request, response) => {
  const blocks: Buffer[] = []
  for await (const block of request) blocks.push(block)
  response.setHeader('X-Length', String(request.headers['content-length']))
  response.setHeader('X-Came', ['a', 'b'])
  response.writeHead(201).end(Buffer.concat(blocks))
}

describe('a request', () => {
  test.each([
    ['small bytes', bytesFrom(1, 10 * KIB), 10 * KIB],
    ['more bytes', bytesFrom(2, 3 * MIB), 3 * MIB],
    ['a Blob', new Blob([new Uint8Array(300 * KIB).fill(3)]), 300 * KIB],
    ['a stream', streamOf(bytesFrom(4, 2 * MIB + 3)), 2 * MIB + 3],
  ])('brings %s, and their length', async (_kind, body, size) => {
    let cameBytes = 0
    const server = await odd(async (request, response) => {
      for await (const block of request) cameBytes += block.byteLength
      response.setHeader('X-Length', String(request.headers['content-length'])).writeHead(204).end()
    })
    const request = network().httpStack.createRequest('PATCH', `${server.url}/u?q=1`)
    const progress: number[] = []
    request.setProgressHandler((bytes) => progress.push(bytes))
    const answer = await request.send(body)
    expect([answer.getStatus(), answer.getHeader('x-LENGTH'), cameBytes]).toEqual([204, String(size), size])
    expect(server.requests).toEqual(['PATCH /u?q=1'])
    expect(progress).toEqual(progress.toSorted((a, b) => a - b))
    if (size > 128 * KIB) expect(progress.at(-1)).toBe(size)
  })

  test('has its answer: status, headers, text', async () => {
    const server = await odd(echo)
    const request = network().httpStack.createRequest('POST', server.url)
    request.setHeader('Upload-Length', '7')
    expect(request.getHeader('Upload-Length')).toBe('7')
    const answer = await request.send(Buffer.from('Grüße'))
    expect([answer.getStatus(), answer.getBody(), answer.getHeader('X-Came')]).toEqual([201, 'Grüße', 'a, b'])
    expect(answer.getHeader('X-Missing')).toBeUndefined()
  })

  test('uses connections again, after HEAD, too', async () => {
    const ports = new Set<number | undefined>()
    const server = await odd((request, response) => {
      ports.add(request.socket.remotePort)
      echo(request, response)
    })
    const { httpStack } = network()
    for (const method of ['POST', 'HEAD', 'PATCH', 'HEAD', 'POST', 'HEAD', 'PATCH', 'POST']) {
      const body = method === 'HEAD' ? null : bytesFrom(1, 10 * KIB)
      expect((await httpStack.createRequest(method, server.url).send(body)).getStatus()).toBe(201)
    }
    // undici gives one back a moment after its answer: whoever asks at once gets the other.
    expect(ports.size).toBeLessThanOrEqual(2)
  })

  test("goes at the network's pace: what nobody takes isn't read", async () => {
    let taken: (() => void) | undefined
    const url = await rude((socket) => {
      socket.pause()
      taken = () => socket.resume().on('data', () => socket.write('HTTP/1.1 204 No Content\r\n\r\n'))
    })
    const body = streamOf(bytesFrom(5, 64 * MIB))
    const sent = network().httpStack.createRequest('PATCH', url).send(body)
    await sleep(500)
    expect(body.pulledBytes).toBeLessThan(16 * MIB)
    taken?.()
    expect((await sent).getStatus()).toBe(204)
  })
})

describe('an answer that comes before the body is through', () => {
  test.each(['goes on reading', 'reads no more', 'closes'])('counts when the server %s', async (manner) => {
    const refusal = 'HTTP/1.1 413 Too Large\r\nContent-Type: text/plain\r\nContent-Length: 9\r\n\r\nToo large'
    const url = await rude((socket) => {
      socket.once('data', () => {
        socket.write(refusal)
        if (manner === 'goes on reading') socket.resume()
        else socket.pause()
        if (manner === 'closes') socket.end()
      })
    })
    const body = streamOf(bytesFrom(6, 64 * MIB))
    const answer = await network().httpStack.createRequest('PATCH', url).send(body)
    expect([answer.getStatus(), answer.getBody()]).toEqual([413, 'Too large'])
    await sleep(50)
    expect(body.isEnded).toBe(true)
    expect(body.pulledBytes).toBeLessThan(64 * MIB)
  })

  test('counts by its status when its text breaks off', async () => {
    const url = await rude((socket) => {
      socket.once('data', () => {
        socket.write('HTTP/1.1 507 Full\r\nContent-Length: 100\r\n\r\nNo ro', () => socket.destroy())
      })
    })
    const answer = await network().httpStack.createRequest('POST', url).send(Buffer.from('x'))
    expect([answer.getStatus(), answer.getBody()]).toEqual([507, 'No ro'])
  })

  test('is read no further than 64 KiB or so', async () => {
    const server = await odd((_request, response) => {
      response.writeHead(200)
      const more = () => response.write('x'.repeat(16 * KIB), () => response.destroyed || setImmediate(more))
      more()
    })
    const answer = await network().httpStack.createRequest('POST', server.url).send(null)
    expect(answer.getStatus()).toBe(200)
    expect(answer.getBody().length).toBeLessThan(256 * KIB)
  })
})

describe('what breaks', () => {
  test('is told by its code', async () => {
    const url = await rude((socket) => socket.once('data', () => socket.destroy()))
    const { httpStack } = network()
    await expect(httpStack.createRequest('POST', url).send(null)).rejects.toHaveProperty('code')
    const nobody = httpStack.createRequest('POST', 'http://127.0.0.1:1/')
    await expect(nobody.send(streamOf(bytesFrom(1, 10)))).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  })

  test("is the body's own exception, and the server gets no whole body", async () => {
    let cameBytes = 0
    const server = await odd((request) => {
      request.on('data', (block: Buffer) => {
        cameBytes += block.byteLength
      })
      request.on('error', () => {})
    })
    const body = streamOf(bytesFrom(1, 300 * KIB), 100 * KIB, new Error('The disk has a fault.'))
    const request = network().httpStack.createRequest('PATCH', server.url)
    await expect(request.send(body)).rejects.toThrow('The disk has a fault.')
    expect(cameBytes).toBeLessThan(300 * KIB + 1)
  })

  test('is ended at once when the caller says so', async () => {
    const server = await odd((request) => void request.resume())
    const request = network().httpStack.createRequest('PATCH', server.url)
    const endless = { size: Number.MAX_SAFE_INTEGER, [Symbol.asyncIterator]: pieces }
    let isEnded = false
    async function* pieces() {
      try {
        for (;;) {
          yield Buffer.alloc(64 * KIB)
          await sleep(1)
        }
      } finally {
        isEnded = true
      }
    }
    const sent = request.send(endless)
    await sleep(100)
    await request.abort()
    await expect(sent).rejects.toMatchObject({ name: 'AbortError' })
    await sleep(100)
    expect(isEnded).toBe(true)
  })

  test('is not begun when it was ended before', async () => {
    const server = await odd(echo)
    const request = network().httpStack.createRequest('POST', server.url)
    await request.abort()
    await expect(request.send(Buffer.from('x'))).rejects.toMatchObject({ name: 'AbortError' })
    expect(server.requests).toEqual([])
  })

  test('is a network that takes nothing any more', async () => {
    const url = await rude((socket) => socket.pause())
    const sent = network()
      .httpStack.createRequest('PATCH', url)
      .send(streamOf(bytesFrom(6, 64 * MIB)))
    await expect(sent).rejects.toMatchObject({ code: 'ETIMEDOUT' })
  })

  test('is not a disk that is slow', async () => {
    const server = await odd(echo)
    const slow = {
      size: 2,
      async *[Symbol.asyncIterator]() {
        yield Buffer.from('a')
        await sleep(2500)
        yield Buffer.from('b')
      },
    }
    const answer = await network().httpStack.createRequest('POST', server.url).send(slow)
    expect(answer.getBody()).toBe('ab')
  })
})

describe('the proxy of the environment', () => {
  const names = ['http_proxy', 'HTTP_PROXY', 'https_proxy', 'HTTPS_PROXY', 'no_proxy', 'NO_PROXY']
  const before = names.map((name) => [name, process.env[name]] as const)
  afterEach(() => {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name]
      else process.env[name] = value
    }
  })

  test('carries requests and fetches, but not to hosts in NO_PROXY', async () => {
    for (const name of names) delete process.env[name]
    const server = await odd(echo)
    const asked: string[] = []
    const proxy = await odd((request, response) => {
      asked.push(`${request.method} ${request.url} ${request.headers['proxy-authorization'] ?? ''}`.trim())
      const onward = http.request(String(request.url), { method: request.method, headers: request.headers })
      onward.on('response', (answer) => {
        response.writeHead(answer.statusCode ?? 500, answer.headers)
        answer.pipe(response)
      })
      request.pipe(onward)
    })
    process.env.HTTP_PROXY = proxy.url.replace('//', '//user:secret@')
    const { httpStack, fetch } = network()
    const body = bytesFrom(3, 300 * KIB)
    const answer = await httpStack.createRequest('POST', `${server.url}/u`).send(streamOf(body))
    expect(answer.getStatus()).toBe(201)
    expect(
      Buffer.from(
        await (await fetch(`${server.url}/f`, { method: 'POST', body: 'f' })).arrayBuffer(),
      ).toString(),
    ).toBe('f')
    const basic = `Basic ${Buffer.from('user:secret').toString('base64')}`
    expect(asked).toEqual([`POST ${server.url}/u ${basic}`, `POST ${server.url}/f ${basic}`])
    process.env.NO_PROXY = '127.0.0.1'
    expect((await network().httpStack.createRequest('POST', server.url).send(null)).getStatus()).toBe(201)
    expect(asked.length).toBe(2)
  })
})

test('pieces grow while the network is quick, and shrink while it is slow', () => {
  const pace = new Pace()
  expect(pace.pieceBytes).toBe(128 * KIB)
  for (let i = 0; i < 10; i += 1) pace.took(1)
  expect(pace.pieceBytes).toBe(MIB)
  pace.took(500)
  expect(pace.pieceBytes).toBe(MIB)
  for (let i = 0; i < 10; i += 1) pace.took(5000)
  expect(pace.pieceBytes).toBe(16 * KIB)
})
