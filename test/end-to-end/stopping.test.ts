// What a stop does, step by step: balancers are told before requests are refused, and what runs may come to its end.

import http from 'node:http'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, expect, test } from '@jest/globals'
import { startServer, type TestServer } from '../support/server.js'
import { until } from '../support/until.js'
import { bytesFrom } from './evidence.js'
import { get, problemCode, rawTus } from './raw-tus.js'

const MIB = 1024 * 1024

let server: TestServer
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })

afterEach(async () => {
  agent.destroy()
  await server.dispose()
})

/** Begins to stop; resolves with the exit code when it has. */
function stop(): Promise<number> {
  return server.stop()
}

/** A GET over the one kept connection; whether that was the one of before. */
function keptGet(
  path: string,
): Promise<{ status: number; connection: string | undefined; isReused: boolean }> {
  return new Promise((resolve, reject) => {
    const headers = { Authorization: `Bearer ${server.key}` }
    const request = http.get(`${server.url}${path}`, { agent, headers })
    request.once('error', reject)
    request.once('response', async (response) => {
      await text(response)
      const { statusCode: status = 0, headers } = response
      resolve({ status, connection: headers.connection, isReused: request.reusedSocket })
    })
  })
}

test('readiness is red for STOP_DELAY before anything is refused, and each answer closes its connection', async () => {
  server = await startServer({ env: { STOP_DELAY: '2s' } })
  expect(await keptGet('/uploads')).toMatchObject({ status: 200, connection: 'keep-alive' })
  const startedAtMs = performance.now()
  const stopped = stop()
  await until(async () => (await get(`${server.url}/readyz`)).status === 503)
  expect(performance.now() - startedAtMs).toBeLessThan(1_500)
  const readiness = await get(`${server.url}/readyz`)
  expect(JSON.parse(readiness.body.toString())).toEqual({
    status: 'degraded',
    reason: 'the server is stopping',
  })
  expect((await get(`${server.url}/healthz`)).status).toBe(200)
  // New work, on a new connection: taken, and whole.
  const tus = rawTus(server)
  const id = await tus.create(5)
  expect((await tus.patch(id, 0, Buffer.from('hello')))?.status).toBe(204)
  expect(await keptGet('/uploads')).toEqual({ status: 200, connection: 'close', isReused: true })
  expect(await keptGet('/uploads')).toEqual({ status: 200, connection: 'close', isReused: false })
  expect(performance.now() - startedAtMs).toBeLessThan(2_000)
  expect(await stopped).toBe(0)
  expect(performance.now() - startedAtMs).toBeGreaterThan(2_000)
  await expect(get(`${server.url}/readyz`)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
})

test('without a delay no new connection is taken at once, but what runs comes to its end', async () => {
  server = await startServer()
  const tus = rawTus(server)
  const source = bytesFrom(1, 12 * MIB)
  const [id, short] = [await tus.create(source.byteLength), await tus.create(4 * MIB)]
  expect((await tus.patch(id, 0, source))?.status).toBe(204)
  const { retrieval_url } = await tus.report(id)
  const download = await new Promise<http.IncomingMessage>((resolve, reject) => {
    http.get(String(retrieval_url), { agent: false }, resolve).once('error', reject)
  })
  const patch = tus.startPatch(short, 0, 4 * MIB)
  await patch.write(source.subarray(0, MIB))
  await keptGet('/uploads')

  const stopped = stop()
  await until(async () => server.logs().includes('"stopping"'))
  // What came at the same moment on a kept connection is answered, too.
  expect(await keptGet('/uploads')).toEqual({ status: 200, connection: 'close', isReused: true })
  await until(async () =>
    get(`${server.url}/healthz`).then(
      () => false,
      (error) => error.code === 'ECONNREFUSED',
    ),
  )
  await patch.write(source.subarray(MIB, 4 * MIB))
  patch.end()
  expect((await patch.answer)?.status).toBe(204)
  const pieces: Buffer[] = []
  for await (const piece of download) {
    pieces.push(piece)
    await sleep(10)
  }
  expect(Buffer.concat(pieces).equals(source)).toBe(true)
  expect(await stopped).toBe(0)
})

test('an upload that goes on is paused after a quarter of STOP_TIMEOUT, a download cut at its end', async () => {
  server = await startServer({ env: { STOP_TIMEOUT: '4s' } })
  const tus = rawTus(server)
  const source = bytesFrom(1, 40 * MIB)
  const [id, endless] = [await tus.create(source.byteLength), await tus.create(4 * MIB)]
  expect((await tus.patch(id, 0, source))?.status).toBe(204)
  const { retrieval_url } = await tus.report(id)
  const download = await new Promise<http.IncomingMessage>((resolve, reject) => {
    http.get(String(retrieval_url), { agent: false }, resolve).once('error', reject)
  })
  const patch = tus.startPatch(endless, 0, 4 * MIB)
  await patch.write(source.subarray(0, MIB))

  const startedAtMs = performance.now()
  const stopped = stop()
  const answer = await patch.answer
  expect([answer?.status, problemCode(answer)]).toEqual([503, 'UNAVAILABLE'])
  expect(Number(answer?.headers['retry-after'])).toBeGreaterThan(0)
  const pausedAfterMs = performance.now() - startedAtMs
  expect(pausedAfterMs).toBeGreaterThan(900)
  expect(pausedAfterMs).toBeLessThan(3_000)
  expect(await stopped).toBe(0)
  expect(performance.now() - startedAtMs).toBeGreaterThan(3_900)
  expect(performance.now() - startedAtMs).toBeLessThan(8_000)
  await expect(download.toArray()).rejects.toMatchObject({ code: 'ECONNRESET' })

  await server.restart()
  expect(await tus.offset(endless)).toBe(MIB)
})
