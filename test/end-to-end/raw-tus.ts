// A tus client that hides nothing: one socket a request, bodies sent piece by piece, and cut wherever a test wants.

import http from 'node:http'
import type { Report } from '../../server/uploads/report.js'
import { resetConnection } from './reset.js'

export interface Answer {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  readonly body: Buffer
}

/** A PATCH whose body is still being sent. */
export interface RunningPatch {
  /** Resolves when the bytes have been handed to the kernel; also when the connection is broken. */
  write(bytes: Uint8Array): Promise<void>
  end(): void
  /** Breaks the connection. */
  cut(): void
  /** Null when the connection broke before an answer had come. */
  readonly answer: Promise<Answer | null>
}

export interface RawTus {
  /** @param size null: deferred. @returns the upload's id */
  create(size: number | null, metadata?: Readonly<Record<string, string>>): Promise<string>
  head(id: string): Promise<Answer>
  /** Upload-Offset as HEAD tells it; throws when HEAD fails. */
  offset(id: string): Promise<number>
  patch(
    id: string,
    offset: number,
    bytes: Uint8Array,
    headers?: http.OutgoingHttpHeaders,
  ): Promise<Answer | null>
  /** @param lengthBytes null: chunked */
  startPatch(
    id: string,
    offset: number,
    lengthBytes: number | null,
    headers?: http.OutgoingHttpHeaders,
  ): RunningPatch
  remove(id: string): Promise<Answer>
  report(id: string): Promise<Report>
}

export function rawTus({ url, key }: { readonly url: string; readonly key: string }): RawTus {
  const authorization = { Authorization: `Bearer ${key}` }
  const tus = { ...authorization, 'Tus-Resumable': '1.0.0' }

  async function head(id: string): Promise<Answer> {
    return answered(request('HEAD', `${url}/uploads/${id}`, tus))
  }

  function startPatch(
    id: string,
    offset: number,
    lengthBytes: number | null,
    headers: http.OutgoingHttpHeaders = {},
  ): RunningPatch {
    return startBody('PATCH', `${url}/uploads/${id}`, {
      ...tus,
      'Content-Type': 'application/offset+octet-stream',
      'Upload-Offset': String(offset),
      ...(lengthBytes === null ? {} : { 'Content-Length': String(lengthBytes) }),
      ...headers,
    })
  }

  return {
    async create(size, metadata = {}) {
      const length = size === null ? { 'Upload-Defer-Length': '1' } : { 'Upload-Length': String(size) }
      const headers = {
        ...tus,
        ...length,
        'Upload-Metadata': encodeMetadata(metadata),
        'Content-Length': '0',
      }
      const answer = await answered(request('POST', `${url}/uploads`, headers))
      if (answer.status !== 201) throw new Error(`Creation answered ${answer.status}: ${answer.body}`)
      return String(answer.headers.location).split('/').at(-1) ?? ''
    },
    head,
    async offset(id) {
      const answer = await head(id)
      if (answer.status !== 200) throw new Error(`HEAD answered ${answer.status}`)
      return Number(answer.headers['upload-offset'])
    },
    async patch(id, offset, bytes, headers) {
      const patch = startPatch(id, offset, bytes.byteLength, headers)
      await patch.write(bytes)
      patch.end()
      return patch.answer
    },
    startPatch,
    remove: (id) => answered(request('DELETE', `${url}/uploads/${id}`, tus)),
    async report(id) {
      const answer = await answered(request('GET', `${url}/uploads/${id}`, authorization))
      if (answer.status !== 200) throw new Error(`The report answered ${answer.status}: ${answer.body}`)
      return JSON.parse(answer.body.toString())
    },
  }
}

/** One GET on a connection of its own; throws when it breaks. */
export function get(url: string, headers: http.OutgoingHttpHeaders = {}): Promise<Answer> {
  return answered(request('GET', url, headers))
}

/** The `code` of an application/problem+json answer; undefined when it isn't one. */
export function problemCode(answer: Answer | null): string | undefined {
  if (!answer?.headers['content-type']?.startsWith('application/problem+json')) return undefined
  return JSON.parse(answer.body.toString()).code
}

export function encodeMetadata(metadata: Readonly<Record<string, string>>): string {
  return Object.entries(metadata)
    .map(([name, value]) => `${name} ${Buffer.from(value).toString('base64')}`)
    .join(',')
}

function request(method: string, url: string, headers: http.OutgoingHttpHeaders): http.ClientRequest {
  return http.request(url, { method, headers, agent: false }).end()
}

async function answered(sent: http.ClientRequest): Promise<Answer> {
  return new Promise((resolve, reject) => {
    sent.once('error', reject)
    sent.once('response', (response) => collect(response).then(resolve, reject))
  })
}

function startBody(method: string, url: string, headers: http.OutgoingHttpHeaders): RunningPatch {
  const sent = http.request(url, { method, headers, agent: false })
  sent.flushHeaders()
  const answer = new Promise<Answer | null>((resolve) => {
    sent.once('response', (response) => collect(response).then(resolve, () => resolve(null)))
    sent.on('error', () => resolve(null))
    sent.on('close', () => setImmediate(resolve, null))
  })
  return {
    write: (bytes) =>
      new Promise((resolve) => {
        if (sent.destroyed) {
          resolve()
          return
        }
        const done = () => {
          sent.off('close', done)
          resolve()
        }
        sent.once('close', done)
        sent.write(bytes, done)
      }),
    end: () => void sent.end(),
    cut: () => void (sent.socket ? resetConnection(sent.socket) : sent.destroy()),
    answer,
  }
}

async function collect(response: http.IncomingMessage): Promise<Answer> {
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk)
  return { status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }
}
