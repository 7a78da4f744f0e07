// tus-js-client's requests over undici: connections that are kept, bodies that stream at the network's pace, and answers that
// come before the body is through.

import type { HttpRequest, HttpResponse, HttpStack } from 'tus-js-client'
import type { Dispatcher } from 'undici'
import { Pace } from './pace.js'

export interface HttpStackOptions {
  /** How long the network may take not one piece of a body, of 16 KiB at the least, before the connection counts as dead. */
  stallSeconds?: number
}

const STALL_SECONDS = 120
/** From the last byte of a body: the server finishes the file, and puts together what came in parts. */
const ANSWER_TO_BODY_MS = 600_000
const ANSWER_MS = 120_000
const MOST_ANSWER_BYTES = 64 * 1024
/** In one write with its head; nobody watches the progress of so little. */
const SMALL_BODY_BYTES = 128 * 1024

/** What `send` takes for a body: bytes, or their stream with its size. */
export type Body = Uint8Array | Blob | SizedStream
export interface SizedStream extends AsyncIterable<Uint8Array> {
  /** In bytes; as many must come. */
  readonly size: number
}

export function httpStackOn(dispatcher: Dispatcher, options: HttpStackOptions = {}): HttpStack {
  const stallMs = (options.stallSeconds ?? STALL_SECONDS) * 1000
  return {
    createRequest: (method, url) => new UndiciRequest(dispatcher, method, url, stallMs),
    getName: () => 'undici',
  }
}

class UndiciRequest implements HttpRequest {
  readonly #dispatcher: Dispatcher
  readonly #method: string
  readonly #url: string
  readonly #stallMs: number
  readonly #headers: Record<string, string> = {}
  #onProgress: (sentBytes: number) => void = () => {}
  #exchange: Exchange | null = null
  #isAborted = false

  constructor(dispatcher: Dispatcher, method: string, url: string, stallMs: number) {
    this.#dispatcher = dispatcher
    this.#method = method
    this.#url = url
    this.#stallMs = stallMs
  }

  getMethod(): string {
    return this.#method
  }

  getURL(): string {
    return this.#url
  }

  setHeader(name: string, value: string): void {
    this.#headers[name] = value
  }

  getHeader(name: string): string | undefined {
    return this.#headers[name]
  }

  setProgressHandler(onProgress: (sentBytes: number) => void): void {
    this.#onProgress = onProgress
  }

  /** Rejects with what broke the connection, as the system or undici names it, or with what the body threw. */
  send(body: unknown): Promise<HttpResponse> {
    const { origin, pathname, search } = new URL(this.#url)
    // tus-js-client signs a request and reads its bytes between opening and sending it, and aborts it then, too.
    if (this.#isAborted) return Promise.reject(new RequestAborted())
    return new Promise((resolve, reject) => {
      const exchange = new Exchange(resolve, reject)
      this.#exchange = exchange
      const isWhole = body === null || body === undefined || isSmall(body)
      const size = isWhole ? {} : { 'content-length': String(sizeOf(body)) }
      const options = {
        origin,
        path: pathname + search,
        method: this.#method,
        headers: { ...this.#headers, ...size },
        headersTimeout: isWhole ? ANSWER_MS : ANSWER_TO_BODY_MS,
        // undici closes after HEAD by default, for servers that send a body to it.
        reset: false,
      }
      const sent = isWhole ? body : this.#inPieces(bytesOf(body), exchange)
      // undici takes iterables, its types don't say so.
      this.#dispatcher.dispatch({ ...options, body: sent as Uint8Array | null }, exchange)
    })
  }

  async abort(): Promise<void> {
    this.#isAborted = true
    this.#exchange?.abort(new RequestAborted())
  }

  getUnderlyingObject(): unknown {
    return null
  }

  /** Takes the next piece when the one before is with the kernel. */
  async *#inPieces(
    blocks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    exchange: Exchange,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const pace = new Pace()
    let sentBytes = 0
    let isWithNetwork = false
    const stalled = setTimeout(() => {
      if (isWithNetwork) exchange.abort(new Stalled(this.#stallMs))
      else stalled.refresh()
    }, this.#stallMs)
    try {
      for await (const block of blocks) {
        for (let at = 0; at < block.byteLength; ) {
          const piece = block.subarray(at, at + pace.pieceBytes)
          const startedAt = performance.now()
          stalled.refresh()
          isWithNetwork = true
          yield piece
          isWithNetwork = false
          pace.took(performance.now() - startedAt)
          at += piece.byteLength
          sentBytes += piece.byteLength
          this.#onProgress(sentBytes)
        }
      }
    } catch (error) {
      exchange.abort(error)
      throw error
    } finally {
      clearTimeout(stalled)
    }
  }
}

/** undici's handler of one request: its answer, or why there is none. */
class Exchange implements Dispatcher.DispatchHandler {
  readonly #resolve: (answer: HttpResponse) => void
  readonly #reject: (reason: unknown) => void
  #controller: Dispatcher.DispatchController | null = null
  #aborted: { reason: unknown } | null = null
  #status = 0
  #headers: Record<string, string | string[] | undefined> = {}
  readonly #body: Buffer[] = []
  #bodyBytes = 0

  constructor(resolve: (answer: HttpResponse) => void, reject: (reason: unknown) => void) {
    this.#resolve = resolve
    this.#reject = reject
  }

  /** Destroys the connection; rejects with `reason`. */
  abort(reason: unknown): void {
    if (this.#aborted !== null) return
    this.#aborted = { reason }
    this.#controller?.abort(reason instanceof Error ? reason : new RequestAborted())
    this.#reject(reason)
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#aborted !== null) controller.abort(new RequestAborted())
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    this.#status = status
    this.#headers = headers
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#bodyBytes += chunk.byteLength
    this.#body.push(chunk)
    if (this.#bodyBytes < MOST_ANSWER_BYTES) return
    // A page that somebody sends without end.
    this.#answer()
    controller.abort(new RequestAborted())
  }

  onResponseEnd(): void {
    this.#answer()
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    // A head that said enough, whose body broke off: the refusal counts.
    if (this.#status >= 400 && this.#aborted === null) this.#answer()
    else this.#reject(this.#aborted === null ? error : this.#aborted.reason)
  }

  #answer(): void {
    const [status, headers] = [this.#status, this.#headers]
    const body = Buffer.concat(this.#body).toString('utf8')
    this.#resolve({
      getStatus: () => status,
      getHeader: (name) => textOf(headers[name.toLowerCase()]),
      getBody: () => body,
      getUnderlyingObject: () => null,
    })
  }
}

/** The caller wanted it. */
class RequestAborted extends Error {
  override readonly name = 'AbortError'
  constructor() {
    super('The request was aborted.')
  }
}

class Stalled extends Error {
  readonly code = 'ETIMEDOUT'
  constructor(stallMs: number) {
    super(`The network has taken nothing for ${stallMs / 1000} seconds.`)
  }
}

function textOf(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header.join(', ') : header
}

function isSmall(body: unknown): body is Uint8Array {
  return body instanceof Uint8Array && body.byteLength <= SMALL_BODY_BYTES
}

function sizeOf(body: unknown): number {
  if (body instanceof Uint8Array) return body.byteLength
  if (typeof body === 'object' && body !== null && 'size' in body && typeof body.size === 'number')
    return body.size
  throw new TypeError('A body needs a size.')
}

function bytesOf(body: unknown): AsyncIterable<Uint8Array> | Iterable<Uint8Array> {
  if (body instanceof Uint8Array) return [body]
  if (body instanceof Blob) return body.stream()
  if (typeof body === 'object' && body !== null && Symbol.asyncIterator in body) return body as SizedStream
  throw new TypeError('A body is bytes, a Blob, or a stream of bytes.')
}
