import type { Place } from '../stage/stage.js'
import type { Fault } from './fault.js'

/** Sweeps as processes of their own beside those of the instances: one, or more at once. */
export const sweepStorm: Fault = {
  kind: 'sweep-storm',
  weight: 1,
  draw(random) {
    const target = random.pick<Place>(['cluster', 'cluster', 'disk'])
    const processes = random.integer(1, 2)
    return {
      target,
      parameters: { processes },
      lastsMs: 0,
      // A process needs a second or two of a core.
      recoversMs: 6_000,
      occupies: ['sweep processes'],
      async begin(stage) {
        const sweeps = Array.from({ length: processes }, () => stage.sweep(target))
        return async () => {
          await Promise.all(sweeps)
        }
      },
    }
  },
}
