// One request that begins an upload, and may bring all its bytes.

import type { HttpResponse } from 'tus-js-client'
import { ForeignAnswer } from './errors.js'
import { foreignWords } from './problem.js'
import { bytesOf, encodeMetadata, uploadUrlOf } from './tus-answer.js'
import { type AskOptions, OFFSET_MEDIA_TYPE, type TusRequests } from './tus-requests.js'

export interface Creation {
  endpoint: string
  /** Whether the endpoint is that of the connection's own server. */
  isOwnServer: boolean
  metadata: Readonly<Record<string, string>>
  /** Null for what is put together of others, which have their sizes. */
  sizeBytes: number | null
  /** All bytes, to go along; null: none do. */
  body: unknown
  idempotencyKey: string | undefined
  /** Upload-Concat: `partial`, or `final` and its parts. */
  concat: string | undefined
}

export interface Created {
  url: string
  /** Bytes that went along and were taken: a server that can't do that says nothing of them. */
  acknowledgedBytes: number
}

/**
 * tus-js-client could do it, too, but not with an Idempotency-Key for this request alone, and at a cost that is more than the
 * rest of a small file's.
 */
export async function createUpload(
  requests: TusRequests,
  { endpoint, isOwnServer, metadata, sizeBytes, body, idempotencyKey, concat }: Creation,
  options: Pick<AskOptions, 'onSent' | 'signal'>,
): Promise<Created> {
  const encoded = encodeMetadata(metadata)
  const headers = {
    ...(sizeBytes === null ? {} : { 'Upload-Length': String(sizeBytes) }),
    ...(encoded === '' ? {} : { 'Upload-Metadata': encoded }),
    ...(concat === undefined ? {} : { 'Upload-Concat': concat }),
    ...(idempotencyKey === undefined ? {} : { 'Idempotency-Key': idempotencyKey }),
    ...(body === null ? {} : { 'Content-Type': OFFSET_MEDIA_TYPE }),
  }
  const answer = await requests.ask('POST', endpoint, headers, { body, ...options })
  return {
    url: uploadUrlOf(locationOf(answer), endpoint, isOwnServer),
    acknowledgedBytes: bytesOf(answer.getHeader('Upload-Offset')) ?? 0,
  }
}

function locationOf(answer: HttpResponse): string {
  const location = answer.getHeader('Location')
  if (location !== undefined && location !== null && location !== '') return location
  throw new ForeignAnswer(foreignWords(answer.getStatus(), answer.getBody()), answer.getStatus())
}
