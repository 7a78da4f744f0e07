// What the headers say of a request's body, and when the client is told to send it.

import type { IncomingHttpHeaders, RequestListener } from 'node:http'
import { AppError } from '../errors.js'

/** The announced bytes of the body; null when it is chunked. Node has refused what is no number, or not both. */
export function bodyLength(headers: IncomingHttpHeaders): number | null {
  if (headers['transfer-encoding'] !== undefined) return null
  return Number(headers['content-length'] ?? 0)
}

/** Without parameters, in lowercase; '' when it isn't said. */
export function mediaTypeOf(headers: IncomingHttpHeaders): string {
  return headers['content-type']?.split(';')[0]?.trim().toLowerCase() ?? ''
}

/** Compressed on the way, its bytes would be others than the file's. @throws UNSUPPORTED_MEDIA_TYPE */
export function assertPlain(headers: IncomingHttpHeaders): void {
  const coding = headers['content-encoding']
  if (coding === undefined || coding.trim().toLowerCase() === 'identity') return
  throw new AppError(
    'UNSUPPORTED_MEDIA_TYPE',
    'Send the bytes as they are to be kept, without Content-Encoding.',
  )
}

/**
 * For `server.on('checkContinue', …)`: handles the request as any other, but says "100 Continue" only when its body is read.
 *
 * So a client that asked with `Expect: 100-continue` isn't made to send what is refused for its headers. (Node by itself says it
 * before anybody has seen them.)
 */
export function continueWhenRead(handle: RequestListener): RequestListener {
  return (request, response) => {
    const read = request._read
    request._read = (sizeBytes) => {
      request._read = read
      // Node reads what is left of a body after its answer, too.
      if (!response.headersSent) response.writeContinue()
      read.call(request, sizeBytes)
    }
    handle(request, response)
  }
}
