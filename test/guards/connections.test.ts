import { once } from 'node:events'
import net from 'node:net'
import { Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, expect, test } from '@jest/globals'
import { createLog } from '../../server/ops/log.js'
import { ask } from '../dialects/exchange.js'
import { type Guarded, serveGuarded } from './app.js'

let served: Guarded | undefined
const sockets: net.Socket[] = []
const asked: string[] = []

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  asked.length = 0
  await served?.close()
  served = undefined
})

async function serve(
  maxConnectionsPerAddress: number | undefined,
  trustProxy: number | readonly string[] = 0,
): Promise<{ origin: string; port: number; lines: () => string[] }> {
  const written: string[] = []
  const destination = new Writable({
    write(chunk: Buffer, _encoding, done) {
      written.push(chunk.toString())
      done()
    },
  })
  served = await serveGuarded(
    (app) =>
      app.all('/*path', (request, response) => {
        asked.push(`${request.method} ${request.url}`)
        response.send('served')
      }),
    { maxConnectionsPerAddress, trustProxy, log: createLog({ level: 'warn', destination }) },
  )
  return { ...served, lines: () => written }
}

/** A connection, and what it hears. */
async function open(
  port: number,
  allowHalfOpen = false,
): Promise<{ socket: net.Socket; heard: () => string }> {
  const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen })
  sockets.push(socket)
  let text = ''
  socket.on('data', (chunk) => {
    text += chunk.toString()
  })
  socket.on('error', () => {})
  await once(socket, 'connect')
  return { socket, heard: () => text }
}

test('Over the limit a connection is told why and closed; what it asks is not done, and the others live on', async () => {
  const { port, origin, lines } = await serve(3)
  const first = await open(port)
  await open(port)
  await open(port)
  const refused = await open(port)
  // At the same moment as the refusal.
  refused.socket.write('POST /made HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello')
  await once(refused.socket, 'close')
  const [head = '', body = ''] = refused.heard().split('\r\n\r\n')
  expect(head).toMatch(/^HTTP\/1\.1 429 Too Many Requests\r\nConnection: close\r\n/)
  expect(head).toContain('Content-Type: application/problem+json')
  expect(head).toContain('Retry-After: 10')
  expect(JSON.parse(body)).toMatchObject({ status: 429, code: 'RATE_LIMITED' })
  expect(asked).toEqual([])

  await expect(ask(origin, { method: 'GET', path: '/x' })).resolves.toMatchObject({ status: 429 })
  first.socket.write('GET /kept HTTP/1.1\r\nHost: x\r\n\r\n')
  while (!first.heard().includes('served')) await sleep(10)
  expect(asked).toEqual(['GET /kept'])
  // One line a minute.
  expect(lines()).toHaveLength(1)
  expect(JSON.parse(lines()[0] ?? '')).toMatchObject({ level: 'warn', address: '127.0.0.1', connections: 3 })

  first.socket.destroy()
  await once(first.socket, 'close')
  await sleep(50)
  await expect(ask(origin, { method: 'GET', path: '/again' })).resolves.toMatchObject({ status: 200 })
})

test('A refused connection that stays, silent or sending for ever, is gone after two seconds', async () => {
  const { port } = await serve(1)
  const openConnections = () =>
    new Promise<number>((resolve) => served?.server.getConnections((_error, count) => resolve(count)))
  await open(port)
  const [silent, loud] = [await open(port, true), await open(port, true)]
  const timer = setInterval(() => loud.socket.write(Buffer.alloc(64 * 1024, 'x')), 5)
  const startedAt = performance.now()
  while (!silent.heard().includes('RATE_LIMITED') || !loud.heard().includes('RATE_LIMITED')) await sleep(10)
  while ((await openConnections()) > 1) await sleep(20)
  clearInterval(timer)
  expect(performance.now() - startedAt).toBeLessThan(4_000)
})

test('A flood of them leaves no trace', async () => {
  const { port, origin } = await serve(5)
  for (let round = 0; round < 4; round++) {
    const opened = await Promise.all(Array.from({ length: 50 }, () => open(port).catch(() => undefined)))
    await sleep(20)
    for (const one of opened) one?.socket.destroy()
    await sleep(50)
  }
  await expect(ask(origin, { method: 'GET', path: '/x' })).resolves.toMatchObject({ status: 200 })
})

test.each([
  ['a number of proxies', 1],
  ['a list with it', ['127.0.0.0/8']],
])('Proxies are not counted: %s', async (_, trustProxy) => {
  const { port, origin } = await serve(2, trustProxy)
  for (let count = 0; count < 5; count++) await open(port)
  await expect(ask(origin, { method: 'GET', path: '/x' })).resolves.toMatchObject({ status: 200 })
})

test('A list without it counts, and no limit counts nobody', async () => {
  const counted = await serve(1, ['192.0.2.0/24'])
  await open(counted.port)
  await expect(ask(counted.origin, { method: 'GET', path: '/x' })).resolves.toMatchObject({ status: 429 })
  await served?.close()
  const free = await serve(undefined)
  for (let count = 0; count < 20; count++) await open(free.port)
  await expect(ask(free.origin, { method: 'GET', path: '/x' })).resolves.toMatchObject({ status: 200 })
})
