// Structured logs, one JSON object a line, without secrets.

import { isIP, type Socket } from 'node:net'
import { performance } from 'node:perf_hooks'
import type { Request, RequestHandler, Response } from 'express'
import { type DestinationStream, type Logger, pino, stdSerializers, stdTimeFunctions } from 'pino'
import { shortened, shownPath, withoutControls, withoutSecrets } from './redact.js'

export type Log = Logger

declare global {
  namespace Express {
    interface Request {
      /** The upload that the request is about, where its path doesn't say so: set by what creates uploads. */
      uploadId?: string
      /** The code of the problem it was answered with: set by problem.ts. */
      problemCode?: string
    }
  }
}

/** Whoever sends nonsense must not fill the disk. */
const MOST_PATH_LENGTH = 500
const MOST_AGENT_LENGTH = 120

export interface LogOptions {
  level: string
  /** Standard output when absent. */
  destination?: DestinationStream
  /** What every line gets besides: which trace it belongs to. */
  mixin?: (() => object) | undefined
}

export function createLog({ level, destination, mixin }: LogOptions): Log {
  const options = {
    level,
    base: null,
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    serializers: { err: shownError },
    ...(mixin === undefined ? {} : { mixin }),
    // Not pino's `redact`: it knows places, and secrets are in the words of errors above all. It would also cost more.
    hooks: { streamWrite: (line: string) => withoutControls(withoutSecrets(line)) },
  }
  return destination === undefined ? pino(options) : pino(options, destination)
}

/** What a body parser couldn't read may hold a secret of any shape. */
function shownError(thrown: unknown): unknown {
  // What was thrown may be anything.
  if (!(thrown instanceof Error)) return thrown
  const shown = stdSerializers.err(thrown)
  if ('body' in shown) shown.body = '[redacted]'
  return shown
}

/**
 * Writes one line a request, when it is over.
 *
 * `bytes_in` and `bytes_out` are those of the connection, headers included; `outcome` is `aborted` when the
 * connection ended before the answer did.
 */
export function requestLog(log: Log): RequestHandler {
  return (req, res, next) => {
    const startedAtMs = performance.now()
    const { socket } = req
    // A socket that is closed doesn't know it any more.
    const address = addressOf(req)
    res.once('close', () => {
      const line = {
        id: req.requestId,
        method: req.method,
        path: shortened(shownPath(req.originalUrl), MOST_PATH_LENGTH),
        status: res.statusCode,
        code: req.problemCode,
        address,
        user_agent: agentOf(req),
        owner: req.identity?.owner,
        key_id: req.identity?.keyId,
        upload_id: req.uploadId ?? uploadIdIn(req.originalUrl),
        ...bytesSinceLastRequest(socket),
        duration_ms: Math.round((performance.now() - startedAtMs) * 10) / 10,
        outcome: res.writableFinished ? 'completed' : 'aborted',
      }
      if (isProbe(req, res)) log.debug(line, 'request')
      else log.info(line, 'request')
    })
    next()
  }
}

/** The client's, as far as TRUST_PROXY knows it; a proxy's word that is no address isn't repeated. */
function addressOf(req: Request): string | undefined {
  const address = req.ip?.replace(/^::ffff:(?=\d+\.)/i, '')
  return address !== undefined && isIP(address) !== 0 ? address : undefined
}

/** What program it was: PASTA, a script, a browser. */
function agentOf(req: Request): string | undefined {
  const agent = req.headers['user-agent']
  return agent === undefined ? undefined : shortened(agent, MOST_AGENT_LENGTH)
}

/** What is asked every few seconds, whether anything happens or not. */
const PROBES = new Set(['/healthz', '/readyz', '/metrics'])

function isProbe(req: Request, res: Response): boolean {
  return res.statusCode === 200 && PROBES.has(req.path)
}

function uploadIdIn(url: string): string | undefined {
  return /^\/uploads\/([A-Za-z0-9_-]{1,64})(?![\w-])/i.exec(url)?.[1]
}

// A connection serves many requests one after another, and counts for all of them.
const countedBytes = new WeakMap<Socket, { read: number; written: number }>()

function bytesSinceLastRequest(socket: Socket): { bytes_in: number; bytes_out: number } {
  const before = countedBytes.get(socket) ?? { read: 0, written: 0 }
  const now = { read: socket.bytesRead, written: socket.bytesWritten }
  countedBytes.set(socket, now)
  return { bytes_in: now.read - before.read, bytes_out: now.written - before.written }
}
