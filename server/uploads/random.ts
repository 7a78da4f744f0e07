// Names that can't be guessed: 160 bits of the system's randomness each.

import { randomBytes } from 'node:crypto'

const BYTES = 20

/** An upload's id, and its key in the store: lowercase hex, safe on every file system. */
export function randomId(): string {
  return randomBytes(BYTES).toString('hex')
}

/** True when `text` could be an upload's id. What couldn't is answered like an unknown one, without asking for it. */
export function isId(text: string): boolean {
  return /^[0-9a-f]{40}$/.test(text)
}

/** A capability in a URL: base64url, short. */
export function randomToken(): string {
  return randomBytes(BYTES).toString('base64url')
}

export function isToken(text: string): boolean {
  return /^[\w-]{27}$/.test(text)
}
