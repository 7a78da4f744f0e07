// A request as a span, by OpenTelemetry's conventions for HTTP servers. What could name a person or open a file is left out:
// the query, the client's address and program, tokens in the path.

import { type Attributes, context, propagation, ROOT_CONTEXT, type Span, trace } from '@opentelemetry/api'
import type { Request, RequestHandler, Response } from 'express'
import type { Operation } from '../http/operation.js'
import { pathOf } from '../http/request-target.js'
import { routeFinder } from '../http/route-of.js'
import { shortened, shownPath, withoutSecrets } from '../ops/redact.js'
import { beginSpan, tellFailure } from './span.js'

const MOST_PATH_LENGTH = 500
const KNOWN_METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])
/** Asked every few seconds by machines, and never what is looked for. */
const UNTOLD = /^\/(?:healthz|readyz|metrics)\/?$/i

/**
 * One span for each request, from the client's `traceparent` on; whatever the request does is within it.
 *
 * Goes behind the request's id and before its log.
 */
export function traceRequests(operations: readonly Operation[]): RequestHandler {
  const findRoute = routeFinder(operations)

  const tellEnd = (span: Span, request: Request, response: Response): void => {
    const { method } = request
    const route = findRoute(method, pathOf(request.originalUrl))?.path
    const name = KNOWN_METHODS.has(method) ? method : 'HTTP'
    span.updateName(route === undefined ? name : `${name} ${route}`)
    span.setAttributes({
      ...methodOf(method),
      ...(route === undefined ? {} : { 'http.route': route }),
      ...(response.headersSent ? { 'http.response.status_code': response.statusCode } : {}),
      ...(request.uploadId === undefined ? {} : { 'antipasto.upload.id': request.uploadId }),
      ...(request.problemCode === undefined ? {} : { 'antipasto.problem.code': request.problemCode }),
    })
    if (!response.writableFinished) tellFailure(span, 'ABORTED')
    else if (response.statusCode >= 500) tellFailure(span, request.problemCode ?? String(response.statusCode))
  }

  return (request, response, next) => {
    const caller = propagation.extract(ROOT_CONTEXT, request.headers)
    const span = UNTOLD.test(pathOf(request.originalUrl))
      ? undefined
      : beginSpan(request.method, beginningOf(request), caller)
    if (span === undefined) {
      next()
      return
    }
    response.once('close', () => {
      tellEnd(span, request, response)
      span.end()
    })
    const here = trace.setSpan(caller, span)
    // The socket's events come from outside of what follows.
    context.bind(here, request)
    // For the line of the log, which needs no trace that nobody keeps.
    if (span.isRecording()) context.bind(here, response)
    context.with(here, next)
  }
}

function beginningOf(request: Request): Attributes {
  const uploadId = /^\/uploads\/([A-Za-z0-9_-]{1,64})(?=[/?]|$)/i.exec(request.originalUrl)?.[1]
  return {
    ...methodOf(request.method),
    'url.path': withoutSecrets(shortened(shownPath(request.originalUrl), MOST_PATH_LENGTH)),
    'url.scheme': request.protocol,
    'network.protocol.version': request.httpVersion,
    'antipasto.request.id': idOf(request),
    ...(uploadId === undefined ? {} : { 'antipasto.upload.id': uploadId }),
  }
}

function methodOf(method: string): Attributes {
  return KNOWN_METHODS.has(method)
    ? { 'http.request.method': method }
    : { 'http.request.method': '_OTHER', 'http.request.method_original': method }
}

/** It may be the client's word, and then anything. */
function idOf(request: Request): string {
  return withoutSecrets(` ${request.requestId ?? ''}`).trim()
}
