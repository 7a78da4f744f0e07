// What went wrong, as it is told: in one line for people, as an object for programs. Pure.

import {
  ApiError,
  ConnectionFailed,
  DigestMismatch,
  ForeignAnswer,
  LocalFileDiffers,
  LocalFileFailed,
  Unauthorized,
} from '../api/errors.js'
import { fileWords } from '../api/node/file-words.js'
import { CommandFailed, EXIT, Interrupted } from './exit-code.js'
import { plainText } from './plain-text.js'
import type { TokenSource } from './settings.js'

export interface Failure {
  code: string
  /** Whole sentences. */
  message: string
  /** What the server's log knows it by. */
  request_id: string | null
  /** What to do next, where the message doesn't say. */
  hint: string | null
}

/** @param tokenSource where the credential came from; null: there was none; undefined: that isn't known */
export function failureOf(error: unknown, tokenSource?: TokenSource | null): Failure {
  return {
    code: codeOf(error),
    message: messageOf(error),
    request_id: error instanceof ApiError ? error.requestId : null,
    hint: hintOf(error, tokenSource),
  }
}

/** On one line, with a request id where the people who run the server will ask for it. */
export function failureLine({ message, hint, code, request_id }: Failure): string {
  const id = code === 'INTERNAL' && request_id !== null ? `(request ${request_id})` : null
  return plainText([message, hint, id].filter((part) => part !== null).join(' '))
}

function codeOf(error: unknown): string {
  if (error instanceof ApiError) return error.code
  if (error instanceof ConnectionFailed) return 'CONNECTION_FAILED'
  if (error instanceof ForeignAnswer) return 'FOREIGN_ANSWER'
  if (error instanceof DigestMismatch) return 'DIGEST_MISMATCH'
  if (error instanceof LocalFileDiffers) return 'LOCAL_FILE_DIFFERS'
  if (error instanceof LocalFileFailed) return error.code ?? 'LOCAL_FILE_FAILED'
  if (error instanceof Interrupted) return 'INTERRUPTED'
  if (error instanceof CommandFailed) return CODE_OF_EXIT[error.exitCode] ?? 'FAILED'
  return systemErrorOf(error)?.code ?? 'FAULT'
}

const CODE_OF_EXIT: Partial<Record<number, string>> = {
  [EXIT.usage]: 'USAGE',
  [EXIT.auth]: 'UNAUTHORIZED',
  [EXIT.mismatch]: 'MISMATCH',
  [EXIT.interrupted]: 'INTERRUPTED',
}

function messageOf(error: unknown): string {
  const system = systemErrorOf(error)
  if (system !== null) return fileWords(system.code, system.path ?? 'A file')
  if (!(error instanceof Error || isErrorLike(error))) return 'Something failed that has no name.'
  return isKnown(error) ? error.message : `A fault of this program: ${error.message}`
}

function hintOf(error: unknown, tokenSource: TokenSource | null | undefined): string | null {
  if (error instanceof CommandFailed) return error.hint
  if (error instanceof Unauthorized && tokenSource !== undefined) return signInHint(tokenSource)
  if (!(error instanceof Error || isErrorLike(error)) || isKnown(error) || systemErrorOf(error) !== null)
    return null
  return 'Run it again with --verbose, and tell the people who make antipasto.'
}

function signInHint(tokenSource: TokenSource | null): string {
  switch (tokenSource) {
    case null:
      return 'Sign in with `antipasto login`, or give a key by --token or ANTIPASTO_TOKEN.'
    case 'config file':
      return 'Sign in again with `antipasto login`.'
    case 'flag':
      return 'It is the one that --token gave.'
    case 'environment':
      return 'It is the one in ANTIPASTO_TOKEN.'
    case 'token file':
      return 'It is the one in the file that ANTIPASTO_TOKEN_FILE names.'
  }
}

function isKnown(error: Error): boolean {
  return (
    error instanceof ApiError ||
    error instanceof ConnectionFailed ||
    error instanceof ForeignAnswer ||
    error instanceof DigestMismatch ||
    error instanceof LocalFileDiffers ||
    error instanceof LocalFileFailed ||
    error instanceof CommandFailed ||
    error instanceof Interrupted
  )
}

export interface SystemError {
  code: string
  path: string | null
}

/** An error of the system's about a file; null for any other. */
export function systemErrorOf(error: unknown): SystemError | null {
  if (!isErrorLike(error) || !('code' in error) || !('syscall' in error)) return null
  if (typeof error.code !== 'string') return null
  const path = 'path' in error && typeof error.path === 'string' ? error.path : null
  return { code: error.code, path }
}

// `instanceof Error` is false for Node's own errors where the code runs in a realm of its own, as in tests.
function isErrorLike(value: unknown): value is Error {
  return (
    typeof value === 'object' && value !== null && 'message' in value && typeof value.message === 'string'
  )
}
