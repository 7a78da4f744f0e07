// One upload over several connections: parts sent at once, which the server puts together (tus's concatenation).

import { defaultOptions } from 'tus-js-client'
import type { Connection } from './connection.js'
import { createUpload } from './create-upload.js'
import { persist } from './persist.js'
import { endpointOf, persistenceOf, type SendOptions, type SentUpload, send, sendAs } from './send.js'
import { TusRequests } from './tus-requests.js'
import type { UploadSource } from './upload-source.js'

export interface ParallelOptions extends Omit<SendOptions, 'uploadUrl' | 'onCreated' | 'withCreation'> {
  /** How many at most. Of files below 16 MiB there are fewer. */
  parts: number
  /** Goes on with these, as `onParts` told them: null where a part had not begun. Their number counts then, not `parts`. */
  partUrls?: readonly (string | null)[] | null
  /** Awaited before the bytes of a part go that has just begun: all parts so far. */
  onParts?(partUrls: readonly (string | null)[]): void | Promise<void>
  /** Of the whole; or of its only upload, before bytes go, where the server can't put parts together. */
  onCreated?(url: string): void | Promise<void>
}

const SMALLEST_PART_BYTES = 8 * 1024 * 1024

/**
 * As `send`, in parts; in one piece when the server has no `concatenation`, or the file is small.
 *
 * A part that isn't there any more is told by NotFound or Gone, as a whole upload is. What breaks for good in one part
 * ends the others, whose bytes stay at the server for another time.
 *
 * @throws what `send` throws
 */
export async function sendParallel(
  connection: Connection,
  source: UploadSource,
  options: ParallelOptions,
): Promise<SentUpload> {
  const { parts, partUrls, onParts: _onParts, ...single } = options
  const count = partUrls?.length ?? Math.min(parts, Math.ceil(source.sizeBytes / SMALLEST_PART_BYTES))
  if (count < 2) return send(connection, source, single)
  if (partUrls == null && !(await canConcatenate(connection, single))) return send(connection, source, single)
  const urls = await sendParts(connection, source, options, count)
  const url = await putTogether(connection, urls, options)
  await options.onCreated?.(url)
  return { url, sizeBytes: source.sizeBytes }
}

/** @returns the boundaries of `count` parts, the first with what doesn't divide; for a size and a number always the same */
export function partsOf(sizeBytes: number, count: number): { start: number; end: number }[] {
  const eachBytes = Math.floor(sizeBytes / count)
  const restBytes = sizeBytes - eachBytes * count
  return Array.from({ length: count }, (_, index) => {
    const start = index === 0 ? 0 : restBytes + eachBytes * index
    return { start, end: restBytes + eachBytes * (index + 1) }
  })
}

async function canConcatenate(connection: Connection, options: SendOptions): Promise<boolean> {
  const { endpoint } = endpointOf(connection, options)
  const requests = requestsOf(connection, options)
  const { signal } = options
  const answer = await persist(
    () => requests.ask('OPTIONS', endpoint, {}, { signal }),
    persistenceOf(connection, options),
  )
  return (answer.getHeader('Tus-Extension') ?? '').split(/\s*,\s*/).includes('concatenation')
}

async function sendParts(
  connection: Connection,
  source: UploadSource,
  options: ParallelOptions,
  count: number,
): Promise<string[]> {
  const { signal, idempotencyKey, partUrls, onParts, onProgress, onCreated: _onCreated, ...shared } = options
  const urls: (string | null)[] = Array.from({ length: count }, (_, index) => partUrls?.[index] ?? null)
  const sent = urls.map(() => 0)
  const acknowledged = urls.map(() => 0)
  // When one fails, the others end.
  const controller = new AbortController()
  const onAbort = () => controller.abort(signal?.reason)
  if (signal?.aborted) onAbort()
  signal?.addEventListener('abort', onAbort, { once: true })
  try {
    const sendings = partsOf(source.sizeBytes, count).map(async ({ start, end }, index) => {
      const part = await sendAs(
        connection,
        partOf(source, start, end),
        {
          ...shared,
          metadata: {},
          uploadUrl: urls[index] ?? null,
          withCreation: false,
          signal: controller.signal,
          ...(idempotencyKey === undefined ? {} : { idempotencyKey: `${idempotencyKey}.${index}` }),
          async onCreated(url) {
            urls[index] = url
            await onParts?.([...urls])
          },
          onProgress(sentBytes, acknowledgedBytes) {
            sent[index] = sentBytes
            acknowledged[index] = acknowledgedBytes
            onProgress?.(sum(sent), sum(acknowledged))
          },
        },
        'partial',
      )
      return part.url
    })
    for (const sending of sendings) sending.catch((error: unknown) => controller.abort(error))
    return await settled(sendings, controller.signal)
  } finally {
    signal?.removeEventListener('abort', onAbort)
  }
}

/** Waits for all, so that nobody reads the source any more; then throws what ended them first. */
async function settled<Value>(running: readonly Promise<Value>[], ended: AbortSignal): Promise<Value[]> {
  await Promise.allSettled(running)
  ended.throwIfAborted()
  return Promise.all(running)
}

/** Its digest is the whole's affair. */
function partOf(source: UploadSource, start: number, end: number): UploadSource {
  return {
    sizeBytes: end - start,
    async slice(from, to) {
      const { value } = await source.slice(start + from, start + to)
      return { value, done: start + to >= end }
    },
  }
}

/** Asked again, our server answers the same upload for the same parts. */
async function putTogether(
  connection: Connection,
  partUrls: readonly string[],
  options: ParallelOptions,
): Promise<string> {
  const requests = requestsOf(connection, options)
  const { metadata, idempotencyKey, signal } = options
  const creation = {
    ...endpointOf(connection, options),
    metadata,
    sizeBytes: null,
    body: null,
    idempotencyKey,
    concat: `final;${partUrls.join(' ')}`,
  }
  const persistence = persistenceOf(connection, options)
  const { url } = await persist(() => createUpload(requests, creation, { signal }), persistence)
  return url
}

function requestsOf(connection: Connection, options: SendOptions): TusRequests {
  return new TusRequests(connection, options.httpStack ?? defaultOptions.httpStack)
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
