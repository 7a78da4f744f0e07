// Server-Sent Events: a page of events as frames, and the pace at which a reader gets them. Knows no Express.

import type { ServerResponse } from 'node:http'
import type { OwnerScope } from '../auth/owner-scope.js'
import type { EventRecord } from './event.js'
import type { EventPage } from './ring.js'
import type { EventTail } from './tail.js'

/** So few that even a slow reader takes them in `patienceMs`. */
export const EVENTS_AT_ONCE = 100

const RECONNECT_AFTER_MS = 2_000

/**
 * Before the first event, so that readers and proxies see a living stream. By the HTML standard an id without data is no event,
 * but is the `Last-Event-ID` of a reader who loses the stream before there was one.
 */
const openingAt = (since: number): string => `id: ${since}\nretry: ${RECONNECT_AFTER_MS}\n\n`

const HEARTBEAT = ':\n\n'

export interface StreamPace {
  /** How long a stream is silent at most. */
  heartbeatMs: number
  /** How long a reader may take to take what it was sent. */
  patienceMs: number
}

/**
 * Sends `first`, then every event of `scope` behind it, until `signal` aborts; then ends the answer. A reader that is too slow
 * is cut off.
 *
 * @throws UNAVAILABLE when older events can't be read
 */
export async function streamEvents(
  response: ServerResponse,
  { tail, scope, since, first, signal, pace }: StreamOptions,
): Promise<void> {
  let page = first
  let text = openingAt(since)
  let sentAtMs = performance.now()
  while (!signal.aborted) {
    text += page.events.map(frameOf).join('')
    if (text !== '') {
      if (!(await send(response, text, signal, pace.patienceMs))) {
        response.destroy()
        return
      }
      sentAtMs = performance.now()
    }
    // Others' events wake us too: silence is counted from what this reader was sent.
    const silentUntilMs = sentAtMs + pace.heartbeatMs
    await tail.changed(page.next, { waitMs: Math.max(0, silentUntilMs - performance.now()), signal })
    text = performance.now() < silentUntilMs ? '' : HEARTBEAT
    page = await tail.readKnown(scope, page.next, EVENTS_AT_ONCE)
  }
  response.end()
}

export interface StreamOptions {
  tail: EventTail
  scope: OwnerScope
  /** The sequence that `first` begins behind. */
  since: number
  first: EventPage
  /** Aborts when the reader has gone, and when the tail closes. */
  signal: AbortSignal
  pace: StreamPace
}

const frames = new WeakMap<EventRecord, string>()

/** The same event goes to many readers at once: its frame is made once. JSON has no line breaks of its own. */
export function frameOf(event: EventRecord): string {
  const known = frames.get(event)
  if (known !== undefined) return known
  const frame = `id: ${event.sequence}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`
  frames.set(event, frame)
  return frame
}

/** False when the kernel hasn't taken it all in `patienceMs`. */
async function send(
  response: ServerResponse,
  text: string,
  signal: AbortSignal,
  patienceMs: number,
): Promise<boolean> {
  if (response.write(text) || signal.aborted) return true
  return new Promise<boolean>((resolve) => {
    const settle = (isTaken: boolean): void => {
      clearTimeout(timer)
      response.off('drain', onTaken)
      signal.removeEventListener('abort', onTaken)
      resolve(isTaken)
    }
    const onTaken = (): void => settle(true)
    const timer = setTimeout(() => settle(false), patienceMs)
    response.on('drain', onTaken)
    signal.addEventListener('abort', onTaken)
  })
}
