// The PostgreSQL that the server brings along, for when DATABASE_URL is not set: started or adopted, guarded against a
// second server, brought back when it dies, stopped last.

import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { AppError } from '../errors.js'
import {
  type Cluster,
  DATABASE_NAME,
  newAdminClient,
  prepareCluster,
  SUPERUSER,
  startCluster,
  stopCluster,
} from './cluster.js'

export interface EmbeddedPostgresOptions {
  /** PostgreSQL lives in `<dataDir>/postgres`. */
  readonly dataDir: string
  /** A server wants it alone and refuses; a command beside a running server joins. Default: refuse. */
  readonly whenInUse?: 'refuse' | 'join'
  /** More of postgresql.conf, e.g. `{ fsync: 'off' }` for tests. */
  readonly settings?: Readonly<Record<string, string>>
  /** Told in a sentence what happens. */
  readonly log?: (message: string) => void
}

export interface EmbeddedPostgres {
  /** Stays the same while this process lives, even when PostgreSQL had to be started again. */
  readonly databaseUrl: string
  /** Fast shutdown, and waits for it. Does nothing for one that was joined. */
  stop(): Promise<void>
}

// Any number, the same in every version: it is what two servers on one data folder meet at.
const GUARD_LOCK = 4_061_986
// The connection of a server that has just been killed holds the guard a little longer.
const GUARD_WAIT_MILLISECONDS = 3_000
const RESTART_PAUSE_MILLISECONDS = 1_000

/**
 * Starts the embedded PostgreSQL, or adopts the one that a killed server left running.
 *
 * The first start on a machine takes about a second. PostgreSQL outlives this process unless `stop` is called: what was
 * committed is never lost. UNAVAILABLE: it can't be started, or another server uses this data folder; the detail says
 * what to do.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const log = options.log ?? (() => {})
  const cluster = await prepareCluster(options.dataDir, options.settings ?? {})
  const { port, isAdopted } = await startCluster(cluster)
  const guard = await takeGuard(cluster, port, options.whenInUse === 'join' ? 0 : GUARD_WAIT_MILLISECONDS)
  if (guard === undefined && options.whenInUse !== 'join') throw await inUse(cluster, port, options.dataDir)
  log(`PostgreSQL ${isAdopted ? 'was running already' : 'has started'} in ${cluster.folder}, port ${port}`)
  await createDatabase(cluster, port)
  const databaseUrl = `postgresql://${SUPERUSER}:${cluster.password}@127.0.0.1:${port}/${DATABASE_NAME}`
  if (guard === undefined) return { databaseUrl, stop: async () => {} }
  const supervisor = new Supervisor(cluster, port, guard, log)
  return { databaseUrl, stop: () => supervisor.stop() }
}

/** Holds the guard's connection; when that ends and nobody asked, PostgreSQL has died and is started again. */
class Supervisor {
  readonly #cluster: Cluster
  readonly #port: number
  readonly #log: (message: string) => void
  readonly #stopping = new AbortController()
  #guard: pg.Client | undefined
  #restart: Promise<void> = Promise.resolve()

  constructor(cluster: Cluster, port: number, guard: pg.Client, log: (message: string) => void) {
    this.#cluster = cluster
    this.#port = port
    this.#log = log
    this.#watch(guard)
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#restart
    await this.#guard?.end().catch(() => {})
    await stopCluster(this.#cluster)
  }

  #watch(guard: pg.Client): void {
    this.#guard = guard
    guard.once('end', () => {
      this.#guard = undefined
      if (this.#stopping.signal.aborted) return
      this.#log('PostgreSQL has gone away; starting it again')
      this.#restart = this.#startAgain()
    })
  }

  async #startAgain(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      try {
        const { port } = await startCluster(this.#cluster)
        if (port !== this.#port) {
          // Everyone here holds a URL with the old port. Give the new server up, and hope for the old port.
          await stopCluster(this.#cluster)
          throw new AppError('UNAVAILABLE', `Port ${this.#port} was taken meanwhile.`)
        }
        const guard = await takeGuard(this.#cluster, port, GUARD_WAIT_MILLISECONDS)
        if (guard === undefined)
          throw new AppError('UNAVAILABLE', 'Another server uses this data folder now.')
        this.#watch(guard)
        this.#log('PostgreSQL is back')
        return
      } catch (error) {
        this.#log(`PostgreSQL is not back yet: ${error instanceof AppError ? error.detail : String(error)}`)
        await sleep(RESTART_PAUSE_MILLISECONDS, undefined, { signal: this.#stopping.signal }).catch(() => {})
      }
    }
  }
}

/** The connection that holds the guard as long as it lives; undefined when another server's does. */
async function takeGuard(
  cluster: Cluster,
  port: number,
  waitMilliseconds: number,
): Promise<pg.Client | undefined> {
  const client = newAdminClient(cluster, port)
  await client.connect()
  const deadline = performance.now() + waitMilliseconds
  for (;;) {
    const { rows } = await client.query<{ taken: boolean }>('SELECT pg_try_advisory_lock($1) AS taken', [
      GUARD_LOCK,
    ])
    if (rows[0]?.taken) return client
    if (performance.now() > deadline) break
    await sleep(50)
  }
  await client.end()
  return undefined
}

async function inUse(cluster: Cluster, port: number, dataDir: string): Promise<AppError> {
  const client = newAdminClient(cluster, port)
  await client.connect()
  const { rows } = await client.query<{ name: string }>(
    `SELECT application_name AS name FROM pg_stat_activity JOIN pg_locks USING (pid)
     WHERE locktype = 'advisory' AND classid = 0 AND objid = $1 AND granted`,
    [GUARD_LOCK],
  )
  await client.end()
  return new AppError(
    'UNAVAILABLE',
    `Another server (process ${rows[0]?.name.replace('antipasto ', '') ?? 'unknown'}) uses ${dataDir}. ` +
      'Stop it first, or give this one another DATA_DIR.',
  )
}

async function createDatabase(cluster: Cluster, port: number): Promise<void> {
  const client = newAdminClient(cluster, port)
  await client.connect()
  try {
    const { rowCount } = await client.query('SELECT FROM pg_database WHERE datname = $1', [DATABASE_NAME])
    if (rowCount === 0) await client.query(`CREATE DATABASE ${pg.escapeIdentifier(DATABASE_NAME)}`)
  } catch (error) {
    const isMadeMeanwhile = error instanceof pg.DatabaseError && ['42P04', '23505'].includes(error.code ?? '')
    if (!isMadeMeanwhile) throw error
  } finally {
    await client.end()
  }
}
