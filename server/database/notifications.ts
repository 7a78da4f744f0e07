// LISTEN and NOTIFY over one connection of its own, which reconnects by itself.

import pg from 'pg'
import { AppError } from '../errors.js'
import { translateDatabaseError } from './client.js'

export interface Notifications {
  /**
   * Calls `subscriber` with the payload of every notification on `channel`; answers the function that ends it.
   *
   * The first subscriber of a channel starts the listening, which takes effect a round trip later; and what is notified
   * while the connection is away is lost. So subscribe once and early, and look at the tables now and then all the same:
   * a notification wakes, the tables say what is true.
   */
  on(channel: string, subscriber: (payload: string) => void): () => void
  /** Wakes every subscriber on every instance. At most 7,999 bytes of payload. UNAVAILABLE: nobody was woken. */
  notify(channel: string, payload: string): Promise<void>
  close(): Promise<void>
}

/** How often the connection is asked whether it lives: a dead one would hear nothing, and nobody would know. */
const HEARTBEAT_MILLISECONDS = 3_000
/** How long an answer may take; then the connection is given up, and made anew. */
const ANSWER_MILLISECONDS = 6_000
const FIRST_RETRY_MILLISECONDS = 100
const LAST_RETRY_MILLISECONDS = 2_000

/** Connects once before it answers. UNAVAILABLE: the database does not answer. */
export async function openNotifications(databaseUrl: string): Promise<Notifications> {
  const connection = new NotificationConnection(databaseUrl)
  try {
    await connection.connect()
  } catch (error) {
    throw translateDatabaseError(error)
  }
  return connection
}

class NotificationConnection implements Notifications {
  readonly #databaseUrl: string
  readonly #subscribers = new Map<string, Set<(payload: string) => void>>()
  /** The live connection; undefined while there is none. */
  #client: pg.Client | undefined
  #lastQuery: Promise<void> = Promise.resolve()
  #retry: NodeJS.Timeout | undefined
  #heartbeat: NodeJS.Timeout | undefined
  #isClosed = false

  constructor(databaseUrl: string) {
    this.#databaseUrl = databaseUrl
  }

  async connect(): Promise<void> {
    const client = new pg.Client({
      connectionString: this.#databaseUrl,
      application_name: 'antipasto notifications',
      connectionTimeoutMillis: 5_000,
      query_timeout: ANSWER_MILLISECONDS,
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000,
    })
    client.on('error', () => {}) // 'end' follows, and there we reconnect.
    client.on('notification', ({ channel, payload }) => this.#deliver(channel, payload ?? ''))
    try {
      await client.connect()
    } catch (error) {
      void client.end().catch(() => {})
      throw error
    }
    if (this.#isClosed) {
      await client.end()
      return
    }
    this.#client = client
    client.once('end', () => {
      if (this.#client === client) this.#lose(client)
    })
    this.#heartbeat = setInterval(() => void this.#query('SELECT 1').catch(() => {}), HEARTBEAT_MILLISECONDS)
    this.#heartbeat.unref()
    for (const channel of this.#subscribers.keys()) this.#listen(channel)
  }

  on(channel: string, subscriber: (payload: string) => void): () => void {
    const existing = this.#subscribers.get(channel)
    const subscribers = existing ?? new Set()
    subscribers.add(subscriber)
    if (existing === undefined) {
      this.#subscribers.set(channel, subscribers)
      this.#listen(channel)
    }
    return () => {
      if (!subscribers.delete(subscriber) || subscribers.size > 0) return
      this.#subscribers.delete(channel)
      this.#query(`UNLISTEN ${pg.escapeIdentifier(channel)}`).catch(() => {})
    }
  }

  async notify(channel: string, payload: string): Promise<void> {
    await this.#query('SELECT pg_notify($1, $2)', [channel, payload])
  }

  async close(): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#retry)
    clearInterval(this.#heartbeat)
    await this.#client?.end().catch(() => {})
  }

  /** When it fails, the next connection listens again: this one went, or leads to a standby, which refuses. */
  #listen(channel: string): void {
    const client = this.#client
    this.#query(`LISTEN ${pg.escapeIdentifier(channel)}`).catch(() => {
      if (client !== undefined && this.#client === client) this.#lose(client, LAST_RETRY_MILLISECONDS)
    })
  }

  /** One after the other, in the order of the calls: a connection answers one query at a time. */
  #query(sql: string, values: string[] = []): Promise<void> {
    const answer = this.#lastQuery.then(async () => {
      if (!this.#client) {
        throw new AppError('UNAVAILABLE', 'The database does not answer: try again in a few seconds.', {
          retryAfterSeconds: 5,
        })
      }
      const client = this.#client
      await client.query(sql, values).catch((error: unknown) => {
        // One that didn't answer in time may never; and later queries would wait behind this one.
        if (!(error instanceof pg.DatabaseError) && this.#client === client) this.#lose(client)
        throw error
      })
    })
    this.#lastQuery = answer.catch(() => {})
    return answer.catch((error) => {
      throw translateDatabaseError(error)
    })
  }

  /** Goes on with another connection; this one's end isn't waited for, as it may not come. */
  #lose(client: pg.Client, retryMilliseconds = FIRST_RETRY_MILLISECONDS): void {
    this.#client = undefined
    clearInterval(this.#heartbeat)
    void client.end().catch(() => {})
    this.#reconnectAfter(retryMilliseconds)
  }

  #deliver(channel: string, payload: string): void {
    for (const subscriber of [...(this.#subscribers.get(channel) ?? [])]) subscriber(payload)
  }

  #reconnectAfter(delayMilliseconds: number): void {
    if (this.#isClosed) return
    this.#retry = setTimeout(() => {
      this.connect().catch(() =>
        this.#reconnectAfter(Math.min(2 * delayMilliseconds, LAST_RETRY_MILLISECONDS)),
      )
    }, delayMilliseconds)
  }
}
