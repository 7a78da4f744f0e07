// From a JWT to its identity. What comes in is hostile: whatever can be refused without cryptography, is.

import { hash } from 'node:crypto'
import { decodeProtectedHeader, errors, type JWTPayload, jwtVerify } from 'jose'
import { AppError } from '../errors.js'
import type { Log } from '../ops/log.js'
import { type ClaimRules, identityOfClaims } from './claims.js'
import { type Identity, TOKEN_LEEWAY_SECONDS } from './identity.js'
import type { JwtKeys } from './jwt-keys.js'
import type { VerificationKey } from './verification-key.js'

/** Of any credential: longer ones are worth nothing, and aren't looked at. */
export const MOST_CREDENTIAL_LENGTH = 16 * 1024

/** How long a token is believed without looking at it again: a client sends the same one with thousands of PATCHes. */
const TRUST_MS = 60_000

/** Bounds what the memory can take. Only tokens that were found right are kept. */
const MOST_TRUSTED_TOKENS = 1_000

const ASYMMETRIC = /^(ES|RS|PS)(256|384|512)$|^EdDSA$|^Ed25519$/
const TYPES = new Set(['jwt', 'at+jwt', 'application/jwt', 'application/at+jwt'])

/**
 * Headers that bring or name a key, or rules of their own. Nobody who signs for us needs them, and followed they would let a
 * token say who may have made it.
 */
const REFUSED_HEADERS = ['crit', 'jku', 'jwk', 'x5u', 'x5c', 'b64', 'zip', 'enc']

export interface JwtVerifierOptions {
  readonly keys: JwtKeys
  readonly issuer: string
  /** Undefined: not looked at. */
  readonly audience: string | undefined
  readonly rules: ClaimRules
  readonly log: Log
  /** Milliseconds since 1970. */
  readonly now: () => number
}

export interface JwtVerifier {
  /**
   * Whose token this is; undefined when it is worth nothing.
   *
   * @throws UNAUTHORIZED for a token that was good and has expired, UNAVAILABLE while the keys can't be read
   */
  identify(token: string): Promise<Identity | undefined>
}

/** Begins like JSON in base64url: no API key of ours does. What is wrong about it, `identify` finds. */
export function looksLikeJwt(credential: string): boolean {
  return /^eyJ[\w-]*\./.test(credential)
}

export function openJwtVerifier({
  keys,
  issuer,
  audience,
  rules,
  log,
  now,
}: JwtVerifierOptions): JwtVerifier {
  const trusted = new Map<string, { identity: Identity; untilMs: number }>()

  const refuse = (reason: string): undefined => {
    // Which check failed helps who forges one; and the operator, who sees nothing of the token here.
    log.debug({ reason }, 'token refused')
    return undefined
  }

  const verify = async (token: string): Promise<Identity | undefined> => {
    const header = readHeader(token)
    if ('fault' in header) return refuse(header.fault)
    const { keys: fitting, outage } = await keys.find(header)
    const checked = await check(token, fitting, { alg: header.alg, issuer, audience, nowMs: now() })
    if ('fault' in checked) {
      if (outage !== undefined) throw outage
      return refuse(checked.fault)
    }
    const outcome = identityOfClaims(checked.claims, rules)
    if ('fault' in outcome) return refuse(outcome.fault)
    if (checked.isExpired) throw expiredToken()
    return outcome.identity
  }

  return {
    async identify(token) {
      if (token.length > MOST_CREDENTIAL_LENGTH) return refuse('too long')
      const digest = hash('sha256', token)
      const known = trusted.get(digest)
      if (known !== undefined && now() < known.untilMs) return known.identity
      trusted.delete(digest)
      const identity = await verify(token)
      if (identity?.expiresAt !== undefined) {
        if (trusted.size >= MOST_TRUSTED_TOKENS) trusted.clear()
        trusted.set(digest, { identity, untilMs: Math.min(now() + TRUST_MS, identity.expiresAt.getTime()) })
      }
      return identity
    },
  }
}

/** RFC 6750 §3.1. Only for a token that was found right in everything else: it tells who holds it what to do. */
export function expiredToken(): AppError {
  return new AppError(
    'UNAUTHORIZED',
    'Your token has expired. Sign in again, then go on: HEAD tells the offset.',
    {
      details: { error: 'invalid_token', error_description: 'The token has expired' },
    },
  )
}

type Header = { alg: string; kid: string | undefined }

function readHeader(token: string): Header | { fault: string } {
  // Five parts are an encrypted one: nobody does that here.
  if (!/^[\w-]+\.[\w-]+\.[\w-]+$/.test(token)) return { fault: 'form' }
  let header: Readonly<Record<string, unknown>>
  try {
    header = { ...decodeProtectedHeader(token) }
  } catch {
    return { fault: 'header' }
  }
  const { alg, kid, typ } = header
  if (typeof alg !== 'string' || !ASYMMETRIC.test(alg)) return { fault: 'alg' }
  if (kid !== undefined && typeof kid !== 'string') return { fault: 'kid' }
  if (typ !== undefined && !(typeof typ === 'string' && TYPES.has(typ.toLowerCase()))) return { fault: 'typ' }
  const refused = REFUSED_HEADERS.find((name) => Object.hasOwn(header, name))
  return refused === undefined ? { alg, kid } : { fault: refused }
}

interface Expected {
  alg: string
  issuer: string
  audience: string | undefined
  nowMs: number
}

/** The claims, when one of `keys` has signed them and they are for us. */
async function check(
  token: string,
  keys: readonly VerificationKey[],
  { alg, issuer, audience, nowMs }: Expected,
): Promise<{ claims: JWTPayload; isExpired: boolean } | { fault: string }> {
  for (const { key } of keys) {
    try {
      const { payload } = await jwtVerify(token, key, {
        algorithms: [alg],
        issuer,
        ...(audience === undefined ? {} : { audience }),
        requiredClaims: ['exp', 'sub'],
        clockTolerance: TOKEN_LEEWAY_SECONDS,
        currentDate: new Date(nowMs),
      })
      return { claims: payload, isExpired: false }
    } catch (error) {
      // jose looks at the end last of all.
      if (error instanceof errors.JWTExpired) return { claims: error.payload, isExpired: true }
      if (error instanceof errors.JWSSignatureVerificationFailed) continue
      if (error instanceof errors.JWTClaimValidationFailed) return { fault: error.claim }
      if (error instanceof errors.JOSEError) return { fault: error.code }
      throw error
    }
  }
  return { fault: keys.length === 0 ? 'no key' : 'signature' }
}
