// The same uploads to one of ours, and to two on one database and one bucket. Connections go to the two in turn.
// Both share this machine's cores with the client and the sink, so how busy the cores were belongs beside the ratio.

import { payloadBlocks, sha256Of } from '../payload.js'
import { withBusyPercent } from '../processor.js'
import type { Contender, Sample } from '../sample.js'
import type { BenchServer } from '../servers.js'
import { rotated } from '../statistics.js'
import { checkAndRemove, mebibytesPerSecond, type Row, settleDisk } from './row.js'

export const instances: Row = {
  name: 'instances',
  stores: ['s3-sink'],
  needsPeer: true,
  async run({ servers, peer, load, round, workload, nextSeed }) {
    const one = servers.find(({ name }) => name === 'ours')
    if (one === undefined || peer === undefined) return []
    const { instancesBytes: sizeBytes, instancesCount: uploadCount } = workload
    const seeds = Array.from({ length: uploadCount }, () => nextSeed())
    const sha256s = seeds.map((seed) => sha256Of(payloadBlocks(sizeBytes, seed)))
    const houses: { contender: Contender; members: BenchServer[] }[] = [
      { contender: 'ours', members: [one] },
      { contender: 'pair', members: [one, peer] },
    ]
    const samples: Sample[] = []
    for (const { contender, members } of rotated(houses, round)) {
      await settleDisk(one)
      const targets = members.map(({ target }) => target)
      const { result, busyPercent } = await withBusyPercent(() =>
        load.perform('parallel', { targets, sizeBytes, seeds }),
      )
      for (const [index, path] of result.paths.entries()) {
        // Either of the two knows them all.
        await checkAndRemove(peer, path, { sha256: sha256s[index] ?? '', sizeBytes })
      }
      const value = mebibytesPerSecond(sizeBytes * uploadCount, result.elapsedMs)
      samples.push(
        { metric: 'instances', contender, round, value },
        { metric: 'busy.instances', contender, round, value: busyPercent },
      )
    }
    return samples
  },
}
