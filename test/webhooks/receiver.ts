// A real receiver of webhooks, which answers as it is told and remembers what came.

import { once } from 'node:events'
import http, { type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'

export interface Received {
  method: string
  path: string
  headers: IncomingHttpHeaders
  body: string
}

/** Default: 204. The number says how many requests came before this one. */
export type Behaviour = (response: ServerResponse, received: Received, before: number) => void | Promise<void>

export interface Receiver {
  readonly port: number
  /** On 127.0.0.1. */
  readonly url: string
  /** In the order in which they came. */
  readonly received: Received[]
  /** Changes how it answers from now on. */
  behave(behaviour: Behaviour): void
  /** Resolves when `count` requests have come. Rejects after a time. */
  hasReceived(count: number, withinSeconds?: number): Promise<void>
  close(): Promise<void>
}

export const answerNothing: Behaviour = (response) => {
  response.writeHead(204).end()
}

export async function startReceiver(first: Behaviour = answerNothing): Promise<Receiver> {
  let behaviour = first
  const received: Received[] = []
  const server = http.createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const one = {
      method: request.method ?? '',
      path: request.url ?? '',
      headers: request.headers,
      body: Buffer.concat(chunks).toString(),
    }
    received.push(one)
    await behaviour(response, one, received.length - 1)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('A TCP port was expected.')
  return {
    port: address.port,
    url: `http://127.0.0.1:${address.port}/hook`,
    received,
    behave(next) {
      behaviour = next
    },
    async hasReceived(count, withinSeconds = 15) {
      const deadline = performance.now() + withinSeconds * 1000
      while (received.length < count) {
        if (performance.now() > deadline) throw new Error(`${received.length} requests came, not ${count}.`)
        await sleep(10)
      }
    },
    async close() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}
