// The writer alone, on a real S3 server: what it sends, what it asks, what it leaves, and what it does when S3 fails.

import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import { PartMemory } from '../../server/storage/part-memory.js'
import { S3Store } from '../../server/storage/s3.js'
import { Bucket } from '../../server/storage/s3-client.js'
import { S3Objects } from '../../server/storage/s3-objects.js'
import { S3Parts } from '../../server/storage/s3-parts.js'
import { S3Writer } from '../../server/storage/s3-writer.js'
import { EMPTY_LEDGER, type Ledger, type TemporaryWriter } from '../../server/storage/store.js'
import fc from '../support/properties.js'
import { createTestBucket, describeS3, type TestBucket } from '../support/s3.js'
import { cutInside, fails } from '../support/s3-faults.js'
import { type S3Proxy, startS3Proxy } from '../support/s3-proxy.js'
import { endOf, forWriter, recorded } from './ledger-model.js'
import { collect } from './store-contract.js'

const KIB = 1024
const MIB = 1024 ** 2
const PART_BYTES = 16 * MIB
/** As the intake hands them over. */
const SLICE_BYTES = 512 * KIB

const never = new AbortController().signal
const newKey = () => randomBytes(20).toString('hex')

describeS3('the writer of an upload on S3', () => {
  const source = randomBytes(40 * MIB)
  let place: TestBucket
  let proxy: S3Proxy
  let bucket: Bucket
  let parts: S3Parts
  let memory: PartMemory
  let store: S3Store
  const open: TemporaryWriter[] = []

  beforeAll(async () => {
    place = await createTestBucket()
    proxy = await startS3Proxy(place.endpoint)
    const timing = { attempts: 2, backOffBaseMs: 1, backOffCapMs: 2 }
    const settings = { ...place.settings({ endpoint: proxy.url }), timing }
    bucket = new Bucket(settings)
    parts = new S3Parts(bucket, new S3Objects(bucket))
    memory = new PartMemory(64 * MIB)
    store = new S3Store(settings, 64 * MIB)
  })
  afterEach(async () => {
    proxy.reset()
    for (const writer of open.splice(0)) await writer.close()
    expect(memory.sendingBytes).toBe(0)
    await place.empty()
  })
  afterAll(async () => {
    bucket.close()
    await store.close()
    await proxy.close()
    await place.drop()
  })

  interface Opening {
    sizeBytes?: number | null
    ledger?: Ledger
    /** The most that it gathers before it stores a piece. */
    gatheredBytes?: number
  }

  function openAt(key: string, opening: Opening = {}): S3Writer {
    const { sizeBytes = null, ledger = EMPTY_LEDGER, gatheredBytes = PART_BYTES } = opening
    const position = { offsetBytes: endOf(ledger), sizeBytes, ledger: forWriter(ledger) }
    const writer = new S3Writer(position, { key, parts, memory, mostGatheredBytes: gatheredBytes })
    open.push(writer)
    return writer
  }

  /** Appends `bytes` by a writer of its own, as one request does. @returns the ledger after it */
  async function append(
    key: string,
    bytes: Uint8Array,
    { ledger = EMPTY_LEDGER, ...opening }: Opening = {},
  ): Promise<Ledger> {
    const writer = openAt(key, { ledger, ...opening })
    await write(writer, endOf(ledger), bytes)
    const stored = await writer.sync()
    writer.confirm(stored)
    await writer.close()
    return recorded(ledger, stored)
  }

  async function completed(key: string, sizeBytes: number, ledger: Ledger): Promise<Buffer> {
    await store.complete(key, sizeBytes, ledger)
    return collect(store.readObject(key, { start: 0, end: sizeBytes }))
  }

  async function expectStored(key: string, ledger: Ledger): Promise<void> {
    const { objects, multiparts } = await place.list()
    const found = new Map<string, unknown>(objects.map((object) => [object.key, object.sizeBytes]))
    for (const multipart of multiparts) {
      if (multipart.uploadId !== ledger.multipartId) continue
      for (const part of multipart.parts) found.set(`part ${part.partNumber}`, [part.sizeBytes, part.etag])
    }
    for (const { kind, name, sizeBytes, etag } of ledger.parts) {
      const [where, what] =
        kind === 'part'
          ? [`part ${name}`, [sizeBytes, etag]]
          : [kind === 'piece' ? bucket.key(`tmp/${key}/${name}`) : bucket.key(`objects/${key}`), sizeBytes]
      expect([where, found.get(where)]).toEqual([where, what])
    }
  }

  async function piecesOf(key: string): Promise<string[]> {
    const folder = bucket.key(`tmp/${key}/`)
    const { objects } = await place.list()
    return objects.filter((one) => one.key.startsWith(folder)).map((one) => one.key.slice(folder.length))
  }

  const piecesIn = ({ parts }: Ledger) => parts.filter(({ kind }) => kind === 'piece').map(({ name }) => name)

  describe('asks S3 for nothing but to store', () => {
    test('a known size of several parts: one creation, one request a part, all of them as long as the first', async () => {
      const key = newKey()
      const ledger = await append(key, source, { sizeBytes: source.length })
      expect(proxy.counts()).toEqual({ CreateMultipartUpload: 1, UploadPart: 3 })
      expect(ledger.parts.map(({ kind, name, sizeBytes }) => [kind, name, sizeBytes / MIB])).toEqual([
        ['part', '1', 16],
        ['part', '2', 16],
        ['part', '3', 8],
      ])
      expect(proxy.bytesSent()).toBeLessThan(source.length + KIB)
      await expectStored(key, ledger)
      expect((await completed(key, source.length, ledger)).equals(source)).toBe(true)
    })

    test('a size that fits one part: one PutObject under the final name', async () => {
      const key = newKey()
      const ledger = await append(key, source.subarray(0, PART_BYTES), { sizeBytes: PART_BYTES })
      expect(proxy.counts()).toEqual({ PutObject: 1 })
      expect(ledger).toMatchObject({
        multipartId: null,
        parts: [{ kind: 'object', name: '', startBytes: 0 }],
      })
      expect((await completed(key, PART_BYTES, ledger)).equals(source.subarray(0, PART_BYTES))).toBe(true)
    })

    test('an unknown size: parts while it comes, and a piece for the rest', async () => {
      const key = newKey()
      const ledger = await append(key, source.subarray(0, 17 * MIB))
      expect(proxy.counts()).toEqual({ CreateMultipartUpload: 1, UploadPart: 1, PutObject: 1 })
      expect(ledger.parts.map(({ kind, sizeBytes }) => [kind, sizeBytes / MIB])).toEqual([
        ['part', 16],
        ['piece', 1],
      ])
    })

    test('nothing to sync costs nothing', async () => {
      const key = newKey()
      const ledger = await append(key, source.subarray(0, MIB))
      proxy.reset()
      const writer = openAt(key, { ledger })
      expect(await writer.sync()).toEqual(EMPTY_LEDGER)
      expect(await writer.sync()).toEqual(EMPTY_LEDGER)
      expect(proxy.counts()).toEqual({})
    })
  })

  describe('a run of small appends', () => {
    test('costs its own bytes and a few joinings, not the tail each time, and leaves only what is recorded', async () => {
      const key = newKey()
      let ledger = EMPTY_LEDGER
      const count = 100
      for (let at = 0; at < count; at++)
        ledger = await append(key, source.subarray(at * 10 * KIB, (at + 1) * 10 * KIB), { ledger })
      const { PutObject, GetObject, DeleteObject, ...others } = proxy.counts()
      expect(others).toEqual({})
      expect(PutObject).toBe(count)
      // A hundred in eights: twelve joinings of eight, one of sixty-four.
      expect(GetObject).toBe(DeleteObject)
      expect(GetObject).toBeLessThanOrEqual(12 * 7 + 7)
      expect(proxy.bytesSent()).toBeLessThan(3 * count * 10 * KIB + 10 * KIB)
      expect(ledger.parts.length).toBeLessThanOrEqual(14)
      await expectStored(key, ledger)
      expect((await piecesOf(key)).sort()).toEqual(piecesIn(ledger).sort())
      const whole = source.subarray(0, count * 10 * KIB)
      expect((await completed(key, whole.length, ledger)).equals(whole)).toBe(true)
    })

    test('ends in the part that replaces its pieces, which go only when the part is recorded', async () => {
      const key = newKey()
      let ledger = EMPTY_LEDGER
      for (let at = 0; at < 5; at++)
        ledger = await append(key, source.subarray(at * 3 * MIB, (at + 1) * 3 * MIB), { ledger })
      const pieces = piecesIn(ledger)
      expect(pieces).toHaveLength(5)
      const writer = openAt(key, { ledger })
      await write(writer, 15 * MIB, source.subarray(15 * MIB, 20 * MIB))
      const stored = await writer.sync()
      expect(stored.parts.map(({ kind }) => kind)).toEqual(['part', 'piece'])
      expect(await piecesOf(key)).toEqual(expect.arrayContaining(pieces))
      writer.confirm(stored)
      await writer.close()
      ledger = recorded(ledger, stored)
      expect(await piecesOf(key)).toEqual(piecesIn(ledger))
      const whole = source.subarray(0, 20 * MIB)
      expect((await completed(key, whole.length, ledger)).equals(whole)).toBe(true)
    })
  })

  describe('a length that is told late', () => {
    test('when all is in the tail already: the pieces become the object', async () => {
      const key = newKey()
      const ledger = await append(key, source.subarray(0, 3 * MIB), { gatheredBytes: MIB })
      expect(ledger.parts.map(({ kind }) => kind)).toEqual(['piece', 'piece', 'piece'])
      const object = await completed(key, 3 * MIB, ledger)
      expect(object.equals(source.subarray(0, 3 * MIB))).toBe(true)
    })

    test('with the last bytes: they and the tail are one object', async () => {
      const key = newKey()
      const first = await append(key, source.subarray(0, 3 * MIB), { gatheredBytes: MIB })
      const ledger = await append(key, source.subarray(3 * MIB, 4 * MIB), {
        ledger: first,
        sizeBytes: 4 * MIB,
      })
      expect(ledger.parts.map(({ kind, sizeBytes }) => [kind, sizeBytes])).toEqual([['object', 4 * MIB]])
      expect(await piecesOf(key)).toEqual([])
      expect((await completed(key, 4 * MIB, ledger)).equals(source.subarray(0, 4 * MIB))).toBe(true)
    })
  })

  describe('when S3 fails', () => {
    test('a part: everything from there on fails with its error, and nothing waits', async () => {
      proxy.on({ operation: 'UploadPart', nth: 'every' }, fails(500, 'InternalError'))
      const writer = openAt(newKey(), { sizeBytes: source.length })
      const writes = await writeAll(writer, 0, source.subarray(0, 20 * MIB))
      const outcomes = await Promise.allSettled(writes)
      expect(new Set(outcomes.map(({ status }) => status))).toEqual(new Set(['rejected']))
      await expect(writer.sync()).rejects.toMatchObject({ code: 'UNAVAILABLE' })
      await expect(writer.write(new Uint8Array(1))).rejects.toMatchObject({ code: 'UNAVAILABLE' })
      await writer.close()
      expect(memory.sendingBytes).toBe(0)
    })

    test('a sync that waits for a failing part fails with it', async () => {
      proxy.on({ operation: 'UploadPart', nth: 'every', partNumber: 1 }, fails(503, 'SlowDown'))
      const writer = openAt(newKey(), { sizeBytes: source.length })
      await writeAll(writer, 0, source.subarray(0, 18 * MIB))
      await expect(writer.sync()).rejects.toMatchObject({ code: 'UNAVAILABLE', retryAfterSeconds: 60 })
    })

    test('the creation: so does the part that needed it', async () => {
      proxy.on({ operation: 'CreateMultipartUpload', nth: 'every' }, fails(403, 'AccessDenied'))
      const writer = openAt(newKey(), { sizeBytes: source.length })
      await writeAll(writer, 0, source.subarray(0, 16 * MIB))
      await expect(writer.sync()).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    })

    test('once, in the midst of a part that is made of pieces: it is made again, of the same bytes', async () => {
      const key = newKey()
      let ledger = await append(key, source.subarray(0, 10 * MIB), { gatheredBytes: 2 * MIB })
      expect(ledger.parts).toHaveLength(5)
      proxy.on({ operation: 'UploadPart', nth: 1 }, cutInside)
      ledger = await append(key, source.subarray(10 * MIB, 17 * MIB), { ledger })
      expect(proxy.counts().UploadPart).toBe(2)
      const whole = source.subarray(0, 17 * MIB)
      expect((await completed(key, whole.length, ledger)).equals(whole)).toBe(true)
    })

    test('by losing a piece that the ledger names: NOT_FOUND when its part is made', async () => {
      const key = newKey()
      const ledger = await append(key, source.subarray(0, 2 * MIB), { gatheredBytes: MIB })
      await store.deleteTemporary(key)
      const writer = openAt(key, { ledger })
      await writeAll(writer, 2 * MIB, source.subarray(2 * MIB, 16 * MIB))
      await expect(writer.sync()).rejects.toMatchObject({ code: 'NOT_FOUND' })
    })

    test('by losing the multipart upload: NOT_FOUND with the next part', async () => {
      const key = newKey()
      const ledger = await append(key, source.subarray(0, 16 * MIB))
      await store.deleteTemporary(key)
      const writer = openAt(key, { ledger })
      await writeAll(writer, 16 * MIB, source.subarray(16 * MIB, 32 * MIB))
      await expect(writer.sync()).rejects.toMatchObject({ code: 'NOT_FOUND' })
    })
  })

  describe('closing', () => {
    test('while S3 does not answer ends at once: every write settles, and the memory is free', async () => {
      proxy.hang({ operation: 'UploadPart', nth: 'every' })
      const writer = openAt(newKey(), { sizeBytes: source.length })
      const writes = await writeAll(writer, 0, source.subarray(0, 18 * MIB))
      const syncing = Promise.allSettled([writer.sync()])
      expect(memory.sendingBytes).toBeGreaterThan(0)
      const since = performance.now()
      await writer.close()
      expect(performance.now() - since).toBeLessThan(1000)
      const outcomes = [...(await Promise.allSettled(writes)), ...(await syncing)]
      expect(new Set(outcomes.map(({ status }) => status))).toEqual(new Set(['rejected']))
      expect(memory.sendingBytes).toBe(0)
      await writer.close()
    })

    test('gives up what was not sent, and lets in who waits for its memory', async () => {
      const own = new PartMemory(2 * MIB)
      const position = { offsetBytes: 0, sizeBytes: null, ledger: EMPTY_LEDGER }
      const options = { parts, memory: own, mostGatheredBytes: MIB }
      const first = new S3Writer(position, { key: newKey(), ...options })
      const second = new S3Writer(position, { key: newKey(), ...options })
      await first.ready(never)
      const writing = Promise.allSettled([first.write(new Uint8Array(100))])
      const waiting = second.ready(never)
      expect(await Promise.race([waiting.then(() => 'in'), sleep(20, 'waiting')])).toBe('waiting')
      await first.close()
      await waiting
      await second.close()
      expect(await writing).toMatchObject([{ status: 'rejected', reason: { code: 'UNAVAILABLE' } }])
      expect(proxy.counts()).toEqual({})
    })
  })

  describe('being ready', () => {
    test('waits while three are on their way, and rejects with the signal’s reason', async () => {
      proxy.hang({ operation: 'PutObject', nth: 'every' })
      const writer = openAt(newKey(), { gatheredBytes: MIB })
      await writeAll(writer, 0, source.subarray(0, 3 * MIB))
      const stop = new AbortController()
      const waiting = writer.ready(stop.signal)
      waiting.catch(() => {})
      expect(await Promise.race([waiting.then(() => 'ready'), sleep(50, 'waiting')])).toBe('waiting')
      const reason = new Error('stop')
      stop.abort(reason)
      await expect(waiting).rejects.toBe(reason)
    })

    test('ends with the failure of what is on its way', async () => {
      const answers = [1, 2, 3].map((nth) => proxy.hold({ operation: 'PutObject', nth }))
      const writer = openAt(newKey(), { gatheredBytes: MIB })
      const writes = await writeAll(writer, 0, source.subarray(0, 3 * MIB))
      await Promise.all(answers.map(({ reached }) => reached))
      const waiting = expect(writer.ready(never)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
      await writer.close()
      await waiting
      expect((await Promise.allSettled(writes)).every(({ status }) => status === 'rejected')).toBe(true)
    })
  })

  describe('when memory is short', () => {
    test('it stores what it has as a piece, again and again, and goes on', async () => {
      const key = newKey()
      const writer = openAt(key)
      for (const at of [0, 1, 2]) {
        // A slab that was filled while the one before was stored comes without being asked for.
        if (at === 0) await writer.ready(never)
        const writing = writer.write(new Uint8Array(source.subarray(at * KIB, (at + 1) * KIB)))
        memory.relieve()
        await writing
      }
      const ledger = recorded(EMPTY_LEDGER, await writer.sync())
      expect(ledger.parts.map(({ kind, sizeBytes }) => [kind, sizeBytes])).toEqual([
        ['piece', KIB],
        ['piece', KIB],
        ['piece', KIB],
      ])
      expect((await completed(key, 3 * KIB, ledger)).equals(source.subarray(0, 3 * KIB))).toBe(true)
    })
  })

  describe('a crash', () => {
    test('before the record of a joined piece: its members are there still', async () => {
      const key = newKey()
      let ledger = EMPTY_LEDGER
      for (let at = 0; at < 7; at++)
        ledger = await append(key, source.subarray(at * KIB, (at + 1) * KIB), { ledger })
      const writer = openAt(key, { ledger })
      await write(writer, 7 * KIB, source.subarray(7 * KIB, 8 * KIB))
      expect((await writer.sync()).parts).toMatchObject([{ startBytes: 0, sizeBytes: 8 * KIB }])
      await writer.close()
      await expectStored(key, ledger)
      expect((await completed(key, 7 * KIB, ledger)).equals(source.subarray(0, 7 * KIB))).toBe(true)
    })

    test('between the record and its confirmation leaves strays, which deleting the temporary takes along', async () => {
      const key = newKey()
      let ledger = EMPTY_LEDGER
      for (let at = 0; at < 7; at++)
        ledger = await append(key, source.subarray(at * KIB, (at + 1) * KIB), { ledger })
      const writer = openAt(key, { ledger })
      await write(writer, 7 * KIB, source.subarray(7 * KIB, 8 * KIB))
      ledger = recorded(ledger, await writer.sync())
      await writer.close()
      expect(ledger.parts).toHaveLength(1)
      expect(await piecesOf(key)).toHaveLength(8)
      await expectStored(key, ledger)
      await store.deleteTemporary(key)
      expect(await place.list()).toEqual({ objects: [], multiparts: [] })
    })
  })

  describe('whatever happens', () => {
    type Step =
      | { do: 'write'; bytes: number }
      | { do: 'sync'; isRecorded: boolean; isConfirmed: boolean }
      | { do: 'spill' }
      | { do: 'reopen' }

    const step = fc.oneof(
      { weight: 4, arbitrary: fc.record({ do: fc.constant('write' as const), bytes: fc.nat(6 * MIB) }) },
      { weight: 3, arbitrary: fc.record({ do: fc.constant('write' as const), bytes: fc.nat(64 * KIB) }) },
      {
        weight: 4,
        arbitrary: fc.record({
          do: fc.constant('sync' as const),
          isRecorded: fc.boolean(),
          isConfirmed: fc.boolean(),
        }),
      },
      { weight: 1, arbitrary: fc.constant<Step>({ do: 'spill' }) },
      { weight: 2, arbitrary: fc.constant<Step>({ do: 'reopen' }) },
    )
    const scenario = fc.record({
      sizeBytes: fc.integer({ min: 1, max: 24 * MIB }),
      isSizeKnown: fc.boolean(),
      gatheredBytes: fc.constantFrom(MIB, 5 * MIB, PART_BYTES),
      steps: fc.array<Step>(step, { minLength: 4, maxLength: 24, size: 'max' }),
    })

    test('the object has what was acknowledged, byte by byte, and the bucket what the ledger names, at any instant', async () => {
      await fc.assert(
        fc.asyncProperty(scenario, async ({ sizeBytes, isSizeKnown, gatheredBytes, steps }) => {
          const key = newKey()
          const content = Buffer.alloc(sizeBytes)
          let ledger = EMPTY_LEDGER
          let writtenBytes = 0
          let generation = 0
          const replaced = new Set<string>()
          const opening = { sizeBytes: isSizeKnown ? sizeBytes : null, gatheredBytes }
          let writer = openAt(key, opening)

          /** Of each life of the client other bytes, so that some which nobody acknowledged would be seen. */
          const send = async (bytes: number) => {
            const end = Math.min(sizeBytes, writtenBytes + bytes)
            source.copy(content, writtenBytes, generation * MIB + writtenBytes, generation * MIB + end)
            await write(writer, writtenBytes, content.subarray(writtenBytes, end))
            writtenBytes = end
          }
          const sync = async (isRecorded: boolean, isConfirmed: boolean) => {
            const stored = await writer.sync()
            if (!isRecorded) return
            const before = piecesIn(ledger)
            ledger = recorded(ledger, stored)
            expect(endOf(ledger)).toBe(writtenBytes)
            const after = piecesIn(ledger)
            if (!isConfirmed) return
            writer.confirm(stored)
            for (const name of before) if (!after.includes(name)) replaced.add(name)
            await expectStored(key, ledger)
          }
          const reopen = async (told: Opening = {}) => {
            await writer.close()
            await expectStored(key, ledger)
            const left = await piecesOf(key)
            expect(left.filter((name) => replaced.has(name))).toEqual([])
            writtenBytes = endOf(ledger)
            generation = (generation + 1) % 16
            writer = openAt(key, { ...opening, ...told, ledger })
          }

          for (const each of steps) {
            if (each.do === 'write') await send(each.bytes)
            else if (each.do === 'sync') await sync(each.isRecorded, each.isConfirmed)
            else if (each.do === 'spill') writer.spill()
            else await reopen()
            // The last byte is synced and recorded by finishing alone.
            if (writtenBytes === sizeBytes) break
          }
          if (!isSizeKnown) await reopen({ sizeBytes })
          await send(sizeBytes)
          await sync(true, true)
          await writer.close()
          expect((await completed(key, sizeBytes, ledger)).equals(content)).toBe(true)
          await store.deleteTemporary(key)
          await store.deleteObject(key)
          expect(await place.list()).toEqual({ objects: [], multiparts: [] })
        }),
        { numRuns: 12, endOnFailure: true },
      )
    })
  })

  /** Hands `bytes` over as the intake does: in slices of their own memory, that end at the boundaries. */
  async function writeAll(
    writer: TemporaryWriter,
    from: number,
    bytes: Uint8Array,
  ): Promise<Promise<void>[]> {
    const writes: Promise<void>[] = []
    for (let at = 0; at < bytes.length; ) {
      await writer.ready(never)
      const end = Math.min(bytes.length, at + SLICE_BYTES, writer.boundaryBytes - from)
      writes.push(writer.write(new Uint8Array(bytes.subarray(at, end))))
      at = end
    }
    for (const one of writes) one.catch(() => {})
    return writes
  }

  async function write(writer: TemporaryWriter, from: number, bytes: Uint8Array): Promise<void> {
    await writeAll(writer, from, bytes)
  }
})
