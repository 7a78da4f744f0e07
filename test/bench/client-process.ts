// Clients that are programs of their own, timed from their start to their end: what a user waits for.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Target } from './load-tasks.js'
import { peakResidentBytes } from './memory.js'

const MEMORY_EVERY_MS = 100

export interface ClientRun {
  readonly elapsedMs: number
  /** The most that was resident at once. */
  readonly peakBytes: number
}

/** `antipasto push PATH`, by somebody who has never pushed anything. Throws when it fails. */
export async function runPush(target: Target, path: string): Promise<ClientRun> {
  const home = await mkdtemp(join(tmpdir(), 'antipasto-bench-home-'))
  try {
    return await runPushAt(home, target, path)
  } finally {
    await rm(home, { recursive: true, force: true })
  }
}

/** The same by somebody whose journal is in `home`. */
export function runPushAt(home: string, target: Target, path: string): Promise<ClientRun> {
  const environment = { HOME: home, ANTIPASTO_TOKEN: target.authorization.replace('Bearer ', '') }
  return runClient('../../client/cli/main.js', ['push', path, '--quiet'], target, environment)
}

/** tus-js-client as its manual shows it, file after file. */
export function runTusLoop(target: Target, folder: string): Promise<ClientRun> {
  return runClient('./tus-loop.js', [folder], target, { AUTHORIZATION: target.authorization })
}

/** One PATCH with a file piped into it. */
export function runBarePatch(target: Target, file: string): Promise<ClientRun> {
  return runClient('./bare-patch.js', [file], target, { AUTHORIZATION: target.authorization })
}

async function runClient(
  module: string,
  args: readonly string[],
  { port }: Target,
  environment: NodeJS.ProcessEnv,
): Promise<ClientRun> {
  const startedAtMs = performance.now()
  const child = spawn(process.execPath, [fileURLToPath(new URL(module, import.meta.url)), ...args], {
    env: { PATH: process.env.PATH, ANTIPASTO_URL: `http://127.0.0.1:${port}`, ...environment },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let complaint = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaint = (complaint + text).slice(-5000)
  })
  let peakBytes = 0
  // The peak only grows, so the last look is at most one interval short of the truth.
  const timer = setInterval(() => {
    peakResidentBytes(child.pid ?? 0).then(
      (bytes) => {
        peakBytes = bytes
      },
      () => {}, // It has ended.
    )
  }, MEMORY_EVERY_MS)
  const [exitCode] = await once(child, 'close')
  clearInterval(timer)
  if (exitCode !== 0) throw new Error(`${module} ${args.join(' ')} ended with ${exitCode}:\n${complaint}`)
  return { elapsedMs: performance.now() - startedAtMs, peakBytes }
}
