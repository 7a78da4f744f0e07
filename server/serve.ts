// The life of a server: start in order, listen, stop in the reverse order without losing what arrived.

import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { banner } from './banner.js'
import { composeService } from './compose.js'
import type { Config } from './config.js'
import { openMigratedDatabase } from './database/open.js'
import { AppError } from './errors.js'
import { firstKey } from './first-key.js'
import { createHttpServer } from './guards/http-server.js'
import { keepMemorySmall } from './ops/garbage-collector.js'
import { createLog, type Log } from './ops/log.js'

/** How long requests may take to come to their end after a stop was asked for. */
const STOP_MS = 10_000

/** Serves until SIGTERM or SIGINT; resolves when everything has stopped. Throws when the start fails. */
export async function serve(config: Config, print: (line: string) => void): Promise<void> {
  // Not with S3, whose SDK makes so much garbage for each request that it would cost a third of the small files' speed.
  if (config.store === 'local') keepMemorySmall()
  const log = createLog({ level: config.logLevel })
  process.on('uncaughtException', (error) => {
    log.fatal({ err: error }, 'a bug: the process stops, and uploads go on after the next start')
    process.exit(1)
  })
  const stopRequested = whenStopRequested()

  const database = await openMigratedDatabase(config, { log: print })
  try {
    await serveOn(database.databaseUrl, config, log, print, stopRequested)
  } finally {
    await database.stop()
  }
  log.info('stopped')
}

async function serveOn(
  databaseUrl: string,
  config: Config,
  log: Log,
  print: (line: string) => void,
  stopRequested: Promise<NodeJS.Signals>,
): Promise<void> {
  let publicUrl = config.publicUrl ?? ''
  const service = await composeService({ config, databaseUrl, log, publicUrl: () => publicUrl })
  const server = createHttpServer(service.app, { ...config, log })
  try {
    const key = await firstKey(config, service.apiKeys)
    await service.start()
    const port = await listen(server, config)
    server.on('error', (error) => log.error({ err: error }, 'the listening socket has trouble'))
    publicUrl = config.publicUrl ?? `http://localhost:${port}`
    for (const line of banner({ publicUrl, key })) print(line)
    log.info({ port, public_url: publicUrl }, 'serving')

    const signal = await stopRequested
    log.info({ signal }, 'stopping: running uploads are paused, what arrived is kept')
    const closed = close(server)
    await service.pause()
    await closed
  } finally {
    // After a start that failed half-way, connections may be open; after a stop there are none left.
    server.close()
    server.closeAllConnections()
    await service.close()
  }
}

function whenStopRequested(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    // Not `once`: Ctrl-C reaches us from the terminal and again from npm, and the second one must not kill the stop.
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, resolve)
  })
}

function listen(server: Server, { port, host }: Config): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const reason =
        cause.code === 'EADDRINUSE'
          ? `Port ${port} is taken. Stop what runs there, or set PORT to another one.`
          : `The server can't listen on ${host}:${port} (${cause.code ?? cause.message}). Set HOST and PORT.`
      reject(new AppError('UNAVAILABLE', reason, { cause }))
    })
    server.listen(port, host, () => resolve((server.address() as AddressInfo).port))
  })
}

/** No new connection; idle ones end now, busy ones after their answer, and after STOP_MS all that are left. */
function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const limit = setTimeout(() => server.closeAllConnections(), STOP_MS)
    server.close(() => {
      clearTimeout(limit)
      resolve()
    })
    server.closeIdleConnections()
  })
}
