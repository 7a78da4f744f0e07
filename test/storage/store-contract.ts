// What every store must do, whatever it keeps its bytes on: server/storage/store.ts, sentence by sentence.

import { randomBytes } from 'node:crypto'
import { PassThrough, Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import {
  type ByteRange,
  type ComposeSource,
  EMPTY_LEDGER,
  type Ledger,
  type Store,
  type StoredItem,
  type TemporaryWriter,
} from '../../server/storage/store.js'
import { recorded } from './ledger-model.js'

/** A store to be tested, opened by the contract; `dispose` removes what is left of it. */
export interface TestedStore {
  store: Store
  dispose(): Promise<void>
}

/** Runs the contract against the stores that `makeStore` makes. */
export function storeContract(name: string, makeStore: () => Promise<TestedStore>): void {
  describe(`${name} keeps the contract of a store`, () => {
    let store: Store
    let dispose: () => Promise<void>

    beforeAll(async () => {
      const made = await makeStore()
      store = made.store
      dispose = made.dispose
      await store.open()
    })
    afterAll(() => dispose())

    const newKey = () => randomBytes(20).toString('hex')
    const bytes = randomBytes(1_000_003)
    const never = new AbortController().signal

    /** A writer at the end of what `ledger` names, which is the beginning when there is none. */
    function openAt(
      key: string,
      offsetBytes: number,
      ledger = EMPTY_LEDGER,
      sizeBytes: number | null = null,
    ) {
      return store.openTemporary(key, { offsetBytes, sizeBytes, ledger })
    }

    /** Writes `content` on and makes it durable. @returns the ledger, as the records would have it then */
    async function append(
      key: string,
      content: Uint8Array,
      { from = 0, ledger = EMPTY_LEDGER, sizeBytes = null }: Partial<Appended> = {},
    ): Promise<Ledger> {
      const writer = await openAt(key, from, ledger, sizeBytes)
      const written = await write(writer, from, content)
      const stored = await writer.sync()
      await Promise.all(written)
      writer.confirm(stored)
      await writer.close()
      return recorded(ledger, stored)
    }

    /** Hands `content` over in slices that end at the writer's boundaries. @returns the writes, under way */
    async function write(
      writer: TemporaryWriter,
      from: number,
      content: Uint8Array,
    ): Promise<Promise<void>[]> {
      const writes: Promise<void>[] = []
      for (let at = 0; at < content.length; ) {
        await writer.ready(never)
        const end = Math.min(content.length, at + 70_001, writer.boundaryBytes - from)
        writes.push(writer.write(content.subarray(at, end)))
        at = end
      }
      for (const one of writes) one.catch(() => {})
      return writes
    }

    async function putTemporary(content: Uint8Array): Promise<{ key: string; ledger: Ledger }> {
      const key = newKey()
      await store.createTemporary(key)
      return { key, ledger: await append(key, content) }
    }

    async function putObject(content: Uint8Array): Promise<string> {
      const key = newKey()
      await store.putObject(key, content)
      return key
    }

    const readObject = (key: string, lengthBytes: number) =>
      collect(store.readObject(key, { start: 0, end: lengthBytes }))

    /** What the temporary has, by making an object of it. */
    async function completed(key: string, sizeBytes: number, ledger: Ledger): Promise<Buffer> {
      await store.complete(key, sizeBytes, ledger)
      return readObject(key, sizeBytes)
    }

    async function find(key: string): Promise<StoredItem[]> {
      const found: StoredItem[] = []
      for await (const item of store.list()) if (item.key === key) found.push(item)
      return found
    }

    describe('open and check', () => {
      test('opening twice changes nothing', async () => {
        const key = await putObject(Buffer.from('here'))
        await store.open()
        expect(String(await readObject(key, 4))).toBe('here')
      })

      test('a store that works passes its check, and has room', async () => {
        await store.check()
        expect(await store.freeBytes()).toBeGreaterThan(0)
      })
    })

    describe('temporaries', () => {
      test('a new one is empty, and becomes an empty object', async () => {
        const key = newKey()
        await store.createTemporary(key)
        expect(await completed(key, 0, EMPTY_LEDGER)).toHaveLength(0)
        expect(await find(key)).toMatchObject([{ room: 'object', key, sizeBytes: 0 }])
      })

      test('bytes come back as they were written, in many writes that need not wait for each other', async () => {
        const { key, ledger } = await putTemporary(bytes)
        expect((await completed(key, bytes.length, ledger)).equals(bytes)).toBe(true)
      })

      test('bytes come back as they were written, in many syncs, each by a writer of its own', async () => {
        const key = newKey()
        await store.createTemporary(key)
        let ledger = EMPTY_LEDGER
        for (let from = 0; from < bytes.length; from += 30_011)
          ledger = await append(key, bytes.subarray(from, from + 30_011), { from, ledger })
        expect((await completed(key, bytes.length, ledger)).equals(bytes)).toBe(true)
      })

      test('a sync leaves out nothing that was written before it, and writing goes on meanwhile', async () => {
        const key = newKey()
        await store.createTemporary(key)
        const writer = await openAt(key, 0)
        const before = await write(writer, 0, bytes.subarray(0, 300_000))
        const synced = writer.sync()
        const after = await write(writer, 300_000, bytes.subarray(300_000))
        const stored = await synced
        await Promise.all(before)
        await writer.close()
        await Promise.allSettled(after)
        const ledger = recorded(EMPTY_LEDGER, stored)
        expect((await completed(key, 300_000, ledger)).equals(bytes.subarray(0, 300_000))).toBe(true)
      })

      test('the memory of a write that has resolved may be used again', async () => {
        const key = newKey()
        await store.createTemporary(key)
        const writer = await openAt(key, 0)
        const memory = Buffer.from('first')
        const written = writer.write(memory)
        const stored = await writer.sync()
        await written
        memory.fill('x')
        await writer.close()
        expect(String(await completed(key, 5, recorded(EMPTY_LEDGER, stored)))).toBe('first')
      })

      test('what was not confirmed is told again', async () => {
        const key = newKey()
        await store.createTemporary(key)
        const writer = await openAt(key, 0)
        void writer.write(Buffer.from('one, '))
        await writer.sync()
        void writer.write(Buffer.from('two'))
        const stored = await writer.sync()
        await writer.close()
        expect(String(await completed(key, 8, recorded(EMPTY_LEDGER, stored)))).toBe('one, two')
      })

      test('a writer goes on at its offset: what is before stays, what is behind is overwritten', async () => {
        const { key, ledger } = await putTemporary(Buffer.from('acknowledged-'))
        // Durable, and never recorded.
        await append(key, Buffer.from('UNACKNOWLEDGED'), { from: 13, ledger })
        const later = await append(key, Buffer.from('and more'), { from: 13, ledger })
        expect(String(await completed(key, 21, later))).toBe('acknowledged-and more')
      })

      test('a whole upload whose size is known becomes the object of its key', async () => {
        const key = newKey()
        await store.createTemporary(key)
        const ledger = await append(key, bytes, { sizeBytes: bytes.length })
        expect((await completed(key, bytes.length, ledger)).equals(bytes)).toBe(true)
        expect(await find(key)).toMatchObject([{ room: 'object', sizeBytes: bytes.length }])
      })

      test('closing settles writes under way, and closing again is nothing', async () => {
        const key = newKey()
        await store.createTemporary(key)
        const writer = await openAt(key, 0)
        const writing = Promise.allSettled([writer.write(bytes)])
        await writer.close()
        expect(await writing).toHaveLength(1)
        await writer.close()
      })

      test('a writer that would leave a hole is refused: CONFLICT, and the temporary is as it was', async () => {
        const { key, ledger } = await putTemporary(Buffer.from('ten bytes!'))
        for (const offsetBytes of [11, 1_000_000]) {
          await expect(openAt(key, offsetBytes, ledger)).rejects.toMatchObject({
            name: 'AppError',
            code: 'CONFLICT',
          })
        }
        const later = await append(key, Buffer.from(' and more'), { from: 10, ledger })
        expect(String(await completed(key, 19, later))).toBe('ten bytes! and more')
      })

      test('it holds what was acknowledged, in the temporary and as an object, and not once it is gone', async () => {
        const { key, ledger } = await putTemporary(bytes)
        const position = { offsetBytes: bytes.length, sizeBytes: bytes.length, ledger }
        expect(await store.holds(key, position)).toBe(true)
        expect(await store.holds(key, { ...position, offsetBytes: bytes.length + 1 })).toBe(false)
        await store.complete(key, bytes.length, ledger)
        expect(await store.holds(key, position)).toBe(true)
        await store.deleteObject(key)
        // A piece may outlive the object that was made of it.
        await store.deleteTemporary(key)
        expect(await store.holds(key, position)).toBe(false)
        const other = await putTemporary(bytes)
        await store.deleteTemporary(other.key)
        expect(await store.holds(other.key, { ...position, ledger: other.ledger })).toBe(false)
      })

      test('deleting one deletes it, and deleting it again is nothing', async () => {
        const { key, ledger } = await putTemporary(bytes)
        expect(await find(key)).not.toEqual([])
        await store.deleteTemporary(key)
        await store.deleteTemporary(key)
        expect(await find(key)).toEqual([])
        await expect(store.complete(key, bytes.length, ledger)).rejects.toMatchObject({ code: 'NOT_FOUND' })
      })
    })

    describe('completing', () => {
      test.each([0, 1, bytes.length])(
        'a temporary of %d bytes becomes the object of its key',
        async (lengthBytes) => {
          const { key, ledger } = await putTemporary(bytes.subarray(0, lengthBytes))
          const object = await completed(key, lengthBytes, ledger)
          expect(object.equals(bytes.subarray(0, lengthBytes))).toBe(true)
          await store.deleteTemporary(key)
          expect(await find(key)).toMatchObject([{ room: 'object', sizeBytes: lengthBytes }])
        },
      )

      test('again, it is done already', async () => {
        const { key, ledger } = await putTemporary(Buffer.from('twice'))
        await store.complete(key, 5, ledger)
        expect(String(await completed(key, 5, ledger))).toBe('twice')
      })

      test('by two at once, it is done once', async () => {
        const { key, ledger } = await putTemporary(bytes)
        const outcomes = await Promise.allSettled([
          store.complete(key, bytes.length, ledger),
          store.complete(key, bytes.length, ledger),
        ])
        expect(outcomes.some(({ status }) => status === 'fulfilled')).toBe(true)
        expect((await completed(key, bytes.length, ledger)).equals(bytes)).toBe(true)
      })

      test('bytes that nobody acknowledged, behind the size, are no part of it', async () => {
        const { key, ledger } = await putTemporary(Buffer.from('acknowledged'))
        await append(key, Buffer.from('-UNACKNOWLEDGED'), { from: 12, ledger })
        expect(String(await completed(key, 12, ledger))).toBe('acknowledged')
        expect((await store.readObjectHead(key, 1)).sizeBytes).toBe(12)
      })

      test('with fewer bytes than promised it is CONFLICT, and the temporary stays', async () => {
        const { key, ledger } = await putTemporary(Buffer.from('short'))
        await expect(store.complete(key, 6, ledger)).rejects.toMatchObject({
          name: 'AppError',
          code: 'CONFLICT',
        })
        expect(String(await completed(key, 5, ledger))).toBe('short')
      })

      test('an object of another size is not taken for this one', async () => {
        const key = await putObject(Buffer.from('other'))
        await expect(store.complete(key, 4, EMPTY_LEDGER)).rejects.toMatchObject({ name: 'AppError' })
        expect(String(await readObject(key, 5))).toBe('other')
      })
    })

    describe('composing', () => {
      const MIB = 1024 ** 2
      const large = randomBytes(12 * MIB)

      /** A source for each of `lengths`, each with bytes of its own. @returns also what they are together */
      async function putSources(
        ...lengths: number[]
      ): Promise<{ sources: ComposeSource[]; content: Buffer }> {
        const contents = lengths.map((lengthBytes, index) => large.subarray(index, index + lengthBytes))
        const sources: ComposeSource[] = []
        for (const content of contents)
          sources.push({ key: await putObject(content), sizeBytes: content.length })
        return { sources, content: Buffer.concat(contents) }
      }

      async function composed(key: string, sources: readonly ComposeSource[]): Promise<Buffer> {
        await store.compose(key, sources)
        return readObject(key, (await store.readObjectHead(key, 0)).sizeBytes)
      }

      test('works here', () => {
        expect(store.canCompose).toBe(true)
      })

      test.each<[string, number[]]>([
        ['nothing', []],
        ['an empty one', [0]],
        ['empty ones', [0, 0]],
        ['a single byte', [1]],
        ['small ones, and empty ones between', [0, 1, 0, 100_000, 3, 0]],
        ['one of 5 MiB', [5 * MIB]],
        ['one of 5 MiB less a byte', [5 * MIB - 1]],
        ['large ones', [5 * MIB, 5 * MIB + 1, 7 * MIB]],
        ['a small one before a large one', [1, 11 * MIB]],
        ['a small one between large ones', [6 * MIB, 5 * MIB - 1, 5 * MIB + 1, 1]],
        ['small ones between large ones', [5 * MIB + 1, 1, 2 * MIB, 0, 4 * MIB, 11 * MIB, 1, 1]],
        ['a small one before one that is hardly larger than 5 MiB', [MIB, 5 * MIB + 1, 6 * MIB]],
      ])('makes one object of %s, in order; they stay', async (_, lengths) => {
        const { sources, content } = await putSources(...lengths)
        const key = newKey()
        expect((await composed(key, sources)).equals(content)).toBe(true)
        expect(await find(key)).toMatchObject([{ room: 'object', sizeBytes: content.length }])
        for (const source of sources)
          expect((await store.readObjectHead(source.key, 0)).sizeBytes).toBe(source.sizeBytes)
      })

      test('takes a source twice, and in the order that is asked for', async () => {
        const { sources, content } = await putSources(5 * MIB, 1000)
        const [first, second] = sources as [ComposeSource, ComposeSource]
        const [one, other] = [content.subarray(0, 5 * MIB), content.subarray(5 * MIB)]
        const object = await composed(newKey(), [second, first, first, second, second])
        expect(object.equals(Buffer.concat([other, one, one, other, other]))).toBe(true)
      })

      test('again, it is done already, and needs no sources', async () => {
        const { sources, content } = await putSources(5 * MIB, 10)
        const key = newKey()
        await store.compose(key, sources)
        for (const source of sources) await store.deleteObject(source.key)
        expect((await composed(key, sources)).equals(content)).toBe(true)
      })

      test('by two at once, the object is whole', async () => {
        const { sources, content } = await putSources(6 * MIB, 10, 5 * MIB)
        const key = newKey()
        const outcomes = await Promise.allSettled([store.compose(key, sources), store.compose(key, sources)])
        expect(outcomes.some(({ status }) => status === 'fulfilled')).toBe(true)
        for (const outcome of outcomes)
          if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'UNAVAILABLE' })
        expect((await composed(key, sources)).equals(content)).toBe(true)
        await store.deleteTemporary(key)
        expect(await find(key)).toMatchObject([{ room: 'object', sizeBytes: content.length }])
      })

      test.each<[string, number[]]>([
        ['small', [1, 2, 3]],
        ['large', [5 * MIB, 6 * MIB, 5 * MIB]],
      ])('of %s ones, one missing, is NOT_FOUND, and makes no object', async (_, lengths) => {
        const { sources } = await putSources(...lengths)
        const missing = { key: newKey(), sizeBytes: 5 * MIB }
        const key = newKey()
        for (const spoilt of [[missing, ...sources], [...sources, missing], [missing]]) {
          await expect(store.compose(key, spoilt)).rejects.toMatchObject({
            name: 'AppError',
            code: 'NOT_FOUND',
          })
        }
        await expect(store.readObjectHead(key, 0)).rejects.toMatchObject({ code: 'NOT_FOUND' })
        await store.deleteTemporary(key)
        expect(await find(key)).toEqual([])
      })

      test.each<[string, number]>([
        ['more', -1],
        ['fewer', 1],
      ])('of one that has %s bytes than it should is CONFLICT, and makes no object', async (_, byBytes) => {
        const { sources } = await putSources(6 * MIB, 100, 7 * MIB)
        for (const wrong of sources) {
          const key = newKey()
          const spoilt = sources.map((source) =>
            source === wrong ? { ...source, sizeBytes: source.sizeBytes + byBytes } : source,
          )
          await expect(store.compose(key, spoilt)).rejects.toMatchObject({
            name: 'AppError',
            code: 'CONFLICT',
          })
          await store.deleteTemporary(key)
          expect(await find(key)).toEqual([])
        }
      })

      test('ends when its signal aborts, with the reason, and can be begun anew', async () => {
        const { sources, content } = await putSources(...Array<number>(6).fill(6 * MIB))
        const key = newKey()
        const controller = new AbortController()
        const composing = store.compose(key, sources, controller.signal)
        setTimeout(() => controller.abort(new Error('enough')), 5)
        await expect(composing).rejects.toThrow('enough')
        await expect(store.readObjectHead(key, 0)).rejects.toMatchObject({ code: 'NOT_FOUND' })
        expect((await composed(key, sources)).equals(content)).toBe(true)
        await store.deleteTemporary(key)
        expect(await find(key)).toMatchObject([{ room: 'object', sizeBytes: content.length }])
      })

      test('that is deleted meanwhile is no loss of a source: UNAVAILABLE, or done before', async () => {
        const { sources } = await putSources(...Array<number>(6).fill(6 * MIB))
        const key = newKey()
        let isOver = false
        const composing = store.compose(key, sources).then(
          () => 'done',
          (error: { code?: string }) => error.code,
        )
        void composing.then(() => {
          isOver = true
        })
        while (!isOver) {
          await store.deleteTemporary(key)
          await sleep(1)
        }
        expect(['done', 'UNAVAILABLE']).toContain(await composing)
        await store.deleteObject(key)
        expect(await find(key)).toEqual([])
      })
    })

    describe('objects', () => {
      test.each([0, 1, 131_072])('a small one of %d bytes is put at once', async (lengthBytes) => {
        const key = await putObject(bytes.subarray(0, lengthBytes))
        expect((await readObject(key, lengthBytes)).equals(bytes.subarray(0, lengthBytes))).toBe(true)
        expect(await find(key)).toMatchObject([{ room: 'object', sizeBytes: lengthBytes }])
      })

      test('put again, it is the same', async () => {
        const key = await putObject(Buffer.from('same'))
        await store.putObject(key, Buffer.from('same'))
        expect(String(await readObject(key, 4))).toBe('same')
      })

      test.each([
        [10, 1024, 10],
        [10, 4, 4],
        [0, 1024, 0],
        [5_000, 1024, 1024],
      ])('of %d bytes, the first %d are %d', async (sizeBytes, askedBytes, gottenBytes) => {
        const key = await putObject(bytes.subarray(0, sizeBytes))
        const { head, sizeBytes: toldBytes } = await store.readObjectHead(key, askedBytes)
        expect(Buffer.from(head).equals(bytes.subarray(0, gottenBytes))).toBe(true)
        expect(toldBytes).toBe(sizeBytes)
      })

      test('deleting one deletes it, and deleting it again is nothing', async () => {
        const key = await putObject(bytes)
        await store.deleteObject(key)
        await store.deleteObject(key)
        expect(await find(key)).toEqual([])
        await expect(readObject(key, 1)).rejects.toMatchObject({ code: 'NOT_FOUND' })
      })

      test('the rooms are apart: a key in one is not in the other', async () => {
        const { key } = await putTemporary(Buffer.from('unfinished'))
        await expect(store.readObjectHead(key, 1)).rejects.toMatchObject({ code: 'NOT_FOUND' })
        await store.deleteObject(key)
        expect(await find(key)).toMatchObject([{ room: 'temporary' }])
      })

      test('what is not there is NOT_FOUND', async () => {
        await expect(readObject(newKey(), 1)).rejects.toMatchObject({ name: 'AppError', code: 'NOT_FOUND' })
        await expect(store.readObjectHead(newKey(), 1)).rejects.toMatchObject({
          name: 'AppError',
          code: 'NOT_FOUND',
        })
      })
    })

    describe('sending', () => {
      test.each<[string, ByteRange]>([
        ['all', { start: 0, end: bytes.length }],
        ['the first byte', { start: 0, end: 1 }],
        ['the middle', { start: 262_143, end: 524_289 }],
        ['the last byte', { start: bytes.length - 1, end: bytes.length }],
        ['nothing', { start: 0, end: 0 }],
      ])('%s, and the sink is not ended', async (_, range) => {
        const key = await putObject(bytes)
        const { sink, received } = collector()
        let isTold = false
        await store.sendObject(key, range, sink, () => {
          isTold = received().length === 0
        })
        expect(isTold).toBe(true)
        expect(sink.writableEnded).toBe(false)
        expect(received().equals(bytes.subarray(range.start, range.end))).toBe(true)
      })

      test('a slow sink gets all, and no byte before it has taken the last ones', async () => {
        const key = await putObject(bytes)
        let inHand = 0
        const { sink, received } = collector(async (chunk) => {
          inHand += chunk.length
          await sleep(20)
          inHand -= chunk.length
        })
        await store.sendObject(key, { start: 0, end: bytes.length }, sink, () => {})
        expect(inHand).toBeLessThan(bytes.length)
        expect(received().equals(bytes)).toBe(true)
      })

      test('a sink that closes early ends it with an error, soon', async () => {
        const key = await putObject(bytes)
        // It takes one chunk, and never says that it has.
        const sink = new Writable({ highWaterMark: 1, write() {} })
        const sending = store.sendObject(key, { start: 0, end: bytes.length }, sink, () => {})
        setTimeout(() => sink.destroy(), 50)
        await expect(withinSeconds(5, sending)).rejects.not.toMatchObject({ message: 'too late' })
      })

      test('a sink that was closed before is an error, too', async () => {
        const key = await putObject(bytes)
        const sink = new PassThrough()
        sink.destroy()
        const sending = store.sendObject(key, { start: 0, end: bytes.length }, sink, () => {})
        await expect(withinSeconds(5, sending)).rejects.not.toMatchObject({ message: 'too late' })
      })

      test('fewer bytes than promised are an error, never a short answer', async () => {
        const key = await putObject(Buffer.from('short'))
        const { sink } = collector()
        await expect(store.sendObject(key, { start: 0, end: 6 }, sink, () => {})).rejects.toBeDefined()
      })

      test('what is not there is NOT_FOUND before the first byte', async () => {
        const { sink, received } = collector()
        const sending = store.sendObject(newKey(), { start: 0, end: 1 }, sink, () => {
          throw new Error('There is nothing to begin with.')
        })
        await expect(sending).rejects.toMatchObject({ name: 'AppError', code: 'NOT_FOUND' })
        expect(received()).toHaveLength(0)
      })
    })

    describe('the list', () => {
      test('has both rooms, with sizes and times', async () => {
        const since = Date.now()
        const { key: temporary } = await putTemporary(Buffer.from('abc'))
        const object = await putObject(Buffer.from('abcd'))
        const [first] = await find(temporary)
        const [second] = await find(object)
        expect(first).toMatchObject({ room: 'temporary', sizeBytes: 3 })
        expect(second).toMatchObject({ room: 'object', sizeBytes: 4 })
        for (const item of [first, second]) {
          expect(Math.abs((item?.modifiedAt.getTime() ?? 0) - since)).toBeLessThan(60_000)
        }
      })
    })

    describe('keys that no id of ours has', () => {
      test.each([
        '',
        '.',
        '..',
        '../x',
        'a/b',
        'a\\b',
        'a\0b',
        'A',
        'ü',
        'a b',
        'a\nb',
        '%2e%2e',
        '-',
        'f'.repeat(300),
      ])('%j reaches nothing', async (key) => {
        const { sink } = collector()
        const acts: [string, () => Promise<unknown>][] = [
          ['createTemporary', () => store.createTemporary(key)],
          ['openTemporary', () => openAt(key, 0)],
          ['deleteTemporary', () => store.deleteTemporary(key)],
          ['complete', () => store.complete(key, 0, EMPTY_LEDGER)],
          ['compose', () => store.compose(key, [])],
          ['compose of', () => store.compose('0123456789abcdef', [{ key, sizeBytes: 1 }])],
          ['putObject', () => store.putObject(key, Buffer.from('x'))],
          ['readObjectHead', () => store.readObjectHead(key, 1)],
          ['readObject', () => readObject(key, 1)],
          ['sendObject', () => store.sendObject(key, { start: 0, end: 1 }, sink, () => {})],
          ['deleteObject', () => store.deleteObject(key)],
        ]
        const before = await namesIn(store)
        for (const [name, act] of acts) {
          const outcome = await Promise.resolve()
            .then(act)
            .then(
              () => 'done',
              (error: { code?: string }) => error.code,
            )
          expect([name, outcome]).toEqual([name, 'NOT_FOUND'])
        }
        expect(await namesIn(store)).toEqual(before)
      })
    })
  })
}

interface Appended {
  from: number
  ledger: Ledger
  sizeBytes: number | null
}

async function namesIn(store: Store): Promise<string[]> {
  const names: string[] = []
  for await (const { room, key } of store.list()) names.push(`${room} ${key}`)
  return names.sort()
}

export async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const collected: Uint8Array[] = []
  for await (const chunk of chunks) collected.push(Buffer.from(chunk))
  return Buffer.concat(collected)
}

/** A sink that copies what it gets, each chunk after `wait`. */
function collector(wait: (chunk: Buffer) => Promise<unknown> = async () => {}): {
  sink: Writable
  received: () => Buffer
} {
  const chunks: Buffer[] = []
  const sink = new Writable({
    write(chunk: Buffer, _encoding, callback) {
      wait(chunk).then(() => {
        chunks.push(Buffer.from(chunk))
        callback()
      }, callback)
    },
  })
  return { sink, received: () => Buffer.concat(chunks) }
}

async function withinSeconds<T>(seconds: number, act: Promise<T>): Promise<T> {
  const late = sleep(seconds * 1000, undefined, { ref: false }).then(() => {
    throw new Error('too late')
  })
  return Promise.race([act, late])
}
