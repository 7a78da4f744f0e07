// The order of events and the tail of the log, on a real PostgreSQL.

import { setMaxListeners } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import pg from 'pg'
import { EVERYONE } from '../../server/auth/owner-scope.js'
import { openDatabase } from '../../server/database/client.js'
import { EventOrder } from '../../server/events/order.js'
import { EventTail } from '../../server/events/tail.js'
import { createTestDatabase, type TestDatabase, withConnection } from '../support/database.js'
import { findFreePort } from '../support/free-port.js'
import { type Instance, insertEvent, insertMany, startInstance } from './ground.js'

let database: TestDatabase
let one: Instance
let other: Instance
let writer: pg.Client

beforeEach(async () => {
  database = await createTestDatabase()
  one = await startInstance(database.databaseUrl)
  other = await startInstance(database.databaseUrl)
  writer = new pg.Client({ connectionString: database.databaseUrl })
  await writer.connect()
})
afterEach(async () => {
  await writer.end()
  await one.close()
  await other.close()
  await database.drop()
})

async function namesOf(instance: Instance, since = 0): Promise<unknown[]> {
  const { events } = await instance.tail.read(EVERYONE, since, 1000)
  return events.map(({ data }) => data.filename)
}

const never = new AbortController().signal
setMaxListeners(0, never)

describe('The order', () => {
  test('an event that was committed before the question is in the answer, on every instance', async () => {
    for (let i = 0; i < 20; i += 1) {
      await insertEvent(writer, 'a', `event ${i}`)
      const asked = i % 2 === 0 ? one : other
      expect((await namesOf(asked)).at(-1)).toBe(`event ${i}`)
    }
    expect(await namesOf(other)).toEqual(await namesOf(one))
  })

  test('what is committed late comes behind what was read before, though its id is smaller', async () => {
    await writer.query('BEGIN')
    await insertEvent(writer, 'a', 'began first')
    await withConnection(database.databaseUrl, (client) => insertEvent(client, 'a', 'committed first'))
    expect(await namesOf(one)).toEqual(['committed first'])
    const { next } = await other.tail.read(EVERYONE, 0, 10)
    await writer.query('COMMIT')
    expect(await namesOf(one, next)).toEqual(['began first'])
    expect(await namesOf(other, next)).toEqual(['began first'])
  })

  test('what is rolled back is never seen', async () => {
    await writer.query('BEGIN')
    await insertEvent(writer, 'a', 'never was')
    await writer.query('ROLLBACK')
    await insertEvent(writer, 'a', 'was')
    expect(await namesOf(one)).toEqual(['was'])
  })

  test('thousands that wait at once get their places by many givers, by id, each one place', async () => {
    await insertMany(writer, 'a', 3500)
    const instances = [one, other, one, other, one, other]
    await Promise.all(instances.map(({ tail }) => tail.newest()))
    const { rows } = await writer.query<{ count: number; ordered: boolean }>(`
      SELECT count(DISTINCT sequence)::int AS count,
        bool_and(id = by_sequence) AS ordered FROM (SELECT id, sequence, first_value(id) OVER (ORDER BY sequence) +
          row_number() OVER (ORDER BY sequence) - 1 AS by_sequence FROM events) AS numbered`)
    expect(rows[0]).toEqual({ count: 3500, ordered: true })
    expect(await one.tail.newest()).toBe(await other.tail.newest())
  })

  test('whatever the statistics say, a long log is read by its indexes', async () => {
    await writer.query(`INSERT INTO events (type, owner, sequence) SELECT 'upload.ready.v1', 'owner ' || n % 1000,
      nextval('events_order_seq') FROM generate_series(1, 100000) AS n`)
    const plan = async (sql: string): Promise<string> => {
      const { rows } = await writer.query<{ 'QUERY PLAN': string }>(`EXPLAIN ${sql}`)
      return rows.map((row) => row['QUERY PLAN']).join('\n')
    }
    for (const isAnalyzed of [false, true]) {
      if (isAnalyzed) await writer.query('ANALYZE events')
      expect(await plan('SELECT EXISTS (SELECT FROM events WHERE sequence IS NULL)')).toContain(
        'events_waiting_idx',
      )
      expect(await plan('SELECT id FROM events WHERE sequence IS NULL ORDER BY id LIMIT 1000')).toContain(
        'events_waiting_idx',
      )
      const own =
        "SELECT * FROM events WHERE owner = 'owner 7' AND sequence > 5 AND sequence <= 99999 ORDER BY sequence LIMIT 100"
      expect(await plan(own)).toContain('events_owner_sequence_idx')
    }
  })
})

describe('The tail', () => {
  test('answers from the database what its memory has dropped, page by page, and only the owner’s', async () => {
    const small = await startInstance(database.databaseUrl, { ringEvents: 10 })
    try {
      for (let i = 0; i < 60; i += 1) await insertEvent(writer, i % 3 === 0 ? 'a' : 'b', `event ${i}`)
      for (const [scope, count] of [
        ['a', 20],
        ['b', 40],
        ['nobody', 0],
        [EVERYONE, 60],
      ] as const) {
        const seen: unknown[] = []
        let page = await small.tail.read(scope, 0, 7)
        while (page.events.length > 0) {
          expect(page.next).toBeGreaterThanOrEqual(page.events.at(-1)?.sequence ?? 0)
          seen.push(...page.events.map(({ data }) => data.filename))
          page = await small.tail.read(scope, page.next, 7)
        }
        expect(page.next).toBe(small.tail.head)
        expect(seen).toHaveLength(count)
        expect(new Set(seen).size).toBe(count)
      }
    } finally {
      await small.close()
    }
  })

  test('wakes whoever waits within a second, on both instances, and nobody before', async () => {
    const head = await one.tail.newest()
    await other.tail.newest()
    let wokenCount = 0
    const waits = [one, other, one, other].map(({ tail }) =>
      tail.changed(head, { waitMs: 10_000, signal: never }).then(() => {
        wokenCount += 1
      }),
    )
    await sleep(500)
    expect(wokenCount).toBe(0)
    const startedAtMs = performance.now()
    await insertEvent(writer, 'a', 'wake up')
    await Promise.all(waits)
    expect(performance.now() - startedAtMs).toBeLessThan(1000)
    expect((await one.tail.readKnown(EVERYONE, head, 5)).events).toHaveLength(1)
  })

  test('lets go of whoever waits: when there is something already, on time, on abort, and when it closes', async () => {
    await insertEvent(writer, 'a', 'there')
    await one.tail.newest()
    const startedAtMs = performance.now()
    await one.tail.changed(0, { waitMs: 10_000, signal: never })
    await one.tail.changed(one.tail.head, { waitMs: 50, signal: never })
    await one.tail.changed(one.tail.head, { waitMs: 10_000, signal: AbortSignal.abort() })
    await one.tail.changed(one.tail.head, { waitMs: 10_000, signal: AbortSignal.timeout(50) })
    const waiting = one.tail.changed(one.tail.head, { waitMs: 10_000, signal: never })
    await one.tail.close()
    await waiting
    await one.tail.changed(one.tail.head, { waitMs: 10_000, signal: never })
    expect(performance.now() - startedAtMs).toBeLessThan(2000)
  })

  test('looks only while somebody waits, and once for all', async () => {
    await sleep(500)
    expect(one.lookCount()).toBe(0)
    const head = await one.tail.newest()
    const asked = one.lookCount()
    const waits = Array.from({ length: 500 }, () => one.tail.changed(head, { waitMs: 2_000, signal: never }))
    await Promise.all(waits)
    // Every 100 ms.
    expect(one.lookCount() - asked).toBeGreaterThan(5)
    expect(one.lookCount() - asked).toBeLessThan(25)
    const after = one.lookCount()
    await sleep(600)
    expect(one.lookCount() - after).toBeLessThanOrEqual(1)
  })

  test('many questions at once cost two looks: the one that runs, and one for all that came meanwhile', async () => {
    await one.tail.newest()
    const before = one.lookCount()
    await Promise.all(Array.from({ length: 500 }, () => one.tail.read('a', 0, 10)))
    expect(one.lookCount() - before).toBe(2)
  })
})

describe('Without a database', () => {
  let silent: Awaited<ReturnType<typeof openDatabase>>
  afterAll(() => silent.close())

  test('reading is UNAVAILABLE, and waiting only waits', async () => {
    silent = await openDatabase(`postgres://nobody@127.0.0.1:${await findFreePort()}/none`)
    const tail = new EventTail(new EventOrder(silent.prisma))
    await expect(tail.read('a', 0, 10)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    await expect(Promise.all([tail.newest(), tail.read('a', 0, 1)])).rejects.toMatchObject({
      code: 'UNAVAILABLE',
    })
    await tail.changed(0, { waitMs: 500, signal: never })
    await tail.close()
  })
})
