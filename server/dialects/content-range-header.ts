// `Content-Range` of a request: which bytes of the whole its body has. Pure.

import { AppError } from '../errors.js'

/** Bytes of a file that a request brings. */
export interface ContentRange {
  /** The first one, counted from 0. */
  startBytes: number
  /** Behind the last one. */
  endBytes: number
  /** Of the whole file; null when it isn't known yet. */
  sizeBytes: number | null
}

const CONTENT_RANGE = /^bytes (0|[1-9]\d{0,15})-(0|[1-9]\d{0,15})\/(?:(0|[1-9]\d{0,15})|\*)$/i

/**
 * `bytes a-b/n` or `bytes a-b/*` (RFC 9110 §14.4): a from 0, b inclusive and not before a, n behind b.
 *
 * @throws INVALID_INPUT for everything else, numbers past 2^53 - 1 among it
 */
export function parseContentRange(header: string): ContentRange {
  const [, first, last, size] = CONTENT_RANGE.exec(header.trim()) ?? []
  const startBytes = Number(first)
  const endBytes = Number(last) + 1
  const sizeBytes = size === undefined ? null : Number(size)
  const isRange =
    startBytes < endBytes &&
    Number.isSafeInteger(endBytes) &&
    (sizeBytes === null || (Number.isSafeInteger(sizeBytes) && endBytes <= sizeBytes))
  if (isRange) return { startBytes, endBytes, sizeBytes }
  throw new AppError(
    'INVALID_INPUT',
    'Content-Range must be "bytes a-b/n": a the first byte of this body, counted from 0, b its last one, n the size of the ' +
      'whole file, or * while that is not known. An empty file needs no PATCH: complete it.',
  )
}

/**
 * Refuses a body that isn't as long as its range.
 *
 * @param announcedBytes null: it doesn't say, and will be counted as it comes
 * @throws INVALID_INPUT
 */
export function assertBodyOf({ startBytes, endBytes }: ContentRange, announcedBytes: number | null): void {
  const lengthBytes = endBytes - startBytes
  if (announcedBytes === null || announcedBytes === lengthBytes) return
  throw new AppError(
    'INVALID_INPUT',
    `Content-Range has ${lengthBytes} bytes, the body ${announcedBytes}. Send "Content-Length: ${lengthBytes}".`,
  )
}
