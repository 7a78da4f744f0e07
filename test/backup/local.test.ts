// docs/backup.md on one machine: backed up while people upload, restored into another place, compared, gone on with.

import { access, mkdtemp, readdir, readFile, rename, rm, truncate } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { startEmbeddedPostgres } from '../../server/database/embedded.js'
import { RestClient } from '../dialects/rest-client.js'
import { bytesFrom } from '../end-to-end/evidence.js'
import { withConnection } from '../support/database.js'
import { startServer, type TestServer } from '../support/server.js'
import { until } from '../support/until.js'
import { blockWith, mismatchesIn, runCommands, runWell } from './page-commands.js'
import { download, type Sent, sendFile, sendHalf, sendRest, startTraffic, type Traffic } from './people.js'
import { describeWith } from './programs.js'

const SUITE = 'test/backup/local.test.ts'
const block = (text: string) => blockWith('docs/backup.md', text, SUITE)

describeWith(['rsync'], 'a server with its own PostgreSQL and a disk', () => {
  let folder: string
  let live: TestServer
  let traffic: Traffic
  let before: Sent[]
  let packed: Sent
  let truncated: Sent
  let dropped: Sent
  let half: Sent

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'antipasto-backup-'))
    live = await startServer({ embedded: true, cwd: folder, dataDir: path.join(folder, 'data') })
    const rest = new RestClient(live)
    packed = await sendFile(rest, bytesFrom(1, 3000), '&label=lakes')
    truncated = await sendFile(rest, bytesFrom(2, 200_000))
    dropped = await sendFile(rest, bytesFrom(3, 3000))
    half = await sendHalf(rest, bytesFrom(4, 300_000), 123_456)
    traffic = startTraffic(live)
    await until(() => traffic.sent.length >= 20)
    before = [...traffic.sent]

    await runWell(block('database -- dump'), { cwd: folder })
    const countAtDump = traffic.sent.length
    await until(() => traffic.sent.length >= countAtDump + 10)
    await traffic.stop()
    expect(await live.stop()).toBe(0)
    // Another machine.
    await rename(path.join(folder, 'data'), path.join(folder, 'lost'))
    await access(path.join(folder, 'backup', 'antipasto.dump'))
  })
  afterAll(async () => {
    await live.dispose()
    await rm(folder, { recursive: true, force: true })
  })

  const stored = (id: string) => path.join(folder, 'data', 'store', 'objects', id)

  test('is restored as it was when it was dumped, and says exactly what does not match', async () => {
    await runWell(block('rsync -a backup/store/ data/store/'), { cwd: folder })
    const restored = await runWell(block('database -- restore'), { cwd: folder })
    expect(restored).toMatch(/^Restored \d+ rows from .*antipasto\.dump/)
    // On purpose: an object that is gone, one that is short, a record that is gone.
    await rm(stored(packed.id))
    await truncate(stored(truncated.id), 1000)
    await dropRecord(dropped.id)

    const asked = 'npm run sweep -- --reconcile --json'
    const { exitCode, output } = await runCommands(asked, { cwd: folder })
    expect(exitCode).toBe(1)
    const found = mismatchesIn(output)
    const idsOf = (kind: string) => found.filter((one) => one.kind === kind)
    const lost = idsOf('lost').flatMap(({ uploads = [] }) => uploads.map(({ id }) => id))
    const blobless = idsOf('blobless').map(({ upload }) => upload?.id)
    expect(lost).toEqual(expect.arrayContaining([packed.id, truncated.id]))
    // What somebody deleted between the dump and the copy.
    const others = lost.filter((id) => id !== packed.id && id !== truncated.id)
    expect(others.filter((id) => !traffic.deleted.has(id))).toEqual([])
    expect(blobless).toEqual([])
    expect(idsOf('usage')).toEqual([])
    expect(idsOf('unreferenced')).toHaveLength(1)
    // What was finished in between was half there when the database was dumped.
    const unfinished = idsOf('unfinished').map(({ upload }) => String(upload?.id))
    expect(unfinished.filter((id) => !traffic.begun.has(id))).toEqual([])
    const known = new Set(before.map(({ id }) => id))
    const strays = idsOf('stray').map(({ key }) => String(key))
    expect(strays.filter((id) => known.has(id))).toEqual([])

    const plain = await runCommands(block('sweep -- --reconcile\n'), { cwd: folder })
    expect(plain.exitCode).toBe(1)
    expect(plain.output).toContain(
      `LOST object ${packed.id} (3000 bytes, sha256 ${await sha256Of(packed.id)}): not in the store.`,
    )
    expect(plain.output).toContain('1000 bytes are in the store')
  })

  test('what was uploaded after the dump can be copied out', async () => {
    await runWell(block('rescued'), { cwd: folder })
    const bytesById = new Map(traffic.sent.map(({ id, bytes }) => [id, bytes]))
    const rescued = await readdir(path.join(folder, 'rescued'))
    for (const id of rescued) {
      const bytes = await readFile(path.join(folder, 'rescued', id))
      expect(bytes.equals(bytesById.get(id) ?? Buffer.alloc(0))).toBe(true)
    }
  })

  test('what is lost is marked, and everything then matches', async () => {
    const marked = await runWell(block('--mark'), { cwd: folder })
    expect(marked).toContain('Marked: it is failed')
    expect((await runCommands('npm run sweep -- --reconcile --digests', { cwd: folder })).exitCode).toBe(0)
  })

  test('goes on: what was acknowledged is there, half is sent to its end, what is lost is sent again', async () => {
    await live.restart()
    const rest = new RestClient(live)
    const kept = before.filter(({ id }) => !traffic.deleted.has(id))
    expect(kept.length).toBeGreaterThan(5)
    for (const { id, bytes } of kept) expect((await download(rest, id)).equals(bytes)).toBe(true)
    for (const { id } of [packed, truncated]) {
      expect(await rest.report(id)).toMatchObject({ state: 'failed', error: { code: 'INTERNAL' } })
    }
    expect((await rest.report(half.id)).offset).toBe(123_456)
    expect((await sendRest(rest, half)).state).toBe('ready')
    expect((await download(rest, half.id)).equals(half.bytes)).toBe(true)
    for (const { bytes } of [packed, truncated]) {
      const again = await sendFile(rest, bytes)
      expect((await download(rest, again.id)).equals(bytes)).toBe(true)
    }
    expect((await runCommands('npm run sweep -- --reconcile', { cwd: folder })).exitCode).toBe(0)
    expect(await live.stop()).toBe(0)
  })

  test('stopped, its folder is all there is', async () => {
    await runWell(block('cp -a data data-copy'), { cwd: folder })
    await rm(path.join(folder, 'data'), { recursive: true })
    await rename(path.join(folder, 'data-copy'), path.join(folder, 'data'))
    await live.restart()
    expect((await download(new RestClient(live), half.id)).equals(half.bytes)).toBe(true)
  })

  async function dropRecord(id: string): Promise<void> {
    // The trigger counts it, so that the usage still adds up; its blob stays without an upload.
    await onDatabase('DELETE FROM uploads WHERE id = $1', [id])
  }

  async function sha256Of(id: string): Promise<string> {
    const rows = await onDatabase('SELECT sha256 FROM blobs WHERE object_key = $1', [id])
    return String(rows[0]?.sha256)
  }

  async function onDatabase(sql: string, values: unknown[]): Promise<Record<string, unknown>[]> {
    const postgres = await startEmbeddedPostgres({ dataDir: path.join(folder, 'data') })
    try {
      return await withConnection(
        postgres.databaseUrl,
        async (client) => (await client.query(sql, values)).rows,
      )
    } finally {
      await postgres.stop()
    }
  }
})

describe('the page', () => {
  test('names only options that there are', async () => {
    const { output } = await runCommands('npm run sweep -- --help', { cwd: tmpdir() })
    for (const option of ['--reconcile', '--mark', '--digests', '--json']) expect(output).toContain(option)
  })
})
