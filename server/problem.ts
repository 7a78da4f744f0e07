// Turns errors into answers: code → status, and application/problem+json (RFC 9457) as the last middleware.

import { STATUS_CODES } from 'node:http'
import type { ErrorRequestHandler, Request, Response } from 'express'
import { AppError, type ErrorCode, isAppError } from './errors.js'
import { endLingering } from './lingering-close.js'
import type { Log } from './ops/log.js'
import { shownPath } from './ops/redact.js'

/** A code without a row doesn't compile. */
export const statusOf: Record<ErrorCode, number> = {
  INVALID_INPUT: 400,
  UNAUTHORIZED: 401,
  FORBIDDEN: 403,
  // Neither 413 nor 507: tus clients try those again, and only the owner can make room.
  QUOTA_EXCEEDED: 403,
  NOT_FOUND: 404,
  METHOD_NOT_ALLOWED: 405,
  NOT_ACCEPTABLE: 406,
  REQUEST_TIMEOUT: 408,
  OFFSET_MISMATCH: 409,
  CONFLICT: 409,
  PACKAGE_FINALIZED: 409,
  GONE: 410,
  UNSUPPORTED_VERSION: 412,
  PAYLOAD_TOO_LARGE: 413,
  UNSUPPORTED_MEDIA_TYPE: 415,
  RANGE_NOT_SATISFIABLE: 416,
  HASH_MISMATCH: 422,
  CONTENT_REFUSED: 422,
  LOCKED: 423,
  RATE_LIMITED: 429,
  // tus 1.0.0, checksum extension.
  CHECKSUM_MISMATCH: 460,
  INTERNAL: 500,
  UNAVAILABLE: 503,
  INSUFFICIENT_STORAGE: 507,
}

const titleOf: Partial<Record<ErrorCode, string>> = {
  OFFSET_MISMATCH: 'Offset Mismatch',
  PACKAGE_FINALIZED: 'Package Finalized',
  UNSUPPORTED_VERSION: 'Unsupported tus Version',
  HASH_MISMATCH: 'Hash Mismatch',
  CONTENT_REFUSED: 'Content Refused',
  QUOTA_EXCEEDED: 'Quota Exceeded',
  CHECKSUM_MISMATCH: 'Checksum Mismatch',
}

/** RFC 9457, with the members that every error of ours has. */
export interface Problem {
  type: string
  title: string
  status: number
  detail: string
  instance: string
  code: ErrorCode
  request_id: string
  details: Record<string, unknown>
}

/** `instance` is the request's URL; only what may be shown of it goes into the problem. */
export function toProblem(error: AppError, about: { requestId: string; instance: string }): Problem {
  const status = statusOf[error.code]
  return {
    type: `urn:antipasto:problem:${error.code.toLowerCase().replaceAll('_', '-')}`,
    title: titleOf[error.code] ?? STATUS_CODES[status] ?? error.code,
    status,
    detail: error.detail,
    instance: shownPath(about.instance),
    code: error.code,
    request_id: about.requestId,
    details: error.details ?? {},
  }
}

/** The last middleware: every error that a request meets becomes its answer, and goes to the log. */
export function problemHandler(log: Log): ErrorRequestHandler {
  // Express knows an error handler by its four parameters.
  return (thrown: unknown, req, res, _next) => {
    const error = toAppError(thrown)
    req.problemCode = error.code
    logProblem(log, req, error, thrown)
    if (res.headersSent || res.destroyed) {
      // A half answer must not look like a whole one.
      res.destroy()
      return
    }
    sendProblem(req, res, error)
  }
}

/** Answers 404 for every path that nothing else took. */
export function noSuchRoute(): never {
  throw new AppError('NOT_FOUND', 'Nothing is here. /docs describes what there is.')
}

function sendProblem(req: Request, res: Response, error: AppError): void {
  const problem = toProblem(error, { requestId: req.requestId ?? '', instance: req.originalUrl })
  for (const name of bodyHeaders) res.removeHeader(name)
  for (const [name, value] of Object.entries(headersOf(error))) res.setHeader(name, value)
  res.setHeader('Cache-Control', 'no-store')
  res.setHeader('Content-Type', 'application/problem+json; charset=utf-8')
  res.statusCode = isTusHead(req) && isPassing(problem.status) ? statusOf.LOCKED : problem.status
  endLingering(req, res, JSON.stringify(problem, bigintAsNumber))
}

// What a route had said about the body that it then couldn't send.
const bodyHeaders = [
  'Accept-Ranges',
  'Content-Disposition',
  'Content-Encoding',
  'Content-Range',
  'ETag',
  'Last-Modified',
  'Repr-Digest',
]

/** Trouble that isn't the upload's. */
function isPassing(status: number): boolean {
  return status >= 500 || status === statusOf.RATE_LIMITED
}

/**
 * tus-js-client takes every failure of HEAD but 423 for "no such upload" and starts anew at byte 0 (its issue 895), so
 * trouble on our side, which may pass, must not look like that.
 */
function isTusHead(req: Request): boolean {
  return req.method === 'HEAD' && /^\/uploads\/./i.test(req.originalUrl)
}

function headersOf(error: AppError): Record<string, string> {
  const headers: Record<string, string> = {}
  const retryAfterSeconds = error.retryAfterSeconds ?? (error.code === 'UNAVAILABLE' ? 5 : undefined)
  if (retryAfterSeconds !== undefined) headers['Retry-After'] = String(Math.ceil(retryAfterSeconds))
  if (error.code === 'UNSUPPORTED_VERSION') headers['Tus-Version'] = '1.0.0'
  const { upload_offset: offset, size, allow } = error.details ?? {}
  if (typeof offset === 'number' || typeof offset === 'bigint') headers['Upload-Offset'] = String(offset)
  if (error.code === 'RANGE_NOT_SATISFIABLE' && typeof size === 'number')
    headers['Content-Range'] = `bytes */${size}`
  if (error.code === 'METHOD_NOT_ALLOWED' && typeof allow === 'string') headers.Allow = allow
  const challenge = challengeOf(error)
  if (challenge !== undefined) headers['WWW-Authenticate'] = challenge
  return headers
}

/** RFC 6750 §3: the error is named only when there was a credential. */
function challengeOf(error: AppError): string | undefined {
  const realm = 'Bearer realm="antipasto"'
  if (error.code === 'UNAUTHORIZED') {
    const { error: name, error_description: description } = error.details ?? {}
    if (name !== 'invalid_token') return realm
    const why = typeof description === 'string' ? `, error_description="${description}"` : ''
    return `${realm}, error="invalid_token"${why}`
  }
  const scope = error.details?.missing_scope
  if (error.code !== 'FORBIDDEN' || typeof scope !== 'string') return undefined
  return `${realm}, error="insufficient_scope", scope="${scope}"`
}

const codeOfStatus = new Map<number, ErrorCode>([
  [404, 'NOT_FOUND'],
  [405, 'METHOD_NOT_ALLOWED'],
  [408, 'REQUEST_TIMEOUT'],
  [413, 'PAYLOAD_TOO_LARGE'],
  [415, 'UNSUPPORTED_MEDIA_TYPE'],
  [416, 'RANGE_NOT_SATISFIABLE'],
])

/** What was thrown, as something that may be told. Only errors that we recognise keep their meaning. */
function toAppError(thrown: unknown): AppError {
  if (isAppError(thrown)) return thrown
  const { name, status, expose, message, type } = foreignError(thrown)
  // Express's router, for a path such as `/uploads/%zz`.
  if (name === 'URIError' && status === 400) {
    return new AppError('INVALID_INPUT', 'The URL has a broken %-escape.', { cause: thrown })
  }
  // http-errors, from body parsers: `expose` says that the message is meant for the client.
  if (expose === true && typeof status === 'number' && status >= 400 && status < 500) {
    const detail =
      type === 'entity.parse.failed' ? 'The body is not valid JSON.' : `The request is refused: ${message}.`
    return new AppError(codeOfStatus.get(status) ?? 'INVALID_INPUT', detail, { cause: thrown })
  }
  const detail = 'Something went wrong on our side. Try again; if it stays, tell the operator the request_id.'
  return new AppError('INTERNAL', detail, { cause: thrown })
}

interface ForeignError {
  name?: unknown
  status?: unknown
  expose?: unknown
  message?: unknown
  type?: unknown
}

function foreignError(thrown: unknown): ForeignError {
  return typeof thrown === 'object' && thrown !== null ? thrown : {}
}

function logProblem(log: Log, req: Request, error: AppError, thrown: unknown): void {
  const line = {
    id: req.requestId,
    code: error.code,
    method: req.method,
    path: shownPath(req.originalUrl),
    // Where a refusal of ours was thrown tells an operator nothing; what is behind it does.
    ...(isAppError(thrown) && error.code !== 'INTERNAL'
      ? { detail: error.detail, err: error.cause }
      : { err: thrown }),
  }
  // Whoever sends nonsense must not fill the disk: what the client did wrong is in the request's own line.
  if (error.code === 'INTERNAL') log.error(line, 'request failed')
  else if (statusOf[error.code] >= 500) log.warn(line, 'request refused')
  else log.debug(line, 'request refused')
}

function bigintAsNumber(_name: string, value: unknown): unknown {
  return typeof value === 'bigint' ? Number(value) : value
}
