// What an S3 server's trouble means for us. Pure: an error goes in, a judgement comes out.
//
// Only the code in the answer's XML is S3's word. A bare status (HEAD has no body; a proxy or a starting gateway answers
// HTML) says how to go on, but never that something is missing: a 404 from the wrong place would end an upload that is
// fine. See test/tus-pitfalls, s3-store row 7.

import { AppError } from '../errors.js'

/** What the SDK threw, reduced to what decides. */
export interface S3Symptom {
  /** S3's own code, from the XML of its answer; undefined when it gave none. */
  code: string | undefined
  /** The status of the answer; undefined when there was none, or when it broke off. */
  httpStatus: number | undefined
  /** Node's or the SDK's name for a connection's failure. */
  connection: string | undefined
  requestId: string | undefined
  message: string
}

const UNREACHABLE = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'EHOSTDOWN',
  'ENETUNREACH',
  'ENETDOWN',
  'EADDRNOTAVAIL',
  'EMFILE',
  'ENFILE',
  'EPROTO',
  'ERR_STREAM_PREMATURE_CLOSE',
  'TimeoutError',
])
/** Another attempt doesn't help, an operator does. */
const UNTRUSTED = new Set([
  'CERT_HAS_EXPIRED',
  'CERT_NOT_YET_VALID',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'ERR_TLS_CERT_ALTNAME_INVALID',
])
const NO_CREDENTIALS = new Set(['CredentialsProviderError', 'TokenProviderError'])

/** Passing whatever the status. BadDigest and IncompleteBody: the bytes were spoilt on their way. */
const PASSING = new Set([
  'InternalError',
  'ServiceUnavailable',
  'SlowDown',
  'SlowDownRead',
  'SlowDownWrite',
  'Throttling',
  'ThrottlingException',
  'TooManyRequests',
  'RequestLimitExceeded',
  'BandwidthLimitExceeded',
  'RequestTimeout',
  'RequestTimeoutException',
  'OperationAborted',
  'ConditionalRequestConflict',
  'BadDigest',
  'IncompleteBody',
  'XAmzContentSHA256Mismatch',
  // This machine's clock was set: the SDK has learnt from the answer's Date by how much, and signs the next one rightly.
  'RequestTimeTooSkewed',
])
const PASSING_STATUS = new Set([408, 425, 429, 500, 502, 503, 504])
const MISSING = new Set(['NoSuchKey', 'NoSuchUpload'])
const OTHER_BYTES = new Set(['InvalidPart', 'InvalidPartOrder', 'EntityTooSmall', 'PreconditionFailed'])
const FULL = new Set([
  'QuotaExceeded',
  'ServiceQuotaExceeded',
  'ServiceQuotaExceededException',
  'XMinioStorageFull',
  'XMinioAdminBucketQuotaExceeded',
  'InsufficientStorage',
  'NoSpaceLeft',
])
/** An operator's to mend. */
const MISCONFIGURED = new Set([
  'NoSuchBucket',
  'AuthorizationHeaderMalformed',
  'InvalidRegion',
  'IllegalLocationConstraintException',
  'PermanentRedirect',
  'TemporaryRedirect',
  'Redirect',
  'ExpiredToken',
  'InvalidToken',
  'TokenRefreshRequired',
  'NotImplemented',
])
/** What the same request would be answered again. */
const FINAL = [MISSING, OTHER_BYTES, MISCONFIGURED]

const UNAVAILABLE_SECONDS = 60

/** Reads what the SDK threw; null for what it didn't: a bug, or an error of our own. */
export function symptomOf(error: unknown): S3Symptom | null {
  if (typeof error !== 'object' || error === null || error instanceof AppError) return null
  if (error instanceof S3Failure) return error.symptom
  const { httpStatusCode: httpStatus, requestId } = metadataOf(error)
  const connection = httpStatus === undefined ? connectionFailureOf(error) : undefined
  if (httpStatus === undefined && connection === undefined) return null
  return {
    code: textOf(error, 'Code'),
    httpStatus,
    connection,
    requestId,
    message: textOf(error, 'message') ?? '',
  }
}

/** Whether the same request may well succeed in a moment. */
export function isPassing({ code, httpStatus, connection }: S3Symptom): boolean {
  if (connection !== undefined) return !UNTRUSTED.has(connection) && !NO_CREDENTIALS.has(connection)
  if (code !== undefined && PASSING.has(code)) return true
  // Whatever the status: an error in a 200 is given the status 503 by the SDK.
  if (isFull(code, httpStatus) || (code !== undefined && FINAL.some((codes) => codes.has(code)))) return false
  // A success that can't be read was cut, or written by something in between.
  return httpStatus !== undefined && (PASSING_STATUS.has(httpStatus) || httpStatus < 300)
}

/**
 * What the caller is told, when trying again is over.
 *
 * NOT_FOUND: S3 says that the object or the multipart upload isn't there. CONFLICT: it has other bytes. INSUFFICIENT_STORAGE:
 * it is full. UNAVAILABLE: it can't be reached, or doesn't let us in, or an answer wasn't its own. What isn't recognised
 * is a bug of ours and comes back as it is.
 *
 * @param operation S3's name of what was asked, for the log
 */
export function translateS3Error(error: unknown, operation: string): unknown {
  const symptom = symptomOf(error)
  if (symptom === null) return error
  const { code, httpStatus } = symptom
  const cause = new S3Failure(operation, symptom)
  if (code !== undefined && MISSING.has(code)) return bytesMissing(cause)
  if (httpStatus === 412 || saysOtherBytes(operation, symptom)) return bytesDiffer(cause)
  if (isFull(code, httpStatus)) return storeIsFull(cause)
  if (isPassing(symptom) || isRefused(symptom)) return storeUnavailable(cause)
  return error
}

/**
 * One request's failure, for the log.
 *
 * Not the SDK's error itself, which carries all of the answer's XML as properties: the key's id and the signature too.
 */
export class S3Failure extends Error {
  override readonly name = 'S3Failure'
  readonly operation: string
  readonly symptom: S3Symptom

  constructor(operation: string, symptom: S3Symptom) {
    const { code, httpStatus, connection, requestId, message } = symptom
    const what = [code ?? connection, httpStatus].filter((part) => part !== undefined).join(' ')
    super(`${operation}: ${what}: ${message}${requestId === undefined ? '' : ` (request ${requestId})`}`)
    this.operation = operation
    this.symptom = symptom
  }
}

/** Without the key: it may be the id of another owner's upload of the same content. */
export function bytesMissing(cause?: unknown): AppError {
  return new AppError('NOT_FOUND', 'The bytes are not in the store. Upload the file again.', { cause })
}

export function bytesDiffer(cause?: unknown): AppError {
  return new AppError('CONFLICT', 'The store has other bytes than were uploaded. Upload the file again.', {
    cause,
  })
}

export function storeUnavailable(cause: unknown): AppError {
  return new AppError(
    'UNAVAILABLE',
    'The store cannot be reached. What was acknowledged is kept: try again in a minute.',
    { cause, retryAfterSeconds: UNAVAILABLE_SECONDS },
  )
}

function storeIsFull(cause: unknown): AppError {
  return new AppError(
    'INSUFFICIENT_STORAGE',
    'The store is full. What was acknowledged is kept: resume when the operator has made room.',
    { cause },
  )
}

function isFull(code: string | undefined, httpStatus: number | undefined): boolean {
  return httpStatus === 507 || (code !== undefined && FULL.has(code))
}

function saysOtherBytes(operation: string, { code, message }: S3Symptom): boolean {
  if (code === undefined) return false
  if (OTHER_BYTES.has(code)) return true
  // How AWS refuses a MpuObjectSize that isn't the parts' sum; the code alone would also be a malformed request's.
  return operation === 'CompleteMultipartUpload' && code === 'InvalidRequest' && /size/i.test(message)
}

/** It was understood and not let in, or it wasn't S3 that answered. */
function isRefused({ code, httpStatus, connection }: S3Symptom): boolean {
  if (connection !== undefined || code === undefined || MISCONFIGURED.has(code)) return true
  return httpStatus === 301 || httpStatus === 307 || httpStatus === 401 || httpStatus === 403
}

function connectionFailureOf(error: object): string | undefined {
  const names = [textOf(error, 'code'), textOf(error, 'name')].filter((name) => name !== undefined)
  return names.find(
    (name) =>
      UNREACHABLE.has(name) ||
      UNTRUSTED.has(name) ||
      NO_CREDENTIALS.has(name) ||
      // What came isn't HTTP.
      name.startsWith('HPE_'),
  )
}

function metadataOf(error: object): { httpStatusCode: number | undefined; requestId: string | undefined } {
  const found = '$metadata' in error ? error.$metadata : undefined
  if (typeof found !== 'object' || found === null) return { httpStatusCode: undefined, requestId: undefined }
  const status = 'httpStatusCode' in found ? found.httpStatusCode : undefined
  return {
    httpStatusCode: typeof status === 'number' ? status : undefined,
    requestId: textOf(found, 'requestId'),
  }
}

function textOf(given: object, name: string): string | undefined {
  const value = (given as Record<string, unknown>)[name]
  return typeof value === 'string' && value !== '' ? value : undefined
}
