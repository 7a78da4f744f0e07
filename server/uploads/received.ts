// The digests of what has arrived so far: by them a client that is given a file again knows whether it is the same one. Pure.

import type { Digests } from '../digests/finish.js'
import { AppError } from '../errors.js'
import { knownDigests } from './finalize.js'
import { assertAlive, type Upload } from './upload.js'

/** The first `offset` bytes of a file, and their digests in lowercase hex. */
export interface Received {
  offset: number
  checksums: Digests
}

/**
 * Of exactly the bytes that `upload` has acknowledged: offset and digests' state move in one statement.
 *
 * @throws GONE; CONFLICT when their digests aren't known
 */
export function receivedOf(upload: Upload): Received {
  assertAlive(upload)
  const checksums = knownDigests(upload)
  if (checksums === null) throw unknownDigests(upload)
  return { offset: Number(upload.offsetBytes), checksums }
}

function unknownDigests(upload: Upload): AppError {
  const offset = Number(upload.offsetBytes)
  const remedy =
    upload.state === 'finalizing'
      ? 'They are being read again: ask for the report, which has the checksums once its state is ready.'
      : `Start a new upload, or go on at offset ${offset} and compare the checksums in the report once it is ready.`
  return new AppError(
    'CONFLICT',
    `The digests of the ${offset} bytes that arrived are not known. ${remedy}`,
    {
      details: { upload_offset: offset, state: upload.state },
    },
  )
}
