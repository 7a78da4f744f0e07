// Packages as their statements read them: columns and conditions that more than one of them has. SQL only.

import { Prisma } from '../../prisma/generated/client.js'
import type { OwnerScope } from '../auth/owner-scope.js'
import { reachesPackage } from '../database/owned-by.js'
import type { Blocker, Contents, Extension, Package } from './package.js'

/** What asks: the client itself, or a transaction of it. */
export type Asker = Pick<Prisma.TransactionClient, '$queryRaw'>

const NOW = Prisma.sql`now()`

/** The uploads that stand in the package `id` at the moment `at`: not those that have ended, swept or not. */
export function standingIn(id: Prisma.Sql, at: Prisma.Sql = NOW): Prisma.Sql {
  return Prisma.sql`uploads.package_id = ${id} AND uploads.package_path IS NOT NULL
    AND (uploads.state = 'finalizing' OR uploads.expires_at > ${at})`
}

/** Of `packages`: a finalized one is past its end; an open one is when none of its files lives, or can be restored, any longer. */
export const IS_PAST_END = Prisma.sql`(packages.expires_at <= now() AND (packages.state = 'finalized'
  OR (packages.state = 'open' AND NOT EXISTS (SELECT FROM uploads WHERE ${standingIn(Prisma.sql`packages.id`)})
    AND NOT EXISTS (SELECT FROM uploads WHERE package_id = packages.id AND restore_path IS NOT NULL AND restorable_until > now()))))`

/** The state of `packages` by the clock, swept or not. */
export const STATE_NOW = Prisma.sql`CASE WHEN ${IS_PAST_END} THEN 'expired' ELSE packages.state::text END`

/** `packages` with its end, `ends_at`, and `state_now`. GREATEST passes over NULL. */
export const PACKAGES = Prisma.sql`(
  SELECT packages.*, ${STATE_NOW} AS state_now, GREATEST(packages.expires_at, CASE WHEN packages.state = 'open' THEN (
    SELECT max(keep_until) FROM uploads WHERE ${standingIn(Prisma.sql`packages.id`)}) END) AS ends_at
  FROM packages
) AS packages`

/** Of PACKAGES, as a Package has them. */
export const PACKAGE_COLUMNS = Prisma.raw(`id, owner, state_now AS state, name, label, producer, subject,
  retention_class AS "retentionClass", metadata, created_at AS "createdAt", finalized_at AS "finalizedAt",
  ends_at AS "endsAt", EXTRACT(EPOCH FROM ends_at - now())::float8 AS "endsInSeconds",
  manifest_sha256 AS "manifestSha256"`)

export async function readPackage(asker: Asker, id: string, scope: OwnerScope): Promise<Package | null> {
  const rows = await asker.$queryRaw<Package[]>`
    SELECT ${PACKAGE_COLUMNS} FROM ${PACKAGES} WHERE id = ${id} AND ${reachesPackage(scope)}`
  return rows[0] ?? null
}

/**
 * Locks a package, so that nothing joins, leaves or ends it before we commit. Packages are locked before uploads.
 *
 * @returns it as it is under the lock: of a statement of its own, which sees what was committed while we waited
 */
export async function lockPackage(asker: Asker, id: string, scope: OwnerScope): Promise<Package | null> {
  await asker.$queryRaw`SELECT FROM packages WHERE id = ${id} AND ${reachesPackage(scope)} FOR UPDATE`
  return readPackage(asker, id, scope)
}

/** Locks what stands in a package, by id, as everyone who locks several. */
export async function lockFiles(asker: Asker, id: string): Promise<void> {
  await asker.$queryRaw`
    SELECT count(*) FROM (
      SELECT FROM uploads WHERE package_id = ${id} AND package_path IS NOT NULL ORDER BY id FOR UPDATE
    ) AS locked`
}

/** The database's clock now, not when the transaction began: locks may have been waited for. To the millisecond, as it is stored. */
export async function readClock(asker: Asker): Promise<Date> {
  const rows = await asker.$queryRaw<
    { at: Date }[]
  >`SELECT date_trunc('milliseconds', clock_timestamp()) AS at`
  const at = rows[0]?.at
  if (at === undefined) throw new Error('The database has no clock.')
  return at
}

/** A failed upload keeps its package open until something ready stands where it was meant to. */
const PATH_SENT_FOR = Prisma.sql`COALESCE(relative_path, normalize(filename, NFC), id)`

/** The files of the package `id` at the moment `at`: `id, path, state, size_bytes`, ended ones left out. */
function filesOf(id: Prisma.Sql, at: Prisma.Sql): Prisma.Sql {
  return Prisma.sql`
    SELECT id, package_path AS path, state::text AS state, size_bytes FROM uploads
      WHERE ${standingIn(id, at)}
    UNION ALL
    SELECT id, ${PATH_SENT_FOR}, state::text, size_bytes FROM uploads
      WHERE package_id = ${id} AND state = 'failed' AND concat IS DISTINCT FROM 'partial' AND NOT EXISTS (
        SELECT FROM uploads AS other WHERE other.package_id = ${id} AND other.state = 'ready'
          AND other.expires_at > ${at}
          AND other.package_path = COALESCE(uploads.relative_path, normalize(uploads.filename, NFC), uploads.id))`
}

/** What stands in the package `id` at the moment `at`, as Contents have it: one row. */
export function contentsOf(id: Prisma.Sql, at: Prisma.Sql = NOW): Prisma.Sql {
  return Prisma.sql`
    SELECT count(*) FILTER (WHERE state = 'ready')::int AS ready, count(*) FILTER (WHERE state = 'failed')::int AS failed,
      count(*) FILTER (WHERE state IN ('receiving', 'finalizing'))::int AS unfinished,
      COALESCE(sum(size_bytes) FILTER (WHERE state = 'ready'), 0)::float8 AS "sizeBytes"
    FROM (${filesOf(id, at)}) AS files`
}

export async function readContents(asker: Asker, id: string, at: Prisma.Sql = NOW): Promise<Contents> {
  const rows = await asker.$queryRaw<Contents[]>(contentsOf(Prisma.sql`${id}`, at))
  return rows[0] ?? { ready: 0, failed: 0, unfinished: 0, sizeBytes: 0 }
}

/** The first `limit` of the files that aren't ready, by path. */
export function readBlockers(asker: Asker, id: string, at: Prisma.Sql, limit: number): Promise<Blocker[]> {
  return asker.$queryRaw<Blocker[]>`
    SELECT id, path, state FROM (${filesOf(Prisma.sql`${id}`, at)}) AS files WHERE state <> 'ready'
    ORDER BY path COLLATE "C", id LIMIT ${limit}`
}

/** Oldest first. */
export function readExtensions(asker: Asker, id: string): Promise<Extension[]> {
  return asker.$queryRaw<Extension[]>`
    SELECT at, by, reason, old_expires_at AS "oldExpiresAt", new_expires_at AS "newExpiresAt"
    FROM retention_extensions WHERE package_id = ${id} ORDER BY id`
}
