// Ends an answer that is given while the request's body is still arriving.

import type { IncomingMessage, ServerResponse } from 'node:http'

const lingerMs = 2_000
const lingerBytes = 4 * 1024 ** 2

// A body this small is read to its end by Node anyway, and the connection lives on.
const smallBodyBytes = 64 * 1024

/**
 * Sends `body` as the whole answer; status and headers are set already.
 *
 * If more of the request is on its way than is worth reading, the answer says `Connection: close`, and what arrives
 * within 2 seconds and 4 MiB is read and thrown away before the socket is closed. Closing at once would make the kernel
 * answer the unread bytes with a reset, which can destroy the answer before the client has read it (what nginx's
 * `lingering_close` is for).
 */
export function endLingering(req: IncomingMessage, res: ServerResponse, body: string): void {
  res.setHeader('Content-Length', Buffer.byteLength(body))
  // Whoever was reading has given up; without a reader the rest would block the connection.
  req.unpipe()
  if (!hasLongRest(req)) {
    req.resume()
    res.end(body)
    return
  }

  res.setHeader('Connection', 'close')
  res.flushHeaders()
  if (req.method !== 'HEAD') res.write(body)
  // The answer is complete for the client by its Content-Length. Node closes the socket on `end`, so that is what waits.
  const close = () => {
    req.off('data', count)
    req.pause()
    res.end()
  }
  let leftBytes = lingerBytes
  const count = (chunk: Buffer) => {
    leftBytes -= chunk.length
    if (leftBytes <= 0) close()
  }
  const timer = setTimeout(close, lingerMs)
  req.on('data', count)
  req.once('end', close)
  res.once('close', () => clearTimeout(timer))
  req.resume()
}

function hasLongRest(req: IncomingMessage): boolean {
  if (req.complete || req.destroyed) return false
  if (req.headers['transfer-encoding'] !== undefined) return true
  return Number(req.headers['content-length'] ?? 0) > smallBodyBytes
}
