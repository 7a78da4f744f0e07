// A reverse proxy that lets a request through and keeps its answer: the network broke just then.

import { once } from 'node:events'
import http from 'node:http'
import type net from 'node:net'
import { pipeline } from 'node:stream/promises'
import { resetConnection } from '../end-to-end/reset.js'

export interface AnswerThief {
  readonly url: string
  /** How many answers it has kept. */
  stolen(): number
  close(): Promise<void>
}

/** Keeps the first answer to each kind of request that is named: `POST /uploads`. */
export async function startAnswerThief(serverUrl: string, requests: readonly string[]): Promise<AnswerThief> {
  const waiting = new Set(requests)
  const server = http.createServer((request, response) => {
    const { method, url = '/', headers } = request
    const upstream = http.request(new URL(url, serverUrl), { ...(method && { method }), headers })
    upstream.on('response', async (answer) => {
      if (waiting.delete(`${method} ${url}`)) {
        answer.resume()
        await once(answer, 'end')
        resetConnection(request.socket)
        return
      }
      response.writeHead(answer.statusCode ?? 502, answer.rawHeaders)
      await pipeline(answer, response).catch(() => response.destroy())
    })
    upstream.on('error', () => response.destroy())
    request.pipe(upstream)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as net.AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    stolen: () => requests.length - waiting.size,
    async close() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}
