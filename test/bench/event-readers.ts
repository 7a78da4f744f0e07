// Many readers of one server's event stream, while uploads make events at a steady rate. Runs in the load process.

import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { HttpConnection, requestBytes } from './connection.js'
import type { FollowResult, FollowTask, Target } from './load-tasks.js'
import { smallPayload } from './payload.js'
import { median } from './statistics.js'

/** An upload in one request is created and ready. */
const EVENTS_OF_AN_UPLOAD = 2
const LAST_DELIVERY_LIMIT_MS = 20_000
const PAGE_EVENTS = 1000

/**
 * Opens `readerCount` streams, then makes `eventsPerSecond` for `seconds`.
 *
 * A delay counts from the event's own time, the beginning of its transaction, to its being read here: one machine, one clock.
 * Rejects when a reader missed an event, got one twice or in another order.
 */
export async function followEvents(task: FollowTask): Promise<FollowResult> {
  const { target, readerCount, eventsPerSecond, seconds, sizeBytes, seed } = task
  const since = await newestSequence(target)
  const readers = await Promise.all(
    Array.from({ length: readerCount }, () => StreamFollower.open(target, since)),
  )
  const connection = await HttpConnection.open(target.port)
  const uploadCount = Math.round((eventsPerSecond * seconds) / EVENTS_OF_AN_UPLOAD)
  const paths: string[] = []
  const startedAtMs = performance.now()
  try {
    for (let index = 0; index < uploadCount; index += 1) {
      const dueAtMs = startedAtMs + (index * EVENTS_OF_AN_UPLOAD * 1000) / eventsPerSecond
      await sleep(Math.max(0, dueAtMs - performance.now()))
      paths.push(await uploadOne(connection, target, smallPayload(sizeBytes, seed, index)))
    }
    const eventCount = uploadCount * EVENTS_OF_AN_UPLOAD
    const giveUpAtMs = performance.now() + LAST_DELIVERY_LIMIT_MS
    while (readers.some(({ sequences }) => sequences.length < eventCount) && performance.now() < giveUpAtMs) {
      await sleep(10)
    }
    expectSameOrder(readers, eventCount)
  } finally {
    connection.close()
    for (const reader of readers) reader.close()
  }
  const delaysMs = readers.flatMap((reader) => reader.delaysMs)
  return {
    paths,
    elapsedMs: performance.now() - startedAtMs,
    medianDelayMs: median(delaysMs),
    latestDelayMs: delaysMs.reduce((latest, delay) => Math.max(latest, delay), 0),
  }
}

function expectSameOrder(readers: readonly StreamFollower[], eventCount: number): void {
  const order = readers[0]?.sequences.join()
  for (const [index, { sequences }] of readers.entries()) {
    const isStrict = sequences.every(
      (sequence, place) => place === 0 || sequence > (sequences[place - 1] ?? 0),
    )
    if (sequences.length === eventCount && isStrict && sequences.join() === order) continue
    throw new Error(
      `Reader ${index} has ${sequences.length} events of ${eventCount}, in another order or not all.`,
    )
  }
}

/** One Server-Sent Events connection. */
class StreamFollower {
  readonly sequences: number[] = []
  readonly delaysMs: number[] = []
  readonly #response: IncomingMessage
  #rest = ''

  private constructor(response: IncomingMessage) {
    this.#response = response
    response.setEncoding('latin1')
    response.on('error', () => {})
    response.on('data', (text: string) => this.#take(text))
  }

  static async open({ port, authorization }: Target, since: number): Promise<StreamFollower> {
    const headers = { Authorization: authorization, Accept: 'text/event-stream' }
    const request = get({ host: '127.0.0.1', port, path: `/events?since=${since}`, headers, agent: false })
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    request.on('error', () => {})
    if (response.statusCode !== 200)
      throw new Error(`The event stream was refused with ${response.statusCode}.`)
    return new StreamFollower(response)
  }

  close(): void {
    this.#response.destroy()
  }

  #take(text: string): void {
    const nowMs = Date.now()
    const frames = (this.#rest + text).split('\n\n')
    this.#rest = frames.pop() ?? ''
    for (const frame of frames) {
      const [, id] = /^id: (\d+)$/m.exec(frame) ?? []
      const [, at] = /"at":"([^"]+)"/.exec(frame) ?? []
      if (id === undefined || at === undefined) continue // A comment, or the stream's opening.
      this.sequences.push(Number(id))
      this.delaysMs.push(nowMs - Date.parse(at))
    }
  }
}

async function newestSequence({ port, authorization }: Target): Promise<number> {
  const headers = { Authorization: authorization, Accept: 'application/json' }
  let since = 0
  for (;;) {
    const url = `http://127.0.0.1:${port}/events?limit=${PAGE_EVENTS}&since=${since}`
    const page: unknown = await (await fetch(url, { headers })).json()
    if (!isPage(page)) throw new Error(`No page of events: ${JSON.stringify(page)}`)
    since = page.next
    if (page.events.length === 0) return since
  }
}

function isPage(page: unknown): page is { events: unknown[]; next: number } {
  return (
    typeof page === 'object' &&
    page !== null &&
    'events' in page &&
    Array.isArray(page.events) &&
    'next' in page &&
    typeof page.next === 'number'
  )
}

async function uploadOne(connection: HttpConnection, target: Target, content: Buffer): Promise<string> {
  const headers = {
    Authorization: target.authorization,
    'Tus-Resumable': '1.0.0',
    'Upload-Length': String(content.length),
    'Content-Type': 'application/offset+octet-stream',
  }
  const answer = await connection.send(requestBytes({ method: 'POST', path: '/uploads', headers }, content))
  const location = answer.headers.get('location')
  if (answer.status !== 201 || location === undefined) throw new Error(`An upload got ${answer.status}.`)
  return new URL(location, 'http://localhost').pathname
}
