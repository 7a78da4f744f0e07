// The one way in. Every dialect (tus today) turns its requests into these calls; nothing else writes the bytes of an upload.

import { createHash } from 'node:crypto'
import type { Readable } from 'node:stream'
import type { Logger } from 'pino'
import { EVERYONE, type OwnerScope, type Uploader } from '../auth/owner-scope.js'
import { RunningDigest } from '../digests/digest.js'
import type { Digests } from '../digests/finish.js'
import { InlineDigest } from '../digests/inline.js'
import type { DigestPool, DigestSession } from '../digests/pool.js'
import type { SlabPool } from '../digests/slabs.js'
import { AppError, isAppError } from '../errors.js'
import { NO_USAGE } from '../quotas/quota.js'
import type { QuotaRecords } from '../quotas/records.js'
import { EMPTY_LEDGER, MOST_COMPOSE_SOURCES, type Store, type TemporaryWriter } from '../storage/store.js'
import { aboutUpload, traced } from '../tracing/span.js'
import type { Concatenations } from './concatenations.js'
import { type Finalizer, knownDigests } from './finalize.js'
import type { FreeSpace } from './free-space.js'
import type { Discarded, Garbage } from './garbage.js'
import { GroupCommit } from './group-commit.js'
import type { Idempotency, WholeUpload } from './insertion.js'
import type { Lease, Leases } from './leases.js'
import { ObservedBody, type UploadObserver } from './observer.js'
import type { Placement } from './placement.js'
import { randomId, randomToken } from './random.js'
import { type Checkpoint, type PaceLimits, type Reception, readWhole, receive } from './receive.js'
import type { Records } from './records.js'
import type { Removals } from './removals.js'
import {
  assertAlive,
  assertComplete,
  assertPart,
  assertSize,
  contentWarnings,
  declaredMismatch,
  goneError,
  isDue,
  isPartial,
  ofUpload,
  SNIFFED_BYTES,
  type Upload,
  type UploadDescription,
  usageOf,
} from './upload.js'

/** A body up to this long is hashed on the spot and, when it is a whole file, recorded in one statement. */
export const SMALL_BODY_BYTES = 128 * 1024

/** Small files recorded together when they arrive at the same time. */
const WHOLES_PER_COMMIT = 64

/** What the client says the digest of one request's body is. */
export interface BodyChecksum {
  algorithm: 'md5' | 'sha1' | 'sha256'
  digest: Buffer
}

/** A request's body on its way in. */
export interface Body {
  source: Readable
  /** From Content-Length; null when the body's end is not announced. */
  announcedBytes: number | null
  /** What a body that doesn't announce its end must not pass; absent: the upload's end. */
  mostBytes?: number
  checksum: BodyChecksum | null
}

/** What completing a session adds to what its beginning said; null: nothing. */
export interface Completion {
  packageId: string | null
  relativePath: string | null
  declared: Partial<Digests>
}

export interface IntakeOptions {
  records: Records
  quotas: QuotaRecords
  concatenations: Concatenations
  removals: Removals
  placement: Placement
  leases: Leases
  store: Store
  finalizer: Finalizer
  garbage: Garbage
  freeSpace: FreeSpace
  digests: DigestPool
  slabs: SlabPool
  log: Logger
  maxFileBytes: number
  noProgressTimeoutSeconds: number
  /** Bytes a second; undefined: none. */
  minUploadRate: number | undefined
  observer?: UploadObserver | undefined
}

export class Intake {
  readonly #options: IntakeOptions
  readonly #wholes: GroupCommit<WholeUpload, Discarded[] | AppError | null>

  constructor(options: IntakeOptions) {
    this.#options = options
    this.#wholes = new GroupCommit((wholes) => options.records.insertWhole(wholes), WHOLES_PER_COMMIT)
  }

  /** How slow a body may be. */
  get #pace(): PaceLimits {
    const { noProgressTimeoutSeconds, minUploadRate } = this.#options
    return { noProgressMs: noProgressTimeoutSeconds * 1000, leastBytesPerSecond: minUploadRate }
  }

  /** Whether uploads can be put together from others here. */
  get canConcatenate(): boolean {
    return this.#options.store.canCompose
  }

  get maxFileBytes(): number {
    return this.#options.maxFileBytes
  }

  /**
   * Begins an upload and waits for no byte of it. When it resolves, record and temporary are durable.
   *
   * With `isHeld` the caller gets the lease too, and must `append` or `release`.
   *
   * @throws PAYLOAD_TOO_LARGE, INSUFFICIENT_STORAGE, QUOTA_EXCEEDED, and NOT_FOUND, PACKAGE_FINALIZED, CONFLICT for its place in a package:
   * nothing is made then
   */
  async begin(
    uploader: Uploader,
    description: UploadDescription,
    options: { isHeld: boolean; idempotency?: Idempotency | null },
  ): Promise<{ upload: Upload; lease: Lease | null }> {
    const id = randomId()
    return traced('upload.begin', aboutUpload(id), () => this.#begin(id, uploader, description, options))
  }

  async #begin(
    id: string,
    uploader: Uploader,
    description: UploadDescription,
    options: { isHeld: boolean; idempotency?: Idempotency | null },
  ): Promise<{ upload: Upload; lease: Lease | null }> {
    const { placement, store, leases } = this.#options
    await this.#assertRoom(uploader, description, { isOpen: true })
    // The bytes' place first: a record that promises it must not survive a crash without it. The sweep finds a place
    // without a record.
    await store.createTemporary(id)
    const lease = options.isHeld ? { holder: leases.holder, seconds: leases.seconds } : null
    const upload = await placement
      .insert(id, uploader, description, { lease, idempotency: options.idempotency ?? null })
      .catch((error) => afterRefusal(error, () => store.deleteTemporary(id)))
    return { upload, lease: lease === null ? null : leases.adopt(upload) }
  }

  /**
   * Looks before anything is made: a package for its label, a place in the store. What counts is what the record's own insertion
   * says.
   *
   * @throws PAYLOAD_TOO_LARGE, INSUFFICIENT_STORAGE, QUOTA_EXCEEDED
   */
  async #assertRoom(
    { owner }: Uploader,
    description: UploadDescription,
    options: { isOpen: boolean },
  ): Promise<void> {
    const { quotas, freeSpace, maxFileBytes } = this.#options
    assertSize(description.sizeBytes, maxFileBytes)
    await freeSpace.assertRoomFor(description.sizeBytes ?? 0)
    await quotas.assertWithinQuota(owner, usageOf(description, options))
  }

  /**
   * The upload that the same owner began with this key before.
   *
   * @throws CONFLICT when the key was used for something else
   */
  async begunBefore(owner: string, idempotency: Idempotency): Promise<Upload | null> {
    const upload = await this.#options.records.findByIdempotencyKey(owner, idempotency.key)
    if (upload !== null && upload.idempotencyDigest !== idempotency.digest) {
      throw new AppError(
        'CONFLICT',
        `This Idempotency-Key began upload ${upload.id}, which asked for something else. Send a new key.`,
        { details: { upload_id: upload.id } },
      )
    }
    return upload
  }

  /**
   * Takes a file that one request brings, of known length or not: it is finished with the request, or leaves nothing.
   *
   * @returns the record: `ready`, or `finalizing` when that takes longer than `patienceMs`
   * @throws as `append`; INVALID_INPUT when the body is cut
   */
  async takeOnce(
    uploader: Uploader,
    description: UploadDescription,
    body: Body,
    options: { patienceMs?: number; idempotency?: Idempotency | null } = {},
  ): Promise<Upload> {
    const { records } = this.#options
    const { idempotency = null } = options
    if (this.isSmallAndWhole(description, body)) {
      return records.get(await this.takeWhole(uploader, description, body, { idempotency }), uploader.owner)
    }
    const { upload, lease } = await this.begin(uploader, description, { isHeld: true, idempotency })
    if (lease === null) throw new AppError('INTERNAL', 'An upload was begun without its lease.')
    try {
      const taken = await this.append(lease, upload, body, options)
      if (taken.state === 'receiving') throw cut()
      return taken
    } catch (error) {
      // Failed for what its bytes are, it keeps its report. With a key, its client finds it again.
      const isKept = idempotency !== null || isAppError(error, 'HASH_MISMATCH', 'CONTENT_REFUSED', 'GONE')
      if (!isKept) await this.#giveUp(upload.id)
      throw error
    }
  }

  /** Nobody can go on with it: only the request that is over knew of it. What fails here, the sweep does. */
  async #giveUp(uploadId: string): Promise<void> {
    await this.#options.removals.remove(uploadId, EVERYONE).catch((error: unknown) => {
      if (!isAppError(error, 'GONE', 'NOT_FOUND'))
        this.#options.log.warn(
          { err: error, upload: uploadId },
          'a file that came in part is left to the sweep',
        )
    })
  }

  /**
   * Begins an upload that is made of others, the parts of a concatenation, in their order; finishes it in the background.
   *
   * @param partialIds of uploads of the same owner, whole each of them
   * @throws INVALID_INPUT for what is no part, CONFLICT for one that isn't whole yet, GONE, PAYLOAD_TOO_LARGE
   */
  async concatenate(
    uploader: Uploader,
    description: UploadDescription,
    partialIds: readonly string[],
    { idempotency = null }: { idempotency?: Idempotency | null } = {},
  ): Promise<Upload> {
    const { concatenations } = this.#options
    if (partialIds.length > MOST_COMPOSE_SOURCES) {
      throw new AppError(
        'INVALID_INPUT',
        `An upload is made of at most ${MOST_COMPOSE_SOURCES} others. Send the file in fewer, larger parts.`,
      )
    }
    const find = () => concatenations.findConcatenation(uploader.owner, partialIds)
    const before = await find()
    if (before !== null) return before
    try {
      return await this.#concatenate(uploader, description, partialIds, idempotency)
    } catch (error) {
      // The same was made meanwhile, by the request whose answer was lost: it has taken the parts, or the place.
      const meanwhile = isAppError(error, 'CONFLICT', 'GONE') ? await find() : null
      if (meanwhile === null) throw error
      return meanwhile
    }
  }

  async #concatenate(
    uploader: Uploader,
    description: UploadDescription,
    partialIds: readonly string[],
    idempotency: Idempotency | null,
  ): Promise<Upload> {
    const { records, concatenations, placement, leases, freeSpace, finalizer, maxFileBytes } = this.#options
    let sizeBytes = 0
    for (const id of partialIds) {
      const part = await records.get(id, uploader.uploads)
      sizeBytes += assertPart(part)
      // Its server died between its last byte and finishing.
      if (part.state === 'receiving') void finalizer.resume(id)
    }
    assertSize(sizeBytes, maxFileBytes)
    await freeSpace.assertRoomFor(sizeBytes)
    const id = randomId()
    const whole = { ...description, sizeBytes, finish: 'auto' as const }
    const lease = { holder: leases.holder, seconds: leases.seconds }
    const upload = await placement.place({ id, uploader, description: whole, idempotency }, (place) =>
      concatenations.insertConcatenation(id, uploader.owner, whole, place, partialIds, {
        lease,
        idempotency,
      }),
    )
    return finalizer.finish(leases.adopt(upload), upload, null, EMPTY_LEDGER)
  }

  /** True when a request that begins an upload brings so few bytes, all of them, that `takeWhole` is the better way. */
  isSmallAndWhole(description: UploadDescription, body: Body): boolean {
    const { sizeBytes } = description
    return (
      // What is to be checked is finished like any other.
      !this.#options.finalizer.hasContentCheck &&
      description.finish !== 'manual' &&
      sizeBytes !== null &&
      sizeBytes <= SMALL_BODY_BYTES &&
      body.announcedBytes === sizeBytes
    )
  }

  /**
   * Takes a small file that comes whole in one request: object, digests and record at once.
   *
   * A request that is cut leaves nothing. When it resolves, the upload is ready.
   *
   * @returns the upload's id
   * @throws HASH_MISMATCH (the upload is recorded as failed), CHECKSUM_MISMATCH, INSUFFICIENT_STORAGE, PAYLOAD_TOO_LARGE; as `begin`
   * for its place, and CONFLICT for a key that was used before: nothing is left then
   */
  async takeWhole(
    uploader: Uploader,
    description: UploadDescription,
    body: Body,
    { idempotency = null }: { idempotency?: Idempotency | null } = {},
  ): Promise<string> {
    const id = randomId()
    const observed = new ObservedBody(this.#options.observer, 0)
    try {
      await traced('upload.take', aboutUpload(id), () =>
        this.#takeWhole(id, uploader, description, body, idempotency),
      )
      observed.acknowledge(description.sizeBytes ?? 0)
      return id
    } finally {
      observed.end()
    }
  }

  async #takeWhole(
    id: string,
    uploader: Uploader,
    description: UploadDescription,
    body: Body,
    idempotency: Idempotency | null,
  ): Promise<string> {
    const { store, garbage, placement, observer } = this.#options
    const sizeBytes = description.sizeBytes ?? 0
    await this.#assertRoom(uploader, description, { isOpen: false })
    const bytes = sizeBytes === 0 ? Buffer.alloc(0) : await readWhole(body.source, sizeBytes, this.#pace)
    if (bytes === null) throw cut()
    assertChecksum(body.checksum, (algorithm) => createHash(algorithm).update(bytes).digest())

    const digests = new RunningDigest().update(bytes).digests()
    observer?.digestedInline(bytes.byteLength)
    const failure = declaredMismatch(description.declared, digests)
    if (failure !== null)
      throw await this.#recordFailure(uploader, description, failure, { digests, idempotency })
    await store.putObject(id, bytes)
    const whole = {
      id,
      owner: uploader.owner,
      description,
      idempotency,
      sizeBytes,
      digests,
      warnings: contentWarnings(sizeBytes, bytes.subarray(0, SNIFFED_BYTES), description.contentType),
      retrievalToken: randomToken(),
    }
    const discarded = await placement
      .place({ id, uploader, description, idempotency }, async (place) => {
        const result = await this.#wholes.add({ ...whole, place })
        if (result instanceof AppError) throw result
        return result
      })
      .catch((error) => afterRefusal(error, () => store.deleteObject(id)))
    observer?.finished('ready')
    await garbage.emptySoon(discarded)
    return id
  }

  /**
   * The lease to write an upload of `scope`, with its exact record; no lease when its last byte has arrived.
   *
   * @throws NOT_FOUND, GONE, LOCKED
   */
  async claim(uploadId: string, scope: OwnerScope): Promise<{ lease: Lease | null; upload: Upload }> {
    const { leases, records } = this.#options
    try {
      return await traced('lease.claim', aboutUpload(uploadId), () =>
        leases.claim(uploadId, 'receiving', scope),
      )
    } catch (error) {
      if (!isAppError(error, 'CONFLICT')) throw error
      return { lease: null, upload: await records.get(uploadId, scope) }
    }
  }

  /** The record once no request writes the upload: its offset is then exact. @throws NOT_FOUND, GONE, LOCKED */
  async settled(uploadId: string, scope: OwnerScope): Promise<Upload> {
    const { leases, concatenations } = this.#options
    const upload = await traced('lease.settle', aboutUpload(uploadId), () => leases.settle(uploadId, scope))
    // Its client didn't hear that it was put into a whole: told that it is gone, it would send all of it again.
    if (isPartial(upload) && upload.state === 'deleted' && (await concatenations.hasServed(uploadId)))
      return upload
    assertAlive(upload)
    // Its server died between its last byte and finishing; its client, told that it is whole, may never come back.
    const isForgotten = upload.state === 'finalizing' && !upload.isHeld
    if (isForgotten || (upload.state === 'receiving' && isDue(upload)))
      void this.#options.finalizer.resume(uploadId)
    return upload
  }

  /** Tells the length of an upload that was begun without one. */
  declareSize(lease: Lease, sizeBytes: number): Promise<Upload> {
    return this.#options.records.declareSize(lease, sizeBytes)
  }

  release(lease: Lease): Promise<void> {
    return this.#options.leases.release(lease, false)
  }

  /**
   * Takes a body as the next bytes of `upload`, finishes the upload with its last one, and frees the lease.
   *
   * Whatever ends it early (the client goes away, a newer request, a stop, a full disk), what arrived is made durable
   * and recorded first; only a body with a checksum counts whole or not at all.
   *
   * @returns the record as it is now; its offset is what is acknowledged
   * @throws CHECKSUM_MISMATCH, HASH_MISMATCH, LOCKED, REQUEST_TIMEOUT, PAYLOAD_TOO_LARGE, INSUFFICIENT_STORAGE, UNAVAILABLE
   */
  append(lease: Lease, begun: Upload, body: Body, options: { patienceMs?: number } = {}): Promise<Upload> {
    const attributes = {
      ...aboutUpload(begun.id),
      'antipasto.offset_bytes': Number(begun.offsetBytes),
      ...(body.announcedBytes === null ? {} : { 'antipasto.size_bytes': body.announcedBytes }),
    }
    return traced('upload.receive', attributes, () => this.#append(lease, begun, body, options))
  }

  async #append(lease: Lease, begun: Upload, body: Body, options: { patienceMs?: number }): Promise<Upload> {
    const { records, leases, freeSpace, finalizer, observer } = this.#options
    const observed = new ObservedBody(observer, Number(begun.offsetBytes))
    let upload = begun
    const digest = this.#openDigest(upload, body)
    let isOurs = true
    let isReleased = false
    try {
      await freeSpace.assertRoomFor(body.announcedBytes ?? (sizeOf(upload) ?? 0) - Number(upload.offsetBytes))
      const writer = await this.#openWriter(upload)
      try {
        const { isWhole, stopReason, checkpoint } = await this.#receive(lease, upload, body, {
          writer,
          digest,
          observed,
        })
        if (body.checksum !== null && !isWhole) throw stopReason ?? cut()
        // Its one request has ended: now its length is known.
        if (isWhole && upload.finish === 'once' && upload.sizeBytes === null) {
          upload = await records.declareSize(lease, checkpoint.offsetBytes)
        }
        const isLast = checkpoint.offsetBytes === sizeOf(upload)
        if (isLast && (upload.finish === 'auto' || (upload.finish === 'once' && isWhole))) {
          const digests = digest === null ? null : await traced('digests.finish', {}, () => digest.digests())
          isOurs = false
          const finished = await finalizer.finish(
            lease,
            upload,
            digests,
            checkpoint.stored,
            options.patienceMs,
          )
          writer.confirm(checkpoint.stored)
          observed.acknowledge(checkpoint.offsetBytes)
          return finished
        }
        const isUnchanged = checkpoint.offsetBytes === Number(upload.offsetBytes)
        const advanced = isUnchanged ? upload : await records.advance(lease, checkpoint, { release: true })
        isReleased = !isUnchanged
        observed.acknowledge(checkpoint.offsetBytes)
        writer.confirm(checkpoint.stored)
        if (stopReason !== null) throw stopReason
        return advanced
      } finally {
        await writer.close()
        // Its last piece may be later than the deletion that another request or instance made.
        if (lease.signal.aborted) await finalizer.clearAfterEnd(upload.id)
      }
    } catch (error) {
      // Of all that is asked above, only the store says that something isn't there, or isn't what it was.
      if (!isOurs || !isAppError(error, 'NOT_FOUND', 'CONFLICT')) throw error
      const failed = await finalizer.failLost(lease, upload, error)
      isOurs = false
      throw goneError(failed)
    } finally {
      digest?.close()
      observed.end()
      // Finishing frees the lease itself, maybe later than now.
      if (isOurs) await leases.release(lease, isReleased)
    }
  }

  /**
   * Says that an upload has all its bytes, and finishes it: what a session waits for. Whatever it adds about the package
   * holds for a finished one, too. Repeated, it changes nothing.
   *
   * @returns the record: `ready`, or `finalizing` when the rest goes on in the background
   * @throws OFFSET_MISMATCH when bytes are missing, with the offset; HASH_MISMATCH; as `begin` for its place; GONE; LOCKED
   */
  async complete(uploadId: string, uploader: Uploader, completion: Completion): Promise<Upload> {
    const { records } = this.#options
    const { declared } = completion
    let upload = await records.get(uploadId, uploader.uploads)
    assertAlive(upload)
    if (isPartial(upload))
      throw new AppError('CONFLICT', 'This is a part of a concatenation, which finishes by itself.')
    if (upload.state === 'receiving' && upload.finish === 'once') {
      throw new AppError(
        'CONFLICT',
        'The upload is finished by the request that is bringing it. Wait for its answer.',
      )
    }
    if (upload.state === 'receiving') {
      const claimed = await this.claim(uploadId, uploader.uploads)
      if (claimed.lease === null) upload = claimed.upload
      else return this.#completeHeld(claimed.lease, claimed.upload, uploader, completion)
    }
    const digests = knownDigests(upload)
    const mismatch = digests === null ? null : declaredMismatch(declared, digests)
    if (mismatch !== null) throw mismatch
    return this.#settle(upload, uploader, completion)
  }

  /** Puts an upload where its completion says. */
  async #settle(
    upload: Upload,
    uploader: Uploader,
    { packageId, relativePath }: Completion,
  ): Promise<Upload> {
    if (packageId === null && relativePath === null) return upload
    const to = {
      packageId: packageId ?? upload.packageId,
      label: upload.label,
      relativePath: relativePath ?? upload.relativePath,
    }
    return this.#options.placement.move(upload, to, uploader.packages)
  }

  async #completeHeld(
    lease: Lease,
    upload: Upload,
    uploader: Uploader,
    completion: Completion,
  ): Promise<Upload> {
    const { leases, records, finalizer } = this.#options
    try {
      // What may be refused comes first, so that a refusal has changed nothing.
      assertComplete(upload)
      await this.#settle(upload, uploader, completion)
      const complete = await records.declareComplete(lease, completion.declared)
      return await finalizer.finishWhole(lease, complete)
    } catch (error) {
      // Of no effect after finishing, which has freed it.
      await leases.release(lease, false)
      throw error
    }
  }

  /** The report of a file that came whole and isn't what it was declared to be. @returns the failure */
  async #recordFailure(
    uploader: Uploader,
    description: UploadDescription,
    failure: AppError,
    { digests, idempotency }: { digests: Digests; idempotency: Idempotency | null },
  ): Promise<AppError> {
    const { records, placement, leases, garbage, observer } = this.#options
    const id = randomId()
    const lease = { holder: leases.holder, seconds: leases.seconds }
    const upload = await placement.insert(id, uploader, description, { lease, idempotency })
    const failed = await records.commitFailed({ uploadId: id, epoch: upload.leaseEpoch }, failure, digests)
    observer?.finished(failure.code)
    await garbage.emptySoon(failed.discarded)
    return ofUpload(failure, id)
  }

  async #openWriter(upload: Upload): Promise<TemporaryWriter> {
    const { store, records } = this.#options
    const hasParts = store.needsLedger && upload.offsetBytes > 0n
    return store.openTemporary(upload.id, {
      offsetBytes: Number(upload.offsetBytes),
      sizeBytes: sizeOf(upload),
      ledger: hasParts ? await records.ledger(upload, { isForWriter: true }) : EMPTY_LEDGER,
    })
  }

  async #receive(
    lease: Lease,
    upload: Upload,
    body: Body,
    {
      writer,
      digest,
      observed,
    }: { writer: TemporaryWriter; digest: DigestSession | null; observed: ObservedBody },
  ): Promise<Reception> {
    const { records, quotas, slabs, freeSpace, log, maxFileBytes } = this.#options
    const bodyHash = body.checksum === null ? null : createHash(body.checksum.algorithm)
    const offsetBytes = Number(upload.offsetBytes)
    const limitBytes = Math.min(
      sizeOf(upload) ?? maxFileBytes,
      offsetBytes + (body.mostBytes ?? maxFileBytes),
    )
    // Of a size that nobody told nothing is counted yet: what doesn't fit must not get as far as the disk.
    const roomBytes = sizeOf(upload) === null ? await quotas.roomOf(upload.owner) : limitBytes
    const reception = await receive(body.source, {
      writer,
      digest,
      slabs,
      offsetBytes,
      limitBytes: Math.min(limitBytes, offsetBytes + roomBytes),
      bodyHash,
      record: async (checkpoint: Checkpoint) => {
        await records.advance(lease, checkpoint, { release: false })
        observed.acknowledge(checkpoint.offsetBytes)
      },
      assertSpace: (bytes) => freeSpace.assertRoomFor(bytes),
      signal: lease.signal,
      ...this.#pace,
      onTrouble: (error) => log.warn({ err: error, upload: upload.id }, 'a checkpoint could not be recorded'),
    }).catch(async (error: unknown) => {
      const isOver = isAppError(error, 'PAYLOAD_TOO_LARGE') && offsetBytes + roomBytes < limitBytes
      if (isOver) await quotas.assertWithinQuota(upload.owner, { ...NO_USAGE, bytes: roomBytes + 1 })
      throw error
    })
    if (reception.isWhole && bodyHash !== null) assertChecksum(body.checksum, () => bodyHash.digest())
    return reception
  }

  /** The digests' state after the stored bytes; null when it can't be had, and finishing has to read them again. */
  #openDigest(upload: Upload, body: Body): DigestSession | null {
    const isStart = upload.offsetBytes === 0n
    const saved = isStart ? undefined : (upload.digestState ?? null)
    if (saved === null) return null
    const isSmall = body.announcedBytes !== null && body.announcedBytes <= SMALL_BODY_BYTES
    const { digests, observer } = this.#options
    try {
      return isSmall ? new InlineDigest(saved, observer) : digests.open(saved)
    } catch (error) {
      this.#options.log.warn({ err: error, upload: upload.id }, 'a saved digest state could not be read')
      return null
    }
  }
}

/** Refusals of a place, or of room: there is no record then. */
const WRITES_NOTHING = [
  'CONFLICT',
  'PACKAGE_FINALIZED',
  'NOT_FOUND',
  'FORBIDDEN',
  'GONE',
  'QUOTA_EXCEEDED',
] as const

/**
 * Takes back what was stored for a record that was refused, and throws `error` on.
 *
 * Whatever else went wrong may have gone wrong after the record was made: then its bytes must stay, and the sweep sees to it.
 */
async function afterRefusal(error: unknown, takeBack: () => Promise<void>): Promise<never> {
  if (isAppError(error, ...WRITES_NOTHING)) await takeBack().catch(() => {})
  throw error
}

function sizeOf(upload: Upload): number | null {
  return upload.sizeBytes === null ? null : Number(upload.sizeBytes)
}

function cut(): AppError {
  return new AppError('INVALID_INPUT', 'The body ended before its announced length. Send it again.')
}

/** @throws CHECKSUM_MISMATCH when the body's digest isn't what the client said */
function assertChecksum(
  expected: BodyChecksum | null,
  compute: (algorithm: BodyChecksum['algorithm']) => Buffer,
): void {
  if (expected === null) return
  const computed = compute(expected.algorithm)
  if (computed.equals(expected.digest)) return
  throw new AppError(
    'CHECKSUM_MISMATCH',
    `The body's ${expected.algorithm} is not the one in Upload-Checksum: it was damaged on the way. Nothing of it is kept: send it again.`,
  )
}
