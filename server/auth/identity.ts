// Who asks, and what they may do. Pure.

import { AppError } from '../errors.js'

export const scopes = ['upload', 'read', 'delete', 'admin'] as const

/** `admin` implies the others. */
export type Scope = (typeof scopes)[number]

export interface Identity {
  /** Whose uploads these are: what another owner has doesn't exist for this one, unless it is shared. */
  readonly owner: string
  /** Other names of the same person: what those own is this one's, too. */
  readonly aliases?: readonly string[]
  /** Groups it belongs to: it reaches the packages that are shared with them. */
  readonly groups?: readonly string[]
  readonly scopes: ReadonlySet<Scope>
  /** The API key in the database, when there is one. */
  readonly keyId?: string
  /** When its credential ends, if it does: what was begun with it and never ends by itself, ends then. */
  readonly expiresAt?: Date
  /** Sees every owner's uploads: reading without a credential, in development. */
  readonly seesAll?: true
}

/** How far clocks may differ: a token is taken for so much longer. */
export const TOKEN_LEEWAY_SECONDS = 60

/** Who did something, as the events tell it. */
export interface Actor {
  readonly owner: string
  readonly keyId: string | null
  /** Leads to the line in the log. */
  readonly requestId: string | null
}

/** Whoever sits at the server itself. */
export const OPERATOR: Actor = { owner: 'operator', keyId: null, requestId: null }

/** What `ANON_READ=true` gives to a request without a credential. It may read everything and owns nothing. */
export const anonymousReader: Identity = { owner: 'anonymous', scopes: new Set(['read']), seesAll: true }

export function isScope(text: string): text is Scope {
  return scopes.some((scope) => scope === text)
}

export function hasScope(identity: Identity, scope: Scope): boolean {
  return identity.scopes.has(scope) || identity.scopes.has('admin')
}

/** Throws FORBIDDEN, which names the scope, when `identity` lacks it. */
export function checkScope(identity: Identity, scope: Scope): void {
  if (hasScope(identity, scope)) return
  throw new AppError('FORBIDDEN', `This needs a credential with the scope "${scope}".`, {
    details: { missing_scope: scope },
  })
}
