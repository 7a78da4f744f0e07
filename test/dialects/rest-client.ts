// The plain HTTP side of the server, as a test writes it: sessions, one-shots, content.

import type { Readable } from 'node:stream'
import type { Report } from '../../server/uploads/report.js'
import { type Answer, ask } from './exchange.js'
import type { HeaderValues } from './tus-client.js'

export class RestClient {
  readonly #url: string
  readonly #key: string

  constructor(target: { readonly url: string; readonly key: string }, key: string = target.key) {
    this.#url = target.url
    this.#key = key
  }

  /** A header that is undefined is left out. */
  send(
    method: string,
    path: string,
    headers: HeaderValues = {},
    body?: Uint8Array | Readable,
  ): Promise<Answer> {
    const all: HeaderValues = { Authorization: `Bearer ${this.#key}`, ...headers }
    if (body instanceof Uint8Array) all['Content-Length'] ??= body.byteLength
    const given = Object.entries(all).filter(([, value]) => value !== undefined)
    return ask(this.#url, {
      method,
      path,
      headers: Object.fromEntries(given),
      ...(body === undefined ? {} : { body }),
    })
  }

  json(method: string, path: string, value: unknown, headers: HeaderValues = {}): Promise<Answer> {
    return this.send(
      method,
      path,
      { 'Content-Type': 'application/json', ...headers },
      Buffer.from(JSON.stringify(value)),
    )
  }

  /** `PATCH` of `bytes` at `start`, of a file of `size` bytes, or '*'. */
  patch(id: string, start: number, bytes: Uint8Array, size: number | '*', headers: HeaderValues = {}) {
    const range = `bytes ${start}-${start + bytes.byteLength - 1}/${size}`
    return this.send('PATCH', `/uploads/${id}`, { 'Content-Range': range, ...headers }, bytes)
  }

  complete(id: string, body: unknown = {}): Promise<Answer> {
    return this.json('POST', `/uploads/${id}/complete`, body)
  }

  async report(id: string): Promise<Report> {
    return bodyOf(await this.send('GET', `/uploads/${id}`))
  }
}

export function bodyOf<T = Report>(answer: Answer): T {
  return JSON.parse(answer.body.toString())
}

/** The parameters that are not undefined. */
export function queryOf(values: Record<string, string | number | undefined>): string {
  const given = Object.entries(values).filter(([, value]) => value !== undefined)
  return new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString()
}
