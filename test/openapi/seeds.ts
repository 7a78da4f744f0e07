// Things that are there, so that what is asked of a server at random isn't only of things that never were.

import { createHash } from 'node:crypto'
import { z } from 'zod'
import fc from '../support/properties.js'
import { type Ask, ask } from './exchange.js'

const PLACES = ['uploads', 'packages', 'webhooks', 'keys', 'contents', 'tokens', 'cursors'] as const

/** Uploads, packages, webhooks and API keys by id, contents by SHA-256, tokens of retrieval URLs, cursors of lists. */
export type Place = (typeof PLACES)[number]

/** The name of one of them, to be replaced when the request is sent: what there is changes with every request. */
export function seed(place: Place): fc.Arbitrary<string> {
  return fc.nat(1000).map((number) => `~${place}.${number}~`)
}

const report = z.object({ id: z.string(), retrieval_url: z.string().nullable() })

export class Seeds {
  readonly #origin: string
  readonly #key: string
  readonly #there: Record<Place, string[]> = {
    uploads: [],
    packages: [],
    webhooks: [],
    keys: [],
    contents: [],
    tokens: [],
    cursors: [],
  }
  #made = 0
  #renewals = 0

  /** @param key of an owner who may do everything */
  constructor(origin: string, key: string) {
    this.#origin = origin
    this.#key = key
  }

  fill(text: string): string {
    return text.replaceAll(/~([a-z]+)\.(\d+)~/g, (name, place: string, number: string) => {
      const known = PLACES.find((one) => one === place)
      const there = known === undefined ? [] : this.#there[known]
      return there[Number(number) % there.length] ?? name
    })
  }

  /** Makes one more of everything, in every state that it can be in; the oldest are forgotten. */
  async renew(): Promise<void> {
    this.#renewals += 1
    const ready = await this.#file('a.csv', { label: `lake ${this.#renewals}` })
    await this.#file('b.csv', {})
    const canceled = await this.#session({ size: 3 })
    await this.#send({ method: 'DELETE', target: `/uploads/${canceled}` })
    const undone = await this.#session({ size: 3 })
    await this.#send({ method: 'DELETE', target: `/uploads/${undone}?undo_seconds=600` })
    for (const size of [{ size: 3 }, { size: 10, label: `river ${this.#renewals}` }, {}])
      this.#add('uploads', await this.#session(size))
    this.#add(
      'uploads',
      canceled,
      undone,
      await this.#failed(),
      await this.#partial(),
      await this.#whole(),
      await this.#whole(),
      ready.id,
    )
    this.#add('tokens', ready.retrieval_url?.split('/r/')[1]?.split('/')[0] ?? '')
    this.#add('contents', sha256Of(this.#content(this.#made)))

    const open = await this.#package()
    await this.#file('in.csv', { package_id: open })
    await this.#share(open)
    const finalized = await this.#package()
    await this.#file('in.csv', { package_id: finalized })
    await this.#send({ method: 'POST', target: `/packages/${finalized}/finalize` })
    const deleted = await this.#package()
    await this.#send({ method: 'DELETE', target: `/packages/${deleted}` })
    this.#add('packages', open, finalized, await this.#package(), deleted)
    await this.#webhook()
    await this.#apiKey()
    for (const list of ['/uploads', '/packages', `/packages/${finalized}/files`]) await this.#cursor(list)
  }

  #add(place: Place, ...found: string[]): void {
    this.#there[place] = [...found, ...this.#there[place]].slice(0, 16)
  }

  #content(number: number): string {
    return `content ${number}`
  }

  async #file(filename: string, about: Record<string, string>) {
    this.#made += 1
    const query = new URLSearchParams({ filename, ...about })
    const body = this.#content(this.#made)
    const { upload_id: id, retrieval_url } = z
      .object({ upload_id: z.string(), retrieval_url: z.string().nullable() })
      .parse(
        await this.#send({
          method: 'POST',
          target: `/files?${query}`,
          headers: { 'Content-Type': 'text/csv' },
          body,
        }),
      )
    return { id, retrieval_url }
  }

  async #session(about: Record<string, unknown>): Promise<string> {
    const answer = await this.#sendJson('/uploads', { filename: 'c.csv', ...about })
    return report.parse(answer).id
  }

  /** A session that only has to be completed. */
  async #whole(): Promise<string> {
    const id = await this.#session({ size: 3 })
    await this.#sendBytes(id)
    return id
  }

  /** An upload whose bytes aren't those that were declared. */
  async #failed(): Promise<string> {
    const id = await this.#session({ size: 3, checksums: { sha256: '0'.repeat(64) } })
    await this.#sendBytes(id)
    await this.#send({ method: 'POST', target: `/uploads/${id}/complete` }, [422])
    return id
  }

  async #sendBytes(id: string): Promise<void> {
    const headers = { 'Content-Range': 'bytes 0-2/3' }
    await this.#send({ method: 'PATCH', target: `/uploads/${id}`, headers, body: 'abc' })
  }

  async #partial(): Promise<string> {
    const headers = { 'Tus-Resumable': '1.0.0', 'Upload-Length': '3', 'Upload-Concat': 'partial' }
    const answer = await ask(this.#origin, {
      method: 'POST',
      target: '/uploads',
      headers: { ...headers, ...this.#credential, 'Content-Type': 'application/offset+octet-stream' },
      body: 'abc',
    })
    return String(answer?.headers.location).split('/').at(-1) ?? ''
  }

  async #package(): Promise<string> {
    return z
      .object({ id: z.string() })
      .parse(await this.#sendJson('/packages', { name: 'p', metadata: { site: 'x' } })).id
  }

  /** With the owner who may only read. */
  async #share(id: string): Promise<void> {
    const headers = { 'Content-Type': 'application/json' }
    const body = JSON.stringify({ access: 'read' })
    await this.#send({ method: 'PUT', target: `/packages/${id}/shares/reader`, headers, body })
  }

  /** An owner has only so many: the old one goes first. */
  async #webhook(): Promise<void> {
    for (const id of this.#there.webhooks.splice(2))
      await this.#send({ method: 'DELETE', target: `/webhooks/${id}` }, [404])
    const answer = await this.#sendJson('/webhooks', { url: 'http://127.0.0.1:9/hook' }, [409])
    const { id } = z.object({ id: z.string().optional() }).parse(answer)
    if (id !== undefined) this.#add('webhooks', id)
  }

  /** As webhooks. */
  async #apiKey(): Promise<void> {
    for (const id of this.#there.keys.splice(2)) {
      await this.#send({ method: 'DELETE', target: `/api-keys/${id}` }, [404])
    }
    const answer = await this.#sendJson('/api-keys', { name: 'k', scopes: ['read'] }, [409])
    const { id } = z.object({ id: z.string().optional() }).parse(answer)
    if (id !== undefined) this.#add('keys', id)
  }

  async #cursor(list: string): Promise<void> {
    const answer = await this.#send({ method: 'GET', target: `${list}?limit=1` })
    const { next_cursor: cursor } = z.object({ next_cursor: z.string().nullable() }).parse(answer)
    if (cursor !== null) this.#add('cursors', cursor)
  }

  get #credential() {
    return { 'X-API-Key': this.#key }
  }

  #sendJson(target: string, body: unknown, refusals: readonly number[] = []): Promise<unknown> {
    const headers = { 'Content-Type': 'application/json' }
    return this.#send({ method: 'POST', target, headers, body: JSON.stringify(body) }, refusals)
  }

  /** @param refusals statuses that are as good */
  async #send(request: Ask, refusals: readonly number[] = []): Promise<unknown> {
    const headers = { ...request.headers, ...this.#credential }
    const answer = await ask(this.#origin, { ...request, headers })
    const text = answer?.body.toString('utf8') ?? ''
    if (answer === undefined || (answer.status >= 400 && !refusals.includes(answer.status))) {
      throw new Error(`No seed: ${request.method} ${request.target} answered ${answer?.status}: ${text}`)
    }
    return text === '' ? undefined : (JSON.parse(text) as unknown)
  }
}

function sha256Of(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
