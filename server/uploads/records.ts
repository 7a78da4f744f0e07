// The record of every upload, in Postgres. Each function is one statement or one transaction; time is the database's.
//
// Statements that a lease fences name its epoch: when a newer claim has raised it, they change nothing and throw LOCKED.

import { Prisma, type PrismaClient } from '../../prisma/generated/client.js'
import type { Actor } from '../auth/identity.js'
import { EVERYONE, type OwnerScope } from '../auth/owner-scope.js'
import { isOverQuota, isUniqueViolation, translateDatabaseError } from '../database/client.js'
import { ownedBy, reachesUpload } from '../database/owned-by.js'
import type { Digests } from '../digests/digest.js'
import { AppError } from '../errors.js'
import { appendExtensionEvents, appendUploadEvents } from '../events/log.js'
import type { Place } from '../packages/membership.js'
import { isNever, NEVER } from '../packages/retention.js'
import {
  limitsForTrigger,
  NO_USAGE,
  overQuota,
  passes,
  type Quota,
  type Usage,
  withMoreBytes,
} from '../quotas/quota.js'
import type { Ledger } from '../storage/store.js'
import { COLUMNS, DROP_PARTS, FREE_LEASE } from './columns.js'
import {
  assertMayChange,
  assertNotFinalized,
  bothRooms,
  type Ended,
  endAsked,
  endUploads,
  HAS_NOT_ENDED,
  IS_ABANDONED,
  IS_ALIVE,
  IS_NOT_NEEDED,
  IS_PAST_END,
  IS_TO_PURGE,
  purgeUploads,
} from './ending.js'
import {
  bytesOfParts,
  insertReceiving,
  insertWholes,
  keepParts,
  placeBlobs,
  sessionEnd,
  within,
} from './insertion.js'
import { multipartOf, type PartRow, placeParts, toPart } from './ledger-rows.js'
import type { ListQuery } from './list-query.js'
import { selectPage } from './list-rows.js'
import { isId, isToken } from './random.js'
import { endRestorably, placeToRestore, restoreUpload } from './restoring.js'
import { pathTakenError, restoreRefusal } from './undo.js'
import { goneError, type Upload, type UploadDescription, type UploadState, usageOf } from './upload.js'

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

/** A part of a concatenation, as it is now; all null but its id when its record is gone. */
export interface ConcatSource {
  uploadId: string
  state: UploadState | null
  objectKey: string | null
  sizeBytes: number
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

/** A package of thousands of files ends in one transaction, and others wait for it. */
const PATIENT = { maxWait: 10_000, timeout: 120_000 }

export class Records {
  readonly #prisma: PrismaClient
  readonly #lifetimes: Lifetimes
  readonly #quota: Quota
  readonly #limits: string | null

  constructor(prisma: PrismaClient, lifetimes: Lifetimes, quota: Quota) {
    this.#prisma = prisma
    this.#lifetimes = lifetimes
    this.#quota = quota
    this.#limits = limitsForTrigger(quota)
  }

  /** Resolves when the database answers. */
  async check(): Promise<void> {
    await this.#query(Prisma.sql`SELECT 1`)
  }

  /**
   * A new upload that waits for its bytes; held by `leaseHolder` from the start when one is named.
   *
   * @returns null when there is no place for it: its path in the package is taken, the package isn't open any more, or its
   * idempotency key was used before. `whyNot` says which.
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
      limits: this.#limits,
    })
    try {
      const rows = await this.#query<Upload>(statement)
      return rows[0] ?? null
    } catch (error) {
      const more = usageOf(description, { isOpen: true })
      throw isOverQuota(error) ? await this.#overQuota(owner, more) : error
    }
  }

  /** The upload that was made when `key` was used the first time, and what was asked for then. */
  async findByIdempotencyKey(
    owner: string,
    key: string,
  ): Promise<(Upload & { idempotencyDigest: string }) | null> {
    const rows = await this.#query<Upload & { idempotencyDigest: string }>(Prisma.sql`
      SELECT ${COLUMNS}, idempotency_digest AS "idempotencyDigest" FROM uploads
      WHERE owner = ${owner} AND idempotency_key = ${key}`)
    return rows[0] ?? null
  }

  /** The upload that stands at `path` of a package. */
  async findInPackage(packageId: string, path: string): Promise<Upload | null> {
    const rows = await this.#query<Upload>(Prisma.sql`
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
      rows = await this.#query(insertWholes(wholes, this.#lifetimes, this.#limits))
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
      return [await this.#overQuota(only.owner, usageOf(only.description, { isOpen: false }))]
    }
    const results: (Discarded[] | AppError | null)[] = []
    for (const whole of wholes) results.push(...(await this.insertWhole([whole])))
    return results
  }

  /**
   * Whether `more` would fit beside what the owner has. Only a look: many at once are told apart when they are inserted.
   *
   * @throws QUOTA_EXCEEDED
   */
  async assertWithinQuota(owner: string, more: Usage): Promise<void> {
    if (this.#limits === null) return
    const used = await this.usage([owner])
    if (passes(this.#quota, used, more)) throw overQuota(this.#quota, used, more)
  }

  /** How many bytes more the owner may have; Infinity: no quota of bytes. */
  async roomOf(owner: string): Promise<number> {
    if (this.#quota.bytes === undefined) return Number.POSITIVE_INFINITY
    const { bytes } = await this.usage([owner])
    return Math.max(0, this.#quota.bytes - bytes)
  }

  async #overQuota(owner: string, more: Usage): Promise<AppError> {
    return overQuota(this.#quota, await this.usage([owner]), more)
  }

  /** What one person has here, under all of their names. */
  async usage(owners: readonly string[]): Promise<Usage> {
    const rows = await this.#query<Usage>(Prisma.sql`
      SELECT COALESCE(sum(bytes), 0)::float8 AS bytes, COALESCE(sum(files), 0)::float8 AS files,
        COALESCE(sum(open_uploads), 0)::float8 AS "openUploads"
      FROM owner_usage WHERE owner = ANY(${[...owners]})`)
    return rows[0] ?? NO_USAGE
  }

  /** The upload, when `scope` may know of it. @throws NOT_FOUND, the same for what is another's and what never was */
  async get(id: string, scope: OwnerScope): Promise<Upload> {
    const statement = Prisma.sql`SELECT ${COLUMNS} FROM uploads WHERE id = ${id} AND ${reachesUpload(scope)}`
    return one(isId(id) ? await this.#query<Upload>(statement) : [])
  }

  async findByRetrievalToken(token: string): Promise<(Upload & { objectKey: string | null }) | null> {
    if (!isToken(token)) return null
    const rows = await this.#query<Upload & { objectKey: string | null }>(Prisma.sql`
      SELECT ${COLUMNS}, (SELECT object_key FROM blobs WHERE blobs.sha256 = uploads.sha256) AS "objectKey"
      FROM uploads WHERE retrieval_token = ${token} AND concat IS DISTINCT FROM 'partial'`)
    return rows[0] ?? null
  }

  /** One page, in the query's order, of what `scope` may see, from behind `query.after`. */
  list(scope: OwnerScope, query: ListQuery): Promise<Upload[]> {
    return this.#query<Upload>(selectPage(scope, query))
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
      WHERE id = ${id} AND ${reachesUpload(scope)} AND state = ${state}::"UploadState" AND (lease_holder IS NULL OR lease_until < now())
        AND (state = 'finalizing' OR expires_at > now())
      RETURNING ${COLUMNS}`)
    return rows[0] ?? null
  }

  /** Lengthens the leases that `holder` has. @returns the ids it still holds; any other was taken over. */
  async renewLeases(holder: string, ids: string[], seconds: number): Promise<Set<string>> {
    const rows = await this.#query<{ id: string }>(Prisma.sql`
      WITH held AS (
        SELECT id FROM uploads WHERE id = ANY(${ids}) AND lease_holder = ${holder} ORDER BY id FOR UPDATE
      )
      UPDATE uploads SET lease_until = now() + ${seconds} * interval '1 second'
      FROM held WHERE uploads.id = held.id RETURNING uploads.id`)
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
    return this.#counted(
      fence,
      Prisma.sql`
      WITH changed AS (
        UPDATE uploads SET offset_bytes = ${offsetBytes}, digest_state = ${digestState}, last_write_at = now(),
          ${multipartOf(stored)},
          expires_at = GREATEST(expires_at, ${sessionEnd(Prisma.sql`keep_until`, this.#lifetimes)}) ${options.release ? Prisma.sql`, ${FREE_LEASE}` : Prisma.empty}
        WHERE id = ${fence.uploadId} AND lease_epoch = ${fence.epoch} AND state = 'receiving'
          AND offset_bytes <= ${offsetBytes} ${within(this.#limits)}
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
    const rows = await this.#query<PartRow>(Prisma.sql`
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
        ${within(this.#limits)}
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
    const insert = this.#transaction(async (transaction) => {
      // Packages, then uploads, and last the usage, which inserting changes.
      await transaction.$queryRaw`SELECT FROM packages WHERE id = ${place?.packageId ?? null} FOR SHARE`
      await keepParts(transaction, partialIds, this.#lifetimes)
      countedBytes = await bytesOfParts(transaction, owner, partialIds)
      const limits = limitsForTrigger(withMoreBytes(this.#quota, countedBytes))
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
      throw isOverQuota(error) ? await this.#overQuota(owner, more) : error
    })
  }

  /**
   * What `owner` has made of exactly these parts, in this order, and is finished or being finished: its client asks again when
   * the answer was lost.
   */
  async findConcatenation(owner: string, partialIds: readonly string[]): Promise<Upload | null> {
    const rows = await this.#query<Upload>(Prisma.sql`
      SELECT ${COLUMNS} FROM uploads
      WHERE id IN (SELECT upload_id FROM concat_sources WHERE partial_id = ${partialIds[0]})
        AND owner = ${owner} AND (state = 'finalizing' OR (state = 'ready' AND expires_at > now()))
        AND ${[...partialIds]} = (SELECT array_agg(partial_id ORDER BY place) FROM concat_sources WHERE upload_id = uploads.id)
      LIMIT 1`)
    return rows[0] ?? null
  }

  /** Whether the part was put into something that is finished, or being finished. */
  async hasServed(partialId: string): Promise<boolean> {
    const rows = await this.#query(Prisma.sql`
      SELECT FROM concat_sources JOIN uploads ON uploads.id = upload_id
      WHERE partial_id = ${partialId} AND state IN ('finalizing', 'ready') LIMIT 1`)
    return rows.length > 0
  }

  /** What a concatenation is made of, in order. */
  async concatSources(uploadId: string): Promise<ConcatSource[]> {
    const rows = await this.#query<Omit<ConcatSource, 'sizeBytes'> & { sizeBytes: bigint }>(Prisma.sql`
      SELECT partial_id AS "uploadId", uploads.state::text AS state, object_key AS "objectKey", uploads.size_bytes AS "sizeBytes"
      FROM concat_sources LEFT JOIN uploads ON uploads.id = partial_id LEFT JOIN blobs ON blobs.sha256 = uploads.sha256
      WHERE upload_id = ${uploadId} ORDER BY place`)
    return rows.map((row) => ({ ...row, sizeBytes: Number(row.sizeBytes) }))
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

  /**
   * Ends an upload, by its owner or because its time is over: what was unfinished is canceled, what was not is deleted. Its
   * lease is void from here on.
   *
   * @param when what has to be true of it still, now that its row is locked: that its owner asked is all, or that it is past
   * its end, or that the one request which could bring its bytes is over
   * @returns null when it had ended already, or `when` isn't true any more
   * @throws PACKAGE_FINALIZED when its owner asked
   */
  async commitEnd(
    id: string,
    when: 'asked' | 'past-end' | 'abandoned' = 'asked',
    by: Actor | null = null,
  ): Promise<{ upload: Upload; discarded: Discarded[] } | null> {
    let ended: Ended | null = null
    while (ended === null) {
      ended = await this.#transaction((transaction) => {
        if (when === 'asked') return endAsked(transaction, id, by)
        const isDue = when === 'past-end' ? IS_PAST_END : IS_ABANDONED
        return endUploads(transaction, Prisma.sql`id = ${id} AND ${isDue}`, { isExpiry: when === 'past-end' })
      })
    }
    const { uploads, discarded } = ended
    return uploads[0] === undefined ? null : { upload: uploads[0], discarded }
  }

  /**
   * Ends an upload because its owner asked, and keeps its bytes for `undoSeconds`, so that it can be restored.
   *
   * @returns null when it isn't one to be kept any more: `planDeletionWithUndo` says what to do then
   * @throws PACKAGE_FINALIZED
   */
  async commitEndWithUndo(id: string, undoSeconds: number, by: Actor | null = null): Promise<Upload | null> {
    return this.#transaction((transaction) => endRestorably(transaction, id, undoSeconds, by))
  }

  /**
   * Undoes that. Of one that has not ended, it answers the record.
   *
   * @throws NOT_FOUND; CONFLICT when it ended for good, its package has ended, or its path is taken; PACKAGE_FINALIZED; GONE
   * when the time to restore it is over
   */
  async commitRestore(id: string, by: Actor | null = null): Promise<Upload> {
    try {
      const restored = await this.#transaction((transaction) => restoreUpload(transaction, id, by))
      if (restored !== null) return restored
    } catch (error) {
      if (!isUniqueViolation(error)) throw error
      const { path, packageNow } = await this.#translated(() => placeToRestore(this.#prisma, id))
      // Restored by another request meanwhile, it has no place to come back to.
      if (path === null || packageNow === null) return this.commitRestore(id, by)
      throw pathTakenError(path, await this.findInPackage(packageNow.id, path))
    }
    const found = await this.get(id, EVERYONE)
    const { packageNow } = await this.#translated(() => placeToRestore(this.#prisma, id))
    const refusal = restoreRefusal(found, packageNow)
    if (refusal !== null) throw refusal
    return found
  }

  /** Gives up the bytes of an upload that nobody has restored in time. @returns nothing when it isn't such a one */
  async commitPurge(id: string): Promise<Discarded[]> {
    const { discarded } = await this.#transaction((transaction) =>
      purgeUploads(transaction, Prisma.sql`id = ${id} AND ${IS_TO_PURGE}`),
    )
    return discarded
  }

  /** The same for all of a package that has ended: none of them has a place to come back to. */
  async commitPurgeOfPackage(packageId: string): Promise<Discarded[]> {
    const { discarded } = await this.#transaction((transaction) =>
      purgeUploads(transaction, Prisma.sql`package_id = ${packageId}`),
    )
    return discarded
  }

  /** Ends all uploads of a package that has ended itself. @returns their ids too: requests may still write them */
  async commitEndOfPackage(
    packageId: string,
    by: Actor | null = null,
  ): Promise<{ uploads: Upload[]; discarded: Discarded[] }> {
    return this.#transaction((transaction) =>
      endUploads(transaction, Prisma.sql`package_id = ${packageId} AND ${HAS_NOT_ENDED}`, { by }),
    )
  }

  /**
   * Ends every ready upload of `scope` with that content.
   *
   * @throws NOT_FOUND when there is none, PACKAGE_FINALIZED when one is in a finalized package: then nothing has ended
   */
  async commitEndOfContent(
    sha256: string,
    scope: OwnerScope,
    by: Actor | null = null,
  ): Promise<{ uploads: Upload[]; discarded: Discarded[] }> {
    const theirs = Prisma.sql`sha256 = ${sha256} AND state = 'ready' AND concat IS DISTINCT FROM 'partial' AND ${ownedBy(scope)}`
    return this.#transaction(async (transaction) => {
      const locked = await transaction.$queryRaw<{ id: string; state: string }[]>`
        SELECT id, state::text AS state FROM packages
        WHERE id IN (SELECT package_id FROM uploads WHERE ${theirs}) ORDER BY id FOR SHARE`
      for (const found of locked) assertNotFinalized(found)
      // One that has become ready since is in a package that nobody looked at: it stays.
      const isLooked = Prisma.sql`(package_id IS NULL OR package_id = ANY(${locked.map(({ id }) => id)}))`
      const ended = await endUploads(transaction, Prisma.sql`${theirs} AND ${isLooked}`, { by })
      if (ended.uploads.length === 0) throw noSuchFile()
      return ended
    })
  }

  /** The parts of a concatenation have served when it has come to its end. Idempotent. */
  async commitEndOfParts(uploadId: string): Promise<{ uploads: Upload[]; discarded: Discarded[] }> {
    const parts = Prisma.sql`concat = 'partial' AND ${HAS_NOT_ENDED}
      AND id IN (SELECT partial_id FROM concat_sources WHERE upload_id = ${uploadId})`
    return this.#transaction(async (transaction) => {
      // Locked in a statement of its own, so that the next one sees every whole that has claimed one of them meanwhile.
      await transaction.$queryRaw`SELECT FROM uploads WHERE ${parts} ORDER BY id FOR UPDATE`
      return endUploads(transaction, Prisma.sql`${parts} AND ${IS_NOT_NEEDED}`)
    })
  }

  /**
   * Uploads, but for `except`, that the sweep has to look at: past their end, waiting to be finished, not restored in time, or
   * old tombstones.
   */
  async findSweepable(tombstoneTtlSeconds: number, except: string[], limit: number): Promise<Upload[]> {
    return this.#query(Prisma.sql`
      SELECT ${COLUMNS} FROM uploads
      WHERE NOT (id = ANY(${except})) AND ((${IS_PAST_END})
        OR ((state = 'finalizing' OR (state = 'receiving' AND (finish = 'once' OR (offset_bytes = size_bytes AND finish = 'auto'))))
            AND (lease_holder IS NULL OR lease_until < now()))
        OR ${IS_TO_PURGE}
        OR (state IN ('failed', 'canceled', 'expired', 'deleted') AND restore_state IS NULL
            AND GREATEST(COALESCE(finished_at, expires_at), restorable_until) < now() - ${tombstoneTtlSeconds} * interval '1 second'))
      ORDER BY expires_at LIMIT ${limit}`)
  }

  /** Tells the owners of what ends within `noticeSeconds`, once; but for what lives no longer than that anyway. */
  async tellExpiring(noticeSeconds: number): Promise<void> {
    await this.#query(Prisma.sql`
      WITH changed AS (
        UPDATE uploads SET is_expiry_told = TRUE
        WHERE id IN (
          SELECT id FROM uploads WHERE state = 'ready' AND NOT is_expiry_told AND expires_at > now()
            AND expires_at <= now() + ${noticeSeconds}::float8 * interval '1 second'
            AND expires_at - created_at > ${noticeSeconds}::float8 * interval '1 second'
          ORDER BY id FOR UPDATE SKIP LOCKED)
        RETURNING *
      ), told AS (${appendUploadEvents('changed', 'upload.expiring.v1')})
      SELECT id FROM changed`)
  }

  /** True when the upload has ended for good, and no blob has the object of its name: whatever the store has of it is nobody's. */
  async isAbandoned(id: string): Promise<boolean> {
    const rows = await this.#query(Prisma.sql`
      SELECT FROM uploads WHERE id = ${id} AND state IN ('failed', 'canceled', 'expired', 'deleted')
        AND restore_state IS NULL AND NOT EXISTS (SELECT FROM blobs WHERE object_key = ${id})`)
    return rows.length > 0
  }

  async deleteTombstone(id: string): Promise<void> {
    await this.#query(Prisma.sql`
      DELETE FROM uploads WHERE id = ${id} AND state IN ('failed', 'canceled', 'expired', 'deleted')
        AND restore_state IS NULL`)
  }

  /** Key and note, which nothing depends on. */
  async update(id: string, changes: { key?: string | null; note?: string | null }): Promise<Upload> {
    await this.#translated(() => this.#prisma.upload.update({ where: { id }, data: changes }))
    return this.get(id, EVERYONE)
  }

  /**
   * Moves a living upload to a package (null: to none) and to a path in it, under a label. It is kept no shorter than before.
   *
   * @returns null when there is no place for it: `whyNot` says why
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
      return await this.#transaction(async (transaction) => {
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
    return this.#transaction(async (transaction) => {
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
    const rows = await this.#query<Upload>(Prisma.sql`
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
      throw await this.#overQuota(owner, { ...NO_USAGE, bytes: bytes - Number(offsetBytes) })
    }
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
    return this.#translated(() => this.#prisma.$transaction(act, PATIENT))
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

/** The object under an upload's own id, when its content's blob has another one. */
function spareObject(id: string, objectKey: string): Discarded[] {
  return objectKey === id ? [] : [{ kind: 'object', objectKey: id }]
}

function noSuchFile(): AppError {
  return new AppError('NOT_FOUND', 'You have no file with that SHA-256. GET /uploads lists what you have.')
}

function one<Row>(rows: (Row | null | undefined)[]): Row {
  const row = rows[0]
  if (row === undefined || row === null)
    throw new AppError('NOT_FOUND', 'There is no such upload. GET /uploads lists yours.')
  return row
}
