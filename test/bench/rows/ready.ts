// From the last byte to a report that says `ready`, for the sizes that the big-file row doesn't have. Ours only:
// stock has no such state. On the sink the completion takes its time, as it does on S3, and is taken off again.

import { payloadBlocks, sha256Of } from '../payload.js'
import { readyMetric, type Sample } from '../sample.js'
import { checkAndRemove, observed, type Row, settleDisk } from './row.js'

const COMPLETION_DELAY_MS = 200

export const ready: Row = {
  name: 'ready',
  stores: ['local', 's3-sink'],
  async run({ servers, sink, load, round, workload, nextSeed }) {
    const samples: Sample[] = []
    for (const server of servers.filter(({ name }) => name === 'ours')) {
      for (const sizeBytes of workload.readyBytes) {
        const seed = nextSeed()
        await settleDisk(server)
        const { result: upload, figures } = await observed(
          server,
          sink,
          () => load.perform('upload', { target: server.target, sizeBytes, seed, untilReady: true }),
          COMPLETION_DELAY_MS,
        )
        const sent = { sha256: sha256Of(payloadBlocks(sizeBytes, seed)), sizeBytes }
        await checkAndRemove(server, upload.path, sent)
        if (upload.lastByteToReadyMs === null) throw new Error('The load process did not wait for ready.')
        const value = upload.lastByteToReadyMs - (figures?.completionMs ?? 0)
        samples.push({ metric: readyMetric(sizeBytes), contender: server.name, round, value })
      }
    }
    return samples
  },
}
