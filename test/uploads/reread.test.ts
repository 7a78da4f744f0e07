// Reading an object again for its digests: alone, and as a part of finishing.

import { randomBytes } from 'node:crypto'
import { tmpdir } from 'node:os'
import { setImmediate as turn } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals'
import { EVERYONE } from '../../server/auth/owner-scope.js'
import { RunningDigest } from '../../server/digests/digest.js'
import { DigestPool } from '../../server/digests/pool.js'
import { SLAB_BYTES, SlabPool } from '../../server/digests/slabs.js'
import { AppError } from '../../server/errors.js'
import { LocalStore } from '../../server/storage/local.js'
import { type ByteRange, EMPTY_LEDGER, type Store } from '../../server/storage/store.js'
import { randomId } from '../../server/uploads/random.js'
import type { Fence } from '../../server/uploads/records.js'
import { reportOf } from '../../server/uploads/report.js'
import { type Progress, Rereader, type RereadOptions } from '../../server/uploads/reread.js'
import type { Upload } from '../../server/uploads/upload.js'
import { checksumsOf } from '../dialects/tus-client.js'
import { deferred } from './parted-writer.js'
import { aFile, type Ground, type Instance, insertUpload, newGround, openInstance } from './parts.js'

const KIB = 1024
const MIB = 1024 ** 2
const CHUNK_BYTES = 700 * KIB
const content = randomBytes(5 * MIB)
const digests = checksumsOf(content)

/** Between two chunks: `between` says how long to wait, or that S3 is in trouble. */
type Between = (atBytes: number) => Promise<void>

/** A store with one object, whose reading the test has in its hand. */
class OneObjectStore extends LocalStore {
  readonly ranges: ByteRange[] = []
  openReadings = 0
  between: Between = async () => {}

  constructor() {
    super(tmpdir())
  }

  override async *readObject(_key: string, range: ByteRange): AsyncIterable<Uint8Array> {
    this.ranges.push(range)
    this.openReadings += 1
    try {
      yield* chunksOf(range, this.between)
    } finally {
      this.openReadings -= 1
    }
  }
}

async function* chunksOf({ start, end }: ByteRange, between: Between): AsyncIterable<Uint8Array> {
  for (let at = start; at < end; at += CHUNK_BYTES) {
    await between(at)
    yield content.subarray(at, Math.min(end, at + CHUNK_BYTES))
  }
}

/** Lets the server's own clock stand, and go on by hand. */
function handClock(): { goOn: (ms: number) => void } {
  let now = 1_000_000
  jest.spyOn(performance, 'now').mockImplementation(() => now)
  return {
    goOn: (ms) => {
      now += ms
    },
  }
}

afterEach(() => {
  jest.restoreAllMocks()
})

describe('a reading', () => {
  let pool: DigestPool

  beforeAll(() => {
    pool = new DigestPool({ threads: 2 })
  })
  afterAll(() => pool.close())

  function setUp(slabLimit = 8) {
    const store = new OneObjectStore()
    const slabs = new SlabPool(slabLimit)
    const recorded: Progress[] = []
    const rereader = new Rereader(store, pool, slabs)
    const read = (over: Partial<RereadOptions> = {}) =>
      rereader.read({
        objectKey: 'a'.repeat(40),
        sizeBytes: content.length,
        from: null,
        record: async (progress) => void recorded.push(progress),
        signal: new AbortController().signal,
        ...over,
      })
    return { store, slabs, recorded, read }
  }

  test('gives the digests of the whole, and every slab back', async () => {
    const { store, slabs, recorded, read } = setUp()
    expect(await read()).toEqual(digests)
    expect(store.ranges).toEqual([{ start: 0, end: content.length }])
    expect(recorded).toEqual([])
    expect([slabs.inUse, store.openReadings]).toEqual([0, 0])
  })

  test('of nothing gives the digests of nothing', async () => {
    expect(await setUp().read({ sizeBytes: 0 })).toEqual(checksumsOf(Buffer.alloc(0)))
  })

  test('needs no more than one slab', async () => {
    const { slabs, read } = setUp(1)
    expect(await read()).toEqual(digests)
    expect(slabs.inUse).toBe(0)
  })

  test('records every five seconds how far it is, with the digests of exactly so many bytes; and goes on from any of these', async () => {
    const { store, recorded, read } = setUp()
    const clock = handClock()
    store.between = async () => clock.goOn(3000)
    expect(await read()).toEqual(digests)
    const recordedAt = [2 * CHUNK_BYTES, 4 * CHUNK_BYTES, 6 * CHUNK_BYTES, content.length]
    expect(recorded.map(({ offsetBytes }) => offsetBytes)).toEqual(recordedAt)
    for (const progress of recorded) {
      const state = new RunningDigest(progress.digestState)
      expect(state.digests()).toEqual(checksumsOf(content.subarray(0, progress.offsetBytes)))
      store.ranges.length = 0
      expect(await read({ from: progress })).toEqual(digests)
      expect(store.ranges).toEqual([{ start: progress.offsetBytes, end: content.length }])
    }
  })

  test('waits until the one before has ended, however that ended', async () => {
    const { store, slabs, read } = setUp()
    const gate = deferred()
    store.between = async (at) => {
      if (at === CHUNK_BYTES) await gate.promise
    }
    const broken = read()
    const outcome = expect(broken).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    const second = read()
    const third = read()
    for (let waited = 0; waited < 20; waited++) await turn()
    expect(store.ranges).toHaveLength(1)
    store.between = async () => expect(store.openReadings).toBe(1)
    gate.reject(new AppError('UNAVAILABLE', 'S3 is away.'))
    await outcome
    expect(await Promise.all([second, third])).toEqual([digests, digests])
    expect(store.ranges).toHaveLength(3)
    expect(slabs.inUse).toBe(0)
  })

  test('that is stopped ends with the signal’s reason before the next chunk, and ends the store’s reading', async () => {
    const { store, slabs, read } = setUp()
    const stop = new AbortController()
    const reason = new Error('the server is stopping')
    const seen: number[] = []
    store.between = async (at) => {
      seen.push(at)
      if (at === 2 * CHUNK_BYTES) stop.abort(reason)
    }
    await expect(read({ signal: stop.signal })).rejects.toBe(reason)
    expect(seen).toEqual([0, CHUNK_BYTES, 2 * CHUNK_BYTES])
    expect(slabs.inUse).toBe(0)
    await turn()
    expect(store.openReadings).toBe(0)
  })

  test('that is stopped while the store doesn’t answer ends at once, and nothing is thrown at nobody later', async () => {
    const { store, slabs, read } = setUp()
    const [reached, gate] = [deferred(), deferred()]
    store.between = async (at) => {
      if (at !== 2 * CHUNK_BYTES) return
      reached.resolve()
      await gate.promise
    }
    const stop = new AbortController()
    const reason = new Error('the server is stopping')
    const reading = expect(read({ signal: stop.signal })).rejects.toBe(reason)
    await reached.promise
    stop.abort(reason)
    await reading
    expect(slabs.inUse).toBe(0)
    const unhandled = jest.fn()
    process.on('unhandledRejection', unhandled)
    gate.reject(new AppError('UNAVAILABLE', 'S3 is away.'))
    await turn()
    await turn()
    process.off('unhandledRejection', unhandled)
    expect(unhandled).not.toHaveBeenCalled()
    expect(store.openReadings).toBe(0)
  })

  test('that is stopped while it waits for its turn never begins', async () => {
    const { store, read } = setUp()
    const gate = deferred()
    store.between = () => gate.promise
    const first = read()
    const stop = new AbortController()
    const reason = new Error('the upload was deleted')
    const outcome = expect(read({ signal: stop.signal })).rejects.toBe(reason)
    stop.abort(reason)
    gate.resolve()
    await outcome
    expect(await first).toEqual(digests)
    expect(store.ranges).toHaveLength(1)
  })

  test('that is stopped while uploads have all the slabs waits for none', async () => {
    const { store, slabs, read } = setUp(2)
    const [one, other] = [await slabs.acquire(), await slabs.acquire()]
    const stop = new AbortController()
    const reason = new Error('the server is stopping')
    const reading = read({ signal: stop.signal })
    const outcome = expect(reading).rejects.toBe(reason)
    while (!slabs.isShort) await turn()
    stop.abort(reason)
    await outcome
    one.release()
    other.release()
    expect([slabs.inUse, slabs.isShort, store.openReadings]).toEqual([0, false, 0])
  })

  test('whose progress is refused ends with that: somebody else has the lease', async () => {
    const { store, slabs, read } = setUp()
    const clock = handClock()
    store.between = async () => clock.goOn(6000)
    const refused = new AppError('LOCKED', 'Another instance took over.')
    await expect(read({ record: () => Promise.reject(refused) })).rejects.toBe(refused)
    expect([slabs.inUse, store.openReadings]).toEqual([0, 0])
  })

  test('with a state that is none is refused, and nothing is read', async () => {
    const { store, slabs, read } = setUp()
    const from = { offsetBytes: SLAB_BYTES, digestState: Buffer.from('nonsense') }
    await expect(read({ from })).rejects.toMatchObject({ code: 'INTERNAL' })
    expect([store.ranges.length, slabs.inUse]).toEqual([0, 0])
  })
})

describe('finishing an upload whose digests are not known', () => {
  let ground: Ground
  let slow: Instance
  let heir: Instance
  const ranges: ByteRange[] = []
  let between: Between = async () => {}

  beforeAll(async () => {
    ground = await newGround()
    const readObject: Store['readObject'] = (_, range) => {
      ranges.push(range)
      return chunksOf(range, between)
    }
    const wrapStore = (store: Store): Store => changed(store, { readObject })
    slow = await openInstance(ground, { wrapStore })
    heir = await openInstance(ground, { wrapStore })
  })
  afterAll(async () => {
    await heir.close()
    await ground.dispose()
  })

  /** An upload whose last byte is acknowledged, with no digest of it. */
  async function finalizing(declared: { sha256?: string } = {}): Promise<string> {
    const { records, store } = heir
    const id = randomId()
    await store.createTemporary(id)
    const writer = await store.openTemporary(id, { offsetBytes: 0, sizeBytes: null, ledger: EMPTY_LEDGER })
    await writer.write(content)
    await writer.sync()
    await writer.close()
    const held = { holder: 'x', seconds: 10 }
    const upload = await insertUpload(records, id, 'somebody', aFile(content.length, { declared }), held)
    const fence: Fence = { uploadId: id, epoch: upload.leaseEpoch }
    await records.beginFinalizing(fence, null, EMPTY_LEDGER)
    await records.releaseLease(fence)
    return id
  }

  const get = (id: string) => heir.records.get(id, EVERYONE)
  const origins = { publicUrl: () => 'http://localhost', retrievalOrigin: () => 'http://localhost' }
  const toldBytes = async (id: string) => reportOf(await get(id), origins).reread_bytes

  async function until(id: string, state: Upload['state']): Promise<Upload> {
    for (;;) {
      const upload = await get(id)
      if (upload.state === state) return upload
      if (upload.state !== 'finalizing') throw new Error(`It is ${upload.state}.`)
      await turn()
    }
  }

  test('tells in the report how far it is; another instance goes on where a stopped one was', async () => {
    const id = await finalizing()
    expect(await toldBytes(id)).toBe(0)
    const clock = handClock()
    const [reached, gate] = [deferred(), deferred()]
    between = async (at) => {
      clock.goOn(6000)
      if (at !== 3 * CHUNK_BYTES) return
      reached.resolve()
      await gate.promise
    }
    await slow.finalizer.resume(id)
    await reached.promise
    expect(await toldBytes(id)).toBe(3 * CHUNK_BYTES)
    const stopped = slow.finalizer.stop()
    gate.resolve()
    await stopped
    await slow.close()
    expect(await get(id)).toMatchObject({ state: 'finalizing', isHeld: false })
    expect(await toldBytes(id)).toBe(3 * CHUNK_BYTES)

    ranges.length = 0
    between = async () => {}
    await heir.finalizer.resume(id)
    expect(await until(id, 'ready')).toMatchObject({ ...digests, rereadBytes: null, digestState: null })
    expect(ranges).toEqual([{ start: 3 * CHUNK_BYTES, end: content.length }])
    expect(await toldBytes(id)).toBeNull()
  })

  test('fails the upload when they are not what was declared: both are told, and its bytes are gone', async () => {
    between = async () => {}
    const wrong = 'f'.repeat(64)
    const id = await finalizing({ sha256: wrong })
    await heir.finalizer.resume(id)
    const failed = await until(id, 'failed')
    expect(failed).toMatchObject({ errorCode: 'HASH_MISMATCH', declaredSha256: wrong, ...digests })
    expect(await toldBytes(id)).toBeNull()
    while ((await ground.rows('SELECT 1 FROM garbage WHERE object_key = $1', [id])).length > 0) await turn()
    const { tmp, objects } = await ground.stored()
    expect([...tmp, ...objects]).not.toContain(id)
  })
})

/** `store`, with some of its methods replaced. */
function changed(store: Store, changes: Partial<Store>): Store {
  return new Proxy(store, {
    get(target, name) {
      const value = Reflect.get(name in changes ? changes : target, name)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}
