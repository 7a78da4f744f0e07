import type { InstanceName } from '../stage/stage.js'
import { type Fault, LONG_OUTAGE, processOf } from './fault.js'

/** Shorter, and longer, than the 10 s after which another instance may take an upload over: then a zombie wakes up. */
const SHORT_MS = { least: 300, most: 4_000 }
const LONG_MS = { least: 11_000, most: 15_000 }

/** SIGSTOP, and SIGCONT: a machine that swaps, a virtual one that is moved. Its connections stay open. */
export const freeze: Fault = {
  kind: 'freeze',
  weight: 2,
  draw(random) {
    const target = random.pick<InstanceName>(['a', 'b', 'a', 'b', 'disk'])
    const isLong = target !== 'disk' && random.chance(0.4)
    const { least, most } = isLong ? LONG_MS : SHORT_MS
    return {
      target,
      parameters: {},
      lastsMs: random.integer(least, most),
      recoversMs: 2_000,
      occupies: [processOf(target), ...(isLong ? [LONG_OUTAGE] : [])],
      async begin(stage) {
        const instance = stage.instances[target]
        instance.freeze()
        return () => instance.thaw()
      },
    }
  },
}
