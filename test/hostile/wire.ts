// One TCP connection, written to byte by byte, and read as HTTP/1.1 answers: no client library between, which would tidy.

import { once } from 'node:events'
import net from 'node:net'
import type { Answer } from '../dialects/exchange.js'

const PATIENCE_MILLISECONDS = 15_000

export class Wire {
  readonly #socket: net.Socket
  #received = Buffer.alloc(0)
  #hasEnded = false
  #wake: () => void = () => {}
  /** Interim answers (1xx) that have come so far. */
  interim = 0

  private constructor(socket: net.Socket) {
    this.#socket = socket
    socket.on('data', (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk])
      this.#wake()
    })
    // A reset of a connection that was answered and closed is an end like another.
    for (const event of ['end', 'close', 'error']) {
      socket.on(event, () => {
        this.#hasEnded = true
        this.#wake()
      })
    }
  }

  static async open(origin: string): Promise<Wire> {
    const { hostname, port } = new URL(origin)
    const socket = net.connect({ host: hostname, port: Number(port), allowHalfOpen: true, noDelay: true })
    await once(socket, 'connect')
    return new Wire(socket)
  }

  /** Text goes as Latin-1: `\xff` is that byte. Resolves when it is on its way, or nobody takes it any more. */
  send(bytes: string | Uint8Array): Promise<void> {
    const data = typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes
    return new Promise((resolve) => {
      if (!this.#socket.writable) resolve()
      else this.#socket.write(data, () => resolve())
    })
  }

  /** Closes our half. */
  end(): void {
    this.#socket.end()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  /** The next answer; undefined when the server hangs up without one. @param isHead it has no body, whatever it announces */
  async next(isHead = false): Promise<Answer | undefined> {
    const deadline = performance.now() + PATIENCE_MILLISECONDS
    for (;;) {
      const found = parseAnswer(this.#received, isHead)
      if (found !== undefined) {
        this.#received = this.#received.subarray(found.lengthBytes)
        if (found.answer.status >= 200) return found.answer
        this.interim += 1
      } else if (this.#hasEnded) {
        if (this.#received.length === 0) return undefined
        throw new Error(`The server hung up in the middle of an answer: ${this.#received.toString('latin1')}`)
      } else {
        await this.#news(deadline)
      }
    }
  }

  /** Resolves when the server has closed the connection; with what came until then, which nobody asked for. */
  async closed(): Promise<string> {
    const deadline = performance.now() + PATIENCE_MILLISECONDS
    while (!this.#hasEnded) await this.#news(deadline)
    return this.#received.toString('latin1')
  }

  async #news(deadline: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      const error = () => new Error(`No answer, and no end. So far: ${this.#received.toString('latin1')}`)
      timer = setTimeout(() => reject(error()), Math.max(0, deadline - performance.now()))
    })
    const news = new Promise<void>((resolve) => {
      this.#wake = resolve
    })
    await Promise.race([news, late]).finally(() => clearTimeout(timer))
  }
}

/** The answer that `bytes` begin with, once it is complete. */
function parseAnswer(bytes: Buffer, isHead: boolean): { answer: Answer; lengthBytes: number } | undefined {
  const headEnd = bytes.indexOf('\r\n\r\n')
  if (headEnd < 0) return undefined
  const [statusLine = '', ...lines] = bytes.subarray(0, headEnd).toString('latin1').split('\r\n')
  const match = /^HTTP\/1\.1 (\d{3})( |$)/.exec(statusLine)
  if (match === null) throw new Error(`No answer in HTTP: ${bytes.subarray(0, 200).toString('latin1')}`)
  const headers: Answer['headers'] = {}
  for (const line of lines) {
    const colon = line.indexOf(':')
    headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim()
  }
  const status = Number(match[1])
  const bodyStart = headEnd + 4
  const hasBody = !isHead && status >= 200 && status !== 204 && status !== 304
  if (hasBody && headers['transfer-encoding'] === 'chunked') {
    const chunked = parseChunks(bytes, bodyStart)
    return chunked && { answer: { status, headers, body: chunked.body }, lengthBytes: chunked.end }
  }
  const bodyEnd = bodyStart + (hasBody ? Number(headers['content-length'] ?? 0) : 0)
  if (bytes.length < bodyEnd) return undefined
  return { answer: { status, headers, body: bytes.subarray(bodyStart, bodyEnd) }, lengthBytes: bodyEnd }
}

/** The server's own chunks, which have no extensions and no trailers. */
function parseChunks(bytes: Buffer, start: number): { body: Buffer; end: number } | undefined {
  const chunks: Buffer[] = []
  for (let at = start; ; ) {
    const lineEnd = bytes.indexOf('\r\n', at)
    if (lineEnd < 0) return undefined
    const sizeBytes = Number.parseInt(bytes.subarray(at, lineEnd).toString('latin1'), 16)
    const end = lineEnd + 2 + sizeBytes + 2
    if (bytes.length < end) return undefined
    if (sizeBytes === 0) return { body: Buffer.concat(chunks), end }
    chunks.push(bytes.subarray(lineEnd + 2, end - 2))
    at = end
  }
}
