// How busy the whole machine is: what a ratio between two servers and one can't be read without.

import { readFile } from 'node:fs/promises'

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
