// A command and everything it has started, as one: they are in one process group, named by its first process.

import { setTimeout as sleep } from 'node:timers/promises'

/** How long a group may take to end by itself. */
const GRACE_MS = 5000
const LOOK_AGAIN_MS = 50

/** Ends the group: asks it to, and after a while makes it. Resolves when that is done. */
export async function endGroup(groupId: number): Promise<void> {
  if (!signalGroup(groupId, 'SIGTERM')) return
  const deadline = performance.now() + GRACE_MS
  while (performance.now() < deadline) {
    await sleep(LOOK_AGAIN_MS)
    if (!signalGroup(groupId, 0)) return
  }
  signalGroup(groupId, 'SIGKILL')
}

/** @param signal 0: only looks. @returns whether anybody was there */
export function signalGroup(groupId: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(-groupId, signal)
  } catch (error) {
    // EPERM: it is somebody else's by now, and still there.
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}
