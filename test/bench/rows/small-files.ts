// Many small uploads by creation-with-upload over keep-alive connections.

import { sha256Of, smallPayload } from '../payload.js'
import type { Sample } from '../sample.js'
import { checkAndRemove, observed, type Row, settleDisk } from './row.js'
import { s3Cost } from './s3-cost.js'

const CHECKS_AT_ONCE = 8

export const smallFiles: Row = {
  name: 'smallfiles',
  stores: ['local', 's3-sink', 's3'],
  async run({ servers, store, sink, load, round, workload, nextSeed }) {
    const seed = nextSeed()
    const { smallFileBytes: sizeBytes, smallFileCount: fileCount } = workload
    const task = { sizeBytes, fileCount, connectionCount: workload.smallFileConnectionCount, seed }
    const samples: Sample[] = []
    for (const server of servers) {
      await settleDisk(server)
      const observation = await observed(server, sink, () =>
        load.perform('smallFiles', { target: server.target, ...task }),
      )
      const { paths, elapsedMs } = observation.result
      await forEachAtOnce(paths, CHECKS_AT_ONCE, async (path, index) => {
        const sha256 = sha256Of([smallPayload(sizeBytes, seed, index)])
        await checkAndRemove(server, path, { sha256, sizeBytes })
      })
      const contender = server.name
      const sample = (metric: string, value: number): Sample => ({ metric, contender, round, value })
      samples.push(
        sample('smallfiles', paths.length / (elapsedMs / 1000)),
        sample('processor.smallfiles', (1000 * observation.serverSeconds) / fileCount),
        sample('memory.smallfiles', observation.peakMegabytes),
        ...(contender === 'ours'
          ? [
              sample('postgres-processor.smallfiles', (1000 * observation.postgresSeconds) / fileCount),
              sample('postgres.smallfiles', observation.postgresMegabytes),
            ]
          : []),
        ...s3Cost(
          { store, row: 'smallfiles', contender, round, uploadCount: fileCount, countsParts: true },
          observation,
        ),
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
