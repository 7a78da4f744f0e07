// From the claims of a verified token to who asks. Pure.

import type { ScopeRule } from '../config/rules.js'
import { defaultOwner } from './configured-keys.js'
import { OWNER_PATTERN } from './grant.js'
import { anonymousReader, type Identity, OPERATOR, type Scope } from './identity.js'

/** EDI's name of a person or a group. */
export const EDI_ID_PATTERN = /^EDI-[0-9a-f]{40}$/

export interface ClaimRules {
  /** What `sub` has to look like. Nothing that OWNER_PATTERN doesn't allow is an owner, whatever this says. */
  readonly ownerPattern: RegExp
  /** `hd` that has to be there; undefined: not looked at. */
  readonly hostedDomain: string | undefined
  readonly scopes: readonly ScopeRule[]
}

/** `fault` is for the log: which claim is wrong, never its value. */
export type ClaimsOutcome = { identity: Identity } | { fault: string }

/** A person has few names, and queries carry them all. */
const MOST_ALIASES = 100
const MOST_GROUPS = 500

/** RFC 7519 allows any number; past this a Date has no meaning. */
const LATEST_SECONDS = 8_640_000_000_000

/**
 * Owners that have a meaning here: who may choose their own name where tokens are made must not become one of them.
 */
const RESERVED_OWNERS = new Set([defaultOwner, anonymousReader.owner, OPERATOR.owner])

/**
 * Whose token this is. Names and groups of the wrong shape are left out, and those past a bound; a wrong `sub` is a fault.
 *
 * Who gets no scope at all is somebody still, and will be told what is missing.
 *
 * @param claims whose signature, `iss`, `aud` and times were found right
 */
export function identityOfClaims(
  claims: Readonly<Record<string, unknown>>,
  rules: ClaimRules,
): ClaimsOutcome {
  const { sub: owner, exp, hd } = claims
  if (rules.hostedDomain !== undefined && hd !== rules.hostedDomain) return { fault: 'hd' }
  const isOwner = (name: unknown): name is string => isName(name, rules.ownerPattern)
  if (!isOwner(owner)) return { fault: 'sub' }
  // Without an end, a token that leaked once would be good for ever.
  if (typeof exp !== 'number' || !(Math.abs(exp) <= LATEST_SECONDS)) return { fault: 'exp' }

  const aliases = distinct(linkedIds(claims.links).filter(isOwner), MOST_ALIASES, owner)
  const groups = distinct(groupsIn(claims), MOST_GROUPS)
  const scopes = scopesOf([owner, ...aliases, ...groups], rules.scopes)
  return { identity: { owner, aliases, groups, scopes, expiresAt: new Date(exp * 1000) } }
}

/** The union of what everybody gets and what any of `principals` gets. */
function scopesOf(principals: readonly string[], rules: readonly ScopeRule[]): Set<Scope> {
  const names = new Set(principals)
  const fitting = rules.filter(({ principal }) => principal === '*' || names.has(principal))
  return new Set(fitting.flatMap(({ scopes }) => scopes))
}

/** PASTAplus/auth: the profiles that were merged into `sub`, each with the time. */
function linkedIds(links: unknown): unknown[] {
  return listOf(links).map((link) =>
    typeof link === 'object' && link !== null && 'ediId' in link ? link.ediId : undefined,
  )
}

/** `principals` are EDI's; elsewhere groups are called so. */
function groupsIn({ principals, groups }: Readonly<Record<string, unknown>>): string[] {
  return listOf(principals ?? groups).filter((name) => isName(name, OWNER_PATTERN))
}

function isName(name: unknown, pattern: RegExp): name is string {
  return (
    typeof name === 'string' && OWNER_PATTERN.test(name) && pattern.test(name) && !RESERVED_OWNERS.has(name)
  )
}

function distinct(names: readonly string[], most: number, but?: string): string[] {
  return [...new Set(names)].filter((name) => name !== but).slice(0, most)
}

function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : []
}
