// The way in, with cuts and faults: what counts is what is durable, and it is the right bytes.

import { truncate } from 'node:fs/promises'
import path from 'node:path'
import { Readable } from 'node:stream'
import { setImmediate, setTimeout as sleep } from 'node:timers/promises'
import { runInThisContext } from 'node:vm'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { EVERYONE } from '../../server/auth/owner-scope.js'
import type { DigestPool } from '../../server/digests/pool.js'
import { AppError } from '../../server/errors.js'
import type { Store, TemporaryPosition, TemporaryWriter } from '../../server/storage/store.js'
import type { Upload } from '../../server/uploads/upload.js'
import { checksumsOf, someBytes } from '../dialects/tus-client.js'
import { collect } from '../storage/store-contract.js'
import fc from '../support/properties.js'
import { aBody, aFile, type Ground, type Instance, newGround, openInstance, uploaderNamed } from './parts.js'

const MIN_FREE_BYTES = 1_000_000

let ground: Ground
let instance: Instance
/** What the next writes and syncs of a temporary fail with; null: nothing. */
let fault: { of: 'write' | 'sync'; error: unknown; isOnce?: boolean } | null = null
/** What the store says it has left; null: the truth. */
let freeBytes: number | null = null
/** What saving a digest's state rejects with; null: it doesn't. */
let digestFault: AppError | null = null

beforeAll(async () => {
  ground = await newGround()
  instance = await openInstance(ground, {
    wrapStore: faulty,
    wrapDigests: forgetful,
    minFreeBytes: MIN_FREE_BYTES,
  })
})
afterAll(async () => {
  await instance.close()
  await ground.dispose()
})

/** The store, whose writers fail as `fault` says. */
function faulty(store: Store): Store {
  const openTemporary = async (key: string, at: TemporaryPosition): Promise<TemporaryWriter> => {
    const writer = await store.openTemporary(key, at)
    const unlessFaulty = (of: 'write' | 'sync') => {
      if (fault?.of !== of) return
      const { error, isOnce } = fault
      if (isOnce) fault = null
      throw error
    }
    return {
      boundaryBytes: writer.boundaryBytes,
      ready: (signal) => writer.ready(signal),
      write: async (bytes) => {
        unlessFaulty('write')
        await writer.write(bytes)
      },
      sync: async () => {
        unlessFaulty('sync')
        return writer.sync()
      },
      confirm: (recorded) => writer.confirm(recorded),
      close: () => writer.close(),
    }
  }
  return changed(store, { openTemporary, freeBytes: async () => freeBytes ?? store.freeBytes() })
}

/** The digests, whose states can't be saved while `digestFault` is set. */
function forgetful(pool: DigestPool): DigestPool {
  const open: DigestPool['open'] = (saved) => {
    const session = pool.open(saved)
    const save = async () => {
      if (digestFault !== null) throw digestFault
      return session.save()
    }
    return changed(session, { save })
  }
  return changed(pool, { open })
}

/** `whole`, with some of its functions replaced. */
function changed<T extends object>(whole: T, functions: Partial<T>): T {
  return new Proxy(whole, {
    get(target, name) {
      if (Object.hasOwn(functions, name)) return Reflect.get(functions, name)
      const member = Reflect.get(target, name)
      return typeof member === 'function' ? member.bind(target) : member
    },
  })
}

async function begin(sizeBytes: number | null): Promise<string> {
  return (await instance.intake.begin(uploaderNamed('somebody'), aFile(sizeBytes), { isHeld: false })).upload
    .id
}

async function append(id: string, source: Readable, announcedBytes: number | null = null): Promise<Upload> {
  const { lease, upload } = await instance.intake.claim(id, EVERYONE)
  if (lease === null) throw new Error('The upload is whole already.')
  return instance.intake.append(lease, upload, { source, announcedBytes, checksum: null })
}

const get = (id: string) => instance.records.get(id, EVERYONE)

/** A body of `bytes` in pieces, with a turn of the event loop between them: long enough to come to a checkpoint. */
async function* streamed(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += 1 << 20) {
    yield bytes.subarray(at, at + (1 << 20))
    await setImmediate()
  }
}

/** A body that brings `bytes` in pieces, and is cut after them. */
function cutAfter(bytes: Uint8Array, pieceBytes: number): Readable {
  let at = 0
  return new Readable({
    read() {
      if (at >= bytes.byteLength) {
        // Later, so that what was pushed is read first: as a socket that breaks after its last segment.
        setTimeout(() => this.destroy(new Error('cut')), 5)
        return
      }
      this.push(bytes.subarray(at, at + pieceBytes))
      at += pieceBytes
    },
  })
}

async function expectReady(id: string, bytes: Uint8Array): Promise<void> {
  const upload = await get(id)
  expect(upload).toMatchObject({ state: 'ready', ...checksumsOf(bytes), isHeld: false })
  const found = await instance.records.findByRetrievalToken(upload.retrievalToken ?? '')
  const object = await collect(
    instance.store.readObject(found?.objectKey ?? '', { start: 0, end: bytes.byteLength }),
  )
  expect(object.equals(bytes)).toBe(true)
}

describe('cuts', () => {
  test('of any size, at any byte, in any pieces: the digests go on where they stopped', async () => {
    const sizes = fc.oneof(
      fc.integer({ min: 1, max: 300 }),
      fc.constantFrom(65_535, 65_536, 65_537, 131_072, 131_073, 1_048_575, 1_048_576, 1_048_577),
      fc.integer({ min: 1, max: 3_000_000 }),
    )
    await fc.assert(
      fc.asyncProperty(
        sizes,
        fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 3 }),
        fc.constantFrom(1_000, 16_384, 65_536, 1_500_000),
        async (sizeBytes, places, pieceBytes) => {
          const bytes = someBytes(sizeBytes, sizeBytes)
          const id = await begin(sizeBytes)
          const cuts = places.map((place) => Math.floor(place * (sizeBytes - 1))).sort((a, b) => a - b)
          for (const cut of cuts) {
            const { offsetBytes } = await get(id)
            if (cut <= Number(offsetBytes)) continue
            const appended = await append(id, cutAfter(bytes.subarray(Number(offsetBytes), cut), pieceBytes))
            expect(appended.offsetBytes).toBe(BigInt(cut))
          }
          const { offsetBytes } = await get(id)
          const { source, announcedBytes } = aBody(bytes.subarray(Number(offsetBytes)))
          await append(id, source, announcedBytes)
          await expectReady(id, bytes)
          await instance.removals.remove(id, EVERYONE)
        },
      ),
      { numRuns: 25 },
    )
    expect(await ground.stored()).toEqual({ tmp: [], objects: [] })
  })

  test('before the first byte, nothing has happened', async () => {
    const id = await begin(10)
    const dead = new Readable({ read() {} }).on('error', () => {})
    dead.destroy(new Error('cut'))
    expect((await append(id, dead)).offsetBytes).toBe(0n)
    expect(await get(id)).toMatchObject({ state: 'receiving', isHeld: false })
  })

  test('without a saved digest state, finishing reads the object again', async () => {
    const bytes = someBytes(300_000)
    const id = await begin(bytes.length)
    await append(id, cutAfter(bytes.subarray(0, 100_000), 10_000))
    await ground.rows('UPDATE uploads SET digest_state = NULL WHERE id = $1', [id])
    await append(id, aBody(bytes.subarray(100_000)).source)
    for (let waited = 0; waited < 5_000 && (await get(id)).state !== 'ready'; waited += 20) await sleep(20)
    await expectReady(id, bytes)
  })

  test.each(['nonsense', ''])('with a digest state that is broken (%j), too', async (state) => {
    const bytes = someBytes(300_000)
    const id = await begin(bytes.length)
    await append(id, cutAfter(bytes.subarray(0, 100_000), 10_000))
    await ground.rows('UPDATE uploads SET digest_state = $2 WHERE id = $1', [id, Buffer.from(state)])
    await append(id, aBody(bytes.subarray(100_000)).source)
    for (let waited = 0; waited < 5_000 && (await get(id)).state !== 'ready'; waited += 20) await sleep(20)
    await expectReady(id, bytes)
  })
})

describe('faults of the store', () => {
  const full = new AppError('INSUFFICIENT_STORAGE', 'The store is full.')

  test.each([
    ['write', full],
    ['sync', full],
    ['write', new Error('a bug')],
    ['sync', new AppError('UNAVAILABLE', 'The store cannot be written.')],
  ] as const)(
    'a %s that fails (%s) acknowledges nothing, and the upload goes on later',
    async (of, error) => {
      const bytes = someBytes(2_500_000)
      const id = await begin(bytes.length)
      await append(id, cutAfter(bytes.subarray(0, 500_000), 65_536))
      fault = { of, error }
      try {
        await expect(append(id, aBody(bytes.subarray(500_000)).source)).rejects.toBe(error)
      } finally {
        fault = null
      }
      expect(await get(id)).toMatchObject({ state: 'receiving', offsetBytes: 500_000n, isHeld: false })
      await append(id, aBody(bytes.subarray(500_000)).source)
      await expectReady(id, bytes)
    },
  )

  test('a sync that fails at a checkpoint is not made good by the next one: the upload goes on where it was', async () => {
    const bytes = someBytes(80 * 1024 ** 2)
    const id = await begin(bytes.length)
    await append(id, cutAfter(bytes.subarray(0, 500_000), 65_536))
    // After it, the system may have dropped the dirty pages: a later sync that succeeds proves nothing of them.
    fault = { of: 'sync', error: new AppError('UNAVAILABLE', 'The store cannot be written.'), isOnce: true }
    const body = Readable.from(streamed(bytes.subarray(500_000, 78 * 1024 ** 2)))
    try {
      await expect(append(id, body)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
      expect(fault).toBeNull()
    } finally {
      fault = null
    }
    expect(await get(id)).toMatchObject({ state: 'receiving', offsetBytes: 500_000n, isHeld: false })
    await append(id, aBody(bytes.subarray(500_000)).source)
    await expectReady(id, bytes)
  })

  test.each([
    ['announced, and longer than what is left', true, MIN_FREE_BYTES + 1_000],
    ['chunked, when nothing is left', false, MIN_FREE_BYTES - 1_000],
  ])(
    'a short body (%s) is refused where the store has no room, and what was acknowledged is kept',
    async (_, isAnnounced, leftBytes) => {
      const bytes = someBytes(400_000)
      const id = await begin(bytes.length)
      await append(id, cutAfter(bytes.subarray(0, 100_000), 50_000))
      freeBytes = leftBytes
      // The answer before may have been kept for half a second.
      await sleep(600)
      const rest = bytes.subarray(100_000)
      try {
        const announcedBytes = isAnnounced ? rest.length : null
        await expect(append(id, aBody(rest).source, announcedBytes)).rejects.toMatchObject({
          code: 'INSUFFICIENT_STORAGE',
        })
      } finally {
        freeBytes = null
        await sleep(600)
      }
      expect(await get(id)).toMatchObject({ state: 'receiving', offsetBytes: 100_000n, isHeld: false })
      await append(id, aBody(rest).source)
      await expectReady(id, bytes)
    },
  )

  test('a temporary that has become shorter than what was acknowledged fails the upload, with the reason', async () => {
    const bytes = someBytes(400_000)
    const id = await begin(bytes.length)
    await append(id, cutAfter(bytes.subarray(0, 300_000), 50_000))
    await truncate(path.join(ground.folder, 'tmp', id), 1_000)
    await expect(append(id, aBody(bytes.subarray(300_000)).source)).rejects.toMatchObject({
      name: 'AppError',
    })
    expect(await get(id)).toMatchObject({
      state: 'failed',
      errorCode: 'INTERNAL',
      errorDetail: expect.stringContaining('lost bytes'),
      retrievalToken: null,
      isHeld: false,
    })
    const { tmp, objects } = await ground.stored()
    expect([...tmp, ...objects]).not.toContain(id)
    await expect(append(id, aBody(bytes.subarray(300_000)).source)).rejects.toMatchObject({ code: 'GONE' })
  })

  test('bytes that the store has lost under an unfinished upload are an error, not a hole', async () => {
    const id = await begin(10)
    await append(id, cutAfter(Buffer.from('abcd'), 4))
    await instance.store.deleteTemporary(id)
    await expect(append(id, aBody(Buffer.from('efghij')).source)).rejects.toMatchObject({ name: 'AppError' })
    expect(await get(id)).toMatchObject({ isHeld: false })
    expect((await get(id)).state).not.toBe('ready')
  })
})

describe('faults of the digests', () => {
  test('a state that can’t be saved at a checkpoint ends the request, and throws at nobody', async () => {
    const bytes = someBytes(80 * 1024 ** 2)
    const id = await begin(bytes.length)
    // The real process: Jest gives a test a copy, which hears of nothing, and itself forgives what is caught later.
    const realProcess: NodeJS.Process = runInThisContext('process')
    const unhandled: unknown[] = []
    const note = (reason: unknown) => unhandled.push(reason)
    realProcess.on('unhandledRejection', note)
    digestFault = new AppError('UNAVAILABLE', 'Digesting was interrupted.')
    const body = Readable.from(streamed(bytes.subarray(0, 78 * 1024 ** 2)))
    try {
      await expect(append(id, body)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
      await sleep(20)
    } finally {
      digestFault = null
      realProcess.off('unhandledRejection', note)
    }
    expect(unhandled).toEqual([])
    expect(await get(id)).toMatchObject({ state: 'receiving', offsetBytes: 0n, isHeld: false })
    await append(id, Readable.from(streamed(bytes)))
    await expectReady(id, bytes)
  })
})

describe('pressure', () => {
  test('forty slow uploads share sixteen slabs, and all of them are right', async () => {
    const all = Array.from({ length: 40 }, (_, i) => someBytes(300_000 + i, i))
    async function* trickle(bytes: Uint8Array) {
      for (let at = 0; at < bytes.byteLength; at += 60_000) {
        yield bytes.subarray(at, at + 60_000)
        await sleep(50)
      }
    }
    const ids = await Promise.all(
      all.map(async (bytes) => {
        const id = await begin(bytes.byteLength)
        await append(id, Readable.from(trickle(bytes)))
        return id
      }),
    )
    for (const [i, id] of ids.entries()) await expectReady(id, all[i]!)
  })

  test('a body that stops coming is ended after a while, with its bytes kept', async () => {
    const id = await begin(10)
    const silent = new Readable({ read() {} })
    silent.push('abc')
    await expect(append(id, silent)).rejects.toMatchObject({ code: 'REQUEST_TIMEOUT' })
    expect(await get(id)).toMatchObject({ offsetBytes: 3n, isHeld: false })
  })

  test('a small whole file that stops coming is ended, too, and leaves nothing', async () => {
    const before = await ground.stored()
    const silent = new Readable({ read() {} })
    silent.push('abc')
    const taking = instance.intake.takeWhole(uploaderNamed('somebody'), aFile(10), {
      source: silent,
      announcedBytes: 10,
      checksum: null,
    })
    await expect(taking).rejects.toMatchObject({ name: 'AppError' })
    expect(await ground.stored()).toEqual(before)
  })
})

describe('deleting while bytes arrive', () => {
  test('ends the request, and nothing is left', async () => {
    const before = await ground.stored()
    const id = await begin(1_000)
    const silent = new Readable({ read() {} })
    silent.push('abc')
    const appending = append(id, silent)
    appending.catch(() => {})
    while (!(await get(id)).isHeld) await sleep(5)
    await instance.removals.remove(id, EVERYONE)
    await expect(appending).rejects.toMatchObject({ code: 'LOCKED' })
    expect((await get(id)).state).toBe('canceled')
    expect(await ground.stored()).toEqual(before)
    await expect(instance.removals.remove(id, EVERYONE)).rejects.toMatchObject({ code: 'GONE' })
  })
})
