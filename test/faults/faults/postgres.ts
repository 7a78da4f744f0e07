import type { Fault } from './fault.js'

export const POSTGRES = 'postgres'

/** PostgreSQL ends, in one of its two ways, and comes back. */
export const postgres: Fault = {
  kind: 'postgres',
  weight: 1,
  draw(random) {
    const way = random.pick(['fast', 'immediate'] as const)
    return {
      target: POSTGRES,
      parameters: { way },
      lastsMs: random.integer(0, 4_000),
      recoversMs: 3_000,
      occupies: [POSTGRES],
      async begin(stage) {
        await (way === 'fast' ? stage.postgres.stopFast() : stage.postgres.stopImmediately())
        return () => stage.postgres.start()
      },
    }
  },
}
