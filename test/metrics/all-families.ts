// Every metric that there is, without a server: what the pages and files for operators may name.

import { Metrics } from '../../server/metrics/metrics.js'
import type { Described } from '../../server/metrics/registry.js'

export interface AllFamilies {
  /** Ours. */
  readonly own: readonly Described[]
  /** Names, those of the process among them. */
  readonly names: ReadonlySet<string>
}

export async function allFamilies(): Promise<AllFamilies> {
  const metrics = new Metrics(() => undefined)
  metrics.watch({
    version: '0',
    store: 'local',
    digestEngine: 'openssl',
    slabs: { inUse: 0, limit: 0, waiting: 0 },
    digests: { engine: 'openssl', load: () => ({ running: 0, waiting: 0, bytes: 0 }) },
    database: { connections: () => ({ open: 0, idle: 0, waiting: 0, most: 0 }) },
    census: { count: () => Promise.reject(new Error('There is no database.')) },
    bytes: { freeBytes: async () => 0 },
    leases: { heldCount: 0 },
  })
  const text = await metrics.text()
  metrics.close()
  return {
    own: metrics.described,
    names: new Set([...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => String(name))),
  }
}
