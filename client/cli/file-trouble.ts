// What the file system's refusals mean for the one whose files they are, in words that end a sentence. Pure.

import { ConnectionFailed } from '../api/errors.js'
import { systemErrorOf } from './failure.js'

/** Why a local file or folder can't be read. */
export function readTrouble(error: unknown): string {
  const code = codeOf(error)
  return (
    wordsOf(READING, code) ??
    `it could not be read (${code ?? (error instanceof Error ? error.message : String(error))})`
  )
}

/** Why a file couldn't be written; null when the file system has nothing to do with it. */
export function writeTrouble(error: unknown): string | null {
  // Sockets have some of the same codes.
  if (error instanceof ConnectionFailed) return null
  const code = codeOf(error)
  const words = wordsOf(WRITING, code)
  if (words !== null) return words
  return isFileTrouble(error) ? `it could not be written (${code})` : null
}

/** True when nothing else fits, either. */
export function isDiskFull(error: unknown): boolean {
  const code = codeOf(error)
  return code === 'ENOSPC' || code === 'EDQUOT'
}

/** True for an error of the file system, as Node gives it. */
export function isFileTrouble(error: unknown): boolean {
  return systemErrorOf(error) !== null
}

type Words = Readonly<Partial<Record<string, string>>>

const BOTH: Words = {
  EISDIR: 'it is a folder',
  ENOTDIR: 'a part of its path is a file, not a folder',
  EMFILE: 'too many files are open; use a smaller --jobs',
  ENFILE: 'too many files are open; use a smaller --jobs',
}

const READING: Words = {
  ...BOTH,
  ENOENT: 'it is not there (any more)',
  EACCES: 'you have no permission to read it',
  EPERM: 'you have no permission to read it',
  ELOOP: 'it is a symbolic link that leads back to itself',
  ENAMETOOLONG: 'its path is longer than this system can open; push from a folder further down',
  EIO: 'the disk could not read it (I/O error); check the disk',
  ESTALE: 'the network folder it is in does not answer (ESTALE)',
  ENOTCONN: 'the network folder it is in does not answer (ENOTCONN)',
  EHOSTDOWN: 'the network folder it is in does not answer (EHOSTDOWN)',
}

const WRITING: Words = {
  ...BOTH,
  EISDIR: 'there is a folder with its name',
  EEXIST: 'a part of its path is a file, not a folder',
  ENOSPC: 'the disk is full',
  EDQUOT: 'your quota on this disk is used up',
  EACCES: 'you have no permission to write there',
  EPERM: 'you have no permission to write there',
  EROFS: 'the disk is read-only',
  ENAMETOOLONG: 'its path is longer than this system can have; choose a folder further up',
  EFBIG: 'it is larger than this disk can have files',
  EIO: 'the disk could not write it (I/O error); check the disk',
}

function wordsOf(table: Words, code: string | null): string | null {
  return code === null ? null : (table[code] ?? null)
}

function codeOf(error: unknown): string | null {
  if (typeof error !== 'object' || error === null || !('code' in error)) return null
  return typeof error.code === 'string' ? error.code : null
}
