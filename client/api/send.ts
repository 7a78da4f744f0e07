// Sending over tus 1.0.0, through whatever breaks meanwhile. Works with any server that speaks it.

import { defaultOptions, type HttpStack } from 'tus-js-client'
import type { Connection, Wait } from './connection.js'
import { type Created, createUpload } from './create-upload.js'
import { isWorthGoingOn, Patience } from './patience.js'
import { LocalFault, type Persistence, persist } from './persist.js'
import { isPassing } from './retry.js'
import { sendBytes } from './send-bytes.js'
import { TusRequests } from './tus-requests.js'
import type { UploadSource } from './upload-source.js'

export interface SendOptions {
  /** tus metadata: filename, filetype, label, packageId, relativePath, key, sha256 … as the server knows them. */
  metadata: Readonly<Record<string, string>>
  /** Default: the server's. May be that of any tus server; the credential goes to the connection's own server only. */
  endpoint?: string
  /** Goes on with this upload, and never begins another one in its place: NotFound or Gone tell that it isn't there. */
  uploadUrl?: string | null
  /** Makes a creation that had to be repeated, here or after a crash, answer the same upload. */
  idempotencyKey?: string
  /** Awaited before bytes go, unless they went with the creation. What it throws ends the sending. */
  onCreated?(url: string): void | Promise<void>
  /** Sent: handed to the network. Acknowledged: kept by the server, whatever happens. */
  onProgress?(sentBytes: number, acknowledgedBytes: number): void
  /** Trouble that passes, and when it goes on. */
  onWait?(wait: Wait): void
  /** Of one request at most; default: all that is left. */
  chunkBytes?: number
  /** How long to go on without one more byte acknowledged, counted from when the trouble began; default 24 hours. */
  patienceSeconds?: number
  /** All bytes go with the creation. Default: for at most 1 MiB. */
  withCreation?: boolean
  /** Default: tus-js-client's own, which in Node takes no file of node/file-source.ts. */
  httpStack?: HttpStack
  signal?: AbortSignal | undefined
}

export interface SentUpload {
  url: string
  sizeBytes: number
}

const PATIENCE_SECONDS = 24 * 60 * 60
const MOST_WITH_CREATION_BYTES = 1024 * 1024

/**
 * Sends all of `source`, as one upload.
 *
 * What breaks is tried again from the offset that the server tells (patience.ts); a credential that has ended is replaced.
 * Nothing that was acknowledged is sent twice.
 *
 * @throws NotFound or Gone (the upload isn't there any more), QuotaExceeded, HashMismatch and whatever else the server
 * refuses for good, ConnectionFailed and ForeignAnswer when patience is over, LocalFileDiffers, the source's own errors, the
 * signal's reason
 */
export function send(
  connection: Connection,
  source: UploadSource,
  options: SendOptions,
): Promise<SentUpload> {
  return sendAs(connection, source, options, undefined)
}

/** @param concat Upload-Concat of the creation: this is one of several parts */
export async function sendAs(
  connection: Connection,
  source: UploadSource,
  options: SendOptions,
  concat: string | undefined,
): Promise<SentUpload> {
  const requests = new TusRequests(connection, options.httpStack ?? defaultOptions.httpStack)
  const persistence = persistenceOf(connection, options)
  const { sizeBytes } = source
  let url = options.uploadUrl ?? null
  if (url === null) {
    const created = await begin(connection, requests, source, options, { concat, persistence })
    url = created.url
    if (created.acknowledgedBytes === sizeBytes) {
      options.onProgress?.(sizeBytes, sizeBytes)
      return { url, sizeBytes }
    }
  }
  await sendRest(requests, url, source, options, persistence)
  return { url, sizeBytes }
}

export function persistenceOf(connection: Connection, options: SendOptions): Persistence {
  return {
    patience: new Patience(options.patienceSeconds ?? PATIENCE_SECONDS),
    credential: connection.credential,
    isWorthwhile: isPassing,
    onWait: options.onWait,
    signal: options.signal,
  }
}

/** Where uploads begin, and whether that is the connection's own server. */
export function endpointOf(
  connection: Connection,
  options: SendOptions,
): { endpoint: string; isOwnServer: boolean } {
  const own = `${connection.url}/uploads`
  const { endpoint = own } = options
  return { endpoint, isOwnServer: endpoint === own }
}

async function begin(
  connection: Connection,
  requests: TusRequests,
  source: UploadSource,
  options: SendOptions,
  { concat, persistence }: { concat: string | undefined; persistence: Persistence },
): Promise<Created> {
  const { metadata, idempotencyKey, signal } = options
  const isWithCreation = options.withCreation ?? source.sizeBytes <= MOST_WITH_CREATION_BYTES
  const created = await persist(async () => {
    const body = isWithCreation && source.sizeBytes > 0 ? await wholeOf(source, signal) : null
    const where = endpointOf(connection, options)
    const creation = { ...where, metadata, sizeBytes: source.sizeBytes, body, idempotencyKey, concat }
    const onSent = (sentBytes: number) => options.onProgress?.(sentBytes, 0)
    return createUpload(requests, creation, { onSent, signal })
  }, persistence)
  await options.onCreated?.(created.url)
  return created
}

async function wholeOf(source: UploadSource, signal: AbortSignal | undefined): Promise<unknown> {
  try {
    await source.prepareFrom?.(0, signal)
    return (await source.slice(0, source.sizeBytes)).value
  } catch (error) {
    throw new LocalFault(error)
  }
}

async function sendRest(
  requests: TusRequests,
  url: string,
  source: UploadSource,
  options: SendOptions,
  persistence: Persistence,
): Promise<void> {
  const { patience } = persistence
  let acknowledgedBytes = 0
  const attempt = () =>
    sendBytes(requests, url, source, {
      chunkBytes: options.chunkBytes ?? Number.POSITIVE_INFINITY,
      signal: options.signal,
      onSent: (sentBytes) => options.onProgress?.(sentBytes, acknowledgedBytes),
      onAcknowledged(bytes) {
        if (bytes > acknowledgedBytes) patience.gained()
        acknowledgedBytes = bytes
      },
    })
  await persist(attempt, { ...persistence, isWorthwhile: isWorthGoingOn })
  options.onProgress?.(source.sizeBytes, acknowledgedBytes)
}
