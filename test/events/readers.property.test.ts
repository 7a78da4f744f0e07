// Writers whose transactions interleave and sometimes roll back; readers of two instances that come late, break off and go on.
// Each must see every committed event of its scope once, all in one order.

import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from '@jest/globals'
import { decode } from 'cborg'
import pg from 'pg'
import type { EventRecord } from '../../server/events/event.js'
import type { EventPage } from '../../server/events/ring.js'
import { ask } from '../dialects/exchange.js'
import { createTestDatabase } from '../support/database.js'
import { bearer, type Instance, insertEvent, StreamReader, startInstance } from './ground.js'

const WRITERS = 8
const READERS = 8
const WRITE_MS = 12_000
const OWNERS = ['a', 'b', 'c']
const ROLLBACK_SHARE = 0.25

interface Written {
  owner: string
  /** Writer, transaction, place. */
  key: string
}

function below(limit: number): number {
  return Math.floor(Math.random() * limit)
}

function pick<T>(items: readonly T[]): T {
  return items[below(items.length)] as T // `items` is never empty here.
}

/** Transactions of one connection, one after the other. @returns what was committed, in order */
async function write(databaseUrl: string, writer: number, untilMs: number): Promise<Written[]> {
  const committed: Written[] = []
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  for (let turn = 0; performance.now() < untilMs; turn += 1) {
    const batch: Written[] = []
    await client.query('BEGIN')
    for (let place = 0; place <= below(5); place += 1) {
      const event = { owner: pick(OWNERS), key: `${writer}-${turn}-${place}` }
      await insertEvent(client, event.owner, event.key)
      batch.push(event)
      await sleep(below(15))
    }
    if (Math.random() < ROLLBACK_SHARE) await client.query('ROLLBACK')
    else {
      await client.query('COMMIT')
      committed.push(...batch)
    }
  }
  await client.end()
  return committed
}

interface Reader {
  key: string
  seen: EventRecord[]
  /** Where it goes on. */
  since: number
  reconnectCount: number
}

/** Reads until `isDone`, now this way and now that, on one instance and then another. */
async function read(
  instances: readonly Instance[],
  key: string,
  isDone: (reader: Reader) => boolean,
): Promise<Reader> {
  const reader: Reader = { key, seen: [], since: 0, reconnectCount: 0 }
  await sleep(below(WRITE_MS / 2))
  while (!isDone(reader)) {
    await pick([pollSome, stream])(pick(instances), reader)
    reader.reconnectCount += 1
  }
  return reader
}

async function pollSome(instance: Instance, reader: Reader): Promise<void> {
  for (let turn = 0; turn <= below(5); turn += 1) await poll(instance, reader)
}

async function poll({ url }: Instance, reader: Reader): Promise<void> {
  const isJson = below(2) === 0
  const path = `/events?since=${reader.since}&limit=${1 + below(40)}&wait=1`
  const headers = { ...bearer(reader.key), Accept: isJson ? 'application/json' : 'application/cbor' }
  const answer = await ask(url, { method: 'GET', path, headers })
  expect(answer.status).toBe(200)
  const page: EventPage = isJson ? JSON.parse(answer.body.toString()) : decode(answer.body)
  reader.seen.push(...page.events)
  reader.since = page.next
}

/** Takes some events and cuts the connection: what was on its way is lost, and must come again. */
async function stream(instance: Instance, reader: Reader): Promise<void> {
  const headers: Record<string, string> = reader.since === 0 ? {} : { 'Last-Event-ID': String(reader.since) }
  const connection = await StreamReader.open(instance, reader.key, { headers })
  for (let count = below(200); count > 0; count -= 1) {
    const frame = await connection.next(1000)
    if (frame === null) break
    expect(frame.id).toBe(frame.data.sequence)
    reader.seen.push(frame.data)
    reader.since = frame.id
  }
  connection.cut()
}

test('every reader sees every committed event of its scope once, all in one order', async () => {
  const database = await createTestDatabase()
  // One remembers so little that its readers mostly get what they missed from the database.
  const instances = [
    await startInstance(database.databaseUrl),
    await startInstance(database.databaseUrl, { ringEvents: 30 }),
  ]
  try {
    const untilMs = performance.now() + WRITE_MS
    let expected: Written[] | undefined
    const readUntilMs = untilMs + 10_000
    const hasAll = ({ key, seen }: Reader): boolean => {
      if (performance.now() > readUntilMs) return true
      return expected !== undefined && seen.length >= expected.filter((event) => isOf(key, event)).length
    }
    const keys = ['admin', ...OWNERS]
    const reading = Array.from({ length: READERS }, (_, i) =>
      read(instances, keys[i % keys.length] ?? '', hasAll),
    )
    const writing = Array.from({ length: WRITERS }, (_, i) => write(database.databaseUrl, i, untilMs))
    const byWriter = await Promise.all(writing)
    expected = byWriter.flat()
    const readers = await Promise.all(reading)
    // Whoever has all must find nothing more.
    await Promise.all(readers.map((reader) => poll(pick(instances), reader)))

    const order = readers.find(({ key }) => key === 'admin')?.seen ?? []
    const sequences = order.map(({ sequence }) => sequence)
    expect(sequences).toEqual([...new Set(sequences)].sort((one, other) => one - other))
    expect(order.map(keyOf).sort()).toEqual(expected.map(({ key }) => key).sort())
    // What one connection committed one after the other is told in that order.
    for (const [writer, written] of byWriter.entries()) {
      expect(order.map(keyOf).filter((key) => key.startsWith(`${writer}-`))).toEqual(
        written.map(({ key }) => key),
      )
    }
    for (const { key, seen, reconnectCount } of readers) {
      expect(seen).toEqual(order.filter((event) => isOf(key, event)))
      expect(reconnectCount).toBeGreaterThan(2)
    }
    expect(expected.length).toBeGreaterThan(500)
  } finally {
    await Promise.all(instances.map((instance) => instance.close()))
    await database.drop()
  }
})

function isOf(key: string, { owner }: { owner: string }): boolean {
  return key === 'admin' || owner === key
}

function keyOf({ data }: EventRecord): string {
  return String(data.filename)
}
