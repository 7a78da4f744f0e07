// Node's HTTP server with everything that holds before a request reaches Express: limits of headers and time, of connections, and
// answers in our words to what Node would answer in its own, or not at all.

import { createServer, type RequestListener, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Logger } from 'pino'
import { clientErrorHandler, connectHandler, expectationHandler } from '../client-error.js'
import { continueWhenRead } from '../http/request-body.js'
import { boundRest } from '../lingering-close.js'
import { Connections, type ConnectionsOptions } from './connections.js'

export interface HttpServerOptions extends Omit<ConnectionsOptions, 'log'> {
  log: Logger
  /** For a request's headers, all of them; also until the first one comes. Default: 20 s. */
  headersTimeoutMs?: number
}

const HEADERS_TIMEOUT_MS = 20_000
const MOST_HEADER_BYTES = 16 * 1024

/** A server that doesn't listen yet. `handle` gets every request that is one. */
export function createHttpServer(handle: RequestListener, options: HttpServerOptions): Server {
  const { log, headersTimeoutMs = HEADERS_TIMEOUT_MS } = options
  const connections = new Connections(options)
  const admit = unlessClosing((request, response) => {
    if (connections.hasRefused(request.socket)) {
      request.resume()
      return
    }
    boundRest(request, response)
    handle(request, response)
  })

  const server = createServer(
    {
      // A PATCH may run for days; receive.ts ends one that makes no progress, and json-body.ts a body that isn't there in time.
      requestTimeout: 0,
      headersTimeout: headersTimeoutMs,
      // Node looks only so often.
      connectionsCheckingInterval: Math.min(2_000, headersTimeoutMs),
      keepAliveTimeout: 65_000,
      maxHeaderSize: MOST_HEADER_BYTES,
      // Node would answer its absence without a body: well-formed.ts does it.
      requireHostHeader: false,
      insecureHTTPParser: false,
      noDelay: true,
    },
    admit,
  )
  // Their size is the limit. Node would leave out, silently, what comes behind the two thousandth.
  server.maxHeadersCount = 0
  server.on('connection', connections.onConnection)
  server.on('clientError', clientErrorHandler(log))
  server.on('checkContinue', continueWhenRead(admit))
  server.on('checkExpectation', unlessClosing(expectationHandler(log)))
  server.on('connect', connectHandler(log))
  return server
}

/** The newest answer of each connection. */
const answers = new WeakMap<Socket, ServerResponse>()

/** RFC 9112 §9.6: what comes behind the answer that closes a connection is thrown away, not done. */
function unlessClosing(listener: RequestListener): RequestListener {
  return (request, response) => {
    const before = answers.get(request.socket)
    if (before?.headersSent === true && before.getHeader('connection') === 'close') {
      request.resume()
      return
    }
    answers.set(request.socket, response)
    listener(request, response)
  }
}
