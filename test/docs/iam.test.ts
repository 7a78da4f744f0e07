// docs/iam.md: its two roles on a real PostgreSQL, and its table of actions against the policy that a real gateway enforces.

import { execFile } from 'node:child_process'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { createTestDatabase, type TestDatabase, withConnection } from '../support/database.js'
import { startServer, type TestServer } from '../support/server.js'
import { until } from '../support/until.js'
import { markedBlock, readProjectFile, shellBlocksOf } from './shell-blocks.js'

const PAGE = 'docs/iam.md'
const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
const admin = () => String(process.env.TEST_DATABASE_URL)

test('the table explains the actions of the policy, each', () => {
  const policy: { Statement: { Action: string[] }[] } = JSON.parse(markedBlock('docs/s3.md', 'policy'))
  const explained = [...readProjectFile(PAGE).matchAll(/^\| `(s3:\w+)` \|/gm)].map(([, action]) => action)
  expect(explained.sort()).toEqual(policy.Statement.flatMap(({ Action }) => Action).sort())
})

/** Of this run: roles belong to the whole server. */
const names = { owner: `test_owner_${process.pid}`, app: `test_app_${process.pid}` }
let database: TestDatabase
let ownerUrl: string
let appUrl: string
let server: TestServer

/** As it stands there, with this test's names. */
async function run(url: string, marker: string): Promise<void> {
  const name = new URL(database.databaseUrl).pathname.slice(1)
  const statements = markedBlock(PAGE, marker)
    .replaceAll(/(DATABASE) antipasto\b/g, `$1 ${name}`)
    .replaceAll(/\bantipasto_owner\b/g, names.owner)
    .replaceAll(/\bantipasto\b/g, names.app)
    .split(';\n')
  await withConnection(url, async (client) => {
    for (const statement of statements) await client.query(statement)
  })
}

function urlOf(username: string, password: string): string {
  const url = new URL(database.databaseUrl)
  return Object.assign(url, { username, password }).href
}

beforeAll(async () => {
  database = await createTestDatabase({ isEmpty: true })
  ownerUrl = urlOf(names.owner, 'change me')
  appUrl = urlOf(names.app, 'change me too')
  // The statements make it themselves.
  await database.drop()
  await run(admin(), 'roles')
  await run(ownerUrl, 'grants')
  const [migrate] = shellBlocksOf(PAGE)
  const env = { PATH: process.env.PATH, OWNER_URL: ownerUrl, DATA_DIR: path.join(ROOT, 'dist') }
  await promisify(execFile)('sh', ['-c', String(migrate?.code)], { cwd: ROOT, env })
  await run(ownerUrl, 'history')
  server = await startServer({
    env: {
      DATABASE_URL: appUrl,
      RATE_LIMIT_KEY: '1000/1m',
      RATE_LIMIT_STORE: 'postgres',
      QUOTA_FILES: '100',
      // Several sweeps while the test runs.
      SWEEP_CRON: '* * * * * *',
      WEBHOOK_PRIVATE_ADDRESSES: 'true',
    },
  })
})

afterAll(async () => {
  await server?.dispose()
  await database.drop()
  await withConnection(admin(), async (client) => {
    for (const role of Object.values(names)) await client.query(`DROP ROLE IF EXISTS ${role}`)
  })
})

async function ask(method: string, target: string, body?: unknown) {
  const answer = await fetch(`${server.url}${target}`, {
    method,
    headers: {
      Authorization: `Bearer ${server.key}`,
      ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await answer.text()
  const isJson = answer.headers.get('content-type')?.includes('json') === true
  return { status: answer.status, json: isJson ? JSON.parse(text) : {}, text }
}

test('the role that serves takes, gives, packs, counts, sweeps and deletes', async () => {
  const stored = await fetch(`${server.url}/files?filename=a.txt&label=lakes`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${server.key}` },
    body: 'abc',
  })
  expect(stored.status).toBe(201)
  const report = (await stored.json()) as { upload_id: string; retrieval_url: string; package_id: string }
  expect(await (await fetch(report.retrieval_url)).text()).toBe('abc')
  const created = await ask('POST', '/webhooks', { url: 'http://127.0.0.1:9/', events: ['upload.ready.v1'] })
  expect([created.status, created.text]).toEqual([201, expect.anything()])
  expect((await ask('POST', '/api-keys', { name: 'a', scopes: ['read'] })).status).toBe(201)
  expect((await ask('DELETE', `/uploads/${report.upload_id}?undo_seconds=60`)).status).toBe(200)
  expect((await ask('POST', `/uploads/${report.upload_id}/restore`)).status).toBe(200)
  expect((await ask('POST', `/packages/${report.package_id}/finalize`)).status).toBe(200)
  expect((await ask('GET', '/me')).status).toBe(200)
  expect((await ask('DELETE', `/packages/${report.package_id}`)).status).toBe(204)
  const { json } = await ask('GET', '/readyz')
  expect(json).toMatchObject({ status: 'ready' })
  await until(async () => {
    const { rows } = await withConnection(ownerUrl, (client) =>
      client.query(
        'SELECT (SELECT count(*)::int FROM garbage) AS left, (SELECT count(*)::int FROM blobs) AS blobs',
      ),
    )
    return rows[0]?.left === 0 && rows[0]?.blobs === 0
  })
  expect(server.logs()).not.toMatch(/permission denied|"level":"(error|fatal)"/)
})

test.each([
  'DROP TABLE uploads',
  'ALTER TABLE uploads DISABLE TRIGGER ALL',
  'TRUNCATE uploads',
  'CREATE TABLE mine (id INTEGER)',
  'CREATE TEMPORARY TABLE mine (id INTEGER)',
  'UPDATE _prisma_migrations SET checksum = checksum',
])('the role that serves may not: %s', async (statement) => {
  await withConnection(appUrl, async (client) => {
    await expect(client.query(statement)).rejects.toThrow(/permission denied|must be owner/)
  })
})

test('a server of a version that was not migrated for does not start, and says why', async () => {
  await withConnection(ownerUrl, (client) =>
    client.query(
      `DELETE FROM _prisma_migrations WHERE migration_name = (SELECT max(migration_name) FROM _prisma_migrations)`,
    ),
  )
  await expect(server.restart()).rejects.toThrow('permission denied')
})

test('a database that one role has owned is handed over, and serves on', async () => {
  await server.kill()
  await withConnection(admin(), async (client) => {
    await client.query(`DROP DATABASE ${new URL(database.databaseUrl).pathname.slice(1)} WITH (FORCE)`)
    await client.query(`DROP ROLE ${names.owner}`)
    await client.query(
      `CREATE DATABASE ${new URL(database.databaseUrl).pathname.slice(1)} OWNER ${names.app}`,
    )
  })
  await server.restart()
  await server.stop()
  const superuserUrl = Object.assign(new URL(admin()), { pathname: new URL(appUrl).pathname }).href
  await run(superuserUrl, 'handover')
  await run(ownerUrl, 'grants')
  await run(ownerUrl, 'history')
  await server.restart()
  expect((await ask('GET', '/readyz')).json).toMatchObject({ status: 'ready' })
  await withConnection(appUrl, async (client) => {
    await expect(client.query('DROP TABLE uploads')).rejects.toThrow('must be owner')
  })
})
