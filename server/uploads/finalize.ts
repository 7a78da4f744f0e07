// From the last byte to a blob. Idempotent, and nobody's request: whoever notices runs it again, from wherever it stopped.

import type { Logger } from 'pino'
import { type Digests, RunningDigest } from '../digests/digest.js'
import { AppError, isAppError } from '../errors.js'
import type { Store } from '../storage/store.js'
import type { Garbage } from './garbage.js'
import type { Lease, Leases } from './leases.js'
import { randomToken } from './random.js'
import type { Discarded, Records } from './records.js'
import {
  contentWarnings,
  declaredDigests,
  declaredMismatch,
  isWhole,
  SNIFFED_BYTES,
  type Upload,
} from './upload.js'

const RETRY_MS = 5000

export interface FinalizerOptions {
  records: Records
  leases: Leases
  store: Store
  garbage: Garbage
  log: Logger
}

export class Finalizer {
  readonly #options: FinalizerOptions
  readonly #retries = new Map<string, NodeJS.Timeout>()
  readonly #reading = new Set<Promise<unknown>>()
  readonly #stopping = new AbortController()

  constructor(options: FinalizerOptions) {
    this.#options = options
  }

  /**
   * Takes an upload whose every byte is durable to its last state, and frees its lease.
   *
   * @param digests what was computed on the way in; null makes it read the object again, in the background
   * @returns the record: `ready`; `finalizing` when the rest goes on in the background or is tried again by itself
   * @throws HASH_MISMATCH when the bytes are not what the client declared: the upload is `failed` then
   */
  async finish(lease: Lease, upload: Upload, digests: Digests | null): Promise<Upload> {
    const { records } = this.#options
    const mismatch = digests === null ? null : declaredMismatch(declaredDigests(upload), digests)
    if (mismatch !== null) {
      const failed = await records.commitFailed(lease, mismatch, digests)
      await this.#letGo(lease, failed.discarded)
      throw mismatch
    }
    const finalizing = upload.state === 'finalizing' ? upload : await records.beginFinalizing(lease, digests)
    const finishing = this.#complete(lease, finalizing, digests)
    if (digests !== null) return finishing
    this.#reading.add(finishing)
    void finishing.finally(() => this.#reading.delete(finishing))
    return finalizing
  }

  /**
   * Finishes an upload that was found whole, but not finished; does nothing when somebody else is at it.
   *
   * It is `finalizing`, or still `receiving` when its server died between its last byte and that.
   */
  async resume(uploadId: string): Promise<void> {
    const { leases } = this.#options
    try {
      const claimed =
        (await leases.tryClaim(uploadId, 'finalizing')) ?? (await leases.tryClaim(uploadId, 'receiving'))
      if (claimed === null) return
      if (isWhole(claimed.upload))
        await this.finish(claimed.lease, claimed.upload, knownDigests(claimed.upload))
      else await leases.release(claimed.lease, false)
    } catch (error) {
      if (isAppError(error, 'HASH_MISMATCH')) return
      this.#options.log.error(
        { err: error, upload: uploadId },
        'an interrupted finishing could not go on yet',
      )
      if (isAppError(error, 'UNAVAILABLE')) this.#retryLater(uploadId)
    }
  }

  /** Stops retries and background reads; what is unfinished stays `finalizing` and goes on at the next start. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    for (const timer of this.#retries.values()) clearTimeout(timer)
    await Promise.allSettled(this.#reading)
  }

  /** Never throws: the last byte is acknowledged, so whatever goes wrong here is ours to mend, not the client's. */
  async #complete(lease: Lease, upload: Upload, digests: Digests | null): Promise<Upload> {
    const { records, store, leases, log } = this.#options
    const sizeBytes = Number(upload.sizeBytes)
    try {
      await store.complete(upload.id, sizeBytes)
      const computed = digests ?? (await this.#readDigests(upload.id, sizeBytes))
      const mismatch = digests === null ? declaredMismatch(declaredDigests(upload), computed) : null
      if (mismatch !== null) {
        const failed = await records.commitFailed(lease, mismatch, computed)
        await this.#letGo(lease, failed.discarded)
        return failed.upload
      }
      const head = await store.readObjectHead(upload.id, SNIFFED_BYTES)
      const ready = await records.commitReady(lease, {
        digests: computed,
        warnings: contentWarnings(sizeBytes, head, upload.contentType),
        retrievalToken: randomToken(),
      })
      await this.#letGo(lease, ready.discarded)
      return ready.upload
    } catch (error) {
      const isLost = isAppError(error, 'NOT_FOUND', 'CONFLICT')
      // That can't be recorded when the upload has ended meanwhile: then its bytes are gone rightly.
      const failed = isLost ? await this.failLost(lease, upload, error).catch(() => null) : null
      if (failed !== null) return failed
      if (!this.#stopping.signal.aborted) {
        log.error(
          { err: error, upload: upload.id },
          'finishing an upload was interrupted; it will be tried again',
        )
        this.#retryLater(upload.id)
      }
      await leases.release(lease, false)
      return upload
    }
  }

  /** The store has lost acknowledged bytes, by hand or by a broken disk: said plainly rather than tried for ever. */
  async failLost(lease: Lease, upload: Upload, cause: AppError): Promise<Upload> {
    const { records, log } = this.#options
    log.error({ err: cause, upload: upload.id }, 'the store has lost bytes of an upload')
    const failure = new AppError('INTERNAL', 'The store lost bytes of this upload. Upload the file again.', {
      cause,
    })
    const failed = await records.commitFailed(lease, failure, null)
    await this.#letGo(lease, failed.discarded)
    return failed.upload
  }

  async #readDigests(uploadId: string, sizeBytes: number): Promise<Digests> {
    const running = new RunningDigest()
    for await (const bytes of this.#options.store.readObject(uploadId, { start: 0, end: sizeBytes })) {
      this.#stopping.signal.throwIfAborted()
      running.update(bytes)
    }
    return running.digests()
  }

  async #letGo(lease: Lease, discarded: readonly Discarded[]): Promise<void> {
    await this.#options.leases.release(lease, true)
    await this.#options.garbage.empty(discarded)
  }

  #retryLater(uploadId: string): void {
    if (this.#stopping.signal.aborted) return
    clearTimeout(this.#retries.get(uploadId))
    const timer = setTimeout(() => {
      this.#retries.delete(uploadId)
      void this.resume(uploadId)
    }, RETRY_MS)
    timer.unref()
    this.#retries.set(uploadId, timer)
  }
}

/** The digests of a whole upload, as far as its record tells; null when its bytes have to be read again. */
function knownDigests(upload: Upload): Digests | null {
  const { md5, sha1, sha256, digestState } = upload
  if (md5 !== null && sha1 !== null && sha256 !== null) return { md5, sha1, sha256 }
  if (upload.offsetBytes === 0n) return new RunningDigest().digests()
  if (digestState === null) return null
  try {
    return new RunningDigest(digestState).digests()
  } catch {
    return null
  }
}
