// Before all tests: one PostgreSQL for the run, and in it a migrated database to copy. TEST_DATABASE_URL, the URL of a
// superuser's connection, names another server to use.

import { mkdir, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import pg from 'pg'
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../server/database/embedded.js'
import { migrateDatabase } from '../../server/database/migrate.js'

declare global {
  var embeddedTestPostgres: EmbeddedPostgres | undefined
}

const FOLDER_NAME = /^antipasto-test-(\d+)$/

export default async function setUp(): Promise<void> {
  process.env.TEST_DATABASE_URL ??= await startPostgres()
  const templateName = `antipasto_template_${process.pid}`
  process.env.TEST_TEMPLATE_DATABASE = templateName
  const template = new URL(process.env.TEST_DATABASE_URL)
  template.pathname = `/${templateName}`
  const client = new pg.Client({ connectionString: process.env.TEST_DATABASE_URL })
  await client.connect()
  await client.query(`CREATE DATABASE ${templateName}`)
  await client.end()
  await migrateDatabase(template.href)
}

async function startPostgres(): Promise<string> {
  await cleanUpKilledRuns()
  const dataDir = path.join(tmpdir(), `antipasto-test-${process.pid}`)
  await mkdir(dataDir)
  // What tests write need not survive a power cut; those that pull the plug start a PostgreSQL of their own.
  const settings = { fsync: 'off', full_page_writes: 'off', max_connections: '200' }
  globalThis.embeddedTestPostgres = await startEmbeddedPostgres({ dataDir, settings })
  process.env.TEST_DATA_DIR = dataDir
  return globalThis.embeddedTestPostgres.databaseUrl
}

/** A run that was killed left its PostgreSQL alive: stop that, and remove its folder. */
async function cleanUpKilledRuns(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const pid = Number(FOLDER_NAME.exec(name)?.[1])
    if (!(pid > 0) || isAlive(pid)) continue
    const dataDir = path.join(tmpdir(), name)
    await (await startEmbeddedPostgres({ dataDir }).catch(() => undefined))?.stop()
    await rm(dataDir, { recursive: true, force: true })
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}
