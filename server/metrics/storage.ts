// How long the store takes, and how that ends. One observer for what is asked of any store, one for the requests to S3.

import { isAppError } from '../errors.js'
import type { Observer, S3Call, StoreCall } from '../storage/observed.js'
import { type Families, STEP_BUCKETS } from './registry.js'

export function observeStore(families: Families): Observer<StoreCall> {
  const duration = families.histogram(
    {
      name: 'store_duration_seconds',
      help: 'What was asked of the store, by operation and outcome: "ok", or the code of the trouble.',
      labels: ['operation', 'outcome'],
    },
    STEP_BUCKETS,
  )
  return timing((operation, outcome, seconds) => duration.observe({ operation, outcome }, seconds))
}

export function observeS3(families: Families): Observer<S3Call> {
  const duration = families.histogram(
    {
      name: 's3_duration_seconds',
      help: 'What was asked of S3, all its attempts and pauses together, by operation and outcome.',
      labels: ['operation', 'outcome'],
    },
    STEP_BUCKETS,
  )
  const retries = families.counter({
    name: 's3_retries_total',
    help: 'Requests to S3 that were tried again.',
    labels: ['operation'],
  })
  const time = timing((operation, outcome, seconds) => duration.observe({ operation, outcome }, seconds))
  return async (call, run) => {
    try {
      return await time(call, run)
    } finally {
      if (call.attempts > 1) retries.inc({ operation: call.operation }, call.attempts - 1)
    }
  }
}

function timing(
  observe: (operation: string, outcome: string, seconds: number) => void,
): Observer<{ readonly operation: string }> {
  return async ({ operation }, run) => {
    const startedAtMs = performance.now()
    const secondsSince = () => (performance.now() - startedAtMs) / 1000
    try {
      const result = await run()
      observe(operation, 'ok', secondsSince())
      return result
    } catch (error) {
      observe(operation, outcomeOf(error), secondsSince())
      throw error
    }
  }
}

/** A code of ours, or that it was given up by us, or anything else. */
function outcomeOf(error: unknown): string {
  if (isAppError(error)) return error.code
  return error instanceof Error && error.name === 'AbortError' ? 'aborted' : 'error'
}
