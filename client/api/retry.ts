// When to try again, and when to stop: pure rules for every way to the server.

import { ApiError, ConnectionFailed, ForeignAnswer, Locked, RateLimited } from './errors.js'

const FIRST_DELAY_MS = 500
const LONGEST_DELAY_MS = 30_000

/**
 * How long to wait before attempt number `attempt` (1: the first repetition), in milliseconds.
 *
 * Full jitter (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/): up to 0.5 s, 1 s, 2 s … 30 s, so
 * that a thousand clients don't come back at once; never before the server said (`retryAfterSeconds`).
 *
 * @param random a number from 0 up to 1
 */
export function retryDelayMs(attempt: number, random: number, retryAfterSeconds = 0): number {
  const most = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** (attempt - 1))
  return retryAfterSeconds * 1000 + random * most
}

/** Only an operator, or the user, changes these: trying again doesn't. */
const LASTING_CONNECTION_FAULTS = /^(CERT_|ERR_TLS|ERR_SSL|UNABLE_TO_|DEPTH_ZERO|SELF_SIGNED|HOSTNAME_)/

/**
 * True when the same request may succeed later.
 *
 * A name that isn't found counts: laptops lose their DNS with their network. So does a page in place of an answer, and
 * being led to one for the moment: captive portals go away when somebody signs in. A page that says "not found", and a
 * lasting redirect, say that the URL is another site's. A full disk (507) doesn't pass: somebody must act.
 */
export function isPassing(error: unknown): boolean {
  if (error instanceof ConnectionFailed)
    return error.code === null || !LASTING_CONNECTION_FAULTS.test(error.code)
  if (error instanceof ForeignAnswer) return isPassingForeignStatus(error.status)
  return error instanceof ApiError && PASSING_STATUSES.has(error.status)
}

const PASSING_STATUSES = new Set([408, 423, 429, 500, 502, 503, 504])

function isPassingForeignStatus(status: number): boolean {
  return status !== 301 && status !== 308 && (status < 400 || status >= 500)
}

/** Before a connection stood, nothing of the request was sent. */
const FAULTS_BEFORE_SENDING = new Set([
  'ENOTFOUND',
  'EAI_AGAIN',
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENETDOWN',
  'UND_ERR_CONNECT_TIMEOUT',
])

/** True when the server can't have acted on the request: then even one that must not be done twice may be sent again. */
export function wasNotBegun(error: unknown): boolean {
  if (error instanceof ConnectionFailed) return error.code !== null && FAULTS_BEFORE_SENDING.has(error.code)
  return error instanceof RateLimited || error instanceof Locked
}

/** 401 for a credential that was good: a new one, and all is well (RFC 6750 §3.1). */
export function isEndedSignIn(status: number, challenge: string | null): boolean {
  return status === 401 && challenge !== null && /error="?invalid_token/.test(challenge)
}
