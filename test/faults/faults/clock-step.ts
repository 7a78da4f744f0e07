import type { InstanceName } from '../stage/stage.js'
import type { Fault } from './fault.js'

const MINUTE_SECONDS = 60
const DAY_SECONDS = 86_400

/** The wall clock of one process jumps, and later back: time is the database's, so nothing may come of it. */
export const clockStep: Fault = {
  kind: 'clock-step',
  weight: 2,
  need: 'clock-step',
  draw(random) {
    const target = random.pick<InstanceName>(['a', 'b', 'disk'])
    const sizeSeconds = random.pick([random.integer(1, 60) * MINUTE_SECONDS, DAY_SECONDS, 2 * DAY_SECONDS])
    const seconds = random.chance(0.5) ? sizeSeconds : -sizeSeconds
    return {
      target,
      parameters: { seconds },
      lastsMs: random.integer(2_500, 8_000),
      recoversMs: 2_000,
      occupies: [`clock of ${target}`],
      async begin(stage) {
        const instance = stage.instances[target]
        await instance.setClock(seconds)
        return () => instance.setClock(0)
      },
    }
  },
}
