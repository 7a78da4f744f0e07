// Builds the stage, and takes it down.

import { chmod, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { originAt, startNginx } from '../../deploy/nginx.js'
import { findLastingPort } from '../../support/free-port.js'
import { type Radosgw, removeLeftRadosgws, startRadosgw } from '../../support/radosgw.js'
import { createBucketOn } from '../../support/s3-bucket.js'
import { type S3Proxy, startS3Proxy } from '../../support/s3-proxy.js'
import { startServer } from '../../support/server.js'
import { Closers } from './closers.js'
import { findFaketime, newFakedClock, removeLeftFaketime } from './faked-clock.js'
import { removeLeftStages, STAGE_FOLDER_START } from './left-stages.js'
import { type OwnedLine, startLine } from './line.js'
import { type MountedDisk, mountSmallDisk } from './small-disk.js'
import type { Gateway, InstanceName, Need, Place, Stage } from './stage.js'
import { StagedInstance, waitUntilOk } from './staged-instance.js'
import { startStagedPostgres } from './staged-postgres.js'
import { runSweepProcess } from './sweep-process.js'

export interface StageOptions {
  /** Settings of all instances, over those below. */
  readonly env?: Readonly<Record<string, string>>
  /** Told in a line what happens beside what was asked for. */
  readonly log?: (line: string) => void
}

const NAMES: readonly InstanceName[] = ['a', 'b', 'disk']
const POSTGRES_DISK_MEBIBYTES = 512
const STORE_DISK_MEBIBYTES = 192
const MEND_TIMEOUT_MS = 60_000
const SETTINGS = {
  SWEEP_CRON: '*/4 * * * * *',
  LOG_LEVEL: 'info',
  // The disk is to be really full.
  MIN_FREE_BYTES: '0',
  // nginx, as in docker-compose.yml.
  TRUST_PROXY: '1',
}

/** All of it, ready; some 5 s. Throws when a part of it can't be had, and leaves nothing behind then. */
export async function startStage({ env = {}, log = () => {} }: StageOptions = {}): Promise<Stage> {
  const closers = new Closers()
  try {
    await Promise.all([removeLeftStages(), removeLeftRadosgws()])
    closers.add(removeLeftFaketime)
    const folder = await mkdtemp(STAGE_FOLDER_START)
    closers.add(() => rm(folder, { recursive: true, force: true }))
    // PostgreSQL runs as another user, and has to find its way.
    await chmod(folder, 0o755)
    return await build({ folder, env, log, closers })
  } catch (error) {
    await closers.closeAll()
    throw error
  }
}

interface Ground {
  readonly folder: string
  readonly env: Readonly<Record<string, string>>
  readonly log: (line: string) => void
  readonly closers: Closers
}

async function build({ folder, env, log, closers }: Ground): Promise<Stage> {
  const missing = new Map<Need, string>()
  if (findFaketime() === undefined) missing.set('clock-step', 'no libfaketime (Debian: libfaketime)')

  async function newDisk(place: string, sizeMebibytes: number): Promise<MountedDisk | undefined> {
    await mkdir(place, { recursive: true })
    const disk = await mountSmallDisk(place, sizeMebibytes)
    if (typeof disk === 'string') missing.set('full-disk', disk)
    else closers.add(() => disk.unmount())
    return typeof disk === 'string' ? undefined : disk
  }
  const postgresFolder = path.join(folder, 'postgres-disk')
  const storeFolder = path.join(folder, 'disk', 'store')
  const postgresDisk = await newDisk(postgresFolder, POSTGRES_DISK_MEBIBYTES)
  const storeDisk = await newDisk(storeFolder, STORE_DISK_MEBIBYTES)

  const [postgres, radosgw] = await together([
    async () => {
      const started = await startStagedPostgres(postgresFolder, postgresDisk)
      closers.add(() => started.destroy())
      return started
    },
    async () => {
      const started = await startRadosgw()
      closers.add(() => started.stop())
      return started
    },
  ])
  const bucket = await createBucketOn(radosgw)
  closers.add(async () => bucket.client.destroy())
  const gateway = gatewayOf(radosgw)

  const nginxPort = await findLastingPort()
  const clusterUrl = originAt(nginxPort)

  /** Of the store and the database, past every line. */
  function settingsOf(place: Place): Record<string, string> {
    const own =
      place === 'cluster'
        ? { ...bucket.env(), PUBLIC_URL: clusterUrl }
        : { STORE: 'local', DATA_DIR: path.join(folder, 'disk') }
    return { ...SETTINGS, ...env, ...own, DATABASE_URL: postgres.databaseUrl(place) }
  }

  async function lineTo(origin: string): Promise<OwnedLine> {
    const line = await startLine(origin)
    closers.add(() => line.close())
    return line
  }

  async function startInstance(name: InstanceName): Promise<StagedInstance> {
    const place: Place = name === 'disk' ? 'disk' : 'cluster'
    const databaseLine = await lineTo(postgres.origin)
    const clock = await newFakedClock(path.join(folder, `clock-of-${name}`))
    let s3: S3Proxy | undefined
    if (place === 'cluster') {
      s3 = await startS3Proxy(bucket.endpoint)
      closers.add(s3.close)
    }
    const cwd = path.join(folder, `home-of-${name}`)
    await mkdir(cwd)
    const server = await startServer({
      cwd,
      ...(place === 'disk' ? { dataDir: path.join(folder, 'disk') } : {}),
      env: {
        ...settingsOf(place),
        ...clock.env,
        ...(s3 === undefined ? {} : { S3_ENDPOINT: s3.url }),
        DATABASE_URL: through(databaseLine.url, postgres.databaseUrl(place)),
      },
    })
    const instance = new StagedInstance({ name, server, databaseLine, s3, clock, log })
    closers.add(() => instance.dispose())
    return instance
  }
  const [a, b, disk] = await together([
    () => startInstance('a'),
    () => startInstance('b'),
    () => startInstance('disk'),
  ])
  const instances: Record<InstanceName, StagedInstance> = { a, b, disk }
  const every = <T>(act: (instance: StagedInstance) => Promise<T>) =>
    Promise.all(NAMES.map((name) => act(instances[name])))

  const nginx = await startNginx(nginxPort, [a.url, b.url])
  closers.add(() => nginx.dispose())
  const lines: OwnedLine[] = []

  /** Everything but the instances' processes. */
  async function mendGround(): Promise<void> {
    await Promise.all([postgresDisk?.free(), storeDisk?.free()])
    for (const line of lines) line.mend()
    await every(async (instance) => {
      instance.databaseLine.mend()
      instance.s3?.reset()
      await instance.setClock(0)
    })
    await Promise.all([postgres.start(), gateway.start()])
  }

  async function mend(timeoutMs = MEND_TIMEOUT_MS): Promise<void> {
    await mendGround()
    await every(async (instance) => {
      await instance.thaw()
      try {
        if (instance.isDown)
          await Promise.race([instance.start(), sleep(timeoutMs, undefined, { ref: false })])
        await waitUntilOk(`${instance.url}/readyz`, timeoutMs)
      } catch (error) {
        throw new Error(`${instance.name}: ${String(error)}\n${instance.logs().slice(-4_000)}`, {
          cause: error,
        })
      }
    })
    await waitUntilOk(`${clusterUrl}/readyz`, timeoutMs)
  }

  return {
    cluster: {
      url: clusterUrl,
      key: a.key,
      databaseUrl: postgres.databaseUrl('cluster'),
      storeFolder: undefined,
    },
    disk: { url: disk.url, key: disk.key, databaseUrl: postgres.databaseUrl('disk'), storeFolder },
    instances,
    bucket,
    gateway,
    postgres,
    storeDisk,
    lines,
    missing,
    async newLine(place) {
      const line = await lineTo(place === 'cluster' ? clusterUrl : disk.url)
      lines.push(line)
      return line
    },
    sweep: (place, options) =>
      runSweepProcess({ DATA_DIR: path.join(folder, 'sweep'), ...settingsOf(place) }, folder, options),
    mend,
    async renew() {
      await every((instance) => instance.kill())
      await mendGround()
      await Promise.all([postgres.renewDatabases(), bucket.empty(), emptyFolder(storeFolder)])
      for (const name of NAMES) instances[name].forget()
      await every((instance) => instance.start())
      await mend()
      for (const name of NAMES) instances[name].forget()
    },
    dispose: () => closers.closeAll(),
  }
}

/** A second start, while one runs, is none. */
function gatewayOf(radosgw: Radosgw): Gateway {
  let isUp = true
  return {
    async kill() {
      isUp = false
      await radosgw.killGateway()
    },
    async start() {
      if (isUp) return
      isUp = true
      await radosgw.startGateway()
    },
  }
}

/** All of them, when all have settled: what has been started then has its closer, whatever failed. */
async function together<T extends readonly unknown[]>(
  starts: {
    readonly [Index in keyof T]: () => Promise<T[Index]>
  },
): Promise<T> {
  const outcomes = await Promise.allSettled(starts.map((start) => start()))
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
  // None was rejected, so these are the values in the order of `starts`.
  return outcomes.map((outcome) => (outcome as PromiseFulfilledResult<unknown>).value) as unknown as T
}

/** The database at `databaseUrl`, by way of `lineUrl`. */
function through(lineUrl: string, databaseUrl: string): string {
  return Object.assign(new URL(databaseUrl), { host: new URL(lineUrl).host }).href
}

async function emptyFolder(folder: string): Promise<void> {
  for (const name of await readdir(folder))
    await rm(path.join(folder, name), { recursive: true, force: true })
}
