// A host of its own for the bytes of users, so that whatever a browser makes of them, it isn't in the origin of the dashboard.
// The one place where the request's Host decides anything, and all it can do is to take routes away.

import type { RequestHandler } from 'express'
import { AppError } from '../errors.js'

export interface RetrievalHostOptions {
  /** An origin. Undefined: there is no such host. */
  retrievalUrl: string | undefined
  /** The origin of everything else. */
  publicUrl: () => string
}

/** Express matches routes whatever their case, and with a slash at their end. */
const SERVED = /^\/(r\/|(healthz|readyz)\/?$)/i

/** On the host of `retrievalUrl`, everything but retrieval and the probes is 404. Goes before all routes. */
export function retrievalHost({ retrievalUrl, publicUrl }: RetrievalHostOptions): RequestHandler {
  if (retrievalUrl === undefined) return (_request, _response, next) => next()
  const { protocol, host: reserved } = new URL(retrievalUrl)
  return (request, _response, next) => {
    const isReserved =
      canonicalHost(request.headers.host, protocol) === reserved && new URL(publicUrl()).host !== reserved
    if (isReserved && !SERVED.test(request.path)) {
      throw new AppError('NOT_FOUND', 'Only retrieval URLs lead here.')
    }
    next()
  }
}

/** As `URL` writes hosts: lowercase, without the port that the scheme has anyway; and without the dot of a rooted name. */
function canonicalHost(host: string | undefined, protocol: string): string | undefined {
  const url = `${protocol}//${host}`
  return URL.canParse(url) ? new URL(url).host.replace(/\.(?=:\d+$|$)/, '') : undefined
}
