// A PostgreSQL of the stage's own, as the embedded one runs, to be stopped and starved.

import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type Cluster,
  newAdminClient,
  prepareCluster,
  SUPERUSER,
  startCluster,
  stopCluster,
} from '../../../server/database/cluster.js'
import { migrateDatabase } from '../../../server/database/migrate.js'
import { findLastingPort } from '../../support/free-port.js'
import { killAll } from '../../support/kill.js'
import { processesIn } from '../../support/postgres.js'
import type { Place, Postgres, SmallDisk } from './stage.js'

const SETTINGS = {
  max_connections: '100',
  shared_buffers: '64MB',
  // The disk is small.
  min_wal_size: '32MB',
  max_wal_size: '64MB',
}
const START_TIMEOUT_MS = 60_000
const START_PAUSE_MS = 200
/** Migrated and empty; the others are copies of it. */
const TEMPLATE = 'pristine'
const PLACES: readonly Place[] = ['cluster', 'disk']

export interface StagedPostgres extends Postgres {
  /** `http://127.0.0.1:PORT`, for lines. */
  readonly origin: string
  databaseUrl(place: Place): string
  /** Both databases as new; ends who uses them. */
  renewDatabases(): Promise<void>
  /** kill -9. */
  destroy(): Promise<void>
}

/** @param dataDir on `disk`, where there is one */
export async function startStagedPostgres(
  dataDir: string,
  disk: SmallDisk | undefined,
): Promise<StagedPostgres> {
  const cluster = await prepareCluster(dataDir, SETTINGS)
  const port = await findLastingPort()
  // Where startCluster looks for the port to take.
  await writeFile(path.join(cluster.folder, 'port'), `${port}\n`)
  await start(cluster, port)

  const urlOf = (database: string) =>
    `postgresql://${SUPERUSER}:${cluster.password}@127.0.0.1:${port}/${database}`
  await query(cluster, port, [`CREATE DATABASE ${TEMPLATE}`])
  await migrateDatabase(urlOf(TEMPLATE))
  const renewDatabases = () =>
    query(
      cluster,
      port,
      PLACES.flatMap((place) => [
        `DROP DATABASE IF EXISTS ${place} WITH (FORCE)`,
        `CREATE DATABASE ${place} TEMPLATE ${TEMPLATE}`,
      ]),
    )
  await renewDatabases()

  return {
    origin: `http://127.0.0.1:${port}`,
    disk,
    databaseUrl: urlOf,
    renewDatabases,
    stopFast: () => stopCluster(cluster),
    async stopImmediately() {
      for (const pid of await processesIn(cluster.dataFolder)) quit(pid)
      while ((await processesIn(cluster.dataFolder)).length > 0) await sleep(20)
    },
    start: () => start(cluster, port),
    destroy: () => killAll(() => processesIn(cluster.dataFolder)),
  }
}

/** Tries for a while: after a full disk, recovery may end once more before it finds its room. */
async function start(cluster: Cluster, port: number): Promise<void> {
  const deadline = performance.now() + START_TIMEOUT_MS
  for (;;) {
    try {
      const running = await startCluster(cluster)
      if (running.port === port) return
      // Somebody had it while PostgreSQL was away; the lines lead there, so it is waited for.
      await stopCluster(cluster)
      await writeFile(path.join(cluster.folder, 'port'), `${port}\n`)
      throw new Error(`PostgreSQL has taken port ${running.port}, not ${port}.`)
    } catch (error) {
      if (performance.now() > deadline) throw error
      await sleep(START_PAUSE_MS)
    }
  }
}

async function query(cluster: Cluster, port: number, statements: readonly string[]): Promise<void> {
  const client = newAdminClient(cluster, port)
  await client.connect()
  try {
    for (const statement of statements) await client.query(statement)
  } finally {
    await client.end()
  }
}

/** SIGQUIT, PostgreSQL's immediate shutdown; one that ended by itself a moment before is as well. */
function quit(pid: number): void {
  try {
    process.kill(pid, 'SIGQUIT')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
