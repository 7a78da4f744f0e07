// How much of a core a program may use. Linux only, by control groups (version 1, as the machine of the figures has them), as root.

import { mkdir, rmdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

const ROOT = '/sys/fs/cgroup/cpu'
const PERIOD_MICROSECONDS = 10_000

/**
 * Runs `work` while each of these programs, with all its threads, has `share` of one core at most: 0.5 is half of it.
 *
 * @returns null where nobody may be held, and then `work` was not run
 */
export async function withShare<T>(
  pids: readonly number[],
  share: number,
  work: () => Promise<T>,
): Promise<{ result: T } | null> {
  try {
    for (const pid of pids) await hold(pid, share)
  } catch {
    await Promise.all(pids.map(free))
    return null
  }
  try {
    return { result: await work() }
  } finally {
    await Promise.all(pids.map(free))
  }
}

async function hold(pid: number, share: number): Promise<void> {
  const group = groupOf(pid)
  await mkdir(group, { recursive: true })
  await writeFile(join(group, 'cpu.cfs_period_us'), String(PERIOD_MICROSECONDS))
  await writeFile(join(group, 'cpu.cfs_quota_us'), String(PERIOD_MICROSECONDS * share))
  await writeFile(join(group, 'cgroup.procs'), String(pid))
}

/** A group goes when it is empty: when its program is in another one, or has ended. */
async function free(pid: number): Promise<void> {
  await writeFile(join(ROOT, 'cgroup.procs'), String(pid)).catch(() => {})
  await rmdir(groupOf(pid)).catch(() => {})
}

function groupOf(pid: number): string {
  return join(ROOT, `antipasto-bench-${pid}`)
}
