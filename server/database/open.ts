import { mkdir } from 'node:fs/promises'
import type { Config } from '../config.js'
import { AppError } from '../errors.js'
import { startEmbeddedPostgres } from './embedded.js'
import { migrateDatabase } from './migrate.js'
import { explainRefusal } from './refusal.js'

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
  /** Tries again while the database of DATABASE_URL isn't up yet. Default: once. */
  untilThere?: <T>(attempt: () => Promise<T>) => Promise<T>
}

/** The database of DATABASE_URL, or the embedded one under DATA_DIR; brought to the newest migration. */
export async function openMigratedDatabase(config: Config, options: OpenOptions): Promise<OpenedDatabase> {
  const { log, isBesideServer = false, untilThere = (attempt) => attempt() } = options
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
    // The embedded one answers when it has started, and nobody set its URL.
    const applied =
      config.databaseUrl === undefined
        ? await migrateDatabase(opened.databaseUrl)
        : await untilThere(() => migrateOrExplain(opened.databaseUrl))
    if (applied.length > 0) log(`Migrations applied: ${applied.join(', ')}`)
    return opened
  } catch (error) {
    await opened.stop()
    throw error
  }
}

async function migrateOrExplain(databaseUrl: string): Promise<string[]> {
  try {
    return await migrateDatabase(databaseUrl)
  } catch (error) {
    throw explainRefusal(error, databaseUrl)
  }
}
