// All that webhooks stand on, on a database of its own: records, events, and as many dispatchers as a test wants.

import { setTimeout as sleep } from 'node:timers/promises'
import type pg from 'pg'
import { type Database, openDatabase } from '../../server/database/client.js'
import { EventOrder } from '../../server/events/order.js'
import { EventTail } from '../../server/events/tail.js'
import { createLog, type Log } from '../../server/ops/log.js'
import { randomId } from '../../server/uploads/random.js'
import type { Backoff } from '../../server/webhooks/backoff.js'
import { Dispatcher } from '../../server/webhooks/dispatcher.js'
import { FanOut } from '../../server/webhooks/fan-out.js'
import { randomSecret } from '../../server/webhooks/random.js'
import { type Position, WebhookRecords } from '../../server/webhooks/records.js'
import { type Resolve, resolveBySystem } from '../../server/webhooks/resolve.js'
import { Sender } from '../../server/webhooks/sender.js'
import type { Delivery, Webhook } from '../../server/webhooks/webhook.js'
import { createTestDatabase, type TestDatabase, withConnection } from '../support/database.js'

/** Retries that a test can wait for. */
export const QUICK: Backoff = { firstSeconds: 0.2, mostSeconds: 1, giveUpAfterSeconds: 3_600 }

export interface SenderSettings {
  resolve?: Resolve
  allowsPrivate?: boolean
  timeoutSeconds?: number
}

export function newSender({ resolve, allowsPrivate, timeoutSeconds }: SenderSettings = {}): Sender {
  return new Sender({
    resolve: resolve ?? resolveBySystem,
    allowsPrivate: allowsPrivate ?? true,
    version: '1.2.3',
    timeoutSeconds: timeoutSeconds ?? 2,
  })
}

export class Ground {
  readonly databaseUrl: string
  readonly database: Database
  readonly records: WebhookRecords
  readonly events: EventTail
  readonly #testDatabase: TestDatabase
  readonly #dispatchers: Dispatcher[] = []

  private constructor(testDatabase: TestDatabase, database: Database) {
    this.#testDatabase = testDatabase
    this.databaseUrl = testDatabase.databaseUrl
    this.database = database
    this.records = new WebhookRecords(database.prisma)
    this.events = new EventTail(new EventOrder(database.prisma))
  }

  static async open(): Promise<Ground> {
    const testDatabase = await createTestDatabase()
    return new Ground(testDatabase, await openDatabase(testDatabase.databaseUrl))
  }

  async close(): Promise<void> {
    await this.stopAll()
    await this.events.close()
    await this.database.close()
    await this.#testDatabase.drop()
  }

  /** Stops every dispatcher, and forgets webhooks and events. */
  async reset(): Promise<void> {
    await this.stopAll()
    await this.query('TRUNCATE webhooks, webhook_deliveries, events CASCADE')
  }

  async stopAll(): Promise<void> {
    await Promise.all(this.#dispatchers.splice(0).map((one) => one.stop()))
  }

  /** One more, running, as on another instance. */
  dispatch(options: { backoff?: Backoff; log?: Log } & SenderSettings = {}): Dispatcher {
    const { backoff = QUICK, log = createLog({ level: 'silent' }), ...sender } = options
    const { records } = this
    const fanOut = new FanOut(records, this.events)
    const dispatcher = new Dispatcher({
      records,
      fanOut,
      sender: newSender(sender),
      log,
      backoff,
      lookMilliseconds: 200,
    })
    dispatcher.start()
    this.#dispatchers.push(dispatcher)
    return dispatcher
  }

  async addWebhook(url: string, options: Partial<Webhook> = {}): Promise<Webhook> {
    return this.records.create({
      id: randomId(),
      owner: 'lter-ntl',
      seesAll: false,
      url,
      events: ['*'],
      secret: randomSecret(),
      cursor: await this.events.newest(),
      ...options,
    })
  }

  /** Something happens, `count` times. */
  async tell({ owner = 'lter-ntl', type = 'upload.ready.v1', count = 1 } = {}): Promise<void> {
    await this.query(
      `INSERT INTO events (type, owner, upload_id, data)
       SELECT $1, $2, 'upload-' || n, jsonb_build_object('state', 'ready', 'filename', 'größe ' || n) FROM generate_series(1, $3) n`,
      [type, owner, count],
    )
  }

  async deliveries(webhookId: string, after: Position | null = null): Promise<Delivery[]> {
    return this.records.listDeliveries(webhookId, 10_000, after)
  }

  /** Resolves with them when `isSo` of a webhook's deliveries. Rejects after a time. */
  async deliveriesWhen(
    webhookId: string,
    isSo: (deliveries: Delivery[]) => boolean,
    withinSeconds = 15,
  ): Promise<Delivery[]> {
    const deadline = performance.now() + withinSeconds * 1000
    for (;;) {
      const deliveries = await this.deliveries(webhookId)
      if (isSo(deliveries)) return deliveries
      if (performance.now() > deadline) throw new Error(`It didn't become so: ${JSON.stringify(deliveries)}`)
      await sleep(25)
    }
  }

  query(sql: string, values: unknown[] = []): Promise<pg.QueryResult> {
    return withConnection(this.databaseUrl, (client) => client.query(sql, values))
  }
}
