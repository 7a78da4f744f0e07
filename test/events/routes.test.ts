// GET /events over real sockets: formats, long poll, streams, refusals.

import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { decode, encode, rfc8949EncodeOptions } from 'cborg'
import pg from 'pg'
import type { z } from 'zod'
import { eventsAnswer } from '../../server/events/operations.js'
import { type Answer, ask } from '../dialects/exchange.js'
import { createTestDatabase, type TestDatabase } from '../support/database.js'
import { bearer, type Instance, insertEvent, insertMany, StreamReader, startInstance } from './ground.js'

const PACE = { heartbeatMs: 15_000, patienceMs: 60_000 }

let database: TestDatabase
let instance: Instance
let writer: pg.Client

beforeEach(async () => {
  database = await createTestDatabase()
  instance = await startInstance(database.databaseUrl)
  writer = new pg.Client({ connectionString: database.databaseUrl })
  await writer.connect()
})
afterEach(async () => {
  await writer.end()
  await instance.close()
  await database.drop()
})

function get(query = '', { key = 'admin', accept = 'application/json', headers = {} } = {}): Promise<Answer> {
  return ask(instance.url, {
    method: 'GET',
    path: `/events${query}`,
    headers: { ...bearer(key), ...(accept === '' ? {} : { Accept: accept }), ...headers },
  })
}

async function page(query = '', key = 'admin'): Promise<z.output<typeof eventsAnswer>> {
  const answer = await get(query, { key })
  expect(answer.status).toBe(200)
  const body: unknown = JSON.parse(answer.body.toString())
  const parsed = eventsAnswer.parse(body)
  expect(parsed).toEqual(body)
  return parsed
}

function problemOf(answer: Answer): { code: string; detail: string; details: Record<string, unknown> } {
  expect(answer.headers['content-type']).toContain('application/problem+json')
  return JSON.parse(answer.body.toString())
}

describe('GET /events', () => {
  test('of a log without events is empty', async () => {
    expect(await page()).toEqual({ events: [], next: 0 })
  })

  test('begins where `since` says, gives as many as `limit`, and says where to go on', async () => {
    for (let i = 0; i < 7; i += 1) await insertEvent(writer, 'a', `event ${i}`)
    const seen: (string | null)[] = []
    let answer = await page('?limit=3')
    const sizes = [answer.events.length]
    for (; answer.events.length > 0; sizes.push(answer.events.length)) {
      for (const { data } of answer.events) if ('filename' in data) seen.push(data.filename)
      answer = await page(`?limit=3&since=${answer.next}`)
    }
    expect(sizes).toEqual([3, 3, 1, 0])
    expect(seen).toEqual([0, 1, 2, 3, 4, 5, 6].map((i) => `event ${i}`))
  })

  test('shows an owner its own events alone, and moves on past those of others', async () => {
    await insertEvent(writer, 'a', 'of a')
    await insertEvent(writer, 'b', 'of b')
    const ofA = await page('', 'a')
    expect(ofA.events.map(({ owner }) => owner)).toEqual(['a'])
    expect(ofA.next).toBe((await page()).events.at(-1)?.sequence)
    expect(await page(`?since=${ofA.next}`, 'a')).toEqual({ events: [], next: ofA.next })
    expect((await page('', 'c')).events).toEqual([])
    expect((await page()).events.map(({ owner }) => owner)).toEqual(['a', 'b'])
  })

  test('from `latest` on is what comes from now on', async () => {
    expect(await page('?since=latest')).toEqual({ events: [], next: 0 })
    await insertEvent(writer, 'a', 'before')
    const { next } = await page()
    expect(await page('?since=latest')).toEqual({ events: [], next })
    // Of an owner who has none, too: it is the end of the log, not of what is theirs.
    expect(await page('?since=latest', 'b')).toEqual({ events: [], next })
    const waiting = page('?since=latest&wait=20', 'a')
    await sleep(300)
    await insertEvent(writer, 'b', 'of another')
    await insertEvent(writer, 'a', 'after')
    expect((await waiting).events).toMatchObject([{ data: { filename: 'after' } }])
    const cbor = decode((await get('?since=latest', { accept: 'application/cbor' })).body)
    expect(cbor).toEqual({ events: [], next: (await page('?limit=1000')).next })
  })

  test('is for whoever may read', async () => {
    expect(problemOf(await get('', { key: 'upload-only' })).code).toBe('FORBIDDEN')
    const without = await ask(instance.url, { method: 'GET', path: '/events' })
    expect(without.status).toBe(401)
  })

  test('shows all to whoever reads without a credential, where that is allowed', async () => {
    const open = await startInstance(database.databaseUrl, { anonRead: true })
    try {
      await insertEvent(writer, 'a', 'seen')
      const answer = await ask(open.url, {
        method: 'GET',
        path: '/events',
        headers: { Accept: 'application/json' },
      })
      expect(JSON.parse(answer.body.toString()).events).toHaveLength(1)
    } finally {
      await open.close()
    }
  })

  test.each([
    ['', 'application/cbor'],
    ['*/*', 'application/cbor'],
    ['application/*', 'application/cbor'],
    ['application/cbor', 'application/cbor'],
    ['application/json', 'application/json'],
    ['application/json;q=0.5, application/cbor;q=0.4', 'application/json'],
    ['application/json;q=0.5, application/cbor', 'application/cbor'],
    ['application/cbor;q=0, */*', 'application/json'],
    ['text/html, application/json;q=0.1', 'application/json'],
  ])('Accept "%s" gets %s', async (accept, type) => {
    const answer = await get('', { accept })
    expect(answer.status).toBe(200)
    expect(answer.headers['content-type']).toContain(type)
    expect(answer.headers['cache-control']).toBe('no-store')
    expect(answer.headers['x-accel-buffering']).toBe('no')
    expect(answer.headers.vary).toContain('Accept')
  })

  test.each([
    'text/html',
    'application/xml',
    'application/cbor;q=0, application/json;q=0',
    'text/plain, image/*',
  ])('Accept "%s" is told what there is', async (accept) => {
    const answer = await get('', { accept })
    expect(answer.status).toBe(406)
    expect(problemOf(answer)).toMatchObject({
      code: 'NOT_ACCEPTABLE',
      detail: 'Events come as application/cbor, application/json, text/event-stream. Accept one of them.',
    })
  })

  test('CBOR says the same as JSON, in the one way that is deterministic', async () => {
    await insertEvent(writer, 'a', 'Größe – 湖.csv')
    await insertMany(writer, 'b', 30)
    const cbor = await get('', { accept: 'application/cbor' })
    const decoded: unknown = decode(cbor.body)
    expect(decoded).toEqual(JSON.parse((await get()).body.toString()))
    expect(Buffer.from(encode(decoded, rfc8949EncodeOptions)).equals(cbor.body)).toBe(true)
    expect(cbor.headers['content-length']).toBe(String(cbor.body.length))
  })

  test.each([
    ...[
      'since=-1',
      'since=1.5',
      'since=1e3',
      'since=',
      'since=abc',
      'since=LATEST',
      'since=0x10',
      'since=9999999999999999',
    ],
    ...[
      'since=99999999999999999999999',
      'since=1&since=2',
      'since[gt]=1',
      'limit=0',
      'limit=1001',
      'limit=-1',
    ],
    ...['wait=61', 'wait=-1', 'wait=0.5', 'after=1', `since=${'1'.repeat(100)}`],
  ])('?%s is refused', async (query) => {
    const answer = await get(`?${query}`)
    expect(answer.status).toBe(400)
    expect(problemOf(answer).code).toBe('INVALID_INPUT')
  })

  test.each(['abc', '-1', '1.5', '99999999999999999999', ' 1 2'])(
    'Last-Event-ID "%s" is refused',
    async (id) => {
      for (const accept of ['application/json', 'text/event-stream']) {
        const answer = await get('', { accept, headers: { 'Last-Event-ID': id } })
        expect(answer.status).toBe(400)
        expect(problemOf(answer).code).toBe('INVALID_INPUT')
      }
    },
  )

  test('a sequence that was never given is refused: waiting there would miss events', async () => {
    await insertEvent(writer, 'a', 'newest')
    const { next } = await page()
    for (const accept of ['application/json', 'application/cbor', 'text/event-stream']) {
      const answer = await get(`?since=${next + 1}&wait=5`, { accept })
      expect(answer.status).toBe(400)
      expect(problemOf(answer)).toMatchObject({ code: 'INVALID_INPUT', details: { newest: next } })
    }
  })

  test.each(['POST', 'PUT', 'PATCH', 'DELETE'])('%s means nothing', async (method) => {
    const answer = await ask(instance.url, { method, path: '/events', headers: bearer('admin') })
    expect(answer.status).toBe(405)
    expect(answer.headers.allow).toBe('GET, HEAD')
  })

  test('HEAD answers as GET does, without waiting', async () => {
    const startedAtMs = performance.now()
    for (const accept of ['application/cbor', 'application/json', 'text/event-stream']) {
      const headers = { ...bearer('admin'), Accept: accept }
      const answer = await ask(instance.url, { method: 'HEAD', path: '/events?wait=60', headers })
      expect(answer.status).toBe(200)
      expect(answer.headers['content-type']).toContain(accept)
      expect(answer.body).toHaveLength(0)
    }
    expect(performance.now() - startedAtMs).toBeLessThan(5000)
  })
})

describe('A long poll', () => {
  test('answers at once when there is something', async () => {
    await insertEvent(writer, 'a', 'there')
    const startedAtMs = performance.now()
    expect((await page('?wait=20')).events).toHaveLength(1)
    expect(performance.now() - startedAtMs).toBeLessThan(2000)
  })

  test('is answered by the first event that comes, of its own scope', async () => {
    const waiting = page('?wait=20', 'a')
    await sleep(300)
    await insertEvent(writer, 'b', 'not for a')
    await sleep(500)
    await insertEvent(writer, 'a', 'for a')
    const startedAtMs = performance.now()
    const { events } = await waiting
    expect(events.map(({ owner }) => owner)).toEqual(['a'])
    expect(performance.now() - startedAtMs).toBeLessThan(1500)
  })

  test('is empty when its time is over, and has moved on past the events of others', async () => {
    const startedAtMs = performance.now()
    const waiting = page('?wait=1', 'a')
    await insertEvent(writer, 'b', 'not for a')
    const { events, next } = await waiting
    expect(events).toEqual([])
    expect(next).toBe((await page()).next)
    expect(performance.now() - startedAtMs).toBeGreaterThanOrEqual(990)
  })

  test('is answered when the server stops, and its connection ends', async () => {
    const waiting = get('?wait=60')
    await sleep(300)
    const startedAtMs = performance.now()
    await instance.tail.close()
    const answer = await waiting
    expect(performance.now() - startedAtMs).toBeLessThan(1000)
    expect(JSON.parse(answer.body.toString())).toEqual({ events: [], next: 0 })
    expect(answer.headers.connection).toBe('close')
  })
})

describe('A stream', () => {
  test('begins at once, with the headers that keep proxies from holding it back', async () => {
    const reader = await StreamReader.open(instance, 'admin')
    expect(reader.response.headers).toMatchObject({
      'content-type': expect.stringContaining('text/event-stream'),
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    })
    await insertEvent(writer, 'a', 'first')
    const [frame] = await reader.take(1)
    expect(frame).toMatchObject({
      type: 'upload.created.v1',
      data: { owner: 'a', data: { filename: 'first' } },
    })
    expect(frame?.id).toBe(frame?.data.sequence)
    expect(reader.retryMs).toBeGreaterThan(0)
    reader.cut()
  })

  test('gives what was, then what comes, of its own scope, as the long poll does', async () => {
    for (let i = 0; i < 250; i += 1) await insertEvent(writer, i % 2 === 0 ? 'a' : 'b', `old ${i}`)
    const reader = await StreamReader.open(instance, 'a', { path: '/events?since=4' })
    const before = await reader.take(123)
    for (let i = 0; i < 10; i += 1) await insertEvent(writer, i % 2 === 0 ? 'a' : 'b', `new ${i}`)
    const streamed = [...before, ...(await reader.take(5))]
    expect(await reader.next(500)).toBeNull()
    expect(streamed.map(({ data }) => data)).toEqual((await page('?since=4&limit=1000', 'a')).events)
    reader.cut()
  })

  test('goes on behind Last-Event-ID, which wins over since', async () => {
    for (let i = 0; i < 5; i += 1) await insertEvent(writer, 'a', `event ${i}`)
    const first = await StreamReader.open(instance, 'a')
    const [, second] = await first.take(2)
    first.cut()
    const again = await StreamReader.open(instance, 'a', {
      path: '/events?since=0',
      headers: { 'Last-Event-ID': String(second?.id) },
    })
    expect((await again.take(3)).map(({ data }) => data.data.filename)).toEqual([
      'event 2',
      'event 3',
      'event 4',
    ])
    again.cut()
  })

  test('says where it begins before the first event, so that who loses it at once misses nothing', async () => {
    await insertEvent(writer, 'a', 'before')
    const { next } = await page()
    const reader = await StreamReader.open(instance, 'a', { path: '/events?since=latest' })
    expect(await reader.next(300)).toBeNull()
    expect(reader.lastEventId).toBe(String(next))
    reader.cut()
    await insertEvent(writer, 'a', 'while away')
    const again = await StreamReader.open(instance, 'a', {
      path: '/events?since=latest',
      headers: { 'Last-Event-ID': reader.lastEventId },
    })
    expect((await again.take(1)).map(({ data }) => data.data.filename)).toEqual(['while away'])
    again.cut()
    // With a page of older events, too, it is where the stream begins.
    const old = await StreamReader.open(instance, 'nobody', { path: '/events?since=1' })
    expect(await old.next(300)).toBeNull()
    expect(old.lastEventId).toBe('1')
    old.cut()
  })

  test('is kept alive by comments: when nothing happens, and when only others’ events do', async () => {
    const lively = await startInstance(database.databaseUrl, { pace: { ...PACE, heartbeatMs: 300 } })
    try {
      const reader = await StreamReader.open(lively, 'a')
      await reader.next(1000)
      const quiet = reader.commentCount
      expect(quiet).toBeGreaterThanOrEqual(2)
      expect(quiet).toBeLessThanOrEqual(4)
      for (let i = 0; i < 10; i += 1) {
        await insertEvent(writer, 'b', `not for a ${i}`)
        await reader.next(120)
      }
      expect(reader.commentCount - quiet).toBeGreaterThanOrEqual(2)
      reader.cut()
    } finally {
      await lively.close()
    }
  })

  test('ends in order when the server stops', async () => {
    const reader = await StreamReader.open(instance, 'a')
    await sleep(100)
    await instance.tail.close()
    await reader.ended()
    expect(reader.isComplete).toBe(true)
    const late = await StreamReader.open(instance, 'a')
    await late.ended()
    expect(late.isComplete).toBe(true)
  })

  test('of a client that has gone costs nothing any more', async () => {
    const readers = await Promise.all(Array.from({ length: 20 }, () => StreamReader.open(instance, 'a')))
    for (const reader of readers) reader.cut()
    await sleep(500)
    const asked = instance.lookCount()
    await sleep(1000)
    expect(instance.lookCount() - asked).toBeLessThanOrEqual(1)
    expect(await connectionCount(instance)).toBe(0)
  })

  test('500 readers that wait cost as many looks as one, and get the same event within a second', async () => {
    const readers = await Promise.all(
      Array.from({ length: 500 }, (_, i) => StreamReader.open(instance, i % 2 === 0 ? 'admin' : 'a')),
    )
    const asked = instance.lookCount()
    await sleep(2000)
    expect(instance.lookCount() - asked).toBeLessThan(25)
    await insertEvent(writer, 'a', 'for all')
    const startedAtMs = performance.now()
    const frames = await Promise.all(readers.map((reader) => reader.next()))
    expect(performance.now() - startedAtMs).toBeLessThan(1000)
    expect(new Set(frames.map((frame) => frame?.id)).size).toBe(1)
    for (const reader of readers) reader.cut()
  })

  // More than the kernel keeps for a connection whose reader sleeps.
  const LONG_NAME = 'x'.repeat(20_000)
  const MANY = 2000

  test('waits for a reader that is slow, and gives it everything', async () => {
    await insertMany(writer, 'a', MANY, LONG_NAME)
    const reader = await StreamReader.open(instance, 'a')
    reader.response.pause()
    await sleep(1000)
    reader.response.resume()
    const sequences = (await reader.take(MANY)).map(({ id }) => id)
    expect(new Set(sequences).size).toBe(MANY)
    expect(sequences).toEqual([...sequences].sort((a, b) => a - b))
    reader.cut()
  })

  test('of a reader that takes nothing is cut, without its backlog in memory', async () => {
    const strict = await startInstance(database.databaseUrl, { pace: { ...PACE, patienceMs: 1000 } })
    try {
      await insertMany(writer, 'a', MANY, LONG_NAME)
      const reader = await StreamReader.open(strict, 'a')
      reader.response.pause()
      await sleep(600)
      expect(await connectionCount(strict)).toBe(1)
      await sleep(1400)
      expect(await connectionCount(strict)).toBe(0)
      reader.cut()
      expect(reader.isComplete).toBe(false)
    } finally {
      await strict.close()
    }
  })
})

function connectionCount({ server }: Instance): Promise<number> {
  return new Promise((resolve, reject) => {
    server.getConnections((error, count) => (error ? reject(error) : resolve(count)))
  })
}
