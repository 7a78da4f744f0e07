// One keep-alive HTTP/1.1 connection on a bare socket: the least that a load generator can cost.

import { connect, type Socket } from 'node:net'
import { type Answer, parseAnswer } from './answer.js'

/** Blocks handed to the kernel ahead of its taking them: enough that it never waits for us. */
const BLOCKS_IN_FLIGHT = 4
const IDLE_LIMIT_MS = 120_000

export interface RequestHead {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
}

export interface TimedAnswer extends Answer {
  /** On performance.now()'s clock: when the kernel had taken the last byte, and when the answer was complete. */
  readonly lastByteAtMs: number
  readonly answeredAtMs: number
}

interface Waiting {
  resolve(answer: Answer): void
  reject(error: Error): void
}

export class HttpConnection {
  readonly #socket: Socket
  #received: Buffer = Buffer.alloc(0)
  #waiting: Waiting | undefined
  #broken: Error | undefined

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (chunk) => this.#receive(chunk))
    socket.on('error', (error) => this.#break(error))
    socket.on('close', () => this.#break(new Error('The server closed the connection.')))
    socket.setTimeout(IDLE_LIMIT_MS, () => socket.destroy(new Error('No byte moved for two minutes.')))
  }

  /** Connects to `port` on this machine. */
  static open(port: number): Promise<HttpConnection> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host: '127.0.0.1', port, noDelay: true })
      socket.once('error', reject)
      socket.once('connect', () => {
        socket.off('error', reject)
        resolve(new HttpConnection(socket))
      })
    })
  }

  /** Sends a whole request that was made before, in one write. One request at a time. */
  async send(request: Buffer): Promise<Answer> {
    const answer = this.#nextAnswer()
    this.#socket.write(request)
    return answer
  }

  /** Sends a head and then blocks as fast as the kernel takes them. An early answer ends the sending. */
  async stream(head: RequestHead, blocks: Iterable<Buffer>): Promise<TimedAnswer> {
    const answer = this.#nextAnswer()
    let answered = false
    const settled = answer.then(
      () => {
        answered = true
      },
      () => {
        answered = true
      },
    )
    this.#socket.write(headBytes(head))
    const inFlight: Promise<void>[] = []
    for (const block of blocks) {
      inFlight.push(this.#write(block))
      if (inFlight.length >= BLOCKS_IN_FLIGHT) await Promise.race([inFlight.shift(), settled])
      if (answered) break
    }
    await Promise.race([Promise.all(inFlight), settled])
    const lastByteAtMs = performance.now()
    const result = await answer
    return { ...result, lastByteAtMs, answeredAtMs: performance.now() }
  }

  close(): void {
    this.#socket.destroy()
  }

  #write(block: Buffer): Promise<void> {
    // A failed write also closes the socket, and that rejects the answer: here only the wait has to end.
    return new Promise((resolve) => this.#socket.write(block, () => resolve()))
  }

  #nextAnswer(): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.#broken) reject(this.#broken)
      else this.#waiting = { resolve, reject }
    })
  }

  #receive(chunk: Buffer): void {
    this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk])
    try {
      const parsed = parseAnswer(this.#received)
      if (parsed === undefined) return
      this.#received = this.#received.subarray(parsed.lengthBytes)
      const waiting = this.#waiting
      this.#waiting = undefined
      waiting?.resolve(parsed.answer)
    } catch (error) {
      this.#socket.destroy(error instanceof Error ? error : new Error(String(error)))
    }
  }

  #break(error: Error): void {
    this.#broken ??= error
    this.#waiting?.reject(this.#broken)
    this.#waiting = undefined
  }
}

/** A whole request in one buffer; Content-Length is added. */
export function requestBytes(head: RequestHead, body: Buffer): Buffer {
  const headers = { ...head.headers, 'Content-Length': String(body.length) }
  return Buffer.concat([headBytes({ ...head, headers }), body])
}

/** The head as it goes over the wire, with its empty line. */
export function headBytes(head: RequestHead): Buffer {
  const fields = Object.entries({ Host: 'localhost', ...head.headers }).map(
    ([name, value]) => `${name}: ${value}`,
  )
  return Buffer.from(
    [`${head.method} ${head.path} HTTP/1.1`, ...fields].join('\r\n').concat('\r\n\r\n'),
    'latin1',
  )
}
