// Whether a file that was given again is the one that an unfinished upload began with.

import type { Antipasto } from '../../api/antipasto.js'
import type { Report } from '../../api/types.js'
import { digestsOf } from '../upload/digest.js'

/** Why it is another file. */
export type Difference = { kind: 'size'; expectedBytes: number; actualBytes: number } | { kind: 'bytes' }

export interface SameFileOptions {
  onProgress?: ((doneBytes: number, ofBytes: number) => void) | undefined
  signal?: AbortSignal | undefined
}

/**
 * Null when `file` begins with exactly the bytes that the server has, and is as long as it was announced.
 *
 * @throws as `uploads.received` (Gone, Conflict when the server can't tell), and as `digestsOf` for a file that can't be read
 */
export async function differenceOf(
  antipasto: Antipasto,
  { id, size }: Report,
  file: File,
  { onProgress, signal }: SameFileOptions,
): Promise<Difference | null> {
  if (size !== null && size !== file.size)
    return { kind: 'size', expectedBytes: size, actualBytes: file.size }
  const { offset, checksums } = await antipasto.uploads.received(id, signal)
  if (offset > file.size) return { kind: 'size', expectedBytes: offset, actualBytes: file.size }
  if (offset === 0) return null
  onProgress?.(0, offset)
  const { sha256 } = await digestsOf(file, {
    algorithms: ['sha256'],
    endBytes: offset,
    onProgress: (doneBytes) => onProgress?.(doneBytes, offset),
    signal,
  })
  return sha256 === checksums.sha256 ? null : { kind: 'bytes' }
}
