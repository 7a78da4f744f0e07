// Is the process alive, and may it be given work?

import { Router } from 'express'
import { AppError, isAppError } from '../errors.js'
import type { Log } from './log.js'

/** Resolves when all is well; rejects otherwise. An AppError's detail is shown, anything else only logged. */
export type HealthCheck = () => Promise<unknown>

export interface HealthOptions {
  checks: Record<string, HealthCheck>
  /** True from the moment the server began to stop: balancers then send their requests elsewhere. */
  isStopping: () => boolean
  log: Log
}

const checkLimitMs = 2_000

/** `GET /healthz` and `GET /readyz`. Both answer without a credential, so they say little. */
export function healthRoutes({ checks, isStopping, log }: HealthOptions): Router {
  const router = Router()
  let running: Promise<string[]> | undefined

  // Anyone may ask, so many questions at once cost one round of checks.
  const failures = (): Promise<string[]> => {
    running ??= runChecks(checks, log).finally(() => {
      running = undefined
    })
    return running
  }

  router.get('/healthz', (_req, res) => {
    res.set('Cache-Control', 'no-store').json({ status: 'ok' })
  })
  router.get('/readyz', async (_req, res) => {
    const reasons = isStopping() ? ['the server is stopping'] : await failures()
    res.set('Cache-Control', 'no-store')
    if (reasons.length === 0) res.json({ status: 'ready' })
    else res.status(503).json({ status: 'degraded', reason: reasons.join('; ') })
  })
  return router
}

async function runChecks(checks: Record<string, HealthCheck>, log: Log): Promise<string[]> {
  const reasons = await Promise.all(
    Object.entries(checks).map(async ([name, check]) => {
      try {
        await withinLimit(check)
        return undefined
      } catch (error) {
        log.warn({ err: error, check: name }, 'health check failed')
        return `${name}: ${isAppError(error) ? error.detail : 'the check failed'}`
      }
    }),
  )
  return reasons.filter((reason) => reason !== undefined)
}

async function withinLimit(check: HealthCheck): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(
      () => reject(new AppError('UNAVAILABLE', `no answer within ${checkLimitMs / 1_000} s`)),
      checkLimitMs,
    )
  })
  try {
    await Promise.race([check(), limit])
  } finally {
    clearTimeout(timer)
  }
}
