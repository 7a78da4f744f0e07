// Pulling the plug of processes that belong to a test.

import { setTimeout as sleep } from 'node:timers/promises'

/** kill -9 of every process that `find` finds, until it finds none. */
export async function killAll(find: () => Promise<number[]>): Promise<void> {
  for (;;) {
    const pids = await find()
    if (pids.length === 0) return
    for (const pid of pids) killIfAlive(pid)
    await sleep(10)
  }
}

/** One that ended by itself a moment before is as dead. */
export function killIfAlive(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
