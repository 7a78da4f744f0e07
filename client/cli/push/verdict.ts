// What an error means for the file it met, and for the files after it. Pure.

import {
  ApiError,
  ConnectionFailed,
  DigestMismatch,
  Forbidden,
  ForeignAnswer,
  HashMismatch,
  InsufficientStorage,
  LocalFileDiffers,
  LocalFileFailed,
  PackageFinalized,
  QuotaExceeded,
  Unauthorized,
  Unavailable,
} from '../../api/errors.js'
import { failureOf } from '../failure.js'
import { isFileTrouble, readTrouble } from '../file-trouble.js'
import { asReason, type PushOutcome } from './outcome.js'

/** Files after this one would meet the same: they aren't tried. Connections were waited for as long as anybody wanted. */
export function endsPush(error: unknown): boolean {
  return (
    error instanceof Unauthorized ||
    error instanceof Forbidden ||
    error instanceof PackageFinalized ||
    error instanceof PackageMissing ||
    error instanceof ConnectionFailed ||
    error instanceof ForeignAnswer ||
    error instanceof Unavailable
  )
}

/** There is no room for a file of this size; a smaller one may find some. */
export function isNoRoom(error: unknown): boolean {
  return error instanceof QuotaExceeded || error instanceof InsufficientStorage
}

/** The package that files are pushed to isn't there (any more). */
export class PackageMissing extends ApiError {
  override readonly name = 'PackageMissing'
}

/** @param path of the file, which messages may begin with */
export function outcomeOf(error: unknown, path: string): PushOutcome {
  if (error instanceof HashMismatch || error instanceof DigestMismatch) {
    return { state: 'mismatch', reason: `${asReason(error.message)}; it was not kept, push it again`, error }
  }
  if (error instanceof LocalFileDiffers) {
    const reason = asReason(error.message)
    return {
      state: 'failed',
      reason: reason.startsWith(path) ? `it${reason.slice(path.length)}` : reason,
      error,
    }
  }
  if (isFileTrouble(error) || error instanceof LocalFileFailed)
    return { state: 'failed', reason: readTrouble(error), error }
  const { message, request_id: requestId, code } = failureOf(error)
  const request = code === 'INTERNAL' && requestId !== null ? ` (request ${requestId})` : ''
  return { state: 'failed', reason: asReason(message) + request, error }
}
