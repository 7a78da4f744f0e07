// How packages end, and how their end is put off. The bytes of their files are the intake's.

import { Prisma, type PrismaClient } from '../../prisma/generated/client.js'
import type { Actor } from '../auth/identity.js'
import { EVERYONE, type OwnerScope } from '../auth/owner-scope.js'
import { Statements } from '../database/statements.js'
import { appendPackageEvent } from '../events/log.js'
import { isId } from '../uploads/random.js'
import { expirePackages, findDuePackages } from './expiry.js'
import {
  assertExtension,
  assertPackageAlive,
  type Extension,
  noSuchPackage,
  type Package,
} from './package.js'
import { lockFiles, lockPackage, readClock, readPackage } from './rows.js'

const BATCH = 200

export class PackageEnds {
  readonly #database: Statements
  readonly #maxTtlSeconds: number

  /** @param maxTtlSeconds how far a package's end may be moved, counted from its start */
  constructor(prisma: PrismaClient, maxTtlSeconds: number) {
    this.#database = new Statements(prisma)
    this.#maxTtlSeconds = maxTtlSeconds
  }

  /**
   * Moves the end of a package, and with it that of every file in it.
   *
   * @throws NOT_FOUND, GONE, CONFLICT, INVALID_INPUT as `assertExtension` says
   */
  async extend(
    id: string,
    scope: OwnerScope,
    wanted: { newExpiresAt: Date; reason: string; by: Actor },
  ): Promise<{ extension: Extension; package: Package }> {
    const { newExpiresAt, reason, by } = wanted
    return this.#database.transaction(async (transaction) => {
      const before = await lockAlive(transaction, id, scope)
      // From here on no file of it can expire under our hands; what has is gone, and so is the package.
      await lockFiles(transaction, id)
      const at = await readClock(transaction)
      if (before.state === 'finalized' && before.endsAt <= at)
        assertPackageAlive({ ...before, state: 'expired' })
      assertExtension(before, newExpiresAt, this.#maxTtlSeconds)
      await transaction.$queryRaw`
        UPDATE uploads SET keep_until = ${newExpiresAt}::timestamptz, is_expiry_told = FALSE,
          expires_at = CASE WHEN state = 'receiving' THEN expires_at ELSE ${newExpiresAt}::timestamptz END
        WHERE package_id = ${id} AND package_path IS NOT NULL
          AND (state = 'finalizing' OR (state IN ('receiving', 'ready') AND expires_at > ${at}::timestamptz))`
      await transaction.$queryRaw`
        WITH changed AS (
          UPDATE packages SET expires_at = ${newExpiresAt}::timestamptz WHERE id = ${id} RETURNING *
        ), told AS (${appendPackageEvent('changed', 'package.retention_extended.v1', { by })})
        SELECT FROM changed`
      const [extension] = await transaction.$queryRaw<Extension[]>`
        INSERT INTO retention_extensions (package_id, at, by, reason, old_expires_at, new_expires_at)
        VALUES (${id}, ${at}::timestamptz, ${by.owner}, ${reason}, ${before.endsAt}::timestamptz, ${newExpiresAt}::timestamptz)
        RETURNING at, by, reason, old_expires_at AS "oldExpiresAt", new_expires_at AS "newExpiresAt"`
      const after = await readPackage(transaction, id, EVERYONE)
      if (extension === undefined || after === null) throw noSuchPackage()
      return { extension, package: after }
    })
  }

  /**
   * Deletes a package: from now on nothing joins it. Its files are ended next, by `removals.removeAllOf`.
   *
   * @throws NOT_FOUND; GONE when it has ended already
   */
  async commitDelete(id: string, scope: OwnerScope, by: Actor | null = null): Promise<void> {
    await this.#database.transaction(async (transaction) => {
      await lockAlive(transaction, id, scope)
      await transaction.$queryRaw`
        WITH changed AS (
          UPDATE packages SET state = 'deleted', open_label = NULL, ended_at = now() WHERE id = ${id} RETURNING *
        ), told AS (${appendPackageEvent('changed', 'package.deleted.v1', { by })})
        SELECT FROM changed`
    })
  }

  /** Deleted packages with files that haven't ended: a crash came between. For each, `removals.removeAllOf` goes on. */
  async findHalfDeleted(limit: number): Promise<string[]> {
    const rows = await this.#database.query<{ id: string }>(Prisma.sql`
      SELECT id FROM packages WHERE state = 'deleted' AND EXISTS (
        SELECT FROM uploads WHERE package_id = packages.id AND uploads.state IN ('receiving', 'finalizing', 'ready'))
      ORDER BY id LIMIT ${limit}`)
    return rows.map(({ id }) => id)
  }

  /** Those that `expireDue` would end now, at most `limit`. */
  findDue(limit: number): Promise<string[]> {
    return this.#database.translated((prisma) => findDuePackages(prisma, limit))
  }

  /** Ends every package that is past its end. @returns their ids */
  async expireDue(): Promise<string[]> {
    return this.#database.translated(async (prisma) => {
      const expired: string[] = []
      for (;;) {
        const due = await findDuePackages(prisma, BATCH)
        const ended = await expirePackages(prisma, due)
        expired.push(...ended)
        // Fewer than were due: somebody else was at them. What is left comes the next time.
        if (ended.length < BATCH) return expired
      }
    })
  }

  /** Forgets packages that ended longer ago than that, and have no file left. @returns how many */
  async forget(tombstoneTtlSeconds: number): Promise<number> {
    const rows = await this.#database.query(Prisma.sql`
      DELETE FROM packages WHERE state IN ('expired', 'deleted')
        AND ended_at < now() - ${tombstoneTtlSeconds}::float8 * interval '1 second'
        AND NOT EXISTS (
          SELECT FROM uploads WHERE package_id = packages.id AND uploads.state IN ('receiving', 'finalizing', 'ready'))
      RETURNING id`)
    return rows.length
  }
}

/** @throws NOT_FOUND, GONE */
async function lockAlive(
  transaction: Prisma.TransactionClient,
  id: string,
  scope: OwnerScope,
): Promise<Package> {
  const found = isId(id) ? await lockPackage(transaction, id, scope) : null
  if (found === null) throw noSuchPackage()
  assertPackageAlive(found)
  return found
}
