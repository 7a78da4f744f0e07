// People with keys of their own on one real server, and what the database holds: what tests of rights look at.

import { openApiKeys } from '../../server/auth/api-keys.js'
import type { Scope } from '../../server/auth/identity.js'
import { openDatabase } from '../../server/database/client.js'
import type { Answer } from '../openapi/described.js'
import { type Ask, ask } from '../openapi/exchange.js'
import { withConnection } from '../support/database.js'
import type { TestServer } from '../support/server.js'

export const EVERYTHING: readonly Scope[] = ['upload', 'read', 'delete']

/** Somebody with a credential; without a key: somebody who has none. */
export class Person {
  readonly owner: string
  readonly key: string | null
  readonly #url: string

  constructor(url: string, owner: string, key: string | null) {
    this.#url = url
    this.owner = owner
    this.key = key
  }

  async send(request: Ask): Promise<Answer> {
    const credential = this.key === null ? {} : { 'X-API-Key': this.key }
    const answer = await ask(this.#url, { ...request, headers: { ...credential, ...request.headers } })
    if (answer === undefined) throw new Error(`${request.method} ${request.target}: no answer`)
    return answer
  }

  async get<T>(target: string): Promise<T> {
    return jsonOf(await this.send({ method: 'GET', target, headers: { Accept: 'application/json' } }))
  }

  /** `body` as JSON. */
  json(method: string, target: string, body: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    return this.send({
      method,
      target,
      headers: { 'Content-Type': 'application/json', ...headers },
      body: JSON.stringify(body),
    })
  }

  /** A whole file by POST. @returns the file, by its id: its SHA-256 */
  async put(target: string, body: string): Promise<{ upload_id: string; file_id: string }> {
    const headers = { 'Content-Type': 'text/csv' }
    return jsonOf(await this.send({ method: 'POST', target, headers, body }))
  }

  async makePackage(about: Record<string, unknown> = {}): Promise<string> {
    const { id } = jsonOf<{ id: string }>(await this.json('POST', '/packages', { name: 'p', ...about }))
    return id
  }

  async share(packageId: string, grantee: string, access: 'read' | 'write'): Promise<void> {
    const answer = await this.json('PUT', `/packages/${packageId}/shares/${grantee}`, { access })
    if (answer.status !== 200) throw new Error(`Not shared: ${answer.body.toString()}`)
  }
}

export interface Keys {
  make(
    owner: string,
    scopes?: readonly Scope[],
    options?: { groups?: readonly string[]; ttlSeconds?: number },
  ): Promise<Person>
  close(): Promise<void>
}

/** Makes keys beside the server, as the operator would. */
export async function keysOf({ url, databaseUrl = '' }: TestServer): Promise<Keys> {
  const database = await openDatabase(databaseUrl)
  const apiKeys = openApiKeys(database.prisma, { upload: [], read: [], delete: [] })
  return {
    async make(owner, scopes = EVERYTHING, { groups = [], ttlSeconds } = {}) {
      const { key } = await apiKeys.create({ name: owner, owner, scopes, groups, ttlSeconds })
      return new Person(url, owner, key)
    },
    close: () => database.close(),
  }
}

export function rowsOf<Row extends object>(
  { databaseUrl = '' }: TestServer,
  sql: string,
  values: unknown[] = [],
): Promise<Row[]> {
  return withConnection(databaseUrl, async (client) => (await client.query<Row>(sql, values)).rows)
}

/** Each with what changes without anybody asking: deliveries that are tried again, the place of an event in the order. */
const TABLES: Readonly<Record<string, readonly string[]>> = {
  ...{ uploads: [], parts: [], concat_sources: [], blobs: [], garbage: [] },
  ...{ packages: [], package_shares: [], retention_extensions: [], owner_usage: [] },
  ...{ api_keys: [], webhooks: ['cursor'], events: ['sequence'] },
}

/** Everything that the database holds, as text, table by table. */
export async function stateOf(server: TestServer): Promise<Record<string, string[]>> {
  const statements = Object.entries(TABLES).map(
    ([table, unstable]) =>
      `SELECT '${table}' AS name, (to_jsonb(${table}) - '{${unstable.join()}}'::text[])::text AS row FROM ${table}`,
  )
  const rows = await rowsOf<{ name: string; row: string }>(
    server,
    `${statements.join(' UNION ALL ')} ORDER BY 1, 2`,
  )
  const state: Record<string, string[]> = {}
  for (const { name, row } of rows) state[name] = [...(state[name] ?? []), row]
  return state
}

export function jsonOf<T>(answer: Answer): T {
  const text = answer.body.toString('utf8')
  if (answer.status >= 400) throw new Error(`${answer.status}: ${text}`)
  return JSON.parse(text)
}

export function codeOf(answer: Answer): string | undefined {
  const text = answer.body.toString('utf8')
  if (answer.status < 400 || text === '') return undefined
  return String((JSON.parse(text) as { code?: unknown }).code)
}
