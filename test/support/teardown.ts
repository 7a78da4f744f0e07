// After all tests: what setup.ts started is stopped and removed.

import { rm } from 'node:fs/promises'
import pg from 'pg'

export default async function tearDown(): Promise<void> {
  await globalThis.testRadosgw?.stop()
  if (globalThis.embeddedTestPostgres) {
    await globalThis.embeddedTestPostgres.stop()
    await rm(process.env.TEST_DATA_DIR ?? '', { recursive: true, force: true })
    return
  }
  const client = new pg.Client({ connectionString: process.env.TEST_DATABASE_URL })
  await client.connect()
  await client.query(`DROP DATABASE IF EXISTS ${process.env.TEST_TEMPLATE_DATABASE} WITH (FORCE)`)
  await client.end()
}
