// How a delivery proves that it comes from here and is fresh: https://www.standardwebhooks.com, symmetric. Pure.

import { createHmac } from 'node:crypto'

/** Before a secret that is bytes in base64; any other secret is its characters. */
export const SECRET_PREFIX = 'whsec_'

const LEAST_KEY_BYTES = 24
const MOST_KEY_BYTES = 64

/** What is wrong with a secret that a user brings; undefined: nothing. */
export function faultOfSecret(secret: string): string | undefined {
  // Other characters have several spellings, and receivers would compare another one.
  if (!/^[\x20-\x7e]{16,256}$/.test(secret))
    return 'must be 16 to 256 characters of ASCII, without control characters'
  if (!secret.startsWith(SECRET_PREFIX)) return undefined
  const key = keyOf(secret)
  const isBase64 = key.toString('base64') === secret.slice(SECRET_PREFIX.length)
  return isBase64 && key.length >= LEAST_KEY_BYTES && key.length <= MOST_KEY_BYTES
    ? undefined
    : `that begins with ${SECRET_PREFIX} must go on with base64 of ${LEAST_KEY_BYTES} to ${MOST_KEY_BYTES} bytes`
}

/** `key` as a secret that every Standard Webhooks library takes. */
export function secretOf(key: Buffer): string {
  return `${SECRET_PREFIX}${key.toString('base64')}`
}

export interface SignedMessage {
  /** The same on every attempt. */
  id: string
  /** Seconds since 1970, of this attempt. */
  timestampSeconds: number
  body: string
}

/** The header `Webhook-Signature`: a version, a comma, HMAC-SHA256 in base64. */
export function signatureOf({ id, timestampSeconds, body }: SignedMessage, secret: string): string {
  const signed = `${id}.${timestampSeconds}.${body}`
  return `v1,${createHmac('sha256', keyOf(secret)).update(signed).digest('base64')}`
}

function keyOf(secret: string): Buffer {
  return secret.startsWith(SECRET_PREFIX)
    ? Buffer.from(secret.slice(SECRET_PREFIX.length), 'base64')
    : Buffer.from(secret)
}
