import { describe, expect, test } from '@jest/globals'
import {
  ApiError,
  apiError,
  ConnectionFailed,
  DigestMismatch,
  ForeignAnswer,
} from '../../../client/api/errors.js'
import { isEndedSignIn, isPassing, retryDelayMs, wasNotBegun } from '../../../client/api/retry.js'

const refusal = (code: string, status: number) => apiError(code, 'Why.', { status })
const broken = (code: string | null) => new ConnectionFailed('Why.', { code })

describe('the wait before another attempt', () => {
  test('doubles up to half a minute, and lies anywhere below', () => {
    const longest = [1, 2, 3, 4, 5, 6, 7, 8, 5000].map((attempt) => retryDelayMs(attempt, 1))
    expect(longest).toEqual([500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000])
    expect(retryDelayMs(4, 0)).toBe(0)
    expect(retryDelayMs(4, 0.25)).toBe(1000)
  })

  test('is never shorter than the server said', () => {
    expect(retryDelayMs(1, 0, 7)).toBe(7000)
    expect(retryDelayMs(1, 1, 7)).toBe(7500)
  })
})

describe('what passes', () => {
  test.each([
    ['a name that is not found', broken('ENOTFOUND'), true],
    ['nobody who listens', broken('ECONNREFUSED'), true],
    ['a connection that broke', broken('ECONNRESET'), true],
    ['a fault without a code', broken(null), true],
    ['an expired certificate', broken('CERT_HAS_EXPIRED'), false],
    ['a certificate nobody trusts', broken('DEPTH_ZERO_SELF_SIGNED_CERT'), false],
    ['a certificate for another name', broken('ERR_TLS_CERT_ALTNAME_INVALID'), false],
    ['a page in place of an answer', new ForeignAnswer('Why.', 200), true],
    ['being led away for the moment', new ForeignAnswer('Why.', 302), true],
    ['a page of a failing proxy', new ForeignAnswer('Why.', 511), true],
    ['being led away for good', new ForeignAnswer('Why.', 301), false],
    ['being led away for good, method kept', new ForeignAnswer('Why.', 308), false],
    ['another site, which knows nothing of it', new ForeignAnswer('Why.', 404), false],
    ['UNAVAILABLE', refusal('UNAVAILABLE', 503), true],
    ['INTERNAL', refusal('INTERNAL', 500), true],
    ['RATE_LIMITED', refusal('RATE_LIMITED', 429), true],
    ['LOCKED', refusal('LOCKED', 423), true],
    ['REQUEST_TIMEOUT', refusal('REQUEST_TIMEOUT', 408), true],
    ['INSUFFICIENT_STORAGE', refusal('INSUFFICIENT_STORAGE', 507), false],
    ['QUOTA_EXCEEDED', refusal('QUOTA_EXCEEDED', 403), false],
    ['NOT_FOUND', refusal('NOT_FOUND', 404), false],
    ['CONFLICT', refusal('CONFLICT', 409), false],
    ['a code of a newer server', new ApiError('NEW', 'Why.', { status: 418 }), false],
    ['a wrong digest', new DigestMismatch('Why.'), false],
    ['a bug', new TypeError('x is undefined'), false],
  ])('%s: %#', (_, error, passes) => {
    expect(isPassing(error)).toBe(passes)
  })
})

describe('a request that must not be done twice', () => {
  test.each([
    ['may go again when nothing was sent', broken('ECONNREFUSED'), true],
    ['may go again when the name was not found', broken('ENOTFOUND'), true],
    ['may go again when the server turned it away', refusal('RATE_LIMITED', 429), true],
    ['may not when the connection broke', broken('ECONNRESET'), false],
    ['may not when there was no answer in time', broken('ETIMEDOUT'), false],
    ['may not after a fault of the server', refusal('INTERNAL', 500), false],
    ['may not when a proxy answered', refusal('UNAVAILABLE', 503), false],
    ['may not when a page answered', new ForeignAnswer('Why.', 200), false],
  ])('%s', (_, error, notBegun) => {
    expect(wasNotBegun(error)).toBe(notBegun)
  })
})

test('a sign-in has ended when the server says so of a token, and not when there was none', () => {
  expect(isEndedSignIn(401, 'Bearer realm="antipasto", error="invalid_token"')).toBe(true)
  expect(isEndedSignIn(401, 'Bearer realm="antipasto"')).toBe(false)
  expect(isEndedSignIn(401, null)).toBe(false)
  expect(isEndedSignIn(403, 'Bearer error="insufficient_scope"')).toBe(false)
})
