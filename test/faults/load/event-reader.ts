// A reader of the log from its beginning, by long polls or by a stream, over connections that break: it keeps what it was told,
// so that the verdict can compare it with the log.

import { createParser } from 'eventsource-parser'
import type { Oracle } from '../oracle.js'
import type { Client } from './client.js'
import { type Answer, isPassing, jsonOf, RunOver } from './connection.js'

export interface ToldEvent {
  readonly sequence: number
  readonly type: string
  readonly upload_id: string | null
}

export interface EventReading {
  readonly way: 'polls' | 'stream'
  readonly told: readonly ToldEvent[]
  /** Goes on until it has been told of `sequence`, or for `timeoutMs`. */
  reach(sequence: number, timeoutMs: number): Promise<void>
  /** @throws what went wrong in it */
  stop(): Promise<void>
}

const STREAM_PAUSE_MS = 200

/** Begins at once, at the first event there is. */
export function readEvents(client: Client, way: EventReading['way']): EventReading {
  const told: ToldEvent[] = []
  const stopped = new AbortController()
  const waiting = new Set<() => void>()
  const take = (event: ToldEvent) => {
    const last = told.at(-1)?.sequence ?? 0
    if (event.sequence <= last) {
      client.oracle.violate('event out of order', `by ${way}: ${event.sequence} ${event.type} after ${last}.`)
      return
    }
    told.push(event)
    for (const wake of waiting) wake()
  }
  const lastSequence = () => told.at(-1)?.sequence ?? 0
  const turn = way === 'polls' ? poll : follow
  const running = (async () => {
    try {
      while (!stopped.signal.aborted) {
        const answer = await turn(client, lastSequence(), take)
        if (answer === null || isPassing(answer)) await client.connection.rest(STREAM_PAUSE_MS)
        else if (answer.status !== 200) judge(client.oracle, way, answer)
      }
    } catch (error) {
      if (!(error instanceof RunOver)) throw error
    }
  })()
  running.catch(() => {})

  return {
    way,
    told,
    async reach(sequence, timeoutMs) {
      if (lastSequence() >= sequence) return
      await new Promise<void>((resolve) => {
        const end = () => {
          clearTimeout(timer)
          waiting.delete(look)
          resolve()
        }
        const look = () => {
          if (lastSequence() >= sequence) end()
        }
        const timer = setTimeout(end, timeoutMs)
        waiting.add(look)
      })
    },
    async stop() {
      stopped.abort()
      await running
    },
  }
}

type Take = (event: ToldEvent) => void

/** Of at most a hundred events. */
async function poll(client: Client, since: number, take: Take): Promise<Answer | null> {
  const path = `/events?since=${since}&limit=100&wait=3`
  const answer = await client.connection.ask({ method: 'GET', path, headers: { accept: 'application/json' } })
  if (answer?.status !== 200) return answer
  for (const event of jsonOf<{ events: ToldEvent[] }>(answer).events) take(event)
  return answer
}

/** Until it breaks, which it always does. */
async function follow(client: Client, since: number, take: Take): Promise<Answer | null> {
  const parser = createParser({
    onEvent: ({ data }) => {
      // It opens with an id alone.
      if (data !== '') take(JSON.parse(data) as ToldEvent) // What the server's own schema says of each.
    },
  })
  const decoder = new TextDecoder()
  return client.connection.ask({
    method: 'GET',
    path: `/events?since=${since}`,
    headers: { accept: 'text/event-stream' },
    watch: (piece) => parser.feed(decoder.decode(piece, { stream: true })),
  })
}

function judge(oracle: Oracle, way: string, answer: Answer): void {
  oracle.violate('unexpected refusal', `events by ${way}: ${answer.status} ${answer.body}`)
  throw new RunOver()
}
