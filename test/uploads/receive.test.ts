import { createHash, randomBytes } from 'node:crypto'
import { PassThrough, Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals'
import { RunningDigest } from '../../server/digests/digest.js'
import { DigestPool } from '../../server/digests/pool.js'
import { SLAB_BYTES, SlabPool } from '../../server/digests/slabs.js'
import { AppError } from '../../server/errors.js'
import { EMPTY_LEDGER } from '../../server/storage/store.js'
import { type Checkpoint, type ReceiveOptions, readWhole, receive } from '../../server/uploads/receive.js'
import fc from '../support/properties.js'
import { until } from '../support/until.js'
import { deferred, PartedWriter } from './parted-writer.js'

const KIB = 1024
const MIB = 1024 * 1024

test('a store that fills up while bytes arrive ends the request, and all that was taken is kept', async () => {
  const slabs = new SlabPool(8)
  let writtenBytes = 0
  let isSynced = false
  const reception = await receive(Readable.from(Array.from({ length: 40 }, () => Buffer.alloc(MIB))), {
    writer: {
      boundaryBytes: Number.POSITIVE_INFINITY,
      ready: async () => {},
      write: async (bytes) => {
        writtenBytes += bytes.byteLength
      },
      sync: async () => {
        isSynced = true
        return EMPTY_LEDGER
      },
      confirm: () => {},
      close: async () => {},
    },
    digest: null,
    slabs,
    offsetBytes: 0,
    limitBytes: 40 * MIB,
    bodyHash: null,
    record: async () => {},
    assertSpace: async () => {
      throw new AppError('INSUFFICIENT_STORAGE', 'full')
    },
    signal: new AbortController().signal,
    noProgressMs: 1000,
    leastBytesPerSecond: undefined,
    onTrouble: () => {},
  })
  expect(reception.stopReason).toMatchObject({ code: 'INSUFFICIENT_STORAGE' })
  expect(reception.isWhole).toBe(false)
  expect(reception.checkpoint.offsetBytes).toBe(writtenBytes)
  expect(writtenBytes).toBeGreaterThanOrEqual(15 * MIB)
  expect(writtenBytes).toBeLessThan(20 * MIB)
  expect(isSynced).toBe(true)
  expect(slabs.inUse).toBe(0)
})

describe('a writer with boundaries', () => {
  const content = randomBytes(6 * MIB)
  let pool: DigestPool

  beforeAll(() => {
    pool = new DigestPool({ threads: 2 })
  })
  afterAll(() => pool.close())

  /** What `receive` is told when nothing is special. */
  function options(writer: PartedWriter, over: Partial<ReceiveOptions> = {}): ReceiveOptions {
    return {
      writer,
      digest: null,
      slabs: new SlabPool(8),
      offsetBytes: 0,
      limitBytes: content.length,
      bodyHash: null,
      record: async () => {},
      assertSpace: async () => {},
      signal: new AbortController().signal,
      noProgressMs: 200_000,
      leastBytesPerSecond: undefined,
      onTrouble: () => {},
      ...over,
    }
  }

  /** `bytes` in chunks of these lengths, again and again. */
  function body(bytes: Buffer, chunkBytes: readonly number[]): Readable {
    function* chunks() {
      for (let at = 0, index = 0; at < bytes.length; index++) {
        const end = at + (chunkBytes[index % chunkBytes.length] ?? 1)
        yield bytes.subarray(at, end)
        at = end
      }
    }
    return Readable.from(chunks(), { objectMode: false })
  }

  const digestsAfter = (bytes: number) => new RunningDigest().update(content.subarray(0, bytes)).digests()

  const digestsIn = ({ digestState }: Checkpoint) =>
    digestState === null ? null : new RunningDigest(digestState).digests()

  test('is never given a slab across one, and each one begins a checkpoint with the digests of exactly its bytes', async () => {
    const chunks = fc.array(fc.integer({ min: 1, max: 200 * KIB }), { minLength: 1, maxLength: 5 })
    const scenario = fc.record({
      sizeBytes: fc.integer({ min: 1, max: 3 * MIB }),
      offsetBytes: fc.constantFrom(0, 1, 300_000),
      partBytes: fc.integer({ min: 64 * KIB, max: 2 * MIB }),
      chunks: chunks.filter((lengths) => Math.max(...lengths) > KIB),
    })
    await fc.assert(
      fc.asyncProperty(scenario, async ({ sizeBytes, offsetBytes, partBytes, chunks }) => {
        const endBytes = offsetBytes + sizeBytes
        const writer = new PartedWriter({ offsetBytes, partBytes })
        const slabs = new SlabPool(4)
        const state = new RunningDigest().update(content.subarray(0, offsetBytes)).save()
        const digest = pool.open(state)
        const checkpoints: Checkpoint[] = []
        const record = async (checkpoint: Checkpoint) => void checkpoints.push(checkpoint)
        const own = { slabs, offsetBytes, digest, record, limitBytes: endBytes }
        const arriving = body(content.subarray(offsetBytes, endBytes), chunks)
        const reception = await receive(arriving, options(writer, own))
        digest.close()
        await writer.close()

        expect(Buffer.concat(writer.received).equals(content.subarray(offsetBytes, endBytes))).toBe(true)
        expect(reception).toMatchObject({ isWhole: true, stopReason: null })
        let lastBytes = offsetBytes
        for (const checkpoint of [...checkpoints, reception.checkpoint]) {
          const { offsetBytes: atBytes, stored } = checkpoint
          if (checkpoint !== reception.checkpoint) {
            expect(atBytes % partBytes).toBe(0)
            expect(atBytes).toBeLessThan(endBytes)
          }
          expect(digestsIn(checkpoint)).toEqual(digestsAfter(atBytes))
          // What is told follows what was told before, up to the very offset.
          for (const { startBytes, sizeBytes } of stored.parts) {
            expect(startBytes).toBe(lastBytes)
            lastBytes += sizeBytes
          }
          expect(lastBytes).toBe(atBytes)
        }
        expect(lastBytes).toBe(endBytes)
        expect(writer.confirmed).toEqual(checkpoints.map(({ stored }) => stored))
        expect(slabs.inUse).toBe(0)
      }),
      { numRuns: 40 },
    )
  })

  test('has a checkpoint at each, when the store and the records keep up', async () => {
    const writer = new PartedWriter({ partBytes: MIB })
    const recordedAt: number[] = []
    const record = async ({ offsetBytes }: Checkpoint) => void recordedAt.push(offsetBytes)
    const source = new PassThrough()
    const receiving = receive(source, options(writer, { record }))
    for (let at = 0; at < content.length; at += MIB) {
      source.write(content.subarray(at, at + MIB))
      await until(() => recordedAt.length === Math.min(at / MIB + 1, 5))
    }
    source.end()
    const { checkpoint } = await receiving
    // The last byte is for whoever finishes to acknowledge.
    expect(recordedAt).toEqual([1, 2, 3, 4, 5].map((count) => count * MIB))
    expect(checkpoint.offsetBytes).toBe(content.length)
    expect(checkpoint.stored.parts.map(({ startBytes }) => startBytes)).toEqual([5 * MIB])
  })

  test.each([
    ['with boundaries a minute', MIB, 60_000],
    ['without them five seconds', Number.POSITIVE_INFINITY, 5000],
  ])('lets a slow client’s bytes wait for their record: %s', async (_, partBytes, patienceMs) => {
    jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask'] })
    try {
      const turn = () => new Promise((resolve) => setImmediate(resolve))
      const writer = new PartedWriter({ partBytes })
      const recordedAt: number[] = []
      const record = async ({ offsetBytes }: Checkpoint) => void recordedAt.push(offsetBytes)
      const source = new PassThrough()
      const receiving = receive(source, options(writer, { record }))
      source.write(content.subarray(0, 1000))
      await turn()
      await jest.advanceTimersByTimeAsync(patienceMs - 1)
      await turn()
      expect([recordedAt, writer.syncedAt]).toEqual([[], []])
      await jest.advanceTimersByTimeAsync(501)
      await turn()
      expect([recordedAt, writer.syncedAt]).toEqual([[1000], [1000]])
      // And nothing is recorded twice.
      await jest.advanceTimersByTimeAsync(2 * patienceMs)
      expect(recordedAt).toEqual([1000])
      source.end()
      expect((await receiving).checkpoint.offsetBytes).toBe(1000)
    } finally {
      jest.useRealTimers()
    }
  })

  test('that is not ready when we have to stop: what was taken before is kept', async () => {
    const stop = new AbortController()
    let welcomed = 0
    const writer = new PartedWriter({
      partBytes: MIB,
      isWelcome: async (signal) => {
        welcomed += 1
        if (welcomed <= 3) return
        await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
      },
    })
    const slabs = new SlabPool(8)
    const receiving = receive(body(content, [64 * KIB]), options(writer, { slabs, signal: stop.signal }))
    await until(() => welcomed > 3)
    const reason = new AppError('LOCKED', 'Another request took over.')
    stop.abort(reason)
    const { checkpoint, isWhole, stopReason } = await receiving
    expect(isWhole).toBe(false)
    expect(stopReason).toBe(reason)
    expect(checkpoint.offsetBytes).toBe(3 * SLAB_BYTES)
    expect(Buffer.concat(writer.received).equals(content.subarray(0, 3 * SLAB_BYTES))).toBe(true)
    expect(slabs.inUse).toBe(0)
  })

  test.each([
    ['while the client sends', content.length],
    ['when the client has sent all, and the rest waits in memory', 2 * MIB + 1000],
    ['when it is the last', 2 * MIB],
  ])('whose part fails %s: the request ends with its error, at once', async (_, sentBytes) => {
    const failure = new AppError('UNAVAILABLE', 'The store cannot be reached.')
    const late = deferred()
    let isAsked = false
    const writer = new PartedWriter({
      partBytes: MIB,
      store: async (startBytes) => {
        if (startBytes !== MIB) return
        isAsked = true
        await late.promise
      },
    })
    const slabs = new SlabPool(8)
    const recordedAt: number[] = []
    const record = async ({ offsetBytes }: Checkpoint) => void recordedAt.push(offsetBytes)
    const arriving = body(content.subarray(0, sentBytes), [64 * KIB])
    const receiving = receive(arriving, options(writer, { slabs, record }))
    const outcome = expect(receiving).rejects.toBe(failure)
    await until(() => isAsked && recordedAt.length === 1)
    await sleep(30)
    late.reject(failure)
    await outcome
    expect(recordedAt).toEqual([MIB])
    expect(writer.isClosed).toBe(true)
    expect(slabs.inUse).toBe(0)
  })

  test('whose record is refused for a moment names those parts again; a lost lease ends the request', async () => {
    const writer = new PartedWriter({ partBytes: MIB })
    const troubles: unknown[] = []
    const told: number[][] = []
    const answers = [new AppError('UNAVAILABLE', 'no database'), null, new AppError('LOCKED', 'taken over')]
    const record = async ({ stored }: Checkpoint) => {
      told.push(stored.parts.map(({ startBytes }) => startBytes / MIB))
      const answer = answers.shift() ?? null
      if (answer !== null) throw answer
    }
    const source = new PassThrough()
    const own = { record, onTrouble: (error: unknown) => void troubles.push(error) }
    const receiving = receive(source, options(writer, own))
    const outcome = expect(receiving).rejects.toMatchObject({ code: 'LOCKED' })
    for (let at = 0; at < 4 * MIB; at += MIB) {
      source.write(content.subarray(at, at + MIB))
      await until(() => told.length === Math.min(at / MIB + 1, 3))
    }
    await outcome
    expect(told).toEqual([[0], [0, 1], [2]])
    expect(troubles).toMatchObject([{ code: 'UNAVAILABLE' }])
    expect(writer.confirmed).toHaveLength(1)
  })

  test('records nothing of a body with a checksum before all of it is verified', async () => {
    const writer = new PartedWriter({ partBytes: MIB })
    const record = jest.fn<ReceiveOptions['record']>()
    const bodyHash = createHash('sha1')
    const reception = await receive(body(content, [64 * KIB]), options(writer, { record, bodyHash }))
    expect(record).not.toHaveBeenCalled()
    expect(reception.checkpoint.stored.parts).toHaveLength(6)
    expect(bodyHash.digest('hex')).toBe(createHash('sha1').update(content).digest('hex'))
  })
})

describe('the rate of a body', () => {
  const writerOf = (ready: () => Promise<void> = async () => {}, received: Buffer[] = []) => ({
    boundaryBytes: Number.POSITIVE_INFINITY,
    ready,
    write: async (bytes: Uint8Array) => void received.push(Buffer.from(bytes)),
    sync: async () => EMPTY_LEDGER,
    confirm: () => {},
    close: async () => {},
  })

  const limits = (over: Partial<ReceiveOptions>): ReceiveOptions => ({
    writer: writerOf(),
    digest: null,
    slabs: new SlabPool(8),
    offsetBytes: 0,
    limitBytes: MIB,
    bodyHash: null,
    record: async () => {},
    assertSpace: async () => {},
    signal: new AbortController().signal,
    noProgressMs: 1000,
    leastBytesPerSecond: 1000,
    onTrouble: () => {},
    ...over,
  })

  /** Writes `bytes` every 100 ms, until somebody stops reading for good. */
  function drip(bytes: number): { source: PassThrough; stop: () => void } {
    const source = new PassThrough()
    const timer = setInterval(() => source.write(Buffer.alloc(bytes, 1)), 100)
    return { source, stop: () => clearInterval(timer) }
  }

  test('that is too low ends it with 408, and every byte that came is kept', async () => {
    const received: Buffer[] = []
    const { source, stop } = drip(20)
    const startedAt = performance.now()
    const reception = await receive(source, limits({ writer: writerOf(undefined, received) }))
    stop()
    expect(performance.now() - startedAt).toBeGreaterThan(950)
    expect(performance.now() - startedAt).toBeLessThan(4_000)
    expect(reception).toMatchObject({ isWhole: false, stopReason: { code: 'REQUEST_TIMEOUT' } })
    expect(reception.stopReason?.detail).toBe(
      'Less than 1000 bytes a second arrived for 1 s. What arrived is kept: ask for the offset with HEAD and resume.',
    )
    expect(reception.checkpoint.offsetBytes).toBeGreaterThanOrEqual(100)
    expect(Buffer.concat(received)).toHaveLength(reception.checkpoint.offsetBytes)
  })

  test.each([
    ['high enough', 200, 1000],
    ['of no matter', 1, undefined],
  ])('that is %s lets it go on', async (_, bytes, leastBytesPerSecond) => {
    const { source, stop } = drip(bytes)
    const receiving = receive(source, limits({ leastBytesPerSecond }))
    await sleep(3_200)
    stop()
    source.end()
    expect(await receiving).toMatchObject({ isWhole: true, stopReason: null })
  })

  test('is not to blame while the store makes the client wait', async () => {
    const ready = deferred()
    const source = new PassThrough()
    source.write(Buffer.alloc(10))
    const receiving = receive(source, limits({ writer: writerOf(() => ready.promise) }))
    await sleep(2_500)
    ready.resolve()
    source.end(Buffer.alloc(10))
    const reception = await receiving
    expect(reception).toMatchObject({ isWhole: true, stopReason: null })
    expect(reception.checkpoint.offsetBytes).toBe(20)
  })

  test('ends a short body, too, of which nothing is kept', async () => {
    const { source, stop } = drip(20)
    const reading = readWhole(source, 100_000, { noProgressMs: 500, leastBytesPerSecond: 1000 })
    await expect(reading).rejects.toMatchObject({
      code: 'REQUEST_TIMEOUT',
      detail: 'Less than 1000 bytes a second arrived for 1 s. Nothing of it is kept: send it again.',
    })
    stop()
  })

  test('of a short body that is whole at the window’s end is never too low', async () => {
    const source = new PassThrough()
    const reading = readWhole(source, 20, { noProgressMs: 300, leastBytesPerSecond: 1_000_000 })
    for (let count = 0; count < 2; count++) {
      source.write(Buffer.alloc(10))
      await sleep(200)
    }
    source.end()
    expect(await reading).toHaveLength(20)
  })
})

describe('bodies that share rare slabs', () => {
  /** Four slabs, of which two are on loan for good. */
  async function rareSlabs(): Promise<SlabPool> {
    const slabs = new SlabPool(4)
    for (let count = 0; count < 2; count++) await slabs.acquire()
    expect(slabs.isTight).toBe(true)
    return slabs
  }

  function receiveInto(source: Readable, slabs: SlabPool, limitBytes: number) {
    const written: Buffer[] = []
    const over = receive(source, {
      writer: {
        boundaryBytes: Number.POSITIVE_INFINITY,
        ready: async () => {},
        write: async (bytes) => void written.push(Buffer.from(bytes)),
        sync: async () => EMPTY_LEDGER,
        confirm: () => {},
        close: async () => {},
      },
      digest: null,
      slabs,
      offsetBytes: 0,
      limitBytes,
      bodyHash: null,
      record: async () => {},
      assertSpace: async () => {},
      signal: new AbortController().signal,
      noProgressMs: 60_000,
      leastBytesPerSecond: undefined,
      onTrouble: () => {},
    })
    return { over, content: () => Buffer.concat(written) }
  }

  test('hold none for a few bytes: any number of slow ones leave a fast one its speed', async () => {
    const slabs = await rareSlabs()
    const sources = Array.from({ length: 50 }, () => new PassThrough())
    const slow = sources.map((source) => receiveInto(source, slabs, MIB))
    for (let round = 0; round < 3; round++) {
      for (const [index, source] of sources.entries()) source.write(Buffer.alloc(10, index))
      await sleep(20)
    }
    expect(slabs.inUse).toBe(2)

    const content = randomBytes(4 * MIB)
    const startedAt = performance.now()
    const pieces = Array.from({ length: 64 }, (_, index) =>
      content.subarray(index * 65_536, (index + 1) * 65_536),
    )
    const fast = receiveInto(Readable.from(pieces), slabs, content.length)
    await fast.over
    expect(performance.now() - startedAt).toBeLessThan(450)
    expect(fast.content().equals(content)).toBe(true)

    for (const [index, source] of sources.entries()) source.end(Buffer.alloc(20_000, index))
    for (const [index, { over, content }] of slow.entries()) {
      expect((await over).checkpoint.offsetBytes).toBe(20_030)
      expect(content().equals(Buffer.alloc(20_030, index))).toBe(true)
    }
    expect(slabs.inUse).toBe(2)
  })

  test('get one as soon as they turn out to be fast, however small their chunks are', async () => {
    const slabs = await rareSlabs()
    const content = randomBytes(2 * MIB)
    let mostInUse = 0
    function* chunks() {
      for (let at = 0; at < content.length; at += 1448) {
        mostInUse = Math.max(mostInUse, slabs.inUse)
        yield content.subarray(at, at + 1448)
      }
    }
    const receiving = receiveInto(Readable.from(chunks()), slabs, content.length)
    await receiving.over
    expect(mostInUse).toBeGreaterThan(2)
    expect(receiving.content().equals(content)).toBe(true)
    expect(slabs.inUse).toBe(2)
  })
})
