// What a credential may, and what it can't. Pure.

import type { Me } from '../../api/types.js'

export type Scope = Me['scopes'][number]

/** While the server hasn't told, nothing is ruled out. */
export function may(me: Pick<Me, 'scopes'> | null, scope: Scope): boolean {
  return me === null || me.scopes.includes(scope)
}
