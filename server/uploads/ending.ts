// How uploads end, one or many in a transaction: their reports stay, their bytes lose what referred to them.

import { Prisma } from '../../prisma/generated/client.js'
import type { Actor } from '../auth/identity.js'
import { AppError } from '../errors.js'
import { appendEndEvents } from '../events/log.js'
import { COLUMNS, DROP_PARTS, FREE_LEASE } from './columns.js'
import type { Discarded } from './records.js'
import type { Upload } from './upload.js'

type Transaction = Prisma.TransactionClient

export const HAS_NOT_ENDED = Prisma.sql`state IN ('receiving', 'finalizing', 'ready', 'failed')`

/** What is being finished is past its client's reach, not past its end. */
export const IS_ALIVE = Prisma.sql`(state = 'finalizing' OR (state IN ('receiving', 'ready') AND expires_at > now()))`

/** No concatenation that is being made has it for a part. */
export const IS_NOT_NEEDED = Prisma.sql`NOT EXISTS (
  SELECT FROM concat_sources JOIN uploads AS whole ON whole.id = concat_sources.upload_id
  WHERE concat_sources.partial_id = uploads.id AND whole.state = 'finalizing')`

export const IS_PAST_END = Prisma.sql`state IN ('receiving', 'ready') AND expires_at <= now() AND ${IS_NOT_NEEDED}`

/** The one request that could bring its bytes is over, and didn't say so: its server died. */
export const IS_ABANDONED = Prisma.sql`state = 'receiving' AND finish = 'once'
  AND (lease_holder IS NULL OR lease_until < now())`

export interface Ended {
  uploads: Upload[]
  /** What lost its last reference; it is in `garbage` too. */
  discarded: Discarded[]
}

/**
 * Ends every upload that `due` is true of: expired, or else canceled when it was unfinished and deleted when it was not.
 *
 * Locks them by id, then their blobs by digest. What `due` says of packages must have been locked before: packages come first,
 * so that nobody waits for us in a circle.
 */
export async function endUploads(
  transaction: Transaction,
  due: Prisma.Sql,
  { isExpiry = false, by = null }: { isExpiry?: boolean; by?: Actor | null } = {},
): Promise<Ended> {
  const before = await transaction.$queryRaw<{ id: string; state: string; sha256: string | null }[]>`
    SELECT id, state::text AS state, sha256 FROM uploads WHERE ${due} ORDER BY id FOR UPDATE`
  const ready = before.filter(({ state }) => state === 'ready')
  const digests = ready.flatMap(({ sha256 }) => sha256 ?? [])
  // Waits for everyone who is about to refer to these blobs, and keeps others from doing so until we commit.
  await transaction.$queryRaw`SELECT FROM blobs WHERE sha256 = ANY(${digests}) ORDER BY sha256 FOR UPDATE`
  const uploads = await transaction.$queryRaw<Upload[]>`
    WITH changed AS (
      UPDATE uploads SET state = (CASE WHEN ${isExpiry} THEN 'expired' WHEN state IN ('receiving', 'finalizing')
          THEN 'canceled' ELSE 'deleted' END)::"UploadState",
        finished_at = COALESCE(finished_at, now()), digest_state = NULL, reread_bytes = NULL, package_path = NULL,
        lease_epoch = lease_epoch + 1, ${FREE_LEASE}
      WHERE id = ANY(${before.map(({ id }) => id)}) RETURNING *
    ), ${DROP_PARTS}, told AS (${appendEndEvents('changed', by)})
    SELECT ${COLUMNS} FROM changed`
  // A statement of its own, after the lock: only so does it see a reference that was committed while we waited.
  const unreferenced = await transaction.$queryRaw<{ objectKey: string }[]>`
    DELETE FROM blobs WHERE sha256 = ANY(${digests})
      AND NOT EXISTS (SELECT FROM uploads WHERE uploads.sha256 = blobs.sha256 AND state = 'ready')
    RETURNING object_key AS "objectKey"`
  const discarded: Discarded[] = [
    // A store that lost an answer may have left something of the temporary of a ready upload, too; its object is the blob's.
    ...before.flatMap(({ id, state }) => bothRooms(id).slice(0, state === 'ready' ? 1 : 2)),
    ...unreferenced.map(({ objectKey }) => ({ kind: 'object' as const, objectKey })),
  ]
  await transaction.garbage.createMany({ data: discarded, skipDuplicates: true })
  return { uploads, discarded }
}

/**
 * Ends an upload because its owner asked.
 *
 * @returns null when it was moved to another package before we had its row: to be tried again in another transaction, since
 * packages are locked first
 * @throws PACKAGE_FINALIZED
 */
export async function endAsked(
  transaction: Transaction,
  id: string,
  by: Actor | null,
): Promise<Ended | null> {
  const packageId = await assertMayChange(transaction, id)
  const isThere = Prisma.sql`(package_path IS NULL OR package_id IS NOT DISTINCT FROM ${packageId})`
  const ended = await endUploads(transaction, Prisma.sql`id = ${id} AND ${HAS_NOT_ENDED} AND ${isThere}`, {
    by,
  })
  if (ended.uploads.length > 0) return ended
  const left = await transaction.$queryRaw<unknown[]>`
    SELECT FROM uploads WHERE id = ${id} AND ${HAS_NOT_ENDED}`
  return left.length === 0 ? ended : null
}

/**
 * Locks the package that an upload stands in. What failed, or was over when the package was finalized, stands in none.
 *
 * @returns the package's id, or null: the upload may be moved before it is locked itself
 * @throws PACKAGE_FINALIZED
 */
export async function assertMayChange(transaction: Transaction, uploadId: string): Promise<string | null> {
  const found = await transaction.$queryRaw<{ id: string; state: string }[]>`
    SELECT id, state::text AS state FROM packages
    WHERE id = (SELECT package_id FROM uploads WHERE id = ${uploadId} AND package_path IS NOT NULL) FOR SHARE`
  if (found[0] !== undefined) assertNotFinalized(found[0])
  return found[0]?.id ?? null
}

/** @throws PACKAGE_FINALIZED */
export function assertNotFinalized({ id, state }: { id: string; state: string }): void {
  if (state !== 'finalized') return
  throw new AppError(
    'PACKAGE_FINALIZED',
    `The file belongs to package ${id}, which is finalized: its files stay and end together. DELETE /packages/${id} deletes all of them; POST /packages/${id}/retention/extensions keeps them longer.`,
    { details: { package_id: id } },
  )
}

/** Where an upload that never became a blob may have left bytes. */
export function bothRooms(id: string): Discarded[] {
  return [
    { kind: 'temporary', objectKey: id },
    { kind: 'object', objectKey: id },
  ]
}
