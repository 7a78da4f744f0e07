import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { performance } from 'node:perf_hooks'
import { Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { endLingering } from '../server/lingering-close.js'

const mebibyte = 1024 ** 2
const answerBody = '{"status":413}'

/** How a route may have read the body before it gave up. */
let readSome: (req: IncomingMessage) => Promise<void>
let server: Server
let serverSocket: Socket | undefined

beforeEach(async () => {
  readSome = async () => {}
  server = createServer(async (req, res) => {
    serverSocket = req.socket
    await readSome(req)
    res.statusCode = 413
    endLingering(req, res, answerBody)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
})

afterEach(async () => {
  server.closeAllConnections()
  server.close()
  await once(server, 'close')
})

interface Client {
  socket: Socket
  received: () => string
  error: () => Error | undefined
  closed: Promise<unknown>
}

async function openClient(): Promise<Client> {
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  let text = ''
  let failure: Error | undefined
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1')
  })
  socket.on('error', (error) => {
    failure = error
  })
  const closed = new Promise((resolve) => socket.once('close', resolve))
  await once(socket, 'connect')
  return { socket, received: () => text, error: () => failure, closed }
}

function head(lengthBytes: number, method = 'POST'): string {
  return `${method} /x HTTP/1.1\r\nHost: x\r\nContent-Length: ${lengthBytes}\r\n\r\n`
}

describe('endLingering', () => {
  test('A client that goes on sending 3 MiB before it reads gets the whole answer, and no reset', async () => {
    const { socket, received, error, closed } = await openClient()
    socket.pause()
    socket.write(head(3 * mebibyte))
    for (let sent = 0; sent < 3; sent++) {
      socket.write(Buffer.alloc(mebibyte))
      await sleep(30)
    }
    socket.resume()
    await closed
    expect(error()).toBeUndefined()
    expect(received()).toMatch(/^HTTP\/1\.1 413 /)
    expect(received()).toMatch(/\r\nConnection: close\r\n/i)
    expect(received().endsWith(`\r\n\r\n${answerBody}`)).toBe(true)
  })

  test.each<[string, (req: IncomingMessage) => Promise<void>]>([
    [
      'iterated over',
      async (req) => {
        for await (const _chunk of req.iterator({ destroyOnReturn: false })) return
      },
    ],
    [
      'piped into something that broke',
      async (req) => {
        const broken = new Writable({ write: (_chunk, _encoding, done) => done(new Error('disk full')) })
        req.pipe(broken)
        await once(broken, 'error').catch(() => {})
      },
    ],
  ])('A body that was %s and given up in the middle is drained all the same', async (_name, read) => {
    readSome = read
    const { socket, received, error, closed } = await openClient()
    socket.pause()
    socket.write(head(3 * mebibyte))
    for (let sent = 0; sent < 3; sent++) {
      socket.write(Buffer.alloc(mebibyte))
      await sleep(30)
    }
    socket.resume()
    await closed
    expect(error()).toBeUndefined()
    expect(received().endsWith(`\r\n\r\n${answerBody}`)).toBe(true)
    expect(serverSocket!.bytesRead).toBeGreaterThan(3 * mebibyte)
  })

  test('The answer is there at once, while the body is still arriving', async () => {
    const { socket, received } = await openClient()
    socket.write(head(100 * mebibyte))
    const startedAtMs = performance.now()
    while (!received().endsWith(answerBody)) await sleep(5)
    expect(performance.now() - startedAtMs).toBeLessThan(1_000)
    socket.destroy()
  })

  test('A client that never stops sending is cut off after about 4 MiB', async () => {
    const { socket, received, closed } = await openClient()
    socket.write(head(10_000 * mebibyte))
    const chunk = Buffer.alloc(256 * 1024)
    const send = () => {
      while (!socket.destroyed && socket.write(chunk)) {}
    }
    socket.on('drain', send)
    send()
    await closed
    expect(received()).toMatch(/^HTTP\/1\.1 413 /)
    // What Node had buffered before it stopped reading comes on top.
    expect(serverSocket!.bytesRead).toBeGreaterThan(3 * mebibyte)
    expect(serverSocket!.bytesRead).toBeLessThan(6 * mebibyte)
  })

  test('A client that stops without closing is cut off after 2 seconds', async () => {
    const { socket, received, closed } = await openClient()
    const startedAtMs = performance.now()
    socket.write(head(mebibyte))
    await closed
    const elapsedMs = performance.now() - startedAtMs
    expect(elapsedMs).toBeGreaterThan(1_900)
    expect(elapsedMs).toBeLessThan(5_000)
    expect(received().endsWith(answerBody)).toBe(true)
  })

  test('A chunked body of unknown length is treated the same', async () => {
    const { socket, received, error, closed } = await openClient()
    socket.write('POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n')
    socket.write(`100000\r\n${'a'.repeat(mebibyte)}\r\n0\r\n\r\n`)
    await closed
    expect(error()).toBeUndefined()
    expect(received()).toMatch(/\r\nConnection: close\r\n/i)
    expect(received().endsWith(answerBody)).toBe(true)
  })

  test('After a small body the connection lives on', async () => {
    const { socket, received } = await openClient()
    socket.write(`${head(5)}hello`)
    while (!received().endsWith(answerBody)) await sleep(5)
    socket.write(`${head(0, 'GET')}`)
    while (received().split(answerBody).length < 3) await sleep(5)
    expect(received()).not.toMatch(/\r\nConnection: close\r\n/i)
    socket.destroy()
  })

  test('An answer to HEAD has no body', async () => {
    const { socket, received, closed } = await openClient()
    socket.write(head(mebibyte, 'HEAD'))
    await sleep(50)
    socket.end(Buffer.alloc(mebibyte))
    await closed
    expect(received()).toMatch(/^HTTP\/1\.1 413 /)
    expect(received().endsWith('\r\n\r\n')).toBe(true)
  })
})
