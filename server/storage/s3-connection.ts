// The SDK's client as we want it: how it connects and waits, what it signs, which answers it believes. Who tries again,
// and what an error means, is elsewhere.

import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import { Readable } from 'node:stream'
import { S3, type S3ClientConfig } from '@aws-sdk/client-s3'
import { NodeHttpHandler } from '@smithy/node-http-handler'
import type { Observer, S3Call } from './observed.js'

export interface S3Settings {
  bucket: string
  region: string
  /** The server's URL, without the bucket; absent for AWS itself. */
  endpoint?: string | undefined
  /** Folder in the bucket that all our keys are in; no slash at either end. */
  prefix: string
  /** Whether the bucket is in the URL's path or in its host name. */
  forcePathStyle: boolean
  checksums: 'WHEN_REQUIRED' | 'WHEN_SUPPORTED'
  /** For tests; the rest of DEFAULT_TIMING stays. */
  timing?: Partial<S3Timing>
  /** Stands around each request, with all its attempts. */
  observe?: Observer<S3Call> | undefined
}

export interface S3Timing {
  connectMs: number
  /** How long a connection may carry nothing while an answer is awaited, or a body read that somebody wants. */
  idleMs: number
  /** The same while S3 puts a multipart upload together or copies a part, which may take minutes. */
  completionIdleMs: number
  /** How many times a request is tried. */
  attempts: number
  /** The first pause is at most this long, each further one twice that, up to `backOffCapMs`. */
  backOffBaseMs: number
  backOffCapMs: number
  /** No attempt begins later than this after the first. One that is under way may go on: a slow line isn't a broken one. */
  giveUpMs: number
  /** The same for each of the start's questions. Who can wait longer (START_TIMEOUT) asks again, and says so meanwhile. */
  startMs: number
}

export const DEFAULT_TIMING: S3Timing = {
  connectMs: 5_000,
  idleMs: 20_000,
  completionIdleMs: 180_000,
  attempts: 5,
  backOffBaseMs: 100,
  backOffCapMs: 3_000,
  giveUpMs: 25_000,
  startMs: 5_000,
}

/** What an answer must have to be one: some servers (and proxies) answer 200 with an empty body, or with an error in it. */
const PROOF_OF_SUCCESS: Record<string, readonly string[]> = {
  PutObjectCommand: ['ETag'],
  UploadPartCommand: ['ETag'],
  UploadPartCopyCommand: ['CopyPartResult', 'ETag'],
  CreateMultipartUploadCommand: ['UploadId'],
  CompleteMultipartUploadCommand: ['ETag'],
  ListObjectsV2Command: ['IsTruncated'],
  ListMultipartUploadsCommand: ['IsTruncated'],
}

/** The operations whose bodies are the users' bytes, not a few lines of XML. */
const CARRIES_BYTES = new Set(['PutObjectCommand', 'UploadPartCommand'])

/** What a client of this bucket's server is made of; all that are made of one share the connections. */
export function clientConfigOf(settings: S3Settings, timing: S3Timing): S3ClientConfig {
  return {
    region: settings.region,
    ...(settings.endpoint === undefined ? {} : { endpoint: settings.endpoint }),
    forcePathStyle: settings.forcePathStyle,
    requestChecksumCalculation: settings.checksums,
    // All reading is of ranges, of which S3 keeps no checksum.
    responseChecksumValidation: 'WHEN_REQUIRED',
    // Who tries again is `Bucket.send`.
    maxAttempts: 1,
    // It costs a round trip per part, and the handler opens a new connection for each such request.
    expectContinueHeader: false,
    requestHandler: requestHandler(timing),
    logger: { trace() {}, debug() {}, info() {}, warn() {}, error() {} },
  }
}

export function makeClient(config: S3ClientConfig): S3 {
  const client = new S3(config)
  replaceRetrying(client)
  sendPayloadsUnsigned(client)
  requireProof(client)
  return client
}

/**
 * NodeHttpHandler, with more patience for completions and copies.
 *
 * AWS keeps the connection alive with white space meanwhile; others say nothing until they are done.
 */
function requestHandler(timing: S3Timing): NonNullable<S3ClientConfig['requestHandler']> {
  // No bound on sockets: a request that waits for one would count as one that can't connect. Those who send parts bound
  // themselves, and a download holds one as long as its reader likes.
  const agentOptions = { keepAlive: true, maxSockets: Infinity, maxFreeSockets: 64 }
  const httpAgent = new HttpAgent(agentOptions)
  const httpsAgent = new HttpsAgent(agentOptions)
  const connections = { httpAgent, httpsAgent, connectionTimeout: timing.connectMs }
  const usual = new NodeHttpHandler({ ...connections, socketTimeout: timing.idleMs })
  const patient = new NodeHttpHandler({ ...connections, socketTimeout: timing.completionIdleMs })
  const handle: NodeHttpHandler['handle'] = (request, options) => {
    const isCompletion = request.method === 'POST' && request.query.uploadId !== undefined
    const isCopy = request.headers['x-amz-copy-source'] !== undefined
    const handler = isCompletion || isCopy ? patient : usual
    const { body } = request
    if (!(body instanceof Readable)) return handler.handle(request, options)
    return withBody(body, options?.abortSignal, (abortSignal) =>
      handler.handle(request, { ...options, abortSignal }),
    )
  }
  return {
    metadata: usual.metadata,
    handle,
    destroy: () => {
      httpAgent.destroy()
      httpsAgent.destroy()
    },
    updateHttpClientConfig: () => {},
    httpHandlerConfigs: () => usual.httpHandlerConfigs(),
  }
}

/**
 * A request whose body is a stream: the body's error is the request's, and the request's end is the body's.
 *
 * The SDK only pipes it: an error while the body is made would be uncaught, and the request would wait for the rest of it.
 */
function withBody<T>(
  body: Readable,
  given: NonNullable<Parameters<NodeHttpHandler['handle']>[1]>['abortSignal'],
  request: (abortSignal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController()
  controller.signal.addEventListener('abort', () => body.destroy(), { once: true })
  const abort = () => controller.abort(given !== undefined && 'reason' in given ? given.reason : undefined)
  // No removal: it is the signal of one attempt (see `once`), and goes with it.
  if (given instanceof AbortSignal) given.addEventListener('abort', abort, { once: true })
  if (given?.aborted) abort()
  return new Promise((resolve, reject) => {
    body.on('error', (error) => {
      reject(error)
      controller.abort(error)
    })
    request(controller.signal).then(resolve, reject)
  })
}

/**
 * Takes the SDK's own retrying out of the way; the name must stay, others are placed relative to it.
 *
 * Even with one attempt it makes errors of its own of those it doesn't take for one, without their code.
 */
function replaceRetrying(client: S3): void {
  client.middlewareStack.add((next) => (args) => next(args), {
    step: 'finalizeRequest',
    priority: 'high',
    name: 'retryMiddleware',
    override: true,
  })
}

/**
 * Signs bytes as UNSIGNED-PAYLOAD: hashing them again for the signature costs a third of the throughput.
 *
 * The signer takes the hash from this header when it is there (@smithy/signature-v4, getPayloadHash). TLS guards the bytes
 * on their way; behind it are S3's ETag, the size that completion names, and our digests.
 */
function sendPayloadsUnsigned(client: S3): void {
  client.middlewareStack.add(
    (next, context) => async (args) => {
      const request = args.request
      if (CARRIES_BYTES.has(String(context.commandName)) && hasHeaders(request)) {
        request.headers['x-amz-content-sha256'] ??= 'UNSIGNED-PAYLOAD'
      }
      return next(args)
    },
    { step: 'build', name: 'unsignedPayload' },
  )
}

/**
 * Refuses a success that doesn't say what was done.
 *
 * The SDK (throw200ExceptionsMiddleware) makes an error of a 200 whose body ends in `</Error>`, to the byte: a line end
 * after it, or an empty body, and PutObject or CompleteMultipartUpload succeed without an ETag.
 */
function requireProof(client: S3): void {
  client.middlewareStack.add(
    (next, context) => async (args) => {
      const result = await next(args)
      const proof = PROOF_OF_SUCCESS[String(context.commandName)]
      if (proof === undefined || isIn(result.output, proof)) return result
      // As the SDK does for a 200 without a body: a trouble inside S3.
      throw Object.assign(new Error(`The answer has no ${proof.join('.')}.`), {
        $metadata: { httpStatusCode: 503 },
      })
    },
    { step: 'initialize', name: 'requireProof' },
  )
}

/** Whether `output` has the member that `path` leads to. */
function isIn(output: object, path: readonly string[]): boolean {
  let found: unknown = output
  for (const name of path) {
    found = typeof found === 'object' && found !== null ? (found as Record<string, unknown>)[name] : undefined
  }
  return found !== undefined
}

function hasHeaders(request: unknown): request is { headers: Record<string, string> } {
  return typeof request === 'object' && request !== null && 'headers' in request
}
