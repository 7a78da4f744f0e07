// One PostgreSQL cluster in a folder: making it, starting it, recognising one that already runs, stopping it.
// Who may use it, and what happens when it dies, is embedded.ts.
//
//   <folder>/data        PGDATA, owned by the user PostgreSQL runs as
//   <folder>/password    the superuser's, 0600
//   <folder>/port        the port of the last start
//   <folder>/server.log  what PostgreSQL says
//
// It listens on 127.0.0.1 and not on a Unix socket: a socket's path is limited to 107 bytes, less than many a data
// folder's, and it would save no more than 5 to 10 µs a query.

import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  chown,
  mkdir,
  open,
  readdir,
  readFile,
  readlink,
  realpath,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises'
import net from 'node:net'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { AppError } from '../errors.js'
import { type Binaries, findBinaries } from './binaries.js'
import { findUnprivilegedUser, type SystemUser } from './system-user.js'

export interface Cluster {
  readonly folder: string
  readonly dataFolder: string
  readonly password: string
  readonly binaries: Binaries
  /** Whom PostgreSQL runs as; undefined: ourselves. */
  readonly user: SystemUser | undefined
  /** More of postgresql.conf, e.g. `{ fsync: 'off' }` for tests. */
  readonly settings: Readonly<Record<string, string>>
}

export const SUPERUSER = 'antipasto'
export const DATABASE_NAME = 'antipasto'

// After a kill -9 of everything PostgreSQL's children need a moment to notice, and nothing may start before.
const STALE_WAIT_MILLISECONDS = 10_000
// Crash recovery replays up to max_wal_size (1 GB) of log.
const RECOVERY_WAIT_MILLISECONDS = 120_000
const FAST_STOP_MILLISECONDS = 60_000
const MAX_LOG_BYTES = 10 * 1024 * 1024
const POLL_MILLISECONDS = 50

// PostgreSQL gets no environment of ours: API keys are none of its business, PG* variables would mislead it.
const POSTGRES_ENVIRONMENT = { LC_ALL: 'C' }

// ---- Making ---------------------------------------------------------------------------------------------------------

/** The cluster under `dataDir`, made when there is none. UNAVAILABLE: it can't be, and why. */
export async function prepareCluster(
  dataDir: string,
  settings: Readonly<Record<string, string>>,
): Promise<Cluster> {
  if (process.platform === 'win32') {
    throw new AppError(
      'UNAVAILABLE',
      'The embedded PostgreSQL runs on Linux and macOS only. Install PostgreSQL and set DATABASE_URL.',
    )
  }
  await mkdir(dataDir, { recursive: true })
  // Real, as we compare it with where processes are.
  const folder = path.join(await realpath(dataDir), 'postgres')
  const user = await findUnprivilegedUser()
  const binaries = await findBinaries(path.dirname(folder), user)
  await removeUnfinished(folder)
  if (!(await exists(folder))) await makeCluster(folder, binaries, user)
  const dataFolder = path.join(folder, 'data')
  const { uid, gid } = await stat(dataFolder)
  const password = (await readFile(path.join(folder, 'password'), 'utf8')).trim()
  // Root runs it as the one who owns it already, whoever was chosen then.
  return { folder, dataFolder, password, binaries, user: user && { uid, gid }, settings }
}

/** initdb into a folder of its own, which gets its name when it is whole. */
async function makeCluster(folder: string, binaries: Binaries, user: SystemUser | undefined): Promise<void> {
  const unfinished = `${folder}.new-${process.pid}-${randomBytes(4).toString('hex')}`
  const dataFolder = path.join(unfinished, 'data')
  const passwordFile = path.join(unfinished, 'password')
  await mkdir(dataFolder, { recursive: true, mode: 0o700 })
  await writeFile(passwordFile, randomBytes(24).toString('base64url'), { mode: 0o600 })
  if (user) {
    await chown(dataFolder, user.uid, user.gid)
    await chown(passwordFile, user.uid, user.gid)
  }
  const password = await open(passwordFile)
  try {
    const { exitCode, output } = await run(
      binaries.initdb,
      [
        `--pgdata=${nameForPostgres(dataFolder, user)}`,
        `--username=${SUPERUSER}`,
        '--auth=scram-sha-256',
        '--pwfile=/dev/fd/3', // By descriptor: PostgreSQL's user may have no way to the file's name.
        '--encoding=UTF8',
        '--locale=C',
        '--locale-provider=builtin', // The same order of text on every machine.
        '--builtin-locale=C.UTF-8',
        '--no-instructions',
      ],
      { cwd: dataFolder, user, fileDescriptor: password.fd },
    )
    if (exitCode !== 0) throw cannotStart(folder, `initdb failed: ${lastLines(output)}`)
    await rename(unfinished, folder).catch(async (error) => {
      if (!(await exists(folder))) throw error // Else another process was faster, and we use its cluster.
    })
  } finally {
    await password.close()
    await rm(unfinished, { recursive: true, force: true })
  }
}

/** Removes what a killed process left of a cluster that it was making. */
async function removeUnfinished(folder: string): Promise<void> {
  const parent = path.dirname(folder)
  for (const name of await readdir(parent)) {
    const pid = /^postgres\.new-(\d+)-/.exec(name)?.[1]
    if (pid && !isAlive(Number(pid))) await rm(path.join(parent, name), { recursive: true, force: true })
  }
}

/**
 * The name under which PostgreSQL is told its data folder.
 *
 * When root starts it as another user, that user may not be allowed through the folders above (a clone under /root):
 * the working folder, set while we are still root, needs no way there.
 */
function nameForPostgres(dataFolder: string, user: SystemUser | undefined): string {
  return user !== undefined && process.platform === 'linux' ? '/proc/self/cwd' : dataFolder
}

// ---- Starting -------------------------------------------------------------------------------------------------------

export interface RunningCluster {
  readonly port: number
  /** True when it was already running. */
  readonly isAdopted: boolean
}

/**
 * Starts PostgreSQL on the cluster and waits until it answers; one that runs already is adopted.
 *
 * It survives us: it has no terminal, no pipe and no signal in common with this process. UNAVAILABLE: it doesn't come
 * up, and what its log says.
 */
export async function startCluster(cluster: Cluster): Promise<RunningCluster> {
  const startedAt = performance.now()
  let attempt: LaunchAttempt | undefined
  while (performance.now() - startedAt < STALE_WAIT_MILLISECONDS) {
    const lock = await readLockFile(cluster)
    if (lock && (await waitUntilReady(cluster, lock))) return { port: lock.port, isAdopted: true }
    if (await isOccupied(cluster)) {
      await sleep(POLL_MILLISECONDS)
      continue
    }
    attempt = await launch(cluster)
    if (attempt.port !== undefined) return { port: attempt.port, isAdopted: false }
    if (!attempt.isWorthRetrying) break
    await sleep(4 * POLL_MILLISECONDS)
  }
  throw cannotStart(
    cluster.folder,
    attempt?.log ?? 'a process still works in its data folder and does not answer',
  )
}

interface LaunchAttempt {
  /** Undefined: it didn't come up. */
  readonly port?: number
  readonly log: string
  readonly isWorthRetrying: boolean
}

async function launch(cluster: Cluster): Promise<LaunchAttempt> {
  const port = await choosePort(cluster)
  await removeMisleadingLockFile(cluster)
  const logFile = path.join(cluster.folder, 'server.log')
  await rotateLog(logFile)
  const log = await open(logFile, 'a', 0o600)
  const logStartBytes = (await log.stat()).size
  const settings = {
    ...cluster.settings,
    port,
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    cluster_name: 'antipasto',
  }
  const child = spawn(
    cluster.binaries.postgres,
    [
      '-D',
      nameForPostgres(cluster.dataFolder, cluster.user),
      ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
    ],
    {
      cwd: cluster.dataFolder,
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
      env: POSTGRES_ENVIRONMENT,
      ...cluster.user,
    },
  )
  let exit: string | undefined
  child.once('error', (error) => {
    exit = error.message
  })
  child.once('exit', (exitCode, signal) => {
    exit ??= `PostgreSQL ended with ${signal ?? `code ${exitCode}`}`
  })
  child.unref()
  await log.close()

  const deadline = performance.now() + RECOVERY_WAIT_MILLISECONDS
  while (exit === undefined && performance.now() < deadline) {
    const lock = await readLockFile(cluster)
    if (lock?.pid === child.pid && lock?.port === port && (await waitUntilReady(cluster, lock))) {
      return { port, log: '', isWorthRetrying: false }
    }
    await sleep(POLL_MILLISECONDS)
  }
  const said = (await readFile(logFile)).subarray(logStartBytes).toString('utf8')
  assertSameMajor(cluster, said)
  return {
    log: `${exit ?? 'no answer'}: ${lastLines(said)}`,
    isWorthRetrying: /lock file|pre-existing shared memory|could not bind|Address already in use/.test(said),
  }
}

/** @throws CONFLICT when PostgreSQL said that another major version of it has made the data folder */
function assertSameMajor({ folder }: Cluster, said: string): void {
  const versions =
    /initialized by PostgreSQL version ([\d.]+), which is not compatible with this version (\d+)/
  const [, made, ours] = versions.exec(said) ?? []
  if (made === undefined) return
  throw new AppError(
    'CONFLICT',
    `${folder} was made by PostgreSQL ${made}, and this version of antipasto brings PostgreSQL ${ours}. Nothing was changed. ` +
      'Start the version of antipasto that you had, write the database to a file with "npm run database -- dump FILE", ' +
      'move that folder away, and restore the file with this version: docs/upgrade.md tells how.',
  )
}

/** The port of the last start while it is free, else any free one; remembered in `<folder>/port`. */
async function choosePort(cluster: Cluster): Promise<number> {
  const portFile = path.join(cluster.folder, 'port')
  const remembered = Number(await readFile(portFile, 'utf8').catch(() => '0'))
  const port = (await bindOnce(remembered)) ?? (await bindOnce(0))
  if (port === undefined) throw cannotStart(cluster.folder, 'there is no free port on 127.0.0.1')
  await writeFile(portFile, `${port}\n`)
  return port
}

/** The number of the port that could be bound, for 0 any free one; undefined when it is taken. */
function bindOnce(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = net.createServer()
    server.once('error', () => resolve(undefined))
    server.listen({ port, host: '127.0.0.1' }, () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' ? address?.port : undefined))
    })
  })
}

async function rotateLog(logFile: string): Promise<void> {
  const sizeBytes = await stat(logFile).then(
    (file) => file.size,
    () => 0,
  )
  if (sizeBytes > MAX_LOG_BYTES) await rename(logFile, `${logFile}.1`)
}

// ---- Recognising ----------------------------------------------------------------------------------------------------

interface LockFile {
  readonly pid: number
  readonly port: number
  /** The first three lines, which stay the same while this PostgreSQL lives: pid, data folder, time of start. */
  readonly identity: string
}

/** PostgreSQL's postmaster.pid; undefined when there is none or it isn't whole yet. */
async function readLockFile(cluster: Cluster): Promise<LockFile | undefined> {
  const text = await readFile(path.join(cluster.dataFolder, 'postmaster.pid'), 'utf8').catch(() => '')
  const lines = text.split('\n')
  const pid = Number(lines[0])
  const port = Number(lines[3])
  if (!(pid > 0) || !(port > 0)) return undefined
  return { pid, port, identity: lines.slice(0, 3).join('\n') }
}

/** True when the server that `lock` names answers, false when it doesn't or isn't ours. Waits for a recovery. */
async function waitUntilReady(cluster: Cluster, lock: LockFile): Promise<boolean> {
  const deadline = performance.now() + RECOVERY_WAIT_MILLISECONDS
  while (performance.now() < deadline) {
    const client = newAdminClient(cluster, lock.port)
    try {
      await client.connect()
      // Its own lock file, read through it: another server on a port that was ours once can't answer that.
      const { rows } = await client.query<{ text: string }>("SELECT pg_read_file('postmaster.pid') AS text")
      return rows[0]?.text.startsWith(`${lock.identity}\n`) === true
    } catch (error) {
      const isStarting = error instanceof pg.DatabaseError && error.code === '57P03'
      if (!isStarting) return false
    } finally {
      await client.end().catch(() => {})
    }
    await sleep(POLL_MILLISECONDS)
  }
  return false
}

/** True while any process works in the data folder. Where there is no /proc, PostgreSQL's own check has to do. */
async function isOccupied(cluster: Cluster): Promise<boolean> {
  if (process.platform !== 'linux') return false
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid)) continue
    // PostgreSQL and each of its children work in their data folder. Unreadable: another user's, so not ours.
    const workingFolder = await readlink(`/proc/${pid}/cwd`).catch(() => '')
    if (workingFolder === cluster.dataFolder) return true
  }
  return false
}

/**
 * After a crash postmaster.pid may name a process that has nothing to do with us (in a new container pids start over):
 * PostgreSQL would take it for another server and refuse for ever.
 */
async function removeMisleadingLockFile(cluster: Cluster): Promise<void> {
  if (process.platform !== 'linux') return // Only there did isOccupied prove that nobody works in the folder.
  const lock = await readLockFile(cluster)
  if (lock && isAlive(lock.pid) && !(await isOccupied(cluster))) {
    await rm(path.join(cluster.dataFolder, 'postmaster.pid'), { force: true })
  }
}

// ---- Stopping -------------------------------------------------------------------------------------------------------

/** Fast shutdown: running transactions are rolled back, everything committed is on disk when this returns. */
export async function stopCluster(cluster: Cluster): Promise<void> {
  const lock = await readLockFile(cluster)
  if (!lock) return
  for (const [signal, waitMilliseconds] of [
    ['SIGINT', FAST_STOP_MILLISECONDS],
    ['SIGQUIT', STALE_WAIT_MILLISECONDS], // Immediate: the next start recovers from the log.
  ] as const) {
    if (!signalProcess(lock.pid, signal)) return
    const deadline = performance.now() + waitMilliseconds
    while (performance.now() < deadline) {
      // It removes its lock file last; one that was killed leaves it.
      const current = await readLockFile(cluster)
      if (current?.identity !== lock.identity || !isAlive(lock.pid)) return
      await sleep(POLL_MILLISECONDS / 5)
    }
  }
  throw new AppError('UNAVAILABLE', `PostgreSQL (process ${lock.pid}) does not stop: end it yourself.`)
}

// ---- Small things ---------------------------------------------------------------------------------------------------

/** A connection as superuser to the database `postgres`, which always exists. Not yet connected. */
export function newAdminClient(cluster: Cluster, port: number): pg.Client {
  const client = new pg.Client({
    host: '127.0.0.1',
    port,
    user: SUPERUSER,
    password: cluster.password,
    database: 'postgres',
    connectionTimeoutMillis: 5_000,
    application_name: `antipasto ${process.pid}`,
  })
  client.on('error', () => {}) // A lost connection fails the query that waits, or emits 'end'.
  return client
}

interface RunOptions {
  readonly cwd: string
  readonly user: SystemUser | undefined
  /** Becomes the program's descriptor 3. */
  readonly fileDescriptor: number
}

function run(
  program: string,
  args: string[],
  options: RunOptions,
): Promise<{ exitCode: number; output: string }> {
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      cwd: options.cwd,
      stdio: ['ignore', 'pipe', 'pipe', options.fileDescriptor],
      env: POSTGRES_ENVIRONMENT,
      ...options.user,
    })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        output += chunk.toString()
      })
    }
    child.once('error', (error) => resolve({ exitCode: 1, output: error.message }))
    child.once('close', (exitCode) => resolve({ exitCode: exitCode ?? 1, output }))
  })
}

function cannotStart(folder: string, reason: string): AppError {
  return new AppError(
    'UNAVAILABLE',
    `The embedded PostgreSQL does not start: ${reason}. See ${path.join(folder, 'server.log')}, or set DATABASE_URL to a database of your own.`,
  )
}

/** What matters of a log: its errors if there are any, else its end. */
function lastLines(log: string): string {
  const lines = log.trim().split('\n')
  const errors = lines.filter((line) => /FATAL|PANIC|ERROR|error:|HINT/.test(line))
  return (errors.length > 0 ? errors : lines).slice(-3).join(' ')
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM' // Someone else's, but alive.
  }
}

/** False when there is no such process. */
function signalProcess(pid: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(pid, signal)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
    throw error
  }
}

function exists(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  )
}
