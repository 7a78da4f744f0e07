// What the record promises, on a real database: fences, ends, and the blobs behind the uploads.

import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { EVERYONE } from '../../server/auth/owner-scope.js'
import { AppError } from '../../server/errors.js'
import { EMPTY_LEDGER } from '../../server/storage/store.js'
import { randomId, randomToken } from '../../server/uploads/random.js'
import type { Fence } from '../../server/uploads/records.js'
import type { Upload } from '../../server/uploads/upload.js'
import { checksumsOf } from '../dialects/tus-client.js'
import {
  aFile,
  type Ground,
  type Instance,
  insertUpload,
  letExpire,
  newGround,
  openInstance,
} from './parts.js'

const OWNER = 'somebody'
const bytes = Buffer.from('the same for all')
const digests = checksumsOf(bytes)

let ground: Ground
let instance: Instance

beforeAll(async () => {
  ground = await newGround()
  instance = await openInstance(ground)
})
afterAll(async () => {
  await instance.close()
  await ground.dispose()
})

function begin(sizeBytes: number | null = bytes.length): Promise<Upload> {
  return insertUpload(instance.records, randomId(), OWNER, aFile(sizeBytes), {
    holder: 'holder',
    seconds: 10,
  })
}

function fenceOf(upload: Upload): Fence {
  return { uploadId: upload.id, epoch: upload.leaseEpoch }
}

async function eventsOf(id: string): Promise<string[]> {
  const sql = 'SELECT type FROM events WHERE upload_id = $1 ORDER BY id'
  return (await ground.rows<{ type: string }>(sql, [id])).map(({ type }) => type)
}

async function ready(): Promise<Upload> {
  const { records } = instance
  const upload = await begin()
  await records.beginFinalizing(fenceOf(upload), digests, EMPTY_LEDGER)
  return (
    await records.commitReady(fenceOf(upload), {
      digests,
      warnings: [],
      retrievalToken: randomToken(),
      hasLeftovers: false,
    })
  ).upload
}

describe('the fence', () => {
  test('an older epoch changes nothing, whatever it tries', async () => {
    const { records } = instance
    const upload = await begin(null)
    const zombie = fenceOf(upload)
    await records.releaseLease(zombie)
    const heir = await records.claimLease(upload.id, 'receiving', EVERYONE, 'heir', 10)
    expect(heir?.leaseEpoch).toBe(upload.leaseEpoch + 1n)
    const before = await records.get(upload.id, EVERYONE)

    const attempts = [
      records.advance(
        zombie,
        { offsetBytes: 7, digestState: null, stored: EMPTY_LEDGER },
        { release: false },
      ),
      records.advance(zombie, { offsetBytes: 7, digestState: null, stored: EMPTY_LEDGER }, { release: true }),
      records.declareSize(zombie, 7),
      records.beginFinalizing(zombie, digests, EMPTY_LEDGER),
      records.commitReady(zombie, {
        digests,
        warnings: [],
        retrievalToken: randomToken(),
        hasLeftovers: false,
      }),
      records.commitFailed(zombie, new AppError('HASH_MISMATCH', 'No.'), digests),
    ]
    for (const attempt of attempts) await expect(attempt).rejects.toMatchObject({ code: 'LOCKED' })
    await records.releaseLease(zombie)
    const after = await records.get(upload.id, EVERYONE)
    expect({ ...after, expiresInSeconds: 0 }).toEqual({ ...before, expiresInSeconds: 0 })
    expect(after.isHeld).toBe(true)
    expect(await eventsOf(upload.id)).toEqual(['upload.created.v1'])
  })

  test('the heir goes on at the offset that was recorded', async () => {
    const { records } = instance
    const upload = await begin(100)
    await records.advance(
      fenceOf(upload),
      { offsetBytes: 40, digestState: Buffer.from('state'), stored: EMPTY_LEDGER },
      { release: true },
    )
    const heir = await records.claimLease(upload.id, 'receiving', EVERYONE, 'heir', 10)
    expect(heir).toMatchObject({ offsetBytes: 40n, isHeld: true })
    expect(Buffer.from(heir?.digestState ?? []).toString()).toBe('state')
  })

  test('what was acknowledged is never taken back: a late checkpoint with a lower offset changes nothing', async () => {
    const { records } = instance
    const upload = await begin(100)
    await records.advance(
      fenceOf(upload),
      { offsetBytes: 40, digestState: Buffer.from('after 40'), stored: EMPTY_LEDGER },
      { release: false },
    )
    await records
      .advance(
        fenceOf(upload),
        { offsetBytes: 30, digestState: Buffer.from('after 30'), stored: EMPTY_LEDGER },
        { release: false },
      )
      .catch(() => {})
    const after = await records.get(upload.id, EVERYONE)
    expect(after).toMatchObject({ state: 'receiving', offsetBytes: 40n })
    expect(Buffer.from(after.digestState ?? []).toString()).toBe('after 40')
  })

  test('an ended upload takes nothing, not even from its holder', async () => {
    const { records, endings } = instance
    const upload = await begin(100)
    await endings.commitEnd(upload.id)
    await expect(
      records.advance(
        fenceOf(upload),
        { offsetBytes: 7, digestState: null, stored: EMPTY_LEDGER },
        { release: false },
      ),
    ).rejects.toMatchObject({
      code: 'LOCKED',
    })
    expect(await records.claimLease(upload.id, 'receiving', EVERYONE, 'heir', 10)).toBeNull()
  })
})

describe('claims', () => {
  test('of many at once, one wins', async () => {
    const { records } = instance
    const upload = await begin(100)
    await records.releaseLease(fenceOf(upload))
    const claims = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        records.claimLease(upload.id, 'receiving', EVERYONE, `holder ${i}`, 10),
      ),
    )
    expect(claims.filter((claim) => claim !== null)).toHaveLength(1)
  })

  test('a lease lapses at its deadline, by the database’s clock', async () => {
    const { records } = instance
    const id = randomId()
    await insertUpload(records, id, OWNER, aFile(100), { holder: 'dead', seconds: 0.3 })
    expect(await records.claimLease(id, 'receiving', EVERYONE, 'heir', 10)).toBeNull()
    await sleep(400)
    expect((await records.get(id, EVERYONE)).isHeld).toBe(false)
    expect(await records.claimLease(id, 'receiving', EVERYONE, 'heir', 10)).toMatchObject({ leaseEpoch: 2n })
  })

  test('renewing lengthens the holder’s own, and tells which they are', async () => {
    const { records } = instance
    const [mine, others, gone] = [randomId(), randomId(), randomId()]
    await insertUpload(records, mine, OWNER, aFile(100), { holder: 'me', seconds: 0.5 })
    await insertUpload(records, others, OWNER, aFile(100), { holder: 'other', seconds: 0.5 })
    expect(await records.renewLeases('me', [mine, others, gone], 10)).toEqual(new Set([mine]))
    await sleep(600)
    expect((await records.get(mine, EVERYONE)).isHeld).toBe(true)
    expect((await records.get(others, EVERYONE)).isHeld).toBe(false)
  })

  test('another owner, another state and what is past its end can’t be claimed', async () => {
    const { records } = instance
    const upload = await begin(100)
    await records.releaseLease(fenceOf(upload))
    expect(await records.claimLease(upload.id, 'receiving', 'another', 'x', 10)).toBeNull()
    expect(await records.claimLease(upload.id, 'finalizing', EVERYONE, 'x', 10)).toBeNull()
    await ground.rows(`UPDATE uploads SET expires_at = now() WHERE id = $1`, [upload.id])
    expect(await records.claimLease(upload.id, 'receiving', EVERYONE, 'x', 10)).toBeNull()
  })

  test('at the start of the only instance, every lease is free', async () => {
    const { records } = instance
    const upload = await begin(100)
    await records.releaseAllLeases()
    expect((await records.get(upload.id, EVERYONE)).isHeld).toBe(false)
  })
})

describe('owners', () => {
  test('what another has is NOT_FOUND, as what never was', async () => {
    const upload = await begin()
    const { records } = instance
    await expect(records.get(upload.id, 'another')).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await expect(records.get(randomId(), OWNER)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    expect((await records.get(upload.id, OWNER)).id).toBe(upload.id)
  })
})

describe('the clock', () => {
  test('an unfinished upload ends a session after its last byte, never past its time', async () => {
    const short = await openInstance(ground, { lifetimes: { uploadTtlSeconds: 900, sessionTtlSeconds: 600 } })
    const left = async (id: string) => Math.round((await short.records.get(id, EVERYONE)).expiresInSeconds)
    const upload = await insertUpload(short.records, randomId(), OWNER, aFile(100), {
      holder: 'x',
      seconds: 10,
    })
    expect(await left(upload.id)).toBe(600)
    await ground.rows(
      `UPDATE uploads SET created_at = now() - interval '200 seconds', keep_until = now() + interval '700 seconds',
      expires_at = now() + interval '100 seconds' WHERE id = $1`,
      [upload.id],
    )
    await short.records.advance(
      fenceOf(upload),
      { offsetBytes: 1, digestState: null, stored: EMPTY_LEDGER },
      { release: false },
    )
    expect(await left(upload.id)).toBe(600)
    await ground.rows(
      `UPDATE uploads SET created_at = now() - interval '500 seconds', keep_until = now() + interval '400 seconds',
      expires_at = now() + interval '100 seconds' WHERE id = $1`,
      [upload.id],
    )
    await short.records.advance(
      fenceOf(upload),
      { offsetBytes: 2, digestState: null, stored: EMPTY_LEDGER },
      { release: false },
    )
    expect(await left(upload.id)).toBe(400)
    await ground.rows('UPDATE uploads SET offset_bytes = size_bytes WHERE id = $1', [upload.id])
    await short.records.beginFinalizing(fenceOf(upload), digests, EMPTY_LEDGER)
    expect(await left(upload.id)).toBe(400)
    await short.close()
  })

  test('an end can be moved later, up to the longest life, and never earlier', async () => {
    const { records, endings } = instance
    const upload = await ready()
    const at = (seconds: number) => new Date(upload.createdAt.getTime() + seconds * 1000)
    expect((await records.extend(upload.id, at(7_000))).expiresAt).toEqual(at(7_000))
    expect((await records.extend(upload.id, at(7_200))).expiresAt).toEqual(at(7_200))
    await expect(records.extend(upload.id, at(7_201))).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    await expect(records.extend(upload.id, at(7_000))).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    expect((await records.get(upload.id, EVERYONE)).expiresAt).toEqual(at(7_200))
    await endings.commitEnd(upload.id)
    await expect(records.extend(upload.id, at(7_200))).rejects.toMatchObject({ code: 'GONE' })
  })
})

describe('blobs', () => {
  test('the first upload of a content brings its object, the later ones refer to it', async () => {
    const { records, endings } = instance
    const first = await ready()
    const upload = await begin()
    await records.beginFinalizing(fenceOf(upload), digests, EMPTY_LEDGER)
    const finished = { digests, warnings: [], retrievalToken: randomToken(), hasLeftovers: false }
    const second = await records.commitReady(fenceOf(upload), finished)
    const [blob] = await ground.rows<{ object_key: string }>(
      'SELECT object_key FROM blobs WHERE sha256 = $1',
      [digests.sha256],
    )
    expect(second.discarded).toEqual([{ kind: 'object', objectKey: upload.id }])
    expect((await records.findByRetrievalToken(finished.retrievalToken))?.objectKey).toBe(blob?.object_key)
    // Written in the same statement, so that a crash after it leaves no bytes behind.
    expect(await ground.rows('SELECT kind FROM garbage WHERE object_key = $1', [upload.id])).toEqual([
      { kind: 'object' },
    ])

    const ends = []
    for (const { id } of await records.list(OWNER, { ...everything, states: ['ready'] })) {
      const ended = await endings.commitEnd(id)
      // Its temporary goes each time: a store that lost an answer may have left something of it.
      expect(ended?.discarded).toContainEqual({ kind: 'temporary', objectKey: id })
      ends.push(ended?.discarded.filter(({ kind }) => kind === 'object').length)
    }
    expect(ends.at(-1)).toBe(1)
    expect(ends.slice(0, -1).every((count) => count === 0)).toBe(true)
    expect(ends.length).toBeGreaterThanOrEqual(2)
    expect(await ground.rows('SELECT * FROM blobs WHERE sha256 = $1', [digests.sha256])).toEqual([])
    expect((await records.get(first.id, EVERYONE)).state).toBe('deleted')
  })

  test('a blob can’t be dropped between the refusal to drop it and a new reference', async () => {
    const { records, endings } = instance
    for (let round = 0; round < 20; round += 1) {
      const old = await ready()
      const upload = await begin()
      await records.beginFinalizing(fenceOf(upload), digests, EMPTY_LEDGER)
      const [ended, committed] = await Promise.all([
        endings.commitEnd(old.id),
        records.commitReady(fenceOf(upload), {
          digests,
          warnings: [],
          retrievalToken: randomToken(),
          hasLeftovers: false,
        }),
      ])
      const [blob] = await ground.rows<{ object_key: string }>(
        'SELECT object_key FROM blobs WHERE sha256 = $1',
        [digests.sha256],
      )
      expect(blob).toBeDefined()
      const discarded = [...(ended?.discarded ?? []), ...committed.discarded]
        .filter(({ kind }) => kind === 'object')
        .map(({ objectKey }) => objectKey)
      expect(discarded).not.toContain(blob?.object_key)
      for (const { id } of await records.list(OWNER, { ...everything, states: ['ready'] }))
        await endings.commitEnd(id)
    }
  })
})

const everything = {
  states: [],
  label: null,
  packageId: null,
  text: null,
  sort: { name: 'created_at', column: 'created_at' as const, isDescending: false },
  limit: 500,
  after: null,
}

describe('ends', () => {
  test('an upload ends once: of two at the same time, one does it', async () => {
    const { endings } = instance
    const upload = await ready()
    await letExpire(ground, upload.id)
    const ends = await Promise.all([endings.commitEnd(upload.id), endings.commitEnd(upload.id, 'past-end')])
    expect(ends.filter((end) => end !== null)).toHaveLength(1)
    expect((await eventsOf(upload.id)).filter((type) => /deleted|expired/.test(type))).toHaveLength(1)
  })

  test('expiring asks again under the lock: what was extended meanwhile lives on', async () => {
    const { records, endings } = instance
    const upload = await ready()
    expect(await endings.commitEnd(upload.id, 'past-end')).toBeNull()
    expect((await records.get(upload.id, EVERYONE)).state).toBe('ready')
    await ground.rows(`UPDATE uploads SET expires_at = now() WHERE id = $1`, [upload.id])
    expect((await endings.commitEnd(upload.id, 'past-end'))?.upload.state).toBe('expired')
  })

  test('a living upload is no tombstone to be deleted', async () => {
    const { records, endings } = instance
    const upload = await ready()
    await endings.deleteTombstone(upload.id)
    expect((await records.get(upload.id, EVERYONE)).state).toBe('ready')
    await endings.commitEnd(upload.id)
    await endings.deleteTombstone(upload.id)
    await expect(records.get(upload.id, EVERYONE)).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })
})

describe('events are written with what they tell, in order', () => {
  const failure = new AppError('HASH_MISMATCH', 'Not these bytes.')

  test.each<[string, (upload: Upload) => Promise<unknown>, string[]]>([
    ['begun', async () => {}, ['created']],
    [
      'ready, then deleted',
      async (upload) => {
        await instance.records.beginFinalizing(fenceOf(upload), digests, EMPTY_LEDGER)
        await instance.records.commitReady(fenceOf(upload), {
          digests,
          warnings: [],
          retrievalToken: randomToken(),
          hasLeftovers: false,
        })
        await instance.endings.commitEnd(upload.id)
      },
      ['created', 'finalizing', 'ready', 'deleted'],
    ],
    [
      'failed',
      (upload) => instance.records.commitFailed(fenceOf(upload), failure, digests),
      ['created', 'failed'],
    ],
    ['canceled', (upload) => instance.endings.commitEnd(upload.id), ['created', 'canceled']],
    [
      'expired',
      async (upload) => {
        await letExpire(ground, upload.id)
        await instance.endings.commitEnd(upload.id, 'past-end')
      },
      ['created', 'expired'],
    ],
    [
      'failed while it was finished',
      async (upload) => {
        await instance.records.beginFinalizing(fenceOf(upload), null, EMPTY_LEDGER)
        await instance.records.commitFailed(fenceOf(upload), failure, digests)
      },
      ['created', 'finalizing', 'failed'],
    ],
  ])('%s', async (_, live, types) => {
    const upload = await begin()
    await live(upload)
    expect(await eventsOf(upload.id)).toEqual(types.map((type) => `upload.${type}.v1`))
    const { state } = await instance.records.get(upload.id, EVERYONE)
    const [last] = await ground.rows<{ data: Record<string, unknown>; owner: string }>(
      'SELECT data, owner FROM events WHERE upload_id = $1 ORDER BY id DESC LIMIT 1',
      [upload.id],
    )
    expect(last).toMatchObject({ owner: OWNER, data: { state, filename: 'lake.csv', size: bytes.length } })
  })
})
