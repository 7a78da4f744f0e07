// A small Express application on a real port, as the guards are mounted in the real one.

import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import express, { type Express } from 'express'
import { createHttpServer, type HttpServerOptions } from '../../server/guards/http-server.js'
import { wellFormed } from '../../server/guards/well-formed.js'
import { createLog } from '../../server/ops/log.js'
import { requestId } from '../../server/ops/request-id.js'
import { noSuchRoute, problemHandler } from '../../server/problem.js'

export const silentLog = createLog({ level: 'silent' })

export interface Guarded {
  readonly origin: string
  readonly port: number
  readonly server: Server
  close(): Promise<void>
}

/** Mounts `routes` between what every request meets first and last, and listens. */
export async function serveGuarded(
  routes: (app: Express) => void,
  options: Partial<HttpServerOptions> = {},
): Promise<Guarded> {
  const app = express()
  app.use(requestId, wellFormed)
  routes(app)
  app.use(noSuchRoute)
  app.use(problemHandler(silentLog))
  const server = createHttpServer(app, {
    log: silentLog,
    maxConnectionsPerAddress: undefined,
    trustProxy: 0,
    ...options,
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    origin: `http://127.0.0.1:${port}`,
    port,
    server,
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
