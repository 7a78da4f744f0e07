// Applies prisma/migrations when the server starts, by Prisma's own conventions: its table, its checksums, its
// advisory lock. So `prisma migrate status` and `deploy` agree with what is done here, without their engine.

import { createHash, randomUUID } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { AppError } from '../errors.js'
import { translateDatabaseError } from './client.js'

// From dist/server/database/, where this runs.
const MIGRATIONS_FOLDER = fileURLToPath(new URL('../../../prisma/migrations/', import.meta.url))

// The number Prisma's schema engine locks, so that a `prisma migrate deploy` and a start exclude each other too.
const PRISMA_ADVISORY_LOCK = 72707369

const CONNECT_TIMEOUT_MILLISECONDS = 5_000

// Word for word what Prisma's schema engine creates.
const CREATE_MIGRATIONS_TABLE = `
  CREATE TABLE IF NOT EXISTS _prisma_migrations (
    id                  VARCHAR(36) PRIMARY KEY NOT NULL,
    checksum            VARCHAR(64) NOT NULL,
    finished_at         TIMESTAMPTZ,
    migration_name      VARCHAR(255) NOT NULL,
    logs                TEXT,
    rolled_back_at      TIMESTAMPTZ,
    started_at          TIMESTAMPTZ NOT NULL DEFAULT now(),
    applied_steps_count INTEGER NOT NULL DEFAULT 0
  )`

interface Migration {
  readonly name: string
  readonly script: string
  /** SHA-256 of the script, hex. */
  readonly checksum: string
}

interface AppliedMigration {
  readonly migration_name: string
  readonly checksum: string
  readonly finished_at: Date | null
}

/**
 * Brings the database to the newest migration and answers the names of those it applied, in order.
 *
 * Safe with several processes at once: one applies, the others wait and then find nothing to do. Each migration is
 * one transaction together with its record, so a process killed in the middle leaves nothing half applied.
 *
 * CONFLICT: the database's history isn't the one of `migrationsFolder`, or a migration has failed; the detail says
 * what to do. UNAVAILABLE: the database does not answer.
 *
 * @param isWanted leaves out newer ones, for rows of an older version that are to be filled in first
 */
export async function migrateDatabase(
  databaseUrl: string,
  migrationsFolder: string = MIGRATIONS_FOLDER,
  isWanted: (name: string) => boolean = () => true,
): Promise<string[]> {
  const migrations = await readMigrations(migrationsFolder)
  const client = new pg.Client({
    connectionString: databaseUrl,
    application_name: 'antipasto migrations',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MILLISECONDS,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
  })
  client.on('error', () => {}) // A lost connection fails the query that waits; that one is awaited.
  try {
    await client.connect()
    await client.query('SELECT pg_advisory_lock($1)', [PRISMA_ADVISORY_LOCK])
    return await applyMissing(client, migrations, isWanted)
  } catch (error) {
    throw translateDatabaseError(error)
  } finally {
    await client.end().catch(() => {}) // Ends the session, and the lock with it.
  }
}

async function readMigrations(folder: string): Promise<Migration[]> {
  const entries = await readdir(folder, { withFileTypes: true })
  const names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name)
  return Promise.all(
    names.sort().map(async (name) => {
      const bytes = await readFile(path.join(folder, name, 'migration.sql'))
      const checksum = createHash('sha256').update(bytes).digest('hex')
      return { name, script: bytes.toString('utf8'), checksum }
    }),
  )
}

/** The names of all migrations that this version knows, in order. */
export async function readMigrationNames(): Promise<string[]> {
  return (await readMigrations(MIGRATIONS_FOLDER)).map(({ name }) => name)
}

async function applyMissing(
  client: pg.Client,
  migrations: readonly Migration[],
  isWanted: (name: string) => boolean,
): Promise<string[]> {
  const applied = await readHistory(client)
  const missing = planMigrations(migrations, applied).filter(({ name }) => isWanted(name))
  for (const migration of missing) await apply(client, migration)
  return missing.map((migration) => migration.name)
}

async function readHistory(client: pg.Client): Promise<AppliedMigration[]> {
  const { rows: tables } = await client.query<{ name: string }>(
    "SELECT tablename AS name FROM pg_tables WHERE schemaname = current_schema() AND tablename <> 'spatial_ref_sys'",
  )
  const hasHistory = tables.some((table) => table.name === '_prisma_migrations')
  if (!hasHistory && tables.length > 0) {
    throw new AppError(
      'CONFLICT',
      `The database is not empty, and its tables (${tables[0]?.name}, …) are not ours. Give the server a database of its own in DATABASE_URL.`,
    )
  }
  if (!hasHistory) await client.query(CREATE_MIGRATIONS_TABLE)
  const { rows } = await client.query<AppliedMigration>(
    `SELECT migration_name, checksum, finished_at FROM _prisma_migrations
     WHERE rolled_back_at IS NULL ORDER BY started_at, migration_name`,
  )
  return rows
}

/**
 * Which migrations are still to be applied, in order.
 *
 * CONFLICT when `applied` isn't a clean beginning of `migrations`: one has failed, was changed afterwards, or is not
 * known here.
 */
export function planMigrations(
  migrations: readonly Migration[],
  applied: readonly AppliedMigration[],
): Migration[] {
  const known = new Map(migrations.map((migration) => [migration.name, migration]))
  for (const record of applied) {
    const name = record.migration_name
    const migration = known.get(name)
    if (record.finished_at === null) {
      throw new AppError(
        'CONFLICT',
        `Migration ${name} has failed or was interrupted. Look at its logs in _prisma_migrations, repair the database, then run ` +
          `"npx prisma migrate resolve --config prisma/prisma.config.ts --applied ${name}" (or --rolled-back ${name}) and start again.`,
      )
    }
    if (migration === undefined) {
      throw new AppError(
        'CONFLICT',
        `The database has migration ${name}, which this version does not know: a newer version has used it. Start that version.`,
      )
    }
    if (migration.checksum !== record.checksum) {
      throw new AppError(
        'CONFLICT',
        `Migration ${name} was changed after it was applied. Restore its file, or start with an empty database.`,
      )
    }
  }
  const appliedNames = new Set(applied.map((record) => record.migration_name))
  return migrations.filter((migration) => !appliedNames.has(migration.name))
}

/** Runs the script whole, in one transaction with its record; a failure is recorded as Prisma does. */
async function apply(client: pg.Client, migration: Migration): Promise<void> {
  const id = randomUUID()
  const name = pg.escapeLiteral(migration.name)
  try {
    // Several statements in one simple query are one transaction, unless the script itself commits: then the first
    // statement's record stays behind unfinished, and the next start refuses to go on.
    await client.query(`
      INSERT INTO _prisma_migrations (id, checksum, migration_name) VALUES ('${id}', '${migration.checksum}', ${name});
      ${migration.script}
      ;UPDATE _prisma_migrations SET finished_at = clock_timestamp(), applied_steps_count = 1 WHERE id = '${id}'`)
  } catch (error) {
    if (!(error instanceof pg.DatabaseError)) throw error
    if (translateDatabaseError(error) !== error) throw error // Interrupted: nothing has happened.
    await client.query('ROLLBACK')
    await client.query(
      `INSERT INTO _prisma_migrations (id, checksum, migration_name, logs) VALUES ($1, $2, $3, $4)
       ON CONFLICT (id) DO UPDATE SET logs = EXCLUDED.logs`,
      [id, migration.checksum, migration.name, `${error.message} (SQLSTATE ${error.code})`],
    )
    throw new AppError(
      'CONFLICT',
      `Migration ${migration.name} failed: ${error.message}. The database is as it was before it, if the script does not commit by itself.`,
      { cause: error },
    )
  }
}
