// The commands of docs/operate.md, run as they stand there beside a running server.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { blockWith, runWell } from '../backup/page-commands.js'
import { startServer, type TestServer } from '../support/server.js'
import { until } from '../support/until.js'

const PAGE = 'docs/operate.md'
const SUITE = 'test/docs/operate-commands.test.ts'

let server: TestServer
let cwd: string

beforeAll(async () => {
  cwd = await mkdtemp(path.join(tmpdir(), 'antipasto-operate-'))
  server = await startServer({ env: { UPLOAD_TTL: '1s', SWEEP_CRON: '0 0 1 1 *' } })
})
afterAll(async () => {
  await server.dispose()
  await rm(cwd, { recursive: true, force: true })
})

/** The one block with `text` in it, with the server's own settings. @returns what it said */
function run(text: string): Promise<string> {
  const env = { DATABASE_URL: String(server.databaseUrl), DATA_DIR: server.dataDir, ANTIPASTO: server.url }
  return runWell(blockWith(PAGE, text, SUITE), { cwd, env })
}

test('what expires next is told, and not deleted', async () => {
  const headers = { Authorization: `Bearer ${server.key}` }
  const stored = await fetch(`${server.url}/files?filename=a.txt`, { method: 'POST', headers, body: 'abc' })
  const { upload_id: id } = (await stored.json()) as { upload_id: string }
  const report = await fetch(`${server.url}/uploads/${id}`, { headers })
  const { expires_at: end } = (await report.json()) as { expires_at: string }
  await until(async () => Date.now() > Date.parse(end))
  expect(await run('sweep -- --dry-run')).toContain(id)
  expect((await fetch(`${server.url}/uploads/${id}`, { headers })).status).toBe(200)
})

test('a key is made for a colleague, listed, and lets them in', async () => {
  const key = /ap_\S+/.exec(await run('keys -- create'))?.[0]
  expect(await run('keys -- list')).toContain('field-station')
  const me = await fetch(`${server.url}/me`, { headers: { Authorization: `Bearer ${key}` } })
  expect(await me.json()).toMatchObject({ owner: 'limnology', scopes: ['upload', 'read'] })
})

test('it says that it is well', async () => {
  expect(await run('/readyz')).toBe('{"status":"ready"}')
})
