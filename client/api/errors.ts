// What can go wrong, as classes to catch: one for each of the server's codes, and those of the way to it.

export interface ApiErrorOptions {
  /** The HTTP status. */
  status: number
  /** To name to the people who run the server. */
  requestId?: string | null
  /** Facts for programs, as in the problem. */
  details?: Record<string, unknown> | undefined
  /** After how many seconds the same request may succeed. */
  retryAfterSeconds?: number | undefined
}

/**
 * A refusal by the server, by its `code`; `message` is the server's `detail`, which says what to do next.
 *
 * A code that this client doesn't know is an ApiError and none of its classes: servers may be newer.
 */
export class ApiError extends Error {
  override readonly name: string = 'ApiError'
  readonly code: string
  readonly status: number
  readonly requestId: string | null
  readonly details: Record<string, unknown> | undefined
  readonly retryAfterSeconds: number | undefined

  constructor(code: string, detail: string, options: ApiErrorOptions) {
    super(detail)
    this.code = code
    this.status = options.status
    this.requestId = options.requestId ?? null
    this.details = options.details
    this.retryAfterSeconds = options.retryAfterSeconds
  }
}

/** 401: no credential, or one that is unknown, has expired or is revoked. */
export class Unauthorized extends ApiError {
  override readonly name = 'Unauthorized'
}
/** 403: the credential is known and may not do this. */
export class Forbidden extends ApiError {
  override readonly name = 'Forbidden'
}
/** 404: it isn't there, or it is another owner's. */
export class NotFound extends ApiError {
  override readonly name = 'NotFound'
}
/** 410: deleted, expired, canceled or failed. */
export class Gone extends ApiError {
  override readonly name = 'Gone'
}
export class InvalidInput extends ApiError {
  override readonly name = 'InvalidInput'
}
/** 409: bytes for another offset than `details.upload_offset`. */
export class OffsetMismatch extends ApiError {
  override readonly name = 'OffsetMismatch'
}
export class Conflict extends ApiError {
  override readonly name = 'Conflict'
}
export class PackageFinalized extends ApiError {
  override readonly name = 'PackageFinalized'
}
/** 423: another request writes to this upload; try again. */
export class Locked extends ApiError {
  override readonly name = 'Locked'
}
export class PayloadTooLarge extends ApiError {
  override readonly name = 'PayloadTooLarge'
}
export class QuotaExceeded extends ApiError {
  override readonly name = 'QuotaExceeded'
}
export class RateLimited extends ApiError {
  override readonly name = 'RateLimited'
}
export class UnsupportedMediaType extends ApiError {
  override readonly name = 'UnsupportedMediaType'
}
export class RangeNotSatisfiable extends ApiError {
  override readonly name = 'RangeNotSatisfiable'
}
/** 460: one request's bytes don't have the checksum that its header told; they were not stored. */
export class ChecksumMismatch extends ApiError {
  override readonly name = 'ChecksumMismatch'
}
/** 422: the file that arrived doesn't have the declared digest; it was not kept. */
export class HashMismatch extends ApiError {
  override readonly name = 'HashMismatch'
}
export class ContentRefused extends ApiError {
  override readonly name = 'ContentRefused'
}
/** 503, and what a proxy answers in the server's place: passes with time. */
export class Unavailable extends ApiError {
  override readonly name = 'Unavailable'
}
export class InsufficientStorage extends ApiError {
  override readonly name = 'InsufficientStorage'
}
/** 500: a fault of the server's; `requestId` is what its log knows it by. */
export class Internal extends ApiError {
  override readonly name = 'Internal'
}

const CLASSES: Record<string, typeof ApiError> = {
  UNAUTHORIZED: Unauthorized,
  FORBIDDEN: Forbidden,
  NOT_FOUND: NotFound,
  GONE: Gone,
  INVALID_INPUT: InvalidInput,
  OFFSET_MISMATCH: OffsetMismatch,
  CONFLICT: Conflict,
  PACKAGE_FINALIZED: PackageFinalized,
  LOCKED: Locked,
  PAYLOAD_TOO_LARGE: PayloadTooLarge,
  QUOTA_EXCEEDED: QuotaExceeded,
  RATE_LIMITED: RateLimited,
  UNSUPPORTED_MEDIA_TYPE: UnsupportedMediaType,
  RANGE_NOT_SATISFIABLE: RangeNotSatisfiable,
  CHECKSUM_MISMATCH: ChecksumMismatch,
  HASH_MISMATCH: HashMismatch,
  CONTENT_REFUSED: ContentRefused,
  UNAVAILABLE: Unavailable,
  INSUFFICIENT_STORAGE: InsufficientStorage,
  INTERNAL: Internal,
}

/** The error of a code: of its class, where it has one. */
export function apiError(code: string, detail: string, options: ApiErrorOptions): ApiError {
  return new (CLASSES[code] ?? ApiError)(code, detail, options)
}

/**
 * No answer came: the name wasn't found, nobody listened, the connection broke, TLS failed, time ran out.
 *
 * `code` is the system's (`ENOTFOUND`, `ECONNREFUSED`, `CERT_HAS_EXPIRED` …) where there is one.
 */
export class ConnectionFailed extends Error {
  override readonly name = 'ConnectionFailed'
  readonly code: string | null

  constructor(message: string, options: { code: string | null; cause?: unknown }) {
    super(message, { cause: options.cause })
    this.code = options.code
  }
}

/**
 * Something answered that isn't an antipasto server: a captive portal's page, a proxy's, another site.
 *
 * `message` quotes how the answer begins.
 */
export class ForeignAnswer extends Error {
  override readonly name = 'ForeignAnswer'
  readonly status: number

  constructor(message: string, status: number) {
    super(message)
    this.status = status
  }
}

/** Bytes have another digest than the one that was told: of a local file, or of what was fetched. */
export class DigestMismatch extends Error {
  override readonly name = 'DigestMismatch'
}

/** A local file is not what the operation may go on with: longer, changed meanwhile, something else than before. */
export class LocalFileDiffers extends Error {
  override readonly name = 'LocalFileDiffers'
}

/**
 * This computer's file system refused: a full disk, no right, no such folder.
 *
 * `code` is the system's: ENOSPC, EACCES …
 */
export class LocalFileFailed extends Error {
  override readonly name = 'LocalFileFailed'
  readonly code: string | null

  constructor(message: string, options: { code: string | null; cause?: unknown }) {
    super(message, { cause: options.cause })
    this.code = options.code
  }
}
