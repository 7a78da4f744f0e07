// Processor time as Linux counts it: that of one program, and how busy the whole machine is. A busy machine makes the clock's
// figures worse and leaves these nearly as they are.

import { readFile } from 'node:fs/promises'
import { postgresPids } from './memory.js'

/** USER_HZ: proc(5) counts in hundredths of a second on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100

interface Ticks {
  readonly all: number
  readonly idle: number
}

/** Runs `work` and tells how much of all cores' time was used meanwhile, by whomever, in percent. */
export async function withBusyPercent<T>(
  work: () => Promise<T>,
): Promise<{ result: T; busyPercent: number }> {
  const before = await readTicks()
  const result = await work()
  const after = await readTicks()
  const idleShare = (after.idle - before.idle) / Math.max(1, after.all - before.all)
  return { result, busyPercent: 100 * (1 - idleShare) }
}

/** proc_stat(5), first line: user, nice, system, idle, iowait, irq, softirq, steal; guest time is in user already. */
async function readTicks(): Promise<Ticks> {
  const [line = ''] = (await readFile('/proc/stat', 'utf8')).split('\n', 1)
  const ticks = line.split(/\s+/).slice(1, 9).map(Number)
  const [, , , idle = 0, waiting = 0] = ticks
  return { all: ticks.reduce((sum, count) => sum + count, 0), idle: idle + waiting }
}

/** What a process has used so far, all its threads together, in seconds; 0 for one that has ended. */
export async function processorSeconds(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  // The second field is the program's name in brackets, which may hold spaces; user and system time are the 14th and 15th.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  const [user = 0, system = 0] = fields.slice(11, 13).map(Number)
  return (user + system) / TICKS_PER_SECOND
}

/** What the PostgreSQL processes that work in a folder under `directory` have used so far, in seconds. */
export async function postgresSeconds(directory: string): Promise<number> {
  const pids = await postgresPids(directory)
  const times = await Promise.all(pids.map((pid) => processorSeconds(pid)))
  return times.reduce((sum, seconds) => sum + seconds, 0)
}
