// The event log as an async iterator: up to its end, or for ever over every break. What has been seen is never lost.

import { createParser } from 'eventsource-parser'
import type { Connection, Wait } from './connection.js'
import { connectionFailed } from './connection-words.js'
import { Deadline } from './deadline.js'
import { ApiError, ConnectionFailed, ForeignAnswer } from './errors.js'
import { askJson, query } from './json.js'
import { foreignWords } from './problem.js'
import { isPassing, retryDelayMs } from './retry.js'
import { at } from './routes.js'
import { sleep } from './sleep.js'
import type { Event, EventPage } from './types.js'

export interface EventOptions {
  /** The last sequence that is known already; default 0, the beginning of what is kept. `latest`: only what comes from now on. */
  since?: number | 'latest'
  /** Goes on at the log's end, for ever; default: ends there. */
  follow?: boolean
  signal?: AbortSignal | undefined
  /**
   * With `follow`: a connection is open, and tells all that comes behind `sequence`. Again after each break. Whatever is asked
   * of the server from now on has what lies before.
   */
  onOpen?: ((sequence: number) => void) | undefined
  /** Trouble that passes; by default the connection's. */
  onWait?: ((wait: Wait) => void) | undefined
  /** How long a stream may be silent until it counts as broken. The server says something every 15 seconds. */
  silenceSeconds?: number
}

const MOST_PER_PAGE = 1000
const SILENCE_SECONDS = 50
/** An event is some hundred bytes; whoever sends a line of this length isn't the server. */
const LONGEST_EVENT_CHARACTERS = 4 * 1024 * 1024

/**
 * Every event behind `since`, in order, none twice. Go on another time with the `sequence` of the last one.
 *
 * @throws Unauthorized, Forbidden, and InvalidInput when `since` lies ahead of the log; what passes is waited for
 */
export function events(
  connection: Connection,
  options: EventOptions = {},
): AsyncGenerator<Event, void, undefined> {
  return options.follow === true ? followed(connection, options) : upToEnd(connection, options)
}

async function* upToEnd(
  connection: Connection,
  { since = 0, signal }: EventOptions,
): AsyncGenerator<Event, void, undefined> {
  let page: EventPage
  let next: number | 'latest' = since
  do {
    const target = at('/events') + query({ since: next, limit: MOST_PER_PAGE })
    page = await askJson<EventPage>(connection, target, { headers: { accept: 'application/json' }, signal })
    yield* page.events
    next = page.next
  } while (page.events.length === MOST_PER_PAGE)
}

async function* followed(
  connection: Connection,
  { since = 0, signal, onOpen, onWait = connection.onWait, silenceSeconds = SILENCE_SECONDS }: EventOptions,
): AsyncGenerator<Event, void, undefined> {
  const silenceMs = silenceSeconds * 1000
  let last = since
  let attempt = 0
  for (;;) {
    const begunMs = performance.now()
    try {
      // Asked for on its own: when the first stream breaks before its first event, it is known where the next one begins.
      if (last === 'latest') last = await newest(connection, signal)
      for await (const event of stream(connection, { since: last, silenceMs, signal, onOpen })) {
        attempt = 0
        if (event.sequence <= last) continue
        last = event.sequence
        yield event
      }
      // The server ends streams after an hour, and when it stops.
      attempt = attemptAfter(attempt, begunMs, silenceMs)
      await sleep(retryDelayMs(attempt, Math.random()), signal)
    } catch (error) {
      signal?.throwIfAborted()
      if (!(error instanceof Error) || !isPassing(error)) throw error
      attempt = attemptAfter(attempt, begunMs, silenceMs)
      const retryAfterSeconds = error instanceof ApiError ? error.retryAfterSeconds : undefined
      const delayMs = retryDelayMs(attempt, Math.random(), retryAfterSeconds)
      onWait?.({ error, attempt, delayMs })
      await sleep(delayMs, signal)
    }
  }
}

/** One that lived longer than it may be silent was a good one, though nothing happened: the next is the first attempt again. */
function attemptAfter(attempt: number, begunMs: number, silenceMs: number): number {
  return performance.now() - begunMs > 2 * silenceMs ? 1 : attempt + 1
}

/** The sequence at the log's end. */
async function newest(connection: Connection, signal: AbortSignal | undefined): Promise<number> {
  const page = await askJson<EventPage>(connection, at('/events') + query({ since: 'latest', limit: 1 }), {
    headers: { accept: 'application/json' },
    patienceSeconds: 0,
    signal,
  })
  return page.next
}

interface StreamOptions extends Pick<EventOptions, 'signal' | 'onOpen'> {
  since: number
  silenceMs: number
}

/** One connection's events, until it ends or breaks. */
async function* stream(
  connection: Connection,
  { since, silenceMs, signal, onOpen }: StreamOptions,
): AsyncGenerator<Event, void, undefined> {
  const deadline = new Deadline(silenceMs, signal)
  const url = new URL(connection.url)
  try {
    const answer = await connection.ask(at('/events') + query({ since }), {
      headers: { accept: 'text/event-stream', 'last-event-id': String(since) },
      expects: 'event-stream',
      patienceSeconds: 0,
      signal: deadline.signal,
    })
    onOpen?.(since)
    for await (const chunk of chunksOf(answer, deadline, silenceMs)) yield* chunk
  } catch (error) {
    signal?.throwIfAborted()
    if (deadline.isOver) {
      throw new ConnectionFailed(`${url.host} has been silent for ${silenceMs / 1000} seconds.`, {
        code: 'ETIMEDOUT',
      })
    }
    const isKnown =
      error instanceof ApiError || error instanceof ForeignAnswer || error instanceof ConnectionFailed
    throw isKnown ? error : connectionFailed(error, url)
  } finally {
    deadline.end()
  }
}

/** The events of each piece that arrives. The next is taken when these have been used up: a slow reader slows the server. */
async function* chunksOf(
  answer: Response,
  deadline: Deadline,
  silenceMs: number,
): AsyncGenerator<Event[], void, undefined> {
  const reader = answer.body?.getReader()
  if (reader === undefined) return
  const decoder = new TextDecoder()
  let arrived: Event[] = []
  const parser = createParser({
    maxBufferSize: LONGEST_EVENT_CHARACTERS,
    onEvent: ({ data }) => arrived.push(eventIn(data)),
  })
  try {
    for (;;) {
      deadline.move(silenceMs)
      const { done, value } = await reader.read()
      // Time that the reader of the events takes isn't the server's silence.
      deadline.move(Number.POSITIVE_INFINITY)
      if (done) return
      parser.feed(decoder.decode(value, { stream: true }))
      if (arrived.length > 0) yield arrived
      arrived = []
    }
  } finally {
    await reader.cancel().catch(() => {})
  }
}

function eventIn(data: string): Event {
  try {
    return JSON.parse(data) as Event // openapi.json says so, from which the type is made
  } catch {
    throw new ForeignAnswer(foreignWords(200, data), 200)
  }
}
