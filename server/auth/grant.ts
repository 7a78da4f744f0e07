// What a credential may give away: a key can make other keys, but none that reaches further than it does itself. Pure.

import { AppError } from '../errors.js'
import { hasScope, type Identity, type Scope, scopes } from './identity.js'

/** Neither revoked nor expired, of one owner. */
export const MOST_LIVING_KEYS = 100

/** Of one key. */
export const MOST_GROUPS = 100

/** Names of owners and groups: they go into logs, headers and command lines. */
export const OWNER_PATTERN = /^[\x21-\x7e]{1,128}$/

/** What is asked for; what isn't said is as wide as the maker allows. */
export interface WantedKey {
  name: string
  owner?: string | undefined
  scopes?: readonly Scope[] | undefined
  groups?: readonly string[] | undefined
  expiresAt?: Date | undefined
}

/**
 * Whose a key that `maker` makes is, and what it may do.
 *
 * Unless they are named, it has all scopes of `maker` but `admin`, which nobody should get unawares, and, when it is the
 * maker's own, all groups.
 *
 * @throws FORBIDDEN, naming the scope that `maker` lacks
 */
export function grantOf(
  maker: Identity,
  wanted: Pick<WantedKey, 'owner' | 'scopes' | 'groups'>,
): { owner: string; scopes: readonly Scope[]; groups: readonly string[] } {
  const { owner = maker.owner } = wanted
  if (owner !== maker.owner && !maker.scopes.has('admin')) {
    throw lacking('admin', 'Only the scope "admin" makes keys for another owner. Leave "owner" out.')
  }
  const granted = wanted.scopes ?? scopes.filter((scope) => scope !== 'admin' && hasScope(maker, scope))
  checkReach(maker, granted, 'A key makes none that may do more than itself. Leave that scope out.')
  const { groups: own = [] } = maker
  const groups = wanted.groups ?? (owner === maker.owner ? own : [])
  const strange = groups.find((group) => !own.includes(group))
  if (strange !== undefined && !maker.scopes.has('admin')) {
    throw new AppError(
      'FORBIDDEN',
      `You don't belong to the group "${strange}". Leave it out, or ask an administrator.`,
    )
  }
  return { owner, scopes: granted, groups }
}

/** @throws FORBIDDEN when the key may do something that `identity` may not */
export function checkMayRevoke(identity: Identity, keyScopes: readonly Scope[]): void {
  checkReach(identity, keyScopes, 'A key revokes none that may do more than itself.')
}

/**
 * When a new key ends; null: never.
 *
 * It doesn't outlive the key that makes it, or one that was lent for a day could make itself one for ever. `admin` may.
 *
 * @param makerExpiresAt null: never, or it isn't a key of the database
 * @throws INVALID_INPUT for what isn't later than `now`, FORBIDDEN for what is later than `maker` lasts
 */
export function expiryOf(
  wanted: Date | undefined,
  now: Date,
  maker: Identity,
  makerExpiresAt: Date | null,
): Date | null {
  if (wanted !== undefined && wanted <= now) {
    throw new AppError(
      'INVALID_INPUT',
      `expires_at: must be later than now, which is ${now.toISOString()} here. Leave it out for a key that never expires.`,
    )
  }
  const latest = maker.scopes.has('admin') ? null : makerExpiresAt
  if (latest === null || (wanted !== undefined && wanted <= latest)) return wanted ?? null
  if (wanted === undefined) return latest
  throw new AppError(
    'FORBIDDEN',
    `A key doesn't outlive the one that makes it. Name a time until ${latest.toISOString()}, or use a key that lasts longer.`,
    { details: { latest_expires_at: latest.toISOString() } },
  )
}

function checkReach(identity: Identity, wanted: readonly Scope[], rule: string): void {
  const missing = wanted.find((scope) => !hasScope(identity, scope))
  if (missing !== undefined) throw lacking(missing, `Your credential lacks the scope "${missing}". ${rule}`)
}

function lacking(scope: Scope, detail: string): AppError {
  return new AppError('FORBIDDEN', detail, { details: { missing_scope: scope } })
}
