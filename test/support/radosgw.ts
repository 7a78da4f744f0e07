// A real S3 server for a test run, or for one test: a throwaway Ceph of one monitor, one OSD that keeps objects in memory
// and the gateway, on loopback only. Up in 1.5 s; about 150 MB besides the objects.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, open, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { cephConfiguration } from './ceph-configuration.js'
import { findLastingPort } from './free-port.js'
import { killAll } from './kill.js'
import type { S3Server } from './s3-bucket.js'

export interface Radosgw extends S3Server {
  /**
   * kill -9 of the gateway; returns when it is gone. What it has acknowledged lives on. For 3 s from then on, making and
   * removing a bucket waits.
   */
  killGateway(): Promise<void>
  /** Starts a gateway on the same port; returns when it answers, some 0.2 s later. */
  startGateway(): Promise<void>
  /** Another user, who owns nothing and may do nothing yet. */
  addUser(uid: string, keys: Pick<S3Server, 'accessKey' | 'secretKey'>): Promise<void>
  /** Ends all of it and removes its folder; idempotent. */
  stop(): Promise<void>
}

const PROGRAMS = ['monmaptool', 'ceph', 'ceph-mon', 'ceph-osd', 'radosgw', 'radosgw-admin']
const CREDENTIALS = { accessKey: 'testkey', secretKey: 'testsecret' }
const READY_TIMEOUT_MILLISECONDS = 60_000
const FOLDER_NAME = /^antipasto-s3-(\d+)-/

/** Why `startRadosgw` can't work here; undefined when it can. */
export function whyNoRadosgw(): string | undefined {
  const folders = (process.env.PATH ?? '').split(path.delimiter)
  const missing = PROGRAMS.filter((name) => !folders.some((folder) => existsSync(path.join(folder, name))))
  if (missing.length === 0) return undefined
  return `no ${missing.join(', ')} (Debian: radosgw ceph-mon ceph-osd ceph-common)`
}

let started = 0

/** Starts a server with nothing in it; throws with its logs when it doesn't come up. */
export async function startRadosgw(): Promise<Radosgw> {
  started += 1
  const folder = path.join(tmpdir(), `antipasto-s3-${process.pid}-${started}-${Date.now()}`)
  const port = await findLastingPort()
  const endpoint = `http://127.0.0.1:${port}`
  const server: Radosgw = {
    endpoint,
    region: 'us-east-1',
    ...CREDENTIALS,
    killGateway: () => kill(folder, 'radosgw'),
    startGateway: () => startGateway(folder, endpoint),
    addUser: (uid, keys) => addUser(folder, uid, keys),
    stop: () => remove(folder),
  }
  try {
    await startCluster(folder, port)
    await server.startGateway()
    await addUser(folder, 'test', CREDENTIALS)
    return server
  } catch (error) {
    const logs = await readLogs(folder)
    await server.stop()
    throw new Error(`Ceph doesn't start.\n${logs}`, { cause: error })
  }
}

/** Stops and removes the servers that runs which are no more, and processes that were killed, have left behind. */
export async function removeLeftRadosgws(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const pid = FOLDER_NAME.exec(name)?.[1]
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) await remove(path.join(tmpdir(), name))
  }
}

async function startCluster(folder: string, gatewayPort: number): Promise<void> {
  for (const name of ['mon', 'osd', 'rgw', 'log']) await mkdir(path.join(folder, name), { recursive: true })
  const monitorPort = await findLastingPort()
  await writeFile(configurationOf(folder), cephConfiguration({ folder, gatewayPort, monitorPort }))
  const monitorMap = path.join(folder, 'monitor-map')
  await run(folder, 'monmaptool', ['--create', '--addv', 'a', `[v2:127.0.0.1:${monitorPort}]`, monitorMap])
  await run(folder, 'ceph-mon', ['--mkfs', '-i', 'a', '--monmap', monitorMap])
  await startDaemon(folder, 'ceph-mon', ['-i', 'a'])
  // Waits until the monitor answers.
  await run(folder, 'ceph', ['osd', 'create'])
  await run(folder, 'ceph-osd', ['-i', '0', '--mkfs'])
  await startDaemon(folder, 'ceph-osd', ['-i', '0'])
}

async function startGateway(folder: string, endpoint: string): Promise<void> {
  const gateway = await startDaemon(folder, 'radosgw', ['-n', 'client.rgw'])
  const deadline = performance.now() + READY_TIMEOUT_MILLISECONDS
  while (performance.now() < deadline) {
    const status = await fetch(endpoint).then(
      (response) => response.status,
      () => 0,
    )
    if (status === 200) return
    if (gateway.exitCode !== null || gateway.signalCode !== null) throw new Error('The gateway has ended.')
    await sleep(20)
  }
  throw new Error('The gateway is not ready.')
}

async function addUser(
  folder: string,
  uid: string,
  { accessKey, secretKey }: Pick<S3Server, 'accessKey' | 'secretKey'>,
): Promise<void> {
  await run(folder, 'radosgw-admin', [
    'user',
    'create',
    `--uid=${uid}`,
    `--display-name=${uid}`,
    `--access-key=${accessKey}`,
    `--secret-key=${secretKey}`,
  ])
}

function configurationOf(folder: string): string {
  return path.join(folder, 'ceph.conf')
}

/** Runs a program of Ceph's to its end; throws with what it said when it fails. */
async function run(folder: string, program: string, args: readonly string[]): Promise<void> {
  const child = spawn(program, ['-c', configurationOf(folder), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: READY_TIMEOUT_MILLISECONDS,
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString()
    })
  }
  const [exitCode] = await once(child, 'close')
  if (exitCode !== 0) throw new Error(`${program} ${args.join(' ')}: ${output}`)
}

/** Starts a daemon that outlives this process: a run that is killed is cleaned up by the next one. */
async function startDaemon(folder: string, program: string, args: readonly string[]): Promise<ChildProcess> {
  const log = await open(path.join(folder, 'log', `${program}.err`), 'a')
  const child = spawn(program, ['-c', configurationOf(folder), ...args, '-f'], {
    detached: true,
    stdio: ['ignore', log.fd, log.fd],
  })
  child.unref()
  await once(child, 'spawn').finally(() => log.close())
  return child
}

/** The pids of a server's daemons, of all or of one program; they are known by the configuration that they were started with. */
async function daemonsOf(folder: string, program?: string): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const commands = await Promise.all(
    pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')),
  )
  return pids
    .filter((_, i) => {
      const [name, ...args] = (commands[i] ?? '').split('\0')
      return (program === undefined || name === program) && args.includes(configurationOf(folder))
    })
    .map(Number)
}

/** kill -9; returns when they are gone. */
function kill(folder: string, program?: string): Promise<void> {
  return killAll(() => daemonsOf(folder, program))
}

async function remove(folder: string): Promise<void> {
  await kill(folder)
  await rm(folder, { recursive: true, force: true })
}

async function readLogs(folder: string): Promise<string> {
  const logs = path.join(folder, 'log')
  const names = await readdir(logs).catch(() => [])
  const tails = await Promise.all(
    names.map(async (name) => `${name}:\n${(await readFile(path.join(logs, name), 'utf8')).slice(-2000)}`),
  )
  return tails.join('\n')
}
