import { randomBytes } from 'node:crypto'
import { afterEach, describe, expect, test } from '@jest/globals'
import { RunningDigest } from '../../server/digests/digest.js'
import { DigestPool, type DigestSession } from '../../server/digests/pool.js'
import fc from '../support/properties.js'
import { engines } from './engines.js'
import { nativeDigests } from './native-digests.js'

const KIB = 1024

const pools: DigestPool[] = []

afterEach(async () => {
  await Promise.all(pools.splice(0).map((pool) => pool.close()))
})

function shared(content: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(new SharedArrayBuffer(content.length))
  bytes.set(content)
  return bytes
}

const sharedRandom = (sizeBytes: number): Uint8Array => shared(randomBytes(sizeBytes))

/** A copy that node:crypto takes. */
const copied = (bytes: Uint8Array): Uint8Array => Uint8Array.from(bytes)

describe.each(engines)('by $name:', (engine) => {
  function newPool(threads: number): DigestPool {
    const pool = new DigestPool({ threads, engine })
    pools.push(pool)
    return pool
  }

  describe.each([1, 2, 3])('a pool of %i threads', (threads) => {
    test('agrees with node:crypto and RunningDigest for many sessions at once, in any split', async () => {
      const pool = newPool(threads)
      const sizes = fc.array(fc.integer({ min: 0, max: 70_000 }), { maxLength: 5 })
      await fc.assert(
        fc.asyncProperty(fc.array(sizes, { minLength: 1, maxLength: 5 }), async (sessionsSizes) => {
          const uploads = sessionsSizes.map((sizesBytes) => ({
            session: pool.open(),
            parts: sizesBytes.map(sharedRandom),
          }))
          const updates: Promise<void>[] = []
          for (let turn = 0; turn < 5; turn++) {
            for (const { session, parts } of uploads) {
              const part = parts[turn]
              if (part !== undefined) updates.push(session.update(part))
            }
          }
          for (const { session, parts } of uploads) {
            const digest = new RunningDigest()
            for (const part of parts) digest.update(part)
            expect(await session.digests()).toEqual(digest.digests())
            expect(copied(await session.save())).toEqual(digest.save())
            expect(digest.digests()).toEqual(nativeDigests(...parts.map(copied)))
            session.close()
          }
          await Promise.all(updates)
        }),
        { numRuns: 30 },
      )
    })
  })

  describe('a session', () => {
    test('saved in the middle goes on in another pool', async () => {
      const [before, after] = [sharedRandom(100 * KIB + 17), sharedRandom(50 * KIB)]
      const first = newPool(2).open()
      await first.update(before)
      const second = newPool(1).open(await first.save())
      await second.update(after)
      expect(await second.digests()).toEqual(nativeDigests(copied(before), copied(after)))
    })

    test('goes on from a state of RunningDigest, and RunningDigest from its', async () => {
      const parts = [1000, 2000, 3000].map(sharedRandom)
      const session = newPool(2).open(new RunningDigest().update(parts[0]!).save())
      await session.update(parts[1]!)
      const digest = new RunningDigest(await session.save()).update(parts[2]!)
      expect(digest.digests()).toEqual(nativeDigests(...parts.map(copied)))
    })

    test('saves what came before the call and nothing that came after', async () => {
      const session = newPool(2).open()
      const [before, after] = [sharedRandom(300 * KIB), sharedRandom(300 * KIB)]
      const updates = [session.update(before)]
      const saved = session.save()
      updates.push(session.update(after))
      const digests = session.digests()
      expect(new RunningDigest(await saved).digests()).toEqual(nativeDigests(copied(before)))
      expect(await digests).toEqual(nativeDigests(copied(before), copied(after)))
      await Promise.all(updates)
    })

    test('has read the bytes when an update resolves', async () => {
      const session = newPool(2).open()
      const bytes = sharedRandom(200 * KIB)
      const content = copied(bytes)
      await session.update(bytes)
      bytes.fill(0)
      expect(await session.digests()).toEqual(nativeDigests(content))
    })

    test('of no bytes has the digests of no bytes', async () => {
      const session = newPool(1).open()
      await session.update(new Uint8Array(0))
      expect(await session.digests()).toEqual(nativeDigests())
    })

    test('closed settles what is under way and refuses more', async () => {
      const session = newPool(2).open()
      const underWay = session.update(sharedRandom(500 * KIB))
      session.close()
      session.close()
      await underWay
      await expect(session.update(sharedRandom(1))).rejects.toMatchObject({ code: 'INTERNAL' })
    })

    test('refuses a state that was not saved here', () => {
      const pool = newPool(1)
      expect(() => pool.open(new Uint8Array(10))).toThrow(expect.objectContaining({ code: 'INTERNAL' }))
    })
  })

  describe('closing the pool', () => {
    test('finishes what is under way, refuses what is new, and may be repeated', async () => {
      const pool = newPool(2)
      const session = pool.open()
      const bytes = sharedRandom(500 * KIB)
      const underWay = session.update(bytes)
      await Promise.all([pool.close(), pool.close()])
      await underWay
      await expect(session.update(bytes)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
      expect(await session.digests()).toEqual(nativeDigests(copied(bytes)))
    })
  })

  describe('when a thread dies', () => {
    // Bytes without a length kill the thread as a bug in it would: by an exception nobody catches.
    const kill = (session: DigestSession): Promise<void> => session.update({ length: 1 } as Uint8Array)

    test('what was pending is rejected, and so is the session from then on', async () => {
      const session = newPool(1).open()
      const updates = [session.update(sharedRandom(100)), kill(session), session.update(sharedRandom(100))]
      const unavailable = { code: 'UNAVAILABLE', retryAfterSeconds: 1 }
      expect(await Promise.allSettled(updates)).toMatchObject([
        { status: 'fulfilled' },
        { status: 'rejected', reason: unavailable },
        { status: 'rejected', reason: unavailable },
      ])
      await expect(session.update(sharedRandom(1))).rejects.toMatchObject({ code: 'UNAVAILABLE' })
      await expect(session.save()).rejects.toMatchObject({ code: 'UNAVAILABLE' })
      await expect(session.digests()).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    })

    test('a session opened with the last saved state goes on in a new thread', async () => {
      const pool = newPool(2)
      const [before, after] = [sharedRandom(100 * KIB), sharedRandom(100 * KIB)]
      const session = pool.open()
      await session.update(before)
      const saved = await session.save()
      await expect(kill(session)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
      const resumed = pool.open(saved)
      await resumed.update(after)
      expect(await resumed.digests()).toEqual(nativeDigests(copied(before), copied(after)))
    })

    test('a session with nothing under way there does not notice', async () => {
      const pool = newPool(1)
      const [bystander, victim] = [pool.open(), pool.open()]
      const parts = [sharedRandom(1000), sharedRandom(2000)]
      await bystander.update(parts[0]!)
      await expect(kill(victim)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
      await bystander.update(parts[1]!)
      expect(await bystander.digests()).toEqual(nativeDigests(...parts.map(copied)))
    })
  })
})
