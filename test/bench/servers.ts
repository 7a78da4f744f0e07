// Starts the three servers that are compared, each in its own process with the same V8 flags, and asks them things.

import { type ChildProcess, fork } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdir, readFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { basename, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { fileURLToPath } from 'node:url'
import type { Target } from './load-tasks.js'
import type { LoopDelay } from './probe.js'

export type ServerName = 'bare' | 'digests' | 'ours'

const API_KEY = 'benchmark-key-0123456789abcdef'
const START_LIMIT_MS = 60_000
const STOP_LIMIT_MS = 30_000

export interface BenchServer {
  readonly name: ServerName
  readonly pid: number
  readonly target: Target
  /** Everything that it writes lies under this folder. */
  readonly directory: string
  /** What the server has for an upload: SHA-256, lowercase hex. Throws when it isn't complete. */
  sha256Of(uploadPath: string): Promise<string>
  /** Where the content can be fetched without a credential. */
  downloadPath(uploadPath: string): Promise<string>
  remove(uploadPath: string): Promise<void>
  startLoopDelay(): void
  stopLoopDelay(): Promise<LoopDelay>
  /** What it has printed so far. */
  printed(): Promise<string>
  stop(): Promise<void>
}

/** Starts one server and waits until it says that it is ready. `directory` is made. */
export async function startServer(
  name: ServerName,
  directory: string,
  v8Flags: readonly string[],
): Promise<BenchServer> {
  await mkdir(directory, { recursive: true })
  const port = await freePort()
  const child =
    name === 'ours' ? forkOurs(directory, port, v8Flags) : forkStock(name, directory, port, v8Flags)
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
  return describeServer(name, directory, port, child)
}

/** Beside its folder, which is the server's own. */
function logFileOf(directory: string): string {
  return `${directory}.log`
}

function forkOurs(directory: string, port: number, v8Flags: readonly string[]): ChildProcess {
  return forkServer('../../server/main.js', ['serve'], v8Flags, {
    // Its folder, where no .env is found: the bench measures defaults.
    cwd: directory,
    env: {
      ...process.env,
      DATABASE_URL: undefined,
      PUBLIC_URL: undefined,
      STORE: undefined,
      HOST: '127.0.0.1',
      PORT: String(port),
      DATA_DIR: join(directory, 'data'),
      API_UPLOAD_KEYS: API_KEY,
      LOG_LEVEL: 'warn',
    },
  })
}

function forkStock(
  name: ServerName,
  directory: string,
  port: number,
  v8Flags: readonly string[],
): ChildProcess {
  return forkServer('./stock-server.js', [name, String(port), directory], v8Flags, {})
}

function forkServer(
  module: string,
  args: string[],
  v8Flags: readonly string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv },
): ChildProcess {
  const probe = new URL('./probe.js', import.meta.url).href
  return fork(fileURLToPath(new URL(module, import.meta.url)), args, {
    ...options,
    execArgv: [...v8Flags, '--import', probe],
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
}

function describeServer(name: ServerName, directory: string, port: number, child: ChildProcess): BenchServer {
  if (child.pid === undefined) throw new Error(`${name} has no process.`)
  const origin = `http://127.0.0.1:${port}`
  const authorization = `Bearer ${API_KEY}`
  const headers = { Authorization: authorization, 'Tus-Resumable': '1.0.0' }
  return {
    name,
    pid: child.pid,
    target: { port, authorization },
    directory,
    sha256Of: (uploadPath) => {
      if (name === 'ours') return reportedSha256(`${origin}${uploadPath}`, headers)
      return storedSha256(name, origin, directory, basename(uploadPath))
    },
    downloadPath: async (uploadPath) => {
      if (name !== 'ours') return `/sent/${basename(uploadPath)}`
      const report = await fetchJson(`${origin}${uploadPath}`, headers)
      return new URL(textOf(report, 'retrieval_url')).pathname
    },
    remove: async (uploadPath) => {
      const response = await fetch(`${origin}${uploadPath}`, { method: 'DELETE', headers })
      await response.arrayBuffer()
      if (response.status !== 204) throw new Error(`${name} answered DELETE with ${response.status}.`)
    },
    startLoopDelay: () => {
      child.send('loop-delay-start')
    },
    stopLoopDelay: async () => {
      child.send('loop-delay-stop')
      const [delay] = await once(child, 'message')
      return delay as LoopDelay // probe.ts sends nothing else.
    },
    printed: () => readFile(logFileOf(directory), 'utf8'),
    stop: () => stop(child),
  }
}

/** The report's digest, of an upload that must be ready: ours hashed the bytes as they came. */
async function reportedSha256(url: string, headers: Record<string, string>): Promise<string> {
  const report = await fetchJson(url, headers)
  if (textOf(report, 'state') !== 'ready') throw new Error(`${url} is in state ${textOf(report, 'state')}.`)
  return textOf(memberOf(report, 'checksums'), 'sha256')
}

/** The digest of the stored file; the digesting store must have found the same one. */
async function storedSha256(
  name: ServerName,
  origin: string,
  directory: string,
  id: string,
): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(join(directory, id), { highWaterMark: 1024 * 1024 }), hash)
  const sha256 = hash.digest('hex')
  if (name === 'digests' && textOf(await fetchJson(`${origin}/digests/${id}`, {}), 'sha256') !== sha256) {
    throw new Error(`The digesting store's SHA-256 is not that of its file ${id}.`)
  }
  return sha256
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

async function freePort(): Promise<number> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('The system gave no port.')
  return address.port
}

async function fetchJson(url: string, headers: Record<string, string>): Promise<unknown> {
  const response = await fetch(url, { headers })
  const text = await response.text()
  if (response.status !== 200) throw new Error(`${url} answered ${response.status}: ${text.slice(0, 500)}`)
  return JSON.parse(text)
}

function memberOf(value: unknown, member: string): unknown {
  if (typeof value !== 'object' || value === null) throw new Error(`No object to take ${member} from.`)
  return Object.entries(value).find(([name]) => name === member)?.[1]
}

function textOf(value: unknown, member: string): string {
  const text = memberOf(value, member)
  if (typeof text !== 'string') throw new Error(`The answer has no ${member}.`)
  return text
}
