// Many readers of the event stream at once: how late is the last of them, and does the server's memory stay flat? Ours only.

import { setTimeout as sleep } from 'node:timers/promises'
import { residentBytes } from '../memory.js'
import { sha256Of, smallPayload } from '../payload.js'
import type { Sample } from '../sample.js'
import { median } from '../statistics.js'
import { checkAndRemove, MEGABYTE, type Row, settleDisk } from './row.js'

const READ_MEMORY_EVERY_MS = 200

export const events: Row = {
  name: 'events',
  stores: ['local'],
  async run({ servers, load, round, workload, nextSeed }) {
    const samples: Sample[] = []
    const {
      eventReaderCount: readerCount,
      eventsPerSecond,
      eventSeconds: seconds,
      smallFileBytes: sizeBytes,
    } = workload
    for (const server of servers.filter(({ name }) => name === 'ours')) {
      const seed = nextSeed()
      await settleDisk(server)
      server.startLoopDelay()
      const following = load.perform('follow', {
        ...{ target: server.target, readerCount, eventsPerSecond, seconds, sizeBytes, seed },
      })
      const megabytes = await residentMegabytesDuring(server.pid, following)
      const { paths, medianDelayMs, latestDelayMs } = await following
      const loopDelay = await server.stopLoopDelay()
      for (const [index, path] of paths.entries()) {
        await checkAndRemove(server, path, {
          sha256: sha256Of([smallPayload(sizeBytes, seed, index)]),
          sizeBytes,
        })
      }
      const sample = (metric: string, value: number): Sample => ({
        metric,
        contender: server.name,
        round,
        value,
      })
      const quarter = Math.ceil(megabytes.length / 4)
      samples.push(
        sample('events', latestDelayMs),
        sample('median.events', medianDelayMs),
        sample('loop.events', loopDelay.p99Ms),
        // The first quarter goes by while the readers connect.
        sample('memory-before.events', median(megabytes.slice(quarter, 2 * quarter))),
        sample('memory-after.events', median(megabytes.slice(-quarter))),
      )
    }
    return samples
  },
}

/** What the process holds, again and again until `work` is over. */
async function residentMegabytesDuring(pid: number, work: Promise<unknown>): Promise<number[]> {
  const megabytes: number[] = []
  let isOver = false
  const end = (): void => {
    isOver = true
  }
  work.then(end, end)
  while (!isOver) {
    megabytes.push((await residentBytes(pid)) / MEGABYTE)
    await sleep(READ_MEMORY_EVERY_MS)
  }
  return megabytes
}
