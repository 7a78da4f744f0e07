// From the last byte to a report that says `ready`, for the sizes that the big-file row doesn't have. Ours only:
// stock has no such state.

import { payloadBlocks, sha256Of } from '../payload.js'
import { readyMetric, type Sample } from '../sample.js'
import { expectStored, type Row, settleDisk } from './row.js'

export const ready: Row = {
  name: 'ready',
  async run({ servers, load, round, workload, nextSeed }) {
    const samples: Sample[] = []
    for (const server of servers.filter(({ name }) => name === 'ours')) {
      for (const sizeBytes of workload.readyBytes) {
        const seed = nextSeed()
        await settleDisk(server)
        const upload = await load.perform('upload', {
          target: server.target,
          sizeBytes,
          seed,
          untilReady: true,
        })
        await expectStored(server, upload.path, sha256Of(payloadBlocks(sizeBytes, seed)))
        await server.remove(upload.path)
        const value = upload.lastByteToReadyMs
        if (value === null) throw new Error('The load process did not wait for ready.')
        samples.push({ metric: readyMetric(sizeBytes), contender: server.name, round, value })
      }
    }
    return samples
  },
}
