// What an upload does after a request that failed. Pure.

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
  if (status === 408 || status === 409 || status === 423 || status === 429 || status >= 500) return 'retry'
  return 'give-up'
}

/**
 * True when tus-js-client must not see the answer to a HEAD.
 *
 * It takes every failure but 423 for "gone" and starts again from byte 0 (its issue 895: users lost hundreds of gigabytes).
 * That is wrong where the upload may still be there, and where it isn't, too: whoever deleted it in another window doesn't want
 * it back. So none of them reaches it; `nextStepAfter` says what becomes of the upload.
 */
export function isRefusedHead(status: number): boolean {
  return status >= 400 && status !== 423
}

/** True when an upload is no more: whatever was sent of it is gone, and only its file can be sent anew. */
export function hasEnded(status: number | null): boolean {
  return status === 404 || status === 410
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
