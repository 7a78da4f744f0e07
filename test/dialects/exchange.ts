// HTTP as a test wants to write it, not as a client library would tidy it: over node:http, or byte by byte on a socket.

import { once } from 'node:events'
import http from 'node:http'
import net from 'node:net'
import type { Readable } from 'node:stream'

export interface Answer {
  status: number
  headers: http.IncomingHttpHeaders
  body: Buffer
}

export interface Question {
  method: string
  /** Sent as it is: `..%2f` stays `..%2f`. */
  path: string
  headers?: http.OutgoingHttpHeaders
  /** A stream goes chunked, unless Content-Length is among the headers. */
  body?: Uint8Array | Readable
}

/** One request on a connection of its own. Rejects when the connection breaks before the answer is complete. */
export function ask(origin: string, { method, path, headers = {}, body }: Question): Promise<Answer> {
  const { hostname, port } = new URL(origin)
  return new Promise((resolve, reject) => {
    const request = http.request({ hostname, port, method, path, headers, agent: false }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) })
      })
    })
    request.on('error', reject)
    if (body === undefined || body instanceof Uint8Array) request.end(body)
    else body.pipe(request)
  })
}

export interface RawOptions {
  /** After the last byte: keep the connection open, close our half of it, or cut it. Default: keep. */
  ending?: 'keep' | 'end' | 'destroy'
  /** How many answers to wait for; with `destroy` none. Default 1. */
  answers?: number
  /** Runs when everything is written, before `ending`. */
  before?: () => Promise<void>
}

/** Writes `parts` to a socket as they are; resolves with the answers that came before the server or we closed it. */
export async function askRaw(
  origin: string,
  parts: (string | Uint8Array)[],
  { ending = 'keep', answers = 1, before = async () => {} }: RawOptions = {},
): Promise<Answer[]> {
  const { hostname, port } = new URL(origin)
  const socket = net.connect({ host: hostname, port: Number(port), allowHalfOpen: true })
  await once(socket, 'connect')
  let received = Buffer.alloc(0)
  const done = new Promise<void>((resolve) => {
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk])
      if (parseAnswers(received).length >= answers) resolve()
    })
    socket.on('end', resolve).on('close', () => resolve())
    // The server may reset a connection that it has answered and closed.
    socket.on('error', () => resolve())
  })
  for (const part of parts) {
    await new Promise<void>((resolve) => socket.write(part, () => resolve()))
  }
  await before()
  if (ending === 'end') socket.end()
  if (ending !== 'destroy') await done
  socket.destroy()
  return parseAnswers(received)
}

/** The complete answers at the start of `bytes`. */
function parseAnswers(bytes: Buffer): Answer[] {
  const answers: Answer[] = []
  let rest = bytes
  for (;;) {
    const headEnd = rest.indexOf('\r\n\r\n')
    if (headEnd < 0) return answers
    const [statusLine = '', ...lines] = rest.subarray(0, headEnd).toString('latin1').split('\r\n')
    const status = Number(statusLine.split(' ')[1])
    const headers: http.IncomingHttpHeaders = {}
    for (const line of lines) {
      const colon = line.indexOf(':')
      headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim()
    }
    const hasBody = status !== 204 && status !== 304 && status >= 200
    const bodyEnd = headEnd + 4 + (hasBody ? Number(headers['content-length'] ?? 0) : 0)
    if (rest.length < bodyEnd) return answers
    answers.push({ status, headers, body: rest.subarray(headEnd + 4, bodyEnd) })
    rest = rest.subarray(bodyEnd)
  }
}

/** A body in pieces of `pieceBytes`, so that it goes chunked and not in one segment. */
export function* inPieces(bytes: Uint8Array, pieceBytes: number): Iterable<Uint8Array> {
  for (let start = 0; start < bytes.byteLength; start += pieceBytes)
    yield bytes.subarray(start, start + pieceBytes)
}
