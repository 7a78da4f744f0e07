// Whose uploads a query may touch. Every query names one of these, so none can forget the owner. Pure.

import type { Identity } from './identity.js'

/** No bound: for `admin`, and for what the server does on its own account. */
export const EVERYONE = Symbol('everyone')

/** One person under all of their names, with what others share with them. */
export interface Reach {
  readonly owners: readonly string[]
  /** Packages that are shared with one of these are reached, too. */
  readonly grantees: readonly string[]
  /** `write`: only those that are shared for writing. */
  readonly right: 'read' | 'write'
}

/** One owner's name, a Reach, or EVERYONE. What lies outside doesn't exist for the asker. */
export type OwnerScope = string | Reach | typeof EVERYONE

/** On whose behalf bytes come in. */
export interface Uploader {
  /** Whose an upload becomes. */
  readonly owner: string
  /** Which uploads may be gone on with. */
  readonly uploads: OwnerScope
  /** Into which packages it may be put. */
  readonly packages: OwnerScope
}

/** What is the asker's own, and nothing that is shared: for what only an owner may do. */
export function ownScope(identity: Identity): OwnerScope {
  return isUnbounded(identity) ? EVERYONE : personScope(identity)
}

/** The same for an administrator, too: for what nobody does to everybody's at once. */
export function personScope(identity: Identity): OwnerScope {
  return { owners: namesOf(identity), grantees: [], right: 'write' }
}

/** What the asker may read: their own, and the packages that are shared with them. */
export function readScope(identity: Identity): OwnerScope {
  return isUnbounded(identity) ? EVERYONE : reachOf(identity, 'read')
}

/** What the asker may put files into, take them out of, and finalize. */
export function writeScope(identity: Identity): OwnerScope {
  return isUnbounded(identity) ? EVERYONE : reachOf(identity, 'write')
}

export function uploaderOf(identity: Identity): Uploader {
  return { owner: identity.owner, uploads: ownScope(identity), packages: writeScope(identity) }
}

/** Whether what `owner` has is the asker's own. */
export function owns(scope: OwnerScope, owner: string): boolean {
  if (scope === EVERYONE) return true
  return typeof scope === 'string' ? scope === owner : scope.owners.includes(owner)
}

function reachOf(identity: Identity, right: Reach['right']): Reach {
  const owners = namesOf(identity)
  return { owners, grantees: [...owners, ...(identity.groups ?? [])], right }
}

function namesOf({ owner, aliases = [] }: Identity): string[] {
  return [owner, ...aliases]
}

function isUnbounded(identity: Identity): boolean {
  return identity.seesAll === true || identity.scopes.has('admin')
}
