// The path of a file inside its package: what it may be, and its one spelling. Pure.

import { AppError } from '../errors.js'

/** As S3's keys, and what an index can hold. */
export const MOST_PATH_BYTES = 1024

/**
 * `text` in NFC, so that a name typed on a Mac and the same one from Linux are equal.
 *
 * @param name what the client calls it, for the refusal
 * @throws INVALID_INPUT for what would leave the folder it is put into, or has no name at its end
 */
export function relativePath(text: string, name: string): string {
  const path = text.normalize('NFC')
  const isPath =
    Buffer.byteLength(path) <= MOST_PATH_BYTES &&
    !path.includes('\\') &&
    !/\p{Cc}/u.test(path) &&
    path.isWellFormed() &&
    path.split('/').every((segment) => !['', '.', '..'].includes(segment.trim()))
  if (isPath) return path
  throw new AppError(
    'INVALID_INPUT',
    `${name} must be a path like folder/file.csv, at most ${MOST_PATH_BYTES} bytes of UTF-8: no "..", no leading or doubled slash, no backslash, no control characters.`,
  )
}
