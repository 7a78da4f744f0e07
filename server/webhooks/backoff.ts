// When a delivery that failed is tried again, and when a receiver that keeps failing is left in peace. Pure.

export interface Backoff {
  firstSeconds: number
  mostSeconds: number
  /** Counted from when the delivery was made. */
  giveUpAfterSeconds: number
}

export const BACKOFF: Backoff = { firstSeconds: 10, mostSeconds: 3_600, giveUpAfterSeconds: 86_400 }

/** What is taken off at random at most, so that what failed together doesn't come again together. */
const JITTER = 0.2

/**
 * Seconds until the next attempt; null: it is given up.
 *
 * @param attempts made so far, at least 1
 * @param ageSeconds of the delivery
 * @param random in [0, 1)
 */
export function delayAfter(
  backoff: Backoff,
  { attempts, ageSeconds, random }: { attempts: number; ageSeconds: number; random: number },
): number | null {
  const longest = Math.min(backoff.firstSeconds * 2 ** (attempts - 1), backoff.mostSeconds)
  const delaySeconds = longest * (1 - JITTER * random)
  return ageSeconds + delaySeconds > backoff.giveUpAfterSeconds ? null : delaySeconds
}

const FAILURES_BEFORE_REST = 3
const FIRST_REST_SECONDS = 5
const MOST_REST_SECONDS = 60

/**
 * Seconds in which nothing is sent to a webhook after so many failures in a row.
 *
 * A receiver that lets every request run into its timeout would otherwise keep the places that others wait for.
 */
export function restAfter(failuresInARow: number): number {
  if (failuresInARow < FAILURES_BEFORE_REST) return 0
  return Math.min(FIRST_REST_SECONDS * 2 ** (failuresInARow - FAILURES_BEFORE_REST), MOST_REST_SECONDS)
}
