// Resident memory as Linux counts it. All threads of a process are in its figure.

import { readdir, readFile, readlink, writeFile } from 'node:fs/promises'
import { sep } from 'node:path'

/** Makes the kernel forget the process's peak so far (proc(5), clear_refs). */
export async function resetPeak(pid: number): Promise<void> {
  await writeFile(`/proc/${pid}/clear_refs`, '5')
}

/** The most that was resident at once since the last reset, in bytes. */
export async function peakResidentBytes(pid: number): Promise<number> {
  return kibibytesOf(await readFile(`/proc/${pid}/status`, 'utf8'), 'VmHWM') * 1024
}

/** What is resident now, in bytes. */
export async function residentBytes(pid: number): Promise<number> {
  return kibibytesOf(await readFile(`/proc/${pid}/status`, 'utf8'), 'VmRSS') * 1024
}

/**
 * What the PostgreSQL processes that work in a folder under `directory` hold together, in bytes; 0 when there are none.
 *
 * Proportional, not resident: their shared buffers count once, not once for each process.
 */
export async function postgresBytes(directory: string): Promise<number> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const sizes = await Promise.all(pids.map((pid) => postgresProcessBytes(pid, directory)))
  return sizes.reduce((sum, size) => sum + size, 0)
}

async function postgresProcessBytes(pid: string, directory: string): Promise<number> {
  try {
    if ((await readFile(`/proc/${pid}/comm`, 'utf8')).trim() !== 'postgres') return 0
    // Every process of a PostgreSQL server has its data folder as its working directory.
    if (!(await readlink(`/proc/${pid}/cwd`)).startsWith(directory + sep)) return 0
    return kibibytesOf(await readFile(`/proc/${pid}/smaps_rollup`, 'utf8'), 'Pss') * 1024
  } catch {
    // It ended meanwhile, or belongs to somebody else.
    return 0
  }
}

function kibibytesOf(text: string, field: string): number {
  const match = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(text)
  if (match === null) throw new Error(`The kernel's answer has no ${field}.`)
  return Number(match[1])
}
