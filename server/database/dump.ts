// The database as a file: every row as JSON, at one moment, beside a running server. Any major version of PostgreSQL writes it
// and any reads it, with no program of PostgreSQL's, which the embedded one doesn't bring along.
//
// Lines, gzipped: `#{"format": 1, …}`, then for each table `#{"table": "uploads"}` and its rows, each a JSON object, and at the
// end `#{"rows": …, "sequences": …}`. A file without that last line isn't whole.

import { createWriteStream } from 'node:fs'
import { open, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import pg from 'pg'
import { AppError } from '../errors.js'
import { translateDatabaseError } from './client.js'

export const DUMP_FORMAT = 1
const FETCHED_ROWS = 1000

export interface DumpHeader {
  format: number
  /** The version of antipasto that wrote it. */
  antipasto: string
  at: string
  migrations: string[]
}

export interface DumpEnd {
  /** How many of each table. */
  rows: Record<string, number>
  /** The last number that each sequence gave; null: none yet. */
  sequences: Record<string, number | null>
}

/**
 * Writes the whole database to `file`, which only its owner may read: hashes of API keys and secrets of webhooks are in it.
 *
 * A file that is there is replaced when the new one is whole and durable. UNAVAILABLE: the database doesn't answer; CONFLICT:
 * it isn't antipasto's; INVALID_INPUT: the file can't be written.
 *
 * @returns how many rows
 */
export async function dumpDatabase(databaseUrl: string, file: string, version: string): Promise<number> {
  const client = new pg.Client({ connectionString: databaseUrl, application_name: 'antipasto dump' })
  client.on('error', () => {}) // A lost connection fails the query that waits; that one is awaited.
  const unfinished = `${file}.unfinished`
  let rowCount = 0
  try {
    await client.connect()
    // One snapshot for all tables.
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
    const lines = linesOf(client, version, (count) => {
      rowCount += count
    })
    await pipeline(
      Readable.from(lines),
      createGzip({ level: 4 }),
      createWriteStream(unfinished, { mode: 0o600, flush: true }),
    )
    await rename(unfinished, file)
    await syncFolder(path.dirname(file))
    return rowCount
  } catch (error) {
    await rm(unfinished, { force: true }).catch(() => {})
    throw translated(error, file)
  } finally {
    await client.end().catch(() => {})
  }
}

async function* linesOf(
  client: pg.Client,
  version: string,
  count: (rows: number) => void,
): AsyncGenerator<string> {
  const header: DumpHeader = {
    format: DUMP_FORMAT,
    antipasto: version,
    at: new Date().toISOString(),
    migrations: await appliedMigrations(client),
  }
  yield `#${JSON.stringify(header)}\n`
  const end: DumpEnd = { rows: {}, sequences: {} }
  for (const table of await tablesInOrder(client)) {
    yield `#${JSON.stringify({ table })}\n`
    end.rows[table] = 0
    await client.query(
      `DECLARE every_row NO SCROLL CURSOR FOR SELECT row_to_json(dumped)::text AS line FROM ${pg.escapeIdentifier(table)} AS dumped`,
    )
    for (;;) {
      const { rows } = await client.query<{ line: string }>(`FETCH ${FETCHED_ROWS} FROM every_row`)
      if (rows.length === 0) break
      end.rows[table] += rows.length
      count(rows.length)
      yield rows.map(({ line }) => `${line}\n`).join('')
    }
    await client.query('CLOSE every_row')
  }
  // Last: sequences know no snapshot, and mustn't be behind the rows.
  const { rows: sequences } = await client.query<{ name: string; value: number | null }>(
    'SELECT sequencename AS name, last_value::float8 AS value FROM pg_sequences WHERE schemaname = current_schema()',
  )
  for (const { name, value } of sequences) end.sequences[name] = value
  yield `#${JSON.stringify(end)}\n`
}

/** @throws CONFLICT when there is no history of ours */
async function appliedMigrations(client: pg.Client): Promise<string[]> {
  try {
    const { rows } = await client.query<{ name: string }>(
      `SELECT migration_name AS name FROM _prisma_migrations
       WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL ORDER BY migration_name`,
    )
    return rows.map(({ name }) => name)
  } catch (error) {
    const isMissing = error instanceof pg.DatabaseError && error.code === '42P01'
    if (!isMissing) throw error
    throw new AppError(
      'CONFLICT',
      'This is no database of antipasto: there is nothing to dump. Check DATABASE_URL, or DATA_DIR.',
    )
  }
}

/** Our tables, each behind those that it refers to. */
async function tablesInOrder(client: pg.Client): Promise<string[]> {
  const { rows: tables } = await client.query<{ name: string; needs: string[] }>(`
    SELECT relname AS name, ARRAY(
      SELECT needed.relname::text FROM pg_constraint JOIN pg_class AS needed ON needed.oid = confrelid
      WHERE contype = 'f' AND conrelid = pg_class.oid AND confrelid <> conrelid) AS needs
    FROM pg_class WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace
      AND relname <> '_prisma_migrations' ORDER BY relname`)
  const ordered: string[] = []
  let waiting = tables
  while (waiting.length > 0) {
    const next = waiting.filter(({ needs }) => needs.every((name) => ordered.includes(name)))
    if (next.length === 0) throw new AppError('INTERNAL', 'The tables refer to each other in a circle.')
    ordered.push(...next.map(({ name }) => name))
    waiting = waiting.filter(({ name }) => !ordered.includes(name))
  }
  return ordered
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

function translated(error: unknown, file: string): unknown {
  const { code, syscall } = error as NodeJS.ErrnoException
  const isOfFile = syscall !== undefined && ['open', 'rename', 'write', 'fsync'].includes(syscall)
  if (!isOfFile) return translateDatabaseError(error)
  return new AppError(
    'INVALID_INPUT',
    `${file} can't be written (${code}). Name a file in a folder that can.`,
    {
      cause: error,
    },
  )
}
