import { describe, expect, jest, test } from '@jest/globals'
import { MOST_LENT_PER_TURN, SLAB_BYTES, type Slab, SlabPool } from '../../server/digests/slabs.js'
import fc from '../support/properties.js'

/** Whether `promise` has settled once all that is ready has run. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false
  const settle = (): void => {
    settled = true
  }
  promise.then(settle, settle)
  await nextTurn()
  return settled
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
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

  test('lends a few in one turn of the event loop, and the next ones in the next, in the order of their coming', async () => {
    const count = 3 * MOST_LENT_PER_TURN
    const pool = new SlabPool(count)
    const lent: number[] = []
    const asked = Array.from({ length: count }, async (_, number) => {
      await pool.acquire()
      lent.push(number)
    })
    const perTurn: number[] = []
    while (lent.length < count) {
      await Promise.resolve()
      perTurn.push(lent.length)
      // Free ones are there: nobody has to give one up for those who wait.
      expect([pool.isShort, pool.waiting]).toEqual([false, 0])
      await nextTurn()
    }
    await Promise.all(asked)
    expect(perTurn).toEqual([MOST_LENT_PER_TURN, 2 * MOST_LENT_PER_TURN])
    expect(lent).toEqual(Array.from({ length: count }, (_, number) => number))
  })

  test('is tight when half of them are on loan or asked for', async () => {
    const pool = new SlabPool(4 * MOST_LENT_PER_TURN)
    const asked = Array.from({ length: 2 * MOST_LENT_PER_TURN - 1 }, () => pool.acquire())
    expect(pool.isTight).toBe(false)
    asked.push(pool.acquire())
    expect([pool.isTight, pool.inUse]).toEqual([true, MOST_LENT_PER_TURN])
    await Promise.all(asked)
    expect(pool.isTight).toBe(true)
  })

  test('tells those who hold slabs when the next turn has none left', async () => {
    let tellings = 0
    const pool = new SlabPool(MOST_LENT_PER_TURN + 1, () => {
      tellings += 1
    })
    const asked = Array.from({ length: MOST_LENT_PER_TURN + 2 }, () => pool.acquire())
    expect([pool.inUse, tellings]).toEqual([MOST_LENT_PER_TURN, 0])
    await nextTurn()
    expect([pool.inUse, tellings, pool.waiting]).toEqual([MOST_LENT_PER_TURN + 1, 1, 1])
    const first = await asked[0]
    first?.release()
    await Promise.all(asked)
    expect(pool.isShort).toBe(false)
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
    const kind = fc.constantFrom('acquire', 'acquire', 'abort', 'release', 'turn')
    const event = fc.record({ kind, which: fc.nat(20) })
    const events = fc.array(event, { maxLength: 60 })
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 4 }), events, async (limit, happenings) => {
        const pool = new SlabPool(limit)
        const lent: Slab[] = []
        const requests: AbortController[] = []
        let unsettled = 0
        for (const { kind, which } of happenings) {
          if (kind === 'acquire') {
            const request = new AbortController()
            requests.push(request)
            unsettled += 1
            pool
              .acquire(request.signal)
              .then((slab) => lent.push(slab))
              .catch(() => {})
              .finally(() => {
                unsettled -= 1
              })
          } else if (kind === 'abort') {
            requests[which % Math.max(requests.length, 1)]?.abort()
          } else if (kind === 'turn') {
            await nextTurn()
          } else {
            const [slab] = lent.splice(which % Math.max(lent.length, 1), 1)
            slab?.release()
          }
          await Promise.resolve()
          expect(pool.inUse).toBe(lent.length)
          expect(lent.length).toBeLessThanOrEqual(limit)
          expect(new Set(lent.map((slab) => slab.bytes)).size).toBe(lent.length)
        }
        // Nobody is forgotten who has not given up: as slabs come back, all are served.
        for (let turns = 0; unsettled > 0 && turns < happenings.length; turns += 1) {
          for (const slab of lent.splice(0)) slab.release()
          await nextTurn()
        }
        expect(unsettled).toBe(0)
        for (const slab of lent.splice(0)) slab.release()
        expect([pool.inUse, pool.isShort]).toEqual([0, false])
      }),
    )
  })
})
