// What the database tells: how its connections are used, and how many of everything there are.

import type { Database } from '../database/client.js'
import type { Census, Counts } from '../uploads/census.js'
import type { Families, Reading } from './registry.js'
import { withinTime } from './within-time.js'

export function watchConnections(families: Families, database: Pick<Database, 'connections'>): void {
  families.readOnScrape(
    {
      name: 'database_connections',
      help: 'Connections to PostgreSQL, by state: "in_use", "idle".',
      labels: ['state'],
    },
    () => {
      const { open, idle } = database.connections()
      return [
        { of: { state: 'in_use' }, value: open - idle },
        { of: { state: 'idle' }, value: idle },
      ]
    },
  )
  families.readOnScrape(
    { name: 'database_connections_max', help: 'How many connections to PostgreSQL there may be.' },
    () => [{ value: database.connections().most }],
  )
  families.readOnScrape(
    { name: 'database_queries_waiting', help: 'Queries that wait for a connection.' },
    () => [{ value: database.connections().waiting }],
  )
}

/** How long a reading of the database stands for the next ones: scrapes of several Prometheus servers cost one. */
const FRESH_MS = 5_000
/** Less than Prometheus waits for all of a scrape. */
const PATIENCE_MS = 2_000

/** Gauges of what all instances have together: each of them tells the same. */
export function watchCensus(families: Families, census: Pick<Census, 'count'>): void {
  let last: { counts: Promise<Counts>; atMs: number } | undefined
  /** One at a time, however slow: what nobody waits for any more must not take all connections. */
  let counting: Promise<Counts> | undefined
  const count = (): Promise<Counts> => {
    const nowMs = performance.now()
    if (last === undefined || nowMs - last.atMs > FRESH_MS) {
      counting ??= census.count().finally(() => {
        counting = undefined
      })
      const counts = withinTime(PATIENCE_MS, counting)
      counts.catch(() => {
        last = undefined
      })
      last = { counts, atMs: nowMs }
    }
    return last.counts
  }
  const read = (name: string, help: string, value: (counts: Counts) => number): void =>
    families.readOnScrape({ name, help }, async () => [{ value: value(await count()) }])

  families.readOnScrape(
    { name: 'database_up', help: 'Whether the database answers this instance: 1 or 0.' },
    async () => [
      await count().then(
        () => ({ value: 1 }),
        () => ({ value: 0 }),
      ),
    ],
  )
  families.readOnScrape(
    {
      name: 'uploads',
      help: 'Uploads by state; of other states than "ready" at most 10000 are counted.',
      labels: ['state'],
    },
    async () =>
      Object.entries((await count()).uploads).map(
        ([state, value]): Reading<'state'> => ({ of: { state }, value }),
      ),
  )
  read(
    'stored_files',
    'Files that count for quotas: whole ones, unfinished ones, and deleted ones that can be restored.',
    (counts) => counts.storedFiles,
  )
  read(
    'stored_bytes',
    'The bytes of these files as announced, each file for itself: the same content twice counts twice.',
    (counts) => counts.storedBytes,
  )
  read(
    'finalizing_oldest_age_seconds',
    'Since when the upload that is finalizing for the longest got its last byte; 0 when none is.',
    (counts) => counts.oldestFinalizingSeconds,
  )
  read(
    'garbage',
    'Objects that nothing refers to any more and that are still to be deleted; at most 10000 are counted.',
    (counts) => counts.garbage,
  )
  read(
    'webhook_deliveries_pending',
    'Webhook deliveries still to be made, on all instances; at most 10000 are counted.',
    (counts) => counts.pendingDeliveries,
  )
  read(
    'webhook_delivery_overdue_seconds',
    'How long the longest due webhook delivery has been due; 0 when none is.',
    (counts) => counts.overdueDeliverySeconds,
  )
}
