// One big upload: creation, then one PATCH. Speed, time to `ready`, event-loop delay, memory, and what it cost on S3.

import type { Content } from '../holdings.js'
import { payloadBlocks, sha256Of } from '../payload.js'
import { readyMetric, type Sample } from '../sample.js'
import type { BenchServer } from '../servers.js'
import {
  checkAndRemove,
  mebibytesPerSecond,
  observed,
  type RoundContext,
  type Row,
  settleDisk,
} from './row.js'
import { s3Cost } from './s3-cost.js'

export const bigFile: Row = {
  name: 'bigfile',
  stores: ['local', 's3-sink', 's3'],
  async run(context) {
    const seed = context.nextSeed()
    const sizeBytes = context.workload.bigBytes
    const sent = { sha256: sha256Of(payloadBlocks(sizeBytes, seed)), sizeBytes }
    const samples: Sample[] = []
    for (const server of context.servers) {
      samples.push(...(await sendBigFile(context, server, seed, sent)))
    }
    return samples
  },
}

async function sendBigFile(
  { load, round, sink, store }: RoundContext,
  server: BenchServer,
  seed: number,
  sent: Content,
): Promise<Sample[]> {
  const { sizeBytes } = sent
  const isOurs = server.name === 'ours'
  await settleDisk(server)
  server.startLoopDelay()
  const observation = await observed(server, sink, () =>
    load.perform('upload', { target: server.target, sizeBytes, seed, untilReady: isOurs }),
  )
  const loopDelay = await server.stopLoopDelay()
  const upload = observation.result
  await checkAndRemove(server, upload.path, sent)

  const sample = (metric: string, value: number): Sample => ({ metric, contender: server.name, round, value })
  const completionMs = observation.figures?.completionMs ?? 0
  return [
    sample('bigfile', mebibytesPerSecond(sizeBytes, upload.elapsedMs)),
    sample('answer', upload.lastByteToAnswerMs),
    sample('processor.bigfile', observation.serverSeconds),
    sample('loop.bigfile', loopDelay.p99Ms),
    sample('loop-max.bigfile', loopDelay.maxMs),
    sample('memory.bigfile', observation.peakMegabytes),
    ...(upload.lastByteToReadyMs === null
      ? []
      : [sample(readyMetric(sizeBytes), upload.lastByteToReadyMs - completionMs)]),
    ...(isOurs ? [sample('postgres.bigfile', observation.postgresMegabytes)] : []),
    ...s3Cost(
      { store, row: 'bigfile', contender: server.name, round, uploadCount: 1, countsParts: false },
      observation,
    ),
  ]
}
