// What a receiver does, written from the specification of Standard Webhooks and from nothing of ours.

import { createHmac, timingSafeEqual } from 'node:crypto'
import type { Received } from './receiver.js'

/** True when `received` was signed with `secret` (of the form whsec_BASE64, or plain) within five minutes of now. */
export function isGenuine({ headers, body }: Received, secret: string): boolean {
  const id = String(headers['webhook-id'])
  const timestamp = String(headers['webhook-timestamp'])
  if (Math.abs(Date.now() / 1000 - Number(timestamp)) > 300) return false
  const [, base64] = /^whsec_(.+)$/.exec(secret) ?? []
  const key = base64 === undefined ? Buffer.from(secret, 'utf8') : Buffer.from(base64, 'base64')
  const expected = createHmac('sha256', key).update([id, timestamp, body].join('.')).digest()
  return String(headers['webhook-signature'])
    .split(' ')
    .some((signature) => {
      const [version, digest = ''] = signature.split(',')
      const given = Buffer.from(digest, 'base64')
      return version === 'v1' && given.length === expected.length && timingSafeEqual(given, expected)
    })
}
