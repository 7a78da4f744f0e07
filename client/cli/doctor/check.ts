// What `doctor` finds out, one thing at a time, and what its findings come to. Pure.

import { EXIT, type ExitCode } from '../exit-code.js'

export interface Check {
  /** One word or two. */
  name: string
  /** `skip`: something before it failed. */
  state: 'ok' | 'warn' | 'fail' | 'skip'
  detail: string
  /** What to do about it. */
  advice: string | null
  /** It fails for want of a right, and of nothing else. */
  isAboutRights?: boolean
}

export function ok(name: string, detail: string): Check {
  return { name, state: 'ok', detail, advice: null }
}

export function warn(name: string, detail: string, advice: string): Check {
  return { name, state: 'warn', detail, advice }
}

export function fail(name: string, detail: string, advice: string | null): Check {
  return { name, state: 'fail', detail, advice }
}

export function skip(name: string, detail: string): Check {
  return { name, state: 'skip', detail, advice: null }
}

/** A fault outweighs a missing right: without the server nobody knows what rights there are. */
export function exitCodeOfChecks(checks: readonly Check[]): ExitCode {
  const failed = checks.filter(({ state }) => state === 'fail')
  if (failed.length === 0) return EXIT.ok
  return failed.every(({ isAboutRights }) => isAboutRights === true) ? EXIT.auth : EXIT.failed
}
