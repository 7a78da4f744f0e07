// The bench's end of the channel to its sink.

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Operation } from './operation.js'

/** What the sink was asked since the last start. */
export interface SinkFigures {
  readonly requestCounts: Record<Operation, number>
  readonly bodyBytes: Record<Operation, number>
  /** From the head of each CompleteMultipartUpload or PutObject to its answer, the ordered delay included; all together. */
  completionMs: number
}

export type SinkQuestion =
  | { readonly kind: 'start'; readonly completionDelayMs: number }
  | { readonly kind: 'figures' }

export type SinkReply =
  | { readonly port: number }
  | { readonly started: true }
  | { readonly figures: SinkFigures }

/** The sink in its own process. One question at a time. */
export class Sink {
  readonly endpoint: string
  readonly #child: ChildProcess

  private constructor(child: ChildProcess, port: number) {
    this.#child = child
    this.endpoint = `http://127.0.0.1:${port}`
  }

  /** Its own flags, the same beside every server and in every table. */
  static async start(): Promise<Sink> {
    const child = fork(fileURLToPath(new URL('./main.js', import.meta.url)), {
      execArgv: ['--single-threaded-gc'],
    })
    const reply = await nextReply(child)
    if (!('port' in reply)) throw new Error('The sink did not say its port.')
    return new Sink(child, reply.port)
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  /** Runs `work`, and tells what it asked of S3. Completions take `completionDelayMs` longer meanwhile. */
  async observe<T>(
    work: () => Promise<T>,
    completionDelayMs = 0,
  ): Promise<{ result: T; figures: SinkFigures }> {
    await this.#ask({ kind: 'start', completionDelayMs })
    const result = await work()
    const reply = await this.#ask({ kind: 'figures' })
    if (!('figures' in reply)) throw new Error('The sink answered another question.')
    return { result, figures: reply.figures }
  }

  stop(): void {
    this.#child.kill()
  }

  async #ask(question: SinkQuestion): Promise<SinkReply> {
    if (!this.#child.connected) throw new Error('The sink has ended.')
    const reply = nextReply(this.#child)
    this.#child.send(question)
    return reply
  }
}

async function nextReply(child: ChildProcess): Promise<SinkReply> {
  const ended = new AbortController()
  const fail = (): void => ended.abort(new Error('The sink has ended.'))
  child.once('exit', fail)
  try {
    const [reply] = await once(child, 'message', { signal: ended.signal })
    return reply as SinkReply // main.ts sends nothing else.
  } finally {
    child.off('exit', fail)
  }
}
