// Refuses requests that Node's parser lets pass, though whoever stands before us may take them for something else (RFC 9112).

import type { IncomingMessage } from 'node:http'
import type { RequestHandler } from 'express'
import { AppError } from '../errors.js'

const MOST_HEADERS = 1_000

/**
 * To be mounted first, behind the log. Whatever is refused ends its connection: where its body ends, nobody knows.
 *
 * Throws INVALID_INPUT.
 */
export const wellFormed: RequestHandler = (request, response, next) => {
  // Node's parser drops what is pipelined behind a request that asks for another protocol.
  if (request.headers.upgrade !== undefined) response.set('Connection', 'close')
  const fault = faultOf(request)
  if (fault === undefined) {
    next()
    return
  }
  response.set('Connection', 'close')
  throw new AppError('INVALID_INPUT', fault)
}

/** What has one value. Node keeps the first of several, or joins them; a proxy maybe keeps the last (RFC 9112 §3.2, RFC 9110 §5.3). */
const SINGLE = new Set([
  ...[
    'host',
    'authorization',
    'x-api-key',
    'content-type',
    'content-range',
    'content-encoding',
    'idempotency-key',
  ],
  ...[
    'range',
    'if-range',
    'origin',
    'tus-resumable',
    'x-http-method-override',
    'x-request-id',
    'last-event-id',
  ],
])

function isSingle(name: string): boolean {
  return SINGLE.has(name) || name.startsWith('upload-')
}

function faultOf({ httpVersion, headers, rawHeaders }: IncomingMessage): string | undefined {
  // The parser takes 0.9 and 2.0 for it, too.
  if (httpVersion !== '1.1' && httpVersion !== '1.0') return 'Speak HTTP/1.1.'
  // They are small: Node counts names and values only, up to 16 KiB.
  if (rawHeaders.length > 2 * MOST_HEADERS) return `Send no more than ${MOST_HEADERS} headers.`
  const names = rawHeaders.filter((_, index) => index % 2 === 0).map((name) => name.toLowerCase())
  if (httpVersion === '1.1' && !names.includes('host')) return 'Send exactly one Host header.'
  const seen = new Set<string>()
  for (const name of names) {
    if (seen.has(name) && isSingle(name)) return `The header ${name} came twice. Send it once.`
    seen.add(name)
  }
  const coding = headers['transfer-encoding']
  if (coding === undefined) return undefined
  // §6.1: a proxy of that time doesn't know chunks, and takes them for the content.
  if (httpVersion === '1.0')
    return 'HTTP/1.0 has no Transfer-Encoding. Send Content-Length, or speak HTTP/1.1.'
  // Nothing undoes another coding, and its bytes would be taken for the file's.
  if (coding.toLowerCase() !== 'chunked') return 'The only Transfer-Encoding taken here is "chunked".'
  return undefined
}
