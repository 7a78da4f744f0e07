// An upload's row as its record: the columns that every statement answers, and the row that there has to be.

import { Prisma } from '../../prisma/generated/client.js'
import { AppError } from '../errors.js'

export const COLUMNS =
  Prisma.raw(`id, owner, state::text AS state, filename, content_type AS "contentType", key, label,
  relative_path AS "relativePath", note, package_id AS "packageId", package_path AS "packagePath",
  finish::text AS finish, concat, tus_metadata AS "tusMetadata", size_bytes AS "sizeBytes",
  offset_bytes AS "offsetBytes", digest_state AS "digestState", reread_bytes AS "rereadBytes",
  multipart_id AS "multipartId", declared_md5 AS "declaredMd5",
  declared_sha1 AS "declaredSha1", declared_sha256 AS "declaredSha256", md5, sha1, sha256,
  retrieval_token AS "retrievalToken", warnings, error_code AS "errorCode", error_detail AS "errorDetail",
  created_at AS "createdAt", last_write_at AS "lastWriteAt", finished_at AS "finishedAt",
  restore_state::text AS "restoreState", restorable_until AS "restorableUntil",
  EXTRACT(EPOCH FROM restorable_until - now())::float8 AS "restorableInSeconds",
  expires_at AS "expiresAt", keep_until AS "keepUntil",
  EXTRACT(EPOCH FROM expires_at - now())::float8 AS "expiresInSeconds",
  lease_epoch AS "leaseEpoch", (lease_holder IS NOT NULL AND lease_until > now()) AS "isHeld"`)

/** As what the bytes of `uploads` are kept: of what can be restored, what it was. */
export const STATE_OF_BYTES = Prisma.raw(`COALESCE(uploads.restore_state, uploads.state)`)

export const FREE_LEASE = Prisma.raw(`lease_holder = NULL, lease_until = NULL`)

/** What has ended, or become an object, needs no ledger. */
export const DROP_PARTS = Prisma.raw(
  `dropped AS (DELETE FROM parts USING changed WHERE parts.upload_id = changed.id)`,
)

/** @throws NOT_FOUND when there is no row */
export function one<Row>(rows: (Row | null | undefined)[]): Row {
  const row = rows[0]
  if (row === undefined || row === null)
    throw new AppError('NOT_FOUND', 'There is no such upload. GET /uploads lists yours.')
  return row
}
