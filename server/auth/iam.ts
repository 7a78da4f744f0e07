// API keys of an IAM, which changes them for tokens: EDI's protocol.

import { hash } from 'node:crypto'
import { AppError, isAppError } from '../errors.js'
import type { Log } from '../ops/log.js'
import { ask } from './bounded-request.js'
import type { Identity } from './identity.js'

const TIMEOUT_MS = 5_000
const MOST_ANSWER_BYTES = 64 * 1024

/** Exchanges at once: who tries made-up keys must not make us a burden to the IAM. */
const MOST_AT_ONCE = 8

/** How long a key that was refused isn't asked for again. */
const REFUSED_MS = 60_000

/** How long before its end a token is changed for a new one. */
const MARGIN_MS = 60_000

/** Bounds what the memory can take. */
const MOST_KNOWN = 10_000

export interface IamOptions {
  /** An origin. */
  readonly iamUrl: string
  /** Whose token the answer is: it is checked like any other. */
  readonly identifyToken: (token: string) => Promise<Identity | undefined>
  readonly log: Log
  /** Milliseconds since 1970. */
  readonly now: () => number
}

export interface Iam {
  /**
   * Whose key this is; undefined when the IAM doesn't know it.
   *
   * @throws UNAVAILABLE while the IAM can't be asked
   */
  identify(key: string): Promise<Identity | undefined>
}

/** 27 characters of base64url, and not one of ours, which nobody else has to see. */
export function looksLikeIamKey(credential: string): boolean {
  return /^[\w-]{27}$/.test(credential) && !credential.startsWith('ap_')
}

export function openIam({ iamUrl, identifyToken, log, now }: IamOptions): Iam {
  const known = new Map<string, { identity: Identity | undefined; untilMs: number }>()
  const asking = new Map<string, Promise<Identity | undefined>>()

  const learn = (digest: string, identity: Identity | undefined): void => {
    const end = identity?.expiresAt?.getTime()
    const untilMs = end === undefined ? now() + REFUSED_MS : end - MARGIN_MS
    if (known.size >= MOST_KNOWN) known.clear()
    known.set(digest, { identity, untilMs })
  }

  const exchange = async (key: string): Promise<Identity | undefined> => {
    const token = await tokenFor(iamUrl, key)
    if (token === undefined) return undefined
    const identity = await identifyToken(token).catch(undefinedWhenRefused)
    if (identity === undefined) {
      log.warn('the IAM made a token that is not accepted here: see AUTH_PUBLIC_KEY_FILE and AUTH_ISSUER')
    }
    return identity
  }

  return {
    async identify(key) {
      const digest = hash('sha256', key)
      const found = known.get(digest)
      if (found !== undefined && now() < found.untilMs) return found.identity
      const running = asking.get(digest)
      if (running !== undefined) return running
      if (asking.size >= MOST_AT_ONCE) throw unavailable('busy', undefined, 1)
      const asked = exchange(key)
        .then((identity) => {
          learn(digest, identity)
          return identity
        })
        .finally(() => asking.delete(digest))
      asking.set(digest, asked)
      return asked
    },
  }
}

/** Undefined: the IAM doesn't know the key. @throws UNAVAILABLE */
async function tokenFor(iamUrl: string, key: string): Promise<string | undefined> {
  const request = { url: `${iamUrl}/auth/v1/key`, body: { key }, timeoutMs: TIMEOUT_MS }
  const { status, text } = await ask({ ...request, mostAnswerBytes: MOST_ANSWER_BYTES }).catch(
    (cause: unknown) => {
      throw unavailable('out of reach', cause)
    },
  )
  if (status === 401) return undefined
  const token = status === 200 ? tokenIn(text) : undefined
  if (token === undefined) throw unavailable('not working', new Error(`The IAM answered ${status}.`))
  return token
}

function tokenIn(text: string): string | undefined {
  try {
    const answer: unknown = JSON.parse(text)
    const isAnswer = typeof answer === 'object' && answer !== null && 'edi-token' in answer
    return isAnswer && typeof answer['edi-token'] === 'string' ? answer['edi-token'] : undefined
  } catch {
    return undefined
  }
}

/** Of the token: "sign in again" is nothing that who has a key could do. */
function undefinedWhenRefused(error: unknown): undefined {
  if (!isAppError(error, 'UNAUTHORIZED')) throw error
}

function unavailable(how: string, cause: unknown, retryAfterSeconds = 5): AppError {
  return new AppError(
    'UNAVAILABLE',
    `Your key can't be checked now: the sign-in service is ${how}. Try again.`,
    {
      cause,
      retryAfterSeconds,
    },
  )
}
