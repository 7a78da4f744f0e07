// Gives each request the id under which the log, the answer and the user speak of it.

import { randomUUID } from 'node:crypto'
import type { RequestHandler } from 'express'

declare global {
  namespace Express {
    interface Request {
      /** Set by `requestId`. */
      requestId?: string
    }
  }
}

const wellFormed = /^[A-Za-z0-9._-]{8,64}$/

/** Takes the client's X-Request-ID when it is well-formed, makes one otherwise, and echoes it. */
export const requestId: RequestHandler = (req, res, next) => {
  const sent = req.headers['x-request-id']
  req.requestId = typeof sent === 'string' && wellFormed.test(sent) ? sent : randomUUID()
  res.setHeader('X-Request-ID', req.requestId)
  next()
}
