// The order of events, and reading along it. SQL only.
//
// Writers leave `sequence` empty: transactions commit in another order than that in which they took their ids, so whoever has
// seen id 7 may still have to see id 6. The order is given afterwards, to what is committed, by one giver at a time. Whoever
// reads a sequence has therefore missed nothing before it.

import { Prisma, type PrismaClient } from '../../prisma/generated/client.js'
import type { OwnerScope } from '../auth/owner-scope.js'
import { ownedBy } from '../database/owned-by.js'
import { Statements } from '../database/statements.js'
import { type EventRecord, type EventRow, toEvent } from './event.js'

/** Any number that nothing else in this database locks: "events" in ASCII. */
const ORDER_LOCK = 0x6576656e7473n
const BATCH_ROWS = 1000

const COLUMNS = Prisma.raw(
  'sequence, type, at, owner, upload_id AS "uploadId", package_id AS "packageId", data',
)

export class EventOrder {
  readonly #database: Statements

  constructor(prisma: PrismaClient) {
    this.#database = new Statements(prisma)
  }

  /** Whether committed events wait for their place (then also how old the first of them is), and the newest sequence there is. */
  async look(): Promise<{ isWaiting: boolean; waitingSeconds?: number; newest: number }> {
    const rows = await this.#database.query<{
      waitingSeconds: number | null
      newest: bigint | null
    }>(Prisma.sql`
      SELECT (SELECT extract(epoch FROM clock_timestamp() - at)::float8 FROM events WHERE sequence IS NULL ORDER BY id LIMIT 1)
        AS "waitingSeconds", (SELECT max(sequence) FROM events) AS newest`)
    const { waitingSeconds = null, newest = null } = rows[0] ?? {}
    const isWaiting = waitingSeconds !== null
    return { isWaiting, ...(isWaiting ? { waitingSeconds } : {}), newest: Number(newest ?? 0) }
  }

  /** Gives every event that was committed before the call its place. */
  async give(): Promise<void> {
    while ((await this.#giveBatch()) === BATCH_ROWS);
  }

  /** The newest events behind `since`, in order: all of them, or the last `limit`. */
  async readNewest(since: number, limit: number): Promise<EventRecord[]> {
    const rows = await this.#database.query<EventRow>(Prisma.sql`
      SELECT ${COLUMNS} FROM events WHERE sequence > ${since} ORDER BY sequence DESC LIMIT ${limit}`)
    return rows.reverse().map(toEvent)
  }

  /** The first events of `scope` behind `since`, up to `upTo`, inclusive. */
  async read(scope: OwnerScope, since: number, upTo: number, limit: number): Promise<EventRecord[]> {
    const rows = await this.#database.query<EventRow>(Prisma.sql`
      SELECT ${COLUMNS} FROM events WHERE ${ownedBy(scope)} AND sequence > ${since} AND sequence <= ${upTo}
      ORDER BY sequence LIMIT ${limit}`)
    return rows.map(toEvent)
  }

  /**
   * Forgets events that are older; but for the newest, which tells readers how far the order goes.
   *
   * Ids grow with time but for the length of a transaction, so the oldest are found without an index on it.
   */
  async forgetOld(ttlSeconds: number): Promise<void> {
    let forgotten: { id: bigint }[]
    do {
      forgotten = await this.#database.query<{ id: bigint }>(Prisma.sql`
        DELETE FROM events WHERE id IN (
          SELECT id FROM (SELECT id, at FROM events WHERE sequence < (SELECT max(sequence) FROM events) ORDER BY id LIMIT ${BATCH_ROWS}) AS oldest
          WHERE at < now() - ${ttlSeconds}::float8 * interval '1 second')
        RETURNING id`)
    } while (forgotten.length === BATCH_ROWS)
  }

  /**
   * Two statements, for the second one must see what the giver before us has committed: in READ COMMITTED each has a snapshot
   * of its own, and the lock is let go of after the commit has become visible.
   */
  async #giveBatch(): Promise<number> {
    return this.#database.translated((prisma) =>
      prisma.$transaction(
        async (transaction) => {
          await transaction.$executeRaw`SELECT pg_advisory_xact_lock(${ORDER_LOCK})`
          return transaction.$executeRaw`
            WITH placed AS (
              SELECT id, nextval('events_order_seq') AS sequence
              FROM (SELECT id FROM events WHERE sequence IS NULL ORDER BY id LIMIT ${BATCH_ROWS}) AS waiting
            )
            UPDATE events SET sequence = placed.sequence FROM placed WHERE events.id = placed.id`
        },
        { isolationLevel: 'ReadCommitted' },
      ),
    )
  }
}
