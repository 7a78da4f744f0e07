// An object made of other objects: copied by S3, as the parts of a multipart upload. Nothing is downloaded but sources that
// are too small to be a part, and what fills up a part behind them.

import { isAppError } from '../errors.js'
import { type GatheredPart, type PlannedPart, planComposition } from './compose-plan.js'
import { inLanes } from './lanes.js'
import { bytesDiffer, bytesMissing, S3Failure, storeUnavailable } from './s3-errors.js'
import type { S3Objects } from './s3-objects.js'
import type { GatheredBody, S3Parts } from './s3-parts.js'
import type { ComposeSource } from './store.js'

/** Requests of one composition on their way at a time. */
const LANES = 4

export class S3Compose {
  readonly #objects: S3Objects
  readonly #parts: S3Parts

  constructor(objects: S3Objects, parts: S3Parts) {
    this.#objects = objects
    this.#parts = parts
  }

  /** As `Store.compose`. A failure leaves a multipart upload behind, which the next attempt for this key begins by ending. */
  async compose(
    key: string,
    sources: readonly ComposeSource[],
    signal = new AbortController().signal,
  ): Promise<void> {
    const plan = planComposition(sources)
    const sizeBytes = sources.reduce((sum, source) => sum + source.sizeBytes, 0)
    if (await this.#isThere(key, sizeBytes)) return
    await this.#assertSizes(sources, signal)
    await this.#objects.abortMultiparts(key)
    signal.throwIfAborted()
    const [only] = plan
    if (only === undefined || (only.kind === 'gather' && plan.length === 1)) {
      await this.#parts.putObject(bodyOf(key, only), signal)
    } else {
      await this.#putTogether(key, sizeBytes, plan, signal)
    }
  }

  async #isThere(key: string, sizeBytes: number): Promise<boolean> {
    return (await this.#objects.headObject(key)) === sizeBytes
  }

  /** Asked of each before anything is copied: S3 copies a whole object as long as it is. */
  async #assertSizes(sources: readonly ComposeSource[], signal: AbortSignal): Promise<void> {
    const sizes = new Map(sources.map(({ key, sizeBytes }) => [key, sizeBytes]))
    if (sources.some(({ key, sizeBytes }) => sizes.get(key) !== sizeBytes)) throw bytesDiffer()
    await inLanes(LANES, [...sizes], signal, async ([key, sizeBytes]) => {
      const storedBytes = await this.#objects.headObject(key)
      if (storedBytes === null) throw bytesMissing()
      if (storedBytes !== sizeBytes) throw bytesDiffer()
    })
  }

  async #putTogether(
    key: string,
    sizeBytes: number,
    plan: readonly PlannedPart[],
    signal: AbortSignal,
  ): Promise<void> {
    const multipartId = await this.#parts.createMultipart(key, signal)
    try {
      const numbered = plan.map((part, index) => ({ part, partNumber: index + 1 }))
      const parts = await inLanes(LANES, numbered, signal, async ({ part, partNumber }, lane) => {
        const etag =
          part.kind === 'copy'
            ? await this.#parts.copyPart(key, multipartId, partNumber, part, lane)
            : await this.#parts.putPart(multipartId, partNumber, bodyOf(key, part), lane)
        return { name: String(partNumber), etag }
      })
      await this.#parts.complete(key, multipartId, sizeBytes, parts)
    } catch (error) {
      if (!(isNoSuchUpload(error) || (await this.#hasEnded(key, multipartId, error)))) throw error
      // Completed, and its answer lost; or by another instance.
      if (await this.#isThere(key, sizeBytes)) return
      // Not NOT_FOUND, which would say that a source is lost: another instance has begun anew, or the upload was deleted.
      throw storeUnavailable(error)
    }
  }

  /** A source that is lost is NOT_FOUND, too: that is none of it. */
  async #hasEnded(key: string, multipartId: string, error: unknown): Promise<boolean> {
    return isAppError(error, 'UNAVAILABLE') && this.#objects.hasEnded(key, multipartId, error)
  }
}

function bodyOf(key: string, part: GatheredPart | undefined): GatheredBody {
  const ranges = part?.ranges ?? []
  return { key, sizeBytes: ranges.reduce((sum, { range }) => sum + range.end - range.start, 0), ranges }
}

function isNoSuchUpload(error: unknown): boolean {
  return isAppError(error) && error.cause instanceof S3Failure && error.cause.symptom.code === 'NoSuchUpload'
}
