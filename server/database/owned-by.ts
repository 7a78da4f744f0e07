// The one place that keeps owners apart, in every table that has one. What is outside is answered like what never was.

import { Prisma } from '../../prisma/generated/client.js'
import { EVERYONE, type OwnerScope } from '../auth/owner-scope.js'

/** True of the rows that are the asker's own. */
export function ownedBy(scope: OwnerScope, owner: Prisma.Sql = Prisma.sql`owner`): Prisma.Sql {
  if (scope === EVERYONE) return Prisma.sql`TRUE`
  const owners = typeof scope === 'string' ? [scope] : scope.owners
  // With one name Postgres reads an index in its order; with a list it would have to sort.
  return owners.length === 1
    ? Prisma.sql`${owner} = ${owners[0]}`
    : Prisma.sql`${owner} = ANY(${[...owners]})`
}

/** True of the rows of `packages` that are the asker's own, or shared with them for what they want. */
export function reachesPackage(scope: OwnerScope): Prisma.Sql {
  if (scope === EVERYONE) return Prisma.sql`TRUE`
  const own = ownedBy(scope, Prisma.sql`packages.owner`)
  if (typeof scope === 'string' || scope.grantees.length === 0) return own
  return Prisma.sql`(${own} OR packages.id IN (
    SELECT package_id FROM package_shares WHERE grantee = ANY(${[...scope.grantees]}) AND (may_write OR ${scope.right === 'read'})))`
}

/** True of the rows of `uploads` that are the asker's own, or belong to a package that they reach. */
export function reachesUpload(scope: OwnerScope): Prisma.Sql {
  const own = ownedBy(scope, Prisma.sql`uploads.owner`)
  if (scope === EVERYONE || typeof scope === 'string' || scope.grantees.length === 0) return own
  return Prisma.sql`(${own} OR uploads.package_id IN (SELECT packages.id FROM packages WHERE ${reachesPackage(scope)}))`
}
