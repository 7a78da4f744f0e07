// Many uploads at once: does the event loop stay free, does memory stay bounded, does each get its share?

import { payloadBlocks, sha256Of } from '../payload.js'
import type { Sample, StoreName, Workload } from '../sample.js'
import { slowestToMeanRate } from '../statistics.js'
import { checkAndRemove, mebibytesPerSecond, observed, type Row, settleDisk } from './row.js'
import { s3Cost } from './s3-cost.js'

/** Several long ones. */
export const parallel = rowOf('parallel', ['local'], ({ parallelCount, parallelBytes }) => {
  return { uploadCount: parallelCount, sizeBytes: parallelBytes }
})

/** So many that no server can hold a part of each. */
export const crowd = rowOf('crowd', ['local', 's3-sink'], ({ crowdCount, crowdBytes }) => {
  return { uploadCount: crowdCount, sizeBytes: crowdBytes }
})

function rowOf(
  row: 'parallel' | 'crowd',
  stores: readonly StoreName[],
  shapeOf: (workload: Workload) => { uploadCount: number; sizeBytes: number },
): Row {
  return {
    name: row,
    stores,
    async run({ servers, store, sink, load, round, workload, nextSeed }) {
      const { uploadCount, sizeBytes } = shapeOf(workload)
      const seeds = Array.from({ length: uploadCount }, () => nextSeed())
      const sha256s = seeds.map((seed) => sha256Of(payloadBlocks(sizeBytes, seed)))
      const samples: Sample[] = []
      for (const server of servers) {
        await settleDisk(server)
        server.startLoopDelay()
        const observation = await observed(server, sink, () =>
          load.perform('parallel', { targets: [server.target], sizeBytes, seeds }),
        )
        const loopDelay = await server.stopLoopDelay()
        const { paths, elapsedMs, uploadMs } = observation.result
        for (const [index, path] of paths.entries()) {
          await checkAndRemove(server, path, { sha256: sha256s[index] ?? '', sizeBytes })
        }
        const contender = server.name
        const sample = (metric: string, value: number): Sample => ({ metric, contender, round, value })
        samples.push(
          sample(row, mebibytesPerSecond(sizeBytes * uploadCount, elapsedMs)),
          sample(`fairness.${row}`, slowestToMeanRate(uploadMs)),
          sample(`loop.${row}`, loopDelay.p99Ms),
          sample(`loop-max.${row}`, loopDelay.maxMs),
          sample(`memory.${row}`, observation.peakMegabytes),
          ...s3Cost({ store, row, contender, round, uploadCount, countsParts: false }, observation),
        )
      }
      return samples
    },
  }
}
