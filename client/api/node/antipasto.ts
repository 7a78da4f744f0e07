// The typed client with what only Node can do: files by their paths, the proxy of the environment, many connections.
// The package's one door for Node, so what it is made of goes out here, too.

import { basename } from 'node:path'
import { Antipasto, type AntipastoOptions } from '../antipasto.js'
import type { Wait } from '../connection.js'
import { DigestMismatch } from '../errors.js'
import { type SendOptions, send } from '../send.js'
import type { Report } from '../types.js'
import { uploadIdOf } from '../uploads.js'
import { type Network, type NetworkOptions, openNetwork } from './dispatcher.js'
import { type Downloaded, type DownloadOptions, downloadToPath } from './download.js'
import { openFileSource } from './file-source.js'

export { send } from '../send.js'
export { openNetwork } from './dispatcher.js'
export { downloadToPath, downloadUrlToPath } from './download.js'
export { openFileSource } from './file-source.js'

export interface NodeAntipastoOptions extends AntipastoOptions, NetworkOptions {}

export interface UploadOptions
  extends Pick<
    SendOptions,
    | 'uploadUrl'
    | 'idempotencyKey'
    | 'onCreated'
    | 'onProgress'
    | 'onWait'
    | 'chunkBytes'
    | 'patienceSeconds'
    | 'signal'
  > {
  /** Default: the file's own. */
  filename?: string
  /** The media type. */
  contentType?: string
  label?: string
  packageId?: string
  /** Where it stands in its package: folder/file.csv. */
  relativePath?: string
  /** A name of your own for it. */
  key?: string
  /** While what was sent before is read again, with `uploadUrl`. */
  onCheck?(checkedBytes: number, toBytes: number): void
}

/**
 * ```ts
 * const antipasto = antipastoForNode({ url: 'https://staging.example.org', token: 'ap_…' })
 * const report = await antipasto.upload('lake.csv', { label: 'lakes' })
 * await antipasto.close()
 * ```
 *
 * HTTP_PROXY, HTTPS_PROXY, NO_PROXY and NODE_EXTRA_CA_CERTS are heeded.
 */
export function antipastoForNode(options: NodeAntipastoOptions): NodeAntipasto {
  return new NodeAntipasto(options, openNetwork(options))
}

export class NodeAntipasto extends Antipasto {
  readonly network: Network

  constructor(options: AntipastoOptions, network: Network) {
    super({ fetch: network.fetch, ...options })
    this.network = network
  }

  /**
   * Sends a file, over every break, and answers when the server has it ready and its SHA-256 is the file's.
   *
   * To go on another day, keep the URL that `onCreated` tells, and give it as `uploadUrl`: what lies before is read and
   * compared, and only the rest is sent.
   *
   * @throws DigestMismatch, LocalFileDiffers when the file changes meanwhile, LocalFileFailed, and as send.ts says
   */
  async upload(path: string, options: UploadOptions = {}): Promise<Report> {
    const { filename, contentType, label, packageId, relativePath, key, onCheck, ...sending } = options
    const source = await openFileSource(path, onCheck === undefined ? {} : { onCheck })
    try {
      const onWait: ((wait: Wait) => void) | undefined = this.connection.onWait
      const { url } = await send(this.connection, source, {
        ...(onWait === undefined ? {} : { onWait }),
        ...sending,
        metadata: given({
          filename: filename ?? basename(path),
          filetype: contentType,
          label,
          packageId,
          relativePath,
          key,
        }),
        httpStack: this.network.httpStack,
      })
      const report = await this.uploads.whenReady(uploadIdOf(url), sending.signal)
      const sha256 = await source.sha256()
      if (report.checksums?.sha256 === sha256) return report
      throw new DigestMismatch(
        `What arrived of ${path} has the SHA-256 ${report.checksums?.sha256 ?? 'of nothing'} instead of ${sha256}. Delete upload ${report.id}, and send the file again.`,
      )
    } finally {
      await source.close()
    }
  }

  /** Fetches an upload's file (download.ts). */
  downloadToPath(id: string, path: string, options: DownloadOptions = {}): Promise<Downloaded> {
    return downloadToPath(this, id, path, options)
  }

  /** Ends every connection, with what runs on it. */
  close(): Promise<void> {
    return this.network.close()
  }
}

function given(values: Record<string, string | undefined>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).filter((entry): entry is [string, string] => entry[1] !== undefined),
  )
}
