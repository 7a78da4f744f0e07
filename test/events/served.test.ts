// GET /events of the real server, as a process: what uploads tell, and how its readers end when it stops.

import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { eventsAnswer } from '../../server/events/operations.js'
import { ask } from '../dialects/exchange.js'
import { TusClient } from '../dialects/tus-client.js'
import { startServer, type TestServer } from '../support/server.js'
import { bearer, StreamReader } from './ground.js'

let server: TestServer

beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server.dispose())

test('what an upload goes through is told, in order, to whoever streams and to whoever asks afterwards', async () => {
  const tus = new TusClient(server)
  const reader = await StreamReader.open(server, server.key)
  const { id } = await tus.put(Buffer.from('1,2\n'), { filename: 'lake.csv', label: 'lakes' })
  await tus.remove(id)
  const streamed = (await reader.take(3)).map(({ data }) => data)
  reader.cut()

  const headers = { ...bearer(server.key), Accept: 'application/json' }
  const answer = await ask(server.url, { method: 'GET', path: '/events', headers })
  const page = eventsAnswer.parse(JSON.parse(answer.body.toString()))
  expect(page).toEqual(JSON.parse(answer.body.toString()))
  const ofUpload = page.events.filter((event) => event.upload_id === id)
  expect(streamed).toEqual(page.events.slice(0, 3))
  expect(ofUpload.at(0)?.type).toBe('upload.created.v1')
  expect(ofUpload.map(({ type }) => type)).toContain('upload.ready.v1')
  expect(ofUpload.at(-1)).toMatchObject({
    type: 'upload.deleted.v1',
    owner: 'default',
    data: { state: 'deleted', filename: 'lake.csv', label: 'lakes', size: 4, error: null },
  })
})

test('without a credential there is nothing to read', async () => {
  const answer = await ask(server.url, { method: 'GET', path: '/events' })
  expect(answer.status).toBe(401)
})

test('a stop ends every stream in order and answers every long poll, at once', async () => {
  const headers = { ...bearer(server.key), Accept: 'application/json' }
  const { next } = JSON.parse(
    (await ask(server.url, { method: 'GET', path: '/events?limit=1000', headers })).body.toString(),
  )
  const readers = await Promise.all(
    Array.from({ length: 20 }, () =>
      StreamReader.open(server, server.key, { path: `/events?since=${next}` }),
    ),
  )
  const polls = Array.from({ length: 20 }, () =>
    ask(server.url, { method: 'GET', path: `/events?since=${next}&wait=60`, headers }),
  )
  // So that they have arrived: a request on a later connection is answered.
  await ask(server.url, { method: 'GET', path: '/events?limit=1', headers })
  const startedAtMs = performance.now()
  expect(await server.stop()).toBe(0)
  expect(performance.now() - startedAtMs).toBeLessThan(5000)
  for (const answer of await Promise.all(polls)) expect(JSON.parse(answer.body.toString()).events).toEqual([])
  for (const reader of readers) {
    await reader.ended()
    expect(reader.isComplete).toBe(true)
  }
})
