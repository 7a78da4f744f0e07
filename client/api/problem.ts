// What an answer that isn't a success means: problem+json read into an error, whatever else named as what it is.

import { type ApiError, apiError, ForeignAnswer } from './errors.js'

/** What of an answer is needed: fetch's has it, and so has tus-js-client's. */
export interface Refusal {
  status: number
  header(name: string): string | null
  body: string
}

const QUOTED_CHARACTERS = 80

/** The error of an answer with a status of 400 or more, or of one that no antipasto server would give. */
export function errorOf({ status, header, body }: Refusal): ApiError | ForeignAnswer {
  const retryAfterSeconds = secondsUntil(header('retry-after'))
  const requestId = header('x-request-id')
  const problem = readProblem(body)
  if (problem !== null) {
    return apiError(problem.code, problem.detail, {
      status,
      requestId: problem.requestId ?? requestId,
      details: problem.details,
      retryAfterSeconds,
    })
  }
  const code = CODE_OF_BODILESS[status]
  // HEAD has no body, and a proxy in front writes its own: the status is what counts then.
  const isProxys = status >= 500 || status === 408 || status === 413 || status === 429
  if (code !== undefined && (requestId !== null || body === '' || isProxys)) {
    return apiError(code, OWN_WORDS[code] ?? `The server answered ${status}.`, {
      status,
      requestId,
      retryAfterSeconds,
    })
  }
  return new ForeignAnswer(foreignWords(status, body), status)
}

/** Says what came in place of an answer, and what to look at. */
export function foreignWords(status: number, body: string): string {
  const start = body.replaceAll(/\s+/g, ' ').trim().slice(0, QUOTED_CHARACTERS)
  const isPage = /^<(!doctype|html|\?xml)/i.test(start)
  const what = isPage ? 'A web page answered' : 'Something that is not antipasto answered'
  const quoted = start === '' ? '' : `, beginning ${quotedForPeople(start)}`
  return `${what} (status ${status}${quoted}). Check the server's URL, and whether this network wants a sign-in first.`
}

/** A body is anybody's: nothing of it may steer a terminal, or turn the text around. JSON leaves C1, bidi and the like. */
function quotedForPeople(text: string): string {
  return JSON.stringify(text).replaceAll(/[\p{Cc}\p{Cf}]/gu, (character) => {
    const code = character.codePointAt(0) ?? 0
    return code > 0xffff ? `\\u{${code.toString(16)}}` : `\\u${code.toString(16).padStart(4, '0')}`
  })
}

interface Problem {
  code: string
  detail: string
  requestId: string | null
  details: Record<string, unknown> | undefined
}

function readProblem(body: string): Problem | null {
  let value: unknown
  try {
    value = JSON.parse(body)
  } catch {
    return null
  }
  if (typeof value !== 'object' || value === null || !('code' in value) || !('detail' in value)) return null
  const { code, detail } = value
  if (typeof code !== 'string' || typeof detail !== 'string') return null
  const requestId = 'request_id' in value && typeof value.request_id === 'string' ? value.request_id : null
  const details = 'details' in value && isRecord(value.details) ? value.details : undefined
  return { code, detail, requestId, details }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** RFC 9110 §10.2.3 also knows a date; the server sends seconds. */
function secondsUntil(retryAfter: string | null): number | undefined {
  if (retryAfter === null || !/^\d{1,6}$/.test(retryAfter.trim())) return undefined
  return Number(retryAfter)
}

const CODE_OF_BODILESS: Partial<Record<number, string>> = {
  400: 'INVALID_INPUT',
  401: 'UNAUTHORIZED',
  403: 'FORBIDDEN',
  404: 'NOT_FOUND',
  408: 'REQUEST_TIMEOUT',
  409: 'CONFLICT',
  410: 'GONE',
  413: 'PAYLOAD_TOO_LARGE',
  423: 'LOCKED',
  429: 'RATE_LIMITED',
  500: 'INTERNAL',
  502: 'UNAVAILABLE',
  503: 'UNAVAILABLE',
  504: 'UNAVAILABLE',
  507: 'INSUFFICIENT_STORAGE',
}

const OWN_WORDS: Record<string, string> = {
  UNAUTHORIZED: 'The server does not accept this credential. Sign in, or give a key that is valid.',
  FORBIDDEN: 'This credential may not do that. Ask for one with more scopes.',
  NOT_FOUND: 'The server does not know it.',
  GONE: 'It has ended: deleted, expired, canceled or failed.',
  REQUEST_TIMEOUT: 'The server, or a proxy before it, waited too long for this request. Try again.',
  PAYLOAD_TOO_LARGE: 'This is larger than the server, or a proxy before it, allows.',
  LOCKED: 'Another request is writing to this upload. Try again in a moment.',
  RATE_LIMITED: 'Too many requests. Try again later.',
  UNAVAILABLE: 'The server is not available at the moment. Try again in a while.',
  INSUFFICIENT_STORAGE: 'The server has no room left. Tell the people who run it.',
  INTERNAL: 'The server met a fault of its own. Try again; if it stays, tell the people who run it.',
}
