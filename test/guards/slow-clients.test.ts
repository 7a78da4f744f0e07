// Many clients that take their time, and one that doesn't: against a server of its own, over raw sockets.

import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import net from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { ask } from '../dialects/exchange.js'
import { TusClient } from '../dialects/tus-client.js'
import { startServer, type TestServer } from '../support/server.js'

const MIB = 1024 ** 2
const SLOW_CLIENTS = 1_000
const CREATIONS = 10_000
const AT_ONCE = 32

let server: TestServer

beforeAll(async () => {
  server = await startServer({
    env: {
      MAX_CONNECTIONS_PER_ADDRESS: '3000',
      NO_PROGRESS_TIMEOUT: '60s',
      MIN_UPLOAD_RATE: '128',
      LOG_LEVEL: 'warn',
    },
  })
})
afterAll(() => server.dispose())

const headOf = (method: string, path: string, headers: Record<string, string | number>) => {
  const all = { Host: 'x', Authorization: `Bearer ${server.key}`, 'Tus-Resumable': '1.0.0', ...headers }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`)
  return `${method} ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`
}

async function connect(): Promise<net.Socket> {
  const { hostname, port } = new URL(server.url)
  const socket = net.connect({ host: hostname, port: Number(port), noDelay: true })
  socket.on('error', () => {})
  await once(socket, 'connect')
  return socket
}

/** Creates `count` uploads over connections that are kept. @returns their paths */
async function createMany(count: number, sizeBytes: number): Promise<string[]> {
  const paths: string[] = []
  let left = count
  const work = async () => {
    const socket = await connect()
    while (left > 0) {
      left -= 1
      socket.write(headOf('POST', '/uploads', { 'Upload-Length': sizeBytes }))
      let answer = ''
      while (!answer.includes('\r\n\r\n')) answer += String((await once(socket, 'data'))[0])
      const [, path] =
        /^HTTP\/1\.1 201 [\s\S]*\r\nLocation: [^\r]*?(\/uploads\/[^\r]+)\r\n/i.exec(answer) ?? []
      if (path === undefined) throw new Error(`No upload was created: ${answer}`)
      paths.push(path)
    }
    socket.destroy()
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
  return paths
}

interface SlowClient {
  path: string
  sentBytes: number
  answer: string
}

/** Sends the body of an upload byte by byte, one a second, until the server closes the connection. */
async function sendSlowly(
  path: string,
  sizeBytes: number,
): Promise<{ client: SlowClient; over: Promise<void> }> {
  const socket = await connect()
  const client = { path, sentBytes: 1, answer: '' }
  const head = headOf('PATCH', path, {
    'Content-Type': 'application/offset+octet-stream',
    'Upload-Offset': 0,
    'Content-Length': sizeBytes,
  })
  socket.write(`${head}x`)
  const timer = setInterval(() => {
    if (client.answer !== '') return
    socket.write('x')
    client.sentBytes += 1
  }, 1000)
  socket.on('data', (chunk) => {
    client.answer += chunk.toString()
  })
  const over = once(socket, 'close').then(() => clearInterval(timer))
  return { client, over }
}

async function residentMib(): Promise<number> {
  const status = await readFile(`/proc/${server.pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1024
}

test('1,000 bodies of a byte a second hold up no normal upload, and end with 408 and their bytes kept', async () => {
  const paths = await createMany(SLOW_CLIENTS, MIB)
  const slow = await Promise.all(paths.map((path) => sendSlowly(path, MIB)))
  // Each has sent its second byte.
  await sleep(1_500)
  const tus = new TusClient(server)
  const content = Buffer.alloc(8 * MIB, 'antipasto')
  const created = await tus.create({ sizeBytes: content.length, body: content })
  expect(created).toMatchObject({ status: 201, headers: { 'upload-offset': String(content.length) } })
  // It came to its end long before the crowd, which it would outlast if it had to wait for memory that the crowd has.
  // A database that is too busy for a moment may have sent some away.
  expect(slow.filter(({ client }) => client.answer === '').length).toBeGreaterThan(SLOW_CLIENTS * 0.9)

  await Promise.all(slow.map(({ over }) => over))
  const tooSlow = slow.filter(({ client }) => client.answer.startsWith('HTTP/1.1 408 Request Timeout'))
  for (const { client } of tooSlow) {
    expect(client.answer).toContain('Less than 128 bytes a second arrived for 60 s.')
  }
  // All of them end in one moment: where the database is busy, the last of a thousand may find it so, and hear 503.
  expect(tooSlow.length).toBeGreaterThan(SLOW_CLIENTS / 2)
  const others = slow.filter((one) => !tooSlow.includes(one))
  expect(
    others.map(({ client }) => client.answer.slice(0, 13)).filter((line) => line !== 'HTTP/1.1 503 '),
  ).toEqual([])
  for (const { client } of slow) {
    const { status, headers } = await tus.send('HEAD', client.path)
    expect(status).toBe(200)
    const offset = Number(headers['upload-offset'])
    // Some may have been on their way when the server had enough.
    expect(offset).toBeLessThanOrEqual(client.sentBytes)
    expect(offset).toBeGreaterThan(5)
  }
  const id = String(paths[0]).slice('/uploads/'.length)
  const offset = Number((await tus.head(id)).headers['upload-offset'])
  expect((await tus.patch(id, offset, Buffer.alloc(MIB - offset, 'x'))).status).toBe(204)
  const sha256 = createHash('sha256').update(Buffer.alloc(MIB, 'x')).digest('hex')
  expect(await tus.report(id)).toMatchObject({ state: 'ready', checksums: { sha256 } })
}, 400_000)

test('200 clients that never finish their headers are ended, and others are served meanwhile', async () => {
  const sockets = await Promise.all(Array.from({ length: 200 }, connect))
  const heard = sockets.map(() => '')
  for (const [index, socket] of sockets.entries()) {
    socket.write('GET /uploads HTTP/1.1\r\nHost: x\r\n')
    socket.on('data', (chunk) => {
      heard[index] += chunk.toString()
    })
  }
  const timer = setInterval(() => {
    for (const socket of sockets) socket.write('X: y\r\n')
  }, 1000)
  const startedAt = performance.now()
  const closed = Promise.all(sockets.map((socket) => once(socket, 'close')))
  const { status } = await ask(server.url, { method: 'GET', path: '/healthz' })
  expect(status).toBe(200)
  await closed
  clearInterval(timer)
  expect(performance.now() - startedAt).toBeLessThan(60_000)
  expect(heard.filter((text) => !text.startsWith('HTTP/1.1 408 '))).toEqual([])
})

test('10,000 uploads begun and left alone cost the process nothing that stays, and the list still pages', async () => {
  await createMany(500, 1000)
  const beforeMib = await residentMib()
  const paths = await createMany(CREATIONS, 1000)
  expect(new Set(paths).size).toBe(CREATIONS)
  expect((await residentMib()) - beforeMib).toBeLessThan(80)

  const listed = new Set<string>()
  let cursor: string | null = ''
  while (cursor !== null) {
    const { status, body } = await ask(server.url, {
      method: 'GET',
      path: `/uploads?limit=500${cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`}`,
      headers: { authorization: `Bearer ${server.key}` },
    })
    expect(status).toBe(200)
    const page: { items: { id: string }[]; next_cursor: string | null } = JSON.parse(body.toString())
    for (const { id } of page.items) listed.add(id)
    cursor = page.next_cursor
  }
  expect(paths.filter((path) => !listed.has(path.slice('/uploads/'.length)))).toEqual([])
})
