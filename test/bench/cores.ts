// Which cores a program may run on. Linux only, by util-linux's taskset.

import { execFile } from 'node:child_process'
import { cpus } from 'node:os'
import { promisify } from 'node:util'

/** Cores by their numbers, from 0. */
export const allCores: readonly number[] = cpus().map((_, core) => core)

/** Binds all threads of a process, and whatever it starts from now on, to these cores. Throws where there is no taskset. */
export async function bindTo(pid: number, cores: readonly number[]): Promise<void> {
  await promisify(execFile)('taskset', ['--all-tasks', '--cpu-list', '--pid', cores.join(','), String(pid)])
}

/**
 * Who runs where when each of `serverCount` servers has a core to itself, the first ones in order.
 *
 * All else runs on the cores that are left, or anywhere when none is.
 */
export function coresFor(
  serverCount: number,
  cores: readonly number[],
): { readonly servers: readonly number[]; readonly others: readonly number[] } {
  const others = cores.slice(serverCount)
  return { servers: cores.slice(0, serverCount), others: others.length > 0 ? others : cores }
}
