// The order of routers. Builds the Express application; never listens.

import { fileURLToPath } from 'node:url'
import cors from 'cors'
import express, { type Express, type RequestHandler, Router } from 'express'
import { authenticate, type Identify } from './auth/bearer.js'
import { type TusDialect, tusDialect } from './dialects/tus.js'
import { AppError } from './errors.js'
import { type RetrievalOptions, retrievalRoutes } from './files/routes.js'
import { type HealthOptions, healthRoutes } from './ops/health.js'
import { type Log, requestLog } from './ops/log.js'
import { requestId } from './ops/request-id.js'
import { noSuchRoute, problemHandler } from './problem.js'
import type { Store } from './storage/store.js'
import type { Intake } from './uploads/intake.js'
import type { Records } from './uploads/records.js'
import { MERGE_PATCH, uploadRoutes } from './uploads/routes.js'

/** Where Vite puts the page, seen from the compiled server. */
const DASHBOARD = fileURLToPath(new URL('../dashboard', import.meta.url))

export interface AppOptions {
  intake: Intake
  records: Records
  store: Store
  identify: Identify
  health: HealthOptions
  log: Log
  publicUrl: () => string
  corsOrigins: '*' | readonly string[]
  anonRead: boolean
  deleteStrict404: boolean
  retrievalMode: RetrievalOptions['mode']
}

export function createApp(options: AppOptions): Express {
  const { intake, records, store, log, publicUrl } = options
  const app = express()
  app.disable('x-powered-by').disable('etag')
  // `?limit[gt]=1` stays a name with brackets, not an object.
  app.set('query parser', 'simple')

  app.use(requestId, requestLog(log), methodOverride)
  app.use(healthRoutes(options.health))
  app.use('/r', retrievalRoutes({ records, store, mode: options.retrievalMode }))
  if (options.corsOrigins.length > 0) app.use(crossOrigin(options.corsOrigins))
  app.use('/uploads', uploads(options, tusDialect(intake, publicUrl)))
  app.use(dashboard())
  app.use(noSuchRoute)
  app.use(problemHandler(log))
  return app
}

/** One resource, two dialects: what speaks tus goes there, the rest is REST. */
function uploads(options: AppOptions, tus: TusDialect): Router {
  const router = Router()
  router.use(tusVersionEcho)
  router.options(['/', '/:id'], tus.capabilities)
  router.use(authenticate(options))
  router.post('/', tus.create)
  router.head('/:id', tus.head)
  router.patch('/:id', (request, response, next) => {
    if (request.is(MERGE_PATCH)) return next()
    if (request.is('application/json')) {
      throw new AppError('UNSUPPORTED_MEDIA_TYPE', `Send changes with "Content-Type: ${MERGE_PATCH}".`)
    }
    return tus.patch(request, response, next)
  })
  router.use(uploadRoutes(options))
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

const TUS_HEADERS = [
  'Location',
  'Tus-Checksum-Algorithm',
  'Tus-Extension',
  'Tus-Max-Size',
  'Tus-Resumable',
  'Tus-Version',
  'Upload-Defer-Length',
  'Upload-Expires',
  'Upload-Length',
  'Upload-Metadata',
  'Upload-Offset',
]

function crossOrigin(origins: '*' | readonly string[]): RequestHandler {
  return cors((request, answer) => {
    answer(null, {
      origin: origins === '*' ? '*' : [...origins],
      methods: ['GET', 'HEAD', 'POST', 'PATCH', 'DELETE', 'OPTIONS'],
      exposedHeaders: [...TUS_HEADERS, 'Link', 'Retry-After', 'WWW-Authenticate', 'X-Request-ID'],
      maxAge: 86_400,
      // An OPTIONS that is no preflight asks what tus can do here.
      preflightContinue: request.headers['access-control-request-method'] === undefined,
    })
  })
}

function dashboard(): RequestHandler {
  return express.static(DASHBOARD, {
    setHeaders: (response, path) => {
      response.set({
        'Content-Security-Policy':
          "default-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; object-src 'none'; " +
          "base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
        'Referrer-Policy': 'no-referrer',
        'X-Content-Type-Options': 'nosniff',
        // Vite names its assets by their content.
        'Cache-Control': path.includes('/assets/') ? 'public, max-age=31536000, immutable' : 'no-cache',
      })
    },
  })
}
