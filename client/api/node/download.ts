// A file of the server's to a path: over every break, only what is missing, and nothing but what the server says it is.

import type { Antipasto } from '../antipasto.js'
import type { Connection, Wait } from '../connection.js'
import { Conflict, DigestMismatch, ForeignAnswer, Gone, LocalFileDiffers } from '../errors.js'
import { Patience } from '../patience.js'
import { isPassing } from '../retry.js'
import { sleep } from '../sleep.js'
import type { Report } from '../types.js'
import { hashStart, openPlainFile } from './local-file.js'
import { PartFile } from './part-file.js'
import { type RemoteFile, remainder } from './remainder.js'

export interface DownloadOptions {
  /** Goes on with `<path>.part`, or with a shorter file at `path`; default true. */
  resume?: boolean
  /** Compares SHA-256; default true. Without it an equal length is enough. */
  verify?: boolean
  /** A local file that differs, or a part that is too long, is replaced; the old one stays until the new one is whole. */
  replace?: boolean
  signal?: AbortSignal | undefined
  /** Of the whole file; also at the start, with what is there already. */
  onProgress?: ((bytes: number, totalBytes: number) => void) | undefined
  /** While what is there already is read. */
  onCheck?: ((bytes: number, totalBytes: number) => void) | undefined
  /** Trouble that passes; by default the connection's. */
  onWait?: ((wait: Wait) => void) | undefined
  /** How long to go on without a new byte; default a day. */
  patienceSeconds?: number
  /** After how long without a byte a connection counts as broken; default a minute. */
  stallSeconds?: number
}

export interface Downloaded {
  /** `kept`: the same was there, and nothing was fetched. */
  outcome: 'fetched' | 'kept'
  sizeBytes: number
  /** What the server says, and without `verify: false` what the file has. */
  sha256: string
  /** Over the network, this time. */
  fetchedBytes: number
}

/** What to fetch. What isn't given is asked for by HEAD. */
export interface DownloadSource {
  url: string
  sizeBytes?: number
  sha256?: string
}

const PATIENCE_SECONDS = 24 * 60 * 60
const STALL_SECONDS = 60

/**
 * Fetches an upload's file to `path`, by its retrieval URL.
 *
 * It arrives in `<path>.part`, which stays when something goes wrong and is gone on with the next time, and is renamed when
 * it is whole, verified and on disk.
 *
 * @throws LocalFileDiffers when a longer or another file is there, or no plain one; LocalFileFailed, as for a full disk;
 *   DigestMismatch; Conflict while it isn't ready; NotFound, Gone; what passes is waited for
 */
export async function downloadToPath(
  antipasto: Antipasto,
  id: string,
  path: string,
  options: DownloadOptions = {},
): Promise<Downloaded> {
  const report = await antipasto.uploads.report(id, options.signal)
  return downloadUrlToPath(antipasto.connection, sourceOf(report), path, options)
}

/** What to fetch for an upload. @throws Conflict while it isn't ready, Gone when it has ended */
export function sourceOf({ id, state, retrieval_url, size, checksums }: Report): Required<DownloadSource> {
  if (state === 'receiving' || state === 'finalizing') {
    throw new Conflict('CONFLICT', `Upload ${id} is not ready yet: it is ${state}. Try again when it is.`, {
      status: 409,
    })
  }
  if (retrieval_url === null || size === null || checksums === null) {
    throw new Gone('GONE', `Upload ${id} can't be fetched: it is ${state}.`, { status: 410 })
  }
  return { url: retrieval_url, sizeBytes: size, sha256: checksums.sha256 }
}

/** As `downloadToPath`, of a retrieval URL that is known already. */
export async function downloadUrlToPath(
  connection: Connection,
  source: DownloadSource,
  path: string,
  options: DownloadOptions = {},
): Promise<Downloaded> {
  const remote = await remoteFileOf(connection, source, options.signal)
  const { sizeBytes, sha256 } = remote
  const found = await lookAt(path, remote, options)
  if (found === 'same') {
    options.onProgress?.(sizeBytes, sizeBytes)
    return { outcome: 'kept', sizeBytes, sha256, fetchedBytes: 0 }
  }
  const fetchedBytes = await fetchAll(connection, remote, path, {
    ...options,
    isBegun: found === 'beginning',
  })
  return { outcome: 'fetched', sizeBytes, sha256, fetchedBytes }
}

/** Answers how many bytes went over the network. What isn't the beginning of the file is dropped with `replace`, once. */
async function fetchAll(
  connection: Connection,
  remote: KnownFile,
  path: string,
  options: DownloadOptions & { isBegun: boolean },
): Promise<number> {
  const { resume = true, verify = true, replace = false, isBegun, signal, onProgress, onCheck } = options
  const { sizeBytes } = remote
  const part = await PartFile.open(path, {
    sizeBytes,
    resume,
    replace,
    isBegun,
    isHashed: verify,
    signal,
    onRead: onCheck === undefined ? undefined : (bytes) => onCheck(bytes, sizeBytes),
  })
  const beganAtBytes = part.offsetBytes
  try {
    onProgress?.(beganAtBytes, sizeBytes)
    await fetchRest(connection, remote, part, options)
    const theirs = part.sha256()
    if (theirs !== null && theirs !== remote.sha256) {
      await part.remove()
      throw mismatch(path, beganAtBytes, remote, theirs)
    }
  } catch (error) {
    await part.close()
    if (!(error instanceof LocalFileDiffers) || !replace || beganAtBytes === 0) throw error
    return fetchAll(connection, remote, path, { ...options, resume: false, isBegun: false })
  }
  await part.moveTo(path)
  return sizeBytes - beganAtBytes
}

interface KnownFile extends RemoteFile {
  sha256: string
}

async function remoteFileOf(
  connection: Connection,
  { url, sizeBytes, sha256 }: DownloadSource,
  signal: AbortSignal | undefined,
): Promise<KnownFile> {
  if (sizeBytes !== undefined && sha256 !== undefined) return { url, sizeBytes, sha256, etag: `"${sha256}"` }
  const head = await connection.ask(url, {
    method: 'HEAD',
    headers: { 'accept-encoding': 'identity' },
    isAnonymous: true,
    signal,
  })
  const length = head.headers.get('content-length')
  const etag = head.headers.get('etag')
  const [, digest] = /^"([0-9a-f]{64})"$/.exec(etag ?? '') ?? []
  if (length === null || digest === undefined) {
    throw new ForeignAnswer(
      `At ${url} is no file of an antipasto server. Check the retrieval URL.`,
      head.status,
    )
  }
  return { url, sizeBytes: sizeBytes ?? Number(length), sha256: sha256 ?? digest, etag: `"${digest}"` }
}

/**
 * What is at `path` already: the same file, or nothing that hinders.
 *
 * @throws LocalFileDiffers when something hinders
 */
async function lookAt(
  path: string,
  { sizeBytes, sha256 }: KnownFile,
  { resume = true, verify = true, replace = false, signal, onCheck }: DownloadOptions,
): Promise<'same' | 'none' | 'beginning' | 'other'> {
  const local = await openPlainFile(path, 'read')
  if (local === null) return 'none'
  try {
    // Without comparing digests nobody could tell what it is the beginning of.
    if (local.sizeBytes < sizeBytes && resume && verify) return 'beginning'
    if (local.sizeBytes === sizeBytes) {
      if (!verify) return 'same'
      const onRead = onCheck === undefined ? undefined : (bytes: number) => onCheck(bytes, sizeBytes)
      const hash = await hashStart(local.file, path, sizeBytes, { signal, onRead })
      if (hash.digest('hex') === sha256) return 'same'
    }
    if (replace) return 'other'
    throw new LocalFileDiffers(
      local.sizeBytes === sizeBytes
        ? `${path} is another file: it has the same length and another SHA-256. Move it away, or give another name.`
        : `${path} is another file: it has ${local.sizeBytes} bytes instead of ${sizeBytes}. Move it away, or give another name.`,
    )
  } finally {
    await local.file.close()
  }
}

async function fetchRest(
  connection: Connection,
  remote: KnownFile,
  part: PartFile,
  { signal, onProgress, onWait = connection.onWait, ...options }: DownloadOptions,
): Promise<void> {
  const { patienceSeconds = PATIENCE_SECONDS, stallSeconds = STALL_SECONDS } = options
  const patience = new Patience(patienceSeconds)
  while (part.offsetBytes < remote.sizeBytes) {
    signal?.throwIfAborted()
    try {
      const { offsetBytes } = part
      for await (const piece of remainder(connection, remote, {
        offsetBytes,
        stallMs: stallSeconds * 1000,
        signal,
      })) {
        await part.append(piece.subarray(0, remote.sizeBytes - part.offsetBytes))
        patience.gained()
        onProgress?.(part.offsetBytes, remote.sizeBytes)
      }
      if (part.offsetBytes === offsetBytes)
        throw new ForeignAnswer(`${remote.url} answered without bytes.`, 200)
    } catch (error) {
      signal?.throwIfAborted()
      if (!(error instanceof Error) || !isPassing(error)) throw error
      const wait = patience.next(error, performance.now(), Math.random())
      if (wait === null) throw error
      onWait?.({ error, ...wait })
      await sleep(wait.delayMs, signal)
    }
  }
}

function mismatch(path: string, beganAtBytes: number, { url, sha256 }: KnownFile, theirs: string): Error {
  if (beganAtBytes > 0) {
    return new LocalFileDiffers(
      `The ${beganAtBytes} bytes that were at ${path} or its .part file are not the beginning of the server's file. The .part file was removed: run this again to fetch all of it.`,
    )
  }
  return new DigestMismatch(
    `What came from ${url} has the SHA-256 ${theirs} instead of ${sha256}, and was not kept. Run this again; if it stays so, tell the people who run the server.`,
  )
}
