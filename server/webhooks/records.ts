// Webhooks and their deliveries in Postgres. Each function is one statement or one transaction; time is the database's.
//
// A delivery is under way while it is pending, has attempts and no error, and its next attempt lies ahead: that is the lease of
// whoever claimed it. It lapses by itself, so what a dead instance had claimed is due again.

import { Prisma, type PrismaClient } from '../../prisma/generated/client.js'
import type { OwnerScope } from '../auth/owner-scope.js'
import { ownedBy } from '../database/owned-by.js'
import { Statements } from '../database/statements.js'
import { AppError } from '../errors.js'
import { isId } from '../uploads/random.js'
import type { Attempt } from './sender.js'
import { type Delivery, MOST_WEBHOOKS, type Webhook } from './webhook.js'

/** The last row of a page, newest first. */
export interface Position {
  at: Date
  id: string
}

export interface NewDelivery {
  id: string
  sequence: number
  type: string
  body: string
}

/** A delivery that is this instance's to send. */
export interface Claimed {
  id: string
  webhookId: string
  type: string
  sequence: number
  body: string
  /** With this one. */
  attempts: number
  ageSeconds: number
  /** Now, in seconds since 1970. */
  timestampSeconds: number
  url: string
  secret: string
}

const LOCK_CLASS = 7_276_824
const FORGET_BATCH = 1_000

const WEBHOOK_COLUMNS = Prisma.raw(
  `id, owner, sees_all AS "seesAll", url, events, secret, created_at AS "createdAt", cursor::float8 AS cursor`,
)

const DELIVERY_COLUMNS = Prisma.raw(`id, webhook_id AS "webhookId", sequence::float8 AS sequence, type,
  state::text AS state, attempts, next_attempt_at AS "nextAttemptAt", status, error, created_at AS "createdAt",
  delivered_at AS "deliveredAt"`)

export class WebhookRecords {
  readonly #database: Statements

  constructor(prisma: PrismaClient) {
    this.#database = new Statements(prisma)
  }

  /** @throws CONFLICT when the owner has as many as may be */
  async create(webhook: Omit<Webhook, 'createdAt'>): Promise<Webhook> {
    const { id, owner, seesAll, url, events, secret, cursor } = webhook
    const rows = await this.#database.transaction(async (transaction) => {
      // Two at once would both see room for one.
      await transaction.$executeRaw`SELECT pg_advisory_xact_lock(${LOCK_CLASS}::int, hashtext(${owner}))`
      return transaction.$queryRaw<Webhook[]>`
        INSERT INTO webhooks (id, owner, sees_all, url, events, secret, cursor)
        SELECT ${id}, ${owner}, ${seesAll}, ${url}, ${events}, ${secret}, ${cursor}::bigint
        WHERE (SELECT count(*) FROM webhooks WHERE owner = ${owner}) < ${MOST_WEBHOOKS}
        RETURNING ${WEBHOOK_COLUMNS}`
    })
    if (rows[0] !== undefined) return rows[0]
    throw new AppError(
      'CONFLICT',
      `There are ${MOST_WEBHOOKS} webhooks already. Delete one that isn't needed any more.`,
    )
  }

  /** @throws NOT_FOUND */
  async get(id: string, scope: OwnerScope): Promise<Webhook> {
    const statement = Prisma.sql`SELECT ${WEBHOOK_COLUMNS} FROM webhooks WHERE id = ${id} AND ${ownedBy(scope)}`
    const rows = isId(id) ? await this.#database.query<Webhook>(statement) : []
    if (rows[0] === undefined) throw notFound()
    return rows[0]
  }

  /** Newest first, from behind `after`. */
  async list(scope: OwnerScope, limit: number, after: Position | null): Promise<Webhook[]> {
    return this.#database.query(Prisma.sql`
      SELECT ${WEBHOOK_COLUMNS} FROM webhooks WHERE ${ownedBy(scope)} AND ${behind(after)}
      ORDER BY created_at DESC, id DESC LIMIT ${limit}`)
  }

  /** With its deliveries; what is being sent now may still arrive. @throws NOT_FOUND */
  async remove(id: string, scope: OwnerScope): Promise<void> {
    const statement = Prisma.sql`DELETE FROM webhooks WHERE id = ${id} AND ${ownedBy(scope)} RETURNING id`
    const rows = isId(id) ? await this.#database.query(statement) : []
    if (rows.length === 0) throw notFound()
  }

  /** Newest first, from behind `after`. */
  async listDeliveries(webhookId: string, limit: number, after: Position | null): Promise<Delivery[]> {
    return this.#database.query(Prisma.sql`
      SELECT ${DELIVERY_COLUMNS} FROM webhook_deliveries WHERE webhook_id = ${webhookId} AND ${behind(after)}
      ORDER BY created_at DESC, id DESC LIMIT ${limit}`)
  }

  /** Now, as it is in the records. */
  async now(): Promise<Date> {
    const rows = await this.#database.query<{ now: Date }>(Prisma.sql`SELECT now() AS now`)
    return rows[0]!.now
  }

  /** A ping that is over: it is never sent again. @throws NOT_FOUND when the webhook is gone meanwhile */
  async insertPing(
    webhookId: string,
    ping: { id: string; type: string; body: string },
    attempt: Attempt,
  ): Promise<Delivery> {
    const state = attempt.error === null ? 'delivered' : 'failed'
    const rows = await this.#database.query<Delivery>(Prisma.sql`
      INSERT INTO webhook_deliveries (id, webhook_id, type, body, state, attempts, status, error, delivered_at)
      SELECT ${ping.id}, id, ${ping.type}, ${ping.body}, ${state}::"DeliveryState", 1, ${attempt.status}, ${attempt.error},
        CASE WHEN ${state === 'delivered'} THEN now() END
      FROM webhooks WHERE id = ${webhookId} FOR SHARE
      RETURNING ${DELIVERY_COLUMNS}`)
    if (rows[0] === undefined) throw notFound()
    return rows[0]
  }

  /** True while there is any webhook, of anybody. */
  async hasWebhooks(): Promise<boolean> {
    const rows = await this.#database.query<{ has: boolean }>(
      Prisma.sql`SELECT EXISTS (SELECT FROM webhooks) AS has`,
    )
    return rows[0]?.has === true
  }

  /** Webhooks for which there is an event that they haven't looked at. */
  async findBehind(limit: number): Promise<Webhook[]> {
    return this.#database.query(Prisma.sql`
      SELECT ${WEBHOOK_COLUMNS} FROM webhooks WHERE CASE
        WHEN sees_all THEN EXISTS (SELECT FROM events WHERE events.sequence > webhooks.cursor)
        ELSE EXISTS (SELECT FROM events WHERE events.owner = webhooks.owner AND events.sequence > webhooks.cursor)
      END LIMIT ${limit}`)
  }

  /**
   * Writes `deliveries` and moves the cursor from where it was to `next`, both or neither.
   *
   * @returns false when another instance has moved it or is about to, or the webhook is gone: nothing was written
   */
  async advance(
    webhook: Pick<Webhook, 'id' | 'cursor'>,
    next: number,
    deliveries: readonly NewDelivery[],
  ): Promise<boolean> {
    const rows = await this.#database.query(Prisma.sql`
      WITH held AS (
        SELECT id FROM webhooks WHERE id = ${webhook.id} AND cursor = ${webhook.cursor}::bigint FOR UPDATE SKIP LOCKED
      ), moved AS (
        UPDATE webhooks SET cursor = ${next}::bigint FROM held WHERE webhooks.id = held.id RETURNING webhooks.id
      ), made AS (
        INSERT INTO webhook_deliveries (id, webhook_id, sequence, type, body)
        SELECT made.id, moved.id, made.sequence, made.type, made.body
        FROM moved, unnest(${deliveries.map(({ id }) => id)}::text[], ${deliveries.map(({ sequence }) => sequence)}::bigint[],
          ${deliveries.map(({ type }) => type)}::text[], ${deliveries.map(({ body }) => body)}::text[])
          AS made (id, sequence, type, body)
        ON CONFLICT (webhook_id, sequence) DO NOTHING
      )
      SELECT id FROM moved`)
    return rows.length > 0
  }

  /**
   * Takes deliveries that are due, of each webhook the first, and none of a webhook that has one under way: so that they
   * arrive in order as long as they are accepted. Each is the caller's until its lease lapses.
   *
   * @param options.leaseSeconds longer than an attempt takes, whatever happens
   * @param options.resting ids of webhooks that are left in peace
   */
  async claim(
    limit: number,
    options: { leaseSeconds: number; resting: readonly string[] },
  ): Promise<Claimed[]> {
    return this.#database.query(Prisma.sql`
      WITH due AS (
        SELECT first.id, webhooks.url, webhooks.secret FROM webhooks, LATERAL (
          SELECT id, next_attempt_at, sequence FROM webhook_deliveries
          WHERE webhook_id = webhooks.id AND state = 'pending' AND next_attempt_at <= now()
          ORDER BY next_attempt_at, sequence LIMIT 1
        ) first
        WHERE NOT webhooks.id = ANY(${[...options.resting]}::text[]) AND NOT EXISTS (
          SELECT FROM webhook_deliveries WHERE webhook_id = webhooks.id AND state = 'pending' AND attempts > 0 AND error IS NULL
            -- So that those that wait for long are not looked through. Twice: a lease may be younger than this statement's now().
            AND next_attempt_at BETWEEN now() AND now() + 2 * ${options.leaseSeconds}::float8 * interval '1 second'
        )
        ORDER BY first.next_attempt_at LIMIT ${limit} FOR UPDATE OF webhooks SKIP LOCKED
      )
      UPDATE webhook_deliveries AS claimed SET attempts = attempts + 1, status = NULL, error = NULL,
        next_attempt_at = now() + ${options.leaseSeconds}::float8 * interval '1 second'
      FROM due
      -- Asked again: another instance may have taken it since this statement began.
      WHERE claimed.id = due.id AND claimed.state = 'pending' AND claimed.next_attempt_at <= now()
      RETURNING claimed.id, claimed.webhook_id AS "webhookId", claimed.type, claimed.sequence::float8 AS sequence, claimed.body,
        claimed.attempts, EXTRACT(EPOCH FROM now() - claimed.created_at)::float8 AS "ageSeconds",
        floor(EXTRACT(EPOCH FROM now()))::float8 AS "timestampSeconds", due.url, due.secret`)
  }

  /** Whoever sent it: the receiver has it. */
  async recordDelivered(id: string, status: number | null): Promise<void> {
    await this.#database.query(Prisma.sql`
      UPDATE webhook_deliveries SET state = 'delivered', status = ${status}, error = NULL, delivered_at = now()
      WHERE id = ${id} AND state = 'pending'`)
  }

  /** @param delaySeconds until the next attempt; null: there is none */
  async recordFailure(claimed: Claimed, attempt: Attempt, delaySeconds: number | null): Promise<void> {
    await this.#database.query(Prisma.sql`
      UPDATE webhook_deliveries SET status = ${attempt.status}, error = ${attempt.error},
        state = ${delaySeconds === null ? 'failed' : 'pending'}::"DeliveryState",
        next_attempt_at = now() + ${delaySeconds ?? 0}::float8 * interval '1 second'
      WHERE id = ${claimed.id} AND state = 'pending' AND attempts = ${claimed.attempts}`)
  }

  /** An attempt that this server broke off doesn't count. */
  async release(claimed: Claimed, attempt: Attempt): Promise<void> {
    await this.#database.query(Prisma.sql`
      UPDATE webhook_deliveries SET attempts = attempts - 1, error = ${attempt.error}, next_attempt_at = now()
      WHERE id = ${claimed.id} AND state = 'pending' AND attempts = ${claimed.attempts}`)
  }

  /** Deletes deliveries whose last attempt is `keepSeconds` ago. @returns how many */
  async forgetOld(keepSeconds: number): Promise<number> {
    for (let forgotten = 0; ; ) {
      const rows = await this.#database.query(Prisma.sql`
        DELETE FROM webhook_deliveries WHERE id IN (
          SELECT id FROM webhook_deliveries
          WHERE state IN ('delivered', 'failed') AND next_attempt_at < now() - ${keepSeconds}::float8 * interval '1 second'
          LIMIT ${FORGET_BATCH}
        ) RETURNING id`)
      forgotten += rows.length
      if (rows.length < FORGET_BATCH) return forgotten
    }
  }
}

function behind(after: Position | null): Prisma.Sql {
  return after === null ? Prisma.sql`TRUE` : Prisma.sql`(created_at, id) < (${after.at}, ${after.id})`
}

function notFound(): AppError {
  return new AppError('NOT_FOUND', 'There is no such webhook. GET /webhooks lists yours.')
}
