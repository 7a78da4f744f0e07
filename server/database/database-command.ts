// `npm run database`: the whole database to a file, and back.

import path from 'node:path'
import type { Config } from '../config.js'
import { AppError } from '../errors.js'
import { VERSION } from '../version.js'
import { dumpDatabase } from './dump.js'
import { startEmbeddedPostgres } from './embedded.js'
import { restoreDatabase } from './restore.js'

const USAGE = `Usage: npm run database -- COMMAND FILE
  dump FILE      write the whole database to FILE, beside a running server too
  restore FILE   fill an empty database from FILE; the server must not run`

/** The bytes of uploads are not in it: docs/backup.md. */
export async function runDatabaseCommand(
  config: Config,
  [command, file, ...more]: readonly string[],
  print: (line: string) => void,
): Promise<void> {
  if (file === undefined || more.length > 0) throw new AppError('INVALID_INPUT', USAGE)
  const target = path.resolve(file)
  if (command === 'dump') {
    const rowCount = await withDatabase(config, 'join', (url) => dumpDatabase(url, target, VERSION))
    print(`Dumped ${rowCount} rows to ${target}.`)
  } else if (command === 'restore') {
    const rowCount = await withDatabase(config, 'refuse', (url) => restoreDatabase(url, target))
    print(
      `Restored ${rowCount} rows from ${target}. Now compare them with the store: npm run sweep -- --reconcile`,
    )
  } else {
    throw new AppError('INVALID_INPUT', USAGE)
  }
}

/** On the database as it is: what is dumped is not brought to another migration before. */
async function withDatabase<T>(
  config: Config,
  whenInUse: 'refuse' | 'join',
  act: (databaseUrl: string) => Promise<T>,
): Promise<T> {
  if (config.databaseUrl !== undefined) return act(config.databaseUrl)
  const embedded = await startEmbeddedPostgres({ dataDir: config.dataDir, whenInUse })
  try {
    return await act(embedded.databaseUrl)
  } finally {
    await embedded.stop()
  }
}
