// Plain tus servers: the stock one of the registry, and one that can't take bytes with the creation.

import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import type { RequestListener } from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { FileStore } from '@tus/file-store'
import { Server } from '@tus/server'
import { bytesSource } from '../../../client/api/bytes-source.js'
import { Connection } from '../../../client/api/connection.js'
import { fixedCredential } from '../../../client/api/credentials.js'
import { type Network, openNetwork } from '../../../client/api/node/dispatcher.js'
import { type SendOptions, send } from '../../../client/api/send.js'
import { sendParallel } from '../../../client/api/send-parallel.js'
import { bytesFrom } from '../../end-to-end/evidence.js'
import { type OddServer, startOddServer } from './odd-server.js'

const MIB = 1024 * 1024

let folder: string
let stock: OddServer
let network: Network

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'antipasto-stock-'))
  const tus = new Server({
    path: '/files',
    datastore: new FileStore({ directory: folder }),
    maxSize: 32 * MIB,
  })
  stock = await startOddServer((request, response) => void tus.handle(request, response))
  network = openNetwork()
})
afterAll(async () => {
  await network.close()
  await stock.close()
  await rm(folder, { recursive: true })
})

function to(server: OddServer): { connection: Connection; options: SendOptions } {
  const connection = new Connection({
    url: server.url,
    credentials: fixedCredential('x'),
    fetch: network.fetch,
  })
  return {
    connection,
    options: {
      endpoint: `${server.url}/files`,
      metadata: { filename: 'Gewässer.csv' },
      httpStack: network.httpStack,
      patienceSeconds: 5,
    },
  }
}

test.each([0, 1, 100_000, 3 * MIB + 1])('%i bytes arrive at the stock server', async (size) => {
  const bytes = bytesFrom(size, size)
  const { connection, options } = to(stock)
  const { url } = await send(connection, bytesSource(bytes), { ...options, chunkBytes: MIB })
  expect((await readFile(path.join(folder, url.split('/').at(-1) ?? ''))).equals(bytes)).toBe(true)
})

test('its refusals are told at once, in its words', async () => {
  const { connection, options } = to(stock)
  const large = send(connection, bytesSource(bytesFrom(1, 33 * MIB)), options)
  await expect(large).rejects.toMatchObject({ name: 'PayloadTooLarge', status: 413 })
  const gone = send(connection, bytesSource(bytesFrom(1, 5)), {
    ...options,
    uploadUrl: `${stock.url}/files/gone`,
  })
  await expect(gone).rejects.toMatchObject({ name: 'NotFound' })
})

test('in parts asked for, it gets one piece, as it has no concatenation', async () => {
  const before = (await readdir(folder)).length
  const bytes = bytesFrom(2, 20 * MIB)
  const { connection, options } = to(stock)
  const created: string[] = []
  const { url } = await sendParallel(connection, bytesSource(bytes), {
    ...options,
    parts: 3,
    onCreated: (url) => void created.push(url),
  })
  expect(created).toEqual([url])
  // The file and its .json
  expect((await readdir(folder)).length).toBe(before + 2)
  expect((await readFile(path.join(folder, url.split('/').at(-1) ?? ''))).equals(bytes)).toBe(true)
})

test('a server that takes no bytes with the creation gets them after it', async () => {
  const asked: string[] = []
  const kept: Buffer[] = []
  const simple: RequestListener = async (request, response) => {
    asked.push(String(request.method))
    response.setHeader('Tus-Resumable', '1.0.0')
    if (request.method === 'POST') {
      request.resume()
      response.writeHead(201, { Location: '/files/1' }).end()
      return
    }
    if (request.method === 'PATCH') for await (const block of request) kept.push(block)
    const bytes = kept.reduce((sum, { byteLength }) => sum + byteLength, 0)
    response.setHeader('Upload-Offset', String(bytes)).setHeader('Upload-Length', '50000')
    response.writeHead(request.method === 'PATCH' ? 204 : 200).end()
  }
  const server = await startOddServer(simple)
  const { connection, options } = to(server)
  const bytes = bytesFrom(3, 50_000)
  await send(connection, bytesSource(bytes), options)
  expect(asked).toEqual(['POST', 'HEAD', 'PATCH'])
  expect(Buffer.concat(kept).equals(bytes)).toBe(true)
  await server.close()
})

test('a server that takes nothing and says so in success is no endless loop', async () => {
  let patches = 0
  const server = await startOddServer((request, response) => {
    request.resume()
    if (request.method === 'PATCH') patches += 1
    const headers = { 'Tus-Resumable': '1.0.0', 'Upload-Offset': '0', 'Upload-Length': '9' }
    response.writeHead(request.method === 'HEAD' ? 200 : 204, headers).end()
  })
  const { connection, options } = to(server)
  const uploadUrl = `${server.url}/files/1`
  const sending = send(connection, bytesSource(bytesFrom(1, 9)), {
    ...options,
    uploadUrl,
    patienceSeconds: 1,
  })
  await expect(sending).rejects.toMatchObject({ name: 'OffsetMismatch' })
  expect(patches).toBeLessThan(20)
  await server.close()
})
