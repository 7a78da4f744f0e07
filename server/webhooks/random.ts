// Secrets, and ids of deliveries. A webhook's id is like an upload's.

import { randomBytes } from 'node:crypto'
import { secretOf } from './signature.js'

export function randomSecret(): string {
  return secretOf(randomBytes(32))
}

/** A delivery's id. Those of one webhook sort by the sequence of what they tell: a list by time and id is then in order. */
export function randomDeliveryId(sequence: number): string {
  return sequence.toString(16).padStart(16, '0') + randomBytes(12).toString('hex')
}
