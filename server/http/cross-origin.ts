// CORS: whose pages may call the API from a browser. No cookie is ever asked for or taken, so what a page may do depends on the
// key that it has; this decides whether it may read the answers.

import cors from 'cors'
import type { RequestHandler } from 'express'

const TUS_HEADERS = [
  'Location',
  'Tus-Checksum-Algorithm',
  'Tus-Extension',
  'Tus-Max-Size',
  'Tus-Resumable',
  'Tus-Version',
  'Upload-Concat',
  'Upload-Defer-Length',
  'Upload-Expires',
  'Upload-Length',
  'Upload-Metadata',
  'Upload-Offset',
]

const API_HEADERS = [
  'Accept-Ranges',
  'Content-Disposition',
  'Content-Range',
  'ETag',
  'Link',
  'Preference-Applied',
  'RateLimit',
  'RateLimit-Policy',
  'Repr-Digest',
  'Retry-After',
  'WWW-Authenticate',
  'X-EML-Matched',
  'X-EML-Missing',
  'X-EML-Unused',
  'X-Request-ID',
]

/**
 * Lets pages of `origins` read the answers, and answers their preflights.
 *
 * Whoever isn't listed is answered as if there were no CORS: without its headers, so that the browser keeps the answer from the
 * page. `Vary: Origin` is always there, or a cache would give one origin's answer to another. `null`, which any sandboxed frame
 * can claim to be, can't be listed.
 */
export function crossOrigin(origins: '*' | readonly string[]): RequestHandler {
  const policy = {
    origin: origins === '*' ? origins : [...origins],
    methods: 'GET,HEAD,POST,PUT,PATCH,DELETE,OPTIONS',
    exposedHeaders: [...TUS_HEADERS, ...API_HEADERS].join(','),
    maxAge: 86_400,
  }
  const answerPreflight = cors(policy)
  const addHeaders = cors({ ...policy, preflightContinue: true })
  return (request, response, next) => {
    response.vary('Origin')
    const { origin, 'access-control-request-method': plannedMethod } = request.headers
    const isListed = origin !== undefined && (origins === '*' || origins.includes(origin))
    if (!isListed) next()
    // An OPTIONS that is no preflight asks what tus can do here.
    else if (plannedMethod === undefined) addHeaders(request, response, next)
    else answerPreflight(request, response, next)
  }
}
