// What an owner may have: exactly that much, whoever asks at the same time.

import { Readable } from 'node:stream'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { type AppError, isAppError } from '../../server/errors.js'
import {
  limitsForTrigger,
  NO_QUOTA,
  overQuota,
  type Quota,
  withMoreBytes,
} from '../../server/quotas/quota.js'
import { openPackageInstance, type PackageInstance } from '../packages/ground.js'
import { until } from '../support/until.js'
import {
  aBody,
  aFile,
  type Ground,
  type Instance,
  newGround,
  openInstance,
  takeInTwoSteps,
  uploaderNamed,
} from '../uploads/parts.js'
import { usageTwice } from './recount.js'

describe('a quota', () => {
  const quota: Quota = { bytes: 100, files: 3, openUploads: 2 }

  test('without any limit has no words for the trigger', () => {
    expect(limitsForTrigger(NO_QUOTA)).toBeNull()
    expect(JSON.parse(limitsForTrigger({ ...NO_QUOTA, files: 3 }) ?? '')).toEqual({ files: 3 })
    expect(JSON.parse(limitsForTrigger(quota) ?? '')).toEqual({ bytes: 100, files: 3, open_uploads: 2 })
  })

  test.each([
    ['bytes', { bytes: 95, files: 1, openUploads: 0 }, { quota: 'bytes', limit: 100, used: 95 }],
    ['files', { bytes: 3, files: 3, openUploads: 0 }, { quota: 'files', limit: 3, used: 3 }],
    ['open uploads', { bytes: 3, files: 2, openUploads: 2 }, { quota: 'open_uploads', limit: 2, used: 2 }],
    // Something has gone since it was refused: one of those that are limited, never one that isn't.
    ['what has gone since', { bytes: 0, files: 0, openUploads: 0 }, { quota: 'bytes', limit: 100, used: 0 }],
  ])('refuses for %s, with what there is and what to do', (_, used, details) => {
    const error = overQuota(quota, used, { bytes: 10, files: 1, openUploads: 1 })
    expect(error).toMatchObject({ code: 'QUOTA_EXCEEDED', details })
    expect(error.detail).toMatch(/(Delete|Finish) .*GET \/me/)
  })

  test('names no limit that there isn’t', () => {
    const onlyFiles = { ...NO_QUOTA, files: 3 }
    const error = overQuota(
      onlyFiles,
      { bytes: 0, files: 0, openUploads: 0 },
      { bytes: 9, files: 1, openUploads: 1 },
    )
    expect(error.details).toEqual({ quota: 'files', limit: 3, used: 0 })
  })

  test('is larger by what is about to go, where it is limited', () => {
    expect(withMoreBytes(quota, 7)).toEqual({ ...quota, bytes: 107 })
    expect(withMoreBytes(NO_QUOTA, 7)).toEqual(NO_QUOTA)
  })
})

const BIG = 256 * 1024

let ground: Ground
const opened: Instance[] = []

beforeAll(async () => {
  ground = await newGround()
})
afterAll(async () => {
  for (const instance of opened) await instance.close()
  await ground.dispose()
})
beforeEach(async () => {
  await ground.rows('TRUNCATE packages, parts, uploads, events, blobs, garbage, owner_usage CASCADE')
})

async function open(quota: Partial<Quota>): Promise<Instance> {
  const instance = await openInstance(ground, { quota })
  opened.push(instance)
  return instance
}

function put({ intake }: Instance, owner: string, content: string): Promise<string> {
  const bytes = Buffer.from(content)
  return intake.takeWhole(uploaderNamed(owner), aFile(bytes.byteLength), aBody(bytes))
}

/** What each of many at once came to: fulfilled, or refused for the quota and nothing else. */
async function refusedOf(
  attempts: readonly Promise<unknown>[],
): Promise<{ done: number; refused: AppError[] }> {
  const results = await Promise.allSettled(attempts)
  const refused = results.flatMap((result) => {
    if (result.status === 'fulfilled') return []
    if (isAppError(result.reason, 'QUOTA_EXCEEDED')) return [result.reason]
    throw result.reason
  })
  return { done: results.length - refused.length, refused }
}

async function usageOf(owner: string) {
  const { kept, recounted } = await usageTwice(ground)
  expect(kept).toEqual(recounted)
  const found = kept.find((row) => row.owner === owner)
  return { bytes: found?.bytes ?? 0, files: found?.files ?? 0, openUploads: found?.open_uploads ?? 0 }
}

describe('sixty creations at once, over two instances, with room for ten', () => {
  test.each([
    ['bytes', { bytes: 1009 }, { quota: 'bytes', limit: 1009, used: 1000 }],
    ['files', { files: 10 }, { quota: 'files', limit: 10, used: 10 }],
    ['open uploads', { openUploads: 10 }, { quota: 'open_uploads', limit: 10, used: 10 }],
  ])('of %s: ten succeed, and nothing is left of the others', async (_, quota, details) => {
    const [first, second] = [await open(quota), await open(quota)]
    const before = (await ground.stored()).tmp.length
    const { done, refused } = await refusedOf(
      Array.from({ length: 60 }, (_, n) =>
        (n % 2 === 0 ? first : second).intake.begin(uploaderNamed('ada'), aFile(100), { isHeld: false }),
      ),
    )
    expect(done).toBe(10)
    expect(refused).toHaveLength(50)
    expect(refused.at(-1)?.details).toEqual(details)
    expect(await usageOf('ada')).toEqual({ bytes: 1000, files: 10, openUploads: 10 })
    expect((await ground.stored()).tmp.length - before).toBe(10)
    // Another owner has room of their own.
    await first.intake.begin(uploaderNamed('bob'), aFile(100), { isHeld: false })
  })

  test.each([
    ['bytes', { bytes: 1009 }],
    ['files', { files: 10 }],
  ])('of small whole files, by %s: ten succeed, and the others leave no object', async (_, quota) => {
    const [first, second] = [await open(quota), await open(quota)]
    const before = (await ground.stored()).objects.length
    const { done } = await refusedOf(
      Array.from({ length: 60 }, (_, n) =>
        put(n % 2 === 0 ? first : second, 'ada', `${n}`.padStart(100, '.')),
      ),
    )
    expect(done).toBe(10)
    expect(await usageOf('ada')).toEqual({ bytes: 1000, files: 10, openUploads: 0 })
    expect((await ground.stored()).objects.length - before).toBe(10)
    expect(await ground.rows('SELECT * FROM blobs')).toHaveLength(10)
    expect(await ground.rows(`SELECT * FROM events WHERE type = 'upload.ready.v1'`)).toHaveLength(10)
  })
})

test('small files that are recorded together: who is over takes nothing from who is not', async () => {
  const instance = await open({ files: 5 })
  for (let n = 0; n < 5; n += 1) await put(instance, 'full', `full ${n}`)
  const results = await Promise.allSettled(
    Array.from({ length: 45 }, (_, n) =>
      put(instance, n % 9 === 0 ? `owner ${n}` : n % 9 === 1 ? 'full' : `owner ${n % 9}`, `content ${n}`),
    ),
  )
  for (const [n, result] of results.entries()) {
    expect({ n, status: result.status }).toEqual({ n, status: n % 9 === 1 ? 'rejected' : 'fulfilled' })
    if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'QUOTA_EXCEEDED' })
  }
  expect((await usageOf('full')).files).toBe(5)
  expect((await usageOf('owner 3')).files).toBe(5)
})

describe('an upload that doesn’t say how long it is', () => {
  test('is refused when it says so, and may say less', async () => {
    const { intake } = await open({ bytes: 100 })
    const { upload, lease } = await intake.begin(uploaderNamed('ada'), aFile(null), { isHeld: true })
    if (lease === null) throw new Error('A lease was asked for.')
    await expect(intake.declareSize(lease, 101)).rejects.toMatchObject({
      code: 'QUOTA_EXCEEDED',
      details: { quota: 'bytes', limit: 100, used: 0 },
    })
    expect((await intake.declareSize(lease, 100)).sizeBytes).toBe(100n)
    await intake.release(lease)
    expect(await usageOf('ada')).toEqual({ bytes: 100, files: 1, openUploads: 1 })
    expect((await intake.settled(upload.id, 'ada')).offsetBytes).toBe(0n)
  })

  test('streams up to the quota: what was acknowledged stays, and what is more is refused', async () => {
    const instance = await open({ bytes: 3 * BIG })
    const { intake } = instance
    const { upload, lease } = await intake.begin(uploaderNamed('ada'), aFile(null, { finish: 'manual' }), {
      isHeld: true,
    })
    if (lease === null) throw new Error('A lease was asked for.')
    const first = await intake.append(lease, upload, chunked(Buffer.alloc(2 * BIG, 1)))
    expect(first.offsetBytes).toBe(BigInt(2 * BIG))
    const more = await intake.claim(upload.id, 'ada')
    if (more.lease === null) throw new Error('It waits for its bytes.')
    await expect(
      intake.append(more.lease, more.upload, chunked(Buffer.alloc(2 * BIG, 2))),
    ).rejects.toMatchObject({ code: 'QUOTA_EXCEEDED', details: { used: 2 * BIG, limit: 3 * BIG } })
    const after = await intake.settled(upload.id, 'ada')
    expect(after).toMatchObject({ state: 'receiving', offsetBytes: BigInt(2 * BIG), isHeld: false })
    expect(await usageOf('ada')).toEqual({ bytes: 2 * BIG, files: 1, openUploads: 1 })
    // What still fits goes on from there, and the whole is right.
    const last = await intake.claim(upload.id, 'ada')
    if (last.lease === null) throw new Error('It waits for its bytes.')
    await intake.append(last.lease, last.upload, chunked(Buffer.alloc(BIG, 3)))
    const done = await intake.complete(upload.id, uploaderNamed('ada'), {
      packageId: null,
      relativePath: null,
      declared: {},
    })
    expect(done).toMatchObject({ state: 'ready', sizeBytes: BigInt(3 * BIG) })
  })

  test('is refused at a checkpoint, long before its end', async () => {
    const { intake } = await open({ bytes: 20 * 1024 * 1024 })
    const { upload, lease } = await intake.begin(uploaderNamed('ada'), aFile(null), { isHeld: true })
    if (lease === null) throw new Error('A lease was asked for.')
    let sentBytes = 0
    function* endless(): Generator<Buffer> {
      const chunk = Buffer.alloc(1024 * 1024, 7)
      while (sentBytes < 900 * 1024 * 1024) {
        sentBytes += chunk.byteLength
        yield chunk
      }
    }
    const source = Readable.from(endless(), { objectMode: false, highWaterMark: 0 })
    await expect(
      intake.append(lease, upload, { source, announcedBytes: null, checksum: null }),
    ).rejects.toMatchObject({ code: 'QUOTA_EXCEEDED' })
    source.destroy()
    expect(sentBytes).toBeLessThan(500 * 1024 * 1024)
    const { offsetBytes } = await intake.settled(upload.id, 'ada')
    expect(Number(offsetBytes)).toBeLessThanOrEqual(20 * 1024 * 1024)
    expect((await usageOf('ada')).bytes).toBe(Number(offsetBytes))
  })

  test('and comes in one request, leaves nothing', async () => {
    const { intake, quotas } = await open({ bytes: BIG })
    const before = await ground.stored()
    await expect(
      intake.takeOnce(uploaderNamed('ada'), aFile(null, { finish: 'once' }), chunked(Buffer.alloc(BIG + 1))),
    ).rejects.toMatchObject({ code: 'QUOTA_EXCEEDED' })
    expect(await usageOf('ada')).toEqual({ bytes: 0, files: 0, openUploads: 0 })
    expect(await ground.stored()).toEqual(before)
    expect(await quotas.usage(['ada'])).toEqual({ bytes: 0, files: 0, openUploads: 0 })
  })
})

function chunked(bytes: Uint8Array) {
  return { ...aBody(bytes), announcedBytes: null }
}

describe('room', () => {
  test('is made by deleting, by failing, and by finishing', async () => {
    const instance = await open({ bytes: 10, openUploads: 1 })
    const { intake, removals } = instance
    const id = await put(instance, 'ada', '0123456789')
    await expect(put(instance, 'ada', 'x')).rejects.toMatchObject({ code: 'QUOTA_EXCEEDED' })
    await removals.remove(id, 'ada')
    await put(instance, 'ada', '12345')
    const wrong = { declared: { md5: '0'.repeat(32) } }
    await expect(
      intake.takeWhole(uploaderNamed('ada'), aFile(5, wrong), aBody(Buffer.from('54321'))),
    ).rejects.toMatchObject({ code: 'HASH_MISMATCH' })
    await takeInTwoSteps(instance, 'ada', Buffer.from('abcde'))
    expect(await usageOf('ada')).toEqual({ bytes: 10, files: 2, openUploads: 0 })
  })

  test('is taken by what has no bytes, too: as a file', async () => {
    const instance = await open({ files: 2, bytes: 1 })
    await put(instance, 'ada', '')
    await put(instance, 'ada', '')
    await expect(put(instance, 'ada', '')).rejects.toMatchObject({ details: { quota: 'files' } })
  })

  test('is counted for each who has the same content', async () => {
    const instance = await open({ bytes: 10 })
    await put(instance, 'ada', '0123456789')
    await put(instance, 'bob', '0123456789')
    await expect(put(instance, 'bob', '0123456789')).rejects.toMatchObject({ code: 'QUOTA_EXCEEDED' })
    expect(await ground.rows('SELECT * FROM blobs')).toHaveLength(1)
  })
})

describe('a limit that was lowered below what one has', () => {
  test('lets one go on with what one has begun, and begin nothing', async () => {
    const before = await open({})
    const { upload } = await before.intake.begin(uploaderNamed('ada'), aFile(BIG), { isHeld: false })
    const deferred = await before.intake.begin(uploaderNamed('ada'), aFile(null), { isHeld: false })
    const kept = await put(before, 'ada', 'kept')

    const lowered = await open({ files: 1, openUploads: 1 })
    const { intake, removals, records } = lowered
    const claimed = await intake.claim(upload.id, 'ada')
    if (claimed.lease === null) throw new Error('It waits for its bytes.')
    const done = await intake.append(claimed.lease, claimed.upload, aBody(Buffer.alloc(BIG)))
    expect(done.state).toBe('ready')
    // Neither is its growth another file, nor another upload.
    const grown = await intake.claim(deferred.upload.id, 'ada')
    if (grown.lease === null) throw new Error('It waits for its bytes.')
    await intake.declareSize(grown.lease, 3)
    await intake.append(grown.lease, await records.get(deferred.upload.id, 'ada'), aBody(Buffer.from('abc')))
    await records.update(kept, { note: 'n' })
    await records.extend(kept, new Date(Date.now() + 3_700_000))
    await lowered.placement.move(await records.get(kept, 'ada'), {
      packageId: null,
      label: 'a label',
      relativePath: null,
    })
    await expect(put(lowered, 'ada', 'new')).rejects.toMatchObject({
      details: { quota: 'files', limit: 1, used: 3 },
    })
    await removals.remove(upload.id, 'ada')
    await removals.remove(kept, 'ada')
    await removals.remove(deferred.upload.id, 'ada')
    await put(lowered, 'ada', 'new')
  })
})

describe('a file that is put together from parts', () => {
  async function part({ intake }: Instance, bytes: Uint8Array): Promise<string> {
    return intake.takeWhole(
      uploaderNamed('ada'),
      aFile(bytes.byteLength, { concat: 'partial' }),
      aBody(bytes),
    )
  }
  const whole = ({ intake }: Instance, ids: readonly string[]) =>
    intake.concatenate(uploaderNamed('ada'), aFile(null, { concat: 'final;' }), ids)

  test('takes up the room of its parts, which counts once', async () => {
    const instance = await open({ bytes: 2000, files: 1, openUploads: 1 })
    const ids = [await part(instance, Buffer.alloc(1000, 1)), await part(instance, Buffer.alloc(1000, 2))]
    expect(await usageOf('ada')).toEqual({ bytes: 2000, files: 0, openUploads: 0 })
    const made = await whole(instance, ids)
    await until(async () => (await instance.records.get(made.id, 'ada')).state === 'ready')
    await until(async () => (await usageOf('ada')).bytes === 2000)
    expect(await usageOf('ada')).toEqual({ bytes: 2000, files: 1, openUploads: 0 })
  })

  test('is a file as others are: a quota of files holds', async () => {
    const instance = await open({ files: 1 })
    await put(instance, 'ada', 'the one')
    const ids = [await part(instance, Buffer.from('parts are no files'))]
    await expect(whole(instance, ids)).rejects.toMatchObject({
      code: 'QUOTA_EXCEEDED',
      details: { quota: 'files', limit: 1, used: 1 },
    })
    expect((await usageOf('ada')).files).toBe(1)
  })

  test('does not grow beyond the quota by naming a part many times, or in many files', async () => {
    const instance = await open({ bytes: 1000 })
    const [one, two] = [
      await part(instance, Buffer.alloc(500, 1)),
      await part(instance, Buffer.alloc(500, 2)),
    ]
    await expect(whole(instance, [one, one, one, two])).rejects.toMatchObject({
      code: 'QUOTA_EXCEEDED',
      details: { quota: 'bytes', limit: 1000 },
    })
    const orders = [[one, two], [two, one], [one], [two], [one, one]]
    const { done } = await refusedOf(orders.map((ids) => whole(instance, ids).catch(throwUnlessGone)))
    expect(done).toBeGreaterThanOrEqual(1)
    await until(async () => (await usageOf('ada')).openUploads === 0)
    const ready = await ground.rows<{ bytes: string }>(
      `SELECT sum(size_bytes) AS bytes FROM uploads WHERE state = 'ready' AND concat IS DISTINCT FROM 'partial'`,
    )
    expect(Number(ready[0]?.bytes)).toBeLessThanOrEqual(1000)
  })
})

/** A part that was put into another file in between. */
function throwUnlessGone(error: unknown): void {
  if (!isAppError(error, 'GONE')) throw error
}

test('without limits nobody is refused', async () => {
  const instance = await open({})
  const { refused } = await refusedOf(Array.from({ length: 100 }, (_, n) => put(instance, 'ada', `${n}`)))
  expect(refused).toEqual([])
  expect((await usageOf('ada')).files).toBe(100)
})

const HUNT_SECONDS = Number(process.env.QUOTA_HUNT_SECONDS ?? 20)

test(
  'one owner at many things at once on two instances: no deadlock, no failure of ours, and the usage is right',
  async () => {
    const instances: PackageInstance[] = [
      await openPackageInstance(ground),
      await openPackageInstance(ground),
    ]
    try {
      // The same rooms, with quotas on.
      const limited = [
        await open({ bytes: 40_000, files: 60, openUploads: 12 }),
        await open({ bytes: 40_000, files: 60, openUploads: 12 }),
      ]
      const ids: string[] = []
      const parts: string[] = []
      const packageIds: string[] = []
      const counts = new Map<string, number>()
      const at = <T>(list: readonly T[]) => list[Math.floor(Math.random() * list.length)]
      const contents = Array.from({ length: 6 }, (_, n) => Buffer.alloc(50 * n, n))
      const content = () => at(contents) ?? Buffer.alloc(0)
      const acts: Record<string, () => Promise<unknown>> = {
        async begin() {
          const { upload } = await one().intake.begin(
            uploaderNamed('ada'),
            aFile(100, { packageId: at([...packageIds, null]) ?? null, filename: `b${Math.random()}` }),
            { isHeld: false },
          )
          ids.push(upload.id)
        },
        async takeWhole() {
          const bytes = content()
          const packageId = at([...packageIds, null]) ?? null
          const description = aFile(bytes.byteLength, { packageId, filename: `w${Math.random()}` })
          ids.push(await one().intake.takeWhole(uploaderNamed('ada'), description, aBody(bytes)))
        },
        async takeOfBoth() {
          const bytes = content()
          await one().intake.takeWhole(uploaderNamed('bob'), aFile(bytes.byteLength), aBody(bytes))
        },
        async twoSteps() {
          ids.push(await takeInTwoSteps(one(), 'ada', content()))
        },
        async remove() {
          const id = at(ids)
          if (id !== undefined) await one().removals.remove(id, 'ada')
        },
        async removeContent() {
          const id = at(ids)
          const found = id === undefined ? null : await one().records.get(id, 'ada')
          if (found?.sha256) await one().removals.removeContent(found.sha256, at(['ada', 'bob']) ?? 'ada')
        },
        async complete() {
          const id = at(ids)
          const packageId = at(packageIds) ?? null
          const completion = { packageId, relativePath: `c${Math.random()}`, declared: {} }
          if (id !== undefined) await one().intake.complete(id, uploaderNamed('ada'), completion)
        },
        async part() {
          const bytes = content()
          const description = aFile(bytes.byteLength, { concat: 'partial' })
          parts.push(await one().intake.takeWhole(uploaderNamed('ada'), description, aBody(bytes)))
        },
        async concatenate() {
          const [first, second] = [at(parts), at(parts)]
          if (first === undefined || second === undefined) return
          const description = aFile(null, { concat: 'final;' })
          const made = await one().intake.concatenate(uploaderNamed('ada'), description, [first, second])
          ids.push(made.id)
        },
        async makePackage() {
          const made = await at(instances)?.packages.create('ada', {
            ...{ name: 'p', label: null, producer: null, subject: null, retentionClass: null, metadata: {} },
          })
          if (made !== undefined) packageIds.push(made.id)
        },
        async deletePackage() {
          const id = at(packageIds.slice(0, -2))
          if (id === undefined) return
          packageIds.splice(packageIds.indexOf(id), 1)
          await at(instances)?.ends.commitDelete(id, 'ada')
          await one().removals.removeAllOf(id)
        },
        async finalizePackage() {
          const id = at(packageIds.slice(0, -2))
          if (id !== undefined) await at(instances)?.packageFinalizer.finalize(id, 'ada')
        },
      }
      const one = (): Instance => at(limited) ?? limited[0]!
      const tally = (name: string) => counts.set(name, (counts.get(name) ?? 0) + 1)
      const until = performance.now() + HUNT_SECONDS * 1000
      const worker = async () => {
        while (performance.now() < until) {
          const [name, act] = at(Object.entries(acts)) ?? ['', async () => {}]
          try {
            await act()
            tally(name)
          } catch (error) {
            // Whatever a client can be told; all else is ours.
            if (!isAppError(error, ...TOLD)) throw error
            tally(error.code)
          }
        }
      }
      await Promise.all(Array.from({ length: 16 }, worker))
      console.info([...counts].map(([name, count]) => `${name} ${count}`).join(', '))
      expect([...counts.keys()]).toEqual(expect.arrayContaining([...Object.keys(acts), 'QUOTA_EXCEEDED']))
      const deadlocks = await ground.rows<{ deadlocks: string }>(
        'SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()',
      )
      expect(deadlocks).toEqual([{ deadlocks: '0' }])
      const usage = await usageTwice(ground)
      expect(usage.kept).toEqual(usage.recounted)
    } finally {
      for (const instance of instances) await instance.close()
    }
  },
  HUNT_SECONDS * 1000 + 60_000,
)

const TOLD = [
  ...(['QUOTA_EXCEEDED', 'NOT_FOUND', 'GONE', 'CONFLICT', 'PACKAGE_FINALIZED', 'LOCKED'] as const),
  ...(['OFFSET_MISMATCH', 'INVALID_INPUT'] as const),
]
