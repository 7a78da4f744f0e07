import { describe, expect, jest, test } from '@jest/globals'
import fc from 'fast-check'
import { SLAB_BYTES, type Slab, SlabPool } from '../../server/digests/slabs.js'

/** Whether `promise` has settled once all that is ready has run. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false
  const settle = (): void => {
    settled = true
  }
  promise.then(settle, settle)
  await new Promise((resolve) => setImmediate(resolve))
  return settled
}

describe('a slab', () => {
  test('is shared memory of SLAB_BYTES', async () => {
    const slab = await new SlabPool(1).acquire()
    expect(slab.bytes).toHaveLength(SLAB_BYTES)
    expect(slab.bytes.buffer).toBeInstanceOf(SharedArrayBuffer)
  })

  test('is reused after its release', async () => {
    const pool = new SlabPool(2)
    const first = await pool.acquire()
    first.release()
    expect((await pool.acquire()).bytes).toBe(first.bytes)
  })

  test('released twice is free once', async () => {
    const pool = new SlabPool(2)
    const [one, other] = [await pool.acquire(), await pool.acquire()]
    one.release()
    one.release()
    expect(pool.inUse).toBe(1)
    const next = await pool.acquire()
    one.release() // of a loan that has ended: the new borrower keeps the slab
    expect(pool.inUse).toBe(2)
    expect(next.bytes).not.toBe(other.bytes)
    const waiting = pool.acquire()
    expect(await isSettled(waiting)).toBe(false)
    next.release()
    await waiting
  })
})

describe('the pool', () => {
  test('lends no more than its limit, and goes on when one comes back', async () => {
    const pool = new SlabPool(2)
    const first = await pool.acquire()
    await pool.acquire()
    const third = pool.acquire()
    expect(await isSettled(third)).toBe(false)
    first.release()
    expect((await third).bytes).toBe(first.bytes)
    expect(pool.inUse).toBe(2)
  })

  test('serves those who wait in the order of their coming', async () => {
    const pool = new SlabPool(1)
    const held = await pool.acquire()
    const served: number[] = []
    const waiting = [1, 2, 3].map(async (number) => {
      const slab = await pool.acquire()
      served.push(number)
      slab.release()
    })
    held.release()
    await Promise.all(waiting)
    expect(served).toEqual([1, 2, 3])
    expect(pool.inUse).toBe(0)
  })

  test('does not let a newcomer pass one who waits', async () => {
    const pool = new SlabPool(1)
    const held = await pool.acquire()
    const waiting = pool.acquire()
    held.release()
    const newcomer = pool.acquire()
    const slab = await waiting
    expect(await isSettled(newcomer)).toBe(false)
    slab.release()
    await newcomer
  })

  test('forgets one who gives up, with the reason of the signal', async () => {
    const pool = new SlabPool(1)
    const held = await pool.acquire()
    const givesUp = new AbortController()
    const abandoned = pool.acquire(givesUp.signal)
    const patient = pool.acquire()
    givesUp.abort(new Error('the client went away'))
    await expect(abandoned).rejects.toThrow('the client went away')
    held.release()
    await patient
    expect(pool.inUse).toBe(1)
  })

  test('refuses at once when the signal has aborted, and ignores one that aborts after', async () => {
    const pool = new SlabPool(1)
    await expect(pool.acquire(AbortSignal.abort(new Error('too late')))).rejects.toThrow('too late')
    expect(pool.inUse).toBe(0)
    const controller = new AbortController()
    const held = await pool.acquire()
    const waiting = pool.acquire(controller.signal)
    held.release()
    controller.abort()
    await waiting
    expect(pool.inUse).toBe(1)
  })

  test('tells at once that it is short, again and again while anybody waits, and then no more', async () => {
    jest.useFakeTimers()
    let tellings = 0
    const pool: SlabPool = new SlabPool(2, () => {
      tellings += 1
      expect(pool.isShort).toBe(true)
    })
    const [one, other] = [await pool.acquire(), await pool.acquire()]
    expect([tellings, pool.isShort]).toEqual([0, false])
    const waiting = [pool.acquire(), pool.acquire()]
    expect([tellings, pool.isShort]).toEqual([2, true])
    jest.advanceTimersByTime(1000)
    expect(tellings).toBe(6)
    one.release()
    jest.advanceTimersByTime(250)
    expect([tellings, pool.isShort]).toEqual([7, true])
    other.release()
    jest.advanceTimersByTime(1000)
    expect([tellings, pool.isShort, jest.getTimerCount()]).toEqual([7, false, 0])
    jest.useRealTimers()
    await Promise.all(waiting)
  })

  test('gets a slab from whoever is told that it is short, and gives one up at once', async () => {
    const held: Slab[] = []
    const pool = new SlabPool(1, () => held.pop()?.release())
    held.push(await pool.acquire())
    const next = await pool.acquire()
    expect([pool.inUse, pool.isShort]).toEqual([1, false])
    next.release()
  })

  test('is short no more when those who wait give up', async () => {
    const pool = new SlabPool(1)
    const held = await pool.acquire()
    const givesUp = new AbortController()
    const waiting = pool.acquire(givesUp.signal)
    expect(pool.isShort).toBe(true)
    givesUp.abort(new Error('the client went away'))
    await expect(waiting).rejects.toThrow('the client went away')
    expect(pool.isShort).toBe(false)
    held.release()
    expect(pool.inUse).toBe(0)
  })

  test('never lends one slab to two, nor more than its limit, whatever the order of events', async () => {
    const event = fc.record({ kind: fc.constantFrom('acquire', 'abort', 'release'), which: fc.nat(20) })
    const events = fc.array(event, { maxLength: 60 })
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 4 }), events, async (limit, happenings) => {
        const pool = new SlabPool(limit)
        const lent: Slab[] = []
        const requests: AbortController[] = []
        for (const { kind, which } of happenings) {
          if (kind === 'acquire') {
            const request = new AbortController()
            requests.push(request)
            pool.acquire(request.signal).then(
              (slab) => lent.push(slab),
              () => {},
            )
          } else if (kind === 'abort') {
            requests[which % Math.max(requests.length, 1)]?.abort()
          } else {
            const [slab] = lent.splice(which % Math.max(lent.length, 1), 1)
            slab?.release()
          }
          await Promise.resolve()
          expect(pool.inUse).toBe(lent.length)
          expect(lent.length).toBeLessThanOrEqual(limit)
          expect(new Set(lent.map((slab) => slab.bytes)).size).toBe(lent.length)
        }
        // Nobody is left waiting: the pool would go on telling.
        for (const request of requests) request.abort()
        expect(pool.isShort).toBe(false)
      }),
    )
  })
})
