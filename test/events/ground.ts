// Instances that serve GET /events over real sockets on one real PostgreSQL, and readers of it.

import { once } from 'node:events'
import { createServer, get, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import type pg from 'pg'
import { authenticate } from '../../server/auth/bearer.js'
import type { Identity } from '../../server/auth/identity.js'
import { type Database, openDatabase } from '../../server/database/client.js'
import type { EventRecord } from '../../server/events/event.js'
import { eventOperations } from '../../server/events/operations.js'
import { EventOrder } from '../../server/events/order.js'
import { eventRoutes } from '../../server/events/routes.js'
import type { StreamPace } from '../../server/events/stream.js'
import { EventTail } from '../../server/events/tail.js'
import { allowedMethods } from '../../server/http/allowed-methods.js'
import { createLog } from '../../server/ops/log.js'
import { requestId } from '../../server/ops/request-id.js'
import { problemHandler } from '../../server/problem.js'

export interface Instance {
  readonly url: string
  readonly database: Database
  readonly tail: EventTail
  readonly server: Server
  /** How often the database was asked by the tail. */
  lookCount(): number
  close(): Promise<void>
}

class CountingOrder extends EventOrder {
  count = 0

  override look(): ReturnType<EventOrder['look']> {
    this.count += 1
    return super.look()
  }

  override read(...args: Parameters<EventOrder['read']>): ReturnType<EventOrder['read']> {
    this.count += 1
    return super.read(...args)
  }
}

/** The key `admin` sees all, `upload-only` may not read, any other is that owner's. */
async function identify(key: string): Promise<Identity> {
  if (key === 'upload-only') return { owner: key, scopes: new Set(['upload']) }
  return { owner: key, scopes: new Set([key === 'admin' ? 'admin' : 'read']) }
}

export async function startInstance(
  databaseUrl: string,
  { pace, ringEvents, anonRead = false }: { pace?: StreamPace; ringEvents?: number; anonRead?: boolean } = {},
): Promise<Instance> {
  const database = await openDatabase(databaseUrl)
  const order = new CountingOrder(database.prisma)
  const tail = new EventTail(order, ringEvents === undefined ? {} : { ringEvents })
  const app = express().disable('etag').set('query parser', 'simple')
  app.use(requestId, authenticate({ identify, anonRead }))
  app.use('/events', eventRoutes(pace === undefined ? { tail } : { tail, pace }))
  app.use(allowedMethods(eventOperations))
  app.use(problemHandler(createLog({ level: 'silent' })))
  const server = createServer({ noDelay: true }, app).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    database,
    tail,
    server,
    lookCount: () => order.count,
    async close() {
      await tail.close()
      server.closeAllConnections()
      server.close()
      await database.close()
    },
  }
}

/** What the uploads' statements write, with `key` for a name. */
export async function insertEvent(client: pg.Client, owner: string, key: string): Promise<void> {
  await client.query(
    `INSERT INTO events (type, owner, upload_id, data) VALUES ('upload.created.v1', $1, 'u', jsonb_build_object(
      'state', 'receiving', 'filename', $2::text, 'label', null, 'relative_path', null, 'size', 5, 'sha256', null,
      'expires_at', now(), 'error', null))`,
    [owner, key],
  )
}

/** `count` events of one owner in one statement. */
export async function insertMany(
  client: pg.Client,
  owner: string,
  count: number,
  filename = 'many',
): Promise<void> {
  await client.query(
    `INSERT INTO events (type, owner, upload_id, data)
      SELECT 'upload.ready.v1', $1, 'u', jsonb_build_object('state', 'ready', 'filename', $3::text || n)
      FROM generate_series(1, $2::int) AS n`,
    [owner, count, filename],
  )
}

export function bearer(key: string): { Authorization: string } {
  return { Authorization: `Bearer ${key}` }
}

export interface Frame {
  id: number
  type: string
  data: EventRecord
}

/** A stream of Server-Sent Events, parsed as a browser would. */
export class StreamReader {
  readonly response: IncomingMessage
  /** Lines that begin with a colon. */
  commentCount = 0
  retryMs: number | undefined
  /** What EventSource would send as Last-Event-ID. */
  lastEventId = ''
  /** Whether the server ended it in order. */
  isComplete = false
  #text = ''
  readonly #frames: Frame[] = []
  #isOver = false
  #wake = (): void => {}

  private constructor(response: IncomingMessage) {
    this.response = response
    response.setEncoding('utf8')
    response.on('data', (text: string) => this.#take(text))
    response.on('end', () => {
      this.isComplete = true
    })
    response.on('error', () => {})
    response.on('close', () => {
      this.#isOver = true
      this.#wake()
    })
  }

  static async open(
    { url }: { url: string },
    key: string,
    { path = '/events', headers = {} }: { path?: string; headers?: Record<string, string> } = {},
  ): Promise<StreamReader> {
    const request = get(`${url}${path}`, {
      headers: { ...bearer(key), Accept: 'text/event-stream', ...headers },
      agent: false,
    })
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    request.on('error', () => {})
    if (response.statusCode !== 200) throw new Error(`The stream was refused with ${response.statusCode}.`)
    return new StreamReader(response)
  }

  /** Cuts the connection. */
  cut(): void {
    this.response.destroy()
  }

  /** The next event; null when the stream is over, or none came in `withinMs`. */
  async next(withinMs = 10_000): Promise<Frame | null> {
    const untilMs = performance.now() + withinMs
    while (this.#frames.length === 0 && !this.#isOver && performance.now() < untilMs) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, untilMs - performance.now())
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
    return this.#frames.shift() ?? null
  }

  async take(count: number): Promise<Frame[]> {
    const frames: Frame[] = []
    while (frames.length < count) {
      const frame = await this.next()
      if (frame === null) throw new Error(`The stream gave ${frames.length} events of ${count}.`)
      frames.push(frame)
    }
    return frames
  }

  async ended(): Promise<void> {
    if (!this.#isOver) await once(this.response, 'close')
  }

  #take(text: string): void {
    this.#text += text
    const blocks = this.#text.split('\n\n')
    this.#text = blocks.pop() ?? ''
    for (const block of blocks) this.#takeBlock(block)
    this.#wake()
  }

  #takeBlock(block: string): void {
    const fields = new Map(
      block.split('\n').map((line) => {
        const [name = '', ...rest] = line.split(':')
        return [name, rest.join(':').trimStart()]
      }),
    )
    if (fields.has('')) this.commentCount += 1
    if (fields.has('retry')) this.retryMs = Number(fields.get('retry'))
    this.lastEventId = fields.get('id') ?? this.lastEventId
    const data = fields.get('data')
    if (data === undefined) return
    this.#frames.push({
      id: Number(fields.get('id')),
      type: fields.get('event') ?? '',
      data: JSON.parse(data),
    })
  }
}
