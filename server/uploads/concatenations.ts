// Uploads that are put together from others, and their parts, in Postgres. Each function is one statement or one transaction.

import { Prisma, type PrismaClient } from '../../prisma/generated/client.js'
import { isOverQuota } from '../database/client.js'
import { Statements } from '../database/statements.js'
import { AppError } from '../errors.js'
import { appendUploadEvents } from '../events/log.js'
import type { Place } from '../packages/membership.js'
import type { QuotaRecords } from '../quotas/records.js'
import { COLUMNS, one } from './columns.js'
import { type Ended, endUploads, HAS_NOT_ENDED, IS_ALIVE, IS_NOT_NEEDED } from './ending.js'
import { insertReceiving, type Lifetimes, type NewUploadOptions } from './insertion.js'
import type { Upload, UploadDescription, UploadState } from './upload.js'

/** A part of a concatenation, as it is now; when its record is gone, state and key are null and the size is 0. */
export interface ConcatSource {
  uploadId: string
  state: UploadState | null
  objectKey: string | null
  sizeBytes: number
}

export class Concatenations {
  readonly #database: Statements
  readonly #lifetimes: Lifetimes
  readonly #quotas: QuotaRecords

  constructor(prisma: PrismaClient, lifetimes: Lifetimes, quotas: QuotaRecords) {
    this.#database = new Statements(prisma)
    this.#lifetimes = lifetimes
    this.#quotas = quotas
  }

  /**
   * A new upload that is to be put together from others, which are whole.
   *
   * @returns null when there is no place for it, as `insertReceiving`
   * @throws GONE for a part that has ended, QUOTA_EXCEEDED
   */
  async insertConcatenation(
    id: string,
    owner: string,
    description: UploadDescription & { sizeBytes: number },
    place: Place | null,
    partialIds: readonly string[],
    options: NewUploadOptions,
  ): Promise<Upload | null> {
    let countedBytes = 0
    const insert = this.#database.transaction(async (transaction) => {
      // Packages, then uploads, and last the usage, which inserting changes.
      await transaction.$queryRaw`SELECT FROM packages WHERE id = ${place?.packageId ?? null} FOR SHARE`
      await keepParts(transaction, partialIds, this.#lifetimes)
      countedBytes = await bytesOfParts(transaction, owner, partialIds)
      const limits = this.#quotas.limitsWithMoreBytes(countedBytes)
      const inserted = await transaction.$queryRaw<{ id: string }[]>(
        insertReceiving(id, owner, description, place, options, {
          columns: Prisma.sql`id`,
          lifetimes: this.#lifetimes,
          limits,
        }),
      )
      if (inserted.length === 0) return null
      await transaction.$executeRaw`
          INSERT INTO concat_sources (upload_id, place, partial_id)
          SELECT ${id}, place, partial_id FROM unnest(${[...partialIds]}::text[]) WITH ORDINALITY AS source (partial_id, place)`
      const rows = await transaction.$queryRaw<Upload[]>`
          WITH changed AS (
            UPDATE uploads SET state = 'finalizing', offset_bytes = size_bytes, reread_bytes = 0, expires_at = keep_until
            WHERE id = ${id} RETURNING *
          ), told AS (${appendUploadEvents('changed', 'upload.finalizing.v1')})
          SELECT ${COLUMNS} FROM changed`
      return one(rows)
    })
    return insert.catch(async (error: unknown) => {
      const more = { bytes: description.sizeBytes - countedBytes, files: 1, openUploads: 1 }
      throw isOverQuota(error) ? await this.#quotas.overQuota(owner, more) : error
    })
  }

  /**
   * What `owner` has made of exactly these parts, in this order, and is finished or being finished: its client asks again when
   * the answer was lost.
   */
  async findConcatenation(owner: string, partialIds: readonly string[]): Promise<Upload | null> {
    const rows = await this.#database.query<Upload>(Prisma.sql`
      SELECT ${COLUMNS} FROM uploads
      WHERE id IN (SELECT upload_id FROM concat_sources WHERE partial_id = ${partialIds[0]})
        AND owner = ${owner} AND (state = 'finalizing' OR (state = 'ready' AND expires_at > now()))
        AND ${[...partialIds]} = (SELECT array_agg(partial_id ORDER BY place) FROM concat_sources WHERE upload_id = uploads.id)
      LIMIT 1`)
    return rows[0] ?? null
  }

  /** Whether the part was put into something that is finished, or being finished. */
  async hasServed(partialId: string): Promise<boolean> {
    const rows = await this.#database.query(Prisma.sql`
      SELECT FROM concat_sources JOIN uploads ON uploads.id = upload_id
      WHERE partial_id = ${partialId} AND state IN ('finalizing', 'ready') LIMIT 1`)
    return rows.length > 0
  }

  /** What a concatenation is made of, in order. */
  async concatSources(uploadId: string): Promise<ConcatSource[]> {
    const rows = await this.#database.query<
      Omit<ConcatSource, 'sizeBytes'> & { sizeBytes: bigint }
    >(Prisma.sql`
      SELECT partial_id AS "uploadId", uploads.state::text AS state, object_key AS "objectKey", uploads.size_bytes AS "sizeBytes"
      FROM concat_sources LEFT JOIN uploads ON uploads.id = partial_id LEFT JOIN blobs ON blobs.sha256 = uploads.sha256
      WHERE upload_id = ${uploadId} ORDER BY place`)
    return rows.map((row) => ({ ...row, sizeBytes: Number(row.sizeBytes) }))
  }

  /** The parts of a concatenation have served when it has come to its end. Idempotent. */
  async commitEndOfParts(uploadId: string): Promise<Ended> {
    const parts = Prisma.sql`concat = 'partial' AND ${HAS_NOT_ENDED}
      AND id IN (SELECT partial_id FROM concat_sources WHERE upload_id = ${uploadId})`
    return this.#database.transaction(async (transaction) => {
      // Locked in a statement of its own, so that the next one sees every whole that has claimed one of them meanwhile.
      await transaction.$queryRaw`SELECT FROM uploads WHERE ${parts} ORDER BY id FOR UPDATE`
      return endUploads(transaction, Prisma.sql`${parts} AND ${IS_NOT_NEEDED}`)
    })
  }

  /** Concatenations that are ready and still have parts: their server died before it could end them. */
  async findServed(limit: number): Promise<{ uploadId: string; partCount: number }[]> {
    return this.#database.query(Prisma.sql`
      SELECT upload_id AS "uploadId", count(*)::int AS "partCount" FROM concat_sources
        JOIN uploads AS whole ON whole.id = upload_id JOIN uploads ON uploads.id = partial_id
      WHERE whole.state = 'ready' AND uploads.concat = 'partial' AND uploads.state = 'ready' AND ${IS_NOT_NEEDED}
      GROUP BY upload_id LIMIT ${limit}`)
  }
}

/**
 * Keeps the parts of a concatenation that is being made as long as a session, and has everyone who is about to end one look
 * again.
 *
 * @throws GONE when one has ended, or is past its end
 */
async function keepParts(
  transaction: Prisma.TransactionClient,
  partialIds: readonly string[],
  lifetimes: Lifetimes,
): Promise<void> {
  const ids = [...new Set(partialIds)]
  const kept = await transaction.$queryRaw<{ id: string }[]>`
    WITH part AS (
      SELECT id FROM uploads WHERE id = ANY(${ids}) AND concat = 'partial' AND offset_bytes = size_bytes AND ${IS_ALIVE}
      ORDER BY id FOR UPDATE
    )
    UPDATE uploads SET expires_at = GREATEST(expires_at, now() + ${lifetimes.sessionTtlSeconds} * interval '1 second')
    FROM part WHERE uploads.id = part.id RETURNING uploads.id`
  if (kept.length === ids.length) return
  throw new AppError(
    'GONE',
    'A part of the concatenation has ended. Send that part again, or start a new upload.',
  )
}

/**
 * How much of the owner's parts, each once, only waits to be put together: a whole that is made of them takes that up in their
 * stead. Those that something else is made of have been counted for that.
 */
async function bytesOfParts(
  transaction: Prisma.TransactionClient,
  owner: string,
  partialIds: readonly string[],
): Promise<number> {
  const rows = await transaction.$queryRaw<{ bytes: number }[]>`
    SELECT COALESCE(sum(size_bytes), 0)::float8 AS bytes FROM uploads
    WHERE id = ANY(${[...partialIds]}) AND owner = ${owner} AND NOT EXISTS (
      SELECT FROM concat_sources JOIN uploads AS whole ON whole.id = concat_sources.upload_id
      WHERE concat_sources.partial_id = uploads.id AND whole.state IN ('finalizing', 'ready'))`
  return rows[0]?.bytes ?? 0
}
