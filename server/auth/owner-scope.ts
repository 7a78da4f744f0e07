// Whose uploads a query may touch. Every query names one of these, so none can forget the owner.

import type { Identity } from './identity.js'

/** No bound: for `admin`, and for what the server does on its own account. */
export const EVERYONE = Symbol('everyone')

/** One owner's name, or EVERYONE. What lies outside doesn't exist for the asker. */
export type OwnerScope = string | typeof EVERYONE

export function ownerScope(identity: Identity): OwnerScope {
  return identity.seesAll === true || identity.scopes.has('admin') ? EVERYONE : identity.owner
}
