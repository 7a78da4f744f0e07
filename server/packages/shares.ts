// With whom packages are shared. What a share opens, server/database/owned-by.ts says.

import type { Prisma, PrismaClient } from '../../prisma/generated/client.js'
import type { Actor } from '../auth/identity.js'
import type { OwnerScope } from '../auth/owner-scope.js'
import { Statements } from '../database/statements.js'
import { AppError } from '../errors.js'
import { appendPackageEvent } from '../events/log.js'
import { isId } from '../uploads/random.js'
import { assertPackageAlive, noSuchPackage } from './package.js'
import { type Asker, lockPackage, readPackage } from './rows.js'

/** Of one package. */
const MOST_SHARES = 100

export interface Share {
  /** A group, or one person. */
  grantee: string
  access: 'read' | 'write'
  sharedAt: Date
}

export class PackageShares {
  readonly #database: Statements

  constructor(prisma: PrismaClient) {
    this.#database = new Statements(prisma)
  }

  /** By grantee. @throws NOT_FOUND, GONE */
  async list(id: string, scope: OwnerScope): Promise<Share[]> {
    return this.#database.translated(async (prisma) => {
      const found = isId(id) ? await readPackage(prisma, id, scope) : null
      if (found === null) throw noSuchPackage()
      assertPackageAlive(found)
      return readShares(prisma, id)
    })
  }

  /**
   * Lets `grantee` reach a package, or changes what for. Asked twice, it changes nothing.
   *
   * @throws NOT_FOUND, GONE; CONFLICT when it is shared with as many as may be
   */
  async put(
    id: string,
    scope: OwnerScope,
    { grantee, access }: Pick<Share, 'grantee' | 'access'>,
    by: Actor,
  ): Promise<Share> {
    return this.#changed(id, scope, async (transaction) => {
      const before = await readShares(transaction, id)
      const known = before.find((share) => share.grantee === grantee)
      if (known?.access === access) return known
      if (known === undefined && before.length >= MOST_SHARES) {
        throw new AppError(
          'CONFLICT',
          `The package is shared with ${MOST_SHARES} others already. Share it with a group that has them all.`,
        )
      }
      const rows = await transaction.$queryRaw<Share[]>`
        WITH changed AS (SELECT * FROM packages WHERE id = ${id}),
        told AS (${appendPackageEvent('changed', 'package.shared.v1', { by, share: { grantee, access } })})
        INSERT INTO package_shares (package_id, grantee, may_write) VALUES (${id}, ${grantee}, ${access === 'write'})
        ON CONFLICT (package_id, grantee) DO UPDATE SET may_write = excluded.may_write, shared_at = now()
        RETURNING grantee, CASE WHEN may_write THEN 'write' ELSE 'read' END AS access, shared_at AS "sharedAt"`
      if (rows[0] === undefined) throw noSuchPackage()
      return rows[0]
    })
  }

  /** From now on `grantee` doesn't reach the package any more. @throws NOT_FOUND when it never did */
  async remove(id: string, scope: OwnerScope, grantee: string, by: Actor): Promise<void> {
    await this.#changed(id, scope, async (transaction) => {
      const rows = await transaction.$queryRaw<unknown[]>`
        WITH removed AS (
          DELETE FROM package_shares WHERE package_id = ${id} AND grantee = ${grantee} RETURNING package_id
        ), changed AS (SELECT packages.* FROM packages JOIN removed ON removed.package_id = packages.id),
        told AS (${appendPackageEvent('changed', 'package.unshared.v1', { by, share: { grantee, access: null } })})
        SELECT package_id FROM removed`
      if (rows.length === 0) {
        throw new AppError(
          'NOT_FOUND',
          'The package is not shared with that one. GET /packages/{id}/shares tells with whom it is.',
        )
      }
    })
  }

  /** Under the lock of the package. @throws NOT_FOUND, GONE */
  #changed<T>(
    id: string,
    scope: OwnerScope,
    act: (transaction: Prisma.TransactionClient) => Promise<T>,
  ): Promise<T> {
    return this.#database.transaction(async (transaction) => {
      const found = isId(id) ? await lockPackage(transaction, id, scope) : null
      if (found === null) throw noSuchPackage()
      assertPackageAlive(found)
      return act(transaction)
    })
  }
}

function readShares(asker: Asker, id: string): Promise<Share[]> {
  return asker.$queryRaw<Share[]>`
    SELECT grantee, CASE WHEN may_write THEN 'write' ELSE 'read' END AS access, shared_at AS "sharedAt"
    FROM package_shares WHERE package_id = ${id} ORDER BY grantee COLLATE "C"`
}
