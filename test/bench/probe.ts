// Loaded into each measured server by `--import`, so that all are measured alike and none is changed for it.
// Answers the bench over IPC with the event-loop delay of the main thread since the last question.

import { monitorEventLoopDelay } from 'node:perf_hooks'
import { isMainThread } from 'node:worker_threads'

const RESOLUTION_MS = 1

export interface LoopDelay {
  readonly p99Ms: number
  readonly maxMs: number
}

// Worker threads inherit `--import`; their loops serve nobody.
if (isMainThread && process.channel) {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  process.on('message', (question) => {
    if (question === 'loop-delay-start') {
      histogram.reset()
      histogram.enable()
    } else if (question === 'loop-delay-stop') {
      histogram.disable()
      process.send?.({
        p99Ms: delayMs(histogram.percentile(99)),
        maxMs: delayMs(histogram.max),
      } satisfies LoopDelay)
    }
  })
  // The bench has died: nobody is left to stop this server.
  process.on('disconnect', () => process.kill(process.pid, 'SIGTERM'))
  // The channel must not keep a server alive that has closed everything else.
  process.channel.unref()
}

/** The histogram holds the time between two ticks of its timer, in ns; an undelayed tick comes after the resolution. */
function delayMs(intervalNs: number): number {
  return Math.max(0, intervalNs / 1e6 - RESOLUTION_MS)
}
