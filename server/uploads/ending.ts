// How uploads end, one or many in a transaction: their reports stay, their bytes lose what referred to them.

import { Prisma } from '../../prisma/generated/client.js'
import type { Actor } from '../auth/identity.js'
import { AppError } from '../errors.js'
import { appendEndEvents } from '../events/log.js'
import { COLUMNS, DROP_PARTS, FREE_LEASE, STATE_OF_BYTES } from './columns.js'
import type { Discarded } from './garbage.js'
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

/** It has ended, and its bytes are kept so that it can be restored. */
export const IS_RESTORABLE = Prisma.sql`(restore_state IS NOT NULL AND restorable_until > now())`

/** Nobody has restored it in time. */
export const IS_TO_PURGE = Prisma.sql`(restore_state IS NOT NULL AND restorable_until <= now())`

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
  const before = await transaction.$queryRaw<Holding[]>`
    SELECT id, state::text AS state, sha256 FROM uploads WHERE ${due} ORDER BY id FOR UPDATE`
  await lockBlobs(transaction, before)
  const uploads = await transaction.$queryRaw<Upload[]>`
    WITH changed AS (
      UPDATE uploads SET state = (CASE WHEN ${isExpiry} THEN 'expired' WHEN state IN ('receiving', 'finalizing')
          THEN 'canceled' ELSE 'deleted' END)::"UploadState",
        finished_at = COALESCE(finished_at, now()), digest_state = NULL, reread_bytes = NULL, package_path = NULL,
        lease_epoch = lease_epoch + 1, ${FREE_LEASE}
      WHERE id = ANY(${before.map(({ id }) => id)}) RETURNING *
    ), ${DROP_PARTS}, told AS (${appendEndEvents('changed', by)})
    SELECT ${COLUMNS} FROM changed`
  return { uploads, discarded: await discardBytes(transaction, before) }
}

/**
 * Gives up the bytes of uploads that ended so that they could be restored. Nothing is told: that they ended was.
 *
 * Locks as `endUploads`, and not in a transaction that has ended some: uploads come before blobs.
 */
export async function purgeUploads(
  transaction: Transaction,
  due: Prisma.Sql,
  { isAsked = false }: { isAsked?: boolean } = {},
): Promise<Ended> {
  const before = await transaction.$queryRaw<Holding[]>`
    SELECT id, restore_state::text AS state, sha256 FROM uploads WHERE restore_state IS NOT NULL AND ${due}
    ORDER BY id FOR UPDATE`
  if (before.length === 0) return { uploads: [], discarded: [] }
  await lockBlobs(transaction, before)
  const uploads = await transaction.$queryRaw<Upload[]>`
    WITH changed AS (
      UPDATE uploads SET restore_state = NULL, restore_path = NULL, digest_state = NULL, reread_bytes = NULL,
        restorable_until = CASE WHEN ${isAsked} THEN NULL ELSE restorable_until END
      WHERE id = ANY(${before.map(({ id }) => id)}) RETURNING *
    ), ${DROP_PARTS}
    SELECT ${COLUMNS} FROM changed`
  return { uploads, discarded: await discardBytes(transaction, before) }
}

/** What an upload has in the store, as `state` says, before it lets go of it. */
interface Holding {
  id: string
  state: string
  sha256: string | null
}

/** Waits for everyone who is about to refer to these blobs, and keeps others from doing so until we commit. */
async function lockBlobs(transaction: Transaction, holdings: readonly Holding[]): Promise<void> {
  await transaction.$queryRaw`
    SELECT FROM blobs WHERE sha256 = ANY(${digestsOf(holdings)}) ORDER BY sha256 FOR UPDATE`
}

/**
 * Writes down as garbage what the uploads had, but for what others have, too. To be called behind `lockBlobs` and the statement
 * that let go, in one of its own: only so does it see a reference that was committed while we waited.
 */
async function discardBytes(transaction: Transaction, holdings: readonly Holding[]): Promise<Discarded[]> {
  const unreferenced = await transaction.$queryRaw<{ objectKey: string }[]>`
    DELETE FROM blobs WHERE sha256 = ANY(${digestsOf(holdings)})
      AND NOT EXISTS (SELECT FROM uploads WHERE uploads.sha256 = blobs.sha256 AND ${STATE_OF_BYTES} = 'ready')
    RETURNING object_key AS "objectKey"`
  const discarded: Discarded[] = [
    // A store that lost an answer may have left something of the temporary of a ready upload, too; its object is the blob's.
    ...holdings.flatMap(({ id, state }) => bothRooms(id).slice(0, state === 'ready' ? 1 : 2)),
    ...unreferenced.map(({ objectKey }) => ({ kind: 'object' as const, objectKey })),
  ]
  await transaction.garbage.createMany({ data: discarded, skipDuplicates: true })
  return discarded
}

function digestsOf(holdings: readonly Holding[]): string[] {
  return holdings.flatMap(({ state, sha256 }) => (state === 'ready' && sha256 !== null ? [sha256] : []))
}

/**
 * Ends an upload because its owner asked; one that ended so that it could be restored can't be any more.
 *
 * @returns null when it was moved to another package, or restored, before we had its row: to be tried again in another transaction, since
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
  const purged = await purgeUploads(transaction, Prisma.sql`id = ${id}`, { isAsked: true })
  if (purged.uploads.length > 0) return purged
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
