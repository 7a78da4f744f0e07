// Loaded into each measured server by `--import`, so that all are measured alike and none is changed for it.
// Answers the bench over IPC with the event-loop delay of the main thread since the last question, and takes CPU profiles.

import { writeFile } from 'node:fs/promises'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { isMainThread } from 'node:worker_threads'
import { ProfileRecorder } from './profile/recorder.js'

const RESOLUTION_MS = 1

export interface LoopDelay {
  readonly p99Ms: number
  readonly maxMs: number
}

/** What the bench asks. The first is not answered, the others each once. */
export type ProbeQuestion =
  | { readonly kind: 'loop-delay-start' }
  | { readonly kind: 'loop-delay-stop' }
  | { readonly kind: 'profile-start' }
  /** A file for each thread, whose name begins with `prefix`. */
  | { readonly kind: 'profile-stop'; readonly prefix: string }

export type ProbeAnswer =
  | { readonly loopDelay: LoopDelay }
  | { readonly isProfiling: true }
  | { readonly profileFiles: readonly string[] }
  | { readonly problem: string }

// Worker threads inherit `--import`; their loops serve nobody.
if (isMainThread && process.channel) {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  const recorder = new ProfileRecorder()
  const answerTo = async (question: ProbeQuestion): Promise<ProbeAnswer | undefined> => {
    switch (question.kind) {
      case 'loop-delay-start':
        histogram.reset()
        histogram.enable()
        return undefined
      case 'loop-delay-stop':
        histogram.disable()
        return {
          loopDelay: { p99Ms: delayMs(histogram.percentile(99)), maxMs: delayMs(histogram.max) },
        }
      case 'profile-start':
        await recorder.start()
        return { isProfiling: true }
      case 'profile-stop':
        return { profileFiles: await writeProfiles(recorder, question.prefix) }
    }
  }
  process.on('message', (question: ProbeQuestion) => {
    answerTo(question).then(
      (answer) => answer && process.send?.(answer),
      (error: unknown) => process.send?.({ problem: String(error) } satisfies ProbeAnswer),
    )
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

async function writeProfiles(recorder: ProfileRecorder, prefix: string): Promise<readonly string[]> {
  const files: string[] = []
  for (const { thread, profile } of await recorder.stop()) {
    const file = `${prefix}-${thread}.cpuprofile`
    await writeFile(file, JSON.stringify(profile))
    files.push(file)
  }
  return files
}
