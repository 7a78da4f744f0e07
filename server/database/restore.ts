// A file that dump.ts wrote, into an empty database: its tables as they were then, its rows in one transaction, and then the
// migrations that have come since.

import { createReadStream } from 'node:fs'
import { createGunzip } from 'node:zlib'
import pg from 'pg'
import { AppError } from '../errors.js'
import { translateDatabaseError } from './client.js'
import { DUMP_FORMAT, type DumpEnd, type DumpHeader } from './dump.js'
import { migrateDatabase, readMigrationNames } from './migrate.js'

const BATCH_CHARACTERS = 1024 * 1024

/**
 * Events are read by number, and readers may be ahead of the file: what happens from now on gets numbers that none of them has
 * seen, or they would miss it.
 */
const EVENT_NUMBERS_LEFT_OUT = 1_000_000
const EVENT_SEQUENCES = ['events_id_seq', 'events_order_seq']

/**
 * Fills the empty database at `databaseUrl` from `file`, all or nothing.
 *
 * CONFLICT: the database isn't empty, or the file is of a newer version; INVALID_INPUT: the file isn't there or isn't whole.
 *
 * @returns how many rows
 */
export async function restoreDatabase(databaseUrl: string, file: string): Promise<number> {
  const lines = linesIn(file)
  const client = new pg.Client({ connectionString: databaseUrl, application_name: 'antipasto restore' })
  client.on('error', () => {})
  try {
    const header = headerOf((await lines.next()).value, file)
    await client.connect()
    await assertEmpty(client)
    const known = await readMigrationNames()
    const unknown = header.migrations.find((name) => !known.includes(name))
    if (unknown !== undefined) {
      throw new AppError(
        'CONFLICT',
        `${file} was written by antipasto ${header.antipasto}, with migration ${unknown}, which this version does not know. Restore it with that version, or a newer one.`,
      )
    }
    const names = new Set(header.migrations)
    await migrateDatabase(databaseUrl, undefined, (name) => names.has(name))
    await client.query('BEGIN')
    const rowCount = await load(client, lines, file)
    // Whoever wrote when it was dumped doesn't write here. These columns are as old as the first migration.
    await client.query(
      'UPDATE uploads SET lease_holder = NULL, lease_until = NULL WHERE lease_holder IS NOT NULL',
    )
    await client.query('COMMIT')
    await migrateDatabase(databaseUrl)
    return rowCount
  } catch (error) {
    throw translated(error, file)
  } finally {
    await lines.return(undefined)
    await client.end().catch(() => {})
  }
}

async function* linesIn(file: string): AsyncGenerator<string> {
  const source = createReadStream(file)
  const unzipped = createGunzip().setEncoding('utf8')
  source.on('error', (error) => unzipped.destroy(error))
  source.pipe(unzipped)
  let begun = ''
  try {
    for await (const text of unzipped) {
      const lines = `${begun}${text}`.split('\n')
      begun = lines.pop() ?? ''
      yield* lines
    }
  } finally {
    source.destroy()
  }
}

function headerOf(line: string | undefined, file: string): DumpHeader {
  const header = line?.startsWith('#') ? (JSON.parse(line.slice(1)) as Partial<DumpHeader>) : {}
  const { format, antipasto = 'unknown', at = '', migrations } = header
  if (format !== DUMP_FORMAT || migrations === undefined) throw notADump(file)
  return { format, antipasto, at, migrations }
}

/** @throws CONFLICT when there are rows, of ours or of anybody's */
async function assertEmpty(client: pg.Client): Promise<void> {
  const { rows: tables } = await client.query<{ name: string }>(
    `SELECT tablename AS name FROM pg_tables WHERE schemaname = current_schema() AND tablename <> '_prisma_migrations'`,
  )
  for (const { name } of tables) {
    const { rowCount } = await client.query(`SELECT FROM ${pg.escapeIdentifier(name)} LIMIT 1`)
    if (rowCount === 0) continue
    throw new AppError(
      'CONFLICT',
      `The database is not empty (${name} has rows), and nothing was changed. Restore into an empty one: another DATABASE_URL, or with the embedded PostgreSQL move DATA_DIR/postgres away.`,
    )
  }
}

/** @returns how many rows */
async function load(client: pg.Client, lines: AsyncIterable<string>, file: string): Promise<number> {
  // The usage of owners is among the rows: counted by the trigger too, it would be twice as much.
  await client.query('ALTER TABLE uploads DISABLE TRIGGER USER')
  const loaded: Record<string, number> = {}
  let table = ''
  let batch: string[] = []
  let characters = 0
  let end: DumpEnd | undefined
  const flush = async () => {
    if (batch.length === 0) return
    const name = pg.escapeIdentifier(table)
    await client.query(`INSERT INTO ${name} SELECT * FROM json_populate_recordset(NULL::${name}, $1::json)`, [
      `[${batch.join(',')}]`,
    ])
    loaded[table] = (loaded[table] ?? 0) + batch.length
    batch = []
    characters = 0
  }
  for await (const line of lines) {
    if (line.startsWith('#')) {
      await flush()
      const mark = JSON.parse(line.slice(1)) as { table?: string } & Partial<DumpEnd>
      if (mark.table !== undefined) {
        table = mark.table
        loaded[table] = 0
      } else if (mark.rows !== undefined && mark.sequences !== undefined) {
        end = { rows: mark.rows, sequences: mark.sequences }
      }
      continue
    }
    batch.push(line)
    characters += line.length
    if (characters >= BATCH_CHARACTERS) await flush()
  }
  if (end === undefined || !isSame(end.rows, loaded)) throw notADump(file)
  await setSequences(client, end.sequences)
  await client.query('ALTER TABLE uploads ENABLE TRIGGER USER')
  return Object.values(loaded).reduce((sum, count) => sum + count, 0)
}

async function setSequences(client: pg.Client, sequences: DumpEnd['sequences']): Promise<void> {
  for (const [name, value] of Object.entries(sequences)) {
    if (value === null) continue
    const left = EVENT_SEQUENCES.includes(name) ? EVENT_NUMBERS_LEFT_OUT : 0
    await client.query('SELECT setval($1::regclass, $2)', [pg.escapeIdentifier(name), value + left])
  }
}

function isSame(expected: Record<string, number>, loaded: Record<string, number>): boolean {
  const names = Object.keys(expected)
  return names.length === Object.keys(loaded).length && names.every((name) => expected[name] === loaded[name])
}

function notADump(file: string, cause?: unknown): AppError {
  return new AppError(
    'INVALID_INPUT',
    `${file} is not a whole file of "npm run database -- dump". Nothing was restored: take another one.`,
    { cause },
  )
}

function translated(error: unknown, file: string): unknown {
  const { code = '' } = error as NodeJS.ErrnoException
  // What the file says can't be read: not by us, not as gzip, not by PostgreSQL (data exceptions, broken constraints).
  if (error instanceof SyntaxError || /^(Z_|2[23][0-9A-Z]{3}$)/.test(code)) return notADump(file, error)
  if (['ENOENT', 'EACCES', 'EISDIR'].includes(code)) {
    return new AppError('INVALID_INPUT', `${file} can't be read (${code}).`, { cause: error })
  }
  return translateDatabaseError(error)
}
