// The order of routers. Builds the Express application; never listens.

import express, { type Express, type RequestHandler, Router } from 'express'
import type { ApiKeys } from './auth/api-keys.js'
import { authenticate, type Identify } from './auth/bearer.js'
import { apiKeyRoutes } from './auth/routes.js'
import type { RateLimit, TrustedProxies } from './config/rules.js'
import { contentRangePatch } from './dialects/content-range.js'
import { type OneShotDialect, oneShotDialect } from './dialects/one-shot.js'
import { sessionDialect } from './dialects/session.js'
import { type TusDialect, tusDialect } from './dialects/tus.js'
import { speaksTus } from './dialects/tus-headers.js'
import { documentationRoutes } from './docs/routes.js'
import { AppError } from './errors.js'
import { eventRoutes } from './events/routes.js'
import type { EventTail } from './events/tail.js'
import { contentRoutes } from './files/content-routes.js'
import type { FileRecords } from './files/records.js'
import { type RetrievalOptions, retrievalRoutes } from './files/routes.js'
import type { RateLimits } from './guards/rate-limit.js'
import { wellFormed } from './guards/well-formed.js'
import { allowedMethods } from './http/allowed-methods.js'
import { crossOrigin } from './http/cross-origin.js'
import { mediaTypeOf } from './http/request-body.js'
import { retrievalHost } from './http/retrieval-host.js'
import {
  answerHeaders,
  documentHeaders,
  type SecurityHeadersOptions,
  workerHeaders,
} from './http/security-headers.js'
import type { Metrics } from './metrics/metrics.js'
import { metricsRoutes } from './metrics/routes.js'
import { openApi, operations } from './openapi.js'
import { type HealthOptions, healthRoutes } from './ops/health.js'
import { type Log, requestLog } from './ops/log.js'
import { requestId } from './ops/request-id.js'
import type { EmlRecords } from './packages/eml-records.js'
import { emlRoutes, packageEmlRoutes } from './packages/eml-routes.js'
import type { PackageEnds } from './packages/ends.js'
import type { PackageFinalizer } from './packages/finalize.js'
import type { Packages } from './packages/records.js'
import { packageRoutes } from './packages/routes.js'
import { shareRoutes } from './packages/share-routes.js'
import type { PackageShares } from './packages/shares.js'
import { pageRoutes } from './page/routes.js'
import { noSuchRoute, problemHandler } from './problem.js'
import type { Quota } from './quotas/quota.js'
import type { QuotaRecords } from './quotas/records.js'
import { meRoutes } from './quotas/routes.js'
import { signInRoutes } from './sign-in/routes.js'
import type { Store } from './storage/store.js'
import { traceRequests } from './tracing/requests.js'
import type { Intake } from './uploads/intake.js'
import { MERGE_PATCH } from './uploads/operations.js'
import type { Placement } from './uploads/placement.js'
import type { Records } from './uploads/records.js'
import type { Removals } from './uploads/removals.js'
import type { Origins } from './uploads/report.js'
import { refuseOnlySeen, uploadRoutes } from './uploads/routes.js'
import { VERSION } from './version.js'
import type { Dispatcher } from './webhooks/dispatcher.js'
import type { WebhookRecords } from './webhooks/records.js'
import { webhookRoutes } from './webhooks/routes.js'
import type { Sender } from './webhooks/sender.js'

export interface AppOptions extends Origins, SecurityHeadersOptions {
  intake: Intake
  removals: Removals
  placement: Placement
  records: Records
  files: FileRecords
  packages: Packages
  finalizer: PackageFinalizer
  ends: PackageEnds
  shares: PackageShares
  quota: Quota
  quotas: QuotaRecords
  maxFileBytes: number
  /** Of requests with one credential; undefined: none. */
  rate: RateLimit | undefined
  eml: EmlRecords
  tail: EventTail
  webhooks: WebhookRecords
  sender: Sender
  dispatcher: Dispatcher
  store: Store
  apiKeys: ApiKeys
  identify: Identify
  health: HealthOptions
  /** Undefined: nothing is counted. */
  metrics: Metrics | undefined
  metricsToken: string | undefined
  /** Whether each request is a span. */
  isTraced: boolean
  log: Log
  corsOrigins: '*' | readonly string[]
  retrievalUrl: string | undefined
  trustProxy: TrustedProxies
  limits: RateLimits
  /** Undefined: nobody signs in by an IAM. */
  iamUrl: string | undefined
  anonRead: boolean
  deleteStrict404: boolean
  retrievalMode: RetrievalOptions['mode']
}

export function createApp(options: AppOptions): Express {
  const { intake, records, quotas, store, log, limits } = options
  const app = express()
  app.disable('x-powered-by').disable('etag')
  // `?limit[gt]=1` stays a name with brackets, not an object.
  app.set('query parser', 'simple')
  app.set('trust proxy', options.trustProxy)

  const protect = documentHeaders(options)
  app.use(
    requestId,
    ...(options.isTraced ? [traceRequests(operations)] : []),
    requestLog(log),
    ...(options.metrics === undefined ? [] : [options.metrics.requests]),
    answerHeaders(options),
    wellFormed,
    retrievalHost(options),
    methodOverride,
  )
  app.use(healthRoutes(options.health), metricsRoutes(options))
  // Before the limits and the sign-in, so that pages elsewhere can read their refusals.
  if (options.corsOrigins.length > 0) app.use(crossOrigin(options.corsOrigins))
  if (limits.address !== undefined) app.use(limits.address)
  app.use(documentationRoutes({ makeDocument: () => openApi(VERSION), protect }))
  app.use('/r', retrievalRoutes({ records, store, mode: options.retrievalMode }))
  app.use('/sign-in', signInRoutes(options))
  const signedIn = [authenticate(options), ...(limits.credential === undefined ? [] : [limits.credential])]
  const oneShot = oneShotDialect(intake, options)
  const eml = { ...options, records: options.eml }
  app.use('/uploads', uploads(options, signedIn))
  app.use('/files', signedIn, files(options, oneShot))
  app.post('/packages/:id/files', signedIn, oneShot.createInPackage)
  app.use('/packages', signedIn, packageRoutes(options), shareRoutes(options), packageEmlRoutes(eml))
  app.use('/eml', signedIn, emlRoutes(eml))
  app.use('/events', signedIn, eventRoutes(options))
  app.use(
    '/webhooks',
    signedIn,
    webhookRoutes({ ...options, records: options.webhooks, events: options.tail }),
  )
  app.use('/api-keys', signedIn, apiKeyRoutes(options))
  app.use('/me', signedIn, meRoutes({ ...options, usage: (owners) => quotas.usage(owners) }))
  app.use(allowedMethods(operations))
  app.use(pageRoutes({ protect, protectWorker: workerHeaders(options) }))
  app.use(noSuchRoute)
  app.use(problemHandler(log))
  return app
}

/** One resource, three dialects: what speaks tus goes there, bytes and sessions in HTTP's own words too; the rest is REST. */
function uploads(options: AppOptions, signedIn: RequestHandler[]): Router {
  const { intake, publicUrl } = options
  const tus = tusDialect(intake, publicUrl)
  const session = sessionDialect(intake, options)
  const patchRange = contentRangePatch(intake, options)
  const router = Router()
  router.use(tusVersionEcho)
  router.options(['/', '/:id'], tus.capabilities)
  router.use(signedIn)
  router.post('/', creation(tus), ...session.create)
  router.post('/:id/complete', ...session.complete)
  router.head('/:id', tus.head)
  router.patch('/:id', (request, response, next) => {
    // Not request.is(), which says of a request without a body that it has no type.
    if (mediaTypeOf(request.headers) === MERGE_PATCH) return next()
    const isTus = request.headers['tus-resumable'] !== undefined
    if (request.headers['content-range'] !== undefined && !isTus) return patchRange(request, response, next)
    if (request.is('application/json')) {
      throw new AppError('UNSUPPORTED_MEDIA_TYPE', `Send changes with "Content-Type: ${MERGE_PATCH}".`)
    }
    return tus.patch(request, response, next)
  })
  router.use(uploadRoutes(options))
  router.use('/:id', refuseOnlySeen(options.records))
  return router
}

/** Goes on to the session for JSON. @throws UNSUPPORTED_MEDIA_TYPE for what is neither that nor tus */
function creation(tus: TusDialect): RequestHandler {
  return (request, response, next) => {
    const { headers } = request
    if (speaksTus(headers)) return tus.create(request, response, next)
    if (mediaTypeOf(headers) === 'application/json') return next()
    throw new AppError(
      'UNSUPPORTED_MEDIA_TYPE',
      'Open a session with "Content-Type: application/json", or speak tus with "Tus-Resumable: 1.0.0". A whole file in one ' +
        'request goes to POST /files.',
    )
  }
}

function files(options: AppOptions, oneShot: OneShotDialect): Router {
  const router = Router()
  router.post('/', oneShot.create)
  router.use(contentRoutes(options))
  return router
}

/** tus 1.0.0: every answer names the version, errors and plain REST on the same resource too. */
const tusVersionEcho: RequestHandler = (request, response, next) => {
  if (request.headers['tus-resumable'] !== undefined) response.set('Tus-Resumable', '1.0.0')
  next()
}

const OVERRIDABLE = new Set(['PATCH', 'DELETE', 'HEAD'])

/**
 * X-HTTP-Method-Override, which tus says a server MUST honour: for clients whose network lets only GET and POST through.
 *
 * From here on the request has the method it names, so it is also authorised as that one.
 */
const methodOverride: RequestHandler = (request, _response, next) => {
  const wanted = request.headers['x-http-method-override']
  if (wanted === undefined || !request.path.startsWith('/uploads')) {
    next()
    return
  }
  const method = String(wanted).toUpperCase()
  if (request.method !== method) {
    if (request.method !== 'POST' || !OVERRIDABLE.has(method)) {
      throw new AppError(
        'INVALID_INPUT',
        'X-HTTP-Method-Override turns a POST into PATCH, DELETE or HEAD, nothing else.',
      )
    }
    request.method = method
  }
  next()
}
