// Why an upload failed: in short in the page's words, then as the server says it. Pure.

import type { Report } from '../../api/types.js'
import type { Words } from '../words/en.js'

/** What the server says of these says what to do as well. */
const TELLS_WHAT_TO_DO = new Set(['HASH_MISMATCH', 'CONTENT_REFUSED'])

export function failureWords(
  error: Report['error'],
  { failures, sendAgain }: Pick<Words['staged'], 'failures' | 'sendAgain'>,
): { short: string; detail: string } {
  const code = error?.code ?? ''
  const short = isKnown(code, failures) ? failures[code] : failures.other
  const detail = error?.detail ?? ''
  return { short, detail: TELLS_WHAT_TO_DO.has(code) ? detail : `${detail} ${sendAgain}`.trim() }
}

function isKnown<Failures extends object>(code: string, failures: Failures): code is string & keyof Failures {
  return Object.hasOwn(failures, code)
}
