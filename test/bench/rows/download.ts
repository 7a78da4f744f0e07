// One big download: our retrieval URL, NGINX on the very file that ours has stored, and `send` in the stock server's Express on a
// file with the same bytes.

import { basename, dirname } from 'node:path'
import { type Nginx, startNginx } from '../nginx.js'
import { payloadBlocks, sha256Of } from '../payload.js'
import type { Contender, Sample } from '../sample.js'
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
      samples.push(...(await fetchFrom(context, server, seed, sentSha256)))
    }
    return samples
  },
}

async function fetchFrom(
  context: RoundContext,
  server: BenchServer,
  seed: number,
  sha256: string,
): Promise<Sample[]> {
  const { load, round, workload } = context
  const { target } = server
  const sizeBytes = workload.bigBytes
  const isOurs = server.name === 'ours'
  const upload = await load.perform('upload', { target, sizeBytes, seed, untilReady: isOurs })
  await server.expectStored(upload.path, { sha256, sizeBytes })
  const path = await server.downloadPath(upload.path)
  await settleDisk(server)
  const fetchOnce = async (contender: Contender, port: number, from: string): Promise<Sample> => {
    const elapsedMs = await fetchBigFile(context, port, from, sha256)
    return { metric: 'download', contender, round, value: mebibytesPerSecond(sizeBytes, elapsedMs) }
  }

  const contender = isOurs ? 'ours' : 'send'
  const samples: Sample[] = []
  const fetchOurs = async (): Promise<void> => {
    const { result, peakMegabytes } = await withPeakMegabytes(server, () =>
      fetchOnce(contender, target.port, path),
    )
    samples.push(result, { metric: 'memory.download', contender, round, value: peakMegabytes })
  }
  const fetchNginx = async ({ port }: Nginx): Promise<void> => {
    samples.push(await fetchOnce('nginx', port, `/${basename(server.storedFile(upload.path))}`))
  }
  const nginx = isOurs
    ? await startNginx(`${server.directory}-nginx`, dirname(server.storedFile(upload.path)))
    : null
  try {
    if (nginx !== null && round % 2 === 0) await fetchNginx(nginx)
    await fetchOurs()
    if (nginx !== null && round % 2 === 1) await fetchNginx(nginx)
  } finally {
    await nginx?.stop()
  }
  await server.remove(upload.path)
  return samples
}

/** How long it took, in ms. Hashing would make the reader the slower side, so what comes is checked on a second download. */
async function fetchBigFile(
  { load, workload }: RoundContext,
  port: number,
  path: string,
  sha256: string,
): Promise<number> {
  const timed = await load.perform('download', { port, path, hash: false })
  const checked = await load.perform('download', { port, path, hash: true })
  if (timed.sizeBytes === workload.bigBytes && checked.sha256 === sha256) return timed.elapsedMs
  throw new Error(`${path} came with ${timed.sizeBytes} bytes and ${checked.sha256}, not ${sha256}.`)
}
