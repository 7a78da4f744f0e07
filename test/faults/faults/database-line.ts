import type { InstanceName } from '../stage/stage.js'
import type { Fault } from './fault.js'
import { drawLineTrouble } from './line-trouble.js'

/** The way from one instance to PostgreSQL: its pool, its LISTEN, its sweep's lock. */
export const databaseLine: Fault = {
  kind: 'database-line',
  weight: 3,
  draw(random) {
    const target = random.pick<InstanceName>(['a', 'b', 'a', 'b', 'disk'])
    const { begin, ...trouble } = drawLineTrouble(random, 60)
    return {
      ...trouble,
      target,
      recoversMs: 1_000,
      occupies: [`database line of ${target}`],
      begin: (stage) => begin([stage.instances[target].databaseLine]),
    }
  },
}
