// What the shell is told: exit codes, which docs/cli.md documents, and the errors that carry one.

import { DigestMismatch, Forbidden, HashMismatch, LocalFileDiffers, Unauthorized } from '../api/errors.js'

export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  someFailed: 3,
  auth: 4,
  mismatch: 5,
  interrupted: 130,
} as const

export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

/** Ends a command with one line: `message` says what is wrong, `hint` what to do next. */
export class CommandFailed extends Error {
  override readonly name = 'CommandFailed'
  readonly exitCode: ExitCode
  readonly hint: string | null

  constructor(message: string, options: { exitCode?: ExitCode; hint?: string; cause?: unknown } = {}) {
    super(message, { cause: options.cause })
    this.exitCode = options.exitCode ?? EXIT.failed
    this.hint = options.hint ?? null
  }
}

/** The reason of a session's signal: ctrl-C or SIGTERM. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted'

  constructor() {
    super('Interrupted.')
  }
}

export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof CommandFailed) return error.exitCode
  if (error instanceof Interrupted) return EXIT.interrupted
  if (error instanceof Unauthorized || error instanceof Forbidden) return EXIT.auth
  if (error instanceof DigestMismatch || error instanceof HashMismatch || error instanceof LocalFileDiffers) {
    return EXIT.mismatch
  }
  return isUsageError(error) ? EXIT.usage : EXIT.failed
}

/** The exit code of a command that went on after failures, by how many of `total` failed and the first's error. */
export function exitCodeOfMany(total: number, failures: readonly unknown[]): ExitCode {
  if (failures.length === 0) return EXIT.ok
  if (failures.length < total) return EXIT.someFailed
  // All for one reason: a wrong key is worth its own code.
  const codes = new Set(failures.map(exitCodeOf))
  const [only = EXIT.failed] = codes
  return codes.size === 1 ? only : EXIT.failed
}

/** Commander's own errors; its class is not imported here, as this file is loaded by what never parses. */
function isUsageError(error: unknown): boolean {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('commander.')
}
