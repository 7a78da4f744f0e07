// What stands between us and an S3 server in these tests: a plain HTTP server that passes requests on, or answers them as
// the test says. For broken connections in the middle of a body, and answers that a healthy server doesn't give.

import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { Bucket } from '../../server/storage/s3-client.js'
import type { S3Settings, S3Timing } from '../../server/storage/s3-connection.js'

export interface Exchange {
  request: http.IncomingMessage
  response: http.ServerResponse
  /** Lets the server behind answer; `tamper` sees its answer instead of the client. */
  forward(tamper?: (answer: http.IncomingMessage) => void): void
}

export interface Front {
  endpoint: string
  /** Every request so far: method, path and query. */
  readonly seen: string[]
  /** Decides on every request from now on, until another does. */
  answer: (exchange: Exchange) => void
  /** Connections that are open. */
  countConnections(): Promise<number>
  close(): Promise<void>
}

/** @param target the server behind; none for a front that answers everything itself */
export async function startFront(target?: string): Promise<Front> {
  const server = http.createServer((request, response) => {
    front.seen.push(`${request.method} ${request.url}`)
    // A cut connection is what these tests are about.
    request.on('error', () => {})
    response.on('error', () => {})
    front.answer({
      request,
      response,
      forward: (tamper = (answer) => passOn(answer, response)) => forward(target, request, response, tamper),
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const front: Front = {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen: [],
    answer: (exchange) => exchange.forward(),
    countConnections: () =>
      new Promise((resolve, reject) =>
        server.getConnections((error, count) => (error === null ? resolve(count) : reject(error))),
      ),
    async close() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
  return front
}

/** Answers at once, with S3's XML for `code`; without a body when there is no code. */
export function fail({ request, response }: Exchange, status: number, code?: string): void {
  request.resume()
  request.once('end', () => {
    response.writeHead(status, { 'content-type': 'application/xml' })
    response.end(code === undefined ? '' : errorXml(code))
  })
}

export function errorXml(code: string): string {
  return `<?xml version="1.0"?><Error><Code>${code}</Code><Message>it says</Message><SignatureProvided>c0ffee</SignatureProvided></Error>`
}

/** Pauses short enough for a test. */
export const QUICK: Partial<S3Timing> = {
  connectMs: 500,
  idleMs: 300,
  completionIdleMs: 2_000,
  backOffBaseMs: 5,
  backOffCapMs: 20,
}

/** A bucket behind `front`. The rest of the settings may be those of a real one. */
export function bucketBehind(front: Front, settings: Partial<S3Settings> = {}): Bucket {
  return new Bucket({
    bucket: 'a-bucket',
    region: 'us-east-1',
    prefix: 'antipasto',
    forcePathStyle: true,
    checksums: 'WHEN_REQUIRED',
    timing: QUICK,
    ...settings,
    endpoint: front.endpoint,
  })
}

function passOn(answer: http.IncomingMessage, response: http.ServerResponse): void {
  response.writeHead(answer.statusCode ?? 502, answer.headers)
  answer.pipe(response)
}

function forward(
  target: string | undefined,
  request: http.IncomingMessage,
  response: http.ServerResponse,
  tamper: (answer: http.IncomingMessage) => void,
): void {
  if (target === undefined) throw new Error('There is no server behind this front.')
  const { method, headers, url = '/' } = request
  // The Host header stays: it is signed.
  const onward = http.request(
    new URL(url, target),
    { method, headers, agent: false } as http.RequestOptions,
    tamper,
  )
  onward.on('error', () => response.destroy())
  response.on('close', () => onward.destroy())
  request.pipe(onward)
}
