// A real Prometheus (Debian's), on what a test wants it to scrape.

import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { describe, test } from '@jest/globals'
import { findFreePort } from './free-port.js'

const WAIT_MS = 60_000

export interface Series {
  readonly metric: Readonly<Record<string, string>>
  /** Seconds since 1970, and the value as text. */
  readonly value: readonly [number, string]
}

export interface Prometheus {
  readonly url: string
  /** The answer to an expression now. Throws with Prometheus' own words for one that is wrong. */
  query(expression: string): Promise<Series[]>
  /** Names of the alerts that are firing. */
  firing(): Promise<string[]>
  stop(): Promise<void>
}

/** @param files of its folder by name, `prometheus.yml` among them; paths in them are relative to it */
export async function startPrometheus(files: Readonly<Record<string, string>>): Promise<Prometheus> {
  const folder = await mkdtemp(path.join(tmpdir(), 'antipasto-prometheus-'))
  for (const [name, content] of Object.entries(files)) await writeFile(path.join(folder, name), content)
  const address = `127.0.0.1:${await findFreePort()}`
  const child = spawn(
    'prometheus',
    [
      `--config.file=${path.join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${path.join(folder, 'data')}`,
      `--web.listen-address=${address}`,
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  )
  let log = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      log += chunk.toString()
    })
  const url = `http://${address}`
  const stop = async (): Promise<void> => {
    await end(child)
    await rm(folder, { recursive: true, force: true })
  }
  const ask = async (pathAndQuery: string): Promise<unknown> => {
    const answer = await fetch(`${url}/api/v1/${pathAndQuery}`)
    const body = (await answer.json()) as { status: string; error?: string; data?: unknown }
    if (body.status !== 'success') throw new Error(`${pathAndQuery}: ${body.error}`)
    return body.data
  }

  const deadline = performance.now() + WAIT_MS
  while (!(await isReady(url))) {
    if (child.exitCode !== null || performance.now() > deadline) {
      await stop()
      throw new Error(`Prometheus is not ready:\n${log}`)
    }
    await sleep(50)
  }
  return {
    url,
    async query(expression) {
      const data = (await ask(`query?query=${encodeURIComponent(expression)}`)) as { result: Series[] }
      return data.result
    },
    async firing() {
      const { alerts } = (await ask('alerts')) as {
        alerts: { state: string; labels: Record<string, string> }[]
      }
      return alerts
        .filter(({ state }) => state === 'firing')
        .map(({ labels }) => String(labels.alertname))
        .sort()
    },
    stop,
  }
}

/** What a program answers on its standard output; throws with all that it said when it fails. */
export async function run(program: string, args: readonly string[], input = ''): Promise<string> {
  const running = promisify(execFile)(program, [...args])
  running.child.stdin?.end(input)
  const { stdout, stderr } = await running.catch((error: { stdout?: string; stderr?: string }) => {
    throw new Error(`${program} ${args.join(' ')}: ${error.stdout}${error.stderr}`)
  })
  return stdout + stderr
}

/** The suite, where there is a Prometheus; otherwise it is skipped by name, or fails where REQUIRE_PROMETHEUS=1. */
export function describePrometheus(name: string, suite: () => void): void {
  const folders = (process.env.PATH ?? '').split(path.delimiter)
  const isThere = ['prometheus', 'promtool'].every((program) =>
    folders.some((folder) => existsSync(path.join(folder, program))),
  )
  if (isThere) {
    describe(name, suite)
  } else if (process.env.REQUIRE_PROMETHEUS === '1') {
    describe(name, () => {
      test('has a Prometheus', () => {
        throw new Error('REQUIRE_PROMETHEUS is set, and there is none: apt-get install prometheus.')
      })
    })
  } else {
    // Jest's summary shows no names of skipped tests.
    console.warn(`Skipped: ${name}. There is no Prometheus (Debian: apt-get install prometheus).`)
    describe.skip(`${name} (skipped: no Prometheus)`, suite)
  }
}

async function isReady(url: string): Promise<boolean> {
  return fetch(`${url}/-/ready`).then(
    ({ ok }) => ok,
    () => false,
  )
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  await ended
}
