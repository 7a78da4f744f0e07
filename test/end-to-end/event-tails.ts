// Three readers of GET /events that begin at the first one and stop behind a last one.

import { setTimeout as sleep } from 'node:timers/promises'
import { decode } from 'cborg'
import type { z } from 'zod'
import { eventSchema, eventsAnswer } from '../../server/events/operations.js'
import { StreamReader } from '../events/ground.js'
import { get } from './raw-tus.js'

export type TailedEvent = z.infer<typeof eventSchema>
type IsLast = (event: TailedEvent) => boolean
interface Server {
  readonly url: string
  readonly key: string
}

const DECODE = {
  'application/cbor': (body: Buffer): unknown => decode(body),
  'application/json': (body: Buffer): unknown => JSON.parse(body.toString()),
} as const

/** Long polls, seven events at most in an answer. */
export async function tailByPolling(
  { url, key }: Server,
  type: keyof typeof DECODE,
  isLast: IsLast,
): Promise<TailedEvent[]> {
  const tailed: TailedEvent[] = []
  let since = 0
  for (;;) {
    const headers = { Authorization: `Bearer ${key}`, Accept: type }
    const answer = await get(`${url}/events?since=${since}&limit=7&wait=20`, headers)
    if (answer.status !== 200) throw new Error(`Events answered ${answer.status}: ${answer.body}`)
    const { events, next } = eventsAnswer.parse(DECODE[type](answer.body))
    tailed.push(...events)
    if (events.some(isLast)) return tailed
    since = next
  }
}

const EVENTS_PER_CONNECTION = 25

/** Server-Sent Events, over connections that are cut and go on by Last-Event-ID. */
export async function tailByStream(server: Server, isLast: IsLast): Promise<TailedEvent[]> {
  const tailed: TailedEvent[] = []
  for (;;) {
    const last = tailed.at(-1)?.sequence
    const headers: Record<string, string> = last === undefined ? {} : { 'Last-Event-ID': String(last) }
    const reader = await StreamReader.open(server, server.key, { headers })
    for (let i = 0; i < EVENTS_PER_CONNECTION; i += 1) {
      const frame = await reader.next(60_000)
      if (frame === null) throw new Error(`The stream ended, or was silent, after ${tailed.length} events.`)
      const event = eventSchema.parse(frame.data)
      if (frame.id !== event.sequence || frame.type !== event.type) {
        throw new Error(`Frame ${frame.id} ${frame.type} has event ${event.sequence} ${event.type}.`)
      }
      tailed.push(event)
      if (!isLast(event)) continue
      reader.cut()
      return tailed
    }
    reader.cut()
    await sleep(50)
  }
}
