// Which bytes a request wants, and whether it needs any: RFC 9110 §13 and §14. Pure.

import { AppError } from '../errors.js'

/** Both ends are offsets from 0, and both are included, as in `Content-Range`. */
export interface ByteRange {
  start: number
  endInclusive: number
}

/**
 * The one range that `header` asks for; null when the whole is to be sent.
 *
 * Throws RANGE_NOT_SATISFIABLE for several ranges, a malformed one, and one that begins at or after `sizeBytes`.
 */
export function parseRange(header: string | undefined, sizeBytes: number): ByteRange | null {
  // RFC 9110 §14.2: a unit that isn't understood is ignored. Unit names know no case (§14.1).
  if (header === undefined || !/^bytes(?![^\s=])/i.test(header)) return null
  const match = /^bytes=[ \t]*(\d*)-(\d*)[ \t]*$/i.exec(header)
  if (match === null) throw notSatisfiable('One range is served at a time, such as "bytes=0-499".', sizeBytes)
  const [, first = '', last = ''] = match
  return first === '' ? suffixRange(last, sizeBytes) : rangeFrom(Number(first), last, sizeBytes)
}

function suffixRange(length: string, sizeBytes: number): ByteRange | null {
  const lengthBytes = Number(length)
  if (length === '' || lengthBytes === 0) throw notSatisfiable('The range is empty.', sizeBytes)
  // §14.1.2: a suffix of an empty representation is satisfiable, but Content-Range can't say so.
  if (sizeBytes === 0) return null
  return { start: Math.max(0, sizeBytes - lengthBytes), endInclusive: sizeBytes - 1 }
}

function rangeFrom(start: number, last: string, sizeBytes: number): ByteRange {
  const endInclusive = last === '' ? sizeBytes - 1 : Math.min(Number(last), sizeBytes - 1)
  if (start >= sizeBytes) throw notSatisfiable('The range begins after the last byte.', sizeBytes)
  if (endInclusive < start) throw notSatisfiable('The range ends before it begins.', sizeBytes)
  return { start, endInclusive }
}

function notSatisfiable(what: string, sizeBytes: number): AppError {
  return new AppError('RANGE_NOT_SATISFIABLE', `${what} The file has ${sizeBytes} bytes.`, {
    details: { size: sizeBytes },
  })
}

/**
 * Whether the range may be served: false when If-Range names another state of the file, and then the whole is sent.
 *
 * `etag` is a strong one, with its quotes. A date must be the very one of Last-Modified (RFC 9110 §13.1.5).
 */
export function isRangeFresh(ifRange: string | undefined, etag: string, lastModified: Date): boolean {
  if (ifRange === undefined) return true
  const validator = ifRange.trim()
  // Strong comparison (§8.8.3.2): a weak tag never matches.
  if (validator.startsWith('"') || validator.startsWith('W/')) return validator === etag
  return validator === lastModified.toUTCString()
}

/** Whether the client has this already, by its If-None-Match: the answer is then 304. `etag` has its quotes. */
export function isNotModified(ifNoneMatch: string | undefined, etag: string): boolean {
  if (ifNoneMatch === undefined) return false
  if (ifNoneMatch.trim() === '*') return true
  // Tags may hold commas, so the list isn't split at them. Weak comparison: W/ doesn't count (§13.1.2).
  const tags: readonly string[] = ifNoneMatch.match(/"[\x21\x23-\x7e\x80-\xff]*"/g) ?? []
  return tags.includes(etag.replace(/^W\//, ''))
}
