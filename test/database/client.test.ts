import { execFileSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { type Database, openDatabase, translateDatabaseError } from '../../server/database/client.js'
import {
  type Cluster,
  prepareCluster,
  SUPERUSER,
  startCluster,
  stopCluster,
} from '../../server/database/cluster.js'
import { createTestDatabase, withConnection } from '../support/database.js'
import { killCluster } from '../support/postgres.js'
import { until } from '../support/until.js'

// A PostgreSQL of its own that nobody supervises: it stays dead until the test starts it again.
let cluster: Cluster
let dataDir: string
let databaseUrl: string
let database: Database

beforeAll(async () => {
  dataDir = await mkdtemp(path.join(tmpdir(), 'antipasto-client-'))
  cluster = await prepareCluster(dataDir, {})
})

beforeEach(async () => {
  const { port } = await startCluster(cluster)
  databaseUrl = `postgresql://${SUPERUSER}:${cluster.password}@127.0.0.1:${port}/postgres`
  database = await openDatabase(databaseUrl)
})

afterEach(async () => {
  await database.close()
})

afterAll(async () => {
  await stopCluster(cluster)
  await rm(dataDir, { recursive: true })
})

const unavailable = {
  code: 'UNAVAILABLE',
  retryAfterSeconds: 5,
  detail: expect.stringContaining('try again'),
}

const select = () => database.prisma.$queryRaw`SELECT 1 AS one`
const sleepInDatabase = (seconds: number) => database.prisma.$queryRaw`SELECT pg_sleep(${seconds})::text`

/** As a script: waits until no query sleeps any more, ends all connections, and waits until they are gone. */
const END_ALL_ONCE_ANSWERED = `
  import pg from '${import.meta.resolve('pg')}'
  const client = new pg.Client({ connectionString: process.env.DATABASE_URL })
  await client.connect()
  const none = async (condition) => {
    for (;;) {
      const { rowCount } = await client.query(
        "SELECT FROM pg_stat_activity WHERE application_name = 'antipasto' AND " + condition)
      if (rowCount === 0) return
    }
  }
  await none("state = 'active'")
  await client.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'antipasto'")
  await none('true')
  await client.end()`

/** What `work` fails with, translated. */
async function failureOf(work: Promise<unknown>): Promise<unknown> {
  try {
    await work
  } catch (error) {
    return translateDatabaseError(error)
  }
  throw new Error('It was to fail.')
}

describe('openDatabase', () => {
  test('prepares a statement once, and goes on without when there are too many different ones', async () => {
    const preparedNames = await database.prisma.$transaction(
      async (tx) => {
        for (let i = 0; i < 3; i += 1) await tx.$queryRaw`SELECT 1 AS one`
        for (let i = 0; i < 600; i += 1) await tx.$queryRawUnsafe(`SELECT ${i} AS number`)
        expect(await tx.$queryRawUnsafe('SELECT 599 AS number')).toEqual([{ number: 599 }])
        return tx.$queryRaw<
          { name: string }[]
        >`SELECT name, statement FROM pg_prepared_statements WHERE name <> '' ORDER BY statement`
      },
      { timeout: 20_000 },
    )
    expect(
      preparedNames.filter((row) => 'statement' in row && row.statement === 'SELECT 1 AS one'),
    ).toHaveLength(1)
    expect(preparedNames.length).toBeGreaterThan(400)
    expect(preparedNames.length).toBeLessThanOrEqual(500)
  })
})

describe('translateDatabaseError', () => {
  test('a query that runs while PostgreSQL is killed is UNAVAILABLE, and later queries work again', async () => {
    await select()
    const query = failureOf(sleepInDatabase(20))
    const transaction = failureOf(
      database.prisma.$transaction(
        async (tx) => {
          await tx.$queryRaw`SELECT 1`
          await tx.$queryRaw`SELECT pg_sleep(20)::text`
        },
        { timeout: 30_000 },
      ),
    )
    await sleep(300)
    await killCluster(cluster)
    expect(await query).toMatchObject(unavailable)
    expect(await transaction).toMatchObject(unavailable)

    expect(await failureOf(select())).toMatchObject(unavailable)
    expect(await failureOf(database.prisma.upload.findMany())).toMatchObject(unavailable)
    expect(await failureOf(database.prisma.$transaction([select() as never]))).toMatchObject(unavailable)
    expect(await failureOf(database.prisma.$transaction(async (tx) => tx.$queryRaw`SELECT 1`))).toMatchObject(
      unavailable,
    )

    await startCluster(cluster)
    expect(await select()).toEqual([{ one: 1 }])
  })

  test('a transaction that PostgreSQL dies under, between two queries, is UNAVAILABLE', async () => {
    const transaction = failureOf(
      database.prisma.$transaction(async (tx) => {
        await tx.$queryRaw`SELECT 1`
        await killCluster(cluster)
        await tx.$queryRaw`SELECT 2`
      }),
    )
    expect(await transaction).toMatchObject(unavailable)
  })

  test('a transaction that PostgreSQL dies under before its commit is UNAVAILABLE', async () => {
    const transaction = failureOf(
      database.prisma.$transaction(async (tx) => {
        await tx.$queryRaw`SELECT 1`
        await killCluster(cluster)
      }),
    )
    expect(await transaction).toMatchObject(unavailable)
  })

  test('an orderly shutdown during a query is UNAVAILABLE', async () => {
    const query = failureOf(sleepInDatabase(20))
    await sleep(300)
    await stopCluster(cluster)
    expect(await query).toMatchObject(unavailable)
  })

  test('idle connections that PostgreSQL closes harm nobody', async () => {
    await Promise.all([select(), select(), select()])
    await stopCluster(cluster)
    await startCluster(cluster)
    await sleep(100)
    expect(await select()).toEqual([{ one: 1 }])
  })

  test('an answer that comes together with the end of its connection harms nobody, whoever waits for one', async () => {
    const busy = Promise.allSettled(Array.from({ length: 10 }, () => sleepInDatabase(2)))
    const transaction = () => database.prisma.$transaction(async (tx) => tx.$queryRaw`SELECT 1`)
    const waiting = Promise.allSettled(Array.from({ length: 10 }, transaction))
    await until(async () => {
      const { rowCount } = await withConnection(databaseUrl, (client) =>
        client.query("SELECT FROM pg_stat_activity WHERE state = 'active' AND wait_event = 'PgSleep'"),
      )
      return rowCount === 10 && database.connections().waiting === 10
    })
    // This process stands still meanwhile, as a frozen one does: it reads both in one piece.
    const env = { ...process.env, DATABASE_URL: databaseUrl }
    execFileSync(process.execPath, ['--input-type=module', '-e', END_ALL_ONCE_ANSWERED], { env })
    expect((await busy).map(({ status }) => status)).toEqual(Array(10).fill('fulfilled'))
    for (const outcome of await waiting) {
      if (outcome.status === 'rejected')
        expect(translateDatabaseError(outcome.reason)).toMatchObject(unavailable)
    }
    expect(await select()).toEqual([{ one: 1 }])
  })

  test('a pool with no free connection for 5 s is UNAVAILABLE', async () => {
    // Prisma starts a query when it is awaited, and Promise.all awaits them.
    const busy = Promise.all(Array.from({ length: 10 }, () => sleepInDatabase(6.5)))
    await sleep(200)
    expect(await failureOf(select())).toMatchObject(unavailable)
    await busy
    expect(await select()).toEqual([{ one: 1 }])
  })

  test('keeps the foreign error as the cause', async () => {
    await stopCluster(cluster)
    const original = await select().then(
      () => undefined,
      (error) => error,
    )
    expect(translateDatabaseError(original)).toMatchObject({ ...unavailable, cause: original })
  })

  test('leaves every other error as it is', async () => {
    const migrated = await createTestDatabase()
    const other = await openDatabase(migrated.databaseUrl)
    try {
      const blob = { sha256: 'a'.repeat(64), objectKey: 'k', sizeBytes: 1n }
      await other.prisma.blob.create({ data: blob })
      const errors = await Promise.all([
        other.prisma.blob.create({ data: blob }).catch((error: unknown) => error),
        other.prisma.$queryRaw`SELECT 1/0`.catch((error: unknown) => error),
        other.prisma.$queryRaw`SELECT * FROM nowhere`.catch((error: unknown) => error),
      ])
      for (const error of errors) {
        expect(error).toBeInstanceOf(Error)
        expect(translateDatabaseError(error)).toBe(error)
      }
      expect(translateDatabaseError(undefined)).toBeUndefined()
      expect(translateDatabaseError('text')).toBe('text')
    } finally {
      await other.close()
      await migrated.drop()
    }
  })
})
