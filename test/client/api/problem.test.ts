import { describe, expect, test } from '@jest/globals'
import * as errors from '../../../client/api/errors.js'
import { errorOf } from '../../../client/api/problem.js'
import type { ErrorCode } from '../../../client/api/types.js'

const answer = (status: number, body: string, headers: Record<string, string> = {}) =>
  errorOf({ status, body, header: (name) => headers[name] ?? null })

const problem = (code: string, over: object = {}) =>
  JSON.stringify({ code, detail: 'What to do.', request_id: 'r-1', details: {}, ...over })

/** Every code of openapi.json: one that is new there doesn't compile here. */
const CLASSES: Record<ErrorCode, string> = {
  INVALID_INPUT: 'InvalidInput',
  UNAUTHORIZED: 'Unauthorized',
  FORBIDDEN: 'Forbidden',
  QUOTA_EXCEEDED: 'QuotaExceeded',
  NOT_FOUND: 'NotFound',
  METHOD_NOT_ALLOWED: 'ApiError',
  NOT_ACCEPTABLE: 'ApiError',
  REQUEST_TIMEOUT: 'ApiError',
  OFFSET_MISMATCH: 'OffsetMismatch',
  CONFLICT: 'Conflict',
  PACKAGE_FINALIZED: 'PackageFinalized',
  GONE: 'Gone',
  UNSUPPORTED_VERSION: 'ApiError',
  PAYLOAD_TOO_LARGE: 'PayloadTooLarge',
  UNSUPPORTED_MEDIA_TYPE: 'UnsupportedMediaType',
  RANGE_NOT_SATISFIABLE: 'RangeNotSatisfiable',
  HASH_MISMATCH: 'HashMismatch',
  CONTENT_REFUSED: 'ContentRefused',
  LOCKED: 'Locked',
  RATE_LIMITED: 'RateLimited',
  CHECKSUM_MISMATCH: 'ChecksumMismatch',
  INTERNAL: 'Internal',
  UNAVAILABLE: 'Unavailable',
  INSUFFICIENT_STORAGE: 'InsufficientStorage',
}

describe('a problem', () => {
  test.each(Object.entries(CLASSES))('%s is the class %s', (code, name) => {
    const error = answer(499, problem(code))
    expect(error).toBeInstanceOf(errors.ApiError)
    expect(error).toMatchObject({ name, code, message: 'What to do.', status: 499, requestId: 'r-1' })
    expect(error.constructor.name).toBe(name)
  })

  test('of a code that is newer than this client is an ApiError', () => {
    expect(answer(418, problem('TEAPOT'))).toMatchObject({ name: 'ApiError', code: 'TEAPOT', status: 418 })
  })

  test('brings facts, and when to come back', () => {
    const body = problem('RATE_LIMITED', { details: { limit: 5 } })
    expect(answer(429, body, { 'retry-after': '12' })).toMatchObject({
      details: { limit: 5 },
      retryAfterSeconds: 12,
    })
    expect(answer(429, body, { 'retry-after': 'soon' })).toMatchObject({ retryAfterSeconds: undefined })
  })

  test('with a body of other types than it should have is still one, without them', () => {
    const body = problem('CONFLICT', { request_id: 7, details: ['x'] })
    expect(answer(409, body, { 'x-request-id': 'h-1' })).toMatchObject({
      requestId: 'h-1',
      details: undefined,
    })
  })
})

describe('an answer without a problem', () => {
  test.each([
    [404, 'NotFound'],
    [410, 'Gone'],
    [401, 'Unauthorized'],
    [423, 'Locked'],
    [503, 'Unavailable'],
    [507, 'InsufficientStorage'],
  ])('with an empty body, as HEAD has it, goes by its status %s', (status, name) => {
    expect(answer(status, '')).toMatchObject({ name, status })
  })

  test.each([
    [408, 'ApiError'],
    [502, 'Unavailable'],
    [504, 'Unavailable'],
    [413, 'PayloadTooLarge'],
    [429, 'RateLimited'],
  ])('of a proxy with its own page goes by its status %s', (status, name) => {
    expect(answer(status, '<html><body><h1>Sorry</h1></body></html>')).toMatchObject({ name })
  })

  test('of another site names what answered and what to look at', () => {
    const error = answer(404, '<!DOCTYPE html>\n<title>Not   found</title>')
    expect(error).toBeInstanceOf(errors.ForeignAnswer)
    expect(error.message).toBe(
      'A web page answered (status 404, beginning "<!DOCTYPE html> <title>Not found</title>"). Check the server\'s URL, and whether this network wants a sign-in first.',
    )
  })

  test('shows control characters of a hostile body escaped, and no more than its beginning', () => {
    const { message } = answer(404, `\u001b[2Jgone ${'x'.repeat(5000)}`)
    expect(message).toContain('\\u001b[2Jgone')
    expect(answer(404, 'a\u009b1m\u202eb').message).toContain('"a\\u009b1m\\u202eb"')
    expect(message.length).toBeLessThan(300)
  })
})
