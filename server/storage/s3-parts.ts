// What an unfinished upload is made of in the bucket: the parts of a multipart upload on its final key, which nobody sees
// before it is completed, and the pieces of its tail under tmp/.

import { Readable } from 'node:stream'
import { S3Store } from '@tus/s3-store'
import { Upload as TusUpload } from '@tus/server'
import { AppError } from '../errors.js'
import type { CopiedPart, SourceRange } from './compose-plan.js'
import { type Bucket, copySource } from './s3-client.js'
import type { S3Objects } from './s3-objects.js'
import type { StoredPart } from './store.js'
import { Turns } from './turns.js'

/** Parts and pieces of all uploads on their way at a time. */
const SENDING_AT_ONCE = 32

/** Bytes to be sent: first those of some pieces, then those in memory. */
export interface TailBody {
  key: string
  sizeBytes: number
  pieces: readonly StoredPart[]
  views: readonly Uint8Array[]
}

/** Bytes to be sent that are read from whole objects meanwhile. */
export interface GatheredBody {
  key: string
  sizeBytes: number
  ranges: readonly SourceRange[]
}

export type Body = TailBody | GatheredBody

export class S3Parts {
  readonly #bucket: Bucket
  readonly #objects: S3Objects
  readonly #creator: MultipartCreator
  readonly #turns = new Turns(SENDING_AT_ONCE)

  constructor(bucket: Bucket, objects: S3Objects) {
    this.#bucket = bucket
    this.#objects = objects
    this.#creator = new MultipartCreator(bucket)
  }

  /** @returns the new multipart upload's id */
  createMultipart(key: string, signal: AbortSignal): Promise<string> {
    const objectKey = this.#objects.objectKey(key)
    return this.#bucket.send('CreateMultipartUpload', () => this.#creator.createMultipart(objectKey), {
      signal,
    })
  }

  /** @returns the part's ETag. @throws NOT_FOUND when there is no such multipart upload any more */
  putPart(multipartId: string, partNumber: number, body: Body, signal?: AbortSignal): Promise<string> {
    const target = { Key: this.#objects.objectKey(body.key), UploadId: multipartId, PartNumber: partNumber }
    return this.#put('UploadPart', body, signal, (content, options) =>
      this.#bucket.client.uploadPart({ Bucket: this.#bucket.name, ...target, ...content }, options),
    )
  }

  /**
   * Has S3 copy a part of another object. Not counted among those that are sent: it costs S3 time, and us nothing.
   *
   * @returns the part's ETag. @throws NOT_FOUND when the object or the multipart upload isn't there
   */
  async copyPart(
    key: string,
    multipartId: string,
    partNumber: number,
    part: CopiedPart,
    signal?: AbortSignal,
  ): Promise<string> {
    const { start, end } = part.range
    const input = {
      Bucket: this.#bucket.name,
      Key: this.#objects.objectKey(key),
      UploadId: multipartId,
      PartNumber: partNumber,
      CopySource: copySource(this.#bucket.name, this.#objects.objectKey(part.key)),
      ...(part.isWhole ? {} : { CopySourceRange: `bytes=${start}-${end - 1}` }),
    }
    const { CopyPartResult } = await this.#bucket.send(
      'UploadPartCopy',
      (abortSignal) => this.#bucket.client.uploadPartCopy(input, { abortSignal }),
      { signal },
    )
    return CopyPartResult?.ETag ?? ''
  }

  /** @param name never used before: a piece is not written over */
  putPiece(name: string, body: TailBody, signal?: AbortSignal): Promise<string> {
    return this.#putObject(this.#objects.pieceKey(body.key, name), body, signal)
  }

  /** The whole upload under its final name. */
  putObject(body: Body, signal?: AbortSignal): Promise<string> {
    return this.#putObject(this.#objects.objectKey(body.key), body, signal)
  }

  deletePiece(key: string, name: string): Promise<void> {
    return this.#objects.deletePiece(key, name)
  }

  /**
   * Puts the multipart upload together from exactly these parts.
   *
   * @throws NOT_FOUND when there is no such multipart upload any more, which is also so after a success
   * @throws CONFLICT when a part isn't the one that was recorded, or the sizes don't add up
   */
  async complete(
    key: string,
    multipartId: string,
    sizeBytes: number,
    parts: readonly Pick<StoredPart, 'name' | 'etag'>[],
  ): Promise<void> {
    await this.#bucket.send('CompleteMultipartUpload', (abortSignal) =>
      this.#bucket.client.completeMultipartUpload(
        {
          Bucket: this.#bucket.name,
          Key: this.#objects.objectKey(key),
          UploadId: multipartId,
          // A server that doesn't know it ignores it; the object's size is looked at afterwards in any case.
          MpuObjectSize: sizeBytes,
          MultipartUpload: {
            Parts: parts.map(({ name, etag }) => ({ PartNumber: Number(name), ETag: etag })),
          },
        },
        { abortSignal },
      ),
    )
  }

  #putObject(objectKey: string, body: Body, signal: AbortSignal | undefined): Promise<string> {
    return this.#put('PutObject', body, signal, (content, options) =>
      this.#bucket.client.putObject({ Bucket: this.#bucket.name, Key: objectKey, ...content }, options),
    )
  }

  #put(
    operation: string,
    body: Body,
    signal: AbortSignal | undefined,
    request: (
      content: { Body: Readable | Uint8Array; ContentLength: number },
      options: { abortSignal: AbortSignal },
    ) => Promise<{ ETag?: string | undefined }>,
  ): Promise<string> {
    return this.#turns.take(() =>
      this.#bucket.send(
        operation,
        async (abortSignal) => {
          const content = { Body: this.#open(body), ContentLength: body.sizeBytes }
          const { ETag } = await request(content, { abortSignal })
          if (ETag === undefined) throw new AppError('INTERNAL', `${operation} was answered without an ETag.`)
          return ETag
        },
        { signal },
      ),
    )
  }

  /** The body as a stream, made anew for each attempt; what is short and in memory goes as it is. */
  #open(body: Body): Readable | Uint8Array {
    if (body.sizeBytes === 0) return new Uint8Array(0)
    if ('ranges' in body) return Readable.from(this.#gather(body), { objectMode: false })
    const [only] = body.views
    if (body.pieces.length === 0 && body.views.length === 1 && only !== undefined) return only
    return Readable.from(this.#bytesOf(body), { objectMode: false })
  }

  async *#bytesOf({ key, pieces, views }: TailBody): AsyncGenerator<Uint8Array> {
    for (const { name, sizeBytes } of pieces) yield* this.#objects.readPiece(key, name, sizeBytes)
    yield* views
  }

  async *#gather({ ranges }: GatheredBody): AsyncGenerator<Uint8Array> {
    for (const { key, range } of ranges) yield* this.#objects.readObject(key, range)
  }
}

/**
 * @tus/s3-store's way to begin a multipart upload, and nothing else of it; storage/s3.ts says why.
 *
 * Its `.info` object isn't written: our record is in Postgres, and a state that is asked of S3 is one that S3 can refuse.
 */
class MultipartCreator extends S3Store {
  readonly #ids = new WeakMap<TusUpload, string>()

  constructor(bucket: Bucket) {
    super({ s3ClientConfig: { bucket: bucket.name, ...bucket.clientConfig } })
    // Its own would believe an answer that says nothing.
    this.client = bucket.client
  }

  async createMultipart(objectKey: string): Promise<string> {
    const upload = new TusUpload({ id: objectKey, offset: 0 })
    await this.create(upload)
    const multipartId = this.#ids.get(upload)
    if (!multipartId) throw new AppError('INTERNAL', 'CreateMultipartUpload was answered without an id.')
    return multipartId
  }

  protected override async saveMetadata(upload: TusUpload, multipartId: string): Promise<void> {
    this.#ids.set(upload, multipartId)
  }
}
