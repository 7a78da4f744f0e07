// Two instances on one database, as behind a balancer: who writes an upload, and how it changes hands.

import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { EVERYONE } from '../../server/auth/owner-scope.js'
import { AppError } from '../../server/errors.js'
import { EMPTY_LEDGER } from '../../server/storage/store.js'
import type { Lease } from '../../server/uploads/leases.js'
import { randomId } from '../../server/uploads/random.js'
import { aFile, type Ground, type Instance, insertUpload, newGround, openInstance } from './parts.js'

let ground: Ground
let here: Instance
let there: Instance

beforeAll(async () => {
  ground = await newGround()
  here = await openInstance(ground)
  there = await openInstance(ground)
  // LISTEN takes effect a round trip after the opening.
  await sleep(200)
})
afterAll(async () => {
  await here.close()
  await there.close()
  await ground.dispose()
})

async function begin(): Promise<string> {
  const id = randomId()
  await insertUpload(here.records, id, 'somebody', aFile(1_000), null)
  return id
}

/** A request that, asked to stop, stores `offsetBytes` and lets go, as the intake does. */
function holdUntilAsked({ leases, records }: Instance, lease: Lease, offsetBytes: number): Promise<unknown> {
  return new Promise((resolve, reject) => {
    lease.signal.addEventListener('abort', () => {
      records
        .advance(
          lease,
          { offsetBytes: offsetBytes, digestState: null, stored: EMPTY_LEDGER },
          { release: true },
        )
        .then(() => leases.release(lease, true))
        .then(() => resolve(lease.signal.reason), reject)
    })
  })
}

async function timed<T>(act: Promise<T>): Promise<{ result: T; ms: number }> {
  const startedAt = performance.now()
  const result = await act
  return { result, ms: performance.now() - startedAt }
}

describe.each([
  ['the same instance', () => here],
  ['another instance', () => there],
])('a newer request on %s', (_, other) => {
  test('takes over within a second, at the offset that the older one stored', async () => {
    const id = await begin()
    const { lease } = await here.leases.claim(id, 'receiving', EVERYONE)
    const stopped = holdUntilAsked(here, lease, 321)
    const { result, ms } = await timed(other().leases.claim(id, 'receiving', EVERYONE))
    expect(ms).toBeLessThan(1_000)
    expect(result.upload).toMatchObject({ offsetBytes: 321n, isHeld: true })
    expect(result.lease.epoch).toBe(lease.epoch + 1n)
    expect(await stopped).toMatchObject({ code: 'LOCKED' })
    await other().leases.release(result.lease, false)
  })

  test('that only asks waits for the exact offset, and takes nothing', async () => {
    const id = await begin()
    const { lease } = await here.leases.claim(id, 'receiving', EVERYONE)
    const stopped = holdUntilAsked(here, lease, 123)
    const { result, ms } = await timed(other().leases.settle(id, EVERYONE))
    expect(ms).toBeLessThan(1_000)
    expect(result).toMatchObject({ offsetBytes: 123n, isHeld: false, leaseEpoch: lease.epoch })
    await stopped
  })

  test('that deletes stops the one that writes', async () => {
    const id = await begin()
    const { lease } = await here.leases.claim(id, 'receiving', EVERYONE)
    await other().removals.remove(id, EVERYONE)
    for (let waited = 0; !lease.signal.aborted && waited < 1_000; waited += 20) await sleep(20)
    expect(lease.signal.aborted).toBe(true)
    await expect(
      here.records.advance(
        lease,
        { offsetBytes: 5, digestState: null, stored: EMPTY_LEDGER },
        { release: true },
      ),
    ).rejects.toMatchObject({
      code: 'LOCKED',
    })
    await here.leases.release(lease, false)
  })
})

describe('many at once', () => {
  test('ten claimants on two instances: each gets its turn, never two at a time', async () => {
    const id = await begin()
    let holders = 0
    let turns = 0
    const claimants = Array.from({ length: 10 }, async (_, i) => {
      const instance = i % 2 === 0 ? here : there
      const { lease } = await instance.leases.claim(id, 'receiving', EVERYONE)
      holders += 1
      expect(holders).toBe(1)
      turns += 1
      await sleep(20)
      holders -= 1
      await instance.leases.release(lease, false)
    })
    await Promise.all(claimants)
    expect(turns).toBe(10)
    expect((await here.records.get(id, EVERYONE)).isHeld).toBe(false)
  })

  test('who can’t wait doesn’t', async () => {
    const id = await begin()
    const { lease } = await here.leases.claim(id, 'receiving', EVERYONE)
    const { result, ms } = await timed(there.leases.tryClaim(id, 'receiving'))
    expect(result).toBeNull()
    expect(ms).toBeLessThan(500)
    expect(lease.signal.aborted).toBe(false)
    await here.leases.release(lease, false)
  })
})

describe('a holder that does not let go', () => {
  test('dead, it loses the lease at its deadline; and its late bytes are refused', async () => {
    const id = await begin()
    const dead = await here.records.claimLease(id, 'receiving', EVERYONE, 'a dead instance', 1.5)
    const { result, ms } = await timed(there.leases.claim(id, 'receiving', EVERYONE))
    expect(ms).toBeGreaterThan(1_000)
    expect(ms).toBeLessThan(3_500)
    const late = { uploadId: id, epoch: dead?.leaseEpoch ?? 0n }
    await expect(
      here.records.advance(
        late,
        { offsetBytes: 999, digestState: null, stored: EMPTY_LEDGER },
        { release: false },
      ),
    ).rejects.toMatchObject({
      code: 'LOCKED',
    })
    expect((await here.records.get(id, EVERYONE)).offsetBytes).toBe(0n)
    await there.leases.release(result.lease, false)
  })

  test('alive but deaf, it keeps the lease by renewing it, and the newer one is told LOCKED after 12 s', async () => {
    const id = await begin()
    // Renewed by the leases' own timer, every 3 s: past the 10 s that it was taken for.
    const { lease } = await here.leases.claim(id, 'receiving', EVERYONE)
    const { result, ms } = await timed(
      there.leases.claim(id, 'receiving', EVERYONE).catch((error: unknown) => error),
    )
    expect(result).toMatchObject({ code: 'LOCKED', retryAfterSeconds: 5 })
    expect(ms).toBeGreaterThan(11_000)
    expect((await here.records.get(id, EVERYONE)).isHeld).toBe(true)
    await here.leases.release(lease, false)
  })

  test('whose lease was taken over hears of it at the next renewal', async () => {
    const id = await begin()
    const { lease } = await here.leases.claim(id, 'receiving', EVERYONE)
    await ground.rows(
      `UPDATE uploads SET lease_holder = 'thief', lease_epoch = lease_epoch + 1 WHERE id = $1`,
      [id],
    )
    for (let waited = 0; !lease.signal.aborted && waited < 5_000; waited += 50) await sleep(50)
    expect(lease.signal.reason).toMatchObject({ code: 'LOCKED' })
    await here.leases.release(lease, false)
  })
})

describe('a lease whose deadline has passed while its holder lives', () => {
  test('is still the holder’s here: a newer request stops it, and waits until it has stored what it had', async () => {
    const id = await begin()
    const { lease } = await here.leases.claim(id, 'receiving', EVERYONE)
    const stopped = holdUntilAsked(here, lease, 321)
    // As after ten seconds in which the database, or this process, was too busy to renew it.
    await ground.rows(`UPDATE uploads SET lease_until = now() - interval '1 second' WHERE id = $1`, [id])
    const { result, ms } = await timed(here.leases.claim(id, 'receiving', EVERYONE))
    expect(lease.signal.reason).toMatchObject({ code: 'LOCKED' })
    expect(result.upload).toMatchObject({ offsetBytes: 321n, isHeld: true })
    expect(ms).toBeLessThan(1_000)
    expect(await stopped).toMatchObject({ code: 'LOCKED' })
    await here.leases.release(result.lease, false)
  })
})

describe('refusals', () => {
  test('what is not there, another’s, ended, or in another state', async () => {
    const id = await begin()
    await expect(here.leases.claim(randomId(), 'receiving', EVERYONE)).rejects.toMatchObject({
      code: 'NOT_FOUND',
    })
    await expect(here.leases.claim(id, 'receiving', 'another')).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await expect(here.leases.claim(id, 'finalizing', EVERYONE)).rejects.toMatchObject({
      code: 'CONFLICT',
      details: { state: 'receiving' },
    })
    await here.removals.remove(id, EVERYONE)
    await expect(here.leases.claim(id, 'receiving', EVERYONE)).rejects.toMatchObject({ code: 'GONE' })
  })
})

describe('a stop', () => {
  test('asks every holder to store what it has, and lets nobody begin', async () => {
    const instance = await openInstance(ground)
    const [first, second] = [await begin(), await begin()]
    const { lease } = await instance.leases.claim(first, 'receiving', EVERYONE)
    const stopped = holdUntilAsked(instance, lease, 77)
    instance.leases.stopAll()
    expect(await stopped).toMatchObject({ code: 'UNAVAILABLE', retryAfterSeconds: 5 })
    await expect(instance.leases.claim(second, 'receiving', EVERYONE)).rejects.toMatchObject({
      code: 'UNAVAILABLE',
    })
    expect(await here.records.get(first, EVERYONE)).toMatchObject({ offsetBytes: 77n, isHeld: false })
    await instance.close()
  })
})

test('a lease that could not be released, since the database was away, is free within seconds of its return', async () => {
  const id = await begin()
  const { lease } = await here.leases.claim(id, 'receiving', EVERYONE)
  const releaseLease = here.records.releaseLease.bind(here.records)
  here.records.releaseLease = async () => {
    here.records.releaseLease = releaseLease
    throw new AppError('UNAVAILABLE', 'The database does not answer.')
  }
  await here.leases.release(lease, false)
  expect((await here.records.get(id, EVERYONE)).isHeld).toBe(true)

  const { result, ms } = await timed(here.leases.settle(id, EVERYONE))
  expect(result.isHeld).toBe(false)
  // Well before the lease's own ten seconds are over.
  expect(ms).toBeLessThan(5_000)
})
