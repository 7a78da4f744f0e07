// The load process: forked by load-client.ts, does one task at a time and times it from where a client stands.

import { createHash } from 'node:crypto'
import { connect } from 'node:net'
import { type Answer, parseHead } from './answer.js'
import { HttpConnection, headBytes, requestBytes } from './connection.js'
import { followEvents } from './event-readers.js'
import type {
  DownloadResult,
  DownloadTask,
  LoadReply,
  LoadRequest,
  LoadTasks,
  ManyResult,
  ParallelResult,
  ParallelTask,
  QueueTask,
  SmallFilesTask,
  Target,
  UploadResult,
  UploadTask,
} from './load-tasks.js'
import { payloadBlocks, smallPayload } from './payload.js'

const READ_BUFFER_BYTES = 256 * 1024
const READY_LIMIT_MS = 60_000

process.on('disconnect', () => process.exit())
process.on('message', async (request: LoadRequest) => {
  const reply: LoadReply = await perform(request).then(
    (result) => ({ id: request.id, result }),
    (error: unknown) => ({
      id: request.id,
      error: error instanceof Error ? (error.stack ?? error.message) : String(error),
    }),
  )
  process.send?.(reply)
})

function perform(request: LoadRequest): Promise<LoadTasks[LoadRequest['kind']]['result']> {
  switch (request.kind) {
    case 'upload':
      return upload(request.task)
    case 'parallel':
      return uploadInParallel(request.task)
    case 'queue':
      return uploadFromQueue(request.task)
    case 'smallFiles':
      return sendSmallFiles(request.task)
    case 'download':
      return download(request.task)
    case 'follow':
      return followEvents(request.task)
  }
}

/** Creation, then the whole content in one PATCH. */
async function upload({ target, sizeBytes, seed, untilReady }: UploadTask): Promise<UploadResult> {
  const connection = await HttpConnection.open(target.port)
  const watcher = untilReady ? await HttpConnection.open(target.port) : undefined
  try {
    const startedAtMs = performance.now()
    const path = await create(connection, target, sizeBytes, `big-${seed}.bin`)
    const headers = {
      ...commonHeaders(target),
      'Content-Type': 'application/offset+octet-stream',
      'Content-Length': String(sizeBytes),
      'Upload-Offset': '0',
    }
    const answer = await connection.stream({ method: 'PATCH', path, headers }, payloadBlocks(sizeBytes, seed))
    expectStatus(answer, 204)
    if (answer.headers.get('upload-offset') !== String(sizeBytes)) throw new Error('The PATCH stopped early.')
    if (watcher) await waitUntilReady(watcher, target, path)
    return {
      path,
      elapsedMs: answer.answeredAtMs - startedAtMs,
      lastByteToAnswerMs: answer.answeredAtMs - answer.lastByteAtMs,
      lastByteToReadyMs: watcher ? performance.now() - answer.lastByteAtMs : null,
    }
  } finally {
    connection.close()
    watcher?.close()
  }
}

async function uploadInParallel({ targets, sizeBytes, seeds }: ParallelTask): Promise<ParallelResult> {
  const startedAtMs = performance.now()
  const results = await Promise.all(
    seeds.map((seed, index) => {
      const target = targets[index % targets.length]
      if (target === undefined) throw new Error('There is no server to upload to.')
      return upload({ target, sizeBytes, seed, untilReady: false })
    }),
  )
  return {
    paths: results.map((result) => result.path),
    elapsedMs: performance.now() - startedAtMs,
    uploadMs: results.map((result) => result.elapsedMs),
  }
}

async function uploadFromQueue(task: QueueTask): Promise<ManyResult> {
  const { targets, sizeBytes, seeds, connectionCount } = task
  const paths: string[] = []
  // The iterator is shared: what is free takes the next one.
  const queue = seeds.entries()
  const runOn = async (target: Target): Promise<void> => {
    for (const [index, seed] of queue) {
      paths[index] = (await upload({ target, sizeBytes, seed, untilReady: false })).path
    }
  }
  const places = targets.flatMap((target) => Array.from({ length: connectionCount }, () => target))
  const startedAtMs = performance.now()
  await Promise.all(places.map(runOn))
  return { paths, elapsedMs: performance.now() - startedAtMs }
}

/** Creation-with-upload for every file. All requests are made before the clock starts. */
async function sendSmallFiles(task: SmallFilesTask): Promise<ManyResult> {
  const { target, sizeBytes, fileCount, connectionCount, seed } = task
  const requests = Array.from({ length: fileCount }, (_, index) =>
    requestBytes(
      {
        method: 'POST',
        path: '/uploads',
        headers: {
          ...creationHeaders(target, sizeBytes, `small-${seed}-${index}.bin`),
          'Content-Type': 'application/offset+octet-stream',
        },
      },
      smallPayload(sizeBytes, seed, index),
    ),
  )
  const connections = await Promise.all(
    Array.from({ length: connectionCount }, () => HttpConnection.open(target.port)),
  )
  const answers: Answer[] = []
  const queue = requests.entries()
  const startedAtMs = performance.now()
  try {
    await Promise.all(
      connections.map(async (connection) => {
        // The iterator is shared: each connection takes the next request as soon as it is free.
        for (const [index, request] of queue) answers[index] = await connection.send(request)
      }),
    )
    const elapsedMs = performance.now() - startedAtMs
    return { paths: answers.map((answer) => locationOf(answer)), elapsedMs }
  } finally {
    for (const connection of connections) connection.close()
  }
}

/** Reads a 200 to its last byte into one reused buffer. */
function download({ port, path, hash }: DownloadTask): Promise<DownloadResult> {
  const digest = hash ? createHash('sha256') : undefined
  return new Promise((resolve, reject) => {
    const startedAtMs = performance.now()
    let sizeBytes: number | undefined
    let receivedBytes = 0
    const receive = (chunk: Buffer): void => {
      digest?.update(chunk)
      receivedBytes += chunk.length
    }
    const socket = connect({
      host: '127.0.0.1',
      port,
      onread: {
        buffer: Buffer.allocUnsafe(READ_BUFFER_BYTES),
        callback: (bytesRead, buffer) => {
          const chunk = Buffer.from(buffer.buffer, buffer.byteOffset, bytesRead)
          if (sizeBytes === undefined) {
            const head = parseHead(chunk)
            sizeBytes = head?.status === 200 ? Number(head.headers.get('content-length')) : Number.NaN
            if (!head || Number.isNaN(sizeBytes)) {
              socket.destroy(
                new Error(`No 200 with a length for ${path}: ${chunk.toString('latin1', 0, 300)}`),
              )
              return false
            }
            receive(chunk.subarray(head.bodyStart))
          } else {
            receive(chunk)
          }
          if (receivedBytes < sizeBytes) return true
          const elapsedMs = performance.now() - startedAtMs
          resolve({ sizeBytes: receivedBytes, elapsedMs, sha256: digest?.digest('hex') ?? null })
          socket.destroy()
          return false
        },
      },
    })
    socket.on('error', reject)
    socket.on('close', () => reject(new Error(`The download of ${path} ended after ${receivedBytes} bytes.`)))
    socket.write(headBytes({ method: 'GET', path, headers: { 'Accept-Encoding': 'identity' } }))
  })
}

async function create(
  connection: HttpConnection,
  target: Target,
  sizeBytes: number,
  filename: string,
): Promise<string> {
  const headers = creationHeaders(target, sizeBytes, filename)
  return locationOf(
    await connection.send(requestBytes({ method: 'POST', path: '/uploads', headers }, Buffer.alloc(0))),
  )
}

async function waitUntilReady(connection: HttpConnection, target: Target, path: string): Promise<void> {
  const request = requestBytes({ method: 'GET', path, headers: commonHeaders(target) }, Buffer.alloc(0))
  const giveUpAtMs = performance.now() + READY_LIMIT_MS
  while (performance.now() < giveUpAtMs) {
    const answer = await connection.send(request)
    expectStatus(answer, 200)
    const report: unknown = JSON.parse(answer.body.toString())
    if (typeof report === 'object' && report !== null && 'state' in report && report.state === 'ready') return
  }
  throw new Error(`${path} was not ready within ${READY_LIMIT_MS} ms.`)
}

function commonHeaders(target: Target): Record<string, string> {
  return { 'Tus-Resumable': '1.0.0', Authorization: target.authorization }
}

function creationHeaders(target: Target, sizeBytes: number, filename: string): Record<string, string> {
  return {
    ...commonHeaders(target),
    'Upload-Length': String(sizeBytes),
    'Upload-Metadata': `filename ${Buffer.from(filename).toString('base64')}`,
  }
}

function locationOf(answer: Answer): string {
  expectStatus(answer, 201)
  const location = answer.headers.get('location')
  if (location === undefined) throw new Error('A 201 without Location.')
  // Only the path: the host in it is the server's public name, the bench talks to this machine.
  return new URL(location, 'http://localhost').pathname
}

function expectStatus(answer: Answer, status: number): void {
  if (answer.status === status) return
  throw new Error(`Expected ${status}, got ${answer.status}: ${answer.body.toString('utf8', 0, 500)}`)
}
