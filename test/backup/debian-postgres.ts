// Debian's PostgreSQL, of an older major version than the one that antipasto brings: a cluster of its own in a folder that looks
// as the embedded one's.

import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, chown, mkdir, open, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import pg from 'pg'
import { findUnprivilegedUser } from '../../server/database/system-user.js'
import { findLastingPort } from '../support/free-port.js'
import { findDebianPostgres } from './programs.js'

const PASSWORD = 'of-a-test'
const USER = 'antipasto'

export interface DebianPostgres {
  /** e.g. 15 */
  readonly major: number
  urlOf(database: string): string
  /** A new database, empty. @returns its URL */
  createDatabase(name: string): Promise<string>
  /** Fast shutdown; the folder stays. */
  stop(): Promise<void>
  /** On the same port and folder, after `stop`. */
  start(): Promise<void>
}

/** @param folder becomes `<folder>/data`, `<folder>/password` and `<folder>/port`, and is opened to PostgreSQL's user */
export async function startDebianPostgres(folder: string): Promise<DebianPostgres> {
  const programs = findDebianPostgres()
  if (programs === undefined) throw new Error('There is no PostgreSQL of Debian.')
  const user = await findUnprivilegedUser()
  const dataFolder = path.join(folder, 'data')
  const passwordFile = path.join(folder, 'password')
  await mkdir(dataFolder, { recursive: true, mode: 0o700 })
  await writeFile(passwordFile, PASSWORD, { mode: 0o600 })
  if (user !== undefined) {
    await chown(dataFolder, user.uid, user.gid)
    await chown(passwordFile, user.uid, user.gid)
    // Up to the folder for temporary files, which is everybody's.
    for (let at = folder; path.dirname(at) !== at && !at.endsWith('/tmp'); at = path.dirname(at))
      await chmod(at, 0o755)
  }
  const at = { cwd: dataFolder, env: { LC_ALL: 'C' }, ...user }
  await promisify(execFile)(
    `${programs}/initdb`,
    [
      '-D',
      dataFolder,
      '-U',
      USER,
      '-A',
      'scram-sha-256',
      `--pwfile=${passwordFile}`,
      '-E',
      'UTF8',
      '--locale=C',
      '-N',
    ],
    at,
  )
  const port = await findLastingPort()
  await writeFile(path.join(folder, 'port'), `${port}\n`)
  const settings = { port, listen_addresses: '127.0.0.1', unix_socket_directories: '', fsync: 'off' }
  const urlOf = (database: string) => `postgresql://${USER}:${PASSWORD}@127.0.0.1:${port}/${database}`
  let child: ChildProcess | undefined
  const start = async () => {
    const log = await open(path.join(folder, 'server.log'), 'a')
    const args = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
    child = spawn(`${programs}/postgres`, ['-D', dataFolder, ...args], {
      ...at,
      stdio: ['ignore', log.fd, log.fd],
    })
    child.once('exit', () => {
      child = undefined
    })
    await log.close()
    await whenReady(urlOf('postgres'), () => child === undefined)
  }
  await start()
  return {
    major: Number(path.basename(path.dirname(programs))),
    urlOf,
    async createDatabase(name) {
      await query(urlOf('postgres'), `CREATE DATABASE ${name}`)
      return urlOf(name)
    },
    start,
    async stop() {
      if (child === undefined) return
      const exit = once(child, 'exit')
      child.kill('SIGINT')
      await exit
    },
  }
}

async function query(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => {})
  try {
    await client.connect()
    await client.query(sql)
  } finally {
    await client.end().catch(() => {})
  }
}

async function whenReady(url: string, hasEnded: () => boolean): Promise<void> {
  const deadline = performance.now() + 60_000
  for (;;) {
    try {
      await query(url, 'SELECT 1')
      return
    } catch (error) {
      if (hasEnded() || performance.now() > deadline) throw error
      await sleep(50)
    }
  }
}
