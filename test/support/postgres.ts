// Pulling the plug of a PostgreSQL that belongs to a test.

import { readdir, readlink } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'

/** The pids of every process that works in `dataFolder`; needs /proc. */
export async function processesIn(dataFolder: string): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const folders = await Promise.all(pids.map((pid) => readlink(`/proc/${pid}/cwd`).catch(() => '')))
  return pids.filter((_, i) => folders[i] === dataFolder).map(Number)
}

/** kill -9 of all of them; returns when they are gone. */
export async function killCluster({ dataFolder }: { readonly dataFolder: string }): Promise<void> {
  for (;;) {
    const pids = await processesIn(dataFolder)
    if (pids.length === 0) return
    for (const pid of pids) killIfAlive(pid)
    await sleep(10)
  }
}

function killIfAlive(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
