// All that ends uploads, undoes that, and forgets them, in Postgres. Each function is one statement or one transaction.
//
// What a transaction is made of is in ending.ts and restoring.ts; when a deletion may be undone, in undo.ts.

import { Prisma, type PrismaClient } from '../../prisma/generated/client.js'
import type { Actor } from '../auth/identity.js'
import { EVERYONE, type OwnerScope } from '../auth/owner-scope.js'
import { isUniqueViolation } from '../database/client.js'
import { ownedBy } from '../database/owned-by.js'
import { Statements } from '../database/statements.js'
import { AppError } from '../errors.js'
import { appendUploadEvents } from '../events/log.js'
import { COLUMNS } from './columns.js'
import {
  assertNotFinalized,
  type Ended,
  endAsked,
  endUploads,
  HAS_NOT_ENDED,
  IS_ABANDONED,
  IS_PAST_END,
  IS_TO_PURGE,
  purgeUploads,
} from './ending.js'
import type { Discarded } from './garbage.js'
import type { Records } from './records.js'
import { endRestorably, placeToRestore, restoreUpload } from './restoring.js'
import { pathTakenError, restoreRefusal } from './undo.js'
import type { Upload } from './upload.js'

export class Endings {
  readonly #database: Statements
  readonly #records: Pick<Records, 'get' | 'findInPackage'>

  constructor(prisma: PrismaClient, records: Pick<Records, 'get' | 'findInPackage'>) {
    this.#database = new Statements(prisma)
    this.#records = records
  }

  /**
   * Ends an upload, by its owner or because its time is over: what was unfinished is canceled, what was not is deleted. Its
   * lease is void from here on.
   *
   * @param when what has to be true of it still, now that its row is locked: that its owner asked is all, or that it is past
   * its end, or that the one request which could bring its bytes is over
   * @returns null when it had ended already, or `when` isn't true any more
   * @throws PACKAGE_FINALIZED when its owner asked
   */
  async commitEnd(
    id: string,
    when: 'asked' | 'past-end' | 'abandoned' = 'asked',
    by: Actor | null = null,
  ): Promise<{ upload: Upload; discarded: Discarded[] } | null> {
    let ended: Ended | null = null
    while (ended === null) {
      ended = await this.#database.transaction((transaction) => {
        if (when === 'asked') return endAsked(transaction, id, by)
        const isDue = when === 'past-end' ? IS_PAST_END : IS_ABANDONED
        return endUploads(transaction, Prisma.sql`id = ${id} AND ${isDue}`, { isExpiry: when === 'past-end' })
      })
    }
    const { uploads, discarded } = ended
    return uploads[0] === undefined ? null : { upload: uploads[0], discarded }
  }

  /**
   * Ends an upload because its owner asked, and keeps its bytes for `undoSeconds`, so that it can be restored.
   *
   * @returns null when it isn't one to be kept any more: `planDeletionWithUndo` says what to do then
   * @throws PACKAGE_FINALIZED
   */
  async commitEndWithUndo(id: string, undoSeconds: number, by: Actor | null = null): Promise<Upload | null> {
    return this.#database.transaction((transaction) => endRestorably(transaction, id, undoSeconds, by))
  }

  /**
   * Undoes that. Of one that has not ended, it answers the record.
   *
   * @throws NOT_FOUND; CONFLICT when it ended for good, its package has ended, or its path is taken; PACKAGE_FINALIZED; GONE
   * when the time to restore it is over
   */
  async commitRestore(id: string, by: Actor | null = null): Promise<Upload> {
    try {
      const restored = await this.#database.transaction((transaction) => restoreUpload(transaction, id, by))
      if (restored !== null) return restored
    } catch (error) {
      if (!isUniqueViolation(error)) throw error
      const { path, packageNow } = await this.#database.translated((prisma) => placeToRestore(prisma, id))
      // Restored by another request meanwhile, it has no place to come back to.
      if (path === null || packageNow === null) return this.commitRestore(id, by)
      throw pathTakenError(path, await this.#records.findInPackage(packageNow.id, path))
    }
    const found = await this.#records.get(id, EVERYONE)
    const { packageNow } = await this.#database.translated((prisma) => placeToRestore(prisma, id))
    const refusal = restoreRefusal(found, packageNow)
    if (refusal !== null) throw refusal
    return found
  }

  /** Gives up the bytes of an upload that nobody has restored in time. @returns nothing when it isn't such a one */
  async commitPurge(id: string): Promise<Discarded[]> {
    const { discarded } = await this.#database.transaction((transaction) =>
      purgeUploads(transaction, Prisma.sql`id = ${id} AND ${IS_TO_PURGE}`),
    )
    return discarded
  }

  /** The same for all of a package that has ended: none of them has a place to come back to. */
  async commitPurgeOfPackage(packageId: string): Promise<Discarded[]> {
    const { discarded } = await this.#database.transaction((transaction) =>
      purgeUploads(transaction, Prisma.sql`package_id = ${packageId}`),
    )
    return discarded
  }

  /** Ends all uploads of a package that has ended itself. @returns their ids too: requests may still write them */
  async commitEndOfPackage(packageId: string, by: Actor | null = null): Promise<Ended> {
    return this.#database.transaction((transaction) =>
      endUploads(transaction, Prisma.sql`package_id = ${packageId} AND ${HAS_NOT_ENDED}`, { by }),
    )
  }

  /**
   * Ends every ready upload of `scope` with that content.
   *
   * @throws NOT_FOUND when there is none, PACKAGE_FINALIZED when one is in a finalized package: then nothing has ended
   */
  async commitEndOfContent(sha256: string, scope: OwnerScope, by: Actor | null = null): Promise<Ended> {
    const theirs = Prisma.sql`sha256 = ${sha256} AND state = 'ready' AND concat IS DISTINCT FROM 'partial' AND ${ownedBy(scope)}`
    return this.#database.transaction(async (transaction) => {
      const locked = await transaction.$queryRaw<{ id: string; state: string }[]>`
        SELECT id, state::text AS state FROM packages
        WHERE id IN (SELECT package_id FROM uploads WHERE ${theirs}) ORDER BY id FOR SHARE`
      for (const found of locked) assertNotFinalized(found)
      // One that has become ready since is in a package that nobody looked at: it stays.
      const isLooked = Prisma.sql`(package_id IS NULL OR package_id = ANY(${locked.map(({ id }) => id)}))`
      const ended = await endUploads(transaction, Prisma.sql`${theirs} AND ${isLooked}`, { by })
      if (ended.uploads.length === 0) throw noSuchFile()
      return ended
    })
  }

  /**
   * Uploads, but for `except`, that the sweep has to look at: past their end, waiting to be finished, not restored in time, or
   * old tombstones.
   */
  async findSweepable(tombstoneTtlSeconds: number, except: string[], limit: number): Promise<Upload[]> {
    return this.#database.query(Prisma.sql`
      SELECT ${COLUMNS} FROM uploads
      WHERE NOT (id = ANY(${except})) AND ((${IS_PAST_END})
        OR ((state = 'finalizing' OR (state = 'receiving' AND (finish = 'once' OR (offset_bytes = size_bytes AND finish = 'auto'))))
            AND (lease_holder IS NULL OR lease_until < now()))
        OR ${IS_TO_PURGE}
        OR (state IN ('failed', 'canceled', 'expired', 'deleted') AND restore_state IS NULL
            AND GREATEST(COALESCE(finished_at, expires_at), restorable_until) < now() - ${tombstoneTtlSeconds} * interval '1 second'))
      ORDER BY expires_at LIMIT ${limit}`)
  }

  /** Tells the owners of what ends within `noticeSeconds`, once; but for what lives no longer than that anyway. */
  async tellExpiring(noticeSeconds: number): Promise<void> {
    await this.#database.query(Prisma.sql`
      WITH changed AS (
        UPDATE uploads SET is_expiry_told = TRUE
        WHERE id IN (
          SELECT id FROM uploads WHERE state = 'ready' AND NOT is_expiry_told AND expires_at > now()
            AND expires_at <= now() + ${noticeSeconds}::float8 * interval '1 second'
            AND expires_at - created_at > ${noticeSeconds}::float8 * interval '1 second'
          ORDER BY id FOR UPDATE SKIP LOCKED)
        RETURNING *
      ), told AS (${appendUploadEvents('changed', 'upload.expiring.v1')})
      SELECT id FROM changed`)
  }

  async deleteTombstone(id: string): Promise<void> {
    await this.#database.query(Prisma.sql`
      DELETE FROM uploads WHERE id = ${id} AND state IN ('failed', 'canceled', 'expired', 'deleted')
        AND restore_state IS NULL`)
  }
}

function noSuchFile(): AppError {
  return new AppError('NOT_FOUND', 'You have no file with that SHA-256. GET /uploads lists what you have.')
}
