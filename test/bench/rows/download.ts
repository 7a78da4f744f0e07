// One big download: our retrieval URL against `send` in the stock server's Express, serving the same bytes.

import { payloadBlocks, sha256Of } from '../payload.js'
import type { Sample } from '../sample.js'
import type { BenchServer } from '../servers.js'
import { mebibytesPerSecond, type RoundContext, type Row, settleDisk, withPeakMegabytes } from './row.js'

export const download: Row = {
  name: 'download',
  stores: ['local'],
  async run(context) {
    const seed = context.nextSeed()
    const sentSha256 = sha256Of(payloadBlocks(context.workload.bigBytes, seed))
    const samples: Sample[] = []
    for (const server of context.servers.filter(({ name }) => name !== 'digests')) {
      samples.push(...(await fetchBigFile(context, server, seed, sentSha256)))
    }
    return samples
  },
}

async function fetchBigFile(
  { load, round, workload }: RoundContext,
  server: BenchServer,
  seed: number,
  sentSha256: string,
): Promise<Sample[]> {
  const { target } = server
  const sizeBytes = workload.bigBytes
  const upload = await load.perform('upload', { target, sizeBytes, seed, untilReady: server.name === 'ours' })
  await server.expectStored(upload.path, { sha256: sentSha256, sizeBytes })
  const path = await server.downloadPath(upload.path)
  await settleDisk(server)

  const { result, peakMegabytes } = await withPeakMegabytes(server, () =>
    load.perform('download', { port: target.port, path, hash: false }),
  )
  // Hashing would make the reader the slower side, so what came is checked on a second download.
  const checked = await load.perform('download', { port: target.port, path, hash: true })
  if (result.sizeBytes !== sizeBytes || checked.sha256 !== sentSha256) {
    throw new Error(
      `${server.name} served ${result.sizeBytes} bytes and ${checked.sha256}, not ${sentSha256}.`,
    )
  }
  await server.remove(upload.path)

  const contender = server.name === 'bare' ? 'send' : server.name
  return [
    { metric: 'download', contender, round, value: mebibytesPerSecond(sizeBytes, result.elapsedMs) },
    { metric: 'memory.download', contender, round, value: peakMegabytes },
  ]
}
