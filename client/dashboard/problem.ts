// What the server's refusals mean: its problem+json read, and what an upload does next. Pure.

/** What an upload does after a failed request. */
export type NextStep = 'retry' | 'ask-key' | 'give-up'

/**
 * Decides by the HTTP status; `null` means that no answer came.
 *
 * A full disk (507) is the one 5xx that time doesn't cure: somebody must act, so the user is told.
 */
export function nextStepAfter(status: number | null): NextStep {
  if (status === null) return 'retry'
  if (status === 401) return 'ask-key'
  if (status === 507) return 'give-up'
  if (status === 409 || status === 423 || status === 429 || status >= 500) return 'retry'
  return 'give-up'
}

/**
 * True when an unsuccessful HEAD says nothing about whether the upload still exists.
 *
 * tus-js-client takes every such answer but 423 for "gone" and starts again from byte 0 (its issue 895: users lost
 * hundreds of gigabytes). Only 404 and 410 are that.
 */
export function isDoubtfulHead(status: number): boolean {
  return status >= 400 && status !== 404 && status !== 410 && status !== 423
}

/**
 * The waits before each further attempt, in milliseconds: quick at first, then every 30 s for a day.
 *
 * The count starts again whenever bytes get through, and stands still while the computer sleeps.
 */
export function retryDelaysMs(): number[] {
  const patient = 30_000
  return [0, 1_000, 3_000, 5_000, 10_000, 20_000, ...Array<number>(86_400_000 / patient).fill(patient)]
}

/** The sentence for the user: the server's `detail` when `body` is problem+json that has one, else our own. */
export function explainRefusal(status: number | null, body: string): string {
  return (
    readDetail(body) ??
    OWN_WORDS[status ?? 0] ??
    `The server answered ${status ?? 'nothing'}. Try again in a while.`
  )
}

const OWN_WORDS: Partial<Record<number, string>> = {
  0: 'The server cannot be reached. Check the connection, then try again.',
  401: 'Your sign-in has ended. Sign in again.',
  403: 'This key does not have the right to do that. Ask for a key with more scopes.',
  404: 'The server no longer knows this upload. Send the file again.',
  410: 'This upload has ended. Send the file again.',
  413: 'This file is larger than the server allows.',
  507: 'The server has no room left for this file. Tell the people who run it.',
}

function readDetail(body: string): string | null {
  let problem: unknown
  try {
    problem = JSON.parse(body)
  } catch {
    return null
  }
  if (typeof problem !== 'object' || problem === null || !('detail' in problem)) return null
  return typeof problem.detail === 'string' && problem.detail !== '' ? problem.detail : null
}
