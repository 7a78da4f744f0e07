// Answers what never gets to Express: what isn't HTTP, and what HTTP has that we don't. Byte by byte, since there is no response.

import { randomUUID } from 'node:crypto'
import { type IncomingMessage, type RequestListener, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import { AppError } from './errors.js'
import { endLingering, endSocketLingering, isLeaving } from './lingering-close.js'
import type { Log } from './ops/log.js'
import { statusOf, toProblem } from './problem.js'

/** What Node adds to the parser's errors. */
interface ParserError extends NodeJS.ErrnoException {
  /** The piece of the request in which the parser stopped; no earlier one. */
  rawPacket?: Buffer
}

/** For `server.on('clientError', …)`. Closes the connection, with problem+json where an answer can still be given. */
export function clientErrorHandler(log: Log): (error: ParserError, socket: Duplex) => void {
  return (error, socket) => {
    // The parser tells of each further piece.
    if (isLeaving(socket, error.rawPacket?.byteLength ?? Number.POSITIVE_INFINITY)) return
    const request = requestUnderWay(socket)
    if (error.code === 'ECONNRESET' || !socket.writable) {
      socket.destroy()
      return
    }
    if (request === 'answered') {
      // What is written of the answer goes out at the end of this turn.
      setImmediate(() => socket.destroy())
      return
    }
    const requestId = randomUUID()
    const { code } = error
    log.info({ id: requestId, address: addressOf(socket), code }, 'not a request')
    log.debug({ id: requestId, err: withoutPacket(error) }, 'not a request')
    const refusal = refusalOf(error)
    const answer = rawProblem(refusal.error, { ...refusal, requestId })
    // Who takes the body of the broken request must hear now that no more of it comes.
    if (request === 'unanswered') socket.end(answer, () => socket.destroy())
    else endSocketLingering(socket, answer)
  }
}

/** For `server.on('connect', …)`: without it Node closes the connection and says nothing. */
export function connectHandler(log: Log): (request: IncomingMessage, socket: Duplex) => void {
  return (_request, socket) => {
    const requestId = randomUUID()
    log.info({ id: requestId, address: addressOf(socket) }, 'a proxy was asked for')
    const error = new AppError('METHOD_NOT_ALLOWED', 'This is no proxy. /docs describes what there is.')
    const answer = rawProblem(error, {
      requestId,
      headers: { Allow: 'GET, HEAD, POST, PATCH, DELETE, OPTIONS' },
    })
    // Node's parser has left this socket.
    socket.resume()
    endSocketLingering(socket, answer)
  }
}

/** For `server.on('checkExpectation', …)`: 417 for all but 100-continue (RFC 9110 §10.1.1). */
export function expectationHandler(log: Log): RequestListener {
  return (request, response) => {
    const requestId = randomUUID()
    log.info({ id: requestId, address: addressOf(request.socket) }, 'an expectation that nobody has here')
    const error = new AppError(
      'INVALID_INPUT',
      'The only expectation that can be met is "Expect: 100-continue".',
    )
    response.statusCode = 417
    response.setHeader('Connection', 'close')
    response.setHeader('X-Request-ID', requestId)
    for (const [name, value] of Object.entries(problemHeaders)) response.setHeader(name, value)
    endLingering(request, response, problemText(error, { requestId, status: 417 }))
  }
}

export interface RawProblemOptions {
  /** Default: a new one. */
  requestId?: string
  /** Default: the code's. */
  status?: number
  headers?: Readonly<Record<string, string>>
}

/** A whole answer as it goes over the wire; the connection has to be closed behind it. */
export function rawProblem(error: AppError, options: RawProblemOptions = {}): string {
  const { requestId = randomUUID(), status = statusOf[error.code], headers = {} } = options
  const body = problemText(error, { requestId, status })
  const retryAfter = error.retryAfterSeconds
  const fields = {
    Connection: 'close',
    ...problemHeaders,
    'Content-Length': String(Buffer.byteLength(body)),
    'X-Request-ID': requestId,
    ...(retryAfter === undefined ? {} : { 'Retry-After': String(Math.ceil(retryAfter)) }),
    ...headers,
  }
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}`)
  return [`HTTP/1.1 ${status} ${STATUS_CODES[status]}`, ...lines, '', body].join('\r\n')
}

const problemHeaders = {
  'Content-Type': 'application/problem+json; charset=utf-8',
  'Cache-Control': 'no-store',
  'X-Content-Type-Options': 'nosniff',
}

function problemText(error: AppError, { requestId, status }: { requestId: string; status: number }): string {
  const title = STATUS_CODES[status]
  return JSON.stringify({ ...toProblem(error, { requestId, instance: '' }), status, title })
}

interface Refusal {
  error: AppError
  status: number
  headers?: Readonly<Record<string, string>>
}

/** A credential that alone is longer than half of what headers may have. */
const longCredential = /^(?:authorization|x-api-key)[ \t]*:[^\r\n]{8192}/im

function refusalOf({ code, rawPacket }: ParserError): Refusal {
  if (code === 'HPE_HEADER_OVERFLOW') {
    if (rawPacket !== undefined && longCredential.test(rawPacket.toString('latin1'))) return longToken()
    return { error: new AppError('INVALID_INPUT', 'The headers are larger than 16 KiB.'), status: 431 }
  }
  if (code === 'HPE_CHUNK_EXTENSIONS_OVERFLOW') {
    return { error: new AppError('PAYLOAD_TOO_LARGE', 'The chunk extensions are too large.'), status: 413 }
  }
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return { error: new AppError('REQUEST_TIMEOUT', 'The headers took too long to arrive.'), status: 408 }
  }
  return { error: new AppError('INVALID_INPUT', 'This is not a valid HTTP/1.1 request.'), status: 400 }
}

/** What a client does about it is what it does about any token that is worth nothing: get another one. */
function longToken(): Refusal {
  return {
    error: new AppError('UNAUTHORIZED', 'The credential is too long. Get another one.', {
      details: { error: 'invalid_token' },
    }),
    status: 401,
    headers: { 'WWW-Authenticate': 'Bearer realm="antipasto", error="invalid_token"' },
  }
}

/** What came stays out of the log: it may be a credential. */
function withoutPacket({ code, message }: ParserError): { code: string | undefined; message: string } {
  return { code, message }
}

/** As Node's own handler asks before it writes: an error's text in the middle of a file would become part of the file. */
function requestUnderWay(socket: Duplex): 'none' | 'unanswered' | 'answered' {
  if (!('_httpMessage' in socket)) return 'none'
  const answer = socket._httpMessage
  if (typeof answer !== 'object' || answer === null) return 'none'
  return 'headersSent' in answer && answer.headersSent === true ? 'answered' : 'unanswered'
}

/** Of the connection: what a proxy says of it was in the request. */
function addressOf(socket: Duplex): string | undefined {
  return 'remoteAddress' in socket && typeof socket.remoteAddress === 'string'
    ? socket.remoteAddress
    : undefined
}
