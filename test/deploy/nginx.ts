// A real nginx with the configuration of docker-compose.yml, in front of servers on this machine.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { chown, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import net from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { readCompose } from './compose-file.js'

/** Nobody, on Debian. The configuration has to do without root. */
const USER_ID = 65_534

const READY_TIMEOUT_MILLISECONDS = 60_000

export interface Nginx {
  readonly url: string
  /** What it has written to stderr. */
  logs(): string
  /** Every file in its folders for bodies that are on their way; empty when all of them pass straight through. */
  spooled(): Promise<string[]>
  dispose(): Promise<void>
}

/** Its program; undefined where there is none. */
export function findNginx(): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(path.delimiter), '/usr/sbin', '/usr/local/sbin']
  return folders.map((folder) => path.join(folder, 'nginx')).find(existsSync)
}

/** nginx as docker-compose.yml configures it, at `port`, in front of these two origins. */
export function startNginx(port: number, instances: readonly [string, string]): Promise<Nginx> {
  return startNginxWith(port, (folder) => configurationFor(instances, port, folder))
}

/**
 * nginx with the configuration that `configure` makes for its folder, which listens at `port`. Returns when it does; throws with
 * its log when it refuses the configuration.
 */
export async function startNginxWith(port: number, configure: (folder: string) => string): Promise<Nginx> {
  const folder = await mkdtemp(path.join(tmpdir(), 'antipasto-nginx-'))
  const isRoot = process.getuid?.() === 0
  const user = isRoot ? { uid: USER_ID, gid: USER_ID } : {}
  if (isRoot) await chown(folder, USER_ID, USER_ID)
  const file = path.join(folder, 'nginx.conf')
  await writeFile(file, configure(folder))

  const program = findNginx() ?? 'nginx'
  const args = ['-c', file, '-p', folder, '-e', 'stderr', '-g', 'daemon off;']
  const checked = spawnSync(program, [...args, '-t'], { ...user, encoding: 'utf8' })
  if (checked.status !== 0) {
    await rm(folder, { recursive: true })
    throw new Error(`nginx refuses its configuration:\n${checked.stderr}`)
  }
  const child = spawn(program, args, { ...user, stdio: ['ignore', 'ignore', 'pipe'] })
  let log = ''
  child.stderr.on('data', (chunk: Buffer) => {
    log += chunk.toString()
  })
  const dispose = async () => {
    await end(child)
    await rm(folder, { recursive: true, force: true })
  }
  try {
    await waitUntilListening(child, port)
  } catch (error) {
    await dispose()
    throw new Error(`nginx has not started:\n${log}`, { cause: error })
  }
  return {
    url: originAt(port),
    logs: () => log,
    async spooled() {
      const files = await readdir(folder, { recursive: true, withFileTypes: true })
      return files
        .filter((entry) => entry.isFile() && !['nginx.conf', 'nginx.pid'].includes(entry.name))
        .map((entry) => entry.name)
    },
    dispose,
  }
}

/** That of docker-compose.yml, with this machine's addresses and a folder of its own for /tmp. */
function configurationFor(instances: readonly [string, string], port: number, folder: string): string {
  const content = readCompose().configs['nginx.conf']?.content ?? ''
  const [first, second] = instances.map((origin) => new URL(origin).host)
  return content
    .replaceAll('app1:8080', String(first))
    .replaceAll('app2:8080', String(second))
    .replace('listen 8080;', `listen 127.0.0.1:${port};`)
    .replaceAll(' /tmp/', ` ${folder}/`)
}

async function waitUntilListening(child: ChildProcess, port: number): Promise<void> {
  const deadline = performance.now() + READY_TIMEOUT_MILLISECONDS
  while (child.exitCode === null && performance.now() < deadline) {
    const socket = net.connect(port, '127.0.0.1')
    const isThere = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    })
    socket.destroy()
    if (isThere) return
    await sleep(20)
  }
  throw new Error('Nobody listens.')
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'close')
  child.kill('SIGTERM') // nginx's fast stop.
  await ended
}

export function originAt(port: number): string {
  return `http://127.0.0.1:${port}`
}
