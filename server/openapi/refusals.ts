// Which problems an operation may answer: its own, and those that every operation of its kind knows. Pure.

import { z } from 'zod'
import type { ErrorCode } from '../errors.js'
import type { Operation } from '../http/operation.js'
import { statusOf } from '../problem.js'

const errorCodes = Object.keys(statusOf) as [ErrorCode, ...ErrorCode[]] // A record of every code, and of nothing else.

/** RFC 9457, with the members that every refusal has. */
export const problemSchema = z
  .object({
    type: z.string().describe('A URN of the code.'),
    title: z.string(),
    status: z.int(),
    detail: z.string().describe('For people: what is wrong, and what to do next.'),
    instance: z.string().describe('The path that was asked for.'),
    code: z.enum(errorCodes).describe('For programs. It keeps its meaning.'),
    request_id: z.string().describe('As in X-Request-ID, to tell the operator.'),
    details: z.record(z.string(), z.unknown()).describe('Facts for programs, by code.'),
  })
  .meta({ id: 'Problem' })

/** Status → the codes that it may have here, in the order of the status. */
export function refusalsOf(operation: Operation): ReadonlyMap<number, readonly ErrorCode[]> {
  const codes = new Set<ErrorCode>([...operation.problems, ...commonRefusals(operation)])
  const statuses = [...new Set([...codes].map((code) => statusOf[code]))].sort((a, b) => a - b)
  return new Map(
    statuses.map((status) => [status, [...codes].filter((code) => statusOf[code] === status).sort()]),
  )
}

function commonRefusals(operation: Operation): ErrorCode[] {
  const { scope, params, query, headers, body } = operation
  const takesInput = [params, query, headers, body].some((part) => part !== undefined)
  const isStructured = Object.values(body?.content ?? {}).some((content) => content !== 'bytes')
  return [
    'INTERNAL',
    ...(takesInput || scope !== null ? (['INVALID_INPUT'] as const) : []),
    ...(scope !== null ? (['UNAUTHORIZED', 'RATE_LIMITED', 'UNAVAILABLE'] as const) : []),
    ...(scope !== null && scope !== 'any' ? (['FORBIDDEN'] as const) : []),
    // What is looked up without a credential is looked up all the same.
    ...(scope === null && params !== undefined ? (['UNAVAILABLE'] as const) : []),
    ...(isStructured ? (['PAYLOAD_TOO_LARGE', 'UNSUPPORTED_MEDIA_TYPE'] as const) : []),
  ]
}

/** What a refusal says in its headers, by code: name → what it says. */
export const refusalHeaders: Partial<Record<ErrorCode, Readonly<Record<string, string>>>> = {
  UNAUTHORIZED: { 'WWW-Authenticate': 'RFC 6750.' },
  FORBIDDEN: { 'WWW-Authenticate': 'RFC 6750, with the scope that is missing.' },
  OFFSET_MISMATCH: { 'Upload-Offset': 'Where to go on.' },
  UNSUPPORTED_VERSION: { 'Tus-Version': 'Versions of tus that are spoken here.' },
  RANGE_NOT_SATISFIABLE: { 'Content-Range': 'How many bytes there are, when that is known.' },
  RATE_LIMITED: { 'Retry-After': 'Seconds.', RateLimit: 'How many requests are left, and for how long.' },
  UNAVAILABLE: { 'Retry-After': 'Seconds.' },
}

/** What a refusal means, in a sentence. */
export const meaningOf: Record<ErrorCode, string> = {
  INVALID_INPUT:
    'Something of the request is not understood; the detail names it, and what is allowed there.',
  UNAUTHORIZED: 'There is no credential, or it is unknown, expired or revoked.',
  FORBIDDEN:
    'The credential lacks the scope, it is shared with you for less than that, or a browser would run what was uploaded.',
  QUOTA_EXCEEDED: 'You have as much here as you may. Delete something, or ask the operator.',
  RATE_LIMITED: 'Too many requests: come back after Retry-After seconds.',
  NOT_FOUND: 'There is no such thing, or it is not yours.',
  METHOD_NOT_ALLOWED: 'The path has no such method; Allow names those it has.',
  NOT_ACCEPTABLE: 'Nothing of what Accept names can be answered.',
  REQUEST_TIMEOUT: 'The body brought no byte for too long. What it had brought to an upload is kept.',
  OFFSET_MISMATCH: 'The bytes do not begin where the stored ones end: go on at Upload-Offset.',
  CONFLICT: 'It does not fit what is there already; the detail says what to do.',
  PACKAGE_FINALIZED: 'The package is finalized, and does not change any more.',
  GONE: 'It has ended: failed, canceled, expired or deleted.',
  UNSUPPORTED_VERSION: 'Tus-Resumable is missing, or names another version.',
  PAYLOAD_TOO_LARGE: 'There are more bytes than allowed here.',
  UNSUPPORTED_MEDIA_TYPE: 'The body comes under a media type that means nothing here.',
  RANGE_NOT_SATISFIABLE: 'The range is not one that there is.',
  CONTENT_REFUSED: 'The content check of this server refused the bytes. They are not kept.',
  HASH_MISMATCH: 'The bytes have another digest than was declared. They are not kept.',
  LOCKED: 'Another request is at work on it, or it can not be looked at now: try again.',
  CHECKSUM_MISMATCH: 'The body has another digest than Upload-Checksum says. It is not kept: send it again.',
  INTERNAL: 'Something is wrong on our side. Tell the operator the request_id.',
  UNAVAILABLE: 'The database or the store can not be reached now, or the server is stopping: try again.',
  INSUFFICIENT_STORAGE: 'There is no room for it.',
}
