// A PostgreSQL for servers that are started by hand, without Jest, as its setup has one for the tests.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { startEmbeddedPostgres } from '../../server/database/embedded.js'

/** From now on startServer works; answers how to end it. */
export async function provideDatabases(): Promise<() => Promise<void>> {
  const dataDir = await mkdtemp(path.join(tmpdir(), 'antipasto-standalone-'))
  // What is shown doesn't need to survive a power cut.
  const postgres = await startEmbeddedPostgres({ dataDir, settings: { fsync: 'off' } })
  process.env.TEST_DATABASE_URL = postgres.databaseUrl
  // A server migrates its own when it starts.
  process.env.TEST_TEMPLATE_DATABASE = 'template0'
  return async () => {
    await postgres.stop()
    await rm(dataDir, { recursive: true, force: true })
  }
}
