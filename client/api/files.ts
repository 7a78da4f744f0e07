// Files by their content, and sending one in a single request. What may break on the way goes by send.ts instead.

import type { Connection } from './connection.js'
import { askJson, askNothing, query } from './json.js'
import { at } from './routes.js'
import type { StoredFile } from './types.js'

export interface NewFile {
  /** The name under which it is handed out. */
  filename: string
  label?: string
  packageId?: string
  /** Where it stands in its package: folder/file.csv. */
  relativePath?: string
  /** A name of your own for the upload. */
  key?: string
  /** Bytes. Of a stream the server checks it at the end. */
  size?: number
  /** In hex; the server refuses other bytes with HashMismatch. */
  sha256?: string
  contentType?: string
}

export class Files {
  readonly #connection: Connection

  constructor(connection: Connection) {
    this.#connection = connection
  }

  /**
   * Sends a file in one request; it is ready when this resolves.
   *
   * Not repeated by itself, as a second one would be another upload: when it breaks, nothing is left of it, unless only the
   * answer was lost. Browsers can't send streams over HTTP/1.1.
   *
   * @throws HashMismatch, QuotaExceeded, PayloadTooLarge, InsufficientStorage …
   */
  create(
    body: Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>,
    file: NewFile,
    signal?: AbortSignal,
  ): Promise<StoredFile> {
    const { filename, label, packageId, relativePath, key, size, sha256, contentType } = file
    return askJson(
      this.#connection,
      at('/files') +
        query({
          filename,
          label,
          package_id: packageId,
          relative_path: relativePath,
          key,
          size,
          sha256,
          content_type: contentType,
        }),
      { method: 'POST', headers: { 'content-type': 'application/octet-stream' }, body, signal },
    )
  }

  /** What is known of it. @throws NotFound */
  info(sha256: string, signal?: AbortSignal): Promise<StoredFile> {
    return askJson(this.#connection, at('/files/{sha256}/info', { sha256 }), { signal })
  }

  /**
   * Deletes every upload of one's own with this content. True when there was one.
   *
   * @throws PackageFinalized when one is in a finalized package
   */
  remove(sha256: string, signal?: AbortSignal): Promise<boolean> {
    return askNothing(this.#connection, at('/files/{sha256}', { sha256 }), { method: 'DELETE', signal })
  }
}
