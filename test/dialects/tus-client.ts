// A small tus client that sends exactly what a test says, and what a test looks at afterwards.

import { createCipheriv, createHash } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import path from 'node:path'
import type { Readable } from 'node:stream'
import { expect } from '@jest/globals'
import type { Report } from '../../server/uploads/report.js'
import { withConnection } from '../support/database.js'
import { type Answer, ask } from './exchange.js'

export type HeaderValues = Record<string, string | number | undefined>

/** What a server under test has to tell: started as a process, or in this one. */
export interface Target {
  readonly url: string
  readonly key: string
  readonly dataDir: string
  readonly databaseUrl: string | undefined
}

export interface Creation {
  /** Null: deferred. */
  sizeBytes: number | null
  /** In clear; written in Base64. */
  metadata?: Record<string, string>
  body?: Uint8Array | Readable
  headers?: HeaderValues
}

export class TusClient {
  readonly #target: Target
  readonly key: string

  /** @param key another owner's, instead of the target's */
  constructor(target: Target, key: string = target.key) {
    this.#target = target
    this.key = key
  }

  /** A request with the credential and `Tus-Resumable`; a header that is undefined is left out. */
  send(
    method: string,
    requestPath: string,
    headers: HeaderValues = {},
    body?: Uint8Array | Readable,
  ): Promise<Answer> {
    const all: HeaderValues = { Authorization: `Bearer ${this.key}`, 'Tus-Resumable': '1.0.0', ...headers }
    // http.request only then knows that an empty body is meant.
    if (body instanceof Uint8Array) all['Content-Length'] ??= body.byteLength
    const given = Object.entries(all).filter(([, value]) => value !== undefined)
    return ask(this.#target.url, {
      method,
      path: requestPath,
      headers: Object.fromEntries(given),
      ...(body === undefined ? {} : { body }),
    })
  }

  create({ sizeBytes, metadata = {}, body, headers = {} }: Creation): Promise<Answer> {
    return this.send(
      'POST',
      '/uploads',
      {
        ...(sizeBytes === null ? { 'Upload-Defer-Length': 1 } : { 'Upload-Length': sizeBytes }),
        ...(Object.keys(metadata).length === 0 ? {} : { 'Upload-Metadata': writeMetadata(metadata) }),
        ...(body === undefined ? {} : { 'Content-Type': 'application/offset+octet-stream' }),
        ...headers,
      },
      body,
    )
  }

  /** Creates without a body; answers the new upload's id. */
  async begin(sizeBytes: number | null, metadata: Record<string, string> = {}): Promise<string> {
    const answer = await this.create({ sizeBytes, metadata })
    expect(answer.status).toBe(201)
    return idOf(answer)
  }

  /** Creates with the whole of `bytes`; answers the ready upload's report. */
  async put(bytes: Uint8Array, metadata: Record<string, string> = {}): Promise<Report> {
    const answer = await this.create({ sizeBytes: bytes.byteLength, metadata, body: bytes })
    expect(answer.status).toBe(201)
    const report = await this.report(idOf(answer))
    expect(report).toMatchObject({ state: 'ready', size: bytes.byteLength, checksums: checksumsOf(bytes) })
    return report
  }

  patch(
    id: string,
    offset: number | string,
    body: Uint8Array | Readable,
    headers: HeaderValues = {},
  ): Promise<Answer> {
    return this.send(
      'PATCH',
      `/uploads/${id}`,
      { 'Upload-Offset': offset, 'Content-Type': 'application/offset+octet-stream', ...headers },
      body,
    )
  }

  head(id: string): Promise<Answer> {
    return this.send('HEAD', `/uploads/${id}`)
  }

  async report(id: string): Promise<Report> {
    const answer = await this.send('GET', `/uploads/${id}`, { 'Tus-Resumable': undefined })
    expect(answer.status).toBe(200)
    return JSON.parse(answer.body.toString())
  }

  remove(id: string): Promise<Answer> {
    return this.send('DELETE', `/uploads/${id}`)
  }

  /** The bytes behind a report's retrieval URL. */
  async retrieve(report: Report): Promise<Buffer> {
    const answer = await ask(this.#target.url, { method: 'GET', path: pathOf(report.retrieval_url) })
    expect(answer.status).toBe(200)
    return answer.body
  }
}

export function idOf(answer: Answer): string {
  return String(answer.headers.location).split('/').at(-1) ?? ''
}

/** A retrieval URL without its origin, as it goes into a request line. */
export function pathOf(url: string | null): string {
  expect(url).not.toBeNull()
  const { pathname, search } = new URL(url ?? '')
  return pathname + search
}

export function writeMetadata(values: Record<string, string | Uint8Array>): string {
  return Object.entries(values)
    .map(([key, value]) => `${key} ${Buffer.from(value).toString('base64')}`)
    .join(',')
}

export function checksumsOf(bytes: Uint8Array): { md5: string; sha1: string; sha256: string } {
  const hex = (algorithm: string) => createHash(algorithm).update(bytes).digest('hex')
  return { md5: hex('md5'), sha1: hex('sha1'), sha256: hex('sha256') }
}

/** Bytes that look random and don't repeat, the same for the same `seed`. */
export function someBytes(lengthBytes: number, seed = 1): Buffer {
  const key = createHash('md5').update(String(seed)).digest()
  return createCipheriv('aes-128-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(lengthBytes))
}

/** Asserts that both are the same, without a diff of megabytes. */
export function expectSameBytes(actual: Uint8Array, expected: Uint8Array): void {
  expect({ length: actual.byteLength, ...checksumsOf(actual) }).toEqual({
    length: expected.byteLength,
    ...checksumsOf(expected),
  })
}

/** The keys of what lies in the store, sorted. */
export async function stored(target: Target): Promise<{ tmp: string[]; objects: string[] }> {
  const folder = path.join(target.dataDir, 'store')
  const [tmp, objects] = await Promise.all(['tmp', 'objects'].map((room) => readdir(path.join(folder, room))))
  return { tmp: (tmp ?? []).sort(), objects: (objects ?? []).sort() }
}

/** Rows straight from the server's database. */
export function rowsOf<Row extends object>(
  target: Target,
  sql: string,
  values: unknown[] = [],
): Promise<Row[]> {
  return withConnection(
    target.databaseUrl ?? '',
    async (client) => (await client.query<Row>(sql, values)).rows,
  )
}

/** The types of an upload's events, in order. */
export async function eventsOf(target: Target, uploadId: string): Promise<string[]> {
  const sql = 'SELECT type FROM events WHERE upload_id = $1 ORDER BY id'
  return (await rowsOf<{ type: string }>(target, sql, [uploadId])).map((row) => row.type)
}
