// NGINX as its makers mean it for files: sendfile, nothing logged, one process. What a download is measured against.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { findFreePort } from '../support/free-port.js'

const START_LIMIT_MS = 10_000

export interface Nginx {
  readonly port: number
  readonly pid: number
  stop(): Promise<void>
}

/** Serves the files of `root`. Keeps its own under `directory`. Null where there is no NGINX. */
export async function startNginx(directory: string, root: string): Promise<Nginx | null> {
  const program = findNginx()
  if (program === undefined) return null
  await mkdir(directory, { recursive: true })
  const port = await findFreePort()
  const file = join(directory, 'nginx.conf')
  await writeFile(file, configurationFor(directory, root, port))
  const child = spawn(program, ['-c', file, '-p', directory, '-e', 'stderr'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let log = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    log = (log + text).slice(-5000)
  })
  child.on('error', (error) => {
    log += error.message
  })
  try {
    await waitUntilListening(child, port)
  } catch (cause) {
    await end(child)
    throw new Error(`NGINX has not started:\n${log}`, { cause })
  }
  return { port, pid: child.pid ?? 0, stop: () => end(child) }
}

/** Debian keeps it where only root looks. */
function findNginx(): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin']
  return folders.map((folder) => join(folder, 'nginx')).find(existsSync)
}

/** One process serves, and it is the one that was started, so that it ends with it. */
function configurationFor(directory: string, root: string, port: number): string {
  return `daemon off;
master_process off;
pid ${directory}/nginx.pid;
events {}
http {
  sendfile on;
  tcp_nopush on;
  access_log off;
  client_body_temp_path ${directory}/body;
  proxy_temp_path ${directory}/proxy;
  fastcgi_temp_path ${directory}/fastcgi;
  uwsgi_temp_path ${directory}/uwsgi;
  scgi_temp_path ${directory}/scgi;
  server {
    listen 127.0.0.1:${port};
    root ${root};
  }
}
`
}

async function waitUntilListening(child: ChildProcess, port: number): Promise<void> {
  const giveUpAtMs = performance.now() + START_LIMIT_MS
  while (child.pid !== undefined && child.exitCode === null && performance.now() < giveUpAtMs) {
    const socket = connect(port, '127.0.0.1')
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
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGTERM') // NGINX's fast stop.
  await ended
}
