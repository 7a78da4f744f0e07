// Before all tests: one PostgreSQL for the run, and in it a migrated database to copy; and one S3 server.
//
// TEST_DATABASE_URL, the URL of a superuser's connection, names another PostgreSQL to use; TEST_S3_ENDPOINT another S3
// server, with TEST_S3_ACCESS_KEY, TEST_S3_SECRET_KEY and TEST_S3_REGION (default us-east-1). Without an S3 server its
// suites are skipped.

import { mkdir, readdir, rm, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import pg from 'pg'
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../server/database/embedded.js'
import { migrateDatabase } from '../../server/database/migrate.js'
import { type Radosgw, removeLeftRadosgws, startRadosgw, whyNoRadosgw } from './radosgw.js'

declare global {
  var testRadosgw: Radosgw | undefined
  var embeddedTestPostgres: EmbeddedPostgres | undefined
}

const FOLDER_NAME = /^antipasto-test-(\d+)$/
const MEMORY_FOLDER = '/dev/shm'
const MEMORY_NEEDED_BYTES = 4 * 1024 ** 3

export default async function setUp(): Promise<void> {
  await Promise.all([provideDatabase(), provideS3()])
}

async function provideDatabase(): Promise<void> {
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

async function provideS3(): Promise<void> {
  await removeLeftRadosgws()
  if (!process.env.TEST_S3_ENDPOINT) await startS3()
  else if (!process.env.TEST_S3_ACCESS_KEY || !process.env.TEST_S3_SECRET_KEY) {
    throw new Error('TEST_S3_ENDPOINT needs TEST_S3_ACCESS_KEY and TEST_S3_SECRET_KEY.')
  }
  process.env.TEST_S3_REGION ||= 'us-east-1'
  // For the stores that tests open in their own process: they take the credentials that the SDK finds.
  process.env.AWS_ACCESS_KEY_ID = process.env.TEST_S3_ACCESS_KEY ?? ''
  process.env.AWS_SECRET_ACCESS_KEY = process.env.TEST_S3_SECRET_KEY ?? ''
  delete process.env.AWS_SESSION_TOKEN
  // The SDK's advice to take a newer Node, once in every suite.
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = 'true'
}

async function startS3(): Promise<void> {
  try {
    const missing = whyNoRadosgw()
    if (missing !== undefined) throw new Error(missing)
    globalThis.testRadosgw = await startRadosgw()
    process.env.TEST_S3_ENDPOINT = globalThis.testRadosgw.endpoint
    process.env.TEST_S3_REGION = globalThis.testRadosgw.region
    process.env.TEST_S3_ACCESS_KEY = globalThis.testRadosgw.accessKey
    process.env.TEST_S3_SECRET_KEY = globalThis.testRadosgw.secretKey
  } catch (error) {
    // Told by the suites that need it: the others can run.
    process.env.TEST_S3_MISSING = error instanceof Error ? error.message : String(error)
  }
}

async function startPostgres(): Promise<string> {
  await cleanUpKilledRuns()
  const dataDir = path.join(await postgresParent(), `antipasto-test-${process.pid}`)
  await mkdir(dataDir)
  // What tests write need not survive a power cut; those that pull the plug start a PostgreSQL of their own.
  const settings = {
    fsync: 'off',
    full_page_writes: 'off',
    max_connections: '200',
    // A log that nobody replays need not fill the memory.
    max_wal_size: '256MB',
  }
  globalThis.embeddedTestPostgres = await startEmbeddedPostgres({ dataDir, settings })
  process.env.TEST_DATA_DIR = dataDir
  return globalThis.embeddedTestPostgres.databaseUrl
}

/** In memory, where there is room: each test's database is 300 new files, which cost a disk up to 0.2 s of processor time. */
async function postgresParent(): Promise<string> {
  const { bavail, bsize } = await statfs(MEMORY_FOLDER).catch(() => ({ bavail: 0, bsize: 0 }))
  return bavail * bsize < MEMORY_NEEDED_BYTES ? tmpdir() : MEMORY_FOLDER
}

/** A run that was killed left its PostgreSQL alive: stop that, and remove its folder. */
async function cleanUpKilledRuns(): Promise<void> {
  for (const parent of [tmpdir(), MEMORY_FOLDER]) {
    for (const name of await readdir(parent).catch(() => [])) {
      const pid = Number(FOLDER_NAME.exec(name)?.[1])
      if (!(pid > 0) || isAlive(pid)) continue
      const dataDir = path.join(parent, name)
      await (await startEmbeddedPostgres({ dataDir }).catch(() => undefined))?.stop()
      await rm(dataDir, { recursive: true, force: true })
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}
