// What happened, as rows. Events are written by the statement that makes them true, so none can be lost or invented.

import { Prisma } from '../../prisma/generated/client.js'

export type PackageEventType =
  | 'package.created.v1'
  | 'package.finalized.v1'
  | 'package.retention_extended.v1'
  | 'package.expired.v1'
  | 'package.deleted.v1'

export type UploadEventType =
  | 'upload.created.v1'
  | 'upload.finalizing.v1'
  | 'upload.ready.v1'
  | 'upload.failed.v1'
  | 'upload.canceled.v1'
  | 'upload.expiring.v1'
  | 'upload.expired.v1'
  | 'upload.deleted.v1'

/**
 * The INSERT that tells what happened to the rows of `changed`, a CTE or table with the columns of `uploads`.
 *
 * Goes into the same statement or transaction as the change itself. Several types are told in their order. Of the partial
 * uploads of a concatenation nothing is told: they are the way of a file, not files.
 */
export function appendUploadEvents(changed: 'changed' | 'uploads', ...types: UploadEventType[]): Prisma.Sql {
  return appendUploads(Prisma.sql`
    SELECT ${Prisma.raw(changed)}.*, told.type, told.place
    FROM ${Prisma.raw(changed)}, unnest(${types}::text[]) WITH ORDINALITY AS told (type, place)`)
}

/** The same for uploads that have ended: each tells how. */
export function appendEndEvents(changed: 'changed'): Prisma.Sql {
  return appendUploads(
    Prisma.sql`SELECT *, 'upload.' || state || '.v1' AS type, 1 AS place FROM ${Prisma.raw(changed)}`,
  )
}

function appendUploads(told: Prisma.Sql): Prisma.Sql {
  return Prisma.sql`
    INSERT INTO events (type, owner, upload_id, package_id, data)
    SELECT type, owner, id, package_id, jsonb_build_object(
      'state', state, 'filename', filename, 'label', label, 'relative_path', COALESCE(package_path, relative_path), 'size', size_bytes,
      'sha256', sha256, 'expires_at', expires_at, 'error', error_code)
    FROM (${told}) AS told WHERE concat IS DISTINCT FROM 'partial'
    ORDER BY place`
}

/** The same for the rows of `changed`, a CTE with the columns of `packages`. */
export function appendPackageEvents(changed: 'changed', ...types: PackageEventType[]): Prisma.Sql {
  return Prisma.sql`
    INSERT INTO events (type, owner, package_id, data)
    SELECT told.type, owner, id, jsonb_build_object(
      'state', state, 'name', name, 'label', label, 'expires_at', expires_at, 'manifest_sha256', manifest_sha256)
    FROM ${Prisma.raw(changed)}, unnest(${types}::text[]) WITH ORDINALITY AS told (type, place)
    ORDER BY told.place`
}
