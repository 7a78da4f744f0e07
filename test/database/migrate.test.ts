import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { migrateDatabase } from '../../server/database/migrate.js'
import { createTestDatabase, type TestDatabase, withConnection } from '../support/database.js'

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
const MIGRATIONS = path.join(ROOT, 'prisma/migrations')
const MIGRATE_MODULE = new URL('../../server/database/migrate.js', import.meta.url).href
const FIRST = '20261121000000_uploads'

let database: TestDatabase
/** A copy of prisma/migrations, to add to and to spoil. */
let folder: string

beforeEach(async () => {
  database = await createTestDatabase({ isEmpty: true })
  folder = await mkdtemp(path.join(tmpdir(), 'antipasto-migrations-'))
  await cp(MIGRATIONS, folder, { recursive: true })
})

afterEach(async () => {
  await database.drop()
  await rm(folder, { recursive: true })
})

async function addMigration(name: string, script: string): Promise<void> {
  await mkdir(path.join(folder, name), { recursive: true })
  await writeFile(path.join(folder, name, 'migration.sql'), script)
}

async function query(sql: string): Promise<Record<string, unknown>[]> {
  return withConnection(database.databaseUrl, async (client) => (await client.query(sql)).rows)
}

/** Whether the table is there. */
async function hasTable(name: string): Promise<boolean> {
  return (await query(`SELECT to_regclass('${name}') AS found`))[0]?.found !== null
}

async function prisma(...args: string[]): Promise<{ exitCode: number; output: string }> {
  const command = path.join(ROOT, 'node_modules/.bin/prisma')
  const config = ['--config', path.join(ROOT, 'prisma/prisma.config.ts')]
  const env = { ...process.env, DATABASE_URL: database.databaseUrl, PRISMA_HIDE_UPDATE_MESSAGE: '1' }
  return promisify(execFile)(command, [...args, ...config], { cwd: ROOT, env }).then(
    ({ stdout, stderr }) => ({ exitCode: 0, output: stdout + stderr }),
    (error) => ({ exitCode: Number(error.code), output: `${error.stdout}${error.stderr}` }),
  )
}

describe('migrateDatabase', () => {
  test('brings an empty database to the newest migration, and then finds nothing to do', async () => {
    expect(await migrateDatabase(database.databaseUrl)).toContain(FIRST)
    expect(await hasTable('uploads')).toBe(true)
    expect(await migrateDatabase(database.databaseUrl)).toEqual([])
  })

  test('applies each migration once when three processes start at once', async () => {
    const script = `
      const { migrateDatabase } = await import(${JSON.stringify(MIGRATE_MODULE)})
      console.log(JSON.stringify(await migrateDatabase(process.argv[1])))`
    const run = () =>
      promisify(execFile)(process.execPath, ['--input-type=module', '-e', script, database.databaseUrl])
    const outputs = await Promise.all([run(), run(), run()])
    const applied = outputs.flatMap(({ stdout }) => JSON.parse(stdout) as string[])
    expect(applied.filter((name) => name === FIRST)).toEqual([FIRST])
    expect(new Set(applied).size).toBe(applied.length)
    expect(await query(`SELECT 1 FROM _prisma_migrations WHERE migration_name = '${FIRST}'`)).toHaveLength(1)
  })

  test('applies what is new, whole scripts with semicolons in bodies and strings', async () => {
    await migrateDatabase(database.databaseUrl)
    await addMigration(
      '29990101000000_function',
      `CREATE FUNCTION semicolons() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN 'a;b'; END; $$;
       CREATE TABLE later (id int); -- and a comment without an end of line`,
    )
    expect(await migrateDatabase(database.databaseUrl, folder)).toEqual(['29990101000000_function'])
    expect(await query('SELECT semicolons() AS text')).toEqual([{ text: 'a;b' }])
  })

  test('a migration that fails leaves nothing of itself, is recorded, and stops every later start', async () => {
    await addMigration('29990101000000_bad', 'CREATE TABLE half (id int); INSERT INTO nowhere VALUES (1);')
    const attempt = migrateDatabase(database.databaseUrl, folder)
    await expect(attempt).rejects.toMatchObject({
      code: 'CONFLICT',
      detail: expect.stringContaining('29990101000000_bad failed: relation "nowhere" does not exist'),
    })
    expect(await hasTable('half')).toBe(false)
    const [record] = await query("SELECT * FROM _prisma_migrations WHERE migration_name LIKE '%_bad'")
    expect(record).toMatchObject({ finished_at: null, logs: expect.stringContaining('42P01') })

    await addMigration('29990101000000_bad', 'CREATE TABLE half (id int);')
    await expect(migrateDatabase(database.databaseUrl, folder)).rejects.toMatchObject({
      code: 'CONFLICT',
      detail: expect.stringContaining('prisma migrate resolve'),
    })
    expect(await hasTable('half')).toBe(false)

    // What `prisma migrate resolve --rolled-back` does.
    await query("UPDATE _prisma_migrations SET rolled_back_at = now() WHERE migration_name LIKE '%_bad'")
    expect(await migrateDatabase(database.databaseUrl, folder)).toEqual(['29990101000000_bad'])
    expect(await hasTable('half')).toBe(true)
  })

  test('a script that commits by itself and then fails is known as half applied', async () => {
    await addMigration('29990101000000_commits', 'CREATE TABLE half (id int); COMMIT; SELECT 1/0;')
    await expect(migrateDatabase(database.databaseUrl, folder)).rejects.toMatchObject({ code: 'CONFLICT' })
    await expect(migrateDatabase(database.databaseUrl, folder)).rejects.toMatchObject({
      code: 'CONFLICT',
      detail: expect.stringContaining('has failed or was interrupted'),
    })
    expect(await query("SELECT logs FROM _prisma_migrations WHERE migration_name LIKE '%_commits'")).toEqual([
      { logs: expect.stringContaining('division by zero') },
    ])
  })

  test('refuses a database where a migration was changed after it was applied', async () => {
    await addMigration('29990101000000_table', 'CREATE TABLE one (id int);')
    await migrateDatabase(database.databaseUrl, folder)
    await addMigration('29990101000000_table', 'CREATE TABLE one (id bigint);')
    await expect(migrateDatabase(database.databaseUrl, folder)).rejects.toMatchObject({
      code: 'CONFLICT',
      detail: expect.stringContaining('29990101000000_table was changed after it was applied'),
    })
  })

  test('refuses a database that a newer version has migrated', async () => {
    await addMigration('29990101000000_newer', 'CREATE TABLE newer (id int);')
    await migrateDatabase(database.databaseUrl, folder)
    await expect(migrateDatabase(database.databaseUrl)).rejects.toMatchObject({
      code: 'CONFLICT',
      detail: expect.stringContaining('29990101000000_newer, which this version does not know'),
    })
  })

  test("refuses a database with another program's tables, and leaves it as it is", async () => {
    await query('CREATE TABLE customers (id int)')
    await expect(migrateDatabase(database.databaseUrl)).rejects.toMatchObject({
      code: 'CONFLICT',
      detail: expect.stringContaining('customers'),
    })
    expect(await hasTable('_prisma_migrations')).toBe(false)
  })

  test('says UNAVAILABLE when nobody answers at the URL', async () => {
    const url = new URL(database.databaseUrl)
    url.port = '1'
    await expect(migrateDatabase(url.href)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  })
})

describe('agreement with Prisma', () => {
  test('prisma migrate status and deploy find what we migrated up to date', async () => {
    expect((await prisma('migrate', 'status')).exitCode).toBe(1) // Not yet applied.
    await migrateDatabase(database.databaseUrl)
    const status = await prisma('migrate', 'status')
    expect(status.output).toContain('Database schema is up to date!')
    expect(status.exitCode).toBe(0)
    expect((await prisma('migrate', 'deploy')).output).toContain('No pending migrations to apply.')
  })

  test('what prisma migrate deploy has migrated is up to date for us, with the same table', async () => {
    const columns = `SELECT column_name, data_type, column_default, is_nullable FROM information_schema.columns
                     WHERE table_name = '_prisma_migrations' ORDER BY ordinal_position`
    const deployed = await prisma('migrate', 'deploy')
    expect(deployed.output).toContain(FIRST)
    const theirs = await query(columns)
    const checksums = await query('SELECT migration_name, checksum FROM _prisma_migrations ORDER BY 1')
    expect(await migrateDatabase(database.databaseUrl)).toEqual([])

    const other = await createTestDatabase({ isEmpty: true })
    try {
      await migrateDatabase(other.databaseUrl)
      await withConnection(other.databaseUrl, async (client) => {
        expect((await client.query(columns)).rows).toEqual(theirs)
        const ours = await client.query('SELECT migration_name, checksum FROM _prisma_migrations ORDER BY 1')
        expect(ours.rows).toEqual(checksums)
      })
    } finally {
      await other.drop()
    }
  })

  test('the migrations make exactly what schema.prisma says', async () => {
    const diff = await prisma(
      ...['migrate', 'diff', '--from-migrations', 'prisma/migrations', '--to-schema', 'prisma/schema.prisma'],
      '--exit-code',
    )
    expect(diff).toMatchObject({ exitCode: 0 }) // 2: they differ.
  })
})
