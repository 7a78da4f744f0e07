// What happened, as rows. Events are written by the statement that makes them true, so none can be lost or invented.

import { Prisma } from '../../prisma/generated/client.js'
import type { Actor } from '../auth/identity.js'

export type PackageEventType =
  | 'package.created.v1'
  | 'package.finalized.v1'
  | 'package.retention_extended.v1'
  | 'package.shared.v1'
  | 'package.unshared.v1'
  | 'package.expired.v1'
  | 'package.deleted.v1'

export type UploadEventType =
  | 'upload.created.v1'
  | 'upload.finalizing.v1'
  | 'upload.ready.v1'
  | 'upload.failed.v1'
  | 'upload.canceled.v1'
  | 'upload.extended.v1'
  | 'upload.expiring.v1'
  | 'upload.expired.v1'
  | 'upload.deleted.v1'
  | 'upload.restored.v1'

export type ApiKeyEventType = 'api_key.created.v1' | 'api_key.revoked.v1'

/**
 * The INSERT that tells what happened to the rows of `changed`, a CTE or table with the columns of `uploads`.
 *
 * Goes into the same statement or transaction as the change itself. Several types are told in their order. Of the partial
 * uploads of a concatenation nothing is told: they are the way of a file, not files.
 */
export function appendUploadEvents(changed: 'changed' | 'uploads', ...types: UploadEventType[]): Prisma.Sql {
  return appendUploads(
    Prisma.sql`
      SELECT ${Prisma.raw(changed)}.*, told.type, told.place
      FROM ${Prisma.raw(changed)}, unnest(${types}::text[]) WITH ORDINALITY AS told (type, place)`,
    null,
  )
}

/** The same for uploads that somebody keeps longer. */
export function appendExtensionEvents(changed: 'changed', by: Actor | null): Prisma.Sql {
  return appendUploads(
    Prisma.sql`SELECT *, 'upload.extended.v1' AS type, 1 AS place FROM ${Prisma.raw(changed)}`,
    by,
  )
}

/** The same for uploads whose deletion somebody undid. */
export function appendRestoreEvents(changed: 'changed', by: Actor | null): Prisma.Sql {
  return appendUploads(
    Prisma.sql`SELECT *, 'upload.restored.v1' AS type, 1 AS place FROM ${Prisma.raw(changed)}`,
    by,
  )
}

/** The same for uploads that have ended: each tells how. @param by who asked for it; null: nobody, its time was over */
export function appendEndEvents(changed: 'changed', by: Actor | null): Prisma.Sql {
  return appendUploads(
    Prisma.sql`SELECT *, 'upload.' || state || '.v1' AS type, 1 AS place FROM ${Prisma.raw(changed)}`,
    by,
  )
}

function appendUploads(told: Prisma.Sql, by: Actor | null): Prisma.Sql {
  return Prisma.sql`
    INSERT INTO events (type, owner, upload_id, package_id, data)
    SELECT type, owner, id, package_id, jsonb_build_object(
      'state', state, 'filename', filename, 'label', label, 'relative_path', COALESCE(package_path, relative_path), 'size', size_bytes,
      'sha256', sha256, 'expires_at', expires_at, 'error', error_code) ${saidBy(by)}
    FROM (${told}) AS told WHERE concat IS DISTINCT FROM 'partial'
    ORDER BY place`
}

export interface PackageEventFacts {
  /** Who asked for it; absent: not told. */
  by?: Actor | null
  /** With whom it is shared, or was. */
  share?: { grantee: string; access: 'read' | 'write' | null }
}

/** The same for the rows of `changed`, a CTE with the columns of `packages`. */
export function appendPackageEvent(
  changed: 'changed',
  type: PackageEventType,
  { by = null, share }: PackageEventFacts = {},
): Prisma.Sql {
  const shared =
    share === undefined
      ? Prisma.empty
      : Prisma.sql`|| jsonb_build_object('grantee', ${share.grantee}::text, 'access', ${share.access}::text)`
  return Prisma.sql`
    INSERT INTO events (type, owner, package_id, data)
    SELECT ${type}, owner, id, jsonb_build_object(
      'state', state, 'name', name, 'label', label, 'expires_at', expires_at, 'manifest_sha256', manifest_sha256)
      ${shared} ${saidBy(by)}
    FROM ${Prisma.raw(changed)}`
}

/** The same for the rows of `changed`, a CTE with the columns of `api_keys`: of the key itself only what a list shows. */
export function appendApiKeyEvent(changed: 'changed', type: ApiKeyEventType, by: Actor | null): Prisma.Sql {
  return Prisma.sql`
    INSERT INTO events (type, owner, data)
    SELECT ${type}, owner, jsonb_build_object(
      'key_id', id, 'name', name, 'prefix', prefix, 'scopes', scopes, 'expires_at', expires_at) ${saidBy(by)}
    FROM ${Prisma.raw(changed)}`
}

/** Adds the member `by`. */
function saidBy(by: Actor | null): Prisma.Sql {
  if (by === null) return Prisma.empty
  const { owner, keyId, requestId } = by
  return Prisma.sql`|| ${JSON.stringify({ by: { owner, key_id: keyId, request_id: requestId } })}::jsonb`
}
