// The one error class and its closed union of codes. Knows nothing of HTTP: problem.ts turns codes into answers.

/** What can be refused. A code keeps its meaning for ever: clients branch on it. */
export type ErrorCode =
  | 'UNAUTHORIZED'
  | 'FORBIDDEN'
  | 'NOT_FOUND'
  | 'METHOD_NOT_ALLOWED'
  | 'NOT_ACCEPTABLE'
  | 'GONE'
  | 'INVALID_INPUT'
  | 'OFFSET_MISMATCH'
  | 'CONFLICT'
  | 'PACKAGE_FINALIZED'
  | 'LOCKED'
  | 'UNSUPPORTED_VERSION'
  | 'PAYLOAD_TOO_LARGE'
  | 'QUOTA_EXCEEDED'
  | 'RATE_LIMITED'
  | 'UNSUPPORTED_MEDIA_TYPE'
  | 'RANGE_NOT_SATISFIABLE'
  | 'CHECKSUM_MISMATCH'
  | 'HASH_MISMATCH'
  | 'CONTENT_REFUSED'
  | 'REQUEST_TIMEOUT'
  | 'UNAVAILABLE'
  | 'INSUFFICIENT_STORAGE'
  | 'INTERNAL'

export interface ErrorOptions {
  /** The foreign error behind this one; it goes to the log, never to the client. */
  cause?: unknown
  /** Machine-readable facts for the client, e.g. `{ upload_offset: 7340032 }`. */
  details?: Record<string, unknown>
  /** After how many seconds the same request may succeed. */
  retryAfterSeconds?: number
}

/**
 * An expected refusal.
 *
 * `detail` is shown to the user and says what to do next: "Resume at offset 7340032."
 */
export class AppError extends Error {
  override readonly name = 'AppError'
  readonly code: ErrorCode
  readonly detail: string
  readonly details: Record<string, unknown> | undefined
  readonly retryAfterSeconds: number | undefined

  constructor(code: ErrorCode, detail: string, options: ErrorOptions = {}) {
    super(`${code}: ${detail}`, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.detail = detail
    this.details = options.details
    this.retryAfterSeconds = options.retryAfterSeconds
  }
}

/** True when `error` is an AppError with one of `codes` (any code, when none is named). */
export function isAppError(error: unknown, ...codes: ErrorCode[]): error is AppError {
  return error instanceof AppError && (codes.length === 0 || codes.includes(error.code))
}
