// From the last byte to a blob. Idempotent, and nobody's request: whoever notices runs it again, from wherever it stopped.

import type { Logger } from 'pino'
import { type Digests, RunningDigest } from '../digests/digest.js'
import { AppError, isAppError } from '../errors.js'
import { EMPTY_LEDGER, type Ledger, type Store } from '../storage/store.js'
import type { Garbage } from './garbage.js'
import type { Lease, Leases } from './leases.js'
import { withPatience } from './patience.js'
import { randomToken } from './random.js'
import type { Discarded, Records } from './records.js'
import type { Rereader } from './reread.js'
import {
  contentWarnings,
  declaredDigests,
  declaredMismatch,
  isWhole,
  SNIFFED_BYTES,
  type Upload,
} from './upload.js'

const RETRY_MS = 5000
/** A store may take minutes to put a big object together; its client isn't kept waiting, and the connection not open. */
const PATIENCE_MS = 20_000

export interface FinalizerOptions {
  records: Records
  leases: Leases
  store: Store
  garbage: Garbage
  rereader: Rereader
  log: Logger
}

export class Finalizer {
  readonly #options: FinalizerOptions
  readonly #retries = new Map<string, NodeJS.Timeout>()
  readonly #inBackground = new Set<Promise<unknown>>()
  readonly #stopping = new AbortController()

  constructor(options: FinalizerOptions) {
    this.#options = options
  }

  /**
   * Takes an upload whose every byte is durable to its last state, and frees its lease.
   *
   * @param digests what was computed on the way in; null makes it read the object again, in the background
   * @param stored where its last bytes are, as far as the ledger hasn't named them yet
   * @returns the record: `ready`; `finalizing` when the rest goes on in the background or is tried again by itself
   * @throws HASH_MISMATCH when the bytes are not what the client declared: the upload is `failed` then
   */
  async finish(lease: Lease, upload: Upload, digests: Digests | null, stored: Ledger): Promise<Upload> {
    const { records } = this.#options
    const mismatch = digests === null ? null : declaredMismatch(declaredDigests(upload), digests)
    if (mismatch !== null) {
      const failed = await records.commitFailed(lease, mismatch, digests)
      await this.#letGo(lease, failed.discarded)
      throw mismatch
    }
    const finalizing =
      upload.state === 'finalizing' ? upload : await records.beginFinalizing(lease, digests, stored)
    const finishing = this.#complete(lease, finalizing, digests)
    this.#inBackground.add(finishing)
    void finishing.finally(() => this.#inBackground.delete(finishing))
    return digests === null ? finalizing : withPatience(finishing, PATIENCE_MS, finalizing)
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
        await this.finish(claimed.lease, claimed.upload, knownDigests(claimed.upload), EMPTY_LEDGER)
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
    await Promise.allSettled(this.#inBackground)
  }

  /** Never throws: the last byte is acknowledged, so whatever goes wrong here is ours to mend, not the client's. */
  async #complete(lease: Lease, upload: Upload, digests: Digests | null): Promise<Upload> {
    const { records, store, leases, log } = this.#options
    const sizeBytes = Number(upload.sizeBytes)
    try {
      const ledger = store.needsLedger ? await records.ledger(upload, { isForWriter: false }) : EMPTY_LEDGER
      await store.complete(upload.id, sizeBytes, ledger)
      // Before anything is said of the object: that it is there, and how long it is.
      const object = await store.readObjectHead(upload.id, SNIFFED_BYTES)
      if (object.sizeBytes !== sizeBytes) {
        throw new AppError('CONFLICT', `The stored object has ${object.sizeBytes} of ${sizeBytes} bytes.`)
      }
      const computed = digests ?? (await this.#readAgain(lease, upload))
      const mismatch = digests === null ? declaredMismatch(declaredDigests(upload), computed) : null
      if (mismatch !== null) {
        const failed = await records.commitFailed(lease, mismatch, computed)
        await this.#letGo(lease, failed.discarded)
        return failed.upload
      }
      const ready = await records.commitReady(lease, {
        digests: computed,
        warnings: contentWarnings(sizeBytes, object.head, upload.contentType),
        retrievalToken: randomToken(),
        // A first and only writer has cleaned up behind itself; one that was interrupted may have left something.
        hasLeftovers: store.needsLedger && lease.epoch > 1n,
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

  /** @throws the signal's reason when the upload ends, or we do */
  async #readAgain(lease: Lease, upload: Upload): Promise<Digests> {
    const { records, rereader } = this.#options
    return rereader.read({
      objectKey: upload.id,
      sizeBytes: Number(upload.sizeBytes),
      from:
        upload.digestState === null
          ? null
          : { offsetBytes: Number(upload.rereadBytes ?? 0), digestState: upload.digestState },
      record: (progress) => records.recordReread(lease, progress.offsetBytes, progress.digestState),
      signal: AbortSignal.any([this.#stopping.signal, lease.signal]),
    })
  }

  async #letGo(lease: Lease, discarded: readonly Discarded[]): Promise<void> {
    await this.#options.leases.release(lease, true)
    await this.#options.garbage.emptySoon(discarded)
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
  const { md5, sha1, sha256, digestState, state } = upload
  if (md5 !== null && sha1 !== null && sha256 !== null) return { md5, sha1, sha256 }
  if (upload.offsetBytes === 0n) return new RunningDigest().digests()
  // While it is finalizing, the state is of as many bytes as were read again.
  if (digestState === null || state !== 'receiving') return null
  try {
    return new RunningDigest(digestState).digests()
  } catch {
    return null
  }
}
