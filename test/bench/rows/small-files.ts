// Many small uploads by creation-with-upload over keep-alive connections.

import { postgresBytes } from '../memory.js'
import { sha256Of, smallPayload } from '../payload.js'
import type { Sample } from '../sample.js'
import { expectStored, type Row, settleDisk, withLargestMegabytes, withPeakMegabytes } from './row.js'

const CHECKS_AT_ONCE = 8

export const smallFiles: Row = {
  name: 'smallfiles',
  async run({ servers, load, round, workload, nextSeed }) {
    const seed = nextSeed()
    const task = {
      sizeBytes: workload.smallFileBytes,
      fileCount: workload.smallFileCount,
      connectionCount: workload.smallFileConnectionCount,
      seed,
    }
    const samples: Sample[] = []
    for (const server of servers) {
      const isOurs = server.name === 'ours'
      await settleDisk(server)
      const { result: memory, largestMegabytes } = await withLargestMegabytes(
        async () => (isOurs ? postgresBytes(server.directory) : 0),
        () => withPeakMegabytes(server, () => load.perform('smallFiles', { target: server.target, ...task })),
      )
      const { paths, elapsedMs } = memory.result
      await forEachAtOnce(paths, CHECKS_AT_ONCE, async (path, index) => {
        await expectStored(server, path, sha256Of([smallPayload(task.sizeBytes, seed, index)]))
        await server.remove(path)
      })
      const sample = (metric: string, value: number): Sample => ({
        metric,
        contender: server.name,
        round,
        value,
      })
      samples.push(
        sample('smallfiles', paths.length / (elapsedMs / 1000)),
        sample('memory.smallfiles', memory.peakMegabytes),
        ...(isOurs ? [sample('postgres.smallfiles', largestMegabytes)] : []),
      )
    }
    return samples
  },
}

async function forEachAtOnce<T>(
  items: readonly T[],
  count: number,
  act: (item: T, index: number) => Promise<void>,
): Promise<void> {
  // One shared iterator: each runner takes the next item when it is free.
  const queue = items.entries()
  const run = async (): Promise<void> => {
    for (const [index, item] of queue) await act(item, index)
  }
  await Promise.all(Array.from({ length: count }, run))
}
