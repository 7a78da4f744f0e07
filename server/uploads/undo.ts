// When a deletion can be undone, and until when. Pure.

import { AppError } from '../errors.js'
import { goneError, isPartial, isPastEnd, isRestorable, type Upload } from './upload.js'

/** Longer than anybody looks at what they have just deleted; its bytes take up room so long. */
export const MOST_UNDO_SECONDS = 600

/**
 * What to do with an upload that is to be deleted so that it can be restored.
 *
 * - `keep`: it ends, and its bytes are kept for a while;
 * - `end`: it ends for good, as nothing of it could be gone on with;
 * - `repeat`: that was done before, and its time runs.
 */
export type DeletionWithUndo = 'keep' | 'end' | 'repeat'

/** @throws CONFLICT while it is being finished, GONE, INVALID_INPUT for a part of a concatenation */
export function planDeletionWithUndo(upload: Upload): DeletionWithUndo {
  if (isRestorable(upload)) return 'repeat'
  switch (upload.state) {
    case 'canceled':
    case 'deleted':
    case 'expired':
      throw goneError(upload)
    case 'failed':
      return 'end'
    case 'finalizing':
      throw new AppError(
        'CONFLICT',
        'The upload is being finished, and what is half finished can’t be restored. Ask again in a moment, or leave undo_seconds out to delete it for good.',
        { retryAfterSeconds: 1 },
      )
    case 'receiving':
    case 'ready':
      if (isPastEnd(upload)) throw goneError(upload)
      if (isPartial(upload))
        throw new AppError(
          'INVALID_INPUT',
          'A part of a concatenation can’t be restored. Leave undo_seconds out to delete it for good.',
        )
      // Its bytes come by one request, which ends with it: nobody could send the rest.
      return upload.state === 'receiving' && upload.finish === 'once' ? 'end' : 'keep'
  }
}

/** The package that an upload would come back into; null: it is in none any more. */
export interface PackageNow {
  id: string
  state: string
}

/**
 * Why an upload was not restored.
 *
 * @returns null when there is nothing to restore, because it has not ended
 */
export function restoreRefusal(upload: Upload, packageNow: PackageNow | null): AppError | null {
  if (isRestorable(upload)) return packageRefusal(packageNow)
  switch (upload.state) {
    case 'receiving':
    case 'ready':
      return isPastEnd(upload) ? goneError(upload) : null
    case 'finalizing':
    case 'failed':
      return null
    case 'expired':
      return goneError(upload)
    case 'canceled':
    case 'deleted':
      return upload.restorableUntil === null
        ? new AppError(
            'CONFLICT',
            `This upload was ${upload.state} for good: nothing of it is left. Start a new upload.`,
          )
        : new AppError(
            'GONE',
            `This upload could be restored until ${upload.restorableUntil.toISOString()}. Start a new upload.`,
          )
  }
}

function packageRefusal(packageNow: PackageNow | null): AppError {
  const remedy = 'Upload the file again, into another package.'
  if (packageNow?.state === 'finalized') {
    return new AppError(
      'PACKAGE_FINALIZED',
      `Package ${packageNow.id} was finalized without this file, and doesn't change any more. ${remedy}`,
      { details: { package_id: packageNow.id } },
    )
  }
  return new AppError(
    'CONFLICT',
    `The package of this file has ended meanwhile${packageNow === null ? '' : `: ${packageNow.id} is ${packageNow.state}`}. ${remedy}`,
    packageNow === null ? {} : { details: { package_id: packageNow.id } },
  )
}

/** Why a file doesn't come back to where another one stands now. */
export function pathTakenError(path: string, other: { id: string; state: string } | null): AppError {
  return new AppError(
    'CONFLICT',
    `Another file stands at "${path}" of the package now${
      other === null ? '' : `: upload ${other.id}, ${other.state}. DELETE /uploads/${other.id} or move it`
    }, then restore this one.`,
    { details: { relative_path: path, ...(other === null ? {} : { upload_id: other.id }) } },
  )
}
