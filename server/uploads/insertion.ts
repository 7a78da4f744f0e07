// A new upload as SQL: where it stands in a package, how long it is kept, what its content refers to.

import { Prisma } from '../../prisma/generated/client.js'
import type { Digests } from '../digests/finish.js'
import { appendUploadEvents } from '../events/log.js'
import { endAfter, type Place } from '../packages/membership.js'
import { NEVER } from '../packages/retention.js'
import { pathInPackage, type UploadDescription } from './upload.js'

/** How long what lives: seconds from an upload's start, and seconds without a byte for one that is unfinished. */
export interface Lifetimes {
  uploadTtlSeconds: number
  sessionTtlSeconds: number
  /** How far an upload's end may be moved, counted from its start. */
  maxTtlSeconds: number
}

/** What makes a request of a client known when it comes again. */
export interface Idempotency {
  key: string
  /** Of what is asked for, hex: the same key must not be used for something else. */
  digest: string
}

export interface NewUploadOptions {
  /** Who holds it from the start. */
  lease: { holder: string; seconds: number } | null
  idempotency?: Idempotency | null
}

/** An upload that arrived whole in one request, its bytes an object in the store already. */
export interface WholeUpload {
  id: string
  owner: string
  description: UploadDescription
  idempotency?: Idempotency | null
  place: Place | null
  sizeBytes: number
  digests: Digests
  warnings: string[]
  retrievalToken: string
}

/** Answers `columns` of the new row; nothing when there is no place for it. */
export function insertReceiving(
  id: string,
  owner: string,
  description: UploadDescription,
  place: Place | null,
  { lease, idempotency = null }: NewUploadOptions,
  { columns, lifetimes, limits }: { columns: Prisma.Sql; lifetimes: Lifetimes; limits: string | null },
): Prisma.Sql {
  return Prisma.sql`
    WITH joined AS (${lockPackages(place === null ? [] : [place.packageId])}), kept AS (
      SELECT ${keptUntil(place, lifetimes)} AS until WHERE (${place === null} OR EXISTS (SELECT FROM joined))
        ${within(limits)}
    ), changed AS (
      INSERT INTO uploads (id, owner, state, filename, content_type, key, label, relative_path, package_id, package_path,
        finish, concat, idempotency_key, idempotency_digest, tus_metadata,
        size_bytes, declared_md5, declared_sha1, declared_sha256, keep_until, expires_at, lease_holder, lease_epoch, lease_until)
      SELECT ${id}, ${owner}, 'receiving', ${description.filename}, ${description.contentType},
        ${description.key}, ${description.label}, ${description.relativePath}, ${place?.packageId ?? null}::text,
        ${place === null ? null : pathInPackage(description, id)}::text, ${description.finish}::"UploadFinish",
        ${description.concat}, ${idempotency?.key ?? null}, ${idempotency?.digest ?? null}, ${description.tusMetadata},
        ${description.sizeBytes}::bigint, ${description.declared.md5 ?? null}, ${description.declared.sha1 ?? null},
        ${description.declared.sha256 ?? null}, kept.until, ${sessionEnd(Prisma.sql`kept.until`, lifetimes)},
        ${lease?.holder ?? null}, ${lease === null ? 0 : 1}, now() + ${lease?.seconds ?? null}::float8 * interval '1 second'
      FROM kept ON CONFLICT DO NOTHING
      RETURNING *
    ), told AS (${appendUploadEvents('changed', 'upload.created.v1')})
    SELECT ${columns} FROM changed`
}

/** All that there is a place for, from nothing to ready; answers their ids, and the objects of their content. */
export function insertWholes(
  wholes: readonly WholeUpload[],
  lifetimes: Lifetimes,
  limits: string | null,
): Prisma.Sql {
  const packageIds = wholes.flatMap(({ place }) => (place === null ? [] : [place.packageId]))
  return Prisma.sql`
      WITH joined AS (${lockPackages(packageIds)}), whole AS (
        SELECT * FROM jsonb_to_recordset(${JSON.stringify(wholes.map(toRow))}::jsonb) AS whole (
          id text, owner text, filename text, content_type text, key text, label text, relative_path text, package_id text,
          package_path text, ttl_seconds float8, finish text, concat text, idempotency_key text, idempotency_digest text,
          tus_metadata text, size_bytes bigint, declared_md5 text, declared_sha1 text, declared_sha256 text, md5 text, sha1 text,
          sha256 text, retrieval_token text, warnings text[])
      ), kept AS (
        SELECT whole.*, CASE WHEN concat = 'partial'
          THEN now() + ${lifetimes.sessionTtlSeconds} * interval '1 second' WHEN package_id IS NULL
          THEN now() + ${lifetimes.uploadTtlSeconds} * interval '1 second'
          ELSE GREATEST(joined.expires_at, COALESCE(now() + ttl_seconds * interval '1 second', ${NEVER}::timestamptz))
          END AS until
        FROM whole LEFT JOIN joined ON joined.id = package_id WHERE (package_id IS NULL OR joined.id IS NOT NULL)
          ${within(limits)}
      ), changed AS (
        INSERT INTO uploads (id, owner, state, filename, content_type, key, label, relative_path, package_id, package_path,
          finish, concat, idempotency_key, idempotency_digest, tus_metadata, size_bytes, offset_bytes, declared_md5, declared_sha1,
          declared_sha256, md5, sha1, sha256, retrieval_token, warnings, finished_at, keep_until, expires_at)
        SELECT id, owner, 'ready', filename, content_type, key, label, relative_path, package_id, package_path,
          finish::"UploadFinish", concat, idempotency_key, idempotency_digest, tus_metadata, size_bytes, size_bytes, declared_md5,
          declared_sha1, declared_sha256, md5, sha1, sha256, retrieval_token, warnings, now(), until, until
        -- In one order, so that two instances with the same paths, or the same requests, don't wait for each other. A path that is
        -- the upload's own id says nothing about its twin's.
        FROM kept ORDER BY package_id, NULLIF(package_path, id), owner, idempotency_key ON CONFLICT DO NOTHING
        RETURNING *
      ), ${placeBlobs()}, told AS (${appendUploadEvents('changed', 'upload.created.v1', 'upload.ready.v1')})
      SELECT changed.id, placed.object_key AS "objectKey" FROM changed JOIN placed USING (sha256)`
}

/**
 * Lets the uploads in `changed` refer to the blobs of their content, made now where there is none.
 *
 * ON CONFLICT DO UPDATE locks a blob, so that it can't lose its last reference before this statement commits; the
 * order keeps two statements from waiting for each other.
 */
export function placeBlobs(): Prisma.Sql {
  return Prisma.sql`
    placed AS (
      INSERT INTO blobs (sha256, object_key, size_bytes)
      SELECT DISTINCT ON (sha256) sha256, id, size_bytes FROM changed ORDER BY sha256
      ON CONFLICT (sha256) DO UPDATE SET sha256 = excluded.sha256 RETURNING sha256, object_key
    ), spare AS (
      INSERT INTO garbage (kind, object_key)
      SELECT 'object', id FROM changed WHERE NOT EXISTS (SELECT FROM placed WHERE placed.object_key = changed.id)
    )`
}

/** A condition that is true, and has the trigger on uploads refuse the statement when it passes `limits`. */
export function within(limits: string | null): Prisma.Sql {
  return limits === null
    ? Prisma.empty
    : Prisma.sql`AND (SELECT set_config('antipasto.limits', ${limits}, true)) IS NOT NULL`
}

/** When an unfinished upload ends: some time after its last byte, never later than it would if it were finished. */
export function sessionEnd(keepUntil: Prisma.Sql, lifetimes: Lifetimes): Prisma.Sql {
  return Prisma.sql`LEAST(now() + ${lifetimes.sessionTtlSeconds} * interval '1 second', ${keepUntil})`
}

/** When an upload that begins now ends once it is finished. Names `joined`, the package that it joins. */
function keptUntil(place: Place | null, lifetimes: Lifetimes): Prisma.Sql {
  return place === null
    ? endAfter(lifetimes.uploadTtlSeconds)
    : Prisma.sql`GREATEST((SELECT expires_at FROM joined), ${endAfter(place.ttlSeconds)})`
}

/** The open ones among the packages, which nobody finalizes, extends or deletes before our statement has committed. */
function lockPackages(ids: readonly string[]): Prisma.Sql {
  return Prisma.sql`SELECT id, expires_at FROM packages WHERE id = ANY(${ids}) AND state = 'open' ORDER BY id FOR SHARE`
}

/** As jsonb_to_recordset reads it. */
function toRow({
  id,
  owner,
  description,
  idempotency,
  place,
  sizeBytes,
  digests,
  warnings,
  retrievalToken,
}: WholeUpload): object {
  return {
    id,
    owner,
    filename: description.filename,
    content_type: description.contentType,
    key: description.key,
    label: description.label,
    relative_path: description.relativePath,
    package_id: place?.packageId,
    package_path: place === null ? undefined : pathInPackage(description, id),
    ttl_seconds: place?.ttlSeconds,
    finish: description.finish,
    concat: description.concat,
    idempotency_key: idempotency?.key,
    idempotency_digest: idempotency?.digest,
    tus_metadata: description.tusMetadata,
    size_bytes: sizeBytes,
    declared_md5: description.declared.md5,
    declared_sha1: description.declared.sha1,
    declared_sha256: description.declared.sha256,
    ...digests,
    retrieval_token: retrievalToken,
    warnings,
  }
}
