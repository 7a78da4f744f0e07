// How many requests a credential may make, and how many may come from one address.

import { createHash } from 'node:crypto'
import type { Request, RequestHandler, Response } from 'express'
import type { Logger } from 'pino'
import { anonymousReader, type Identity } from '../auth/identity.js'
import { AppError } from '../errors.js'
import { networkOf } from './address.js'
import { memoryCounter, openSharedCounters, type RateCounter } from './rate-counter.js'
import { policyItem, type RatePolicy, resetSeconds, stateItem } from './rate-headers.js'

export interface RateLimitsOptions {
  /** Undefined: no limit. */
  rateLimitKey: { requests: number; windowSeconds: number } | undefined
  rateLimitAddress: { requests: number; windowSeconds: number } | undefined
  rateLimitStore: 'memory' | 'postgres'
  databaseUrl: string
  log: Logger
}

export interface RateLimits {
  /** To be mounted before anything is authenticated; undefined without a limit. It goes by `request.ip`: set `trust proxy`. */
  readonly address: RequestHandler | undefined
  /** To be mounted behind `authenticate`; undefined without a limit. */
  readonly credential: RequestHandler | undefined
  close(): Promise<void>
}

/** Connects only when something is counted in the database, and then by the first request. */
export function openRateLimits(options: RateLimitsOptions): RateLimits {
  const { rateLimitKey, rateLimitAddress, rateLimitStore, databaseUrl, log } = options
  const isCounted = rateLimitKey !== undefined || rateLimitAddress !== undefined
  const shared = isCounted && rateLimitStore === 'postgres' ? openSharedCounters(databaseUrl, log) : undefined
  const counterOf = (policy: RatePolicy) => shared?.counter(policy) ?? memoryCounter(policy)
  const limit = (name: string, setting: typeof rateLimitKey, rule: Rule): RequestHandler | undefined => {
    if (setting === undefined) return undefined
    const policy = { name, ...setting }
    return limitRate(policy, counterOf(policy), rule)
  }
  return {
    address: limit('address', rateLimitAddress, { whoOf: addressOf, source: 'from your address' }),
    credential: limit('key', rateLimitKey, { whoOf: credentialOf, source: 'with this credential' }),
    close: async () => shared?.close(),
  }
}

interface Rule {
  /** Undefined: not limited. */
  whoOf: (request: Request) => string | undefined
  /** Where the requests come from, in words. */
  source: string
}

function limitRate(policy: RatePolicy, count: RateCounter, { whoOf, source }: Rule): RequestHandler {
  // A request that passes here twice is one request.
  const counted = new WeakSet<Request>()
  return async (request, response, next) => {
    const who = counted.has(request) ? undefined : whoOf(request)
    if (who === undefined) {
      next()
      return
    }
    counted.add(request)
    const state = await count(who)
    addItem(response, 'RateLimit-Policy', policyItem(policy))
    addItem(response, 'RateLimit', stateItem(policy, state))
    if (state.isOver) {
      const retryAfterSeconds = resetSeconds(state)
      throw new AppError(
        'RATE_LIMITED',
        `More than ${policy.requests} requests in ${policy.windowSeconds} s came ${source}. Go on in ${retryAfterSeconds} s.`,
        { retryAfterSeconds },
      )
    }
    next()
  }
}

/** Both are lists, and several limits may govern one request. */
function addItem(response: Response, header: string, item: string): void {
  const before = response.get(header)
  response.set(header, before === undefined ? item : `${before}, ${item}`)
}

/** What stands in X-Forwarded-For may be no address; who sends it there is one. */
function addressOf(request: Request): string {
  return networkOf(request.ip) ?? networkOf(request.socket.remoteAddress) ?? 'unknown'
}

/** Readers without a credential are different people: only their addresses tell them apart. */
function credentialOf({ identity }: Request): string | undefined {
  if (identity === undefined || identity === anonymousReader) return undefined
  return whoOf(identity)
}

/** Of bounded length, and nobody's name: it may stand in a table. */
function whoOf({ keyId, owner }: Identity): string {
  if (keyId !== undefined) return `id-${keyId}`
  return `owner-${createHash('sha256').update(owner).digest('base64url')}`
}
