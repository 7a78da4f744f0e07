// Compares the records with the store, beside running servers or before they start: after a restore, after a broken disk.
//
// It only looks, unless it is told to mark. What seems not to match is looked at again before it is told, since servers go on
// meanwhile: the store first, then the record, which is gone before its bytes are.

import { createHash } from 'node:crypto'
import pg from 'pg'
import { EVERYONE } from '../auth/owner-scope.js'
import { AppError, isAppError } from '../errors.js'
import { inLanes } from '../storage/lanes.js'
import { EMPTY_LEDGER, type Store } from '../storage/store.js'
import type { Garbage } from '../uploads/garbage.js'
import type { Leases } from '../uploads/leases.js'
import { type Losses, lostBytes } from '../uploads/losses.js'
import type { Records } from '../uploads/records.js'
import type { Upload } from '../uploads/upload.js'
import {
  countListing,
  PAGE,
  pages,
  type RecordedObject,
  recordedObjects,
  takeListing,
  unknownItems,
} from './listing.js'
import {
  type AffectedUpload,
  type Mismatch,
  noneFound,
  type Outcome,
  type ReconcileSummary,
  type UsageCount,
} from './mismatch.js'
import { STRAY_AGE_SECONDS } from './plan.js'

/** Questions to the store at a time. */
const LANES = 8
/** How often an upload that changes while it is looked at is looked at again; then somebody is writing it, and would notice. */
const LOOKS = 3
/** Of the uploads that have the same lost content, so many are named. */
const NAMED_UPLOADS = 20

export interface ReconcileOptions {
  records: Records
  leases: Pick<Leases, 'tryClaim' | 'release'>
  losses: Losses
  garbage: Pick<Garbage, 'empty'>
  store: Store
  databaseUrl: string
}

export interface ReconcileRequest {
  /** Write into the records what is lost; otherwise only tell. */
  isMarking: boolean
  /** Read every object, and compare its SHA-256. */
  readsContent: boolean
}

export type TellMismatch = (mismatch: Mismatch, outcome: Outcome) => void

const AFFECTED = `uploads.id, uploads.owner, uploads.filename, uploads.package_id AS "packageId",
  COALESCE((SELECT packages.state = 'finalized' FROM packages WHERE packages.id = uploads.package_id), FALSE) AS "isFinalized"`

const BYTES_OF = `COALESCE(uploads.restore_state, uploads.state)`

export class Reconciliation {
  readonly #options: ReconcileOptions

  constructor(options: ReconcileOptions) {
    this.#options = options
  }

  /**
   * Compares everything, once.
   *
   * @throws CONFLICT when it is to mark, and not one recorded object is in the store: then it is another store
   */
  async run(request: ReconcileRequest, tell: TellMismatch): Promise<ReconcileSummary> {
    const client = new pg.Client({
      connectionString: this.#options.databaseUrl,
      application_name: 'antipasto reconcile',
    })
    client.on('error', () => {})
    await client.connect()
    try {
      await takeListing(client, this.#options.store)
      return await new Comparison(client, this.#options, request, tell).run()
    } finally {
      await client.end()
    }
  }
}

/** One run, on one connection that has the listing. */
class Comparison {
  readonly #client: pg.Client
  readonly #options: ReconcileOptions
  readonly #request: ReconcileRequest
  readonly #tell: TellMismatch
  readonly #found = noneFound()
  #youngStrays = 0
  #standing = 0

  constructor(client: pg.Client, options: ReconcileOptions, request: ReconcileRequest, tell: TellMismatch) {
    this.#client = client
    this.#options = options
    this.#request = request
    this.#tell = tell
  }

  async run(): Promise<ReconcileSummary> {
    const { recordedObjects, foundObjects, storedItems } = await countListing(this.#client)
    if (this.#request.isMarking && recordedObjects > 0 && foundObjects === 0) {
      throw new AppError(
        'CONFLICT',
        `Not one of the ${recordedObjects} recorded objects is in the store, so it is most likely another store. ` +
          'Check STORE, S3_BUCKET, S3_PREFIX and DATA_DIR. Nothing was marked.',
      )
    }
    // First: what is marked below leaves files of finalized packages like that, and they would be told twice.
    await this.#findBlobless()
    await this.#compareObjects()
    if (this.#request.readsContent) await this.#compareContents()
    await this.#compareUnfinished()
    await this.#findUnreferenced()
    await this.#compareUsages()
    await this.#findStrays()
    const counts = { found: this.#found, youngStrays: this.#youngStrays, standing: this.#standing }
    return { ...counts, recordedObjects, storedItems }
  }

  /** @param mark what `--mark` does about it; its null: it doesn't stand any more, and isn't told */
  async #reportOrMark(mismatch: Mismatch, mark: () => Promise<Outcome | null>): Promise<void> {
    const outcome = this.#request.isMarking ? await mark() : 'told'
    if (outcome !== null) this.#report(mismatch, outcome)
  }

  #report(mismatch: Mismatch, outcome: Outcome): void {
    this.#found[mismatch.kind] += 1
    if (outcome !== 'marked') this.#standing += 1
    this.#tell(mismatch, outcome)
  }

  // ---- Objects of blobs

  async #compareObjects(): Promise<void> {
    for await (const page of inPages(recordedObjects(this.#client, 'not-matching'))) {
      const looked = await this.#inLanes(page, async (recorded) => {
        const storedBytes = await this.#sizeInStore(recorded.objectKey)
        return { ...recorded, storedBytes }
      })
      for (const recorded of looked) {
        if (recorded.storedBytes !== recorded.sizeBytes) await this.#reportLost(recorded)
      }
    }
  }

  async #compareContents(): Promise<void> {
    for await (const recorded of recordedObjects(this.#client, 'matching')) {
      if (await this.#hasOtherBytes(recorded)) await this.#reportLost(recorded)
    }
  }

  async #hasOtherBytes({ objectKey, sizeBytes, sha256 }: RecordedObject): Promise<boolean> {
    const hash = createHash('sha256')
    try {
      for await (const bytes of this.#options.store.readObject(objectKey, { start: 0, end: sizeBytes })) {
        hash.update(bytes)
      }
    } catch (error) {
      // Gone since it was listed: with its record, or else the next comparison tells it.
      if (isAppError(error, 'NOT_FOUND')) return false
      throw error
    }
    return hash.digest('hex') !== sha256
  }

  async #reportLost(recorded: RecordedObject): Promise<void> {
    const { sha256, objectKey } = recorded
    // Asked after the store: an object is deleted only when its record is gone.
    const { rows: blobs } = await this.#client.query(
      'SELECT FROM blobs WHERE sha256 = $1 AND object_key = $2',
      [sha256, objectKey],
    )
    if (blobs.length === 0) return
    const { rows: uploads } = await this.#client.query<AffectedUpload & { uploadCount: number }>(
      `SELECT ${AFFECTED}, (count(*) OVER ())::int AS "uploadCount" FROM uploads
       WHERE sha256 = $1 AND ${BYTES_OF} = 'ready' ORDER BY id LIMIT ${NAMED_UPLOADS}`,
      [sha256],
    )
    const mismatch: Mismatch = {
      kind: 'lost',
      ...recorded,
      uploadCount: uploads[0]?.uploadCount ?? 0,
      uploads: uploads.map(({ uploadCount: _, ...upload }) => upload),
    }
    await this.#reportOrMark(mismatch, () => this.#markContent(sha256, objectKey))
  }

  /** @returns null when its record has changed meanwhile */
  async #markContent(sha256: string, objectKey: string | null): Promise<Outcome | null> {
    const kept = await this.#options.losses.commitLostContent(sha256, objectKey)
    if (kept === null) return null
    return kept === 0 ? 'marked' : 'kept-finalized'
  }

  // ---- Uploads whose bytes are still on their way

  async #compareUnfinished(): Promise<void> {
    const ids = pages<{ id: string }>(
      this.#client,
      // What is made of others has no bytes of its own until it is an object; nobody can go on with what is past its end.
      `SELECT id FROM uploads WHERE id > $1 AND ${BYTES_OF} IN ('receiving', 'finalizing')
         AND NOT (state = 'receiving' AND expires_at <= now())
         AND (concat IS NULL OR concat NOT LIKE 'final;%') ORDER BY id LIMIT ${PAGE}`,
      ({ id }) => id,
    )
    for await (const page of inPages(ids)) {
      const looked = await this.#inLanes(page, ({ id }) => this.#findLostUnfinished(id))
      for (const upload of looked) if (upload !== null) await this.#reportUnfinished(upload)
    }
  }

  /** The upload, when its record stayed the same while its bytes were looked for in vain; else null. */
  async #findLostUnfinished(id: string): Promise<Upload | null> {
    for (let look = 0; look < LOOKS; look += 1) {
      const before = await this.#unfinished(id)
      if (before === null || (await this.#hasItsBytes(before))) return null
      const after = await this.#unfinished(id)
      if (after === null) return null
      const isSame =
        after.offsetBytes === before.offsetBytes &&
        after.leaseEpoch === before.leaseEpoch &&
        after.state === before.state
      if (isSame) return after
    }
    return null
  }

  async #unfinished(id: string): Promise<Upload | null> {
    try {
      const upload = await this.#options.records.get(id, EVERYONE)
      return ['receiving', 'finalizing'].includes(upload.restoreState ?? upload.state) ? upload : null
    } catch (error) {
      if (isAppError(error, 'NOT_FOUND')) return null
      throw error
    }
  }

  async #hasItsBytes(upload: Upload): Promise<boolean> {
    const { records, store } = this.#options
    const ledger = store.needsLedger ? await records.ledger(upload, { isForWriter: false }) : EMPTY_LEDGER
    return store.holds(upload.id, {
      offsetBytes: Number(upload.offsetBytes),
      sizeBytes: upload.sizeBytes === null ? null : Number(upload.sizeBytes),
      ledger,
    })
  }

  async #reportUnfinished(upload: Upload): Promise<void> {
    const { rows } = await this.#client.query<AffectedUpload>(
      `SELECT ${AFFECTED} FROM uploads WHERE id = $1`,
      [upload.id],
    )
    if (rows[0] === undefined) return
    const mismatch: Mismatch = {
      kind: 'unfinished',
      upload: rows[0],
      offsetBytes: Number(upload.offsetBytes),
      isRestorable: upload.restoreState !== null,
    }
    await this.#reportOrMark(mismatch, () => this.#markUnfinished(upload))
  }

  /** @returns null when it has changed meanwhile: its bytes have come, or it has ended */
  async #markUnfinished(upload: Upload): Promise<Outcome | null> {
    const { records, leases, losses, garbage } = this.#options
    if (upload.restoreState !== null) {
      await garbage.empty(await losses.commitLostRestorable(upload.id))
      return 'marked'
    }
    const claimed = await leases.tryClaim(upload.id, upload.state)
    if (claimed === null) return (await this.#unfinished(upload.id))?.isHeld === true ? 'held' : null
    let isRecorded = false
    try {
      if (await this.#hasItsBytes(claimed.upload)) return null
      const { discarded } = await records.commitFailed(claimed.lease, lostBytes(), null)
      isRecorded = true
      await garbage.empty(discarded)
      return 'marked'
    } finally {
      await leases.release(claimed.lease, isRecorded)
    }
  }

  // ---- Records among themselves: each is one statement, so it sees one moment

  async #findBlobless(): Promise<void> {
    const found = pages<AffectedUpload & { sha256: string | null }>(
      this.#client,
      `SELECT ${AFFECTED}, sha256 FROM uploads WHERE id > $1 AND ${BYTES_OF} = 'ready'
         AND NOT EXISTS (SELECT FROM blobs WHERE blobs.sha256 = uploads.sha256) ORDER BY id LIMIT ${PAGE}`,
      ({ id }) => id,
    )
    for await (const page of inPages(found)) {
      for (const { sha256, ...upload } of page) {
        await this.#reportOrMark({ kind: 'blobless', sha256, upload }, async () => {
          if (sha256 === null || upload.isFinalized) return 'told'
          const outcome = await this.#markContent(sha256, null)
          return outcome === 'kept-finalized' ? 'marked' : outcome
        })
      }
    }
  }

  async #findUnreferenced(): Promise<void> {
    const { losses, garbage } = this.#options
    const found = pages<{ sha256: string; objectKey: string; sizeBytes: number }>(
      this.#client,
      `SELECT sha256, object_key AS "objectKey", size_bytes::float8 AS "sizeBytes" FROM blobs WHERE object_key > $1
         AND NOT EXISTS (SELECT FROM uploads WHERE uploads.sha256 = blobs.sha256 AND ${BYTES_OF} = 'ready')
       ORDER BY object_key LIMIT ${PAGE}`,
      ({ objectKey }) => objectKey,
    )
    for await (const page of inPages(found)) {
      for (const blob of page) {
        await this.#reportOrMark({ kind: 'unreferenced', ...blob }, async () => {
          const discarded = await losses.commitUnreferenced(blob.sha256)
          // Somebody has uploaded the same content meanwhile.
          if (discarded.length === 0) return null
          await garbage.empty(discarded)
          return 'marked'
        })
      }
    }
  }

  async #compareUsages(): Promise<void> {
    const found = pages<{ owner: string; recorded: UsageCount; counted: UsageCount }>(
      this.#client,
      `WITH each AS (
         SELECT owner, usage_of(owner, ${BYTES_OF}, concat, COALESCE(size_bytes, offset_bytes), 1) AS usage FROM uploads
       ), counted AS (
         SELECT owner, sum((usage).bytes)::bigint AS bytes, sum((usage).files)::int AS files,
           sum((usage).open_uploads)::int AS open_uploads FROM each GROUP BY owner
       ), both_of AS (
         SELECT owner, COALESCE(kept.bytes, 0) AS bytes, COALESCE(kept.files, 0) AS files,
           COALESCE(kept.open_uploads, 0) AS open_uploads, COALESCE(counted.bytes, 0) AS counted_bytes,
           COALESCE(counted.files, 0) AS counted_files, COALESCE(counted.open_uploads, 0) AS counted_open_uploads
         FROM owner_usage AS kept FULL JOIN counted USING (owner)
       )
       SELECT owner, json_build_object('bytes', bytes, 'files', files, 'openUploads', open_uploads) AS recorded,
         json_build_object('bytes', counted_bytes, 'files', counted_files, 'openUploads', counted_open_uploads) AS counted
       FROM both_of WHERE owner > $1
         AND (bytes, files, open_uploads) <> (counted_bytes, counted_files, counted_open_uploads)
       ORDER BY owner LIMIT ${PAGE}`,
      ({ owner }) => owner,
    )
    for await (const page of inPages(found)) {
      for (const usage of page) {
        await this.#reportOrMark({ kind: 'usage', ...usage }, async () => {
          await this.#options.losses.recountUsage(usage.owner)
          return 'marked'
        })
      }
    }
  }

  // ---- What no record knows

  async #findStrays(): Promise<void> {
    for await (const page of inPages(unknownItems(this.#client, STRAY_AGE_SECONDS))) {
      const looked = await this.#inLanes(page, async (item) =>
        item.room === 'object' && (await this.#sizeInStore(item.key)) === null ? null : item,
      )
      for (const item of looked) {
        if (item === null) continue
        const mismatch = { kind: 'stray' as const, ...item, modifiedAt: item.modifiedAt.toISOString() }
        if (item.isOld) this.#report(mismatch, 'told')
        else {
          this.#youngStrays += 1
          this.#tell(mismatch, 'told')
        }
      }
    }
  }

  // ---- Small things

  /** Null: the store says that it isn't there. */
  async #sizeInStore(objectKey: string): Promise<number | null> {
    try {
      return (await this.#options.store.readObjectHead(objectKey, 1)).sizeBytes
    } catch (error) {
      if (isAppError(error, 'NOT_FOUND')) return null
      throw error
    }
  }

  #inLanes<T, R>(items: readonly T[], act: (item: T) => Promise<R>): Promise<R[]> {
    return inLanes(LANES, items, new AbortController().signal, act)
  }
}

async function* inPages<T>(items: AsyncIterable<T>): AsyncIterable<T[]> {
  let page: T[] = []
  for await (const item of items) {
    page.push(item)
    if (page.length < PAGE) continue
    yield page
    page = []
  }
  if (page.length > 0) yield page
}
