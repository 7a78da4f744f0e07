// The load of one run: four clients that send to the two instances and one that sends to the third, and as many that read.

import { setMaxListeners } from 'node:events'
import type { Oracle } from '../oracle.js'
import type { Place, Stage } from '../stage/stage.js'
import type { Client } from './client.js'
import { Connection } from './connection.js'
import { type EventReading, readEvents } from './event-reader.js'
import { read } from './reader.js'
import { upload } from './uploader.js'

/** Where each client is; its number is its place in the list. */
const UPLOADERS: readonly Place[] = ['cluster', 'cluster', 'cluster', 'cluster', 'disk']
const READERS: readonly Place[] = ['cluster', 'cluster', 'disk']
const EVENT_READERS = [
  { place: 'cluster', way: 'polls' },
  { place: 'cluster', way: 'stream' },
  { place: 'disk', way: 'polls' },
] as const

/** Files of a client that are under way together. */
const AT_ONCE = 3

export interface Load {
  readonly readings: readonly { readonly place: Place; readonly reading: EventReading }[]
  /** Nothing new is begun; resolves when all that was begun is at its end, or `timeoutMs` are over: then it is broken off. */
  finish(timeoutMs: number): Promise<void>
  /** Ends all of it at once. */
  end(): Promise<void>
}

export async function startLoad(
  stage: Stage,
  { seed, oracle }: { seed: number; oracle: Oracle },
): Promise<Load> {
  const enough = new AbortController()
  const over = new AbortController()
  // All that waits anywhere listens to it.
  setMaxListeners(0, over.signal)
  const connections: Connection[] = []

  // A stage keeps its lines from run to run.
  let number = 0
  async function newClient(place: Place): Promise<Client> {
    const { key } = stage[place]
    const line = stage.lines[number] ?? (await stage.newLine(place))
    number += 1
    const connect = () => {
      const connection = new Connection({ url: line.url, key, oracle, over: over.signal })
      connections.push(connection)
      return connection
    }
    return { place, connection: connect(), other: connect(), oracle, url: line.url, key, over: over.signal }
  }

  // One after the other: the schedule knows them by their numbers.
  const uploaders: Client[] = []
  for (const place of UPLOADERS) uploaders.push(await newClient(place))
  const readers: Client[] = []
  for (const place of READERS) readers.push(await newClient(place))
  const eventReaders: Client[] = []
  for (const { place } of EVENT_READERS) eventReaders.push(await newClient(place))

  const sending = uploaders.flatMap((client, number) =>
    Array.from({ length: AT_ONCE }, (_, i) =>
      upload(client, { seed, number: number * AT_ONCE + i, enough: enough.signal }),
    ),
  )
  const reads = readers.map((client, number) => read(client, { seed, number, enough: enough.signal }))
  const readings = EVENT_READERS.map(({ place, way }, i) => {
    const client = eventReaders[i]
    if (client === undefined) throw new Error('A reader of events has no client.')
    return { place, reading: readEvents(client, way) }
  })
  const all = Promise.all([...sending, ...reads])
  // Whoever finishes the load sees it.
  all.catch(() => {})

  async function end(): Promise<void> {
    enough.abort()
    over.abort()
    await Promise.allSettled([...sending, ...reads, ...readings.map(({ reading }) => reading.stop())])
    for (const connection of connections) await connection.close()
  }

  return {
    readings,
    async finish(timeoutMs) {
      enough.abort()
      const timer = setTimeout(() => over.abort(), timeoutMs)
      await all.finally(() => clearTimeout(timer))
    },
    end,
  }
}
