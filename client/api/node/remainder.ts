// The bytes of a file from an offset on, over HTTP, each piece as it arrives: one request's worth of a download.

import type { Connection } from '../connection.js'
import { connectionFailed } from '../connection-words.js'
import { Deadline } from '../deadline.js'
import { ConnectionFailed, ForeignAnswer, LocalFileDiffers, RangeNotSatisfiable } from '../errors.js'

/** What is to be fetched, as the report or a HEAD of the URL says. */
export interface RemoteFile {
  url: string
  sizeBytes: number
  /** With its quotes; null when none is known. */
  etag: string | null
}

export interface RemainderOptions {
  offsetBytes: number
  /** After so long without a byte the connection counts as broken. */
  stallMs: number
  signal?: AbortSignal | undefined
}

/**
 * The bytes from `offsetBytes` to the end, or to where the connection broke.
 *
 * @throws LocalFileDiffers when there is another file at the URL now, ForeignAnswer when it isn't the server that answers,
 *   ConnectionFailed, or the server's refusal
 */
export async function* remainder(
  connection: Connection,
  remote: RemoteFile,
  { offsetBytes, stallMs, signal }: RemainderOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const deadline = new Deadline(stallMs, signal)
  const url = new URL(remote.url)
  try {
    const answer = await request(connection, remote, offsetBytes, deadline.signal)
    const isRest = isRestOf(answer, remote, offsetBytes)
    // RFC 9110 §14.2: a server may ignore Range. Then what is there already is thrown away.
    let toSkipBytes = isRest ? 0 : offsetBytes
    for await (const piece of pieces(answer, deadline, stallMs)) {
      const skippedBytes = Math.min(toSkipBytes, piece.byteLength)
      toSkipBytes -= skippedBytes
      if (piece.byteLength > skippedBytes) yield piece.subarray(skippedBytes)
    }
  } catch (error) {
    signal?.throwIfAborted()
    if (deadline.isOver) {
      throw new ConnectionFailed(`${url.host} has sent nothing for ${stallMs / 1000} seconds.`, {
        code: 'ETIMEDOUT',
      })
    }
    throw error
  } finally {
    deadline.end()
  }
}

/** Follows to the store that the server names with RETRIEVAL_MODE=redirect. Its ETags are its own, so none is sent there. */
async function request(
  connection: Connection,
  { url, sizeBytes, etag }: RemoteFile,
  offsetBytes: number,
  signal: AbortSignal,
): Promise<Response> {
  const range = offsetBytes === 0 ? {} : { range: `bytes=${offsetBytes}-` }
  // A length is to be compared: nothing may be compressed on the way.
  const headers = { ...range, 'accept-encoding': 'identity' }
  const ask = { isAnonymous: true, isRepeatable: false, patienceSeconds: 0, signal } as const
  try {
    const answer = await connection.ask(url, {
      ...ask,
      headers: { ...headers, ...(offsetBytes === 0 || etag === null ? {} : { 'if-range': etag }) },
      redirect: 'give',
    })
    const location = answer.headers.get('location')
    if (answer.ok || location === null) return answer
    await answer.body?.cancel()
    return await connection.ask(new URL(location, url).href, { ...ask, headers, redirect: 'follow' })
  } catch (error) {
    if (error instanceof RangeNotSatisfiable) throw replaced(url, sizeBytes)
    throw error
  }
}

/** True: these are the bytes from `offsetBytes` on. False: all of them. @throws when they are of something else */
function isRestOf(answer: Response, { url, sizeBytes, etag }: RemoteFile, offsetBytes: number): boolean {
  const isFromServer = new URL(answer.url).origin === new URL(url).origin
  const theirs = answer.headers.get('etag')
  if (isFromServer && etag !== null && theirs !== null && theirs !== etag) throw replaced(url, sizeBytes)
  if (answer.status === 206) {
    const range = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(answer.headers.get('content-range') ?? '')
    const [, start, end, total] = range ?? []
    if (Number(start) === offsetBytes && Number(total) === sizeBytes && Number(end) === sizeBytes - 1)
      return true
    throw new ForeignAnswer(
      `${url} answered other bytes than were asked for (${range?.[0] ?? 'no range'}).`,
      206,
    )
  }
  // A captive portal's page has another length, and no ETag of ours.
  const length = answer.headers.get('content-length')
  if (length !== null ? Number(length) === sizeBytes : etag !== null && theirs === etag) return false
  throw new ForeignAnswer(
    `Something else than the file came from ${url}: ${length ?? 'an unknown number of'} bytes of ${answer.headers.get('content-type') ?? 'no type'} instead of ${sizeBytes}. Look whether this network wants a sign-in first.`,
    answer.status,
  )
}

function replaced(url: string, sizeBytes: number): LocalFileDiffers {
  return new LocalFileDiffers(
    `At ${url} is another file now than the one of ${sizeBytes} bytes that was begun. Remove the .part file to fetch it anew.`,
  )
}

async function* pieces(
  answer: Response,
  deadline: Deadline,
  stallMs: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  const reader = answer.body?.getReader()
  if (reader === undefined) return
  try {
    for (;;) {
      deadline.move(stallMs)
      const { done, value } = await reader.read().catch((error: unknown) => {
        throw connectionFailed(error, new URL(answer.url))
      })
      // Time that our disk takes isn't the server's.
      deadline.move(Number.POSITIVE_INFINITY)
      if (done) return
      yield value
    }
  } finally {
    await reader.cancel().catch(() => {})
  }
}
