// The real server as a process of its own, to be cut off, killed and started again.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { startEmbeddedPostgres } from '../../server/database/embedded.js'
import { createTestDatabase, type TestDatabase } from './database.js'
import { findLastingPort } from './free-port.js'

export interface TestServerOptions {
  /** Settings over the defaults below; with a DATABASE_URL, that is used and no database made. */
  readonly env?: Readonly<Record<string, string>>
  /** Default: a new folder, removed by `dispose`. */
  readonly dataDir?: string
  /** Default: a new folder, so that no `.env` is found. */
  readonly cwd?: string
  /** True: its own embedded PostgreSQL instead of a test database. */
  readonly embedded?: boolean
}

export interface TestServer {
  /** `http://127.0.0.1:PORT`, the same after a restart. */
  readonly url: string
  /** An API key with every scope that `API_UPLOAD_KEYS` gives. */
  readonly key: string
  readonly dataDir: string
  /** Undefined with `embedded`. */
  readonly databaseUrl: string | undefined
  /** The node process's; undefined while it isn't running. */
  readonly pid: number | undefined
  /** All it has written to stdout and stderr, across restarts. */
  logs(): string
  /** kill -9 of the node process; returns when it is gone. An embedded PostgreSQL lives on. */
  kill(): Promise<void>
  /** SIGTERM; answers the exit code (-1 when a signal ended it). */
  stop(): Promise<number>
  /** Starts it on the same port and data, killing it first if it runs; returns when it is ready. */
  restart(): Promise<void>
  /** Stops it and removes its database and folders. Every test that starts a server ends with this. */
  dispose(): Promise<void>
}

const MAIN = fileURLToPath(new URL('../../server/main.js', import.meta.url))
const KEY = 'test-key-0123456789abcdef'
const READY_TIMEOUT_MILLISECONDS = 60_000

/** Starts a server and returns when it is ready; throws with its log when it doesn't become so. */
export async function startServer(options: TestServerOptions = {}): Promise<TestServer> {
  const folder = await mkdtemp(path.join(tmpdir(), 'antipasto-server-'))
  const dataDir = options.dataDir ?? path.join(folder, 'data')
  await mkdir(dataDir, { recursive: true })
  const isDatabaseGiven = options.embedded === true || options.env?.DATABASE_URL !== undefined
  const database = isDatabaseGiven ? undefined : await createTestDatabase()
  const server = new ServerProcess(options, folder, dataDir, await findLastingPort(), database)
  try {
    await server.restart()
  } catch (error) {
    await server.dispose()
    throw error
  }
  return server
}

class ServerProcess implements TestServer {
  readonly url: string
  readonly key = KEY
  readonly dataDir: string
  readonly databaseUrl: string | undefined
  readonly #options: TestServerOptions
  readonly #folder: string
  readonly #port: number
  readonly #database: TestDatabase | undefined
  #process: ChildProcess | undefined
  #log = ''

  constructor(
    options: TestServerOptions,
    folder: string,
    dataDir: string,
    port: number,
    database: TestDatabase | undefined,
  ) {
    this.#options = options
    this.#folder = folder
    this.#port = port
    this.#database = database
    this.dataDir = dataDir
    this.databaseUrl = database?.databaseUrl ?? options.env?.DATABASE_URL
    this.url = `http://127.0.0.1:${port}`
  }

  get pid(): number | undefined {
    return this.#process?.pid
  }

  logs(): string {
    return this.#log
  }

  async kill(): Promise<void> {
    await this.#end('SIGKILL')
  }

  async stop(): Promise<number> {
    return this.#end('SIGTERM')
  }

  async restart(): Promise<void> {
    await this.kill()
    const child = spawn(process.execPath, [MAIN, 'serve'], {
      cwd: this.#options.cwd ?? this.#folder,
      env: this.#environment(),
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#process = child
    child.once('exit', () => {
      if (this.#process === child) this.#process = undefined
    })
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        this.#log += chunk.toString()
      })
    }
    await this.#waitUntilReady()
  }

  async dispose(): Promise<void> {
    await this.kill()
    if (this.#options.embedded) await (await startEmbeddedPostgres({ dataDir: this.dataDir })).stop()
    await this.#database?.drop()
    await rm(this.#folder, { recursive: true, force: true })
  }

  #environment(): NodeJS.ProcessEnv {
    return {
      PATH: process.env.PATH,
      HOME: this.#folder,
      HOST: '127.0.0.1',
      PORT: String(this.#port),
      DATA_DIR: this.dataDir,
      API_UPLOAD_KEYS: KEY,
      LOG_LEVEL: 'debug',
      ...(this.databaseUrl === undefined ? {} : { DATABASE_URL: this.databaseUrl }),
      ...this.#options.env,
    }
  }

  async #end(signal: NodeJS.Signals): Promise<number> {
    const child = this.#process
    if (!child) return 0
    // 'close' rather than 'exit': then the log is complete.
    const closed = once(child, 'close')
    child.kill(signal)
    const [exitCode] = await closed
    return typeof exitCode === 'number' ? exitCode : -1
  }

  async #waitUntilReady(): Promise<void> {
    const deadline = performance.now() + READY_TIMEOUT_MILLISECONDS
    while (this.#process && performance.now() < deadline) {
      const status = await fetch(`${this.url}/readyz`).then(
        (response) => response.status,
        () => 0,
      )
      if (status === 200) return
      await sleep(50)
    }
    throw new Error(`The server ${this.#process ? 'is not ready' : 'has ended'}:\n${this.#log}`)
  }
}
