// One request as it is, without what fetch would mend: any path, any header, any body.

import http from 'node:http'
import type { Answer } from './described.js'

export interface Ask {
  method: string
  /** Path and query, as they go over the wire. */
  target: string
  headers?: Readonly<Record<string, string>>
  body?: Buffer | string | undefined
  /** Without Content-Length. */
  isChunked?: boolean
}

/** A stream never ends: what has come after so long is its answer. */
const STREAM_MILLISECONDS = 50

/**
 * Asks, and waits for the whole answer.
 *
 * @returns undefined when the server has hung up without one
 */
export function ask(
  origin: string,
  { method, target, headers = {}, body, isChunked }: Ask,
): Promise<Answer | undefined> {
  const { hostname, port } = new URL(origin)
  return new Promise((resolve, reject) => {
    const request = http.request({ hostname, port, method, path: target, headers, agent, timeout: 20_000 })
    request.once('response', (response) => {
      const chunks: Buffer[] = []
      const done = () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) })
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.once('end', done)
      response.once('error', (error) => (isHangUp(error) ? resolve(undefined) : reject(error)))
      if (response.headers['content-type']?.startsWith('text/event-stream')) {
        setTimeout(() => {
          done()
          request.destroy()
        }, STREAM_MILLISECONDS)
      }
    })
    request.once('timeout', () => request.destroy(new Error(`${method} ${target}: no answer in 20 s`)))
    request.once('error', (error) => (isHangUp(error) ? resolve(undefined) : reject(error)))
    // By itself Node sends a GET's body without saying how long it is, which isn't HTTP.
    if (isChunked) request.setHeader('Transfer-Encoding', 'chunked')
    else if (body !== undefined) request.setHeader('Content-Length', Buffer.byteLength(body))
    request.end(body)
  })
}

/** One for all, so that thousands of requests don't need thousands of ports. */
const agent = new http.Agent({ keepAlive: true, maxSockets: 16 })

function isHangUp(error: Error): boolean {
  return 'code' in error && ['ECONNRESET', 'EPIPE'].includes(String(error.code))
}
