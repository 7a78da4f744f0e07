// When an upload's report is worth asking for again though nothing was told. Pure.

import type { Report } from '../../api/types.js'

const MOVING_SECONDS = 2
/** Its time is over, and the server's sweep has yet to come by. */
const SWEPT_SECONDS = 15
/** The longest that a browser's timer waits is 24 days. */
const LONGEST_SECONDS = 86_400

/** @returns null: never */
export function secondsToLook(
  report: Pick<Report, 'state' | 'expires_in' | 'restorable_until'>,
  nowMs: number,
): number | null {
  const { state, expires_in: secondsLeft, restorable_until: restorableUntil } = report
  if (state === 'receiving' || state === 'finalizing') return MOVING_SECONDS
  if (restorableUntil !== null) {
    // By this computer's clock, which may be wrong: asked too early, the server names the same time, and it is asked again.
    const leftSeconds = (Date.parse(restorableUntil) - nowMs) / 1_000
    return Math.min(Math.max(leftSeconds + 0.5, MOVING_SECONDS), LONGEST_SECONDS)
  }
  if (state !== 'ready' || secondsLeft === null) return null
  return secondsLeft === 0 ? SWEPT_SECONDS : Math.min(secondsLeft + 1, LONGEST_SECONDS)
}
