// The same uploads to one of ours, and to two on one database and one bucket. Each server has one core, and not more, so that
// two have twice what one has. Client, sink and PostgreSQL have the other cores. Where there are only two, each server is held to
// half of its core, so that two leave as much to the others as they have themselves. Where programs can't be held (share.ts),
// even a perfect second server can't double the speed, and how busy all cores were under one says how far it could get.

import { allCores, bindTo, coresFor } from '../cores.js'
import { postgresPids } from '../memory.js'
import { payloadBlocks, sha256Of } from '../payload.js'
import { withBusyPercent } from '../processor.js'
import type { Contender, Sample } from '../sample.js'
import type { BenchServer } from '../servers.js'
import { withShare } from '../share.js'
import { rotated } from '../statistics.js'
import { checkAndRemove, mebibytesPerSecond, type RoundContext, type Row, settleDisk } from './row.js'

/** Of its core, where the others have none to themselves. */
const SHARE = 0.5

export const instances: Row = {
  name: 'instances',
  stores: ['s3-sink'],
  needsPeer: true,
  async run(context) {
    const { servers, peer, load, round, workload, nextSeed } = context
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
      const connectionCount = workload.instancesConnectionCount
      const { result, busyPercent } = await withCoreForEach(context, members, [one, peer], () =>
        withBusyPercent(() => load.perform('queue', { targets, sizeBytes, seeds, connectionCount })),
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

/** Afterwards all may run anywhere again, and as much as they like. */
async function withCoreForEach<T>(
  { load, sink, servers }: RoundContext,
  members: readonly BenchServer[],
  both: readonly BenchServer[],
  work: () => Promise<T>,
): Promise<T> {
  const cores = coresFor(members.length, allCores)
  const databases = await Promise.all(servers.map(({ directory }) => postgresPids(directory)))
  const others = [load.pid, ...(sink === null ? [] : [sink.pid]), ...databases.flat()]
  const memberPids = members.map(({ pid }) => pid)
  try {
    for (const [index, pid] of memberPids.entries()) await bindTo(pid, [cores.servers[index] ?? 0])
    for (const pid of others) await bindTo(pid, cores.others)
    if (allCores.length > both.length) return await work()
    // Both, also where one has nothing to do: it is both or none, whom they are compared with.
    const held = await withShare(
      both.map(({ pid }) => pid),
      SHARE,
      work,
    )
    if (held !== null) return held.result
    console.warn('Servers can not be held to half of a core here: two have no more than one and its client.')
    return await work()
  } finally {
    for (const pid of [...memberPids, ...others]) await bindTo(pid, allCores)
  }
}
