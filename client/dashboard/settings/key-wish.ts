// What a new API key is to be, of what was put into the form. Pure.

import type { ApiKeyWish, Me } from '../../api/types.js'
import type { Scope } from '../sign-in/rights.js'

export interface KeyForm {
  name: string
  scopes: ReadonlySet<Scope>
  /** As it was typed; empty: without an end of its own. */
  days: string
}

/** What to mend, by the field that it is in. */
export interface KeyFaults {
  name?: 'empty' | 'long'
  scopes?: 'none'
  days?: 'number' | 'late'
}

const DAY_MS = 86_400_000
/** The server's limit. */
const MOST_NAME_BYTES = 100
/** RFC 3339 has four digits for the year. */
const MOST_DAYS = 365 * 1_000

/** When a key that `me` makes must have ended, in milliseconds since 1970; null: it need not. */
export function latestEndMs(me: Pick<Me, 'key_id' | 'expires_at' | 'scopes'>): number | null {
  // A key lends no more time than it has; a token of the IAM makes keys that outlive it, and so does `admin`.
  if (me.key_id === null || me.expires_at === null || me.scopes.includes('admin')) return null
  return Date.parse(me.expires_at)
}

/** All scopes of `me` but `admin`, which nobody should give away unawares. */
export function usualScopes(me: Pick<Me, 'scopes'>): ReadonlySet<Scope> {
  return new Set(me.scopes.filter((scope) => scope !== 'admin'))
}

/** What is asked of the server, or what is wrong with the form. */
export function keyWishOf(
  { name, scopes, days }: KeyForm,
  me: Pick<Me, 'key_id' | 'expires_at' | 'scopes'>,
  nowMs: number,
): { wish: ApiKeyWish } | { faults: KeyFaults } {
  const latestMs = latestEndMs(me)
  const faults: KeyFaults = {}
  const wanted = name.trim()
  if (wanted === '') faults.name = 'empty'
  else if (new TextEncoder().encode(wanted).length > MOST_NAME_BYTES) faults.name = 'long'
  if (scopes.size === 0) faults.scopes = 'none'
  const text = days.trim()
  const endMs = nowMs + Number(text) * DAY_MS
  if (text !== '') {
    if (!/^[1-9]\d*$/.test(text) || Number(text) > MOST_DAYS) faults.days = 'number'
    else if (latestMs !== null && endMs > latestMs) faults.days = 'late'
  }
  if (Object.keys(faults).length > 0) return { faults }
  return {
    wish: {
      name: wanted,
      scopes: [...scopes],
      ...(text === '' ? {} : { expires_at: new Date(endMs).toISOString() }),
    },
  }
}
