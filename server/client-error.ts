// Answers what isn't HTTP: a request that Node's parser refused before Express saw it.

import { randomUUID } from 'node:crypto'
import { STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import { AppError } from './errors.js'
import type { Log } from './ops/log.js'
import { toProblem } from './problem.js'

/** For `server.on('clientError', …)`. Closes the connection, with problem+json where an answer can still be given. */
export function clientErrorHandler(log: Log): (error: NodeJS.ErrnoException, socket: Duplex) => void {
  return (error, socket) => {
    if (error.code === 'ECONNRESET' || !socket.writable || hasAnswerBegun(socket)) {
      socket.destroy()
      return
    }
    const requestId = randomUUID()
    log.debug({ id: requestId, err: error }, 'not a request')
    socket.end(answerTo(error.code, requestId), () => socket.destroy())
  }
}

function answerTo(parserCode: string | undefined, requestId: string): string {
  const { error, status } = refusalOf(parserCode)
  const body = JSON.stringify({ ...toProblem(error, { requestId, instance: '' }), status })
  return [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'Connection: close',
    'Content-Type: application/problem+json; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Cache-Control: no-store',
    `X-Request-ID: ${requestId}`,
    '',
    body,
  ].join('\r\n')
}

function refusalOf(parserCode: string | undefined): { error: AppError; status: number } {
  if (parserCode === 'HPE_HEADER_OVERFLOW') {
    return { error: new AppError('INVALID_INPUT', 'The headers are larger than 16 KiB.'), status: 431 }
  }
  if (parserCode === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return { error: new AppError('REQUEST_TIMEOUT', 'The headers took too long to arrive.'), status: 408 }
  }
  return { error: new AppError('INVALID_INPUT', 'This is not a valid HTTP/1.1 request.'), status: 400 }
}

/** As Node's own handler asks before it writes: an error's text in the middle of a file would become part of the file. */
function hasAnswerBegun(socket: Duplex): boolean {
  if (!('_httpMessage' in socket)) return false
  const answer = socket._httpMessage
  return (
    typeof answer === 'object' && answer !== null && 'headersSent' in answer && answer.headersSent === true
  )
}
