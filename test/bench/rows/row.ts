// What every row of the benchmark gets and gives, and the steps that rows share.

import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { Content } from '../holdings.js'
import type { LoadClient } from '../load-client.js'
import { peakResidentBytes, postgresBytes, resetPeak } from '../memory.js'
import { postgresSeconds, processorSeconds } from '../processor.js'
import type { Sample, StoreName, Workload } from '../sample.js'
import type { BenchServer } from '../servers.js'
import type { Sink, SinkFigures } from '../sink/client.js'
import { TempFolderWatch } from '../temp-folder.js'

export const MEGABYTE = 1_000_000

export interface RoundContext {
  readonly round: number
  /** All contenders, in the order of this round. */
  readonly servers: readonly BenchServer[]
  /** A second one of ours on the same database and bucket; for rows that `needsPeer`. */
  readonly peer: BenchServer | undefined
  readonly store: StoreName
  /** Null unless `store` is s3-sink. */
  readonly sink: Sink | null
  readonly load: LoadClient
  readonly workload: Workload
  /** A seed that no other payload of this bench has. */
  nextSeed(): number
}

export interface Row {
  readonly name: string
  /** Where it has something to tell. */
  readonly stores: readonly StoreName[]
  readonly needsPeer?: true
  /** One round. Removes what it stored; throws when a server has other bytes than were sent. */
  run(context: RoundContext): Promise<Sample[]>
}

export interface Observation<T> {
  readonly result: T
  readonly peakMegabytes: number
  /** 0 for a server that has none. */
  readonly postgresMegabytes: number
  /** Processor time of all the server's threads, and of its PostgreSQL. */
  readonly serverSeconds: number
  readonly postgresSeconds: number
  readonly tempMegabytes: number
  /** Null without a sink. */
  readonly figures: SinkFigures | null
}

/** Lets the file system finish what earlier rows left, so that a server pays only for its own writes. */
export async function settleDisk(server: BenchServer): Promise<void> {
  await promisify(execFile)('sync', ['-f', server.directory])
}

/**
 * Runs `work`, and tells what it cost the server meanwhile in memory, temporary files and S3 requests.
 *
 * On the sink completions take `completionDelayMs` longer.
 */
export async function observed<T>(
  server: BenchServer,
  sink: Sink | null,
  work: () => Promise<T>,
  completionDelayMs = 0,
): Promise<Observation<T>> {
  const tempFolder = new TempFolderWatch(server.tempDirectory)
  const isOurs = server.name === 'ours'
  const readPostgres = async (): Promise<number> => (isOurs ? postgresBytes(server.directory) : 0)
  const readSeconds = async (): Promise<[number, number]> => [
    await processorSeconds(server.pid),
    isOurs ? await postgresSeconds(server.directory) : 0,
  ]
  const [serverBefore, postgresBefore] = await readSeconds()
  const { result, largestMegabytes } = await withLargestMegabytes(readPostgres, () =>
    withPeakMegabytes(server, async () =>
      sink === null ? { result: await work(), figures: null } : sink.observe(work, completionDelayMs),
    ),
  )
  const [serverAfter, postgresAfter] = await readSeconds()
  return {
    serverSeconds: serverAfter - serverBefore,
    postgresSeconds: postgresAfter - postgresBefore,
    result: result.result.result,
    peakMegabytes: result.peakMegabytes,
    postgresMegabytes: largestMegabytes,
    tempMegabytes: tempFolder.stop() / MEGABYTE,
    figures: result.result.figures,
  }
}

/** Runs `work`, profiled where that is asked for, and tells the server's resident peak meanwhile, in MB. */
export async function withPeakMegabytes<T>(
  server: BenchServer,
  work: () => Promise<T>,
): Promise<{ result: T; peakMegabytes: number }> {
  await resetPeak(server.pid)
  const result = await server.profiled(work)
  return { result, peakMegabytes: (await peakResidentBytes(server.pid)) / MEGABYTE }
}

/** Runs `work` and tells the largest of the figures read every 250 ms, in MB, or 0 when there was none. */
async function withLargestMegabytes<T>(
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

/** The rule of every row: what the server holds is what the client sent. Then it goes. */
export async function checkAndRemove(server: BenchServer, uploadPath: string, sent: Content): Promise<void> {
  await server.expectStored(uploadPath, sent)
  await server.remove(uploadPath)
}

/** Bytes in a time, as MiB/s. */
export function mebibytesPerSecond(sizeBytes: number, elapsedMs: number): number {
  return sizeBytes / (1024 * 1024) / (elapsedMs / 1000)
}
