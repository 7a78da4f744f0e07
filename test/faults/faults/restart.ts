import type { InstanceName } from '../stage/stage.js'
import { type Fault, processOf } from './fault.js'

/** SIGTERM: running requests are paused, the process ends, and starts again. */
export const restart: Fault = {
  kind: 'restart',
  weight: 2,
  draw(random) {
    const target = random.pick<InstanceName>(['a', 'b', 'a', 'b', 'disk'])
    return {
      target,
      parameters: {},
      lastsMs: random.integer(500, 3_000),
      // Requests have some seconds to come to their end.
      recoversMs: 8_000,
      occupies: [processOf(target)],
      async begin(stage) {
        const instance = stage.instances[target]
        // One that is still starting may be ended by the signal itself.
        const wasUp = !instance.isDown
        const stopped = instance.stop()
        return async () => {
          const exitCode = await stopped
          await instance.start()
          if (wasUp && exitCode !== undefined && exitCode !== 0)
            throw new Error(`${target} ended with ${exitCode} after SIGTERM.`)
        }
      },
    }
  },
}
