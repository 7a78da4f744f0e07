// One attempt to deliver: a POST to the very address that was checked. Knows no database.

import http, { type RequestOptions } from 'node:http'
import https from 'node:https'
import { type Address, findWhereabouts, type Reach } from './resolve.js'
import { type SignedMessage, signatureOf } from './signature.js'

export interface SenderOptions extends Reach {
  /** Of this server, for the User-Agent. */
  version: string
  /** For all of an attempt: the name, the connection, the answer. */
  timeoutSeconds?: number
}

/** What came of an attempt. */
export interface Attempt {
  /** Of the answer; null when there was none. */
  status: number | null
  /** Null: the receiver has it. */
  error: string | null
  /** Cut off by `stop`: whether the receiver has it isn't known. */
  isCut: boolean
}

const TIMEOUT_SECONDS = 10
const MOST_ANSWER_BYTES = 64 * 1024

export class Sender {
  readonly #reach: Reach
  readonly #userAgent: string
  /** The longest that an attempt takes. */
  readonly timeoutSeconds: number

  constructor({ version, timeoutSeconds = TIMEOUT_SECONDS, ...reach }: SenderOptions) {
    this.#reach = reach
    this.#userAgent = `antipasto/${version}`
    this.timeoutSeconds = timeoutSeconds
  }

  /** Why nothing could be sent to `url` now, in words for its user; undefined when it could. Takes as long as an attempt. */
  async faultOf(url: string): Promise<string | undefined> {
    const signal = AbortSignal.timeout(this.timeoutSeconds * 1000)
    const found = await Promise.race([findWhereabouts(new URL(url), this.#reach), whenAborted(signal)])
    return found === undefined ? `The name ${new URL(url).hostname} doesn't resolve.` : found.fault
  }

  /** Never rejects. */
  async send(
    to: { url: string; secret: string },
    message: SignedMessage,
    stop?: AbortSignal,
  ): Promise<Attempt> {
    const url = new URL(to.url)
    // Not AbortSignal.any: Node 20 keeps what it makes for as long as the longest-lived signal lives.
    const ending = new AbortController()
    const end = () => ending.abort()
    const timer = setTimeout(end, this.timeoutSeconds * 1000)
    stop?.addEventListener('abort', end)
    if (stop?.aborted) end()
    try {
      const found = await Promise.race([findWhereabouts(url, this.#reach), whenAborted(ending.signal)])
      if (found?.fault !== undefined) return { status: null, error: found.fault, isCut: false }
      if (found === undefined) throw new Error('aborted')
      const headers = this.#headers(message, to.secret)
      return outcomeOf(await post(url, headers, message.body, found.addresses, ending.signal))
    } catch (error) {
      const isCut = stop?.aborted === true
      const isLate = ending.signal.aborted
      return { status: null, error: isLate ? this.#late(isCut) : faultOf(error), isCut }
    } finally {
      clearTimeout(timer)
      stop?.removeEventListener('abort', end)
    }
  }

  #headers(message: SignedMessage, secret: string): Record<string, string | number> {
    return {
      'Content-Type': 'application/json',
      'Content-Length': Buffer.byteLength(message.body),
      'User-Agent': this.#userAgent,
      'Webhook-Id': message.id,
      'Webhook-Timestamp': message.timestampSeconds,
      'Webhook-Signature': signatureOf(message, secret),
    }
  }

  #late(isCut: boolean): string {
    return isCut
      ? 'The server stopped before there was an answer.'
      : `No answer within ${this.timeoutSeconds} seconds.`
  }
}

/** Resolves with undefined once `signal` is aborted. */
function whenAborted(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(undefined)
    else signal.addEventListener('abort', () => resolve(undefined), { once: true })
  })
}

/** The answer's status, when the answer is over, too long or too late. Rejects when there was none. */
function post(
  url: URL,
  headers: RequestOptions['headers'],
  body: string,
  addresses: readonly Address[],
  signal: AbortSignal,
): Promise<number> {
  // A connection of its own, closed afterwards: one that is kept would go where the name led earlier.
  const options: RequestOptions = {
    method: 'POST',
    headers,
    signal,
    agent: false,
    lookup: lookupIn(addresses),
  }
  return new Promise((resolve, reject) => {
    const request = (url.protocol === 'https:' ? https : http).request(url, options)
    // Once there is an answer, the promise is settled by its end, and this changes nothing.
    let hasAnswer = false
    request.on('error', (error) => {
      if (!hasAnswer) reject(error)
    })
    // Also when Node says nothing else, as after an unasked-for 101.
    request.once('close', () => {
      if (!hasAnswer) reject(Object.assign(new Error('closed without an answer'), { code: 'ECONNRESET' }))
    })
    request.once('response', (answer) => {
      hasAnswer = true
      let readBytes = 0
      answer.on('data', (chunk: Buffer) => {
        readBytes += chunk.length
        if (readBytes > MOST_ANSWER_BYTES) answer.destroy()
      })
      answer.on('error', () => {})
      answer.once('close', () => resolve(answer.statusCode ?? 0))
    })
    request.end(body)
  })
}

/** Instead of DNS: the addresses that were checked, so that none can be slipped in between. */
function lookupIn(addresses: readonly Address[]): NonNullable<RequestOptions['lookup']> {
  return (_host, options, answer) => {
    const first = addresses[0]
    if (options.all === true) answer(null, [...addresses])
    else answer(null, first?.address ?? '', first?.family)
  }
}

function outcomeOf(status: number): Attempt {
  if (status >= 200 && status < 300) return { status, error: null, isCut: false }
  const error =
    status >= 300 && status < 400
      ? `Answered ${status}. Redirects are not followed: make a webhook with the URL where it leads.`
      : `Answered ${status}. Only 2xx says that it was taken.`
  return { status, error, isCut: false }
}

const FAULTS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'The connection was refused.',
  ECONNRESET: 'The connection was cut before there was an answer.',
  EPIPE: 'The connection was cut before there was an answer.',
  EHOSTUNREACH: 'The host is out of reach.',
  ENETUNREACH: 'The network is out of reach.',
  ETIMEDOUT: 'The host does not answer.',
}

/** In words for the webhook's owner: the kind of trouble, nothing of the answer. */
function faultOf(error: unknown): string {
  const code = typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : ''
  if (code.startsWith('HPE_')) return `The answer is not HTTP (${code}).`
  if (/CERT|TLS|SSL|SIGNATURE|EPROTO/.test(code)) return `TLS failed (${code}).`
  return FAULTS[code] ?? `The request failed (${/^[A-Z0-9_]{1,60}$/.test(code) ? code : 'unknown'}).`
}
