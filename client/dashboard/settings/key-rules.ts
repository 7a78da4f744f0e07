// Who may do what to a key in the list. Pure.

import type { ApiKey, Me } from '../../api/types.js'

/** The key that this page is signed in with. */
export function isCurrent(key: Pick<ApiKey, 'id'>, me: Pick<Me, 'key_id'> | null): boolean {
  return me !== null && me.key_id === key.id
}

/** A key revokes itself, and with the right `upload` those that may do no more than itself. */
export function mayRevoke(
  key: Pick<ApiKey, 'id' | 'scopes' | 'state'>,
  me: Pick<Me, 'key_id' | 'scopes'> | null,
): boolean {
  if (key.state !== 'active' || me === null) return false
  if (isCurrent(key, me)) return true
  return me.scopes.includes('upload') && key.scopes.every((scope) => me.scopes.includes(scope))
}
