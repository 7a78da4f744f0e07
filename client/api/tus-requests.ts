// What each request of a sending has in common, whoever makes it: credential, faults told apart.

import { DetailedError, type HttpRequest, type HttpResponse, type HttpStack } from 'tus-js-client'
import type { Connection } from './connection.js'
import { connectionFailed } from './connection-words.js'
import { ApiError, ConnectionFailed, ForeignAnswer, LocalFileDiffers, LocalFileFailed } from './errors.js'
import { LocalFault, SignInEnded } from './persist.js'
import { foreignWords } from './problem.js'
import { isEndedSignIn } from './retry.js'
import { tusErrorOf } from './tus-answer.js'

export const OFFSET_MEDIA_TYPE = 'application/offset+octet-stream'

export interface AskOptions {
  body?: unknown
  /** Bytes of the body that are with the network. */
  onSent?: ((sentBytes: number) => void) | undefined
  signal: AbortSignal | undefined
}

export class TusRequests {
  readonly stack: HttpStack
  readonly #connection: Connection
  /** Whether a request has succeeded since a credential ended last. */
  #hasSucceeded = false

  constructor(connection: Connection, stack: HttpStack) {
    this.#connection = connection
    this.stack = stack
  }

  /** Gives the request the credential of this moment, if it goes to the server's own origin. */
  async sign(request: HttpRequest): Promise<void> {
    if (new URL(request.getURL()).origin !== new URL(this.#connection.url).origin) return
    try {
      const credential = await this.#connection.credential.current()
      if (credential !== null) request.setHeader('Authorization', `Bearer ${credential}`)
    } catch (error) {
      throw new LocalFault(error)
    }
  }

  /**
   * A success, of a request that this client makes by itself.
   *
   * @throws ApiError, ConnectionFailed, ForeignAnswer, SignInEnded, LocalFault, or the signal's reason
   */
  async ask(
    method: string,
    url: string,
    headers: Readonly<Record<string, string>>,
    { body = null, onSent, signal }: AskOptions,
  ): Promise<HttpResponse> {
    signal?.throwIfAborted()
    const request = this.stack.createRequest(method, url)
    request.setHeader('Tus-Resumable', '1.0.0')
    for (const [name, value] of Object.entries(headers)) request.setHeader(name, value)
    if (onSent !== undefined) request.setProgressHandler(onSent)
    await this.sign(request)
    signal?.throwIfAborted()
    const onAbort = () => void request.abort()
    signal?.addEventListener('abort', onAbort, { once: true })
    try {
      const answer = await request.send(body)
      if (this.isSuccess(answer)) return answer
      throw this.refusalOf(request, answer)
    } catch (error) {
      signal?.throwIfAborted()
      throw this.faultOf(error, url)
    } finally {
      signal?.removeEventListener('abort', onAbort)
    }
  }

  /** Remembers that there was one. */
  isSuccess(answer: HttpResponse): boolean {
    const isSuccess = answer.getStatus() >= 200 && answer.getStatus() < 300
    this.#hasSucceeded ||= isSuccess
    return isSuccess
  }

  /** What an exception of tus-js-client's, or of the HTTP stack's, was about. */
  faultOf(error: unknown, url: string): unknown {
    if (isKnown(error)) return error
    if (!(error instanceof DetailedError)) return isLocal(error) ? new LocalFault(error) : failed(error, url)
    if (error.originalResponse !== null) return this.refusalOf(error.originalRequest, error.originalResponse)
    const cause = error.causingError
    if (isKnown(cause)) return cause
    return isLocal(cause) ? new LocalFault(cause) : failed(cause, url)
  }

  /** Also of answers with a status of success that lack what the protocol wants in them. */
  refusalOf(request: HttpRequest, answer: HttpResponse): ApiError | ForeignAnswer | SignInEnded {
    const header = (name: string) => answer.getHeader(name) ?? null
    const [status, body] = [answer.getStatus(), answer.getBody()]
    if (status < 300) return new ForeignAnswer(foreignWords(status, body), status)
    const error = tusErrorOf({ status, header, body })
    if (error instanceof ForeignAnswer || !isEndedSignIn(status, header('www-authenticate'))) return error
    const ended = new SignInEnded(error, sentCredential(request), this.#hasSucceeded)
    this.#hasSucceeded = false
    return ended
  }
}

function sentCredential(request: HttpRequest): string | null {
  return request.getHeader('Authorization')?.replace(/^Bearer /, '') ?? null
}

function isKnown(error: unknown): boolean {
  return (
    error instanceof ApiError ||
    error instanceof ForeignAnswer ||
    error instanceof ConnectionFailed ||
    error instanceof SignInEnded ||
    error instanceof LocalFault
  )
}

/** A body's own exceptions come out of the request that it was for. */
function isLocal(error: unknown): boolean {
  return error instanceof LocalFileDiffers || error instanceof LocalFileFailed
}

function failed(error: unknown, url: string): ConnectionFailed {
  return connectionFailed(error, new URL(url))
}
