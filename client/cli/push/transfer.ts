// The bytes of one file to its upload: small ones in one request with their digest, larger ones through whatever breaks.

import type { Antipasto } from '../../api/antipasto.js'
import { LocalFileDiffers } from '../../api/errors.js'
import type { Network } from '../../api/node/dispatcher.js'
import { type FileSource, openFileSource } from '../../api/node/file-source.js'
import { readSmallFile, SMALL_FILE_BYTES } from '../../api/node/small-file.js'
import { type SendOptions, type SentUpload, send } from '../../api/send.js'
import { type ParallelOptions, sendParallel } from '../../api/send-parallel.js'
import type { UploadSource } from '../../api/upload-source.js'
import { formatBytes } from '../../format.js'
import { waitWords } from '../progress/wait-words.js'
import { mediaTypeOf } from './media-type.js'
import type { Place } from './names.js'
import { type Begun, urlsOf } from './plan.js'
import { type LocalFile, versionOf } from './walk.js'

/** What is told of a file while it is on its way. */
export interface Watch {
  /** It goes on from here: what lies before is there, or is being looked at. */
  resume(bytes: number, state?: string): void
  /** @param state what it does instead of moving */
  move(bytes: number, state?: string): void
  /** A line for people that stays. */
  note(line: string): void
}

export interface TransferOptions {
  antipasto: Antipasto
  /** Where uploads are made. */
  endpoint: string
  /** True for a tus server that isn't antipasto: it compares nothing. */
  isPlain: boolean
  place: Place
  httpStack: Network['httpStack']
  /** Of one request at most; null: all that is left. */
  chunkBytes: number | null
  /** In how many uploads at once a large file is sent. */
  parallel: number
  patienceSeconds: number
  signal: AbortSignal
}

export interface TransferJob {
  file: LocalFile
  begun: Begun
  watch: Watch
  /** Tells how far it came, when it throws. */
  attempt: Attempt
  idempotencyKeyOf(version: string): string
  /** Awaited before bytes go. Small files aren't told of: asking again costs less than remembering. */
  onBegun(at: { url: string | null; partUrls?: readonly (string | null)[] }, version: string): Promise<void>
  onPrefix(prefix: { bytes: number; sha256: string }, version: string): void
}

export interface Attempt {
  urls: readonly string[]
  hasMoved: boolean
}

export interface Transferred {
  url: string
  /** Of the file that was read. */
  version: string
  sizeBytes: number
  sha256: string
  /** True when the server had the digest before the bytes, and so has compared it. */
  wasDeclared: boolean
}

export class Transfer {
  readonly #options: TransferOptions

  constructor(options: TransferOptions) {
    this.#options = options
  }

  /** @throws as `send`, LocalFileDiffers, LocalFileFailed */
  async run(job: TransferJob): Promise<Transferred> {
    const { file, begun } = job
    const isNew = begun.url === null && begun.partUrls === null
    job.attempt.urls = urlsOf(begun)
    if (file.sizeBytes <= SMALL_FILE_BYTES && isNew && !this.#options.isPlain) {
      const sent = await this.#sendSmall(job)
      // Null: it has grown meanwhile.
      if (sent !== null) return sent
    }
    return this.#sendLarge(job)
  }

  async #sendSmall(job: TransferJob): Promise<Transferred | null> {
    const { file, attempt } = job
    const small = await readSmallFile(file.path)
    if (small === null) return null
    const { source, sha256, facts } = small
    const version = versionOfFacts(facts)
    const { url } = await this.#send(job, source, {
      metadata: { ...this.#metadataOf(file), sha256 },
      idempotencyKey: job.idempotencyKeyOf(version),
      withCreation: true,
      onCreated(url) {
        attempt.urls = [url]
      },
    })
    return { url, version, sizeBytes: facts.sizeBytes, sha256, wasDeclared: true }
  }

  async #sendLarge(job: TransferJob): Promise<Transferred> {
    const { file, begun, watch, attempt } = job
    let version = file.version
    const source = await openFileSource(file.path, {
      sha256State: begun.prefix,
      onState: (prefix) => job.onPrefix(prefix, version),
      onCheck: (bytes, toBytes) =>
        watch.resume(
          bytes,
          `checking what was sent before: ${formatBytes(bytes)} of ${formatBytes(toBytes)}`,
        ),
    })
    try {
      version = versionOfFacts(source.facts)
      if (attempt.urls.length > 0 && version !== file.version) {
        throw new LocalFileDiffers(`${file.path} changed since it was begun.`)
      }
      const { url } = await this.#send(job, resumable(source, watch), {
        metadata: this.#metadataOf(file),
        uploadUrl: begun.url,
        idempotencyKey: job.idempotencyKeyOf(version),
        partUrls: begun.partUrls,
        onCreated: (url) => {
          attempt.urls = [url]
          return job.onBegun({ url }, version)
        },
        onParts: (partUrls) => {
          attempt.urls = urlsOf({ url: null, partUrls })
          return job.onBegun({ url: null, partUrls }, version)
        },
      })
      watch.move(source.sizeBytes)
      return { url, version, sizeBytes: source.sizeBytes, sha256: await source.sha256(), wasDeclared: false }
    } finally {
      await source.close()
    }
  }

  #send(job: TransferJob, source: UploadSource, how: How): Promise<SentUpload> {
    const { antipasto, endpoint, isPlain, httpStack, chunkBytes, patienceSeconds, signal } = this.#options
    const { uploadUrl = null, partUrls = null, onParts, ...rest } = how
    let movedBytes = 0
    const options: SendOptions = {
      ...rest,
      ...(isPlain ? { endpoint } : {}),
      ...(chunkBytes === null ? {} : { chunkBytes }),
      httpStack,
      patienceSeconds,
      signal,
      onProgress(sentBytes) {
        job.attempt.hasMoved = true
        movedBytes = sentBytes
        job.watch.move(sentBytes)
      },
      onWait: (wait) => job.watch.move(movedBytes, waitWords(wait)),
    }
    const isInParts = partUrls !== null || (uploadUrl === null && this.#options.parallel > 1)
    if (!isInParts || onParts === undefined)
      return send(antipasto.connection, source, { ...options, uploadUrl })
    return sendParallel(antipasto.connection, source, {
      ...options,
      parts: this.#options.parallel,
      partUrls,
      onParts,
    })
  }

  #metadataOf({ relativePath }: LocalFile): Record<string, string> {
    const { label, packageId } = this.#options.place
    const filename = relativePath.split('/').at(-1) ?? relativePath
    const filetype = mediaTypeOf(filename)
    return {
      filename,
      relativePath,
      ...(filetype === null ? {} : { filetype }),
      ...(label === null ? {} : { label }),
      ...(packageId === null ? {} : { packageId }),
    }
  }
}

/** What is different for small and large files. */
type How = Pick<SendOptions, 'metadata' | 'idempotencyKey' | 'withCreation' | 'onCreated' | 'uploadUrl'> &
  Pick<ParallelOptions, 'partUrls' | 'onParts'>

/** Tells where it goes on. */
function resumable(source: FileSource, watch: Watch): UploadSource {
  return {
    sizeBytes: source.sizeBytes,
    slice: (start, end) => source.slice(start, end),
    async prepareFrom(offsetBytes, signal) {
      await source.prepareFrom?.(offsetBytes, signal)
      watch.resume(offsetBytes)
    },
  }
}

function versionOfFacts({ sizeBytes, mtimeNs, inode }: FileSource['facts']): string {
  return versionOf({ size: BigInt(sizeBytes), mtimeNs, ino: inode })
}
