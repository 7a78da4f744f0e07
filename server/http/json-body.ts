// Reads a JSON body, which is small and comes at once: both have a limit.

import { json, type Request, type RequestHandler } from 'express'
import { AppError } from '../errors.js'

const SECONDS = 30

export interface JsonBodyOptions {
  /** Of 1024 bytes each. */
  limit: `${number}kb`
  /** The media type it must have to be read; default: application/json. */
  type?: string
  /** For all of it. Default: 30. */
  seconds?: number
}

/**
 * Gives `request.body`, as `express.json` does: an object or an array; undefined for a request without a body of that type.
 *
 * Passes on PAYLOAD_TOO_LARGE as soon as too much has come or is announced, and REQUEST_TIMEOUT, which ends the connection.
 */
export function jsonBody(options: JsonBodyOptions): RequestHandler {
  const { limit, type = 'application/json', seconds = SECONDS } = options
  const limitBytes = Number.parseInt(limit, 10) * 1024
  const read = json({ limit: limitBytes, type })
  return (request, response, next) => {
    let arrivedBytes = 0
    let isOver = false
    const settle = (error?: unknown) => {
      if (isOver) return
      isOver = true
      clearTimeout(timer)
      request.off('data', count)
      next(error)
    }
    const count = (chunk: Buffer) => {
      arrivedBytes += chunk.byteLength
      // body-parser would read all the rest, however long that is, before it said so.
      if (arrivedBytes > limitBytes) settle(tooLarge(limitBytes))
    }
    const timer = setTimeout(() => {
      response.set('Connection', 'close')
      settle(tooSlow(seconds))
    }, seconds * 1000)

    if (request.is(type) && Number(request.headers['content-length'] ?? 0) > limitBytes) {
      settle(tooLarge(limitBytes))
      return
    }
    read(request, response, settle)
    // Only behind its own listeners: listening makes the bytes flow.
    if (!isOver) request.on('data', count)
  }
}

function tooLarge(limitBytes: number): AppError {
  return new AppError('PAYLOAD_TOO_LARGE', `The body has more than ${limitBytes} bytes. Send less.`, {
    details: { limit_bytes: limitBytes },
  })
}

function tooSlow(seconds: number): AppError {
  return new AppError('REQUEST_TIMEOUT', `The body was not there after ${seconds} s. Send it again.`)
}

/** What `jsonBody` has read. @throws UNSUPPORTED_MEDIA_TYPE, saying `whatToSend`, when there was no body of its type */
export function jsonIn(request: Request, whatToSend: string): unknown {
  if (request.body !== undefined) return request.body
  throw new AppError('UNSUPPORTED_MEDIA_TYPE', whatToSend)
}
