// Which key checks which signature: every key is held to its own algorithms. Pure.

import { createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto'

/** A public key, and what it may check. */
export interface VerificationKey {
  /** Undefined: the key has no name, and a token that names one may be its own all the same. */
  readonly kid: string | undefined
  readonly algorithms: readonly string[]
  readonly key: KeyObject
}

/** Why a key can't be used; ends the sentence "…: ". `isForOther`: it is a good key, only not for checking signatures. */
export interface KeyFault {
  readonly fault: string
  readonly isForOther?: true
}

const ALGORITHMS_OF_CURVE: Readonly<Record<string, readonly string[]>> = {
  'P-256': ['ES256'],
  'P-384': ['ES384'],
  'P-521': ['ES512'],
  // RFC 9864 gave the one that was meant by EdDSA its own name.
  Ed25519: ['EdDSA', 'Ed25519'],
}

const ALGORITHMS_OF_RSA = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512']

/** RFC 7518 §3.3 and §3.5. */
const LEAST_RSA_BITS = 2048

/** Longer ones than anybody makes, which would take seconds to check with. */
const MOST_RSA_BITS = 8192

const MOST_KEYS = 100

/** From PEM: a public key (SPKI) or an X.509 certificate. */
export function keyOfPem(text: string, allowed: readonly string[] | undefined): VerificationKey | KeyFault {
  // Node would derive the public key, and the secret would lie about where it isn't needed.
  if (/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text)) {
    return { fault: 'it is a private key, which must not be here; write its public key into the file' }
  }
  const [, label] = /-----BEGIN (PUBLIC KEY|RSA PUBLIC KEY|CERTIFICATE)-----/.exec(text) ?? []
  if (label === undefined) return { fault: 'it has no public key or certificate in PEM' }
  if ((text.match(/-----BEGIN /g)?.length ?? 0) > 1)
    return { fault: 'it has more than one key; use AUTH_JWKS_FILE' }
  try {
    return heldToAlgorithms(createPublicKey(text), undefined, undefined, allowed)
  } catch {
    return { fault: 'its PEM is broken, or of a kind that is not known here' }
  }
}

/** From one member of a JWK set. */
export function keyOfJwk(jwk: unknown, allowed: readonly string[] | undefined): VerificationKey | KeyFault {
  if (!isRecord(jwk)) return { fault: 'it is not an object' }
  const { kty, kid, alg, use, key_ops: operations } = jwk
  if (kty === 'oct' || 'k' in jwk) {
    return { fault: 'it is a shared secret, with which whoever checks tokens could make them' }
  }
  if ('d' in jwk) return { fault: 'it is a private key, which must not be here' }
  if (use !== undefined && use !== 'sig') return { fault: 'it is not for signatures', isForOther: true }
  if (operations !== undefined && !(Array.isArray(operations) && operations.includes('verify'))) {
    return { fault: 'it is not for checking signatures', isForOther: true }
  }
  if (kid !== undefined && typeof kid !== 'string') return { fault: 'its kid is not a text' }
  if (alg !== undefined && typeof alg !== 'string') return { fault: 'its alg is not a text' }
  try {
    // Node looks at the members itself.
    return heldToAlgorithms(createPublicKey({ key: jwk as JsonWebKey, format: 'jwk' }), kid, alg, allowed)
  } catch {
    return { fault: 'it is broken, or of a kind that is not known here' }
  }
}

export interface KeySet {
  readonly keys: readonly VerificationKey[]
  /** Of those that were left out, without those that are for other things. */
  readonly faults: readonly string[]
}

/** From the text of a JWK set; undefined when it isn't one. */
export function keysOfJwks(text: string, allowed: readonly string[] | undefined): KeySet | undefined {
  const members = membersOf(text)
  if (members === undefined || members.length > MOST_KEYS) return undefined
  const keys: VerificationKey[] = []
  const faults: string[] = []
  for (const [index, jwk] of members.entries()) {
    const read = keyOfJwk(jwk, allowed)
    if ('key' in read) keys.push(read)
    else if (read.isForOther !== true) faults.push(`key ${index + 1}: ${read.fault}`)
  }
  return { keys, faults }
}

/** Those that may check a token with this header. A key without a name may check any. */
export function keysFitting(
  keys: readonly VerificationKey[],
  { alg, kid }: { alg: string; kid: string | undefined },
): VerificationKey[] {
  return keys.filter(
    (key) => key.algorithms.includes(alg) && (kid === undefined || key.kid === undefined || key.kid === kid),
  )
}

/**
 * Which algorithms a key is for: that of its JWK, or what its kind says, and of these only those that are `allowed`. RSA keys
 * fit several: unless those are named, it is RS256.
 */
function heldToAlgorithms(
  key: KeyObject,
  kid: string | undefined,
  named: string | undefined,
  allowed: readonly string[] | undefined,
): VerificationKey | KeyFault {
  const { kty, crv } = key.export({ format: 'jwk' })
  const isRsa = kty === 'RSA'
  const possible = isRsa ? ALGORITHMS_OF_RSA : (ALGORITHMS_OF_CURVE[crv ?? ''] ?? [])
  if (isRsa) {
    const bits = key.asymmetricKeyDetails?.modulusLength ?? 0
    if (bits < LEAST_RSA_BITS) return { fault: `it has ${bits} bits; RSA keys need ${LEAST_RSA_BITS}` }
    if (bits > MOST_RSA_BITS) return { fault: `it has ${bits} bits; RSA keys have at most ${MOST_RSA_BITS}` }
  }
  const byKind = isRsa && allowed === undefined ? ['RS256'] : possible
  const own = named === undefined ? byKind : possible.filter((name) => isSameAlgorithm(name, named))
  const algorithms = allowed === undefined ? own : own.filter((name) => allowed.includes(name))
  if (algorithms.length > 0) return { kid, algorithms, key }
  const only = allowed === undefined ? '' : `; AUTH_ALGORITHMS allows ${allowed.join(', ')}`
  return { fault: `its kind (${[kty, crv, named].filter(Boolean).join(', ')}) fits no algorithm${only}` }
}

/** EdDSA has only ever meant Ed25519 here. */
function isSameAlgorithm(one: string, other: string): boolean {
  const isEd = (name: string): boolean => name === 'EdDSA' || name === 'Ed25519'
  return one === other || (isEd(one) && isEd(other))
}

function membersOf(text: string): unknown[] | undefined {
  try {
    const set: unknown = JSON.parse(text)
    return isRecord(set) && Array.isArray(set.keys) ? set.keys : undefined
  } catch {
    return undefined
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
