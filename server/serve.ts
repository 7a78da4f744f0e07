// The life of a server: start in order, listen, stop in the reverse order without losing what arrived.

import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { banner } from './banner.js'
import { composeService, type Service } from './compose.js'
import { tracingOf } from './config/tracing.js'
import type { Config } from './config.js'
import { openMigratedDatabase } from './database/open.js'
import { AppError } from './errors.js'
import { firstKey } from './first-key.js'
import { Farewell } from './guards/farewell.js'
import { createHttpServer } from './guards/http-server.js'
import { keepMemorySmall } from './ops/garbage-collector.js'
import { createLog, type Log } from './ops/log.js'
import { patientStart, type UntilThere } from './ops/patient-start.js'
import { openTracing } from './tracing/open.js'
import { traceIds } from './tracing/span.js'

/** Of STOP_TIMEOUT: time for a chunk to come to its end by itself, before whoever sends for hours is told to pause. */
const PAUSED_AFTER = 1 / 4

/** Serves until SIGTERM or SIGINT; resolves when everything has stopped. Throws when the start fails. */
export async function serve(config: Config, print: (line: string) => void): Promise<void> {
  // Not with S3, whose SDK makes so much garbage for each request that it would cost a third of the small files' speed.
  if (config.store === 'local') keepMemorySmall()
  const traced = tracingOf(config)
  const log = createLog({ level: config.logLevel, mixin: traced === null ? undefined : traceIds })
  process.on('uncaughtException', (error) => {
    log.fatal({ err: error }, 'a bug: the process stops, and uploads go on after the next start')
    process.exit(1)
  })
  const stop = stopSignal()
  const untilThere = patientStart({ timeoutSeconds: config.startTimeoutSeconds, log, signal: stop })
  const tracing = await openTracing(traced, log)

  const database = await openMigratedDatabase(config, { log: print, untilThere }).catch(unlessStopped(stop))
  try {
    if (database !== undefined)
      await serveOn(database.databaseUrl, { config, log, print, stop, untilThere }).catch(unlessStopped(stop))
  } finally {
    await tracing.close()
    await database?.stop()
  }
  log.info('stopped')
}

interface Life {
  config: Config
  log: Log
  print: (line: string) => void
  /** Aborts when SIGTERM or SIGINT came; its reason is a StopRequested. */
  stop: AbortSignal
  untilThere: UntilThere
}

async function serveOn(databaseUrl: string, life: Life): Promise<void> {
  const { config, log, print, stop, untilThere } = life
  let publicUrl = config.publicUrl ?? ''
  const service = await composeService({ config, databaseUrl, log, publicUrl: () => publicUrl, untilThere })
  const server = createHttpServer(service.app, { ...config, log })
  service.metrics?.watchConnections(server)
  const farewell = new Farewell(server)
  try {
    const key = await untilThere(() => firstKey(config, service.apiKeys))
    await untilThere(() => service.start())
    // Not before: while another instance serves, a balancer takes a refused connection there, and an answer to its client.
    const port = await listen(server, config)
    server.on('error', (error) => log.error({ err: error }, 'the listening socket has trouble'))
    publicUrl = config.publicUrl ?? `http://localhost:${port}`
    for (const line of banner({ publicUrl, key })) print(line)
    log.info({ port, public_url: publicUrl }, 'serving')

    await aborted(stop)
    await leave(server, farewell, service, life)
  } finally {
    // After a start that failed half-way, connections may be open; after a stop there are none left.
    server.close()
    server.closeAllConnections()
    await service.close()
  }
}

/**
 * In this order: balancers are told, requests still taken; then no new connection; then who sends for hours is paused; and what
 * isn't over at the end is cut, and goes on with another instance, by HEAD or Range.
 */
async function leave(server: Server, farewell: Farewell, service: Service, life: Life): Promise<void> {
  const { config, log, stop } = life
  const stopMs = config.stopTimeoutSeconds * 1_000
  log.info(
    { signal: (stop.reason as StopRequested).message, delay_seconds: config.stopDelaySeconds },
    'stopping',
  )
  service.announceStop()
  farewell.begin()
  if (config.stopDelaySeconds > 0) await after(config.stopDelaySeconds * 1_000)

  const limit = after(stopMs)
  const left = Promise.all([farewell.leave(), service.quiet()])
  await Promise.race([left, after(stopMs * PAUSED_AFTER)])
  log.info('running uploads are paused, what arrived is kept')
  await Promise.race([Promise.all([left, service.pause()]), limit])
  server.closeAllConnections()
}

/** What a start or a life ends with that was asked to stop. */
class StopRequested extends Error {
  override readonly name = 'StopRequested'
}

function stopSignal(): AbortSignal {
  const controller = new AbortController()
  // Not `once`: Ctrl-C reaches us from the terminal and again from npm, and the second one must not kill the stop.
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => controller.abort(new StopRequested(signal)))
  }
  return controller.signal
}

/** For a start that was asked to stop while it waited: that is no failure. */
function unlessStopped(stop: AbortSignal): (error: unknown) => undefined {
  return (error) => {
    if (error !== stop.reason || !stop.aborted) throw error
    return undefined
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}

/** Doesn't keep the process alive. */
function after(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds).unref())
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
