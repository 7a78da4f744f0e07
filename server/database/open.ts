import { mkdir } from 'node:fs/promises'
import type { Config } from '../config.js'
import { AppError, isAppError } from '../errors.js'
import { startEmbeddedPostgres } from './embedded.js'
import { migrateDatabase } from './migrate.js'

/** A migrated database, and how to let go of it. */
export interface OpenedDatabase {
  databaseUrl: string
  /** Stops the embedded server; nothing for one that was given. */
  stop(): Promise<void>
}

export interface OpenOptions {
  log: (message: string) => void
  /** A command runs beside a server; a server wants the embedded database alone. */
  isBesideServer?: boolean
}

/** The database of DATABASE_URL, or the embedded one under DATA_DIR; brought to the newest migration. */
export async function openMigratedDatabase(config: Config, options: OpenOptions): Promise<OpenedDatabase> {
  const { log, isBesideServer = false } = options
  await mkdir(config.dataDir, { recursive: true }).catch((cause: NodeJS.ErrnoException) => {
    throw new AppError(
      'UNAVAILABLE',
      `DATA_DIR=${config.dataDir} can't be made or written (${cause.code}). Make it writable, or set another one.`,
      { cause },
    )
  })
  const opened =
    config.databaseUrl === undefined
      ? await startEmbeddedPostgres({
          dataDir: config.dataDir,
          whenInUse: isBesideServer ? 'join' : 'refuse',
          log,
        })
      : { databaseUrl: config.databaseUrl, stop: async () => {} }
  try {
    const applied = await migrateDatabase(opened.databaseUrl)
    if (applied.length > 0) log(`Migrations applied: ${applied.join(', ')}`)
    return opened
  } catch (error) {
    await opened.stop()
    throw config.databaseUrl === undefined ? error : unreachable(config.databaseUrl, error)
  }
}

/** At the start a database that doesn't answer is most often one that was named wrongly: says which, without its password. */
function unreachable(databaseUrl: string, error: unknown): unknown {
  if (!isAppError(error, 'UNAVAILABLE')) return error
  const { host } = new URL(databaseUrl)
  const cause = error.cause as NodeJS.ErrnoException | undefined
  const reason = cause?.code ?? cause?.message ?? 'no answer'
  return new AppError(
    'UNAVAILABLE',
    `The database at ${host} does not answer (${reason}). Check DATABASE_URL, and that PostgreSQL runs there.`,
    { cause: error },
  )
}
