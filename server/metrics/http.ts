// Requests, as whoever runs the server asks about them: how many, how long, how they ended.

import type { RequestHandler } from 'express'
import type { ErrorCode } from '../errors.js'
import { pathOf } from '../http/request-target.js'
import type { Families } from './registry.js'
import { REQUEST_BUCKETS } from './registry.js'

/** The operation that a method and a path mean, by its id in openapi.json; undefined for none. */
export type FindOperation = (method: string, path: string) => { readonly id: string } | undefined

/** Methods as labels: whatever else somebody sends is one of them. */
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])

/** Those that alerts are about: there from the start, so that the first one is an increase. */
const WATCHED_CODES: readonly ErrorCode[] = [
  'INTERNAL',
  'UNAVAILABLE',
  'INSUFFICIENT_STORAGE',
  'QUOTA_EXCEEDED',
  'RATE_LIMITED',
]

/** Counts requests from here on. Goes before whatever may refuse them. */
export function observeRequests(families: Families, findOperation: FindOperation): RequestHandler {
  const requests = families.counter({
    name: 'http_requests_total',
    help: 'Requests that are over, by operation, method and the status of their answer; "none" where it had not begun.',
    labels: ['method', 'operation', 'status'],
  })
  const aborted = families.counter({
    name: 'http_requests_aborted_total',
    help: 'Requests whose connection ended before their answer did.',
    labels: ['operation'],
  })
  const refusals = families.counter({
    name: 'refusals_total',
    help: 'Requests answered with a problem, by its code: quotas, limits, rates, and all others.',
    labels: ['code'],
  })
  for (const code of WATCHED_CODES) refusals.inc({ code }, 0)
  const duration = families.histogram(
    {
      name: 'http_request_duration_seconds',
      help: 'From the headers of a request to the end of its answer, body included.',
      labels: ['operation'],
    },
    REQUEST_BUCKETS,
  )
  const inFlight = families.gauge({
    name: 'http_requests_in_flight',
    help: 'Requests that are being answered.',
  })

  return (request, response, next) => {
    const startedAtMs = performance.now()
    inFlight.inc()
    response.once('close', () => {
      inFlight.dec()
      const { method, originalUrl, problemCode } = request
      const operation = findOperation(method, pathOf(originalUrl))?.id ?? 'none'
      requests.inc({
        method: METHODS.has(method) ? method : 'other',
        operation,
        status: response.headersSent ? String(response.statusCode) : 'none',
      })
      duration.observe({ operation }, (performance.now() - startedAtMs) / 1000)
      if (problemCode !== undefined) refusals.inc({ code: problemCode })
      if (!response.writableFinished) aborted.inc({ operation })
    })
    next()
  }
}
