// The record of every upload, in Postgres. Each function is one statement or one transaction; time is the database's.
//
// Statements that a lease fences name its epoch: when a newer claim has raised it, they change nothing and throw LOCKED.

import { Prisma, type PrismaClient } from '../../prisma/generated/client.js'
import { EVERYONE, type OwnerScope } from '../auth/owner-scope.js'
import { translateDatabaseError } from '../database/client.js'
import type { Digests } from '../digests/digest.js'
import { AppError } from '../errors.js'
import { appendUploadEvents } from '../events/log.js'
import type { Ledger, StoredPart } from '../storage/store.js'
import type { ListQuery, Position } from './list-query.js'
import { isId, isToken } from './random.js'
import type { Upload, UploadDescription, UploadState } from './upload.js'

/** How long what lives: seconds from an upload's start, and seconds without a byte for one that is unfinished. */
export interface Lifetimes {
  uploadTtlSeconds: number
  sessionTtlSeconds: number
  /** How far an upload's end may be moved, counted from its start. */
  maxTtlSeconds: number
}

/** Bytes that lost their last reference in the transaction which names them. */
export interface Discarded {
  kind: 'temporary' | 'object'
  objectKey: string
}

/** An upload that arrived whole in one request, its bytes an object in the store already. */
export interface WholeUpload {
  id: string
  owner: string
  description: UploadDescription
  sizeBytes: number
  digests: Digests
  warnings: string[]
  retrievalToken: string
}

/** What the records are told of bytes that are durable now. */
export interface Acknowledged {
  offsetBytes: number
  digestState: Uint8Array | null
  stored: Ledger
}

export interface Fence {
  uploadId: string
  epoch: bigint
}

const COLUMNS =
  Prisma.raw(`id, owner, state::text AS state, filename, content_type AS "contentType", key, label,
  relative_path AS "relativePath", note, tus_metadata AS "tusMetadata", size_bytes AS "sizeBytes",
  offset_bytes AS "offsetBytes", digest_state AS "digestState", reread_bytes AS "rereadBytes",
  multipart_id AS "multipartId", declared_md5 AS "declaredMd5",
  declared_sha1 AS "declaredSha1", declared_sha256 AS "declaredSha256", md5, sha1, sha256,
  retrieval_token AS "retrievalToken", warnings, error_code AS "errorCode", error_detail AS "errorDetail",
  created_at AS "createdAt", last_write_at AS "lastWriteAt", finished_at AS "finishedAt", expires_at AS "expiresAt",
  EXTRACT(EPOCH FROM expires_at - now())::float8 AS "expiresInSeconds",
  lease_epoch AS "leaseEpoch", (lease_holder IS NOT NULL AND lease_until > now()) AS "isHeld"`)

const FREE_LEASE = Prisma.raw(`lease_holder = NULL, lease_until = NULL`)

/** What has ended, or become an object, needs no ledger. */
const DROP_PARTS = Prisma.raw(
  `dropped AS (DELETE FROM parts USING changed WHERE parts.upload_id = changed.id)`,
)

export class Records {
  readonly #prisma: PrismaClient
  readonly #lifetimes: Lifetimes

  constructor(prisma: PrismaClient, lifetimes: Lifetimes) {
    this.#prisma = prisma
    this.#lifetimes = lifetimes
  }

  /** Resolves when the database answers. */
  async check(): Promise<void> {
    await this.#query(Prisma.sql`SELECT 1`)
  }

  /** A new upload that waits for its bytes; held by `leaseHolder` from the start when one is named. */
  async insertReceiving(
    id: string,
    owner: string,
    description: UploadDescription,
    lease: { holder: string; seconds: number } | null,
  ): Promise<Upload> {
    const rows = await this.#query<Upload>(Prisma.sql`
      WITH changed AS (
        INSERT INTO uploads (id, owner, state, filename, content_type, key, label, relative_path, tus_metadata,
          size_bytes, declared_md5, declared_sha1, declared_sha256, expires_at, lease_holder, lease_epoch, lease_until)
        VALUES (${id}, ${owner}, 'receiving', ${description.filename}, ${description.contentType},
          ${description.key}, ${description.label}, ${description.relativePath}, ${description.tusMetadata},
          ${description.sizeBytes}::bigint, ${description.declared.md5 ?? null}, ${description.declared.sha1 ?? null},
          ${description.declared.sha256 ?? null}, ${this.#sessionEnd(Prisma.sql`now()`)},
          ${lease?.holder ?? null}, ${lease === null ? 0 : 1}, now() + ${lease?.seconds ?? null}::float8 * interval '1 second')
        RETURNING *
      ), told AS (${appendUploadEvents('changed', 'upload.created.v1')})
      SELECT ${COLUMNS} FROM changed`)
    return one(rows)
  }

  /**
   * Records uploads that arrived whole, from nothing to ready: all of them in one statement, or none.
   *
   * @returns for each, in order, its own object when another blob already holds the same content
   */
  async insertWhole(wholes: readonly WholeUpload[]): Promise<Discarded[][]> {
    const rows = await this.#query<{ id: string; objectKey: string }>(Prisma.sql`
      WITH whole AS (
        SELECT * FROM jsonb_to_recordset(${JSON.stringify(wholes.map(toRow))}::jsonb) AS whole (
          id text, owner text, filename text, content_type text, key text, label text, relative_path text,
          tus_metadata text, size_bytes bigint, declared_md5 text, declared_sha1 text, declared_sha256 text, md5 text,
          sha1 text, sha256 text, retrieval_token text, warnings text[])
      ), changed AS (
        INSERT INTO uploads (id, owner, state, filename, content_type, key, label, relative_path, tus_metadata,
          size_bytes, offset_bytes, declared_md5, declared_sha1, declared_sha256, md5, sha1, sha256, retrieval_token,
          warnings, finished_at, expires_at)
        SELECT id, owner, 'ready', filename, content_type, key, label, relative_path, tus_metadata, size_bytes,
          size_bytes, declared_md5, declared_sha1, declared_sha256, md5, sha1, sha256, retrieval_token, warnings, now(),
          now() + ${this.#lifetimes.uploadTtlSeconds} * interval '1 second'
        FROM whole
        RETURNING *
      ), ${this.#placeBlobs()}, told AS (${appendUploadEvents('changed', 'upload.created.v1', 'upload.ready.v1')})
      SELECT changed.id, placed.object_key AS "objectKey" FROM changed JOIN placed USING (sha256)`)
    const objectKeys = new Map(rows.map(({ id, objectKey }) => [id, objectKey]))
    return wholes.map(({ id }) => spareObject(id, objectKeys.get(id)))
  }

  /** The upload, when `scope` may know of it. @throws NOT_FOUND, the same for what is another's and what never was */
  async get(id: string, scope: OwnerScope): Promise<Upload> {
    const statement = Prisma.sql`SELECT ${COLUMNS} FROM uploads WHERE id = ${id} AND ${ownedBy(scope)}`
    return one(isId(id) ? await this.#query<Upload>(statement) : [])
  }

  async findByRetrievalToken(token: string): Promise<(Upload & { objectKey: string | null }) | null> {
    if (!isToken(token)) return null
    const rows = await this.#query<Upload & { objectKey: string | null }>(Prisma.sql`
      SELECT ${COLUMNS}, (SELECT object_key FROM blobs WHERE blobs.sha256 = uploads.sha256) AS "objectKey"
      FROM uploads WHERE retrieval_token = ${token}`)
    return rows[0] ?? null
  }

  /** One page, in the query's order, of what `scope` may see, from behind `query.after`. */
  async list(scope: OwnerScope, query: ListQuery): Promise<Upload[]> {
    const column = Prisma.raw(query.sort.column)
    const direction = Prisma.raw(query.sort.isDescending ? 'DESC' : 'ASC')
    const conditions = [
      Prisma.sql`state = ANY(${query.states}::"UploadState"[])`,
      ownedBy(scope),
      ...(query.label === null ? [] : [Prisma.sql`label = ${query.label}`]),
      ...(query.text === null ? [] : [matches(query.text)]),
      ...(query.after === null ? [] : [behind(column, query.sort.isDescending, query.after)]),
    ]
    return this.#query<Upload>(Prisma.sql`
      SELECT ${COLUMNS} FROM uploads WHERE ${Prisma.join(conditions, ' AND ')}
      ORDER BY ${column} ${direction}, id ${direction} LIMIT ${query.limit}`)
  }

  /** Takes the lease of an upload in `state`, if nobody holds it. One UPDATE; the epoch rises with every claim. */
  async claimLease(
    id: string,
    state: UploadState,
    scope: OwnerScope,
    holder: string,
    seconds: number,
  ): Promise<Upload | null> {
    if (!isId(id)) return null
    const rows = await this.#query<Upload>(Prisma.sql`
      UPDATE uploads SET lease_holder = ${holder}, lease_epoch = lease_epoch + 1,
        lease_until = now() + ${seconds} * interval '1 second'
      WHERE id = ${id} AND ${ownedBy(scope)} AND state = ${state}::"UploadState" AND (lease_holder IS NULL OR lease_until < now())
        AND (state = 'finalizing' OR expires_at > now())
      RETURNING ${COLUMNS}`)
    return rows[0] ?? null
  }

  /** Lengthens the leases that `holder` has. @returns the ids it still holds; any other was taken over. */
  async renewLeases(holder: string, ids: string[], seconds: number): Promise<Set<string>> {
    const rows = await this.#query<{ id: string }>(Prisma.sql`
      UPDATE uploads SET lease_until = now() + ${seconds} * interval '1 second'
      WHERE id = ANY(${ids}) AND lease_holder = ${holder} RETURNING id`)
    return new Set(rows.map((row) => row.id))
  }

  async releaseLease(fence: Fence): Promise<void> {
    await this.#query(Prisma.sql`
      UPDATE uploads SET ${FREE_LEASE} WHERE id = ${fence.uploadId} AND lease_epoch = ${fence.epoch}`)
  }

  /** Frees every lease. Only where no other instance can hold one: on a store that one process owns, at its start. */
  async releaseAllLeases(): Promise<void> {
    await this.#query(Prisma.sql`UPDATE uploads SET ${FREE_LEASE} WHERE lease_holder IS NOT NULL`)
  }

  /**
   * Acknowledges: the first `offsetBytes` bytes are durable in the store, `digestState` is theirs, and `stored` tells
   * where those are that the ledger hasn't named yet.
   */
  async advance(
    fence: Fence,
    { offsetBytes, digestState, stored }: Acknowledged,
    options: { release: boolean },
  ): Promise<Upload> {
    return this.#fenced(
      fence,
      Prisma.sql`
      WITH changed AS (
        UPDATE uploads SET offset_bytes = ${offsetBytes}, digest_state = ${digestState}, last_write_at = now(),
          ${multipartOf(stored)},
          expires_at = GREATEST(expires_at, ${this.#sessionEnd(Prisma.sql`created_at`)}) ${options.release ? Prisma.sql`, ${FREE_LEASE}` : Prisma.empty}
        WHERE id = ${fence.uploadId} AND lease_epoch = ${fence.epoch} AND state = 'receiving'
          AND offset_bytes <= ${offsetBytes}
        RETURNING *
      ) ${placeParts(stored)}
      SELECT ${COLUMNS} FROM changed`,
    )
  }

  /**
   * The ledger of an upload, in order. With `isForWriter` from its last `part` on, which is all that writing needs: a big
   * upload has thousands.
   */
  async ledger(upload: Upload, { isForWriter }: { isForWriter: boolean }): Promise<Ledger> {
    const from = isForWriter
      ? Prisma.sql`AND start_bytes >= COALESCE(
          (SELECT max(start_bytes) FROM parts WHERE upload_id = ${upload.id} AND kind = 'part'), 0)`
      : Prisma.empty
    const rows = await this.#query<PartRow>(Prisma.sql`
      SELECT kind::text AS kind, start_bytes AS "startBytes", size_bytes AS "sizeBytes", name, etag FROM parts
      WHERE upload_id = ${upload.id} ${from} ORDER BY start_bytes`)
    return { multipartId: upload.multipartId, parts: rows.map(toPart) }
  }

  async declareSize(fence: Fence, sizeBytes: number): Promise<Upload> {
    return this.#fenced(
      fence,
      Prisma.sql`
      UPDATE uploads SET size_bytes = ${sizeBytes}
      WHERE id = ${fence.uploadId} AND lease_epoch = ${fence.epoch} AND state = 'receiving' AND size_bytes IS NULL
      RETURNING ${COLUMNS}`,
    )
  }

  /**
   * Acknowledges the last byte. From here on, finishing is ours alone.
   *
   * @param digests null when the bytes must be read again
   * @param stored where those bytes are that the ledger hasn't named yet
   */
  async beginFinalizing(fence: Fence, digests: Digests | null, stored: Ledger): Promise<Upload> {
    return this.#fenced(
      fence,
      Prisma.sql`
      WITH changed AS (
        UPDATE uploads SET state = 'finalizing', offset_bytes = size_bytes, digest_state = NULL, last_write_at = now(),
          reread_bytes = ${digests === null ? 0 : null}::bigint, ${multipartOf(stored)},
          md5 = ${digests?.md5 ?? null}, sha1 = ${digests?.sha1 ?? null}, sha256 = ${digests?.sha256 ?? null},
          expires_at = GREATEST(expires_at, created_at + ${this.#lifetimes.uploadTtlSeconds} * interval '1 second')
        WHERE id = ${fence.uploadId} AND lease_epoch = ${fence.epoch} AND state = 'receiving' RETURNING *
      ) ${placeParts(stored)}, told AS (${appendUploadEvents('changed', 'upload.finalizing.v1')})
      SELECT ${COLUMNS} FROM changed`,
    )
  }

  /** Finishing has read the object's first `rereadBytes` bytes again; whoever goes on begins there. */
  async recordReread(fence: Fence, rereadBytes: number, digestState: Uint8Array): Promise<void> {
    await this.#fenced(
      fence,
      Prisma.sql`
      UPDATE uploads SET reread_bytes = ${rereadBytes}, digest_state = ${digestState}
      WHERE id = ${fence.uploadId} AND lease_epoch = ${fence.epoch} AND state = 'finalizing' RETURNING id`,
    )
  }

  /**
   * Ready: the record, the blob and the event in one statement; frees the lease.
   *
   * @param finished.hasLeftovers more may be left of the temporary than its object, and has to go
   * @returns the record, and the object under the upload's id when another blob already holds the same content
   */
  async commitReady(
    fence: Fence,
    finished: { digests: Digests; warnings: string[]; retrievalToken: string; hasLeftovers: boolean },
  ): Promise<{ upload: Upload; discarded: Discarded[] }> {
    const { digests, hasLeftovers } = finished
    const upload = await this.#fenced<Upload & { objectKey: string }>(
      fence,
      Prisma.sql`
      WITH changed AS (
        UPDATE uploads SET state = 'ready', finished_at = now(), md5 = ${digests.md5}, sha1 = ${digests.sha1},
          sha256 = ${digests.sha256}, digest_state = NULL, reread_bytes = NULL, warnings = ${finished.warnings}, retrieval_token = ${finished.retrievalToken},
          ${FREE_LEASE}
        WHERE id = ${fence.uploadId} AND lease_epoch = ${fence.epoch} AND state = 'finalizing' RETURNING *
      ), ${DROP_PARTS}, leftover AS (
        INSERT INTO garbage (kind, object_key) SELECT 'temporary', id FROM changed WHERE ${hasLeftovers}
        ON CONFLICT DO NOTHING
      ), ${this.#placeBlobs()}, told AS (${appendUploadEvents('changed', 'upload.ready.v1')})
      SELECT ${COLUMNS}, (SELECT object_key FROM placed) AS "objectKey" FROM changed`,
    )
    const { objectKey, ...record } = upload
    const leftovers: Discarded[] = hasLeftovers ? [{ kind: 'temporary', objectKey: fence.uploadId }] : []
    return { upload: record, discarded: [...spareObject(fence.uploadId, objectKey), ...leftovers] }
  }

  /** Failed for good: keeps both digests and the reason, gives up the bytes. */
  async commitFailed(
    fence: Fence,
    failure: AppError,
    digests: Digests | null,
  ): Promise<{ upload: Upload; discarded: Discarded[] }> {
    const upload = await this.#fenced(
      fence,
      Prisma.sql`
      WITH changed AS (
        UPDATE uploads SET state = 'failed', finished_at = now(), error_code = ${failure.code},
          error_detail = ${failure.detail}, md5 = COALESCE(${digests?.md5 ?? null}, md5),
          sha1 = COALESCE(${digests?.sha1 ?? null}, sha1), sha256 = COALESCE(${digests?.sha256 ?? null}, sha256),
          digest_state = NULL, reread_bytes = NULL, ${FREE_LEASE}
        WHERE id = ${fence.uploadId} AND lease_epoch = ${fence.epoch} AND state IN ('receiving', 'finalizing')
        RETURNING *
      ), ${DROP_PARTS}, discarded AS (
        INSERT INTO garbage (kind, object_key)
        SELECT kind, id FROM changed, unnest(enum_range(NULL::"GarbageKind")) AS kind ON CONFLICT DO NOTHING
      ), told AS (${appendUploadEvents('changed', 'upload.failed.v1')})
      SELECT ${COLUMNS} FROM changed`,
    )
    return { upload, discarded: bothRooms(upload.id) }
  }

  /**
   * Ends an upload: canceled or deleted by its owner, or expired. Its lease is void from here on.
   *
   * @returns null when it had ended already, or with `onlyPastEnd` isn't past its end
   */
  async commitEnd(
    id: string,
    end: 'canceled' | 'deleted' | 'expired',
    { onlyPastEnd }: { onlyPastEnd: boolean } = { onlyPastEnd: false },
  ): Promise<{ upload: Upload; discarded: Discarded[] } | null> {
    return this.#transaction(async (transaction) => {
      const [before] = await transaction.$queryRaw<Upload[]>`
        SELECT ${COLUMNS} FROM uploads WHERE id = ${id} FOR UPDATE`
      if (before === undefined) return null
      if (before.state === 'deleted' || before.state === 'canceled' || before.state === 'expired') return null
      if (onlyPastEnd && (before.state === 'finalizing' || before.expiresInSeconds > 0)) return null
      const blobKey = before.state === 'ready' ? await lockBlob(transaction, before.sha256) : null
      const [upload] = await transaction.$queryRaw<Upload[]>`
        WITH changed AS (
          UPDATE uploads SET state = ${end}::"UploadState", finished_at = COALESCE(finished_at, now()),
            digest_state = NULL, reread_bytes = NULL, lease_epoch = lease_epoch + 1, ${FREE_LEASE}
          WHERE id = ${id} RETURNING *
        ), ${DROP_PARTS}, told AS (${appendUploadEvents('changed', `upload.${end}.v1`)})
        SELECT ${COLUMNS} FROM changed`
      // A store that lost an answer may have left something of the temporary of a ready upload, too.
      const discarded: Discarded[] =
        blobKey === null
          ? bothRooms(id)
          : [
              { kind: 'temporary', objectKey: id },
              ...(await dropUnreferencedBlob(transaction, before.sha256)),
            ]
      await transaction.garbage.createMany({ data: discarded, skipDuplicates: true })
      return { upload: upload as Upload, discarded }
    })
  }

  /** Uploads, but for `except`, that the sweep has to look at: past their end, waiting to be finished, or old tombstones. */
  async findSweepable(tombstoneTtlSeconds: number, except: string[], limit: number): Promise<Upload[]> {
    return this.#query(Prisma.sql`
      SELECT ${COLUMNS} FROM uploads
      WHERE NOT (id = ANY(${except})) AND ((state IN ('receiving', 'ready') AND expires_at <= now())
        OR ((state = 'finalizing' OR (state = 'receiving' AND offset_bytes = size_bytes))
            AND (lease_holder IS NULL OR lease_until < now()))
        OR (state IN ('failed', 'canceled', 'expired', 'deleted')
            AND COALESCE(finished_at, expires_at) < now() - ${tombstoneTtlSeconds} * interval '1 second'))
      ORDER BY expires_at LIMIT ${limit}`)
  }

  async deleteTombstone(id: string): Promise<void> {
    await this.#query(Prisma.sql`
      DELETE FROM uploads WHERE id = ${id} AND state IN ('failed', 'canceled', 'expired', 'deleted')`)
  }

  async update(
    id: string,
    changes: { label?: string | null; key?: string | null; note?: string | null },
  ): Promise<Upload> {
    await this.#translated(() => this.#prisma.upload.update({ where: { id }, data: changes }))
    return this.get(id, EVERYONE)
  }

  /**
   * Moves a living upload's end to `expiresAt`.
   *
   * @throws INVALID_INPUT when that is not later than now it is, or later than the longest life allowed
   */
  async extend(id: string, expiresAt: Date): Promise<Upload> {
    const rows = await this.#query<Upload>(Prisma.sql`
      UPDATE uploads SET expires_at = ${expiresAt}::timestamptz
      WHERE id = ${id} AND state IN ('receiving', 'finalizing', 'ready') AND expires_at <= ${expiresAt}::timestamptz
        AND ${expiresAt}::timestamptz <= created_at + ${this.#lifetimes.maxTtlSeconds} * interval '1 second'
      RETURNING ${COLUMNS}`)
    if (rows[0] !== undefined) return rows[0]
    const upload = await this.get(id, EVERYONE)
    const latest = new Date(upload.createdAt.getTime() + this.#lifetimes.maxTtlSeconds * 1000)
    throw new AppError(
      'INVALID_INPUT',
      `expires_at must be from ${upload.expiresAt.toISOString()} to ${latest.toISOString()}.`,
    )
  }

  async setRetrievalToken(id: string, token: string): Promise<Upload> {
    const rows = await this.#query<Upload>(Prisma.sql`
      UPDATE uploads SET retrieval_token = ${token} WHERE id = ${id} AND state = 'ready' RETURNING ${COLUMNS}`)
    if (rows[0] === undefined) {
      throw new AppError(
        'CONFLICT',
        'Only a ready upload has a retrieval URL. Wait until its state is ready.',
      )
    }
    return rows[0]
  }

  /**
   * Lets the uploads in `changed` refer to the blobs of their content, made now where there is none.
   *
   * ON CONFLICT DO UPDATE locks a blob, so that it can't lose its last reference before this statement commits; the
   * order keeps two statements from waiting for each other.
   */
  #placeBlobs(): Prisma.Sql {
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

  /** When an unfinished upload ends: some time after its last byte, never later than it would if it were finished. */
  #sessionEnd(start: Prisma.Sql): Prisma.Sql {
    const { sessionTtlSeconds, uploadTtlSeconds } = this.#lifetimes
    return Prisma.sql`LEAST(now() + ${sessionTtlSeconds} * interval '1 second',
      ${start} + ${uploadTtlSeconds} * interval '1 second')`
  }

  async #fenced<Row = Upload>(fence: Fence, statement: Prisma.Sql): Promise<Row> {
    const rows = await this.#query<Row>(statement)
    if (rows[0] === undefined) throw takenOver(fence.uploadId)
    return rows[0]
  }

  async #query<Row>(statement: Prisma.Sql): Promise<Row[]> {
    return this.#translated(() => this.#prisma.$queryRaw<Row[]>(statement))
  }

  async #transaction<T>(act: (transaction: Prisma.TransactionClient) => Promise<T>): Promise<T> {
    return this.#translated(() => this.#prisma.$transaction(act))
  }

  async #translated<T>(act: () => Promise<T>): Promise<T> {
    try {
      return await act()
    } catch (error) {
      throw translateDatabaseError(error)
    }
  }
}

/** Why an older request must stop: its client has come back, or another has. */
export function takenOver(uploadId: string): AppError {
  return new AppError(
    'LOCKED',
    `Another request took over upload ${uploadId}. Ask for its offset with HEAD and resume there.`,
    { retryAfterSeconds: 1 },
  )
}

/** Waits for everyone who is about to refer to the blob, and keeps others from doing so until we commit. */
async function lockBlob(
  transaction: Prisma.TransactionClient,
  sha256: string | null,
): Promise<string | null> {
  const rows = await transaction.$queryRaw<{ objectKey: string }[]>`
    SELECT object_key AS "objectKey" FROM blobs WHERE sha256 = ${sha256} FOR UPDATE`
  return rows[0]?.objectKey ?? null
}

/** A statement of its own, after the lock: only so does it see a reference that was committed while we waited. */
async function dropUnreferencedBlob(
  transaction: Prisma.TransactionClient,
  sha256: string | null,
): Promise<Discarded[]> {
  const rows = await transaction.$queryRaw<{ objectKey: string }[]>`
    DELETE FROM blobs WHERE sha256 = ${sha256}
      AND NOT EXISTS (SELECT FROM uploads WHERE uploads.sha256 = blobs.sha256 AND state = 'ready')
    RETURNING object_key AS "objectKey"`
  return rows.map(({ objectKey }) => ({ kind: 'object', objectKey }))
}

/** The object under an upload's own id, when its content's blob has another one. */
function spareObject(id: string, objectKey: string | undefined): Discarded[] {
  return objectKey === id ? [] : [{ kind: 'object', objectKey: id }]
}

/** As jsonb_to_recordset reads it. */
function toRow({
  id,
  owner,
  description,
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

interface PartRow extends Omit<StoredPart, 'startBytes' | 'sizeBytes'> {
  startBytes: bigint
  sizeBytes: bigint
}

function toPart(row: PartRow): StoredPart {
  return { ...row, startBytes: Number(row.startBytes), sizeBytes: Number(row.sizeBytes) }
}

/** The multipart upload is made by whoever writes its first part; the newest counts, since its parts do. */
function multipartOf({ multipartId }: Ledger): Prisma.Sql {
  return Prisma.sql`multipart_id = COALESCE(${multipartId}, multipart_id)`
}

/** Enters parts of the upload in `changed` into the ledger. One replaces all that begin inside the stretch that it covers. */
function placeParts({ parts }: Ledger): Prisma.Sql {
  if (parts.length === 0) return Prisma.empty
  return Prisma.sql`, fresh AS (
      SELECT * FROM jsonb_to_recordset(${JSON.stringify(parts)}::jsonb) AS fresh (
        kind text, "startBytes" bigint, "sizeBytes" bigint, name text, etag text)
    ), replaced AS (
      DELETE FROM parts USING changed, fresh WHERE parts.upload_id = changed.id
        AND parts.start_bytes > "startBytes" AND parts.start_bytes < "startBytes" + "sizeBytes"
    ), placed_parts AS (
      INSERT INTO parts (upload_id, start_bytes, size_bytes, kind, name, etag)
      SELECT changed.id, "startBytes", "sizeBytes", kind::"PartKind", name, etag FROM changed, fresh
      ON CONFLICT (upload_id, start_bytes) DO UPDATE SET size_bytes = excluded.size_bytes, kind = excluded.kind,
        name = excluded.name, etag = excluded.etag
    )`
}

/** Where an upload that never became a blob may have left bytes. */
function bothRooms(id: string): Discarded[] {
  return [
    { kind: 'temporary', objectKey: id },
    { kind: 'object', objectKey: id },
  ]
}

/** The one place that keeps owners apart. */
function ownedBy(scope: OwnerScope): Prisma.Sql {
  return scope === EVERYONE ? Prisma.sql`TRUE` : Prisma.sql`owner = ${scope}`
}

function matches(text: string): Prisma.Sql {
  const pattern = `%${text.replaceAll(/[\\%_]/g, '\\$&')}%`
  return Prisma.sql`(filename ILIKE ${pattern} OR label ILIKE ${pattern} OR key ILIKE ${pattern}
    OR relative_path ILIKE ${pattern} OR id = ${text})`
}

function behind(column: Prisma.Sql, isDescending: boolean, after: Position): Prisma.Sql {
  const comparison = Prisma.raw(isDescending ? '<' : '>')
  return Prisma.sql`(${column}, id) ${comparison} (${after.at}::timestamptz, ${after.id})`
}

function one<Row>(rows: (Row | null | undefined)[]): Row {
  const row = rows[0]
  if (row === undefined || row === null)
    throw new AppError('NOT_FOUND', 'There is no such upload. GET /uploads lists yours.')
  return row
}
