// What the file system's refusals mean for what is written here. Pure.

import { ConnectionFailed } from '../../api/errors.js'

/** True when nothing else fits, either. */
export function isDiskFull(error: unknown): boolean {
  const code = codeOf(error)
  return code === 'ENOSPC' || code === 'EDQUOT'
}

/** Why a file couldn't be written, in words that end a sentence; null when the file system has nothing to do with it. */
export function diskTrouble(error: unknown): string | null {
  // Sockets have some of the same codes.
  if (error instanceof ConnectionFailed) return null
  const code = codeOf(error)
  switch (code) {
    case 'ENOSPC':
      return 'the disk is full'
    case 'EDQUOT':
      return 'your quota on this disk is used up'
    case 'EACCES':
    case 'EPERM':
      return 'you have no permission to write there'
    case 'EROFS':
      return 'the disk is read-only'
    case 'ENAMETOOLONG':
      return 'its path is longer than this system can have; choose a folder further up'
    case 'EISDIR':
      return 'there is a folder with its name'
    case 'ENOTDIR':
    case 'EEXIST':
      return 'a part of its path is a file, not a folder'
    case 'EFBIG':
      return 'it is larger than this disk can have files'
    case 'EIO':
      return 'the disk could not write it (I/O error); check the disk'
    case 'EMFILE':
    case 'ENFILE':
      return 'too many files are open; use a smaller --jobs'
    default:
      return isOfFileSystem(error) ? `it could not be written (${code})` : null
  }
}

function isOfFileSystem(error: unknown): boolean {
  return codeOf(error) !== null && typeof error === 'object' && error !== null && 'syscall' in error
}

function codeOf(error: unknown): string | null {
  if (typeof error !== 'object' || error === null || !('code' in error)) return null
  return typeof error.code === 'string' ? error.code : null
}
