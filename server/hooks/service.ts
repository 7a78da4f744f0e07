// A check by an http service: the bytes by POST, the status of its answer is the answer.

import http, { type ClientRequest, type IncomingMessage } from 'node:http'
import https from 'node:https'
import { AppError } from '../errors.js'
import type { ContentCheck, ContentFacts, ReadContent, Verdict } from './content-check.js'
import { headersOf } from './facts.js'
import { feed } from './feed.js'
import { FirstBytes, wordsOf } from './words.js'

/** A host that swallows what is sent to it would keep a place for as long as a check may take. */
const CONNECT_MS = 10_000
const KEEP_ALIVE_MS = 30_000
const MOST_ANSWER_BYTES = 64 * 1024

interface Answer {
  status: number
  contentType: string
  body: string
}

export class ServiceCheck implements ContentCheck {
  readonly #url: URL

  /** @param url http or https; a user and a password in it go along as Basic authentication */
  constructor(url: string) {
    this.#url = new URL(url)
  }

  async check(facts: ContentFacts, read: ReadContent, signal: AbortSignal): Promise<Verdict> {
    signal.throwIfAborted()
    const cutting = new AbortController()
    const cut = () => cutting.abort(signal.reason)
    signal.addEventListener('abort', cut, { once: true })
    const request = (this.#url.protocol === 'https:' ? https : http).request(this.#url, {
      method: 'POST',
      headers: {
        'Content-Type': 'application/octet-stream',
        'Content-Length': facts.sizeBytes,
        ...headersOf(facts),
      },
      agent: false,
      signal: cutting.signal,
    })
    const answered = answerTo(request)
    // Bytes that can't be read cut the request: its answer would be about those that were sent.
    const fed = feed(read, request, cutting.signal).catch((error: unknown) => cutting.abort(error))
    try {
      const answer = await answered
      cutting.signal.throwIfAborted()
      return verdictOf(answer)
    } catch (error) {
      throw cutting.signal.aborted ? cutting.signal.reason : error
    } finally {
      signal.removeEventListener('abort', cut)
      // Ends the request too: of an answer that came early, the rest isn't wanted.
      cutting.abort()
      await fed
    }
  }
}

/** @throws UNAVAILABLE when there is none, or only a part of it */
function answerTo(request: ClientRequest): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const late = new Error(`no connection within ${CONNECT_MS / 1000} seconds`)
    const timer = setTimeout(() => request.destroy(late), CONNECT_MS)
    request.once('socket', (socket) => {
      socket.setKeepAlive(true, KEEP_ALIVE_MS)
      const event = 'encrypted' in socket ? 'secureConnect' : 'connect'
      socket.once(event, () => clearTimeout(timer))
    })
    let hasAnswer = false
    request.once('response', (response) => {
      hasAnswer = true
      readAnswer(response).then(resolve, reject)
    })
    // Once there is an answer, it tells its end itself.
    request.on('error', (error) => {
      if (!hasAnswer) reject(noAnswer(error))
    })
    // Also when Node says nothing else, as after an unasked-for 101.
    request.once('close', () => {
      clearTimeout(timer)
      if (!hasAnswer) reject(noAnswer(new Error('closed without an answer')))
    })
  })
}

function readAnswer(response: IncomingMessage): Promise<Answer> {
  const bytes = new FirstBytes(MOST_ANSWER_BYTES)
  return new Promise((resolve, reject) => {
    let hasEnough = false
    response.on('data', (chunk: Buffer) => {
      hasEnough ||= !bytes.add(chunk)
      if (hasEnough) response.destroy()
    })
    response.on('error', () => {})
    response.once('close', () => {
      if (!hasEnough && !response.complete) return reject(noAnswer(new Error('the answer was cut off')))
      const contentType = response.headers['content-type'] ?? ''
      resolve({ status: response.statusCode ?? 0, contentType, body: bytes.text() })
    })
  })
}

function verdictOf({ status, contentType, body }: Answer): Verdict {
  if (status >= 200 && status < 300) return { isAccepted: true }
  if (status === 422) return { isAccepted: false, words: wordsOf(detailOf(contentType, body)) }
  const hint =
    status >= 300 && status < 400 ? ' Redirects are not followed: set ON_READY_URL to where it leads.' : ''
  throw new AppError('UNAVAILABLE', `The content check's service answered ${status}.${hint}`)
}

/** RFC 9457 tells it in `detail`; anything else is the text as it is. */
function detailOf(contentType: string, body: string): string {
  if (!/^application\/(problem\+)?json\b/i.test(contentType)) return body
  try {
    const problem: unknown = JSON.parse(body)
    if (typeof problem !== 'object' || problem === null) return body
    if ('detail' in problem && typeof problem.detail === 'string') return problem.detail
    if ('title' in problem && typeof problem.title === 'string') return problem.title
  } catch {
    // Not what it says it is.
  }
  return body
}

function noAnswer(cause: Error): AppError {
  return new AppError('UNAVAILABLE', `The content check's service gave no answer: ${cause.message}.`, {
    cause,
  })
}
