// One big upload: creation, then one PATCH. Speed, time to `ready`, event-loop delay and memory.

import { postgresBytes } from '../memory.js'
import { payloadBlocks, sha256Of } from '../payload.js'
import { readyMetric, type Sample } from '../sample.js'
import type { BenchServer } from '../servers.js'
import {
  expectStored,
  mebibytesPerSecond,
  type RoundContext,
  type Row,
  settleDisk,
  withLargestMegabytes,
  withPeakMegabytes,
} from './row.js'

export const bigFile: Row = {
  name: 'bigfile',
  async run(context) {
    const seed = context.nextSeed()
    const sentSha256 = sha256Of(payloadBlocks(context.workload.bigBytes, seed))
    const samples: Sample[] = []
    for (const server of context.servers) {
      samples.push(...(await sendBigFile(context, server, seed, sentSha256)))
    }
    return samples
  },
}

async function sendBigFile(
  { load, round, workload }: RoundContext,
  server: BenchServer,
  seed: number,
  sentSha256: string,
): Promise<Sample[]> {
  const sizeBytes = workload.bigBytes
  const isOurs = server.name === 'ours'
  await settleDisk(server)
  server.startLoopDelay()
  const { result: memory, largestMegabytes: postgresMegabytes } = await withLargestMegabytes(
    async () => (isOurs ? postgresBytes(server.directory) : 0),
    () =>
      withPeakMegabytes(server, () =>
        load.perform('upload', { target: server.target, sizeBytes, seed, untilReady: isOurs }),
      ),
  )
  const loopDelay = await server.stopLoopDelay()
  const upload = memory.result
  await expectStored(server, upload.path, sentSha256)
  await server.remove(upload.path)

  const sample = (metric: string, value: number): Sample => ({ metric, contender: server.name, round, value })
  return [
    sample('bigfile', mebibytesPerSecond(sizeBytes, upload.elapsedMs)),
    sample('answer', upload.lastByteToAnswerMs),
    sample('loop.bigfile', loopDelay.p99Ms),
    sample('loop-max.bigfile', loopDelay.maxMs),
    sample('memory.bigfile', memory.peakMegabytes),
    ...(upload.lastByteToReadyMs === null ? [] : [sample(readyMetric(sizeBytes), upload.lastByteToReadyMs)]),
    ...(isOurs ? [sample('postgres.bigfile', postgresMegabytes)] : []),
  ]
}
