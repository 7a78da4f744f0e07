// Counts requests in windows: in this process, or in Postgres for all instances together.

import pg from 'pg'
import type { Logger } from 'pino'
import { RateLimiterMemory, RateLimiterPostgres, RateLimiterRes } from 'rate-limiter-flexible'
import type { RatePolicy, RateState } from './rate-headers.js'

/** Counts one request of `who`, at most 200 characters. Never rejects. */
export type RateCounter = (who: string) => Promise<RateState>

const CONNECTIONS = 4
const ANSWER_MS = 1_000
/** For how long the database isn't asked after it has failed: else each request would wait for it again. */
const REST_MS = 5_000

export function memoryCounter(policy: RatePolicy): RateCounter {
  const limiter = new RateLimiterMemory(optionsOf(policy))
  return (who) => settle(limiter.consume(who))
}

/** Counters on one small pool of connections. */
export interface SharedCounters {
  counter(policy: RatePolicy): RateCounter
  close(): Promise<void>
}

/**
 * Counts in the table `rate_limits`, which is there. While the database doesn't answer, each instance counts for itself:
 * nobody is refused for its absence.
 */
export function openSharedCounters(databaseUrl: string, log: Logger): SharedCounters {
  const pool = new pg.Pool({
    connectionString: databaseUrl,
    max: CONNECTIONS,
    connectionTimeoutMillis: ANSWER_MS,
    query_timeout: ANSWER_MS,
    keepAlive: true,
    application_name: 'antipasto rate limits',
  })
  // An idle connection that the server closes emits 'error', which nobody awaits: the pool has already dropped it.
  pool.on('error', () => {})
  let restsUntilMs = 0
  let isFirst = true

  function counter(policy: RatePolicy): RateCounter {
    const alone = memoryCounter(policy)
    const shared = new RateLimiterPostgres({
      ...optionsOf(policy),
      storeClient: pool,
      tableName: 'rate_limits',
      tableCreated: true,
      // Who is over the limit costs the database nothing more until the window's end.
      inMemoryBlockOnConsumed: policy.requests,
      // One of those that share the table clears it.
      clearExpiredByTimeout: isFirst,
    })
    isFirst = false
    // Not its `insuranceLimiter`, which asks a database that hangs for each request anew, and tells nobody.
    return async (who) => {
      if (performance.now() < restsUntilMs) return alone(who)
      try {
        return await settle(shared.consume(who))
      } catch (error) {
        if (performance.now() >= restsUntilMs) {
          log.warn({ err: error }, 'rates are not counted together: the database does not answer')
        }
        restsUntilMs = performance.now() + REST_MS
        return alone(who)
      }
    }
  }

  return { counter, close: () => pool.end() }
}

function optionsOf({ name, requests, windowSeconds }: RatePolicy) {
  return { keyPrefix: name, points: requests, duration: windowSeconds }
}

/** The limiter rejects with who is over the limit, and with what went wrong. */
async function settle(consumed: Promise<RateLimiterRes>): Promise<RateState> {
  try {
    return stateOf(await consumed, false)
  } catch (error) {
    if (error instanceof RateLimiterRes) return stateOf(error, true)
    throw error
  }
}

function stateOf({ remainingPoints, msBeforeNext }: RateLimiterRes, isOver: boolean): RateState {
  return { remainingRequests: remainingPoints, resetMs: msBeforeNext, isOver }
}
