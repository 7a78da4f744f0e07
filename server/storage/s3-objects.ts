// Whole objects in the bucket, and what can be found there by key. Keys:
//   {prefix}/objects/{id}       whole; a multipart upload is made on this key too, invisible until it is completed
//   {prefix}/tmp/{id}/{piece}   the durable tail behind an unfinished upload's last part
// Nothing else in the bucket is ours: other programs' objects and multipart uploads are neither listed nor deleted.

import type { Writable } from 'node:stream'
import { GetObjectCommand } from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import { AppError, isAppError } from '../errors.js'
import { assertKey, isKey } from './key.js'
import type { Bucket } from './s3-client.js'
import { readHead, readRange, sendRange } from './s3-read.js'
import { proveRights } from './s3-rights.js'
import type { ByteRange, Ledger, Presentation, StoredItem } from './store.js'

/** As many as S3 answers at once. */
const PAGE_ITEMS = 1000
const DELETIONS_AT_ONCE = 8
const CHECK_MS = 5_000
/** S3's own bound: seven days. */
const MAX_URL_SECONDS = 604_800

export class S3Objects {
  readonly #bucket: Bucket
  readonly #pageItems: number

  /** @param pageItems how many items a page of a listing has; for tests */
  constructor(bucket: Bucket, { pageItems = PAGE_ITEMS }: { pageItems?: number } = {}) {
    this.#bucket = bucket
    this.#pageItems = pageItems
  }

  /**
   * Proves by doing that everything we need is allowed. Waits for a server that isn't up yet. Throws UNAVAILABLE with all that
   * is missing.
   *
   * @returns whether the server also copies parts
   */
  async open(): Promise<{ canCopyParts: boolean }> {
    return proveRights(this.#bucket)
  }

  /** One question, 5 s. Throws UNAVAILABLE when S3 doesn't serve. */
  async check(): Promise<void> {
    const { client, name } = this.#bucket
    const tooLate = new AppError('UNAVAILABLE', 'The store does not answer. Try again in a minute.', {
      retryAfterSeconds: 60,
    })
    const deadline = new AbortController()
    const timer = setTimeout(() => deadline.abort(tooLate), CHECK_MS)
    const options = { signal: deadline.signal, timing: { attempts: 1 } }
    try {
      await this.#bucket.send(
        'HeadBucket',
        (abortSignal) => client.headBucket({ Bucket: name }, { abortSignal }),
        options,
      )
    } finally {
      clearTimeout(timer)
    }
  }

  /** Where the whole upload `key` is, or will be: the bucket's key. Throws NOT_FOUND for what can't be an id of ours. */
  objectKey(key: string): string {
    assertKey(key)
    return this.#bucket.key(`objects/${key}`)
  }

  /** Where a piece of the unfinished upload `key` is. */
  pieceKey(key: string, name: string): string {
    assertKey(key)
    return this.#bucket.key(`tmp/${key}/${name}`)
  }

  /**
   * Stores a whole object; durable when it resolves.
   *
   * @returns its ETag, verbatim
   */
  async putObject(key: string, bytes: Uint8Array): Promise<string> {
    const input = { Bucket: this.#bucket.name, Key: this.objectKey(key), Body: bytes }
    const { client } = this.#bucket
    const { ETag } = await this.#bucket.send('PutObject', (abortSignal) =>
      client.putObject({ ...input, ContentLength: bytes.byteLength }, { abortSignal }),
    )
    return ETag ?? ''
  }

  /** The first `lengthBytes`, fewer when it is shorter, and the whole's size: one ranged GET. NOT_FOUND when it isn't there. */
  async readObjectHead(key: string, lengthBytes: number): Promise<{ head: Uint8Array; sizeBytes: number }> {
    const { head, sizeBytes } = await readHead(this.#bucket, this.objectKey(key), Math.max(1, lengthBytes))
    return { head: head.subarray(0, lengthBytes), sizeBytes }
  }

  /**
   * The object's size; null when S3 says that it isn't there.
   *
   * Not by HeadObject: its 404 has no body, and is the same for a missing object, a missing bucket and a stranger's answer.
   */
  async headObject(key: string): Promise<number | null> {
    try {
      return (await this.readObjectHead(key, 0)).sizeBytes
    } catch (error) {
      if (isAppError(error, 'NOT_FOUND')) return null
      throw error
    }
  }

  readObject(key: string, range: ByteRange): AsyncIterable<Uint8Array> {
    return readRange(this.#bucket, this.objectKey(key), range)
  }

  /** As `Store.sendObject`. */
  async sendObject(
    key: string,
    range: ByteRange,
    sink: Writable,
    beforeFirstByte: () => void,
  ): Promise<void> {
    await sendRange(this.#bucket, { key: this.objectKey(key), range, sink, beforeFirstByte })
  }

  async deleteObject(key: string): Promise<void> {
    await this.#delete(this.objectKey(key))
  }

  /** A URL that serves the object for `seconds` (7 days at most) to whoever has it. Asks S3 nothing. */
  async objectUrl(key: string, seconds: number, presentation: Presentation): Promise<string> {
    const command = new GetObjectCommand({
      Bucket: this.#bucket.name,
      Key: this.objectKey(key),
      ResponseContentType: presentation.contentType,
      ResponseContentDisposition: presentation.contentDisposition,
    })
    const expiresIn = Math.min(seconds, MAX_URL_SECONDS)
    return this.#bucket.sign(() => getSignedUrl(this.#bucket.client, command, { expiresIn }))
  }

  /** Everything of an unfinished upload: its multipart uploads, of which a race may have made several, and its pieces. */
  async deleteTemporary(key: string): Promise<void> {
    await this.abortMultiparts(key)
    await inTurns(this.#objects(this.pieceKey(key, '')), ({ key: piece }) => this.#delete(piece))
  }

  /** Ends all multipart uploads of `key`. */
  async abortMultiparts(key: string): Promise<void> {
    const objectKey = this.objectKey(key)
    await inTurns(this.#multiparts(objectKey), async (multipart) => {
      if (multipart.key === objectKey) await this.abortMultipart(key, multipart.uploadId)
    })
  }

  /**
   * Whether `error` of completing the multipart upload says that it had ended before: by an answer that was lost, a crash,
   * another instance. Ceph says 500, its completion is in progress; so we look.
   */
  async hasEnded(key: string, multipartId: string, error: unknown): Promise<boolean> {
    if (isAppError(error, 'NOT_FOUND')) return true
    return isAppError(error, 'UNAVAILABLE') && !(await this.isMultipartOpen(key, multipartId))
  }

  /** Whether the multipart upload is there still: neither completed nor aborted. */
  async isMultipartOpen(key: string, multipartId: string): Promise<boolean> {
    for await (const multipart of this.#multiparts(this.objectKey(key)))
      if (multipart.uploadId === multipartId) return true
    return false
  }

  /**
   * Whether everything that the ledger names is there: its multipart upload is open, its pieces have their sizes. Single parts
   * aren't asked for: they come and go with their multipart upload, and to list them takes one more right.
   */
  async hasParts(key: string, { multipartId, parts }: Ledger): Promise<boolean> {
    const [first] = parts
    if (first?.kind === 'object') return (await this.headObject(key)) === first.sizeBytes
    const isInParts = parts.some(({ kind }) => kind === 'part')
    if (isInParts && (multipartId === null || !(await this.isMultipartOpen(key, multipartId)))) return false
    const pieces = parts.filter(({ kind }) => kind === 'piece')
    if (pieces.length === 0) return true
    const stored = new Map<string, number>()
    for await (const object of this.#objects(this.pieceKey(key, ''))) stored.set(object.key, object.sizeBytes)
    return pieces.every(({ name, sizeBytes }) => stored.get(this.pieceKey(key, name)) === sizeBytes)
  }

  /** Idempotent: no error when it has ended. */
  async abortMultipart(key: string, multipartId: string): Promise<void> {
    const input = { Bucket: this.#bucket.name, Key: this.objectKey(key), UploadId: multipartId }
    const { client } = this.#bucket
    try {
      await this.#bucket.send('AbortMultipartUpload', (abortSignal) =>
        client.abortMultipartUpload(input, { abortSignal }),
      )
    } catch (error) {
      if (!isAppError(error, 'NOT_FOUND')) throw error
    }
  }

  /** Idempotent. */
  async deletePiece(key: string, name: string): Promise<void> {
    await this.#delete(this.pieceKey(key, name))
  }

  /** A whole piece, of exactly `sizeBytes`. */
  readPiece(key: string, name: string, sizeBytes: number): AsyncIterable<Uint8Array> {
    return readRange(this.#bucket, this.pieceKey(key, name), { start: 0, end: sizeBytes })
  }

  /**
   * Everything of ours. A temporary comes once for each of its pieces and multipart uploads; of the latter the size isn't
   * known (0), and the time is its beginning.
   */
  async *list(): AsyncIterable<StoredItem> {
    const temporaries = this.#bucket.key('tmp/')
    const objects = this.#bucket.key('objects/')
    for await (const { key: path, sizeBytes, modifiedAt } of this.#objects(temporaries)) {
      const key = /^([0-9a-f]+)\/./.exec(path.slice(temporaries.length))?.[1]
      if (key !== undefined && isKey(key)) yield { room: 'temporary', key, sizeBytes, modifiedAt }
    }
    for await (const { key: path, startedAt } of this.#multiparts(objects)) {
      const key = path.slice(objects.length)
      if (isKey(key)) yield { room: 'temporary', key, sizeBytes: 0, modifiedAt: startedAt }
    }
    for await (const { key: path, sizeBytes, modifiedAt } of this.#objects(objects)) {
      const key = path.slice(objects.length)
      if (isKey(key)) yield { room: 'object', key, sizeBytes, modifiedAt }
    }
  }

  async #delete(path: string): Promise<void> {
    const input = { Bucket: this.#bucket.name, Key: path }
    const { client } = this.#bucket
    try {
      await this.#bucket.send('DeleteObject', (abortSignal) => client.deleteObject(input, { abortSignal }))
    } catch (error) {
      // Not every server is as idempotent as AWS.
      if (!isAppError(error, 'NOT_FOUND')) throw error
    }
  }

  async *#objects(prefix: string): AsyncIterable<{ key: string; sizeBytes: number; modifiedAt: Date }> {
    const { client, name } = this.#bucket
    const input = { Bucket: name, Prefix: prefix, MaxKeys: this.#pageItems }
    let continuationToken: string | undefined
    do {
      const next = continuationToken === undefined ? {} : { ContinuationToken: continuationToken }
      const page = await this.#bucket.send('ListObjectsV2', (abortSignal) =>
        client.listObjectsV2({ ...input, ...next }, { abortSignal }),
      )
      for (const { Key, Size = 0, LastModified } of page.Contents ?? []) {
        if (Key?.startsWith(prefix) && LastModified) {
          yield { key: Key, sizeBytes: Size, modifiedAt: LastModified }
        }
      }
      continuationToken = page.IsTruncated ? page.NextContinuationToken : undefined
    } while (continuationToken !== undefined)
  }

  async *#multiparts(prefix: string): AsyncIterable<{ key: string; uploadId: string; startedAt: Date }> {
    const { client, name } = this.#bucket
    const input = { Bucket: name, Prefix: prefix, MaxUploads: this.#pageItems }
    let markers: { KeyMarker: string; UploadIdMarker?: string } | undefined
    do {
      const page = await this.#bucket.send('ListMultipartUploads', (abortSignal) =>
        client.listMultipartUploads({ ...input, ...markers }, { abortSignal }),
      )
      for (const { Key, UploadId, Initiated } of page.Uploads ?? []) {
        if (Key?.startsWith(prefix) && UploadId && Initiated) {
          yield { key: Key, uploadId: UploadId, startedAt: Initiated }
        }
      }
      const { IsTruncated, NextKeyMarker: KeyMarker, NextUploadIdMarker: UploadIdMarker } = page
      markers =
        IsTruncated && KeyMarker ? { KeyMarker, ...(UploadIdMarker ? { UploadIdMarker } : {}) } : undefined
    } while (markers !== undefined)
  }
}

/** Acts on all of `items`, some at a time; ends with the first failure. */
async function inTurns<T>(items: AsyncIterable<T>, act: (item: T) => Promise<void>): Promise<void> {
  let turn: Promise<void>[] = []
  for await (const item of items) {
    turn.push(act(item))
    if (turn.length < DELETIONS_AT_ONCE) continue
    await Promise.all(turn)
    turn = []
  }
  await Promise.all(turn)
}
