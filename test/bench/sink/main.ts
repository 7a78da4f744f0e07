// A process that speaks just enough S3 for the servers under measurement and throws the bytes away, so that the servers are
// what is measured. A tool of the bench: it proves nothing about S3, and no test of correctness may use it.
// Forked by client.ts; prints nothing, sends its port, answers questions about what it was asked.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { pipeline } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { answerOf, failureAnswer, type SinkAnswer } from './answer.js'
import type { SinkFigures, SinkQuestion, SinkReply } from './client.js'
import { OPERATIONS, type Operation, s3RequestOf } from './operation.js'
import { KEPT_BYTES, S3Failure, Shelf } from './shelf.js'

/** CompleteMultipartUpload names at most 10,000 parts in some 100 bytes each. */
const LONGEST_XML_BYTES = 2 * 1024 * 1024
const KEEP_ALIVE_MS = 600_000
const ZEROS = Buffer.alloc(1024 * 1024)

const shelf = new Shelf()
let completionDelayMs = 0
let figures = noFigures()

const server = createServer((request, response) => {
  serve(request, response).catch((error: unknown) => {
    response.destroy(error instanceof Error ? error : new Error(String(error)))
  })
})
server.keepAliveTimeout = KEEP_ALIVE_MS
server.requestTimeout = 0
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('The system gave no port.')
  reply({ port: address.port })
})

process.on('disconnect', () => process.exit())
process.on('message', (question: SinkQuestion) => {
  if (question.kind === 'start') {
    completionDelayMs = question.completionDelayMs
    figures = noFigures()
    reply({ started: true })
  } else {
    completionDelayMs = 0
    reply({ figures })
  }
})

async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const s3Request = s3RequestOf(request.method ?? '', request.url ?? '')
  const startedAtMs = performance.now()
  const body = await receive(request, s3Request?.operation)
  if (s3Request === undefined || 'x-amz-decoded-content-length' in request.headers) {
    const message =
      'The sink knows no such operation, and no aws-chunked body: set checksums to WHEN_REQUIRED.'
    send(response, failureAnswer(new S3Failure(501, 'NotImplemented', message)))
    return
  }
  const { operation } = s3Request
  const bodyBytes = Number(request.headers['content-length'] ?? 0)
  figures.requestCounts[operation] += 1
  figures.bodyBytes[operation] += bodyBytes
  const isCompletion = operation === 'CompleteMultipartUpload' || operation === 'PutObject'
  if (isCompletion && completionDelayMs > 0) await sleep(completionDelayMs)
  send(response, answerOrFailure({ ...s3Request, headers: request.headers, bodyBytes, body }))
  if (isCompletion) figures.completionMs += performance.now() - startedAtMs
}

function answerOrFailure(request: Parameters<typeof answerOf>[1]): SinkAnswer {
  try {
    return answerOf(shelf, request)
  } catch (error) {
    if (error instanceof S3Failure) return failureAnswer(error)
    throw error
  }
}

/** Reads the body to its end. Keeps it where it is short enough to matter; rejects when it is cut. */
function receive(request: IncomingMessage, operation: Operation | undefined): Promise<Buffer | null> {
  const isContent = operation === 'PutObject' || operation === 'UploadPart'
  const longestBytes = isContent ? KEPT_BYTES : LONGEST_XML_BYTES
  const isKept = Number(request.headers['content-length'] ?? 0) <= longestBytes
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => {
      if (isKept) chunks.push(chunk)
    })
    request.on('end', () => resolve(isKept ? Buffer.concat(chunks) : null))
    request.on('error', reject)
  })
}

function send(response: ServerResponse, { status, headers, body }: SinkAnswer): void {
  const bodyBytes = typeof body === 'number' ? body : Buffer.byteLength(body)
  response.writeHead(status, { 'Content-Length': bodyBytes, ...headers })
  if (typeof body !== 'number') response.end(body)
  // Who reads no further is no trouble of the sink's.
  else pipeline(zeroBlocks(body), response, () => {})
}

function* zeroBlocks(sizeBytes: number): Generator<Buffer> {
  for (let start = 0; start < sizeBytes; start += ZEROS.length) yield ZEROS.subarray(0, sizeBytes - start)
}

function reply(message: SinkReply): void {
  process.send?.(message)
}

function noFigures(): SinkFigures {
  const zeros = (): Record<Operation, number> => {
    return Object.fromEntries(OPERATIONS.map((operation) => [operation, 0])) as Record<Operation, number>
  }
  return { requestCounts: zeros(), bodyBytes: zeros(), completionMs: 0 }
}
