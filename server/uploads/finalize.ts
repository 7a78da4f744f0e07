// From the last byte to a blob. Idempotent, and nobody's request: whoever notices runs it again, from wherever it stopped.

import type { Logger } from 'pino'
import { RunningDigest } from '../digests/digest.js'
import type { Digests } from '../digests/finish.js'
import { AppError, isAppError } from '../errors.js'
import {
  type ContentCheck,
  contentRefused,
  factsOf,
  retryDelayMs,
  type Verdict,
} from '../hooks/content-check.js'
import { type ComposeSource, EMPTY_LEDGER, type Ledger, type Store } from '../storage/store.js'
import { untilAny } from '../storage/until-any.js'
import { aboutUpload, traced } from '../tracing/span.js'
import type { Concatenations, ConcatSource } from './concatenations.js'
import { bothRooms } from './ending.js'
import type { Discarded, Garbage } from './garbage.js'
import type { Lease, Leases } from './leases.js'
import type { UploadObserver } from './observer.js'
import { withPatience } from './patience.js'
import { randomToken } from './random.js'
import type { Records } from './records.js'
import type { Rereader } from './reread.js'
import {
  contentWarnings,
  declaredDigests,
  declaredMismatch,
  isConcatenation,
  isDue,
  isPartial,
  ofUpload,
  SNIFFED_BYTES,
  type Upload,
} from './upload.js'

const RETRY_MS = 5000
/** A store may take minutes to put a big object together; its client isn't kept waiting, and the connection not open. */
const PATIENCE_MS = 20_000
/** Whoever takes up what was interrupted has more to do than to wait for one check after the other. */
const RESUMED_CHECK_PATIENCE_MS = 1000

export interface FinalizerOptions {
  records: Records
  concatenations: Pick<Concatenations, 'concatSources' | 'commitEndOfParts'>
  leases: Leases
  store: Store
  garbage: Garbage
  rereader: Rereader
  /** What may refuse an upload whose every byte is here; null or absent: nothing. */
  contentCheck?: ContentCheck | null
  observer?: UploadObserver | undefined
  log: Logger
}

export class Finalizer {
  readonly #options: FinalizerOptions
  readonly #retries = new Map<string, NodeJS.Timeout>()
  /** Checks in a row that gave no answer, by upload. */
  readonly #failedChecks = new Map<string, number>()
  readonly #inBackground = new Set<Promise<unknown>>()
  readonly #stopping = new AbortController()

  constructor(options: FinalizerOptions) {
    this.#options = options
  }

  /** Whether nothing may become ready without being asked for: then every upload has to come by here. */
  get hasContentCheck(): boolean {
    return Boolean(this.#options.contentCheck)
  }

  /**
   * Takes an upload whose every byte is durable to its last state, and frees its lease, also when it throws.
   *
   * @param digests what was computed on the way in; null makes it read the object again, in the background
   * @param stored where its last bytes are, as far as the ledger hasn't named them yet
   * @param patienceMs how long to wait for the store; what takes longer goes on in the background
   * @returns the record: `ready`; `finalizing` when the rest goes on in the background or is tried again by itself
   * @throws HASH_MISMATCH when the bytes are not what the client declared, CONTENT_REFUSED when the content check says no
   * while somebody waits: the upload is `failed` then
   */
  async finish(
    lease: Lease,
    upload: Upload,
    digests: Digests | null,
    stored: Ledger,
    patienceMs = PATIENCE_MS,
  ): Promise<Upload> {
    const { records, leases } = this.#options
    try {
      const mismatch = digests === null ? null : declaredMismatch(declaredDigests(upload), digests)
      if (mismatch !== null) {
        const failed = await this.#commitFailed(lease, mismatch, digests)
        await this.#letGo(lease, failed.discarded)
        throw ofUpload(mismatch, upload.id)
      }
      const finalizing =
        upload.state === 'finalizing' ? upload : await records.beginFinalizing(lease, digests, stored)
      const finishing = traced('upload.finish', aboutUpload(upload.id), () =>
        this.#complete(lease, finalizing, digests),
      )
      this.#inBackground.add(finishing)
      void finishing.finally(() => this.#inBackground.delete(finishing))
      if (digests === null) return finalizing
      const finished = await withPatience(finishing, patienceMs, finalizing)
      if (finished.errorCode !== 'CONTENT_REFUSED') return finished
      throw ofUpload(new AppError('CONTENT_REFUSED', finished.errorDetail ?? ''), upload.id)
    } catch (error) {
      // When the database fails before an end is recorded, nobody else may be kept waiting for us.
      await leases.release(lease, false)
      throw error
    }
  }

  /** As `finish`, for an upload whose every byte is in the records: they tell its digests, or that it has to be read again. */
  finishWhole(lease: Lease, upload: Upload, patienceMs = PATIENCE_MS): Promise<Upload> {
    return this.finish(lease, upload, knownDigests(upload), EMPTY_LEDGER, patienceMs)
  }

  /**
   * Finishes an upload that was found whole, but not finished; does nothing when somebody else is at it, or when its check
   * gave no answer just now.
   *
   * It is `finalizing`, or still `receiving` when its server died between its last byte and that.
   */
  async resume(uploadId: string): Promise<void> {
    if (this.#failedChecks.has(uploadId) && this.#retries.has(uploadId)) return
    await traced('upload.resume', aboutUpload(uploadId), () => this.#resume(uploadId), { isRoot: true })
  }

  async #resume(uploadId: string): Promise<void> {
    const { leases } = this.#options
    try {
      const claimed =
        (await leases.tryClaim(uploadId, 'finalizing')) ?? (await leases.tryClaim(uploadId, 'receiving'))
      if (claimed === null) {
        this.#failedChecks.delete(uploadId)
        return
      }
      // Once it was begun, finishing goes to its end, whoever was to begin it.
      if (claimed.upload.state === 'finalizing' || isDue(claimed.upload))
        await this.finishWhole(
          claimed.lease,
          claimed.upload,
          this.hasContentCheck ? RESUMED_CHECK_PATIENCE_MS : PATIENCE_MS,
        )
      else await leases.release(claimed.lease, false)
    } catch (error) {
      if (isAppError(error, 'HASH_MISMATCH', 'CONTENT_REFUSED')) return
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
    const isMadeOfParts = isConcatenation(upload)
    const sizeBytes = Number(upload.sizeBytes)
    try {
      const hasPieces = await this.#makeObject(lease, upload)
      // Before anything is said of the object: that it is there, and how long it is.
      const object = await store.readObjectHead(upload.id, SNIFFED_BYTES)
      if (object.sizeBytes !== sizeBytes) {
        throw new AppError('CONFLICT', `The stored object has ${object.sizeBytes} of ${sizeBytes} bytes.`)
      }
      const computed = digests ?? (await this.#readAgain(lease, upload))
      const mismatch = digests === null ? declaredMismatch(declaredDigests(upload), computed) : null
      if (mismatch !== null) {
        const failed = await this.#commitFailed(lease, mismatch, computed)
        await this.#letGo(lease, failed.discarded)
        return failed.upload
      }
      const verdict = await this.#askCheck(lease, upload, computed)
      if (verdict === null) {
        await leases.release(lease, false)
        return upload
      }
      if (!verdict.isAccepted) {
        const failed = await this.#commitFailed(lease, contentRefused(verdict.words), computed)
        log.info({ upload: upload.id }, 'the content check refused an upload')
        await this.#letGo(lease, failed.discarded)
        // They have the same bytes, which are not to be had any more.
        if (isMadeOfParts) await this.endParts(upload.id)
        return failed.upload
      }
      const ready = await records.commitReady(lease, {
        digests: computed,
        warnings: contentWarnings(sizeBytes, object.head, upload.contentType),
        retrievalToken: randomToken(),
        // A first and only writer has cleaned up behind itself; one that was interrupted may have left something.
        hasLeftovers: store.needsLedger && (lease.epoch > 1n || isMadeOfParts || hasPieces),
      })
      this.#options.observer?.finished('ready')
      await this.#letGo(lease, ready.discarded)
      if (isMadeOfParts) await this.endParts(upload.id)
      return ready.upload
    } catch (error) {
      const isLost = isAppError(error, 'NOT_FOUND', 'CONFLICT')
      // That can't be recorded when the upload has ended meanwhile: then its bytes are gone rightly.
      const failed = isLost ? await this.failLost(lease, upload, error).catch(() => null) : null
      if (failed !== null) return failed
      const hasEnded = await this.clearAfterEnd(upload.id)
      if (!hasEnded && !this.#stopping.signal.aborted) {
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

  /** An upload that ended while bytes of it were on their way: they may have come to be after its place was emptied. */
  async clearAfterEnd(uploadId: string): Promise<boolean> {
    const { records, garbage } = this.#options
    const isAbandoned = await records.isAbandoned(uploadId).catch(() => false)
    if (isAbandoned) await garbage.emptySoon(bothRooms(uploadId))
    return isAbandoned
  }

  /**
   * Whether the upload may become ready. What is a part isn't asked for: what is made of it is.
   *
   * @returns null when there was no answer: it is asked for again, later and later
   * @throws NOT_FOUND, CONFLICT when bytes are lost; the signal's reason when the upload ends, or we do
   */
  async #askCheck(lease: Lease, upload: Upload, digests: Digests): Promise<Verdict | null> {
    const { contentCheck, store, log } = this.#options
    if (!contentCheck || isPartial(upload)) return { isAccepted: true }
    const range = { start: 0, end: Number(upload.sizeBytes) }
    try {
      const verdict = await this.#untilStopped(lease, (signal) =>
        traced('content.check', aboutUpload(upload.id), () =>
          contentCheck.check(factsOf(upload, digests), () => store.readObject(upload.id, range), signal),
        ),
      )
      this.#failedChecks.delete(upload.id)
      return verdict
    } catch (error) {
      const isOver = this.#stopping.signal.aborted || lease.signal.aborted
      if (isOver || isAppError(error, 'NOT_FOUND', 'CONFLICT')) {
        this.#failedChecks.delete(upload.id)
        throw error
      }
      const failures = (this.#failedChecks.get(upload.id) ?? 0) + 1
      this.#failedChecks.set(upload.id, failures)
      const delayMs = retryDelayMs(failures)
      log.warn(
        { err: error, upload: upload.id, retry_in_seconds: delayMs / 1000 },
        'the content check gave no answer; it is asked again',
      )
      this.#retryLater(upload.id, delayMs)
      return null
    }
  }

  /** From what the store has of the upload, its object. Idempotent. @throws NOT_FOUND, CONFLICT when bytes are lost */
  async #makeObject(lease: Lease, upload: Upload): Promise<boolean> {
    const { records, store } = this.#options
    if (isConcatenation(upload)) {
      const sources = await this.#readySources(upload.id)
      await this.#untilStopped(lease, (signal) => store.compose(upload.id, sources, signal))
      return false
    } else {
      const ledger = store.needsLedger ? await records.ledger(upload, { isForWriter: false }) : EMPTY_LEDGER
      await store.complete(upload.id, Number(upload.sizeBytes), ledger)
      return ledger.parts.some(({ kind }) => kind === 'piece')
    }
  }

  /** @throws UNAVAILABLE while a part is being finished itself, NOT_FOUND when one has ended */
  async #readySources(uploadId: string): Promise<ComposeSource[]> {
    const { concatenations } = this.#options
    const sources = await concatenations.concatSources(uploadId)
    // Whole they are, or they wouldn't be parts of this; whoever was to finish one may have died.
    const unfinished = sources.filter(({ state }) => state === 'receiving' || state === 'finalizing')
    for (const source of unfinished) await this.resume(source.uploadId)
    return (unfinished.length === 0 ? sources : await concatenations.concatSources(uploadId)).map(
      assertSource,
    )
  }

  /** Does `act` with a signal that aborts when the upload ends, and when we do. */
  #untilStopped<T>(lease: Lease, act: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return untilAny([this.#stopping.signal, lease.signal], act)
  }

  /**
   * Ends the parts of a concatenation, which have served. What fails here, the sweep does.
   *
   * @returns how many
   */
  async endParts(uploadId: string): Promise<number> {
    const { concatenations, garbage, log } = this.#options
    try {
      const { uploads, discarded } = await concatenations.commitEndOfParts(uploadId)
      await garbage.emptySoon(discarded)
      return uploads.length
    } catch (error) {
      log.warn({ err: error, upload: uploadId }, 'the parts of a concatenation are left to the sweep')
      return 0
    }
  }

  /** The store has lost acknowledged bytes, by hand or by a broken disk: said plainly rather than tried for ever. */
  async failLost(lease: Lease, upload: Upload, cause: AppError): Promise<Upload> {
    const { log } = this.#options
    log.error({ err: cause, upload: upload.id }, 'the store has lost bytes of an upload')
    const what = isConcatenation(upload)
      ? 'A part of this upload was deleted, or lost by the store, while it was put together.'
      : 'The store lost bytes of this upload.'
    const failure = new AppError('INTERNAL', `${what} Upload the file again.`, { cause })
    const failed = await this.#commitFailed(lease, failure, null)
    await this.#letGo(lease, failed.discarded)
    return failed.upload
  }

  /** @throws the signal's reason when the upload ends, or we do */
  async #readAgain(lease: Lease, upload: Upload): Promise<Digests> {
    const { records, rereader } = this.#options
    const from =
      upload.digestState === null
        ? null
        : { offsetBytes: Number(upload.rereadBytes ?? 0), digestState: upload.digestState }
    return this.#untilStopped(lease, (signal) =>
      traced('digests.reread', aboutUpload(upload.id), () =>
        rereader.read({
          objectKey: upload.id,
          sizeBytes: Number(upload.sizeBytes),
          from,
          record: (progress) => records.recordReread(lease, progress.offsetBytes, progress.digestState),
          signal,
        }),
      ),
    )
  }

  async #commitFailed(
    lease: Lease,
    failure: AppError,
    digests: Digests | null,
  ): ReturnType<Records['commitFailed']> {
    const { records, observer } = this.#options
    const failed = await records.commitFailed(lease, failure, digests)
    observer?.finished(failure.code)
    return failed
  }

  async #letGo(lease: Lease, discarded: readonly Discarded[]): Promise<void> {
    await this.#options.leases.release(lease, true)
    await this.#options.garbage.emptySoon(discarded)
  }

  #retryLater(uploadId: string, delayMs = RETRY_MS): void {
    if (this.#stopping.signal.aborted) return
    clearTimeout(this.#retries.get(uploadId))
    const timer = setTimeout(() => {
      this.#retries.delete(uploadId)
      void this.resume(uploadId)
    }, delayMs)
    timer.unref()
    this.#retries.set(uploadId, timer)
  }
}

/** @throws UNAVAILABLE while the part is being finished itself, NOT_FOUND when it has ended */
function assertSource({ uploadId, state, objectKey, sizeBytes }: ConcatSource): ComposeSource {
  if (objectKey !== null && state === 'ready') return { key: objectKey, sizeBytes }
  if (state === 'finalizing' || state === 'receiving')
    throw new AppError('UNAVAILABLE', `Part ${uploadId} is not finished yet.`)
  throw new AppError('NOT_FOUND', `Part ${uploadId} of the concatenation has ended.`)
}

/** The digests of a whole upload, as far as its record tells; null when its bytes have to be read again. */
export function knownDigests(upload: Upload): Digests | null {
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
