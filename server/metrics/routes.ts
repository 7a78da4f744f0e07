// GET /metrics: for whoever has METRICS_TOKEN.

import { createHash, timingSafeEqual } from 'node:crypto'
import { Router } from 'express'
import { AppError } from '../errors.js'
import type { Metrics } from './metrics.js'

export interface MetricsRoutesOptions {
  /** Undefined: they are not to be had. */
  metrics: Pick<Metrics, 'text' | 'contentType'> | undefined
  metricsToken: string | undefined
}

/** `GET /metrics`. */
export function metricsRoutes({ metrics, metricsToken }: MetricsRoutesOptions): Router {
  const router = Router()
  router.get('/metrics', async (request, response) => {
    if (metrics === undefined || metricsToken === undefined) {
      throw new AppError(
        'NOT_FOUND',
        'Metrics are off. Set METRICS_TOKEN, and send it as "Authorization: Bearer TOKEN".',
      )
    }
    const token = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1]
    if (token === undefined || !isSame(token, metricsToken)) {
      throw new AppError('UNAUTHORIZED', 'Metrics need "Authorization: Bearer TOKEN" with METRICS_TOKEN.')
    }
    const text = await metrics.text()
    response.set('Cache-Control', 'no-store').set('Content-Type', metrics.contentType).send(text)
  })
  return router
}

/** In the same time whatever differs. */
function isSame(given: string, wanted: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(given), digest(wanted))
}
