// What the file system refused, for people: by the system's code, in one sentence that says what to look at.

import { LocalFileFailed } from '../errors.js'

/** The error of what node:fs threw about `path`; anything else is answered as it is. */
export function localFileFailed(error: unknown, path: string): unknown {
  const code = codeOf(error)
  return code === null ? error : new LocalFileFailed(fileWords(code, path), { code, cause: error })
}

/** The system's code, and not one of Node's own checks, which are bugs of the caller's. */
export function codeOf(error: unknown): string | null {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : null
  return typeof code === 'string' && /^E[A-Z0-9]+$/.test(code) ? code : null
}

export function fileWords(code: string, path: string): string {
  switch (code) {
    case 'ENOSPC':
      return `The disk of ${path} is full. Make room and run this again: it goes on where it was.`
    case 'EDQUOT':
      return `Your disk quota for ${path} is used up. Make room and run this again: it goes on where it was.`
    case 'EFBIG':
      return `The file system of ${path} does not take files of this size.`
    case 'EACCES':
    case 'EPERM':
      return `You may not read or write ${path}.`
    case 'EROFS':
      return `${path} is on a file system that can only be read.`
    case 'ENOENT':
      return `${path} is not there, or the folder that it should be in isn't.`
    case 'ENOTDIR':
      return `A part of the way to ${path} is no folder.`
    case 'ENAMETOOLONG':
      return `The name ${path} is too long for this file system.`
    case 'EMFILE':
    case 'ENFILE':
      return `${path} could not be opened: too many files are open. Send or fetch fewer at a time.`
    case 'EIO':
      return `The disk of ${path} reports an error (EIO). Look at its health.`
    default:
      return `${path} could not be read or written (${code}).`
  }
}
