// What went over the line to the server, request by request: measured as it passed, whatever the two ends say of it.

import type { ConnectionWatch } from '../../end-to-end/cutting-proxy.js'
import { HttpReader, type MessageHead } from './http-reader.js'

export interface Answer {
  readonly status: number
  readonly headers: ReadonlyMap<string, string>
  readonly atMs: number
}

export interface Exchange {
  readonly method: string
  readonly path: string
  readonly requestHeaders: ReadonlyMap<string, string>
  /** On performance.now()'s clock. */
  readonly beganAtMs: number
  /** What of its body was passed on to the server; a broken request brings less than it announced. */
  bodyBytes: number
  /** Null as long as none has come. */
  answer: Answer | null
}

interface Threshold {
  readonly atBytes: number
  readonly reached: () => void
}

export class Traffic {
  /** Every request that has begun, in that order. */
  readonly exchanges: Exchange[] = []
  /** Of all bodies together, towards the server. */
  bodyBytes = 0
  #thresholds: Threshold[] = []

  /** For the proxy: once for each connection. */
  readonly watchConnection = (): ConnectionWatch => {
    // Requests of one connection are answered in their order (RFC 9112 §9.3.2).
    const unanswered: Exchange[] = []
    let sending: Exchange | undefined
    const requests = new HttpReader({
      onHead: (head) => {
        sending = exchangeOf(head)
        this.exchanges.push(sending)
        unanswered.push(sending)
        return true
      },
      onBody: (lengthBytes) => {
        if (sending !== undefined) sending.bodyBytes += lengthBytes
        this.#count(lengthBytes)
      },
      onEnd: () => {},
    })
    const answers = new HttpReader({
      onHead: ({ startLine, headers }) => {
        const status = Number(startLine.split(' ')[1])
        // 100 and its like come before the answer.
        if (status < 200) return false
        const answered = unanswered.shift()
        if (answered !== undefined) answered.answer = { status, headers, atMs: performance.now() }
        return answered?.method !== 'HEAD' && status !== 204 && status !== 304
      },
      onBody: () => {},
      onEnd: () => {},
    })
    return { toServer: (bytes) => requests.read(bytes), toClient: (bytes) => answers.read(bytes) }
  }

  /** Resolves when so many bytes of bodies have gone to the server, counted from the beginning. */
  reach(atBytes: number): Promise<void> {
    return new Promise((resolve) => {
      if (this.bodyBytes >= atBytes) resolve()
      else this.#thresholds.push({ atBytes, reached: resolve })
    })
  }

  #count(lengthBytes: number): void {
    this.bodyBytes += lengthBytes
    if (!this.#thresholds.some(({ atBytes }) => this.bodyBytes >= atBytes)) return
    const due = this.#thresholds.filter(({ atBytes }) => this.bodyBytes >= atBytes)
    this.#thresholds = this.#thresholds.filter((threshold) => !due.includes(threshold))
    for (const { reached } of due) reached()
  }
}

function exchangeOf({ startLine, headers }: MessageHead): Exchange {
  const [method = '', path = ''] = startLine.split(' ')
  return { method, path, requestHeaders: headers, beganAtMs: performance.now(), bodyBytes: 0, answer: null }
}
