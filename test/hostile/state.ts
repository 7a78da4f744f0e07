// Everything that a server keeps, as something to compare: the rows of all its tables, and what lies in its store.

import { readdir, stat } from 'node:fs/promises'
import path from 'node:path'
import pg from 'pg'
import type { TestServer } from '../support/server.js'

/** Columns that move by themselves: leases that a refused request may have held, and places in the order of events. */
const MOVING: Readonly<Record<string, readonly string[]>> = {
  uploads: ['lease_epoch', 'lease_until'],
  events: ['sequence'],
  webhooks: ['cursor'],
}

/** Which migrations there are, and how often somebody has asked: no state of anybody's. */
const UNCOUNTED = ['_prisma_migrations', 'rate_limits']

/** By table: how many rows, and a digest of them; and what lies in the store. */
export type State = Readonly<Record<string, string>>

/** Looks into one server's database over a connection of its own. */
export class StateReader {
  readonly #client: pg.Client
  readonly #dataDir: string
  readonly #sql: string

  private constructor(client: pg.Client, dataDir: string, sql: string) {
    this.#client = client
    this.#dataDir = dataDir
    this.#sql = sql
  }

  static async open({ databaseUrl, dataDir }: TestServer): Promise<StateReader> {
    const client = new pg.Client({ connectionString: databaseUrl })
    client.on('error', () => {})
    await client.connect()
    const { rows } = await client.query<{ name: string }>(
      `SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' ORDER BY 1`,
    )
    const tables = rows.map(({ name }) => name).filter((name) => !UNCOUNTED.includes(name))
    return new StateReader(client, dataDir, tables.map(digestOf).join(' UNION ALL '))
  }

  async read(): Promise<State> {
    const { rows } = await this.#client.query<{ name: string; content: string }>(this.#sql)
    const objects = await this.#namesIn('objects')
    const sizes = await Promise.all(
      objects.map(async (name) => (await stat(this.#path('objects', name))).size),
    )
    return {
      ...Object.fromEntries(rows.map(({ name, content }) => [name, content])),
      // What goes on there past the offset is nobody's: it is written over.
      'store/tmp': (await this.#namesIn('tmp')).join('\n'),
      'store/objects': objects.map((name, place) => `${name} ${sizes[place]}`).join('\n'),
    }
  }

  async close(): Promise<void> {
    await this.#client.end()
  }

  async #namesIn(room: string): Promise<string[]> {
    return (await readdir(this.#path(room))).sort()
  }

  #path(room: string, name = ''): string {
    return path.join(this.#dataDir, 'store', room, name)
  }
}

function digestOf(table: string): string {
  const moving = (MOVING[table] ?? []).map((column) => ` - '${column}'`).join('')
  return `SELECT '${table}' AS name,
    count(*) || ' rows ' || md5(coalesce(string_agg(line, '\n' ORDER BY line), '')) AS content
    FROM (SELECT (to_jsonb("${table}")${moving})::text AS line FROM "${table}") AS lines`
}
