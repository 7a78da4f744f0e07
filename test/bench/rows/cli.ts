// The command line beside what a user would write without it, and beside what the server could take. On ours only, as it is ours.

import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { makeBigFile, makeSmallFiles } from '../client-files.js'
import { runBarePatch, runPush, runPushAt, runTusLoop } from '../client-process.js'
import { checkAndRemoveEverything, checkEverything } from '../everything.js'
import type { Contender, Sample } from '../sample.js'
import { startServer } from '../servers.js'
import { rotated } from '../statistics.js'
import { MEGABYTE, mebibytesPerSecond, type RoundContext, type Row, settleDisk } from './row.js'

/** As many connections as `antipasto push` opens for small files. */
const PUSH_CONNECTION_COUNT = 12

/** Many small files: push, tus-js-client one at a time, and the load client with as many connections as push. */
export const cliSmallFiles: Row = {
  name: 'cli-smallfiles',
  stores: ['local'],
  async run(context) {
    const ours = oursOf(context)
    if (ours === undefined) return []
    const { load, round, workload, nextSeed } = context
    const task = {
      fileCount: workload.cliSmallFileCount,
      sizeBytes: workload.smallFileBytes,
      seed: nextSeed(),
    }
    const files = await makeSmallFiles(`${ours.directory}-small`, task)
    const runs: Partial<Record<Contender, () => Promise<number>>> = {
      push: async () => (await runPush(ours.target, files.path)).elapsedMs,
      loop: async () => (await runTusLoop(ours.target, files.path)).elapsedMs,
      ours: async () => {
        const connectionCount = PUSH_CONNECTION_COUNT
        return (await load.perform('smallFiles', { target: ours.target, connectionCount, ...task })).elapsedMs
      },
    }
    const samples: Sample[] = []
    for (const [contender, run] of rotated(
      Object.entries(runs) as [Contender, () => Promise<number>][],
      round,
    )) {
      await settleDisk(ours)
      const elapsedMs = await run()
      samples.push({ metric: 'cli-smallfiles', contender, round, value: task.fileCount / (elapsedMs / 1000) })
      await checkAndRemoveEverything(ours, files.sha256s)
    }
    await rm(files.path, { recursive: true })
    return samples
  },
}

/** One big file: push, which hashes it and asks for its report, and one PATCH with the file piped into it. */
export const cliBigFile: Row = {
  name: 'cli-bigfile',
  stores: ['local'],
  async run(context) {
    const ours = oursOf(context)
    if (ours === undefined) return []
    const { round, workload, nextSeed } = context
    const sizeBytes = workload.cliBigBytes
    const file = await makeBigFile(`${ours.directory}-big.bin`, sizeBytes, nextSeed())
    const samples: Sample[] = []
    for (const [contender, run] of rotated(
      [['push', runPush] as const, ['ours', runBarePatch] as const],
      round,
    )) {
      await settleDisk(ours)
      const { elapsedMs, peakBytes } = await run(ours.target, file.path)
      samples.push(
        { metric: 'cli-bigfile', contender, round, value: mebibytesPerSecond(sizeBytes, elapsedMs) },
        { metric: 'memory.cli-bigfile', contender, round, value: peakBytes / MEGABYTE },
      )
      await checkAndRemoveEverything(ours, file.sha256s)
    }
    await rm(file.path)
    return samples
  },
}

/**
 * So many files that whatever is kept of each shows: sent, and pushed again when all is there. Once, as it takes minutes, and on a
 * server of its own, as removing them would take longer.
 */
export const cliMemory: Row = {
  name: 'cli-memory',
  stores: ['local'],
  async run(context) {
    const ours = oursOf(context)
    if (ours === undefined || context.round !== 1) return []
    const { workload, round, nextSeed } = context
    const fileCount = workload.cliManyFileCount
    const task = { fileCount, sizeBytes: workload.cliManyFileBytes, seed: nextSeed() }
    const files = await makeSmallFiles(`${ours.directory}-many`, task)
    const directory = `${ours.directory}-many-server`
    const server = await startServer('ours', { directory, v8Flags: [], place: null })
    try {
      const home = join(directory, 'home')
      const first = await runPushAt(home, server.target, files.path)
      const again = await runPushAt(home, server.target, files.path)
      await checkEverything(server, files.sha256s)
      const sample = (metric: string, value: number): Sample => ({ metric, contender: 'push', round, value })
      return [
        sample('cli-many', fileCount / (first.elapsedMs / 1000)),
        sample('memory.cli-many', first.peakBytes / MEGABYTE),
        sample('cli-again', fileCount / (again.elapsedMs / 1000)),
        sample('memory.cli-again', again.peakBytes / MEGABYTE),
      ]
    } finally {
      await server.stop()
      await rm(files.path, { recursive: true })
    }
  },
}

function oursOf({ servers }: RoundContext) {
  return servers.find(({ name }) => name === 'ours')
}
