// How many of everything there are, for figures that are read every few seconds. SQL only.
//
// Nothing here may take longer the more files are kept: what can be many is taken from the owners' accounts, and the rest is
// counted by an index, up to a bound.

import { Prisma, type PrismaClient } from '../../prisma/generated/client.js'
import { Statements } from '../database/statements.js'

/** What is more than this is told as this. */
export const MOST_COUNTED = 10_000

const COUNTED_STATES = ['receiving', 'finalizing', 'failed', 'canceled', 'expired', 'deleted'] as const

export interface Counts {
  /** By state, at most MOST_COUNTED of each; of `ready` all, with those that were deleted and can be restored. */
  uploads: Record<(typeof COUNTED_STATES)[number] | 'ready', number>
  storedFiles: number
  storedBytes: number
  /** Since its last byte; 0 when none is finalizing. */
  oldestFinalizingSeconds: number
  garbage: number
  pendingDeliveries: number
  /** 0 when none is due. */
  overdueDeliverySeconds: number
}

type CountRow = Record<
  (typeof COUNTED_STATES)[number] | 'openParts' | 'garbage' | 'pendingDeliveries',
  bigint
> & {
  files: bigint
  openUploads: bigint
  bytes: string
  oldestFinalizingSeconds: number
  overdueDeliverySeconds: number
}

export class Census {
  readonly #database: Statements

  constructor(prisma: PrismaClient) {
    this.#database = new Statements(prisma)
  }

  /** @throws UNAVAILABLE */
  async count(): Promise<Counts> {
    const [row] = await this.#database.query<CountRow>(STATEMENT)
    if (row === undefined) throw new Error('A SELECT without FROM has one row.')
    const { files, openUploads, openParts, bytes } = row
    const counted = Object.fromEntries(COUNTED_STATES.map((state) => [state, Number(row[state])])) as Record<
      (typeof COUNTED_STATES)[number],
      number
    > // one for each of them
    return {
      // Parts of concatenations are open uploads, but no files.
      uploads: { ...counted, ready: Math.max(0, Number(files - openUploads + openParts)) },
      storedFiles: Number(files),
      storedBytes: Number(bytes),
      oldestFinalizingSeconds: row.oldestFinalizingSeconds,
      garbage: Number(row.garbage),
      pendingDeliveries: Number(row.pendingDeliveries),
      overdueDeliverySeconds: row.overdueDeliverySeconds,
    }
  }
}

const BOUND = Prisma.raw(String(MOST_COUNTED))

/** How many rows `from` has, up to the bound. */
function countUpTo(from: Prisma.Sql): Prisma.Sql {
  return Prisma.sql`(SELECT count(*) FROM (SELECT FROM ${from} LIMIT ${BOUND}) AS few)`
}

const inState = (state: string) => Prisma.raw(`uploads WHERE state = '${state}'`)

const COUNTS = COUNTED_STATES.map((state) => Prisma.sql`${countUpTo(inState(state))} AS ${Prisma.raw(state)}`)

const STATEMENT = Prisma.sql`
  SELECT ${Prisma.join(COUNTS)},
    (SELECT count(*) FROM (SELECT concat FROM uploads WHERE state IN ('receiving', 'finalizing') LIMIT ${BOUND}) AS few
      WHERE concat = 'partial') AS "openParts",
    ${countUpTo(Prisma.raw('garbage'))} AS garbage,
    ${countUpTo(Prisma.raw("webhook_deliveries WHERE state = 'pending'"))} AS "pendingDeliveries",
    usage.*,
    COALESCE((SELECT extract(epoch FROM now() - min(last_write_at)) FROM
      (SELECT last_write_at FROM uploads WHERE state = 'finalizing' LIMIT ${BOUND}) AS few), 0)::float8
      AS "oldestFinalizingSeconds",
    GREATEST(0, COALESCE((SELECT extract(epoch FROM now() - min(next_attempt_at)) FROM webhook_deliveries WHERE state = 'pending'), 0))::float8
      AS "overdueDeliverySeconds"
  FROM (SELECT COALESCE(sum(files), 0)::bigint AS files, COALESCE(sum(open_uploads), 0)::bigint AS "openUploads",
    COALESCE(sum(bytes), 0)::text AS bytes FROM owner_usage) AS usage`
