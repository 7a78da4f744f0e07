import { describe, expect, test } from '@jest/globals'
import { apiError, ConnectionFailed, ForeignAnswer } from '../../../client/api/errors.js'
import { isWorthGoingOn, Patience } from '../../../client/api/patience.js'

const broken = new ConnectionFailed('The connection broke.', { code: 'ECONNRESET' })
const HOUR_MS = 3_600_000

describe('patience', () => {
  test('waits longer each time, at most half a minute', () => {
    const patience = new Patience(24 * 3600)
    const waits = Array.from({ length: 9 }, (_, index) => patience.next(broken, index * 60_000, 1))
    expect(waits.map((wait) => wait?.delayMs)).toEqual([
      500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000,
    ])
    expect(waits.map((wait) => wait?.attempt)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9])
  })

  test('counts from the first failure, however long the sending before it took', () => {
    const patience = new Patience(60)
    expect(patience.next(broken, 30 * HOUR_MS, 0)).not.toBeNull()
    expect(patience.next(broken, 30 * HOUR_MS + 59_000, 0)).not.toBeNull()
    expect(patience.next(broken, 30 * HOUR_MS + 60_001, 0)).toBeNull()
  })

  test('begins anew with each byte that is acknowledged', () => {
    const patience = new Patience(60)
    expect(patience.next(broken, 0, 1)?.delayMs).toBe(500)
    expect(patience.next(broken, 50_000, 1)?.delayMs).toBe(1000)
    patience.gained()
    expect(patience.next(broken, 100_000, 1)).toEqual({ attempt: 1, delayMs: 500 })
  })

  test('asks for other credentials a few times, and again after each byte', () => {
    const patience = new Patience(60)
    const ask = () => Array.from({ length: 6 }, () => patience.mayRenew())
    expect(ask()).toEqual([true, true, true, true, true, false])
    patience.gained()
    expect(ask()).toEqual([true, true, true, true, true, false])
  })

  test("is over when the server's own wait is longer", () => {
    const busy = apiError('UNAVAILABLE', 'Later.', { status: 503, retryAfterSeconds: 90 })
    expect(new Patience(60).next(busy, 0, 0)).toBeNull()
    expect(new Patience(100).next(busy, 0, 0)?.delayMs).toBe(90_000)
  })
})

describe('going on with an upload that is there', () => {
  const answered = (code: string, status: number, more = {}) =>
    apiError(code, 'Said so.', { status, requestId: 'a1', ...more })

  test.each([
    ['a broken connection', broken],
    ['a page in place of the server', new ForeignAnswer('A page.', 404)],
    ['another offset', answered('OFFSET_MISMATCH', 409)],
    ['a conflict without a word, of another server', apiError('CONFLICT', 'So.', { status: 409 })],
    ['bytes that arrived broken', answered('CHECKSUM_MISMATCH', 460)],
    ['a lock', answered('LOCKED', 423)],
    ['a rate', answered('RATE_LIMITED', 429)],
    ['a server that starts', answered('UNAVAILABLE', 503)],
  ])('is worth it after %s', (_name, error) => {
    expect(isWorthGoingOn(error)).toBe(true)
  })

  test.each([
    ['it is not there', answered('NOT_FOUND', 404)],
    ['it has ended', answered('GONE', 410)],
    ['the quota is used up', answered('QUOTA_EXCEEDED', 403)],
    ['its package is finalized', answered('PACKAGE_FINALIZED', 409)],
    ['our server says what is in conflict', answered('CONFLICT', 409, { details: { upload_id: 'x' } })],
    ['the digest is another', answered('HASH_MISMATCH', 422)],
    ['the disk is full', answered('INSUFFICIENT_STORAGE', 507)],
    ['a certificate is bad', new ConnectionFailed('TLS.', { code: 'CERT_HAS_EXPIRED' })],
    ['this program has a fault', new TypeError('x is not a function')],
  ])('is not, when %s', (_name, error) => {
    expect(isWorthGoingOn(error)).toBe(false)
  })
})
