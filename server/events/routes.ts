// GET /events: the log's end by long poll and as a stream, two faces of one cursor.

import { encode, rfc8949EncodeOptions } from 'cborg'
import { type Request, type Response, Router } from 'express'
import { identityOf, requireScope } from '../auth/bearer.js'
import { type Identity, TOKEN_LEEWAY_SECONDS } from '../auth/identity.js'
import { type OwnerScope, ownScope } from '../auth/owner-scope.js'
import { AppError } from '../errors.js'
import { parseInput } from '../http/input.js'
import { CBOR, EVENT_FORMATS, EVENT_STREAM, eventsHeaders, eventsQuery, LATEST } from './operations.js'
import type { EventPage } from './ring.js'
import { EVENTS_AT_ONCE, type StreamPace, streamEvents } from './stream.js'
import type { EventTail } from './tail.js'

export interface EventRoutesOptions {
  /** When it closes, every reader gets the end of its answer. */
  tail: EventTail
  pace?: StreamPace
}

const DEFAULT_PACE: StreamPace = { heartbeatMs: 15_000, patienceMs: 60_000 }

export function eventRoutes({ tail, pace = DEFAULT_PACE }: EventRoutesOptions): Router {
  const readers = new Set<AbortController>()
  // One listener for all: thousands on one signal would be slow to leave.
  tail.closing.addEventListener('abort', () => {
    for (const reader of readers) reader.abort()
  })
  const router = Router()

  // Express sends HEAD here, too. It never waits: it has no body to wait for.
  router.get('/', requireScope('read'), async (request, response) => {
    const query = parseInput(eventsQuery, request.query, 'query')
    const headers = parseInput(eventsHeaders, request.headers, 'headers')
    const format = formatOf(request)
    const scope = ownScope(identityOf(request))
    const isStream = format === EVENT_STREAM
    const wanted = (isStream ? headers['last-event-id'] : undefined) ?? query.since
    const limit = isStream ? EVENTS_AT_ONCE : query.limit
    const isHead = request.method === 'HEAD'
    const reader = open(response, isStream ? leftMs(identityOf(request)) : undefined)

    const since = wanted === LATEST ? await tail.newest() : wanted
    const first = await tail.read(scope, since, limit)
    if (since > tail.head) throw notYet(since, tail.head)
    response.set({ 'Cache-Control': 'no-store', 'X-Accel-Buffering': 'no', Vary: 'Accept' })
    if (isStream) {
      // The connection has no use after a stream, and would hold up a stop.
      response.set({ 'Content-Type': EVENT_STREAM, Connection: 'close' }).flushHeaders()
      if (isHead) response.end()
      else await streamEvents(response, { tail, scope, since, first, signal: reader, pace })
      return
    }
    const page = await waitForEvents(first, {
      scope,
      limit,
      waitMs: isHead ? 0 : query.wait * 1000,
      signal: reader,
    })
    if (tail.closing.aborted) response.set('Connection', 'close')
    sendPage(response, page, format)
  })

  return router

  /** Aborts when the answer is over, from either side, when the tail closes, and after `lifeMs`. */
  function open(response: Response, lifeMs: number | undefined): AbortSignal {
    const reader = new AbortController()
    readers.add(reader)
    const end = lifeMs === undefined ? undefined : setTimeout(() => reader.abort(), lifeMs)
    response.once('close', () => {
      clearTimeout(end)
      readers.delete(reader)
      reader.abort()
    })
    if (tail.closing.aborted) reader.abort()
    return reader.signal
  }

  async function waitForEvents(first: EventPage, { scope, limit, waitMs, signal }: Wait): Promise<EventPage> {
    const untilMs = performance.now() + waitMs
    let page = first
    while (page.events.length === 0 && !signal.aborted) {
      const leftMs = untilMs - performance.now()
      if (leftMs <= 0) break
      await tail.changed(page.next, { waitMs: leftMs, signal })
      page = await tail.readKnown(scope, page.next, limit)
    }
    return page
  }
}

/** Of a stream. Its reader comes back with a credential that is looked at anew: so a revoked one reads for no longer. */
const STREAM_LIFE_MS = 3_600_000

/** How long a stream may go on: until its credential ends, as far as that is known now. */
function leftMs({ expiresAt }: Identity): number {
  if (expiresAt === undefined) return STREAM_LIFE_MS
  return Math.min(STREAM_LIFE_MS, Math.max(0, expiresAt.getTime() + TOKEN_LEEWAY_SECONDS * 1000 - Date.now()))
}

interface Wait {
  scope: OwnerScope
  limit: number
  waitMs: number
  signal: AbortSignal
}

/** @throws NOT_ACCEPTABLE */
function formatOf(request: Request): (typeof EVENT_FORMATS)[number] {
  const accepted = request.accepts([...EVENT_FORMATS])
  const format = EVENT_FORMATS.find((one) => one === accepted)
  if (format !== undefined) return format
  throw new AppError('NOT_ACCEPTABLE', `Events come as ${EVENT_FORMATS.join(', ')}. Accept one of them.`, {
    details: { available: EVENT_FORMATS },
  })
}

function sendPage(response: Response, page: EventPage, format: string): void {
  if (format === CBOR) response.type(CBOR).send(Buffer.from(encode(page, rfc8949EncodeOptions)))
  else response.json(page)
}

/** Only a sequence from elsewhere, or from a database that was set back, lies ahead: waiting there would miss events. */
function notYet(since: number, newest: number): AppError {
  return new AppError(
    'INVALID_INPUT',
    `There is no event ${since} yet: the newest is ${newest}. Go on from the \`next\` of your last answer, or begin at 0.`,
    { details: { newest } },
  )
}
