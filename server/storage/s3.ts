// A bucket as a store, built on @tus/s3-store.
//
// Kept from S3Store: the creation of a multipart upload (s3-parts.ts), and the idea of its part sizes, redone in
// part-plan.ts for equal parts, whole mebibytes and lengths that are told late.
// Replaced, since each lost or spoilt somebody's bytes (test/tus-pitfalls/s3-store.test.ts):
// - `getUpload`: its offset is the sum of whatever parts have landed; ours is the ledger's, which has no gaps.
// - `write`: spools every part to the temp folder, deletes the tail before its bytes are stored again, downloads and
//   uploads the whole tail for each small PATCH. Ours gathers in bounded memory (s3-writer.ts).
// - completion: names what S3 lists. Ours names what was recorded, says the size, and looks at the object afterwards.
// - `.info` objects, of which any trouble became 404; the cache, stale across instances. The record is in Postgres.
// - `remove`, which left objects behind, and `deleteExpired`, which aborts other programs' uploads in the bucket.
//
// What S3 can't give: a PutObject that was given up may still be carried out, later than its successor. Ours then have the
// same bytes, unless the client sent others of the same length the second time. Parts are safe even so: by their ETags.

import type { Writable } from 'node:stream'
import { AppError, isAppError } from '../errors.js'
import { assertKey } from './key.js'
import { PartMemory } from './part-memory.js'
import { Bucket } from './s3-client.js'
import { S3Compose } from './s3-compose.js'
import type { S3Settings } from './s3-connection.js'
import { bytesDiffer, bytesMissing } from './s3-errors.js'
import { S3Objects } from './s3-objects.js'
import { S3Parts } from './s3-parts.js'
import { S3Writer } from './s3-writer.js'
import type {
  ByteRange,
  ComposeSource,
  Ledger,
  Presentation,
  Store,
  StoredItem,
  TemporaryPosition,
  TemporaryWriter,
} from './store.js'

/** One upload gathers at most this share of the memory: a larger part is stored in pieces first. */
const GATHERED_SHARE = 1 / 4

export class S3Store implements Store {
  readonly needsLedger = true
  readonly isShared = true
  readonly #bucket: Bucket
  readonly #objects: S3Objects
  readonly #parts: S3Parts
  readonly #compose: S3Compose
  readonly #memory: PartMemory
  readonly #bufferBytes: number
  #canCompose = false

  /** @param bufferBytes memory for parts that are being gathered or sent, for all uploads together */
  constructor(settings: S3Settings, bufferBytes: number) {
    this.#bucket = new Bucket(settings)
    this.#objects = new S3Objects(this.#bucket)
    this.#parts = new S3Parts(this.#bucket, this.#objects)
    this.#compose = new S3Compose(this.#objects, this.#parts)
    this.#memory = new PartMemory(bufferBytes)
    this.#bufferBytes = bufferBytes
  }

  get canCompose(): boolean {
    return this.#canCompose
  }

  async open(): Promise<void> {
    const { canCopyParts } = await this.#objects.open()
    this.#canCompose = canCopyParts
  }

  check(): Promise<void> {
    return this.#objects.check()
  }

  async freeBytes(): Promise<number> {
    return Number.POSITIVE_INFINITY
  }

  /** Nothing is made before there are bytes: many uploads never need more than their one object. */
  async createTemporary(key: string): Promise<void> {
    assertKey(key)
  }

  async openTemporary(key: string, position: TemporaryPosition): Promise<TemporaryWriter> {
    assertKey(key)
    return new S3Writer(position, {
      key,
      parts: this.#parts,
      memory: this.#memory,
      mostGatheredBytes: this.#bufferBytes * GATHERED_SHARE,
    })
  }

  async holds(key: string, { offsetBytes, sizeBytes, ledger }: TemporaryPosition): Promise<boolean> {
    if (endOf(ledger) === offsetBytes && (await this.#objects.hasParts(key, ledger))) return true
    return offsetBytes === sizeBytes && (await this.#objects.headObject(key)) === sizeBytes
  }

  deleteTemporary(key: string): Promise<void> {
    return this.#objects.deleteTemporary(key)
  }

  async complete(key: string, sizeBytes: number, ledger: Ledger): Promise<void> {
    assertKey(key)
    assertAddsUp(ledger, sizeBytes)
    try {
      await this.#complete(key, sizeBytes, ledger)
    } catch (error) {
      // It was completed already, and its answer lost: by a crash, a cut connection, another instance.
      const { multipartId } = ledger
      const isGone =
        multipartId === null
          ? isAppError(error, 'NOT_FOUND')
          : await this.#objects.hasEnded(key, multipartId, error)
      if (!isGone) throw error
      if ((await this.#objects.headObject(key)) !== sizeBytes) throw bytesMissing(error)
    }
  }

  compose(key: string, sources: readonly ComposeSource[], signal?: AbortSignal): Promise<void> {
    return this.#compose.compose(key, sources, signal)
  }

  async putObject(key: string, bytes: Uint8Array): Promise<void> {
    await this.#objects.putObject(key, bytes)
  }

  readObjectHead(key: string, lengthBytes: number): Promise<{ head: Uint8Array; sizeBytes: number }> {
    return this.#objects.readObjectHead(key, lengthBytes)
  }

  readObject(key: string, range: ByteRange): AsyncIterable<Uint8Array> {
    return this.#objects.readObject(key, range)
  }

  sendObject(key: string, range: ByteRange, sink: Writable, beforeFirstByte: () => void): Promise<void> {
    return this.#objects.sendObject(key, range, sink, beforeFirstByte)
  }

  objectUrl(key: string, seconds: number, presentation: Presentation): Promise<string> {
    return this.#objects.objectUrl(key, seconds, presentation)
  }

  deleteObject(key: string): Promise<void> {
    return this.#objects.deleteObject(key)
  }

  list(): AsyncIterable<StoredItem> {
    return this.#objects.list()
  }

  relieveMemory(): void {
    this.#memory.relieve()
  }

  async close(): Promise<void> {
    this.#bucket.close()
  }

  async #complete(key: string, sizeBytes: number, { multipartId, parts }: Ledger): Promise<void> {
    if (parts[0]?.kind === 'object') return
    const pieces = parts.filter(({ kind }) => kind === 'piece')
    const tail = {
      key,
      sizeBytes: pieces.reduce((sum, piece) => sum + piece.sizeBytes, 0),
      pieces,
      views: [],
    }
    if (multipartId === null) {
      // Its length was told when all of it was in the tail, or it is empty.
      await this.#parts.putObject(tail)
      return
    }
    const numbered = parts.filter(({ kind }) => kind === 'part')
    if (pieces.length > 0) {
      const name = String(numbered.length + 1)
      const etag = await this.#parts.putPart(multipartId, Number(name), tail)
      const startBytes = sizeBytes - tail.sizeBytes
      numbered.push({ kind: 'part', name, etag, startBytes, sizeBytes: tail.sizeBytes })
    }
    await this.#parts.complete(key, multipartId, sizeBytes, numbered)
  }
}

/** @throws CONFLICT unless the parts follow each other without a gap, from 0 to `sizeBytes` */
function assertAddsUp(ledger: Ledger, sizeBytes: number): void {
  const endBytes = endOf(ledger)
  if (endBytes === null) throw bytesDiffer()
  if (endBytes !== sizeBytes) {
    throw new AppError('CONFLICT', `The ledger has ${endBytes} of the upload's ${sizeBytes} bytes.`)
  }
}

/** Up to where the parts follow each other from 0 on; null when there is a gap. */
function endOf({ parts }: Ledger): number | null {
  let endBytes = 0
  for (const part of parts) {
    if (part.startBytes !== endBytes) return null
    endBytes += part.sizeBytes
  }
  return endBytes
}
