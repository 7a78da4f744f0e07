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
  const sizes = await Promise.all((await postgresPids(directory)).map(proportionalBytes))
  return sizes.reduce((sum, size) => sum + size, 0)
}

/** The PostgreSQL processes that work in a folder under `directory`. */
export async function postgresPids(directory: string): Promise<readonly number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number)
  const areOfDirectory = await Promise.all(pids.map((pid) => isPostgresOf(pid, directory)))
  return pids.filter((_, index) => areOfDirectory[index])
}

async function isPostgresOf(pid: number, directory: string): Promise<boolean> {
  try {
    if ((await readFile(`/proc/${pid}/comm`, 'utf8')).trim() !== 'postgres') return false
    // Every process of a PostgreSQL server has its data folder as its working directory.
    return (await readlink(`/proc/${pid}/cwd`)).startsWith(directory + sep)
  } catch {
    // It ended meanwhile, or belongs to somebody else.
    return false
  }
}

async function proportionalBytes(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8').catch(() => undefined)
  // It ended meanwhile.
  return text ? kibibytesOf(text, 'Pss') * 1024 : 0
}

function kibibytesOf(text: string, field: string): number {
  const match = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(text)
  if (match === null) throw new Error(`The kernel's answer has no ${field}.`)
  return Number(match[1])
}
