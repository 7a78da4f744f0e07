import type { InstanceName } from '../stage/stage.js'
import { type Fault, processOf } from './fault.js'

/** kill -9 of an instance, which comes back after a while. */
export const kill: Fault = {
  kind: 'kill',
  weight: 3,
  draw(random) {
    const target = random.pick<InstanceName>(['a', 'b', 'a', 'b', 'disk'])
    return {
      target,
      parameters: {},
      lastsMs: random.integer(100, 5_000),
      recoversMs: 4_000,
      occupies: [processOf(target)],
      async begin(stage) {
        const instance = stage.instances[target]
        await instance.kill()
        return () => instance.start()
      },
    }
  },
}
