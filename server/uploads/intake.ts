// The one way in. Every dialect (tus today) turns its requests into these calls; nothing else writes an upload.

import { createHash } from 'node:crypto'
import type { Readable } from 'node:stream'
import type { Logger } from 'pino'
import type { OwnerScope } from '../auth/owner-scope.js'
import { type Digests, RunningDigest } from '../digests/digest.js'
import { InlineDigest } from '../digests/inline.js'
import type { DigestPool, DigestSession } from '../digests/pool.js'
import type { SlabPool } from '../digests/slabs.js'
import { AppError, isAppError } from '../errors.js'
import { EMPTY_LEDGER, type Ledger, type Store, type TemporaryWriter } from '../storage/store.js'
import type { Finalizer } from './finalize.js'
import type { FreeSpace } from './free-space.js'
import type { Garbage } from './garbage.js'
import { GroupCommit } from './group-commit.js'
import type { Lease, Leases } from './leases.js'
import { randomId, randomToken } from './random.js'
import { type Checkpoint, type Reception, readWhole, receive } from './receive.js'
import type { Discarded, Records, WholeUpload } from './records.js'
import {
  assertAlive,
  assertSize,
  contentWarnings,
  declaredMismatch,
  goneError,
  isWhole,
  SNIFFED_BYTES,
  type Upload,
  type UploadDescription,
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
  checksum: BodyChecksum | null
}

export interface IntakeOptions {
  records: Records
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
}

export class Intake {
  readonly #options: IntakeOptions
  readonly #wholes: GroupCommit<WholeUpload, Discarded[]>

  constructor(options: IntakeOptions) {
    this.#options = options
    this.#wholes = new GroupCommit((wholes) => options.records.insertWhole(wholes), WHOLES_PER_COMMIT)
  }

  get maxFileBytes(): number {
    return this.#options.maxFileBytes
  }

  /**
   * Begins an upload for `owner` and waits for no byte of it. When it resolves, record and temporary are durable.
   *
   * With `isHeld` the caller gets the lease too, and must `append` or `release`.
   *
   * @throws PAYLOAD_TOO_LARGE, INSUFFICIENT_STORAGE before anything is made
   */
  async begin(
    owner: string,
    description: UploadDescription,
    options: { isHeld: boolean },
  ): Promise<{ upload: Upload; lease: Lease | null }> {
    const { records, leases, store, freeSpace, maxFileBytes } = this.#options
    assertSize(description.sizeBytes, maxFileBytes)
    await freeSpace.assertRoomFor(description.sizeBytes ?? 0)
    const id = randomId()
    // The bytes' place first: a record that promises it must not survive a crash without it. The sweep finds a place
    // without a record.
    await store.createTemporary(id)
    const lease = options.isHeld ? { holder: leases.holder, seconds: leases.seconds } : null
    const upload = await records.insertReceiving(id, owner, description, lease)
    return { upload, lease: lease === null ? null : leases.adopt(upload) }
  }

  /** True when a request that begins an upload brings so few bytes, all of them, that `takeWhole` is the better way. */
  isSmallAndWhole(description: UploadDescription, body: Body): boolean {
    const { sizeBytes } = description
    return sizeBytes !== null && sizeBytes <= SMALL_BODY_BYTES && body.announcedBytes === sizeBytes
  }

  /**
   * Takes a small file that comes whole in one request: object, digests and record at once.
   *
   * A request that is cut leaves nothing. When it resolves, the upload is ready.
   *
   * @returns the upload's id
   * @throws HASH_MISMATCH (the upload is recorded as failed), CHECKSUM_MISMATCH, INSUFFICIENT_STORAGE, PAYLOAD_TOO_LARGE
   */
  async takeWhole(owner: string, description: UploadDescription, body: Body): Promise<string> {
    const { store, garbage, freeSpace, maxFileBytes, noProgressTimeoutSeconds } = this.#options
    const sizeBytes = description.sizeBytes ?? 0
    assertSize(sizeBytes, maxFileBytes)
    await freeSpace.assertRoomFor(sizeBytes)
    const bytes =
      sizeBytes === 0
        ? Buffer.alloc(0)
        : await readWhole(body.source, sizeBytes, noProgressTimeoutSeconds * 1000)
    if (bytes === null) throw cut()
    assertChecksum(body.checksum, (algorithm) => createHash(algorithm).update(bytes).digest())

    const digests = new RunningDigest().update(bytes).digests()
    const failure = declaredMismatch(description.declared, digests)
    if (failure !== null) throw await this.#recordFailure(owner, description, failure, digests)
    const id = randomId()
    await store.putObject(id, bytes)
    const discarded = await this.#wholes.add({
      id,
      owner,
      description,
      sizeBytes,
      digests,
      warnings: contentWarnings(sizeBytes, bytes.subarray(0, SNIFFED_BYTES), description.contentType),
      retrievalToken: randomToken(),
    })
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
      return await leases.claim(uploadId, 'receiving', scope)
    } catch (error) {
      if (!isAppError(error, 'CONFLICT')) throw error
      return { lease: null, upload: await records.get(uploadId, scope) }
    }
  }

  /** The record once no request writes the upload: its offset is then exact. @throws NOT_FOUND, GONE, LOCKED */
  async settled(uploadId: string, scope: OwnerScope): Promise<Upload> {
    const upload = await this.#options.leases.settle(uploadId, scope)
    assertAlive(upload)
    // Its server died between its last byte and finishing; its client, told that it is whole, may never come back.
    if (upload.state === 'receiving' && isWhole(upload)) void this.#options.finalizer.resume(uploadId)
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
  async append(lease: Lease, upload: Upload, body: Body): Promise<Upload> {
    const { records, leases, freeSpace, finalizer } = this.#options
    const digest = this.#openDigest(upload, body)
    let isOurs = true
    let isReleased = false
    try {
      await freeSpace.assertRoomFor(body.announcedBytes ?? (sizeOf(upload) ?? 0) - Number(upload.offsetBytes))
      const writer = await this.#openWriter(upload)
      try {
        const { isWhole, stopReason, checkpoint } = await this.#receive(lease, upload, body, writer, digest)
        if (body.checksum !== null && !isWhole) throw stopReason ?? cut()
        if (checkpoint.offsetBytes === sizeOf(upload)) {
          const digests = digest === null ? null : await digest.digests()
          isOurs = false
          const finished = await this.#finish(lease, upload, digests, checkpoint.stored)
          writer.confirm(checkpoint.stored)
          return finished
        }
        const isUnchanged = checkpoint.offsetBytes === Number(upload.offsetBytes)
        const advanced = isUnchanged ? upload : await records.advance(lease, checkpoint, { release: true })
        isReleased = !isUnchanged
        writer.confirm(checkpoint.stored)
        if (stopReason !== null) throw stopReason
        return advanced
      } finally {
        await writer.close()
      }
    } catch (error) {
      // Of all that is asked above, only the store says that something isn't there, or isn't what it was.
      if (!isOurs || !isAppError(error, 'NOT_FOUND', 'CONFLICT')) throw error
      const failed = await finalizer.failLost(lease, upload, error)
      isOurs = false
      throw goneError(failed)
    } finally {
      digest?.close()
      // Finishing frees the lease itself, maybe later than now.
      if (isOurs) await leases.release(lease, isReleased)
    }
  }

  /**
   * Cancels or deletes an upload of `scope`: when this resolves its URL is dead, and its bytes are gone unless the store is in
   * trouble, which the sweep makes up for.
   *
   * @throws NOT_FOUND; GONE when it had ended already
   */
  async remove(uploadId: string, scope: OwnerScope): Promise<void> {
    const { records, leases, garbage } = this.#options
    const upload = await records.get(uploadId, scope)
    const end = upload.state === 'receiving' || upload.state === 'finalizing' ? 'canceled' : 'deleted'
    const ended = await records.commitEnd(uploadId, end)
    if (ended === null) throw goneError(await records.get(uploadId, scope))
    await leases.evict(uploadId)
    await garbage.emptySoon(ended.discarded)
  }

  /** The report of a file that came whole and isn't what it was declared to be. @returns the failure */
  async #recordFailure(
    owner: string,
    description: UploadDescription,
    failure: AppError,
    digests: Digests,
  ): Promise<AppError> {
    const { records, leases, garbage } = this.#options
    const id = randomId()
    const held = { holder: leases.holder, seconds: leases.seconds }
    const upload = await records.insertReceiving(id, owner, description, held)
    const failed = await records.commitFailed({ uploadId: id, epoch: upload.leaseEpoch }, failure, digests)
    await garbage.emptySoon(failed.discarded)
    return failure
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
    writer: TemporaryWriter,
    digest: DigestSession | null,
  ): Promise<Reception> {
    const { records, slabs, freeSpace, log, maxFileBytes, noProgressTimeoutSeconds } = this.#options
    const bodyHash = body.checksum === null ? null : createHash(body.checksum.algorithm)
    const reception = await receive(body.source, {
      writer,
      digest,
      slabs,
      offsetBytes: Number(upload.offsetBytes),
      limitBytes: sizeOf(upload) ?? maxFileBytes,
      bodyHash,
      record: async (checkpoint: Checkpoint) => {
        await records.advance(lease, checkpoint, { release: false })
      },
      assertSpace: (bytes) => freeSpace.assertRoomFor(bytes),
      signal: lease.signal,
      noProgressMs: noProgressTimeoutSeconds * 1000,
      onTrouble: (error) => log.warn({ err: error, upload: upload.id }, 'a checkpoint could not be recorded'),
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
    try {
      return isSmall ? new InlineDigest(saved) : this.#options.digests.open(saved)
    } catch (error) {
      this.#options.log.warn({ err: error, upload: upload.id }, 'a saved digest state could not be read')
      return null
    }
  }

  async #finish(lease: Lease, upload: Upload, digests: Digests | null, stored: Ledger): Promise<Upload> {
    try {
      return await this.#options.finalizer.finish(lease, upload, digests, stored)
    } catch (error) {
      // Finishing frees the lease when it ends an upload; when the database failed before that, we do.
      await this.#options.leases.release(lease, false)
      throw error
    }
  }
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
