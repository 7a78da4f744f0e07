import type { Fault } from './fault.js'
import { POSTGRES } from './postgres.js'

const MIB = 1024 * 1024

/** The disk of the local store has no room, or none that is worth speaking of. */
export const fullStore: Fault = {
  kind: 'full-store',
  weight: 1,
  need: 'full-disk',
  draw(random) {
    const leftBytes = random.pick([0, 64 * 1024, MIB, 4 * MIB])
    return {
      target: 'disk',
      parameters: { leftBytes },
      lastsMs: random.integer(800, 4_000),
      recoversMs: 1_000,
      occupies: ['store disk'],
      async begin(stage) {
        await stage.storeDisk?.fill(leftBytes)
        return async () => stage.storeDisk?.free()
      },
    }
  },
}

/**
 * The disk under PostgreSQL has no room. It refuses what needs more, and when its log can't go on it ends, and can't
 * start before there is room.
 */
export const fullDatabase: Fault = {
  kind: 'full-database',
  weight: 1,
  need: 'full-disk',
  draw(random) {
    const leftBytes = random.pick([0, 0, 256 * 1024, 2 * MIB])
    return {
      target: POSTGRES,
      parameters: { leftBytes },
      lastsMs: random.integer(800, 4_000),
      recoversMs: 4_000,
      occupies: [POSTGRES],
      async begin(stage) {
        await stage.postgres.disk?.fill(leftBytes)
        return async () => {
          await stage.postgres.disk?.free()
          await stage.postgres.start()
        }
      },
    }
  },
}
