// Starts the servers that are compared, each in its own process with the same V8 flags.

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { chmod, mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startEmbeddedPostgres } from '../../server/database/embedded.js'
import { findFreePort } from '../support/free-port.js'
import { type Holdings, localHoldings, s3Holdings } from './holdings.js'
import type { Target } from './load-tasks.js'
import type { LoopDelay, ProbeAnswer, ProbeQuestion } from './probe.js'
import type { ProfileFolder } from './profile/folder.js'
import type { S3Place } from './s3-place.js'

export type ServerName = 'bare' | 'digests' | 'ours'

const API_KEY = 'benchmark-key-0123456789abcdef'
const START_LIMIT_MS = 60_000
const STOP_LIMIT_MS = 30_000
/** What whoever runs the bench may have set for a server of their own. */
const SETTINGS_LEFT_OUT = [
  'DATABASE_URL',
  'PUBLIC_URL',
  'STORE',
  'S3_FORCE_PATH_STYLE',
  'S3_CHECKSUMS',
  'S3_BUFFER_BYTES',
  'RETRIEVAL_MODE',
  'AWS_SESSION_TOKEN',
  'AWS_PROFILE',
]

export interface ServerOptions {
  /** Made; everything that the server keeps lies under it, or on S3. */
  readonly directory: string
  readonly v8Flags: readonly string[]
  /** Null: it stores in its directory. */
  readonly place: S3Place | null
  /** For ours: another database than its embedded one. */
  readonly databaseUrl?: string
  /** Where `profiled` leaves what it saw. */
  readonly profiles?: ProfileFolder | undefined
}

export interface BenchServer extends Holdings {
  readonly name: ServerName
  readonly pid: number
  readonly target: Target
  readonly directory: string
  /** Its TMPDIR, that nobody else has. */
  readonly tempDirectory: string
  startLoopDelay(): void
  stopLoopDelay(): Promise<LoopDelay>
  /** Runs `work`, under a CPU profile when the bench takes any. */
  profiled<T>(work: () => Promise<T>): Promise<T>
  /** What it has printed so far. */
  printed(): Promise<string>
  stop(): Promise<void>
}

/** Starts one server and waits until it says that it is ready. */
export async function startServer(name: ServerName, options: ServerOptions): Promise<BenchServer> {
  const { directory } = options
  await mkdir(directory, { recursive: true })
  const tempDirectory = `${directory}-tmp`
  await mkdir(tempDirectory, { recursive: true })
  // As every temporary folder: the embedded PostgreSQL may run as another user.
  await chmod(tempDirectory, 0o1777)
  const port = await findFreePort()
  const child = name === 'ours' ? forkOurs(port, options) : forkStock(name, port, options)
  // A question to a server that was stopped: the bench is ending.
  child.on('error', () => {})
  const log = createWriteStream(logFileOf(directory))
  child.stdout?.pipe(log)
  child.stderr?.pipe(log, { end: false })
  try {
    await waitUntilReady(child, port)
  } catch (error) {
    await stop(child)
    throw new Error(`${name} did not start:\n${await readFile(logFileOf(directory), 'utf8')}`, {
      cause: error,
    })
  }
  return describeServer(name, port, child, { ...options, tempDirectory })
}

/** A second one of ours beside `first`, on its database and its bucket. Stop it before the first. */
export async function startPeer(first: BenchServer, options: ServerOptions): Promise<BenchServer> {
  const dataDir = dataDirOf(first.directory)
  const { databaseUrl } = await startEmbeddedPostgres({ dataDir, whenInUse: 'join' })
  return startServer('ours', { ...options, databaseUrl })
}

/** Beside its folder, which is the server's own. */
function logFileOf(directory: string): string {
  return `${directory}.log`
}

function dataDirOf(directory: string): string {
  return join(directory, 'data')
}

function forkOurs(port: number, options: ServerOptions): ChildProcess {
  const environment = {
    DATABASE_URL: options.databaseUrl,
    HOST: '127.0.0.1',
    PORT: String(port),
    DATA_DIR: dataDirOf(options.directory),
    API_UPLOAD_KEYS: API_KEY,
    LOG_LEVEL: 'warn',
  }
  return forkServer('../../server/main.js', ['serve'], options, environment)
}

function forkStock(name: ServerName, port: number, options: ServerOptions): ChildProcess {
  return forkServer('./stock-server.js', [name, String(port), options.directory], options, {})
}

function forkServer(
  module: string,
  args: string[],
  { directory, v8Flags, place }: ServerOptions,
  environment: NodeJS.ProcessEnv,
): ChildProcess {
  const probe = new URL('./probe.js', import.meta.url).href
  return fork(fileURLToPath(new URL(module, import.meta.url)), args, {
    // Its folder, where no .env is found: the bench measures defaults.
    cwd: directory,
    env: {
      ...process.env,
      ...Object.fromEntries(SETTINGS_LEFT_OUT.map((name) => [name, undefined])),
      ...environment,
      ...place?.environment,
      TMPDIR: `${directory}-tmp`,
    },
    execArgv: [...v8Flags, '--import', probe],
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
}

function describeServer(
  name: ServerName,
  port: number,
  child: ChildProcess,
  { directory, tempDirectory, place, profiles }: ServerOptions & { tempDirectory: string },
): BenchServer {
  if (child.pid === undefined) throw new Error(`${name} has no process.`)
  const tell = (question: ProbeQuestion) => child.send(question)
  const ask = async (question: ProbeQuestion): Promise<ProbeAnswer> => {
    const answer = once(child, 'message')
    tell(question)
    const [message] = await answer
    return message as ProbeAnswer // probe.ts sends nothing else.
  }
  const authorization = `Bearer ${API_KEY}`
  const headers = { Authorization: authorization, 'Tus-Resumable': '1.0.0' }
  const owner = { name, origin: `http://127.0.0.1:${port}`, headers }
  return {
    ...(place === null ? localHoldings(owner, directory) : s3Holdings(owner, place)),
    name,
    pid: child.pid,
    target: { port, authorization },
    directory,
    tempDirectory,
    startLoopDelay: () => {
      tell({ kind: 'loop-delay-start' })
    },
    stopLoopDelay: async () => {
      const answer = await ask({ kind: 'loop-delay-stop' })
      if ('loopDelay' in answer) return answer.loopDelay
      throw new Error(`${name} did not tell its loop's delay: ${JSON.stringify(answer)}`)
    },
    profiled: async (work) => {
      if (profiles === undefined) return work()
      await ask({ kind: 'profile-start' })
      const result = await work()
      const answer = await ask({ kind: 'profile-stop', prefix: profiles.prefixFor(name) })
      if (!('profileFiles' in answer)) throw new Error(`${name} has no profile: ${JSON.stringify(answer)}`)
      profiles.add(name, answer.profileFiles)
      return result
    },
    printed: () => readFile(logFileOf(directory), 'utf8'),
    stop: () => stop(child),
  }
}

async function waitUntilReady(child: ChildProcess, port: number): Promise<void> {
  const giveUpAtMs = performance.now() + START_LIMIT_MS
  while (performance.now() < giveUpAtMs) {
    if (child.exitCode !== null || child.signalCode !== null) throw new Error('The process ended.')
    const response = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined)
    await response?.arrayBuffer()
    if (response?.status === 200) return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error(`Not ready within ${START_LIMIT_MS} ms.`)
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGTERM')
  const tooLong = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT_MS)
  await exited
  clearTimeout(tooLong)
}
