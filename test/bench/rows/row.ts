// What every row of the benchmark gets and gives, and the steps that rows share.

import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { LoadClient } from '../load-client.js'
import { peakResidentBytes, resetPeak } from '../memory.js'
import type { Sample, Workload } from '../sample.js'
import type { BenchServer } from '../servers.js'

const MEGABYTE = 1_000_000

export interface RoundContext {
  readonly round: number
  /** All three, in the order of this round. */
  readonly servers: readonly BenchServer[]
  readonly load: LoadClient
  readonly workload: Workload
  /** A seed that no other payload of this bench has. */
  nextSeed(): number
}

export interface Row {
  readonly name: string
  /** One round. Removes what it stored; throws when a server has other bytes than were sent. */
  run(context: RoundContext): Promise<Sample[]>
}

/** Lets the file system finish what earlier rows left, so that a server pays only for its own writes. */
export async function settleDisk(server: BenchServer): Promise<void> {
  await promisify(execFile)('sync', ['-f', server.directory])
}

/** Runs `work` and tells the server's resident peak meanwhile, in MB. */
export async function withPeakMegabytes<T>(
  server: BenchServer,
  work: () => Promise<T>,
): Promise<{ result: T; peakMegabytes: number }> {
  await resetPeak(server.pid)
  const result = await work()
  return { result, peakMegabytes: (await peakResidentBytes(server.pid)) / MEGABYTE }
}

/** Runs `work` and tells the largest of the figures read every 250 ms, in MB, or 0 when there was none. */
export async function withLargestMegabytes<T>(
  readBytes: () => Promise<number>,
  work: () => Promise<T>,
): Promise<{ result: T; largestMegabytes: number }> {
  let largestBytes = 0
  const read = async (): Promise<void> => {
    largestBytes = Math.max(largestBytes, await readBytes())
  }
  const timer = setInterval(read, 250)
  try {
    const result = await work()
    await read()
    return { result, largestMegabytes: largestBytes / MEGABYTE }
  } finally {
    clearInterval(timer)
  }
}

/** The rule of every row: what the server holds is what the client sent. */
export async function expectStored(
  server: BenchServer,
  uploadPath: string,
  sentSha256: string,
): Promise<void> {
  const storedSha256 = await server.sha256Of(uploadPath)
  if (storedSha256 === sentSha256) return
  throw new Error(`${server.name} holds ${storedSha256} at ${uploadPath}, but ${sentSha256} was sent.`)
}

/** Bytes in a time, as MiB/s. */
export function mebibytesPerSecond(sizeBytes: number, elapsedMs: number): number {
  return sizeBytes / (1024 * 1024) / (elapsedMs / 1000)
}
