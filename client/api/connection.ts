// Every request to the server but the bytes of tus uploads: credential, repetition, refusals as errors.

import { connectionFailed } from './connection-words.js'
import { type Credentials, CurrentCredential } from './credentials.js'
import { Deadline } from './deadline.js'
import { ApiError, ConnectionFailed, ForeignAnswer } from './errors.js'
import { errorOf, foreignWords } from './problem.js'
import { isEndedSignIn, isPassing, retryDelayMs, wasNotBegun } from './retry.js'
import { sleep } from './sleep.js'

/** Tells of a request that will be tried again. */
export interface Wait {
  error: Error
  /** 1: the first repetition. */
  attempt: number
  delayMs: number
}

export interface ConnectionOptions {
  /** Where the server is, with its path if it has one, as in its PUBLIC_URL. */
  url: string
  credentials: Credentials
  /** Instead of the global one: through a proxy, say. */
  fetch?: typeof globalThis.fetch
  /** How long a request that may be repeated is tried again while nothing gets through; asked at each failure. */
  patienceSeconds?: number | (() => number)
  /** How long one request without a long body may go unanswered; default two minutes. */
  answerWithinSeconds?: number
  onWait?: (wait: Wait) => void
}

export interface WholeAnswer {
  status: number
  headers: Headers
  bytes: Uint8Array<ArrayBuffer>
}

/** What an answer must be to be the server's; anything else is a ForeignAnswer. */
export type Expected = 'json' | 'cbor' | 'xml' | 'event-stream' | 'nothing' | 'any'

export interface Ask {
  method?: string
  headers?: Record<string, string>
  body?: string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>
  signal?: AbortSignal | undefined
  /** Whether sending it twice does what sending it once does. By default what RFC 9110 §9.2.2 says of the method. */
  isRepeatable?: boolean
  patienceSeconds?: number
  /** Of `read`, for each attempt; default: the connection's. */
  answerWithinSeconds?: number | undefined
  /** Default `any`: the caller looks itself. */
  expects?: Expected
  /** By default they are refused, as no route of the server's redirects but retrieval. `give` answers the redirect itself. */
  redirect?: 'follow' | 'refuse' | 'give'
  /** Sends no credential, as to retrieval URLs. */
  isAnonymous?: boolean
}

const REPEATABLE = new Set(['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS'])
const PATIENCE_SECONDS = 60
const ANSWER_WITHIN_SECONDS = 120
/** A longer body may take its time. */
const SHORT_BODY_BYTES = 64 * 1024

export class Connection {
  /** Without a slash at its end. */
  readonly url: string
  readonly credential: CurrentCredential
  /** As it was given: for waits that are not this class's own. */
  readonly onWait: ((wait: Wait) => void) | undefined
  readonly #options: ConnectionOptions

  /** @throws TypeError when the URL isn't one of http or https */
  constructor(options: ConnectionOptions) {
    if (!/^https?:\/\//.test(options.url) || !URL.canParse(options.url))
      throw new TypeError(`${options.url} is not a URL of http or https.`)
    this.url = options.url.replace(/\/+$/, '')
    this.credential = new CurrentCredential(options.credentials)
    this.onWait = options.onWait
    this.#options = options
  }

  /**
   * The answer, when it is a success, as soon as its head is there: its body is the caller's to read, or to cancel.
   *
   * What passes is waited for (retry.ts), as long as the request may be repeated; a credential that has ended is renewed
   * once. The credential goes to the server's own origin only.
   *
   * @param target a path on the server, or a URL
   * @throws ApiError by the server's code, ConnectionFailed, ForeignAnswer, or the signal's reason
   */
  ask(target: string, ask: Ask = {}): Promise<Response> {
    return this.#repeat(ask, () => this.#askSignedIn(this.#urlOf(target), ask))
  }

  /**
   * The whole answer. As `ask`, but one that breaks off is asked for again, too, and a server that stalls counts as broken.
   */
  read(target: string, ask: Ask = {}): Promise<WholeAnswer> {
    const url = this.#urlOf(target)
    const answerWithinSeconds = this.#answerWithinSeconds(ask)
    const stallMs = answerWithinSeconds * 1000
    return this.#repeat(ask, async () => {
      const deadline = new Deadline(hasLongBody(ask) ? Number.POSITIVE_INFINITY : stallMs, ask.signal)
      try {
        const answer = await this.#askSignedIn(url, { ...ask, signal: deadline.signal }, deadline)
        const bytes = await bytesOf(answer, () => deadline.move(stallMs)).catch((error: unknown) => {
          throw connectionFailed(error, url)
        })
        return { status: answer.status, headers: answer.headers, bytes }
      } catch (error) {
        ask.signal?.throwIfAborted()
        if (!deadline.isOver) throw error
        const words = `${url.host} has not answered for ${answerWithinSeconds} seconds.`
        throw new ConnectionFailed(words, { code: 'ETIMEDOUT' })
      } finally {
        deadline.end()
      }
    })
  }

  #answerWithinSeconds(ask: Ask): number {
    return ask.answerWithinSeconds ?? this.#options.answerWithinSeconds ?? ANSWER_WITHIN_SECONDS
  }

  #urlOf(target: string): URL {
    return new URL(target.startsWith('/') ? `${this.url}${target}` : target)
  }

  async #repeat<Result>(ask: Ask, attemptOnce: () => Promise<Result>): Promise<Result> {
    const { method = 'GET', signal } = ask
    const isRepeatable = ask.isRepeatable ?? REPEATABLE.has(method)
    const startedAt = performance.now()
    for (let attempt = 1; ; attempt += 1) {
      signal?.throwIfAborted()
      try {
        return await attemptOnce()
      } catch (error) {
        signal?.throwIfAborted()
        if (!(error instanceof Error) || !isPassing(error)) throw error
        // A stream that was read can't be sent again.
        if (ask.body instanceof ReadableStream || !(isRepeatable || wasNotBegun(error))) throw error
        const retryAfterSeconds = error instanceof ApiError ? error.retryAfterSeconds : undefined
        const delayMs = retryDelayMs(attempt, Math.random(), retryAfterSeconds)
        if (performance.now() - startedAt + delayMs > this.#patienceMs(ask)) throw error
        this.onWait?.({ error, attempt, delayMs })
        await sleep(delayMs, signal)
      }
    }
  }

  #patienceMs(ask: Ask): number {
    const seconds = ask.patienceSeconds ?? this.#options.patienceSeconds ?? PATIENCE_SECONDS
    return (typeof seconds === 'function' ? seconds() : seconds) * 1000
  }

  /** Once more with a new credential, when the server says that this one has ended. */
  async #askSignedIn(url: URL, ask: Ask, deadline?: Deadline): Promise<Response> {
    const isSigned = ask.isAnonymous !== true && url.origin === new URL(this.url).origin
    const credential = isSigned ? await this.credential.current() : null
    const answer = await this.#askOnce(url, ask, credential)
    if (answer.ok || (ask.redirect === 'give' && isRedirect(answer))) return answer
    const refusal = await refusalOf(answer)
    if (!isSigned || !isEndedSignIn(answer.status, answer.headers.get('www-authenticate'))) throw refusal
    if (ask.body instanceof ReadableStream) throw refusal
    // A person may have to sign in: that isn't the server's time.
    deadline?.move(Number.POSITIVE_INFINITY)
    const next = await this.credential.after(credential, ask.signal)
    if (next === null) throw refusal
    deadline?.move(this.#answerWithinSeconds(ask) * 1000)
    const second = await this.#askOnce(url, ask, next)
    if (second.ok || (ask.redirect === 'give' && isRedirect(second))) return second
    throw await refusalOf(second)
  }

  async #askOnce(url: URL, ask: Ask, credential: string | null): Promise<Response> {
    const fetch = this.#options.fetch ?? globalThis.fetch
    const init = {
      method: ask.method ?? 'GET',
      headers: {
        ...ask.headers,
        ...(credential === null ? {} : { authorization: `Bearer ${credential}` }),
      },
      redirect: ask.redirect === 'follow' ? ('follow' as const) : ('manual' as const),
      ...(ask.body === undefined ? {} : { body: ask.body }),
      ...(ask.body instanceof ReadableStream ? { duplex: 'half' as const } : {}),
      ...(ask.signal === undefined ? {} : { signal: ask.signal }),
    }
    let answer: Response
    try {
      answer = await fetch(url, init)
    } catch (error) {
      ask.signal?.throwIfAborted()
      throw connectionFailed(error, url)
    }
    if (answer.ok && !isExpected(answer, ask.expects ?? 'any')) {
      throw new ForeignAnswer(foreignWords(answer.status, await startOf(answer)), answer.status)
    }
    return answer
  }
}

const MEDIA_TYPES = {
  json: /^application\/([\w.-]+\+)?json\b/,
  cbor: /^application\/cbor\b/,
  xml: /^(application|text)\/xml\b/,
  'event-stream': /^text\/event-stream\b/,
} as const

function isExpected(answer: Response, expected: Expected): boolean {
  if (expected === 'any') return true
  if (expected === 'nothing') return answer.status === 204
  return MEDIA_TYPES[expected].test(answer.headers.get('content-type') ?? '')
}

function hasLongBody({ body }: Ask): boolean {
  if (typeof body === 'string') return body.length > SHORT_BODY_BYTES
  return body instanceof ReadableStream || (body !== undefined && body.byteLength > SHORT_BODY_BYTES)
}

/** Not `for await`: not every browser has it for streams. */
async function bytesOf(answer: Response, onPiece: () => void): Promise<Uint8Array<ArrayBuffer>> {
  const reader = answer.body?.getReader()
  const pieces: Uint8Array[] = []
  let sizeBytes = 0
  while (reader !== undefined) {
    onPiece()
    const { done, value } = await reader.read()
    if (done) break
    pieces.push(value)
    sizeBytes += value.byteLength
  }
  const bytes = new Uint8Array(sizeBytes)
  let at = 0
  for (const piece of pieces) {
    bytes.set(piece, at)
    at += piece.byteLength
  }
  return bytes
}

function isRedirect({ status, headers }: Response): boolean {
  return status >= 300 && status < 400 && headers.has('location')
}

async function refusalOf(answer: Response): Promise<ApiError | ForeignAnswer> {
  const location = answer.headers.get('location')
  // Browsers don't tell where a redirect leads: the Fetch Standard's opaque-redirect filtered response.
  const isOpaque = answer.type === 'opaqueredirect'
  if (isOpaque || isRedirect(answer)) {
    await answer.body?.cancel()
    return new ForeignAnswer(
      `The server's URL leads elsewhere${isOpaque ? '' : `: to ${location} (status ${answer.status})`}. If that is the server, give its URL instead; if this network wants a sign-in first, sign in there.`,
      answer.status,
    )
  }
  return errorOf({
    status: answer.status,
    header: (name) => answer.headers.get(name),
    body: await startOf(answer),
  })
}

const MOST_REFUSAL_BYTES = 64 * 1024

/** Enough of a body to say what it is; what has come of it, when it breaks. */
async function startOf(answer: Response): Promise<string> {
  const reader = answer.body?.getReader()
  if (reader === undefined) return ''
  const decoder = new TextDecoder()
  let text = ''
  try {
    while (text.length < MOST_REFUSAL_BYTES) {
      const { done, value } = await reader.read()
      if (done) return text
      text += decoder.decode(value, { stream: true })
    }
    await reader.cancel()
  } catch {
    // What has come of it must do.
  }
  return text
}
