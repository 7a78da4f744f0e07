import { expect, test } from '@jest/globals'
import { translateDatabaseError } from '../../server/database/client.js'
import { migrateDatabase } from '../../server/database/migrate.js'
import { explainRefusal } from '../../server/database/refusal.js'
import { AppError } from '../../server/errors.js'
import { createTestDatabase, withConnection } from '../support/database.js'

async function refusalOf(databaseUrl: string): Promise<unknown> {
  try {
    await migrateDatabase(databaseUrl)
  } catch (error) {
    return explainRefusal(error, databaseUrl)
  }
  throw new Error('It was to be refused.')
}

/** The run's own database, at another place. */
function urlWith(change: (url: URL) => void): string {
  const url = new URL(String(process.env.TEST_DATABASE_URL))
  change(url)
  return url.href
}

const FINAL: [string, (url: URL) => void, RegExp][] = [
  [
    'a wrong password',
    (url) => {
      url.password = 'secret-and-wrong'
    },
    /refuses: password authentication failed.*password in DATABASE_URL/,
  ],
  [
    'no password',
    (url) => {
      url.password = ''
    },
    /refuses: .*password.*DATABASE_URL/,
  ],
  [
    'a database that is not there',
    (url) => {
      url.pathname = '/nowhere'
    },
    /"nowhere" does not exist\. Create the database nowhere, or mend DATABASE_URL/,
  ],
  ['TLS where there is none', (url) => url.searchParams.set('sslmode', 'require'), /SSL.*sslmode/],
]

test.each(FINAL)('%s is for the operator: nothing says that it may pass', async (_name, change, words) => {
  const refusal = await refusalOf(urlWith(change))
  expect(refusal).toMatchObject({ code: 'UNAVAILABLE', retryAfterSeconds: undefined })
  expect((refusal as AppError).detail).toMatch(words)
  expect((refusal as AppError).detail).not.toContain('secret-and-wrong')
})

test('a user who may not make tables is told so', async () => {
  const { databaseUrl, drop } = await createTestDatabase({ isEmpty: true })
  try {
    const user = `reader_${new URL(databaseUrl).pathname.slice(1)}`
    await withConnection(databaseUrl, (client) => client.query(`CREATE ROLE ${user} LOGIN PASSWORD 'short'`))
    const url = new URL(databaseUrl)
    url.username = user
    url.password = 'short'
    try {
      expect(await refusalOf(url.href)).toMatchObject({
        code: 'UNAVAILABLE',
        retryAfterSeconds: undefined,
        detail: expect.stringMatching(/permission denied for schema public.*create tables/),
      })
    } finally {
      await withConnection(databaseUrl, (client) => client.query(`DROP OWNED BY ${user}; DROP ROLE ${user}`))
    }
  } finally {
    await drop()
  }
})

const PASSING: [string, (url: URL) => void, RegExp][] = [
  [
    'nobody at the port',
    (url) => {
      url.port = '1'
    },
    /127\.0\.0\.1:1 does not answer \(ECONNREFUSED\)\. Check DATABASE_URL/,
  ],
  [
    'a name that nobody knows yet',
    (url) => {
      url.hostname = 'postgres.invalid'
    },
    /postgres\.invalid.*does not answer \((ENOTFOUND|EAI_AGAIN)\)/,
  ],
]

test.each(PASSING)('%s may pass', async (_name, change, words) => {
  const refusal = await refusalOf(urlWith(change))
  expect(refusal).toMatchObject({ code: 'UNAVAILABLE', retryAfterSeconds: 5 })
  expect((refusal as AppError).detail).toMatch(words)
})

test('a database that takes no connections for now may pass, at the start and later', async () => {
  const { databaseUrl, drop } = await createTestDatabase({ isEmpty: true })
  const name = new URL(databaseUrl).pathname.slice(1)
  try {
    await withConnection(String(process.env.TEST_DATABASE_URL), (client) =>
      client.query(`ALTER DATABASE ${name} ALLOW_CONNECTIONS false`),
    )
    expect(await refusalOf(databaseUrl)).toMatchObject({ code: 'UNAVAILABLE', retryAfterSeconds: 5 })
    const later = await withConnection(databaseUrl, async () => {}).catch(translateDatabaseError)
    expect(later).toMatchObject({ code: 'UNAVAILABLE', retryAfterSeconds: 5 })
  } finally {
    await drop()
  }
})

test('a standby is told as one, and may be promoted', async () => {
  const { databaseUrl, drop } = await createTestDatabase({ isEmpty: true })
  const name = new URL(databaseUrl).pathname.slice(1)
  try {
    await withConnection(String(process.env.TEST_DATABASE_URL), (client) =>
      client.query(`ALTER DATABASE ${name} SET default_transaction_read_only = on`),
    )
    expect(await refusalOf(databaseUrl)).toMatchObject({
      code: 'UNAVAILABLE',
      retryAfterSeconds: 5,
      detail: expect.stringMatching(/is read-only: a standby.*DATABASE_URL name the primary/),
    })
  } finally {
    await drop()
  }
})

test('what is not about the connection stays as it is', () => {
  const conflict = new AppError('CONFLICT', 'Migration x was changed after it was applied.')
  expect(explainRefusal(conflict, 'postgresql://u:p@db/x')).toBe(conflict)
  const bug = new Error('a bug')
  expect(explainRefusal(bug, 'postgresql://u:p@db/x')).toBe(bug)
})
