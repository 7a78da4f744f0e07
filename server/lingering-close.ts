// Ends an answer that is given while more of the request is still arriving.

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'

const lingerMs = 2_000
const lingerBytes = 4 * 1024 ** 2

// A body this small is read to its end by Node anyway, and the connection lives on.
const smallBodyBytes = 64 * 1024
/** For which time it may take what it wants: whoever has sent no more by then has the answer, and loses the connection. */
const restMs = 10_000

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

/**
 * To be called for each request. Once its answer is complete, the rest of its body has 10 seconds to arrive.
 *
 * Node reads that rest without a limit: who sends a byte of it now and then would keep the connection for ever.
 */
export function boundRest(req: IncomingMessage, res: ServerResponse): void {
  res.once('finish', () => {
    if (req.complete || req.destroyed) return
    const timer = setTimeout(() => req.socket.destroy(), restMs).unref()
    req.once('end', () => clearTimeout(timer)).once('close', () => clearTimeout(timer))
  })
}

// Sockets with their last answer, and how many bytes more each may bring.
const leaving = new WeakMap<Duplex, number>()

/**
 * Sends `answer`, whole as it goes over the wire, as the last on a socket, and closes it within 2 seconds: as `endLingering`.
 *
 * Somebody must go on reading the socket, as Node's parser does even after it found an error.
 */
export function endSocketLingering(socket: Duplex, answer: string): void {
  leaving.set(socket, lingerBytes)
  const timer = setTimeout(() => socket.destroy(), lingerMs).unref()
  socket.once('close', () => clearTimeout(timer))
  socket.on('error', () => {})
  socket.end(answer)
}

/** True for a socket that has its last answer. What it brought since is thrown away, and too much of it ends it at once. */
export function isLeaving(socket: Duplex, broughtBytes: number): boolean {
  const leftBytes = leaving.get(socket)
  if (leftBytes === undefined) return false
  leaving.set(socket, leftBytes - broughtBytes)
  if (leftBytes <= broughtBytes) socket.destroy()
  return true
}

function hasLongRest(req: IncomingMessage): boolean {
  if (req.complete || req.destroyed) return false
  if (req.headers['transfer-encoding'] !== undefined) return true
  return Number(req.headers['content-length'] ?? 0) > smallBodyBytes
}
