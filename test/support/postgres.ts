// Pulling the plug of a PostgreSQL that belongs to a test.

import { readdir, readlink } from 'node:fs/promises'
import { killAll } from './kill.js'

/** The pids of every process that works in `dataFolder`; needs /proc. */
export async function processesIn(dataFolder: string): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const folders = await Promise.all(pids.map((pid) => readlink(`/proc/${pid}/cwd`).catch(() => '')))
  return pids.filter((_, i) => folders[i] === dataFolder).map(Number)
}

/** kill -9 of all of them; returns when they are gone. */
export function killCluster({ dataFolder }: { readonly dataFolder: string }): Promise<void> {
  return killAll(() => processesIn(dataFolder))
}
