// One client's requests: each is answered, or it broke. Whoever asks goes on as good clients do: until there is an answer that
// isn't about passing trouble, for as long as the run lasts.

import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { Agent, request } from 'undici'
import type { Oracle } from '../oracle.js'

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Buffer
}

export interface Asked {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PATCH' | 'DELETE'
  /** Path and query. */
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Buffer | AsyncIterable<Buffer>
  /** Without the credential: what PASTA asks for. */
  readonly isAnonymous?: boolean
  /** Sees the answer's body as it comes, which isn't kept then; only of 200 and 206. */
  readonly watch?: (piece: Buffer) => void
}

/** The run has ended before there was an answer. */
export class RunOver extends Error {}

/** Longer than a lease, and than an instance is frozen at most times. */
const ANSWER_TIMEOUT_MS = 25_000
const LEAST_PAUSE_MS = 60
const MOST_PAUSE_MS = 1_000

/** Trouble that passes: this server's, nginx's, and of a lease that somebody else holds. */
const PASSING: readonly number[] = [408, 423, 429, 503, 507]

export interface ConnectionOptions {
  readonly url: string
  readonly key: string
  readonly oracle: Oracle
  /** Ends all waiting; what is asked then throws RunOver. */
  readonly over: AbortSignal
}

export class Connection {
  readonly #options: ConnectionOptions
  readonly #agent = new Agent({
    connections: 6,
    headersTimeout: ANSWER_TIMEOUT_MS,
    bodyTimeout: ANSWER_TIMEOUT_MS,
    connectTimeout: 5_000,
  })

  constructor(options: ConnectionOptions) {
    this.#options = options
  }

  /** @returns null when it broke before its answer was whole @throws RunOver */
  async ask(asked: Asked): Promise<Answer | null> {
    const { url, key, oracle, over } = this.#options
    if (over.aborted) throw new RunOver()
    const { method, path, headers = {}, body, isAnonymous = false, watch } = asked
    const credential = isAnonymous ? {} : { authorization: `Bearer ${key}` }
    try {
      const answer = await request(url + path, {
        ...{ method, headers: { ...credential, ...headers }, dispatcher: this.#agent, signal: over },
        body:
          body instanceof Buffer
            ? body
            : body === undefined
              ? null
              : Readable.from(body, { objectMode: false }),
      })
      const isWatched = watch !== undefined && (answer.statusCode === 200 || answer.statusCode === 206)
      const pieces: Buffer[] = []
      for await (const piece of answer.body) {
        if (isWatched) watch(piece)
        else pieces.push(piece)
      }
      const whole = { status: answer.statusCode, headers: answer.headers, body: Buffer.concat(pieces) }
      oracle.answered(method, path, whole.status, whole.body)
      return whole
    } catch {
      if (over.aborted) throw new RunOver()
      oracle.broken += 1
      return null
    }
  }

  /** Asks until the answer isn't about passing trouble; `renew` makes each request anew, its body above all. @throws RunOver */
  async persist(renew: () => Asked): Promise<Answer> {
    for (let tried = 0; ; tried += 1) {
      const answer = await this.ask(renew())
      if (answer !== null && !isPassing(answer)) return answer
      await this.pause(tried)
    }
  }

  /** Longer each time. @throws RunOver */
  async pause(tried: number): Promise<void> {
    await this.rest(Math.min(LEAST_PAUSE_MS * 2 ** Math.min(tried, 10), MOST_PAUSE_MS))
  }

  /** @throws RunOver */
  async rest(milliseconds: number): Promise<void> {
    await sleep(milliseconds, undefined, { signal: this.#options.over }).catch(() => {
      throw new RunOver()
    })
  }

  async close(): Promise<void> {
    await this.#agent.destroy()
  }
}

export function isPassing({ status }: Pick<Answer, 'status'>): boolean {
  return PASSING.includes(status)
}

/** A header that comes once; undefined when it isn't there. */
export function headerOf({ headers }: Answer, name: string): string | undefined {
  const value = headers[name]
  return typeof value === 'string' ? value : undefined
}

/** Upload-Offset; null when there is none. */
export function offsetIn(answer: Answer): number | null {
  const text = headerOf(answer, 'upload-offset')
  return text === undefined ? null : Number(text)
}

/** The last part of Location. */
export function locatedId(answer: Answer): string | null {
  return headerOf(answer, 'location')?.split('/').at(-1) ?? null
}

/** @throws SyntaxError for what isn't JSON */
export function jsonOf<T>({ body }: Answer): T {
  return JSON.parse(body.toString())
}

/** The `code` of a problem; what else was answered has none. */
export function codeOf(answer: Answer): string {
  if (!headerOf(answer, 'content-type')?.startsWith('application/problem+json')) return ''
  return jsonOf<{ code?: string }>(answer).code ?? ''
}
