// Structured logs, one JSON object a line, without secrets.

import type { Socket } from 'node:net'
import { performance } from 'node:perf_hooks'
import type { Request, RequestHandler, Response } from 'express'
import { type DestinationStream, type Logger, pino, stdTimeFunctions } from 'pino'
import { shownPath } from './redact.js'

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

const secretHeaders = ['authorization', 'cookie', 'set-cookie', 'x-api-key']
const placesOfHeaders = ['', '*.', 'headers.', '*.headers.']
const secretPaths = placesOfHeaders.flatMap((place) => {
  return secretHeaders.map((name) => `${place.replace(/\.$/, '')}["${name}"]`)
})
/** What a body parser couldn't read may hold a secret. */
const secretBody = 'err.body'

export interface LogOptions {
  level: string
  /** Standard output when absent. */
  destination?: DestinationStream
}

export function createLog({ level, destination }: LogOptions): Log {
  const options = {
    level,
    base: null,
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: { paths: [...secretPaths, secretBody], censor: '[redacted]' },
  }
  return destination === undefined ? pino(options) : pino(options, destination)
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
    res.once('close', () => {
      const line = {
        id: req.requestId,
        method: req.method,
        path: shownPath(req.originalUrl),
        status: res.statusCode,
        code: req.problemCode,
        owner: req.identity?.owner,
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

function isProbe(req: Request, res: Response): boolean {
  return res.statusCode === 200 && (req.path === '/healthz' || req.path === '/readyz')
}

function uploadIdIn(url: string): string | undefined {
  return /^\/uploads\/([A-Za-z0-9_-]+)/i.exec(url)?.[1]
}

// A connection serves many requests one after another, and counts for all of them.
const countedBytes = new WeakMap<Socket, { read: number; written: number }>()

function bytesSinceLastRequest(socket: Socket): { bytes_in: number; bytes_out: number } {
  const before = countedBytes.get(socket) ?? { read: 0, written: 0 }
  const now = { read: socket.bytesRead, written: socket.bytesWritten }
  countedBytes.set(socket, now)
  return { bytes_in: now.read - before.read, bytes_out: now.written - before.written }
}
