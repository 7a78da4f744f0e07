// Uploads that end so that they can be restored, and their coming back. SQL only; when they may is in undo.ts.

import { Prisma } from '../../prisma/generated/client.js'
import type { Actor } from '../auth/identity.js'
import { appendEndEvents, appendRestoreEvents } from '../events/log.js'
import { COLUMNS, FREE_LEASE } from './columns.js'
import { assertMayChange, IS_RESTORABLE } from './ending.js'
import type { PackageNow } from './undo.js'
import type { Upload } from './upload.js'

type Transaction = Prisma.TransactionClient

/** What `planDeletionWithUndo` keeps, as SQL. */
const MAY_BE_KEPT = Prisma.sql`state IN ('receiving', 'ready') AND expires_at > now()
  AND concat IS DISTINCT FROM 'partial' AND NOT (state = 'receiving' AND finish = 'once')`

/**
 * Ends an upload as `endUploads` does, but for its bytes and what goes on with them: those are kept for `undoSeconds`, and
 * never past its own end.
 *
 * @returns null when it isn't one to be kept, or was moved to another package before we had its row
 * @throws PACKAGE_FINALIZED
 */
export async function endRestorably(
  transaction: Transaction,
  id: string,
  undoSeconds: number,
  by: Actor | null,
): Promise<Upload | null> {
  const packageId = await assertMayChange(transaction, id)
  const rows = await transaction.$queryRaw<Upload[]>`
    WITH changed AS (
      UPDATE uploads SET state = (CASE state WHEN 'receiving' THEN 'canceled' ELSE 'deleted' END)::"UploadState",
        restore_state = state, restore_path = package_path, package_path = NULL,
        restorable_until = LEAST(now() + ${undoSeconds} * interval '1 second', expires_at),
        finished_at = COALESCE(finished_at, now()), lease_epoch = lease_epoch + 1, ${FREE_LEASE}
      WHERE id = ${id} AND ${MAY_BE_KEPT}
        AND (package_path IS NULL OR package_id IS NOT DISTINCT FROM ${packageId})
      RETURNING *
    ), told AS (${appendEndEvents('changed', by)})
    SELECT ${COLUMNS} FROM changed`
  return rows[0] ?? null
}

/**
 * Brings an upload back as it was. Its package may have been extended meanwhile: no file of it ends earlier.
 *
 * @returns null when it can't be restored, or its package isn't open: `restoreRefusal` says why
 * @throws what `isUniqueViolation` knows when its path is taken
 */
export async function restoreUpload(
  transaction: Transaction,
  id: string,
  by: Actor | null,
): Promise<Upload | null> {
  // Packages come first; as it is under the lock, the next statement sees it.
  await transaction.$queryRaw`
    SELECT FROM packages WHERE id = (SELECT package_id FROM uploads WHERE id = ${id}) FOR SHARE`
  const rows = await transaction.$queryRaw<Upload[]>`
    WITH joined AS (
      SELECT packages.id AS joined_id, packages.expires_at AS joined_end FROM packages
      WHERE state = 'open' AND id = (SELECT package_id FROM uploads WHERE id = ${id} AND restore_path IS NOT NULL)
    ), changed AS (
      UPDATE uploads SET state = restore_state, package_path = restore_path,
        restore_state = NULL, restore_path = NULL, restorable_until = NULL,
        finished_at = CASE WHEN restore_state = 'receiving' THEN NULL ELSE finished_at END,
        keep_until = GREATEST(keep_until, (SELECT joined_end FROM joined)),
        expires_at = CASE WHEN restore_state = 'receiving' THEN expires_at
          ELSE GREATEST(expires_at, (SELECT joined_end FROM joined)) END,
        is_expiry_told = is_expiry_told AND expires_at >= COALESCE((SELECT joined_end FROM joined), expires_at)
      WHERE id = ${id} AND ${IS_RESTORABLE} AND (restore_path IS NULL OR package_id = (SELECT joined_id FROM joined))
      RETURNING *
    ), told AS (${appendRestoreEvents('changed', by)})
    SELECT ${COLUMNS} FROM changed`
  return rows[0] ?? null
}

/** Where it would stand again. */
export async function placeToRestore(
  transaction: Pick<Transaction, '$queryRaw'>,
  id: string,
): Promise<{ path: string | null; packageNow: PackageNow | null }> {
  const rows = await transaction.$queryRaw<
    { path: string | null; packageId: string | null; state: string | null }[]
  >`
    SELECT restore_path AS path, packages.id AS "packageId", packages.state::text AS state
    FROM uploads LEFT JOIN packages ON packages.id = package_id WHERE uploads.id = ${id}`
  const { path = null, packageId = null, state = null } = rows[0] ?? {}
  return { path, packageNow: packageId === null || state === null ? null : { id: packageId, state } }
}
