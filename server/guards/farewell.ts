// The end of a server's connections, so that nobody meets a closed door with a request in hand.
//
// Whoever keeps a connection for later requests, as nginx does, may send one at the very moment at which we close it, and then
// can't know whether it was done. So a connection ends behind an answer that announces it (RFC 9112 §9.6), and only those that
// nobody uses for a while are closed without one.

import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { Server as NetServer, type Socket } from 'node:net'

/** How long an idle connection may still bring one more request. */
const IDLE_MS = 1_000

export class Farewell {
  readonly #server: Server
  readonly #open = new Set<ServerResponse>()
  /** Connections that no request has come on yet: Node doesn't count them as idle. */
  readonly #unused = new Set<Socket>()
  #isLeaving = false
  #isIdleOver = false

  /** To be made before the server gets its first request. */
  constructor(server: Server) {
    this.#server = server
    server.on('connection', (socket: Socket) => {
      this.#unused.add(socket)
      socket.once('close', () => this.#unused.delete(socket))
    })
    for (const event of ['request', 'checkContinue']) {
      server.prependListener(event, (_request: IncomingMessage, response: ServerResponse) =>
        this.#see(response),
      )
    }
  }

  /** From now on each answer is its connection's last; new connections are still taken. */
  begin(): void {
    this.#isLeaving = true
    for (const response of this.#open) sayClose(response)
  }

  /**
   * Takes no new connection any more. Resolves when the last connection has ended by itself: busy ones behind their answer, idle
   * ones after a second.
   */
  async leave(): Promise<void> {
    this.begin()
    const left = new Promise<void>((resolve) => {
      // Not its own `close`, which ends idle connections at once.
      NetServer.prototype.close.call(this.#server, () => resolve())
    })
    const timer = setTimeout(() => {
      this.#isIdleOver = true
      this.#server.closeIdleConnections()
      // A browser opens one beforehand, a probe says nothing.
      for (const socket of this.#unused) if (socket.bytesRead === 0) socket.destroy()
    }, IDLE_MS)
    await left
    clearTimeout(timer)
    // What `close` ends besides: Node's watch over slow headers.
    this.#server.close()
  }

  #see(response: ServerResponse): void {
    if (this.#isLeaving) sayClose(response)
    this.#unused.delete(response.req.socket)
    this.#open.add(response)
    response.once('close', () => {
      this.#open.delete(response)
      // One whose headers were sent before had announced nothing: Node keeps it, idle.
      if (this.#isIdleOver) setImmediate(() => this.#server.closeIdleConnections())
    })
  }
}

function sayClose(response: ServerResponse): void {
  if (!response.headersSent) response.setHeader('Connection', 'close')
}
