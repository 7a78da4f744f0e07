// The event log as an iterator: over pages, restarts, silence and slow readers.

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { Antipasto } from '../../../client/api/antipasto.js'
import type { Event } from '../../../client/api/types.js'
import { startServer, type TestServer } from '../../support/server.js'
import { type OddServer, sendJson, startOddServer } from './odd-server.js'

describe('the log of a server', () => {
  let server: TestServer
  let antipasto: Antipasto

  beforeAll(async () => {
    server = await startServer()
    antipasto = new Antipasto({ url: server.url, token: server.key })
    for (let number = 0; number < 3; number += 1) await antipasto.packages.create({ name: `P${number}` })
  })

  afterAll(() => server.dispose())

  test('is read up to its end, and gone on with from there', async () => {
    const all = await allOf(antipasto.events())
    expect(all.map(({ type }) => type)).toEqual(Array(3).fill('package.created.v1'))
    expect(await allOf(antipasto.events({ since: all[0]?.sequence ?? 0 }))).toEqual(all.slice(1))
    expect(await allOf(antipasto.events({ since: all[2]?.sequence ?? 0 }))).toEqual([])
  })

  test('is followed over kills of the server: none is missed, none comes twice', async () => {
    const names: string[] = []
    const seen: Event[] = []
    const waits: string[] = []
    const controller = new AbortController()
    const following = (async () => {
      const { signal } = controller
      for await (const event of antipasto.events({
        follow: true,
        signal,
        onWait: ({ error }) => waits.push(error.name),
      })) {
        seen.push(event)
      }
    })()
    for (let round = 0; round < 3; round += 1) {
      for (let number = 0; number < 20; number += 1) {
        names.push(`R${round}-${number}`)
        await antipasto.packages.create({ name: `R${round}-${number}` })
        if (number === 10) await server.restart()
      }
    }
    while (seen.length < 63) await new Promise((resolve) => setTimeout(resolve, 50))
    controller.abort(new Error('seen enough'))
    await expect(following).rejects.toThrow('seen enough')
    const named = seen.map(({ data }) => ('name' in data ? data.name : ''))
    expect(named).toEqual(['P0', 'P1', 'P2', ...names])
    expect(seen.map(({ sequence }) => sequence)).toEqual([...new Set(seen.map(({ sequence }) => sequence))])
    expect(waits.length).toBeGreaterThan(0)
    expect(await allOf(antipasto.events())).toEqual(seen)
  })

  test('from `latest` on is what comes after it is open, over a break before the first event, too', async () => {
    const positions: number[] = []
    const controller = new AbortController()
    const seen: Event[] = []
    let opened = () => {}
    const onOpen = (sequence: number) => {
      positions.push(sequence)
      opened()
    }
    const open = () => new Promise<void>((resolve) => (opened = resolve))
    const { signal } = controller
    const isOpen = open()
    const following = (async () => {
      for await (const event of antipasto.events({ since: 'latest', follow: true, signal, onOpen })) {
        seen.push(event)
      }
    })()
    await isOpen
    const before = await allOf(antipasto.events())
    expect(positions).toEqual([before.at(-1)?.sequence])
    expect(seen).toEqual([])
    const isOpenAgain = open()
    await server.restart()
    await antipasto.packages.create({ name: 'after the break' })
    await isOpenAgain
    await antipasto.packages.create({ name: 'and then' })
    while (seen.length < 2) await new Promise((resolve) => setTimeout(resolve, 20))
    controller.abort(new Error('seen enough'))
    await expect(following).rejects.toThrow('seen enough')
    expect(seen.map(({ data }) => ('name' in data ? data.name : ''))).toEqual(['after the break', 'and then'])
    expect(new Set(positions)).toEqual(new Set([before.at(-1)?.sequence]))
    // Not followed, there is nothing yet.
    expect(await allOf(antipasto.events({ since: 'latest' }))).toEqual([])
  })

  test('lets go of its connection when nobody takes more', async () => {
    for await (const event of antipasto.events({ follow: true })) {
      expect(event.type).toBe('package.created.v1')
      break
    }
    // A reader that stayed would hold the server's stop up.
    expect(await server.stop()).toBe(0)
    await server.restart()
  })

  test('is refused at once to who may not read it', async () => {
    const stranger = new Antipasto({ url: server.url, token: 'ap_wrong' })
    await expect(stranger.events({ follow: true }).next()).rejects.toMatchObject({ name: 'Unauthorized' })
  })
})

describe('a stream', () => {
  let server: OddServer

  /** What each connection is sent, in turn; `null` leaves it open and silent. */
  async function serve(...connections: (string | null)[][]): Promise<Antipasto> {
    const asked: (string | undefined)[] = []
    server = await startOddServer((request, response) => {
      if (!String(request.headers.accept).includes('event-stream')) {
        sendJson(response, 200, { events: [], next: 7 })
        return
      }
      asked.push(String(request.headers['last-event-id']))
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      const pieces = connections[asked.length - 1] ?? []
      for (const piece of pieces) if (piece !== null) response.write(piece)
      if (!pieces.includes(null)) response.end()
    })
    lastEventIds = asked
    return new Antipasto({ url: server.url })
  }
  let lastEventIds: (string | undefined)[] = []

  const frame = (sequence: number) =>
    `id: ${sequence}\nevent: x\ndata: {"sequence":${sequence},"type":"x"}\n\n`

  test('that breaks in the middle of an event gets that event whole the next time', async () => {
    const antipasto = await serve(
      [frame(3), frame(5).slice(0, 20)],
      [frame(5), frame(5), frame(4), frame(6), null],
    )
    const events = antipasto.events({ follow: true, since: 2 })
    expect(await take(events, 3)).toEqual([3, 5, 6])
    expect(lastEventIds).toEqual(['2', '3'])
    await events.return()
    await server.close()
  })

  test('that breaks before its first event is gone on with from the end that was known before it', async () => {
    const antipasto = await serve(['id: 7\nretry: 2000\n\n'], [frame(8), null])
    const positions: number[] = []
    const onOpen = (sequence: number) => positions.push(sequence)
    const events = antipasto.events({ follow: true, since: 'latest', onOpen })
    expect(await take(events, 1)).toEqual([8])
    expect(lastEventIds).toEqual(['7', '7'])
    expect(positions).toEqual([7, 7])
    expect(server.requests[0]).toBe('GET /events?since=latest&limit=1')
    await events.return()
    await server.close()
  })

  test('that falls silent is begun anew', async () => {
    const antipasto = await serve([frame(1), null], [frame(2), null])
    const waits: Error[] = []
    const events = antipasto.events({
      follow: true,
      silenceSeconds: 0.3,
      onWait: ({ error }) => waits.push(error),
    })
    expect(await take(events, 2)).toEqual([1, 2])
    expect(waits.map(({ message }) => message)).toEqual([
      `${new URL(server.url).host} has been silent for 0.3 seconds.`,
    ])
    await events.return()
    await server.close()
  })

  test('waits for a reader that is slower than its silence', async () => {
    const antipasto = await serve([frame(1), null])
    const events = antipasto.events({ follow: true, silenceSeconds: 0.2 })
    expect(await take(events, 1)).toEqual([1])
    await new Promise((resolve) => setTimeout(resolve, 600))
    expect(lastEventIds).toHaveLength(1)
    await events.return()
    await server.close()
  })

  test('of something else than events is foreign', async () => {
    const antipasto = await serve(['data: hello\n\n', null])
    const controller = new AbortController()
    const waits: Error[] = []
    const { signal } = controller
    const onWait = ({ error }: { error: Error }) => {
      waits.push(error)
      controller.abort(new Error('enough'))
    }
    await expect(antipasto.events({ follow: true, signal, onWait }).next()).rejects.toThrow('enough')
    expect(waits).toMatchObject([{ name: 'ForeignAnswer', message: expect.stringContaining('"hello"') }])
    await server.close()
  })
})

async function take(events: AsyncGenerator<Event>, count: number): Promise<number[]> {
  const sequences: number[] = []
  while (sequences.length < count) {
    const { value } = await events.next()
    sequences.push((value as Event).sequence)
  }
  return sequences
}

async function allOf<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = []
  for await (const item of items) all.push(item)
  return all
}
