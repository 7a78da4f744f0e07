// One request on its way through the proxy, and what can be done with it. The things that can go wrong are built of these in
// s3-faults.ts.

import { once } from 'node:events'
import http from 'node:http'
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { resetConnection } from '../end-to-end/reset.js'

export interface Passage {
  /** Passes so many bytes of the body, and no more. */
  readonly limitBytes?: number
  readonly bytesPerSecond?: number
}

/** Counts bytes as they pass. */
export interface Meter {
  /** Of request bodies, as they come from the client. */
  sentBytes: number
  /** Of answers' bodies, as they go to the client. */
  receivedBytes: number
}

/** Its methods reject when the server is gone, or a limit is reached; the proxy then cuts what is left. */
export class Exchange {
  readonly #request: http.IncomingMessage
  readonly #response: http.ServerResponse
  readonly #client: Socket
  readonly #endpoint: URL
  readonly #meter: Meter
  #upstream: http.ClientRequest | undefined
  /** Rejects when the client has hung up. */
  readonly gone: Promise<never>

  constructor(
    request: http.IncomingMessage,
    response: http.ServerResponse,
    { endpoint, meter }: { readonly endpoint: URL; readonly meter: Meter },
  ) {
    this.#request = request
    this.#client = request.socket
    this.#response = response
    this.#endpoint = endpoint
    this.#meter = meter
    // It is written to when the client may be gone already.
    response.on('error', () => {})
    this.gone = new Promise((_, reject) => {
      response.once('close', () => {
        if (!response.writableEnded) reject(new Error('The client has hung up.'))
      })
    })
    this.gone.catch(() => {})
  }

  /** As the client declared it; 0 without a body. */
  get bodyBytes(): number {
    return Number(this.#request.headers['content-length'] ?? 0)
  }

  /**
   * Passes the request on, unchanged and while it comes in.
   *
   * @returns the server's answer as soon as it begins, which may be before the end of the request
   */
  async forward({
    limitBytes = Number.POSITIVE_INFINITY,
    bytesPerSecond,
  }: Passage = {}): Promise<http.IncomingMessage> {
    const { method, url, rawHeaders } = this.#request
    const { hostname, port } = this.#endpoint
    const upstream = http.request({
      hostname,
      port,
      method,
      path: url,
      // With the `Host` that was signed.
      headers: rawHeaders,
      agent: false,
    })
    this.#upstream = upstream
    upstream.on('continue', () => this.#response.writeContinue())
    // Also after it has answered: it may refuse the rest of the request.
    upstream.on('error', () => {})
    const answered = once(upstream, 'response')
    upstream.flushHeaders()
    const sent = this.#send(upstream, limitBytes, bytesPerSecond)
    // Whichever fails first; the other then fails unheard.
    for (const promise of [sent, answered]) promise.catch(() => {})
    const [answer] = await Promise.race([answered, sent.then(() => answered)])
    return answer
  }

  async #send(upstream: http.ClientRequest, limitBytes: number, bytesPerSecond?: number): Promise<void> {
    let leftBytes = limitBytes
    for await (const chunk of this.#request as AsyncIterable<Buffer>) {
      this.#meter.sentBytes += chunk.byteLength
      if (bytesPerSecond !== undefined) await sleep((chunk.byteLength / bytesPerSecond) * 1000)
      const passed = chunk.subarray(0, leftBytes)
      leftBytes -= passed.byteLength
      await write(upstream, passed)
      if (leftBytes === 0) throw new Error('The limit is reached.')
    }
    upstream.end()
  }

  /** Passes the server's answer on, while it comes. */
  async answer(answer: http.IncomingMessage, passage: Passage = {}): Promise<void> {
    const { limitBytes = Number.POSITIVE_INFINITY, bytesPerSecond } = passage
    this.#writeHead(answer.statusCode ?? 0, answer.rawHeaders)
    let leftBytes = limitBytes
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      if (bytesPerSecond !== undefined) await sleep((chunk.byteLength / bytesPerSecond) * 1000)
      const passed = chunk.subarray(0, leftBytes)
      leftBytes -= passed.byteLength
      this.#meter.receivedBytes += passed.byteLength
      await write(this.#response, passed)
      if (leftBytes === 0) throw new Error('The limit is reached.')
    }
    this.#response.end()
  }

  /** Answers with something else. */
  answerWith(status: number, headers: Readonly<Record<string, string>>, body: string): void {
    // Part of the request may be unread.
    const fields = { ...headers, connection: 'close', 'content-length': String(Buffer.byteLength(body)) }
    this.#writeHead(status, Object.entries(fields).flat())
    this.#meter.receivedBytes += this.#request.method === 'HEAD' ? 0 : Buffer.byteLength(body)
    this.#response.end(body)
  }

  #writeHead(status: number, rawHeaders: string[]): void {
    this.#response.sendDate = false
    this.#response.writeHead(status, rawHeaders)
  }

  /** Reads the request to its end and keeps nothing of it. A client that waits for "100 Continue" isn't told to go on. */
  async swallow(): Promise<void> {
    if (this.#request.headers.expect !== undefined) return
    for await (const chunk of this.#request as AsyncIterable<Buffer>)
      this.#meter.sentBytes += chunk.byteLength
  }

  /** Breaks both connections. */
  cut(): void {
    this.#upstream?.destroy()
    resetConnection(this.#client)
  }
}

async function write(sink: http.ClientRequest | http.ServerResponse, bytes: Buffer): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    sink.write(bytes, (error) => (error ? reject(error) : resolve()))
  })
}
