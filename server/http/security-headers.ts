// What an answer tells a browser it may do with it. Documents, which run scripts of ours, say it at length, by helmet; all other
// answers are data, and say in few bytes that nothing of them ever runs.

import type { RequestHandler, Response } from 'express'
import helmet from 'helmet'

export interface SecurityHeadersOptions {
  /** Whether PUBLIC_URL is https: browsers are then told to stay with it. */
  isHttps: boolean
}

/** A year, and this host alone: what else the domain's owner runs is not ours to bind. */
const STRICT_TRANSPORT = { maxAge: 31_536_000, includeSubDomains: false }

/** For what is no document. A browser that shows it all the same loads and runs nothing. */
const ANSWER_POLICY = "default-src 'none'; frame-ancestors 'none'"

/** For files of users, whatever their type: what is opened in spite of everything has an origin of its own, and no scripts. */
export const FILE_POLICY = `${ANSWER_POLICY}; sandbox`

/**
 * For the dashboard and /docs. Nothing inline: Uppy and Swagger UI set styles by script only, which a policy lets pass.
 *
 * No form is ever sent: a script takes what is in them, and without it a key would go into the URL.
 */
const DOCUMENT_DIRECTIVES = {
  defaultSrc: ["'none'"],
  scriptSrc: ["'self'"],
  scriptSrcAttr: ["'none'"],
  styleSrc: ["'self'"],
  // data: icons of both; blob: Uppy's previews of what is dropped on it.
  imgSrc: ["'self'", 'data:', 'blob:'],
  connectSrc: ["'self'"],
  // What they may do, their own answers say: a script of ours below, a file of a user nothing (and it isn't sent to a worker).
  workerSrc: ["'self'"],
  objectSrc: ["'none'"],
  frameSrc: ["'none'"],
  baseUri: ["'none'"],
  formAction: ["'none'"],
  frameAncestors: ["'none'"],
}

/**
 * For the scripts of the dashboard's workers: one that comes from the network is under the policy of its own answer, not under
 * that of the page. Compiling WebAssembly (hash-wasm) is allowed there and nowhere else, and nothing is fetched but parts of the
 * script.
 */
const WORKER_DIRECTIVES = {
  defaultSrc: ["'none'"],
  scriptSrc: ["'self'", "'wasm-unsafe-eval'"],
  frameAncestors: ["'none'"],
}

/** Of what browsers offer to pages, the clipboard alone is used. */
const UNUSED_FEATURES = [
  'accelerometer',
  'autoplay',
  'camera',
  'display-capture',
  'encrypted-media',
  'fullscreen',
  'geolocation',
  'gyroscope',
  'hid',
  'magnetometer',
  'microphone',
  'midi',
  'payment',
  'picture-in-picture',
  'publickey-credentials-get',
  'screen-wake-lock',
  'serial',
  'usb',
  'xr-spatial-tracking',
]

const PERMISSIONS = UNUSED_FEATURES.map((feature) => `${feature}=()`).join(', ')

/** First of all middleware: headers for every answer, which documents and files replace by their own. No helmet: PATCH is hot. */
export function answerHeaders({ isHttps }: SecurityHeadersOptions): RequestHandler {
  const strictTransport = `max-age=${STRICT_TRANSPORT.maxAge}`
  return (_request, response, next) => {
    response.setHeader('X-Content-Type-Options', 'nosniff')
    response.setHeader('Content-Security-Policy', ANSWER_POLICY)
    if (isHttps) response.setHeader('Strict-Transport-Security', strictTransport)
    next()
  }
}

/** Sets what one answer says of itself. */
export type Protect = (response: Response) => void

/** Makes what sets the headers of a document, and of what it loads. */
export function documentHeaders(options: SecurityHeadersOptions): Protect {
  return headersUnder(DOCUMENT_DIRECTIVES, options)
}

/** Makes what sets the headers of a worker's script. */
export function workerHeaders(options: SecurityHeadersOptions): Protect {
  return headersUnder(WORKER_DIRECTIVES, options)
}

function headersUnder(
  directives: Readonly<Record<string, string[]>>,
  { isHttps }: SecurityHeadersOptions,
): Protect {
  const protect = helmet({
    contentSecurityPolicy: { useDefaults: false, directives },
    // A sign-in in a popup comes back by BroadcastChannel, so no window needs a handle on another.
    crossOriginOpenerPolicy: { policy: 'same-origin' },
    crossOriginResourcePolicy: { policy: 'same-origin' },
    referrerPolicy: { policy: 'no-referrer' },
    strictTransportSecurity: isHttps ? STRICT_TRANSPORT : false,
    // For browsers that don't know frame-ancestors.
    xFrameOptions: { action: 'deny' },
    // Of Internet Explorer and Flash.
    xDownloadOptions: false,
    xPermittedCrossDomainPolicies: false,
  })
  return (response) => {
    response.setHeader('Permissions-Policy', PERMISSIONS)
    protect(response.req, response, rethrow)
  }
}

/** helmet is done when it returns: no directive of ours is computed. */
function rethrow(error?: unknown): void {
  if (error !== undefined) throw error
}
