// What the tests of checks share.

import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ContentFacts } from '../../server/hooks/content-check.js'
import { checksumsOf } from '../dialects/tus-client.js'
import { PATIENCE_MS } from '../support/until.js'

export function someFacts(changes: Partial<ContentFacts> = {}): ContentFacts {
  return {
    id: 'a'.repeat(40),
    owner: 'somebody',
    filename: 'lake.csv',
    contentType: 'text/csv; charset=utf-8',
    label: 'lakes',
    packageId: null,
    sizeBytes: 0,
    digests: checksumsOf(Buffer.alloc(0)),
    ...changes,
  }
}

/** What there is, once there is something. @throws naming it when there is nothing after that time */
export async function eventually<T>(
  what: string,
  look: () => Promise<T | undefined> | T | undefined,
  seconds = PATIENCE_MS / 1000,
): Promise<T> {
  const deadline = performance.now() + seconds * 1000
  for (;;) {
    const found = await look()
    if (found !== undefined) return found
    if (performance.now() > deadline) throw new Error(`After ${seconds} seconds there is still no ${what}.`)
    await sleep(20)
  }
}

/** The number in the file, once it is there: a command writes its process's. */
export function pidIn(file: string): Promise<number> {
  return eventually(`process id in ${file}`, async () => {
    const text = await readFile(file, 'utf8').catch(() => '')
    return /^\d+\n/.test(text) ? Number.parseInt(text, 10) : undefined
  })
}

/** False for one that has ended and wasn't waited for, too. */
export async function isRunning(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  return stat !== '' && !/\) [ZX] /.test(stat)
}

export async function untilGone(pid: number, seconds?: number): Promise<void> {
  await eventually(`end of process ${pid}`, async () => ((await isRunning(pid)) ? undefined : true), seconds)
}
