import { afterEach, beforeEach, expect, test } from '@jest/globals'
import pg from 'pg'
import { translateDatabaseError } from '../../server/database/client.js'
import { openNotifications } from '../../server/database/notifications.js'
import { breakingWhenSilent } from '../../server/database/silence.js'
import { type CuttingProxy, startCuttingProxy } from '../end-to-end/cutting-proxy.js'
import { createTestDatabase, type TestDatabase } from '../support/database.js'
import { until } from '../support/until.js'

const LIMITS = { silenceMs: 300, longestMs: 2_000, probeMs: 500 }

let database: TestDatabase
/** Between us and PostgreSQL; when it stalls, it still takes connections and bytes, and nothing comes back. */
let network: CuttingProxy
let databaseUrl: string
let pool: pg.Pool

beforeEach(async () => {
  database = await createTestDatabase({ isEmpty: true })
  network = await startCuttingProxy()
  network.forwardTo(database.databaseUrl)
  const url = new URL(database.databaseUrl)
  url.port = new URL(network.url).port
  databaseUrl = url.href
  pool = new pg.Pool({
    connectionString: databaseUrl,
    connectionTimeoutMillis: 1_000,
    stream: breakingWhenSilent(databaseUrl, LIMITS),
  })
  pool.on('error', () => {})
})

afterEach(async () => {
  network.cut()
  await pool.end()
  await network.close()
  await database.drop()
})

async function failureOf(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => expect('it').toBe('refused'),
    (error: unknown) => translateDatabaseError(error),
  )
}

test('a statement longer than the silence is answered, as the database lives', async () => {
  const { rows } = await pool.query("SELECT pg_sleep(1)::text, 'done' AS end")
  expect(rows).toMatchObject([{ end: 'done' }])
})

test('when the network swallows everything, a query is refused soon, in a transaction too; then all works again', async () => {
  const transaction = await pool.connect()
  // As Prisma does for the connections that it borrows.
  transaction.on('error', () => {})
  await transaction.query('BEGIN')
  await pool.query('SELECT 1')
  void network.stallAfter(0)
  const startedAtMs = performance.now()
  const failures = await Promise.all([
    failureOf(pool.query('SELECT 1')),
    failureOf(transaction.query('SELECT 2')),
  ])
  expect(performance.now() - startedAtMs).toBeLessThan(3_000)
  for (const failure of failures) expect(failure).toMatchObject({ code: 'UNAVAILABLE' })
  transaction.release()
  // A new connection isn't made either.
  expect(await failureOf(pool.query('SELECT 3'))).toMatchObject({ code: 'UNAVAILABLE' })

  network.goOn()
  expect((await pool.query('SELECT 4 AS four')).rows).toEqual([{ four: 4 }])
})

test('a connection that stays silent while others are answered breaks at the longest silence', async () => {
  const startedAtMs = performance.now()
  const failure = await failureOf(pool.query('SELECT pg_sleep(20)'))
  expect(failure).toMatchObject({ code: 'UNAVAILABLE' })
  expect(performance.now() - startedAtMs).toBeGreaterThan(1_500)
  expect(performance.now() - startedAtMs).toBeLessThan(6_000)
})

test('who listens notices by itself that its connection is dead, and listens on another one', async () => {
  const notifications = await openNotifications(databaseUrl)
  const other = await openNotifications(database.databaseUrl)
  try {
    const heard: string[] = []
    notifications.on('leases', (payload) => heard.push(payload))
    await notifications.notify('leases', 'first')
    await until(async () => heard.length === 1)
    void network.stallAfter(0)
    const asked = failureOf(notifications.notify('leases', 'swallowed'))
    expect(await asked).toMatchObject({ code: 'UNAVAILABLE' })
    network.goOn()
    await until(async () => {
      await other.notify('leases', 'again')
      return heard.includes('again')
    })
  } finally {
    await notifications.close()
    await other.close()
  }
})
