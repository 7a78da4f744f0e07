// The record of every upload, in Postgres. Each function is one statement or one transaction; time is the database's.
//
// Statements that a lease fences name its epoch: when a newer claim has raised it, they change nothing and throw LOCKED.
// Not here: what is put together from other uploads (concatenations.ts), and how uploads end (endings.ts).

import { Prisma, type PrismaClient } from '../../prisma/generated/client.js'
import type { Actor } from '../auth/identity.js'
import { EVERYONE, type OwnerScope } from '../auth/owner-scope.js'
import { isOverQuota, isUniqueViolation } from '../database/client.js'
import { reachesUpload } from '../database/owned-by.js'
import { Statements } from '../database/statements.js'
import type { Digests } from '../digests/finish.js'
import { AppError } from '../errors.js'
import { appendExtensionEvents, appendUploadEvents } from '../events/log.js'
import type { Place } from '../packages/membership.js'
import { isNever, NEVER } from '../packages/retention.js'
import { NO_USAGE } from '../quotas/quota.js'
import type { QuotaRecords } from '../quotas/records.js'
import type { Ledger } from '../storage/store.js'
import { COLUMNS, DROP_PARTS, FREE_LEASE, one } from './columns.js'
import { assertMayChange, bothRooms, IS_ALIVE } from './ending.js'
import type { Discarded } from './garbage.js'
import {
  insertReceiving,
  insertWholes,
  type Lifetimes,
  type NewUploadOptions,
  placeBlobs,
  sessionEnd,
  type WholeUpload,
  within,
} from './insertion.js'
import { multipartOf, type PartRow, placeParts, toPart } from './ledger-rows.js'
import type { ListQuery } from './list-query.js'
import { selectPage } from './list-rows.js'
import { isId, isToken } from './random.js'
import { goneError, type Upload, type UploadDescription, type UploadState, usageOf } from './upload.js'

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

export class Records {
  readonly #database: Statements
  readonly #lifetimes: Lifetimes
  readonly #quotas: QuotaRecords

  constructor(prisma: PrismaClient, lifetimes: Lifetimes, quotas: QuotaRecords) {
    this.#database = new Statements(prisma)
    this.#lifetimes = lifetimes
    this.#quotas = quotas
  }

  /** Resolves when the database answers, and takes what is written. @throws UNAVAILABLE */
  async check(): Promise<void> {
    const rows = await this.#database.query(Prisma.sql`SELECT WHERE pg_is_in_recovery()`)
    if (rows.length > 0)
      throw new AppError('UNAVAILABLE', 'The database is a standby, which can only be read.')
  }

  /**
   * A new upload that waits for its bytes; held from the start by whom `options.lease` names.
   *
   * @returns null when there is no place for it: its path in the package is taken, the package isn't open any more, or its
   * idempotency key was used before. `Placement` says which.
   * @throws QUOTA_EXCEEDED
   */
  async insertReceiving(
    id: string,
    owner: string,
    description: UploadDescription,
    place: Place | null,
    options: NewUploadOptions,
  ): Promise<Upload | null> {
    const statement = insertReceiving(id, owner, description, place, options, {
      columns: COLUMNS,
      lifetimes: this.#lifetimes,
      limits: this.#quotas.limits,
    })
    try {
      const rows = await this.#database.query<Upload>(statement)
      return rows[0] ?? null
    } catch (error) {
      const more = usageOf(description, { isOpen: true })
      throw isOverQuota(error) ? await this.#quotas.overQuota(owner, more) : error
    }
  }

  /** The upload that was made when `key` was used the first time, and what was asked for then. */
  async findByIdempotencyKey(
    owner: string,
    key: string,
  ): Promise<(Upload & { idempotencyDigest: string }) | null> {
    const rows = await this.#database.query<Upload & { idempotencyDigest: string }>(Prisma.sql`
      SELECT ${COLUMNS}, idempotency_digest AS "idempotencyDigest" FROM uploads
      WHERE owner = ${owner} AND idempotency_key = ${key}`)
    return rows[0] ?? null
  }

  /** The upload that stands at `path` of a package. */
  async findInPackage(packageId: string, path: string): Promise<Upload | null> {
    const rows = await this.#database.query<Upload>(Prisma.sql`
      SELECT ${COLUMNS} FROM uploads WHERE package_id = ${packageId} AND package_path = ${path}`)
    return rows[0] ?? null
  }

  /**
   * Records uploads that arrived whole, from nothing to ready, in one statement. Those for which there is no place in their
   * package, or whose idempotency key was used before, are left out.
   *
   * @returns for each, in order, its own object when another blob already holds the same content; null when it was left out;
   * QUOTA_EXCEEDED when its owner has no room for it
   */
  async insertWhole(wholes: readonly WholeUpload[]): Promise<(Discarded[] | AppError | null)[]> {
    let rows: { id: string; objectKey: string }[]
    try {
      rows = await this.#database.query(insertWholes(wholes, this.#lifetimes, this.#quotas.limits))
    } catch (error) {
      if (!isOverQuota(error)) throw error
      return this.#insertOneByOne(wholes)
    }
    const objectKeys = new Map(rows.map(({ id, objectKey }) => [id, objectKey]))
    return wholes.map(({ id }) => {
      const objectKey = objectKeys.get(id)
      return objectKey === undefined ? null : spareObject(id, objectKey)
    })
  }

  /** One owner's refusal must not be another's. */
  async #insertOneByOne(wholes: readonly WholeUpload[]): Promise<(Discarded[] | AppError | null)[]> {
    const [only] = wholes
    if (wholes.length === 1 && only !== undefined) {
      return [await this.#quotas.overQuota(only.owner, usageOf(only.description, { isOpen: false }))]
    }
    const results: (Discarded[] | AppError | null)[] = []
    for (const whole of wholes) results.push(...(await this.insertWhole([whole])))
    return results
  }

  /** The upload, when `scope` may know of it. @throws NOT_FOUND, the same for what is another's and what never was */
  async get(id: string, scope: OwnerScope): Promise<Upload> {
    const statement = Prisma.sql`SELECT ${COLUMNS} FROM uploads WHERE id = ${id} AND ${reachesUpload(scope)}`
    return one(isId(id) ? await this.#database.query<Upload>(statement) : [])
  }

  async findByRetrievalToken(token: string): Promise<(Upload & { objectKey: string | null }) | null> {
    if (!isToken(token)) return null
    const rows = await this.#database.query<Upload & { objectKey: string | null }>(Prisma.sql`
      SELECT ${COLUMNS}, (SELECT object_key FROM blobs WHERE blobs.sha256 = uploads.sha256) AS "objectKey"
      FROM uploads WHERE retrieval_token = ${token} AND concat IS DISTINCT FROM 'partial'`)
    return rows[0] ?? null
  }

  /** One page, in the query's order, of what `scope` may see, from behind `query.after`. */
  list(scope: OwnerScope, query: ListQuery): Promise<Upload[]> {
    return this.#database.query<Upload>(selectPage(scope, query))
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
    const rows = await this.#database.query<Upload>(Prisma.sql`
      UPDATE uploads SET lease_holder = ${holder}, lease_epoch = lease_epoch + 1,
        lease_until = now() + ${seconds} * interval '1 second'
      WHERE id = ${id} AND ${reachesUpload(scope)} AND state = ${state}::"UploadState" AND (lease_holder IS NULL OR lease_until < now())
        AND (state = 'finalizing' OR expires_at > now())
      RETURNING ${COLUMNS}`)
    return rows[0] ?? null
  }

  /** Lengthens the leases that `holder` has. @returns the ids it still holds; any other was taken over. */
  async renewLeases(holder: string, ids: string[], seconds: number): Promise<Set<string>> {
    const rows = await this.#database.query<{ id: string }>(Prisma.sql`
      WITH held AS (
        SELECT id FROM uploads WHERE id = ANY(${ids}) AND lease_holder = ${holder} ORDER BY id FOR UPDATE
      )
      UPDATE uploads SET lease_until = now() + ${seconds} * interval '1 second'
      FROM held WHERE uploads.id = held.id RETURNING uploads.id`)
    return new Set(rows.map((row) => row.id))
  }

  async releaseLease(fence: Fence): Promise<void> {
    await this.#database.query(Prisma.sql`
      UPDATE uploads SET ${FREE_LEASE} WHERE id = ${fence.uploadId} AND lease_epoch = ${fence.epoch}`)
  }

  /** Frees every lease. Only where no other instance can hold one: on a store that one process owns, at its start. */
  async releaseAllLeases(): Promise<void> {
    await this.#database.query(Prisma.sql`UPDATE uploads SET ${FREE_LEASE} WHERE lease_holder IS NOT NULL`)
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
    return this.#counted(
      fence,
      Prisma.sql`
      WITH changed AS (
        UPDATE uploads SET offset_bytes = ${offsetBytes}, digest_state = ${digestState}, last_write_at = now(),
          ${multipartOf(stored)},
          expires_at = GREATEST(expires_at, ${sessionEnd(Prisma.sql`keep_until`, this.#lifetimes)}) ${options.release ? Prisma.sql`, ${FREE_LEASE}` : Prisma.empty}
        WHERE id = ${fence.uploadId} AND lease_epoch = ${fence.epoch} AND state = 'receiving'
          AND offset_bytes <= ${offsetBytes} ${within(this.#quotas.limits)}
        RETURNING *
      ) ${placeParts(stored)}
      SELECT ${COLUMNS} FROM changed`,
      offsetBytes,
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
    const rows = await this.#database.query<PartRow>(Prisma.sql`
      SELECT kind::text AS kind, start_bytes AS "startBytes", size_bytes AS "sizeBytes", name, etag FROM parts
      WHERE upload_id = ${upload.id} ${from} ORDER BY start_bytes`)
    return { multipartId: upload.multipartId, parts: rows.map(toPart) }
  }

  /** @throws QUOTA_EXCEEDED */
  async declareSize(fence: Fence, sizeBytes: number): Promise<Upload> {
    return this.#counted(
      fence,
      Prisma.sql`
      UPDATE uploads SET size_bytes = ${sizeBytes}
      WHERE id = ${fence.uploadId} AND lease_epoch = ${fence.epoch} AND state = 'receiving' AND size_bytes IS NULL
        ${within(this.#quotas.limits)}
      RETURNING ${COLUMNS}`,
      sizeBytes,
    )
  }

  /** Its client says that it has sent everything: whoever notices may finish it now. @returns its size is known then */
  async declareComplete(fence: Fence, declared: Partial<Digests>): Promise<Upload> {
    return this.#fenced(
      fence,
      Prisma.sql`
      UPDATE uploads SET finish = 'auto', size_bytes = COALESCE(size_bytes, offset_bytes),
        declared_md5 = COALESCE(${declared.md5 ?? null}, declared_md5),
        declared_sha1 = COALESCE(${declared.sha1 ?? null}, declared_sha1),
        declared_sha256 = COALESCE(${declared.sha256 ?? null}, declared_sha256)
      WHERE id = ${fence.uploadId} AND lease_epoch = ${fence.epoch} AND state = 'receiving'
        AND offset_bytes = COALESCE(size_bytes, offset_bytes)
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
          -- Whoever has sent the parts of a concatenation puts them together soon, or not at all.
          expires_at = CASE WHEN concat = 'partial' THEN ${sessionEnd(Prisma.sql`keep_until`, this.#lifetimes)} ELSE keep_until END
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
      ), ${placeBlobs()}, told AS (${appendUploadEvents('changed', 'upload.ready.v1')})
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
          digest_state = NULL, reread_bytes = NULL, package_path = NULL, ${FREE_LEASE}
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

  /** True when the upload has ended for good, and no blob has the object of its name: whatever the store has of it is nobody's. */
  async isAbandoned(id: string): Promise<boolean> {
    const rows = await this.#database.query(Prisma.sql`
      SELECT FROM uploads WHERE id = ${id} AND state IN ('failed', 'canceled', 'expired', 'deleted')
        AND restore_state IS NULL AND NOT EXISTS (SELECT FROM blobs WHERE object_key = ${id})`)
    return rows.length > 0
  }

  /** Key and note, which nothing depends on. */
  async update(id: string, changes: { key?: string | null; note?: string | null }): Promise<Upload> {
    await this.#database.translated((prisma) => prisma.upload.update({ where: { id }, data: changes }))
    return this.get(id, EVERYONE)
  }

  /**
   * Moves a living upload to a package (null: to none) and to a path in it, under a label. It is kept no shorter than before.
   *
   * @returns null when there is no place for it: `Placement` says why
   */
  async move(
    id: string,
    to: { place: Place | null; label: string | null; relativePath: string | null; path: string },
  ): Promise<Upload | null> {
    const { place, label, relativePath, path } = to
    const keptUntil =
      place === null
        ? Prisma.sql`keep_until`
        : Prisma.sql`GREATEST(keep_until, (SELECT expires_at FROM joined WHERE joined.id = ${place.packageId}),
            ${place.ttlSeconds === null ? Prisma.sql`${NEVER}::timestamptz` : Prisma.sql`created_at + ${place.ttlSeconds}::float8 * interval '1 second'`})`
    try {
      return await this.#database.transaction(async (transaction) => {
        // Both packages first, in one order, so that nobody finalizes either while we move.
        const involved = await transaction.$queryRaw<{ id: string }[]>`
          SELECT packages.id FROM packages WHERE state = 'open'
            AND (packages.id = ${place?.packageId ?? null} OR packages.id = (SELECT package_id FROM uploads WHERE uploads.id = ${id}))
          ORDER BY packages.id FOR SHARE`
        const open = involved.map((one) => one.id)
        const isTaken = await transaction.$queryRaw<{ id: string }[]>`
          SELECT id FROM uploads WHERE package_id = ${place?.packageId ?? null} AND package_path = ${path} AND id <> ${id}`
        if (isTaken.length > 0) return null
        const rows = await transaction.$queryRaw<Upload[]>`
          WITH joined AS (SELECT id, expires_at FROM packages WHERE id = ${place?.packageId ?? null})
          UPDATE uploads SET label = ${label}, relative_path = ${relativePath}, package_id = ${place?.packageId ?? null},
            package_path = ${place === null ? null : path}, keep_until = ${keptUntil},
            expires_at = CASE WHEN state = 'receiving' THEN expires_at ELSE GREATEST(expires_at, ${keptUntil}) END,
            is_expiry_told = is_expiry_told AND expires_at >= ${keptUntil}
          WHERE id = ${id} AND ${IS_ALIVE}
            AND (package_id IS NULL OR package_id = ANY(${open}))
            AND (${place === null} OR ${place?.packageId ?? null} = ANY(${open}))
          RETURNING ${COLUMNS}`
        return rows[0] ?? null
      })
    } catch (error) {
      // Somebody took the path between our look and our write.
      if (isUniqueViolation(error)) return null
      throw error
    }
  }

  /**
   * Moves a living upload's end to `expiresAt`. Where it is there already, nothing is told.
   *
   * @throws INVALID_INPUT when that is not later than now it is, or later than the longest life allowed
   * @throws PACKAGE_FINALIZED when it ends with its package
   */
  async extend(id: string, expiresAt: Date, by: Actor | null = null): Promise<Upload> {
    return this.#database.transaction(async (transaction) => {
      await assertMayChange(transaction, id)
      const rows = await transaction.$queryRaw<Upload[]>`
        WITH before AS (SELECT id AS known_id, expires_at AS end_before FROM uploads WHERE id = ${id} FOR UPDATE), kept AS (
          UPDATE uploads SET expires_at = ${expiresAt}::timestamptz, is_expiry_told = FALSE,
            keep_until = GREATEST(keep_until, ${expiresAt}::timestamptz)
          FROM before WHERE id = known_id AND ${IS_ALIVE} AND expires_at <= ${expiresAt}::timestamptz
            AND ${expiresAt}::timestamptz <= created_at + ${this.#lifetimes.maxTtlSeconds} * interval '1 second'
          RETURNING *
        ), changed AS (SELECT * FROM kept WHERE end_before < expires_at),
        told AS (${appendExtensionEvents('changed', by)})
        SELECT ${COLUMNS} FROM kept`
      if (rows[0] !== undefined) return rows[0]
      const found = await transaction.$queryRaw<Upload[]>`SELECT ${COLUMNS} FROM uploads WHERE id = ${id}`
      this.assertExtendable(one(found), expiresAt)
      throw goneError(one(found))
    })
  }

  /** @throws as `extend` would, as far as the record as it was read tells */
  assertExtendable({ createdAt, expiresAt: end }: Upload, expiresAt: Date): void {
    if (isNever(end))
      throw new AppError('CONFLICT', 'This upload is kept for ever. There is nothing to extend.')
    const latest = new Date(createdAt.getTime() + this.#lifetimes.maxTtlSeconds * 1000)
    if (end <= expiresAt && expiresAt <= latest) return
    throw new AppError(
      'INVALID_INPUT',
      `expires_at must be from ${end.toISOString()} to ${latest.toISOString()}.`,
      { details: { expires_at: end.toISOString(), latest_expires_at: latest.toISOString() } },
    )
  }

  async setRetrievalToken(id: string, token: string): Promise<Upload> {
    const rows = await this.#database.query<Upload>(Prisma.sql`
      UPDATE uploads SET retrieval_token = ${token} WHERE id = ${id} AND state = 'ready' AND concat IS DISTINCT FROM 'partial' RETURNING ${COLUMNS}`)
    if (rows[0] === undefined) {
      throw new AppError(
        'CONFLICT',
        'Only a ready upload has a retrieval URL. Wait until its state is ready.',
      )
    }
    return rows[0]
  }

  /** A write that may make an upload larger than it was announced to be. @throws QUOTA_EXCEEDED */
  async #counted(fence: Fence, statement: Prisma.Sql, bytes: number): Promise<Upload> {
    try {
      return await this.#fenced(fence, statement)
    } catch (error) {
      if (!isOverQuota(error)) throw error
      const { owner, offsetBytes } = await this.get(fence.uploadId, EVERYONE)
      throw await this.#quotas.overQuota(owner, { ...NO_USAGE, bytes: bytes - Number(offsetBytes) })
    }
  }

  async #fenced<Row = Upload>(fence: Fence, statement: Prisma.Sql): Promise<Row> {
    const rows = await this.#database.query<Row>(statement)
    if (rows[0] === undefined) throw takenOver(fence.uploadId)
    return rows[0]
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

/** The object under an upload's own id, when its content's blob has another one. */
function spareObject(id: string, objectKey: string): Discarded[] {
  return objectKey === id ? [] : [{ kind: 'object', objectKey: id }]
}
