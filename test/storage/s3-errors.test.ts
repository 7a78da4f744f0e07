import { describe, expect, test } from '@jest/globals'
import { AppError } from '../../server/errors.js'
import { isPassing, S3Failure, symptomOf, translateS3Error } from '../../server/storage/s3-errors.js'

/** What the SDK throws for an answer. */
const answered = (httpStatusCode: number, Code?: string, message = 'it says') =>
  Object.assign(new Error(message), { name: Code ?? 'Unknown', Code, $metadata: { httpStatusCode } })

/** What the SDK throws for a connection. */
const broken = (code: string) =>
  Object.assign(new Error(`broken: ${code}`), { code, $metadata: { attempts: 1 } })

const codeOf = (error: unknown, operation = 'GetObject') => {
  const translated = translateS3Error(error, operation)
  return translated instanceof AppError ? translated.code : translated === error ? 'as it is' : 'other'
}

describe('an S3 error', () => {
  test.each<[string, unknown, string, boolean]>([
    ['NoSuchKey', answered(404, 'NoSuchKey'), 'NOT_FOUND', false],
    ['NoSuchUpload', answered(404, 'NoSuchUpload'), 'NOT_FOUND', false],
    ['InvalidPart', answered(400, 'InvalidPart'), 'CONFLICT', false],
    ['InvalidPart in a 200', answered(503, 'InvalidPart'), 'CONFLICT', false],
    ['InvalidPartOrder', answered(400, 'InvalidPartOrder'), 'CONFLICT', false],
    ['EntityTooSmall', answered(400, 'EntityTooSmall'), 'CONFLICT', false],
    ['412', answered(412, 'PreconditionFailed'), 'CONFLICT', false],
    ['a bare 412', answered(412), 'CONFLICT', false],
    ['QuotaExceeded', answered(403, 'QuotaExceeded'), 'INSUFFICIENT_STORAGE', false],
    ['XMinioStorageFull', answered(507, 'XMinioStorageFull'), 'INSUFFICIENT_STORAGE', false],
    ['a bare 507', answered(507), 'INSUFFICIENT_STORAGE', false],
    ['SlowDown', answered(503, 'SlowDown'), 'UNAVAILABLE', true],
    ['InternalError', answered(500, 'InternalError'), 'UNAVAILABLE', true],
    ['a bare 502', answered(502), 'UNAVAILABLE', true],
    ['a bare 504', answered(504), 'UNAVAILABLE', true],
    ['429', answered(429, 'TooManyRequests'), 'UNAVAILABLE', true],
    ['RequestTimeout', answered(400, 'RequestTimeout'), 'UNAVAILABLE', true],
    ['BadDigest', answered(400, 'BadDigest'), 'UNAVAILABLE', true],
    ['a success that can not be read', answered(200), 'UNAVAILABLE', true],
    ['NoSuchBucket', answered(404, 'NoSuchBucket'), 'UNAVAILABLE', false],
    ['a 404 without a word of S3', answered(404), 'UNAVAILABLE', false],
    ['AccessDenied', answered(403, 'AccessDenied'), 'UNAVAILABLE', false],
    ['a bare 403', answered(403), 'UNAVAILABLE', false],
    ['InvalidAccessKeyId', answered(403, 'InvalidAccessKeyId'), 'UNAVAILABLE', false],
    ['SignatureDoesNotMatch', answered(403, 'SignatureDoesNotMatch'), 'UNAVAILABLE', false],
    ['RequestTimeTooSkewed', answered(403, 'RequestTimeTooSkewed'), 'UNAVAILABLE', true],
    ['ExpiredToken', answered(400, 'ExpiredToken'), 'UNAVAILABLE', false],
    ['PermanentRedirect', answered(301, 'PermanentRedirect'), 'UNAVAILABLE', false],
    ['a wrong region', answered(400, 'AuthorizationHeaderMalformed'), 'UNAVAILABLE', false],
    ['a bare 400', answered(400), 'UNAVAILABLE', false],
    ['NotImplemented', answered(501, 'NotImplemented'), 'UNAVAILABLE', false],
    ['a refused connection', broken('ECONNREFUSED'), 'UNAVAILABLE', true],
    ['a reset', broken('ECONNRESET'), 'UNAVAILABLE', true],
    ['a name that is not found', broken('ENOTFOUND'), 'UNAVAILABLE', true],
    ['what is not HTTP', broken('HPE_INVALID_CONSTANT'), 'UNAVAILABLE', true],
    ['a time-out', Object.assign(new Error('slow'), { name: 'TimeoutError' }), 'UNAVAILABLE', true],
    ['a stranger’s certificate', broken('SELF_SIGNED_CERT_IN_CHAIN'), 'UNAVAILABLE', false],
    [
      'no credentials',
      Object.assign(new Error(), { name: 'CredentialsProviderError' }),
      'UNAVAILABLE',
      false,
    ],
    ['a request of ours that is malformed', answered(400, 'MalformedXML'), 'as it is', false],
  ])('%s', (_, error, code, passes) => {
    expect(codeOf(error)).toBe(code)
    const symptom = symptomOf(error)
    expect(symptom && isPassing(symptom)).toBe(passes)
  })

  test('a size that is not the parts’ sum is a CONFLICT of a completion only', () => {
    const error = answered(400, 'InvalidRequest', 'The object size does not match.')
    expect(codeOf(error, 'CompleteMultipartUpload')).toBe('CONFLICT')
    expect(codeOf(error, 'UploadPart')).toBe('as it is')
    expect(codeOf(answered(400, 'InvalidRequest', 'Missing a header.'), 'CompleteMultipartUpload')).toBe(
      'as it is',
    )
  })

  test.each<[string, unknown]>([
    ['a bug', new TypeError('x is not a function')],
    ['an AppError', new AppError('GONE', 'Gone.')],
    ['nothing', undefined],
    ['a string', 'AbortError'],
  ])('%s stays what it is', (_, error) => {
    expect(symptomOf(error)).toBeNull()
    expect(translateS3Error(error, 'PutObject')).toBe(error)
  })

  test('tells the log what S3 said, and not what it was signed with', () => {
    const error = Object.assign(answered(403, 'SignatureDoesNotMatch'), { SignatureProvided: 'c0ffee' })
    const translated = translateS3Error(error, 'UploadPart')
    expect(translated).toMatchObject({
      detail: 'The store cannot be reached. What was acknowledged is kept: try again in a minute.',
      retryAfterSeconds: 60,
      cause: { message: 'UploadPart: SignatureDoesNotMatch 403: it says' },
    })
    const { cause } = translated as AppError
    expect(cause).toBeInstanceOf(S3Failure)
    expect(JSON.stringify({ ...(cause as S3Failure) })).not.toContain('c0ffee')
  })
})
