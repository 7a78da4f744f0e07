// The one place that keeps owners apart, in every table that has one.

import { Prisma } from '../../prisma/generated/client.js'
import { EVERYONE, type OwnerScope } from '../auth/owner-scope.js'

/** True of the rows that `scope` may know of. What is outside is answered like what never was. */
export function ownedBy(scope: OwnerScope): Prisma.Sql {
  return scope === EVERYONE ? Prisma.sql`TRUE` : Prisma.sql`owner = ${scope}`
}
