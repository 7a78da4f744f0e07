// What may be done with a package by whoever looks at it. The server decides; the page only doesn't offer what it would refuse. Pure.

import type { Me, Package } from '../../api/types.js'
import { may } from '../sign-in/rights.js'

export interface Rights {
  isOwn: boolean
  mayFinalize: boolean
  mayExtend: boolean
  mayDelete: boolean
}

/** @param me null while the server hasn't told: then nothing is held back */
export function rightsOver(
  { owner }: Pick<Package, 'owner'>,
  me: Pick<Me, 'owner' | 'aliases' | 'scopes'> | null,
): Rights {
  const isOwn = me === null || owner === me.owner || me.aliases.includes(owner)
  const isOwnersOrAdmins = isOwn || may(me, 'admin')
  return {
    isOwn,
    // Another's package may be shared for writing or not: that is only seen when it is tried.
    mayFinalize: may(me, 'upload'),
    mayExtend: may(me, 'upload') && isOwnersOrAdmins,
    mayDelete: may(me, 'delete') && isOwnersOrAdmins,
  }
}
