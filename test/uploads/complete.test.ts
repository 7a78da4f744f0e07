// Sessions, which end with a call of their own: until it comes, an upload that has all its bytes waits for it.

import { PassThrough } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { pino } from 'pino'
import { EVERYONE } from '../../server/auth/owner-scope.js'
import { S3Store } from '../../server/storage/s3.js'
import { Sweep } from '../../server/sweep/sweep.js'
import type { Completion } from '../../server/uploads/intake.js'
import { randomId } from '../../server/uploads/random.js'
import type { Upload, UploadDescription } from '../../server/uploads/upload.js'
import { checksumsOf, someBytes } from '../dialects/tus-client.js'
import { collect } from '../storage/store-contract.js'
import { createTestBucket, describeS3, type TestBucket } from '../support/s3.js'
import { until } from '../support/until.js'
import { clear, eventsOf, expectInOrder, stateOf, untilState } from './aftermath.js'
import {
  aBody,
  aFile,
  type Ground,
  type Instance,
  letExpire,
  newGround,
  openInstance,
  uploaderNamed,
} from './parts.js'

const bytes = someBytes(300_000)

let ground: Ground
let here: Instance
let there: Instance

beforeAll(async () => {
  ground = await newGround()
  here = await openInstance(ground)
  there = await openInstance(ground)
})
afterAll(async () => {
  await here.close()
  await there.close()
  await ground.dispose()
})
beforeEach(() => clear(ground, here.store))

/** A session of `sizeBytes`, with the first `arrived` of the bytes. @returns its id */
async function session(
  sizeBytes: number | null,
  arrived: number,
  changes: Partial<UploadDescription> = {},
): Promise<string> {
  const { upload, lease } = await here.intake.begin(
    uploaderNamed('somebody'),
    aFile(sizeBytes, { finish: 'manual', ...changes }),
    { isHeld: true },
  )
  if (lease === null) throw new Error('A lease was asked for.')
  await here.intake.append(lease, upload, aBody(bytes.subarray(0, arrived)))
  return upload.id
}

function complete(id: string, changes: Partial<Completion> = {}, instance = here): Promise<Upload> {
  return instance.intake.complete(id, uploaderNamed('somebody'), {
    packageId: null,
    relativePath: null,
    declared: {},
    ...changes,
  })
}

async function aPackage(state = 'open'): Promise<string> {
  const id = randomId()
  await ground.rows(
    `INSERT INTO packages (id, owner, state, name, retention_class, expires_at)
     VALUES ($1, 'somebody', $2::"PackageState", 'p', 'staging', now() + interval '1 hour')`,
    [id, state],
  )
  return id
}

const sweep = () =>
  new Sweep({
    apiKeys: { forgetOld: async () => {} },
    events: { forgetOld: async () => {} },
    eventTtlSeconds: 31_536_000,
    ...there,
    log: pino({ level: 'silent' }),
    databaseUrl: ground.databaseUrl,
    tombstoneTtlSeconds: 3600,
    expiryNoticeSeconds: 60,
  }).run({ isDryRun: false }, () => {})

async function expectReady(id: string, content: Uint8Array): Promise<void> {
  await until(async () => (await stateOf(ground, id)) !== 'finalizing')
  const upload = await there.records.get(id, 'somebody')
  const size = BigInt(content.byteLength)
  expect(upload).toMatchObject({
    state: 'ready',
    ...checksumsOf(content),
    sizeBytes: size,
    offsetBytes: size,
  })
  const found = await there.records.findByRetrievalToken(upload.retrievalToken ?? '')
  const range = { start: 0, end: content.byteLength }
  const stored = await collect(there.store.readObject(found?.objectKey ?? '', range))
  expect(stored.equals(Buffer.from(content))).toBe(true)
  await expectInOrder(ground)
}

/** The columns that a refusal must have left as they were. */
const rowOf = async (id: string) =>
  (
    await ground.rows(
      `SELECT state::text, finish::text, size_bytes, offset_bytes, label, relative_path, package_id, package_path, declared_md5,
         declared_sha1, declared_sha256, keep_until, lease_holder FROM uploads WHERE id = $1`,
      [id],
    )
  )[0]

describe('an upload that has all its bytes and waits to be completed', () => {
  test.each([300_000, 100_000, 0])('of %p bytes: nothing but that finishes it', async (sizeBytes) => {
    const id = await session(sizeBytes, sizeBytes)
    const before = await rowOf(id)
    await here.intake.settled(id, 'somebody')
    await here.finalizer.resume(id)
    await there.finalizer.resume(id)
    await sweep()
    await sleep(50)
    expect(await rowOf(id)).toEqual(before)
    expect(await stateOf(ground, id)).toBe('receiving')
    // Another request that brings nothing changes nothing either.
    const { lease, upload } = await there.intake.claim(id, 'somebody')
    if (lease === null) throw new Error('It is not finished.')
    await there.intake.append(lease, upload, aBody(Buffer.alloc(0)))
    expect(await rowOf(id)).toEqual(before)
    expect((await complete(id)).state).toBe('ready')
    await expectReady(id, bytes.subarray(0, sizeBytes))
    expect(await eventsOf(ground, id)).toEqual(['created', 'finalizing', 'ready'])
  })

  test('ends some time after its last byte, like every session; not before', async () => {
    const id = await session(1000, 1000)
    const { expiresInSeconds, keepUntil } = await here.records.get(id, 'somebody')
    expect(expiresInSeconds).toBeGreaterThan(590)
    expect(expiresInSeconds).toBeLessThanOrEqual(600)
    expect(keepUntil.getTime() - Date.now()).toBeGreaterThan(3000_000)
    await letExpire(ground, id)
    await expect(complete(id)).rejects.toMatchObject({ code: 'GONE' })
    await sweep()
    expect(await eventsOf(ground, id)).toEqual(['created', 'expired'])
    await expectInOrder(ground)
    expect(await ground.stored()).toEqual({ tmp: [], objects: [] })
  })

  test('is kept as long as any other, once it is completed', async () => {
    const id = await session(1000, 1000)
    await complete(id)
    expect((await here.records.get(id, 'somebody')).expiresInSeconds).toBeGreaterThan(3500)
  })
})

describe('complete', () => {
  test.each([
    ['of known length', 300_000],
    ['of unknown length', null],
  ])('an upload %s: ready; repeated, the same record', async (_, sizeBytes) => {
    const id = await session(sizeBytes, 300_000)
    await complete(id)
    const first = await rowOf(id)
    for (const instance of [here, there]) {
      expect((await complete(id, {}, instance)).state).toBe('ready')
      await complete(id, { declared: checksumsOf(bytes) }, instance)
    }
    expect(await rowOf(id)).toEqual(first)
    await expectReady(id, bytes)
    expect(await eventsOf(ground, id)).toEqual(['created', 'finalizing', 'ready'])
  })

  test('an upload of unknown length without a byte: an empty file', async () => {
    const id = await session(null, 0)
    await complete(id)
    await expectReady(id, Buffer.alloc(0))
  })

  test('an upload that its last byte finishes: its record', async () => {
    const id = await session(1000, 1000, { finish: 'auto' })
    await complete(id)
    await expectReady(id, bytes.subarray(0, 1000))
  })

  test('while bytes are missing: the offset, and nothing has changed, its place neither', async () => {
    const packageId = await aPackage()
    const id = await session(300_000, 1000, { relativePath: 'x/a.csv' })
    const before = await rowOf(id)
    await expect(
      complete(id, { packageId, relativePath: 'y/b.csv', declared: checksumsOf(bytes) }),
    ).rejects.toMatchObject({
      code: 'OFFSET_MISMATCH',
      details: { upload_offset: 1000, upload_length: 300_000 },
    })
    expect(await rowOf(id)).toEqual(before)
    const { lease, upload } = await there.intake.claim(id, 'somebody')
    if (lease === null) throw new Error('It is not finished.')
    await there.intake.append(lease, upload, aBody(bytes.subarray(1000)))
    await complete(id, { packageId, relativePath: 'y/b.csv', declared: checksumsOf(bytes) })
    await expectReady(id, bytes)
    expect(await rowOf(id)).toMatchObject({ package_id: packageId, package_path: 'y/b.csv' })
  })

  test.each([
    ['finalized', 'PACKAGE_FINALIZED'],
    ['deleted', 'GONE'],
    [null, 'NOT_FOUND'],
  ])('into a package that is %p: refused, and it can still be completed', async (state, code) => {
    const packageId = state === null ? randomId() : await aPackage(state)
    const id = await session(1000, 1000)
    const before = await rowOf(id)
    await expect(complete(id, { packageId, relativePath: 'b.csv' })).rejects.toMatchObject({ code })
    expect(await rowOf(id)).toEqual(before)
    await complete(id, { relativePath: 'b.csv' })
    await expectReady(id, bytes.subarray(0, 1000))
  })

  test('with digests that are not its own: failed; a finished one is only refused', async () => {
    const declared = { sha256: '0'.repeat(64) }
    const id = await session(1000, 1000)
    await expect(complete(id, { declared })).rejects.toMatchObject({ code: 'HASH_MISMATCH' })
    expect(await stateOf(ground, id)).toBe('failed')
    await expect(complete(id)).rejects.toMatchObject({ code: 'GONE' })
    expect(await eventsOf(ground, id)).toEqual(['created', 'failed'])
    expect(await ground.stored()).toEqual({ tmp: [], objects: [] })

    const other = await session(1000, 1000)
    await complete(other)
    const before = await rowOf(other)
    await expect(complete(other, { declared, relativePath: 'x.csv' })).rejects.toMatchObject({
      code: 'HASH_MISMATCH',
    })
    expect(await rowOf(other)).toEqual(before)
    await expectReady(other, bytes.subarray(0, 1000))
  })

  test('what is gone, or another owner\u2019s, or a part: as that is', async () => {
    const gone = await session(1000, 1000)
    await here.removals.remove(gone, 'somebody')
    await expect(complete(gone)).rejects.toMatchObject({ code: 'GONE' })
    const theirs = await session(1000, 1000)
    const asked = here.intake.complete(theirs, uploaderNamed('somebody else'), {
      packageId: null,
      relativePath: null,
      declared: {},
    })
    await expect(asked).rejects.toMatchObject({ code: 'NOT_FOUND' })
    const part = await here.intake.takeWhole(
      uploaderNamed('somebody'),
      aFile(10, { concat: 'partial' }),
      aBody(bytes.subarray(0, 10)),
    )
    await expect(complete(part)).rejects.toMatchObject({ code: 'CONFLICT' })
  })

  test('whose digests on the way were lost reads the bytes again', async () => {
    const id = await session(300_000, 300_000)
    await ground.rows('UPDATE uploads SET digest_state = NULL WHERE id = $1', [id])
    expect((await complete(id)).state).toBe('finalizing')
    await untilState(ground, id, 'ready')
    await expectReady(id, bytes)
  })

  test('an admin completes another owner\u2019s session in that owner\u2019s packages, and in any other that is named', async () => {
    const [theirs, own] = [await aPackage(), randomId()]
    await ground.rows(
      `INSERT INTO packages (id, owner, name, retention_class, expires_at)
       VALUES ($1, 'admin', 'p', 'staging', now() + interval '1 hour')`,
      [own],
    )
    const id = await session(1000, 1000)
    const nothing = { relativePath: null, declared: {} }
    const admin = { owner: 'admin', uploads: EVERYONE, packages: EVERYONE } as const
    await here.intake.complete(id, admin, { packageId: theirs, ...nothing })
    expect(await rowOf(id)).toMatchObject({ state: 'ready', package_id: theirs })
    await here.intake.complete(id, admin, { packageId: own, ...nothing })
    expect(await rowOf(id)).toMatchObject({ package_id: own })
  })
})

describe('complete, and at the same time', () => {
  test('complete, eight times on two instances: one finishing, one answer', async () => {
    for (let round = 0; round < 5; round += 1) {
      const packageId = await aPackage()
      const id = await session(300_000, 300_000)
      const answers = await Promise.all(
        Array.from({ length: 8 }, (_, i) => complete(id, { packageId }, i % 2 === 0 ? here : there)),
      )
      for (const { state } of answers) expect(['finalizing', 'ready']).toContain(state)
      await expectReady(id, bytes)
      expect(await eventsOf(ground, id)).toEqual(['created', 'finalizing', 'ready'])
      expect(await rowOf(id)).toMatchObject({ package_id: packageId, package_path: 'lake.csv' })
      await here.removals.remove(id, 'somebody')
    }
  })

  test('bytes that are still on their way: they are stored, and it says what is missing', async () => {
    const id = await session(300_000, 1000)
    const { lease, upload } = await here.intake.claim(id, 'somebody')
    if (lease === null) throw new Error('It is not finished.')
    const source = new PassThrough()
    source.write(bytes.subarray(1000, 200_000))
    const appending = here.intake
      .append(lease, upload, { source, announcedBytes: 299_000, checksum: null })
      .catch((error: unknown) => error)
    await sleep(100)
    await expect(complete(id, {}, there)).rejects.toMatchObject({
      code: 'OFFSET_MISMATCH',
      details: { upload_offset: 200_000 },
    })
    expect(await appending).toMatchObject({ code: 'LOCKED' })
    const again = await there.intake.claim(id, 'somebody')
    if (again.lease === null) throw new Error('It is not finished.')
    await there.intake.append(again.lease, again.upload, aBody(bytes.subarray(200_000)))
    await complete(id)
    await expectReady(id, bytes)
  })

  test('its deletion: ready or gone, and nothing is left of what is gone', async () => {
    for (let round = 0; round < 15; round += 1) {
      const id = await session(300_000, 300_000)
      const [completed, removed] = await Promise.allSettled([
        complete(id),
        there.removals.remove(id, 'somebody'),
      ])
      if (completed.status === 'rejected')
        expect(['GONE', 'LOCKED', 'CONFLICT']).toContain(completed.reason.code)
      expect(removed.status).toBe('fulfilled')
      const events = await eventsOf(ground, id)
      expect(['canceled', 'deleted']).toContain(events.at(-1))
      expect(new Set(events).size).toBe(events.length)
      await until(async () => (await ground.stored()).objects.length === 0)
      await expectInOrder(ground)
      expect(await ground.stored()).toEqual({ tmp: [], objects: [] })
    }
  })

  test('the end of its time: ready or expired', async () => {
    for (let round = 0; round < 10; round += 1) {
      const id = await session(1000, 1000)
      const completing = complete(id, {}, there).catch((error: unknown) => error)
      await letExpire(ground, id)
      await here.endings.commitEnd(id, 'past-end')
      await completing
      await sweep()
      expect(['ready', 'expired']).toContain(await stateOf(ground, id))
      await expectInOrder(ground)
      await clear(ground, here.store)
    }
  })
})

describe('a server that died', () => {
  test('behind "complete", before it was finished: whoever comes first finishes it', async () => {
    const id = await session(300_000, 300_000)
    const { lease } = await here.intake.claim(id, 'somebody')
    if (lease === null) throw new Error('It is not finished.')
    await here.records.declareComplete(lease, { md5: checksumsOf(bytes).md5 })
    await here.leases.release(lease, false)
    await sweep()
    await expectReady(id, bytes)
    expect(await eventsOf(ground, id)).toEqual(['created', 'finalizing', 'ready'])
  })

  test('behind the move into a package, before "complete" was recorded: it still waits', async () => {
    const packageId = await aPackage()
    const id = await session(1000, 1000)
    const upload = await here.records.get(id, 'somebody')
    await here.placement.move(upload, { packageId, label: null, relativePath: 'x.csv' })
    await sweep()
    expect(await stateOf(ground, id)).toBe('receiving')
    await complete(id, { packageId, relativePath: 'x.csv' })
    await expectReady(id, bytes.subarray(0, 1000))
  })
})

describeS3('on S3', () => {
  const large = someBytes(7 * 1024 ** 2)
  let bucket: TestBucket
  let store: S3Store
  let s3: Instance

  beforeAll(async () => {
    bucket = await createTestBucket()
    store = new S3Store(bucket.settings(), 64 * 1024 ** 2)
    await store.open()
    s3 = await openInstance(ground, { wrapStore: () => store })
  })
  afterAll(async () => {
    await s3.close()
    await store.close()
    await bucket.drop()
  })

  /** A session whose bytes have arrived in `pieces`, all of them; nobody completes it. */
  async function waiting(pieces: readonly Buffer[], sizeBytes: number | null): Promise<string> {
    const { upload } = await s3.intake.begin(
      uploaderNamed('somebody'),
      aFile(sizeBytes, { finish: 'manual' }),
      {
        isHeld: false,
      },
    )
    for (const piece of pieces) {
      const claimed = await s3.intake.claim(upload.id, 'somebody')
      if (claimed.lease === null) throw new Error('It is not finished.')
      await s3.intake.append(claimed.lease, claimed.upload, aBody(piece))
    }
    return upload.id
  }

  const cases: [string, Buffer[]][] = [
    ['nothing', []],
    ['few', [bytes]],
    ['some pieces of few', [bytes.subarray(0, 1000), bytes.subarray(1000)]],
    ['many', [large]],
    ['some pieces of many', [large.subarray(0, 6_000_000), large.subarray(6_000_000)]],
  ]

  test.each(cases)('an upload of %s waits, of known length or not, and is completed', async (_, pieces) => {
    const content = Buffer.concat(pieces)
    for (const sizeBytes of [content.byteLength, null]) {
      const id = await waiting(pieces, sizeBytes)
      await s3.finalizer.resume(id)
      expect(await stateOf(ground, id)).toBe('receiving')
      await complete(id, {}, s3)
      await untilState(ground, id, 'ready')
      const upload = await s3.records.get(id, 'somebody')
      expect(upload).toMatchObject(checksumsOf(content))
      const stored = await collect(s3.store.readObject(id, { start: 0, end: content.byteLength }))
      expect(stored.equals(content)).toBe(true)
      expect(await bucket.list()).toMatchObject({
        objects: [{ sizeBytes: content.byteLength }],
        multiparts: [],
      })
      await s3.removals.remove(id, 'somebody')
      expect(await bucket.list()).toEqual({ objects: [], multiparts: [] })
    }
  })

  test.each(cases)('an upload of %s that nobody completes leaves nothing', async (_, pieces) => {
    const id = await waiting(pieces, Buffer.concat(pieces).byteLength)
    await letExpire(ground, id)
    await s3.garbage.empty((await s3.endings.commitEnd(id, 'past-end'))?.discarded ?? [])
    expect(await stateOf(ground, id)).toBe('expired')
    expect(await bucket.list()).toEqual({ objects: [], multiparts: [] })
    expect(
      await ground.rows('SELECT * FROM garbage UNION ALL SELECT NULL, upload_id, NULL FROM parts'),
    ).toEqual([])
  })
})
