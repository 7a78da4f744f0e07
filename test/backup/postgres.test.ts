// docs/backup.md with PostgreSQL's own programs, and docs/upgrade.md: from one major version to another, and from the embedded
// PostgreSQL to one of one's own.

import { execFile } from 'node:child_process'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { RestClient } from '../dialects/rest-client.js'
import { bytesFrom } from '../end-to-end/evidence.js'
import { startServer, type TestServer } from '../support/server.js'
import { type DebianPostgres, startDebianPostgres } from './debian-postgres.js'
import { blockWith, runCommands, runWell } from './page-commands.js'
import { download, type Sent, sendFile, sendHalf, sendRest } from './people.js'
import { describeWith } from './programs.js'

const SUITE = 'test/backup/postgres.test.ts'
const ofBackup = (text: string) => blockWith('docs/backup.md', text, SUITE)
const ofUpgrade = (text: string) => blockWith('docs/upgrade.md', text, SUITE)

describeWith(['postgres', 'pg_dump', 'pg_restore', 'psql'], 'an older PostgreSQL', () => {
  let folder: string
  let older: DebianPostgres
  let databaseUrl: string
  let newest: number
  let whole: Sent
  let half: Sent

  /** A server on `databaseUrl`, or with its own PostgreSQL, in `folder`. */
  async function goesOn(url: string | undefined, act: (server: TestServer) => Promise<void>): Promise<void> {
    const server = await startServer({
      embedded: url === undefined,
      cwd: folder,
      dataDir: path.join(folder, 'data'),
      ...(url === undefined ? {} : { env: { DATABASE_URL: url } }),
    })
    try {
      await act(server)
      expect(await server.stop()).toBe(0)
    } finally {
      await server.dispose()
    }
  }

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'antipasto-postgres-'))
    older = await startDebianPostgres(path.join(folder, 'older'))
    databaseUrl = await older.createDatabase('antipasto')
    await goesOn(databaseUrl, async (server) => {
      const rest = new RestClient(server)
      whole = await sendFile(rest, bytesFrom(1, 300_000), '&label=lakes')
      half = await sendHalf(rest, bytesFrom(2, 300_000), 123_456)
      newest = await newestEvent(server)
    })
  })
  afterAll(async () => {
    await older.stop()
    await rm(folder, { recursive: true, force: true })
  })

  async function expectEverything(server: TestServer): Promise<void> {
    const rest = new RestClient(server)
    expect((await download(rest, whole.id)).equals(whole.bytes)).toBe(true)
    const { offset, state } = await rest.report(half.id)
    expect({ offset, state }).toEqual({ offset: 123_456, state: 'receiving' })
  }

  test('serves, is dumped by pg_dump and restored by pg_restore, and events go on behind what anybody has read', async () => {
    await runWell(ofBackup('pg_dump'), { cwd: folder, env: { DATABASE_URL: databaseUrl } })
    const restoredUrl = await older.createDatabase('restored')
    const settings = { cwd: folder, env: { DATABASE_URL: restoredUrl } }
    await runWell(ofBackup('pg_restore'), settings)
    expect(await runWell('npm run sweep -- --reconcile', settings)).toContain('Everything matches.')
    await goesOn(restoredUrl, async (server) => {
      await expectEverything(server)
      const after = await sendFile(new RestClient(server), bytesFrom(3, 100))
      expect(await newestEvent(server)).toBeGreaterThan(newest + 1_000_000)
      // The other databases of this test know nothing of it.
      expect((await new RestClient(server).send('DELETE', `/uploads/${after.id}`)).status).toBe(204)
    })
  })

  test('an embedded cluster of it stops the start, which says both versions and what to do', async () => {
    await runWell(ofUpgrade('dump antipasto.dump'), { cwd: folder, env: { DATABASE_URL: databaseUrl } })
    await older.stop()
    await cp(path.join(folder, 'older'), path.join(folder, 'data', 'postgres'), { recursive: true })
    await giveTo(path.join(folder, 'older', 'data'), path.join(folder, 'data', 'postgres'))
    await older.start()
    const { exitCode, output } = await runCommands('npm run keys -- list', { cwd: folder })
    expect(exitCode).toBe(1)
    expect(output).toContain(`data/postgres was made by PostgreSQL ${older.major}, and this version`)
    expect(output).toMatch(/brings PostgreSQL \d+\. Nothing was changed\./)
    expect(output).toContain('npm run database -- dump')
  })

  test('its rows come into the new one as docs/upgrade.md says, and the server goes on', async () => {
    const said = await runWell(ofUpgrade('mv data/postgres'), { cwd: folder })
    expect(said).toContain('Everything matches.')
    await goesOn(undefined, async (server) => {
      await expectEverything(server)
      expect((await sendRest(new RestClient(server), half)).state).toBe('ready')
    })
  })

  test('the embedded one can be left for one of your own', async () => {
    const moved = await older.createDatabase('moved')
    await runWell(ofUpgrade('NEW_DATABASE_URL'), { cwd: folder, env: { NEW_DATABASE_URL: moved } })
    await goesOn(moved, async (server) => {
      for (const { id, bytes } of [whole, half])
        expect((await download(new RestClient(server), id)).equals(bytes)).toBe(true)
    })
  })
})

/** As `cp` has lost it: the owner of `model`, for everything in `folder`. */
async function giveTo(model: string, folder: string): Promise<void> {
  await promisify(execFile)('chown', ['-R', `--reference=${model}`, folder])
}

async function newestEvent(server: TestServer): Promise<number> {
  const answer = await new RestClient(server).send('GET', '/events?limit=1000', {
    Accept: 'application/json',
  })
  const { events } = JSON.parse(answer.body.toString()) as { events: { sequence: number }[] }
  return Math.max(...events.map(({ sequence }) => sequence))
}
