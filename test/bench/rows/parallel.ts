// Several uploads at once: does the event loop stay free, and does memory stay bounded?

import { payloadBlocks, sha256Of } from '../payload.js'
import type { Sample } from '../sample.js'
import { expectStored, mebibytesPerSecond, type Row, settleDisk, withPeakMegabytes } from './row.js'

export const parallel: Row = {
  name: 'parallel',
  async run({ servers, load, round, workload, nextSeed }) {
    const sizeBytes = workload.parallelBytes
    const seeds = Array.from({ length: workload.parallelCount }, () => nextSeed())
    const sentSha256s = seeds.map((seed) => sha256Of(payloadBlocks(sizeBytes, seed)))
    const samples: Sample[] = []
    for (const server of servers) {
      await settleDisk(server)
      server.startLoopDelay()
      const { result, peakMegabytes } = await withPeakMegabytes(server, () =>
        load.perform('parallel', { target: server.target, sizeBytes, seeds }),
      )
      const loopDelay = await server.stopLoopDelay()
      for (const [index, path] of result.paths.entries()) {
        await expectStored(server, path, sentSha256s[index] ?? '')
        await server.remove(path)
      }
      const sample = (metric: string, value: number): Sample => ({
        metric,
        contender: server.name,
        round,
        value,
      })
      samples.push(
        sample('parallel', mebibytesPerSecond(sizeBytes * seeds.length, result.elapsedMs)),
        sample('loop.parallel', loopDelay.p99Ms),
        sample('loop-max.parallel', loopDelay.maxMs),
        sample('memory.parallel', peakMegabytes),
      )
    }
    return samples
  },
}
