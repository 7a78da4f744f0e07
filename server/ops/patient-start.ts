// What a start needs may not be up yet: after a power cut, or with `docker compose up`, everything starts at once.

import { performance } from 'node:perf_hooks'
import { isAppError } from '../errors.js'
import type { Log } from './log.js'

const PAUSE_MS = 500

/** Tries until it succeeds; throws what the last try threw. */
export type UntilThere = <T>(attempt: () => Promise<T>) => Promise<T>

export interface PatientStartOptions {
  /** For all that is waited for together. */
  timeoutSeconds: number
  log: Log
  /** Ends the waiting, with its reason. A try that is under way is waited for: nobody could close what it opens. */
  signal: AbortSignal
}

/**
 * Waits for what will come by itself: what fails with UNAVAILABLE that names when to try again. Each reason is logged once; all
 * other failures, a wrong password or a missing bucket, are thrown at once, for they need an operator.
 *
 * The time begins with this call.
 */
export function patientStart({ timeoutSeconds, log, signal }: PatientStartOptions): UntilThere {
  const deadlineMs = performance.now() + timeoutSeconds * 1_000
  return async (attempt) => {
    let told: string | undefined
    for (;;) {
      signal.throwIfAborted()
      try {
        const found = await attempt()
        if (told !== undefined) log.info('it is there: the start goes on')
        return found
      } catch (error) {
        const willCome = isAppError(error, 'UNAVAILABLE') && error.retryAfterSeconds !== undefined
        if (!willCome || performance.now() + PAUSE_MS > deadlineMs) throw error
        if (error.detail !== told) {
          const leftSeconds = Math.round((deadlineMs - performance.now()) / 1_000)
          log.warn(
            { reason: error.detail, for_seconds: leftSeconds },
            'not there yet: the start waits, and tries again',
          )
          told = error.detail
        }
      }
      await pause(signal)
    }
  }
}

/** Ends early when it aborts. */
function pause(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(end, PAUSE_MS)
    signal.addEventListener('abort', end, { once: true })
    function end(): void {
      clearTimeout(timer)
      signal.removeEventListener('abort', end)
      resolve()
    }
  })
}
