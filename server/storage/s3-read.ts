// Reading objects from S3: how a ranged GET is checked, and how a reading goes on when its connection breaks.

import { PassThrough, Readable, type Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { AppError } from '../errors.js'
import { Outlet } from './outlet.js'
import { type Bucket, backOffMs } from './s3-client.js'
import { bytesDiffer, S3Failure, storeUnavailable, symptomOf } from './s3-errors.js'
import type { ByteRange } from './store.js'

/** A sink's bytes in hand: S3's connection pauses above the first, and goes on below the second. */
const PAUSE_BYTES = 512 * 1024
const RESUME_BYTES = 256 * 1024

/** A reading that breaks this often in a row without a byte is given up; each of them was tried again as `send` does. */
const FUTILE_READS = 5

interface ObjectBody {
  body: Readable
  etag: string | undefined
  /** The whole object's size. */
  sizeBytes: number
}

/** The first `lengthBytes` (at least 1) of an object, fewer when it is shorter, and its size: one request. */
export async function readHead(
  bucket: Bucket,
  key: string,
  lengthBytes: number,
): Promise<{ head: Uint8Array; sizeBytes: number }> {
  return bucket.send('GetObject', async (abortSignal) => {
    const range = { start: 0, end: lengthBytes }
    const opened = await getRange(bucket, { key, range, etag: undefined, abortSignal })
    if (opened === null) return { head: new Uint8Array(), sizeBytes: 0 }
    const head = await collect(opened.body, lengthBytes)
    if (head.length < Math.min(lengthBytes, opened.sizeBytes)) throw cutShort()
    return { head, sizeBytes: opened.sizeBytes }
  })
}

/**
 * Sends a range of an object to `sink` at the sink's pace, and doesn't end it.
 *
 * A connection that breaks, or that S3 closes while a slow sink makes us pause, is followed by a GET of the rest, on
 * condition that the object is still the same. Rejects when the sink closes, and ends the GET then; with CONFLICT for an
 * object that is shorter than the range, NOT_FOUND for one that isn't there, UNAVAILABLE when S3 is in trouble for longer.
 */
export async function sendRange(
  bucket: Bucket,
  { key, range, sink, beforeFirstByte }: RangeToSend,
): Promise<void> {
  if (range.end <= range.start) {
    await readHead(bucket, key, 1)
    beforeFirstByte()
    return
  }
  const outlet = new Outlet(sink)
  try {
    let position = range.start
    let etag: string | undefined
    let isBegun = false
    let futileReads = 0
    while (position < range.end) {
      const rest = { start: position, end: range.end }
      const opened = await openRange(bucket, { key, range: rest, etag, signal: outlet.signal })
      etag = opened.etag
      if (!isBegun) callOr(() => opened.body.destroy(), beforeFirstByte)
      isBegun = true
      const receivedBytes = await pour(opened.body, range.end - position, outlet)
      position += receivedBytes
      futileReads = receivedBytes > 0 ? 0 : futileReads + 1
      if (futileReads === FUTILE_READS) throw storeUnavailable(cutShort())
      if (futileReads > 0) await pause(backOffMs(futileReads, bucket.timing, Math.random()), outlet.signal)
      await outlet.below(position < range.end ? RESUME_BYTES : 0)
    }
  } finally {
    outlet.release()
  }
}

export interface RangeToSend {
  /** The key in the bucket, with the prefix. */
  key: string
  range: ByteRange
  sink: Writable
  beforeFirstByte: () => void
}

/** A range of an object, in pieces of any size; resumes as `sendRange` does. Ending the iteration early ends the GET. */
export async function* readRange(bucket: Bucket, key: string, range: ByteRange): AsyncIterable<Uint8Array> {
  const sink = new PassThrough()
  const sending = sendRange(bucket, { key, range, sink, beforeFirstByte: () => {} }).then(
    () => void sink.end(),
    (error) => void sink.destroy(error),
  )
  try {
    yield* sink
  } finally {
    sink.destroy()
    await sending
  }
}

interface RangeToGet {
  key: string
  range: ByteRange
  /** Of the object that the bytes before came from. */
  etag: string | undefined
}

/** Opens a range that has to be there whole. */
async function openRange(
  bucket: Bucket,
  { signal, ...wanted }: RangeToGet & { signal: AbortSignal },
): Promise<ObjectBody> {
  const opened = await bucket.send(
    'GetObject',
    (abortSignal) => getRange(bucket, { ...wanted, abortSignal }),
    { signal },
  )
  if (opened !== null && opened.sizeBytes >= wanted.range.end) return opened
  opened?.body.destroy()
  throw bytesDiffer(
    new Error(`The object has ${opened?.sizeBytes ?? 'not even'} of ${wanted.range.end} bytes.`),
  )
}

/** One GET; null when the object ends before the range begins. */
async function getRange(
  bucket: Bucket,
  { key, range, etag, abortSignal }: RangeToGet & { abortSignal: AbortSignal },
): Promise<ObjectBody | null> {
  const answer = await bucket.client
    .getObject(
      {
        Bucket: bucket.name,
        Key: key,
        Range: `bytes=${range.start}-${range.end - 1}`,
        ...(etag === undefined ? {} : { IfMatch: etag }),
      },
      { abortSignal },
    )
    .catch((error: unknown) => {
      // RFC 9110 §15.5.17: no byte of the range is there. An empty object has no range at all.
      if (symptomOf(error)?.httpStatus === 416) return null
      throw error
    })
  if (answer === null) return null
  const { Body: body, ContentRange, ContentLength, ETag } = answer
  if (!(body instanceof Readable)) throw new AppError('INTERNAL', 'GetObject has answered without a body.')
  // Between here and whoever reads it next, it may break.
  body.on('error', () => {})
  const sizeBytes = sizeOf({ contentRange: ContentRange, contentLength: ContentLength, start: range.start })
  if (sizeBytes !== null) return { body, etag: ETag, sizeBytes }
  body.destroy()
  throw Object.assign(
    new Error(`GetObject has answered another range than ${range.start} on: ${ContentRange}.`),
    {
      $metadata: answer.$metadata,
    },
  )
}

/**
 * The size of the whole object, as the answer to a GET of a range tells it; null when it answers something else.
 *
 * @param start the first byte that was asked for
 */
export function sizeOf(answer: {
  contentRange: string | undefined
  contentLength: number | undefined
  start: number
}): number | null {
  const { contentRange, contentLength, start } = answer
  // RFC 9110 §14.2: a server may ignore Range, and send the whole.
  if (contentRange === undefined) return start === 0 ? (contentLength ?? null) : null
  const found = /^bytes (\d+)-\d+\/(\d+)$/.exec(contentRange)
  return found !== null && Number(found[1]) === start ? Number(found[2]) : null
}

async function collect(body: Readable, lengthBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let receivedBytes = 0
  // Leaving the loop destroys the body: the rest of one that ignored Range isn't read.
  for await (const chunk of body) {
    chunks.push(chunk)
    receivedBytes += chunk.length
    if (receivedBytes > lengthBytes) break
  }
  return Buffer.concat(chunks).subarray(0, lengthBytes)
}

/**
 * Hands up to `wantedBytes` of a body to `outlet`.
 *
 * Resolves with how many there were: all of them, or fewer when the connection broke. Never rejects: whether the outlet is
 * still open is for the outlet to say.
 */
function pour(body: Readable, wantedBytes: number, outlet: Outlet): Promise<number> {
  return new Promise((resolve) => {
    let receivedBytes = 0
    const stop = () => body.destroy()
    const settle = () => {
      outlet.signal.removeEventListener('abort', stop)
      resolve(receivedBytes)
    }
    if (outlet.signal.aborted) stop()
    outlet.signal.addEventListener('abort', stop, { once: true })
    // After an error, too.
    body.once('close', settle)
    body.on('data', (chunk: Uint8Array) => {
      const missingBytes = wantedBytes - receivedBytes
      if (chunk.length > missingBytes) stop()
      if (missingBytes === 0) return
      const bytes = chunk.length > missingBytes ? chunk.subarray(0, missingBytes) : chunk
      receivedBytes += bytes.length
      outlet.write(bytes)
      // The last bytes come with the body's end, which gives the connection back: no pause before it.
      if (outlet.inHandBytes < PAUSE_BYTES || receivedBytes === wantedBytes) return
      body.pause()
      outlet.below(RESUME_BYTES).then(
        () => body.resume(),
        () => {},
      )
    })
  })
}

/** Ends early when `signal` aborts; never rejects. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => {})
}

function callOr(cleanUp: () => void, call: () => void): void {
  try {
    call()
  } catch (error) {
    cleanUp()
    throw error
  }
}

function cutShort(): S3Failure {
  const symptom = { code: undefined, httpStatus: undefined, connection: 'ECONNRESET', requestId: undefined }
  return new S3Failure('GetObject', { ...symptom, message: 'The body broke off.' })
}
