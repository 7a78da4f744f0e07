// Uploads made of others, at the intake: what a whole is promised of its parts, and how both end. The protocol around it is in
// test/dialects/concatenation.test.ts, the copying in test/storage.

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { pino } from 'pino'
import { EVERYONE } from '../../server/auth/owner-scope.js'
import { AppError } from '../../server/errors.js'
import { EMPTY_LEDGER, MOST_COMPOSE_SOURCES, type Store } from '../../server/storage/store.js'
import { Sweep } from '../../server/sweep/sweep.js'
import { randomId, randomToken } from '../../server/uploads/random.js'
import type { UploadDescription } from '../../server/uploads/upload.js'
import { checksumsOf, someBytes } from '../dialects/tus-client.js'
import { collect } from '../storage/store-contract.js'
import { until } from '../support/until.js'
import {
  changedStore,
  clear,
  eventsOf,
  expectInOrder,
  holdRows,
  stateOf,
  untilState,
  untilWaiting,
} from './aftermath.js'
import {
  aBody,
  aFile,
  type Ground,
  type Instance,
  insertUpload,
  letExpire,
  newGround,
  openInstance,
  uploaderNamed,
} from './parts.js'

let ground: Ground
let here: Instance
let there: Instance
/** What comes before the store of `here` and `there` puts an object together. */
let beforeCompose: (key: string) => Promise<void> = async () => {}
let composed: string[] = []

beforeAll(async () => {
  ground = await newGround()
  const wrapStore = (store: Store) =>
    changedStore(store, {
      async compose(key, sources, signal) {
        await beforeCompose(key)
        await store.compose(key, sources, signal)
        composed.push(key)
      },
    })
  here = await openInstance(ground, { wrapStore })
  there = await openInstance(ground, { wrapStore })
})
afterAll(async () => {
  await here.close()
  await there.close()
  await ground.dispose()
})
beforeEach(() => clear(ground, here.store))
afterEach(() => {
  beforeCompose = async () => {}
  composed = []
})

const PARTIAL = { concat: 'partial', filename: null }

/** A whole part, of `owner`. @returns its id */
async function aPart(content: Uint8Array, owner = 'somebody', instance = here): Promise<string> {
  if (content.byteLength <= 1000)
    return instance.intake.takeWhole(uploaderNamed(owner), aFile(content.byteLength, PARTIAL), aBody(content))
  const { upload, lease } = await instance.intake.begin(
    uploaderNamed(owner),
    aFile(content.byteLength, PARTIAL),
    {
      isHeld: true,
    },
  )
  if (lease === null) throw new Error('A lease was asked for.')
  await instance.intake.append(lease, upload, aBody(content))
  return upload.id
}

const finalOf = (ids: readonly string[], changes: Partial<UploadDescription> = {}) =>
  aFile(null, { concat: `final;${ids.map((id) => `/uploads/${id}`).join(' ')}`, ...changes })

async function concatenate(
  ids: readonly string[],
  changes: Partial<UploadDescription> = {},
  { owner = 'somebody', instance = here } = {},
): Promise<string> {
  return (await instance.intake.concatenate(uploaderNamed(owner), finalOf(ids, changes), ids)).id
}

async function expectReady(id: string, content: Uint8Array): Promise<void> {
  await until(async () => (await stateOf(ground, id)) !== 'finalizing')
  const upload = await here.records.get(id, 'somebody')
  expect(upload).toMatchObject({
    state: 'ready',
    ...checksumsOf(content),
    sizeBytes: BigInt(content.byteLength),
    offsetBytes: BigInt(content.byteLength),
    errorCode: null,
  })
  const found = await here.records.findByRetrievalToken(upload.retrievalToken ?? '')
  const range = { start: 0, end: content.byteLength }
  const stored = await collect(here.store.readObject(found?.objectKey ?? '', range))
  expect(stored.equals(Buffer.from(content))).toBe(true)
}

/** Asserts that the parts have ended, soon: that comes after their whole is ready. */
async function expectServed(...ids: string[]): Promise<void> {
  for (const id of ids) await untilState(ground, id, 'deleted')
  await until(async () => (await ground.rows('SELECT FROM garbage')).length === 0)
}

const sweep = () =>
  new Sweep({
    apiKeys: { forgetOld: async () => {} },
    events: { forgetOld: async () => {} },
    eventTtlSeconds: 31_536_000,
    ...here,
    log: pino({ level: 'silent' }),
    databaseUrl: ground.databaseUrl,
    tombstoneTtlSeconds: 3600,
    expiryNoticeSeconds: 60,
  }).run({ isDryRun: false }, () => {})

/** Lets composing wait. @returns how to let it go on */
function holdCompose(): { goOn: () => void; isWaiting: () => boolean } {
  let count = 0
  let goOn = () => {}
  const gate = new Promise<void>((resolve) => {
    goOn = resolve
  })
  beforeCompose = async () => {
    count += 1
    await gate
  }
  return { goOn, isWaiting: () => count > 0 }
}

const a = someBytes(1000, 1)
const b = someBytes(300_000, 2)
const empty = Buffer.alloc(0)

describe('a whole', () => {
  test.each<[string, Buffer[]]>([
    ['of two', [a, b]],
    ['of one', [b]],
    ['of an empty one', [empty]],
    ['of some, an empty one among them', [a, empty, b]],
    ['of parts with the same content', [a, a, a]],
  ])('%s has their bytes in their order; then they have served', async (_, contents) => {
    const ids: string[] = []
    for (const content of contents) ids.push(await aPart(content))
    const id = await concatenate(ids)
    await expectReady(id, Buffer.concat(contents))
    await expectServed(...ids)
    await expectInOrder(ground)
    expect(await eventsOf(ground, id)).toEqual(['created', 'finalizing', 'ready'])
    for (const part of ids) expect(await eventsOf(ground, part)).toEqual([])
  })

  test('takes one part twice', async () => {
    const part = await aPart(a)
    await expectReady(await concatenate([part, part]), Buffer.concat([a, a]))
    await expectServed(part)
    await expectInOrder(ground)
  })

  test('stands where it says, and its parts stand nowhere', async () => {
    const placed = { label: 'lakes', relativePath: 'deep/lake.csv' }
    const part = await here.intake.takeWhole(
      uploaderNamed('somebody'),
      aFile(a.length, { ...PARTIAL, ...placed }),
      aBody(a),
    )
    const id = await concatenate([part], placed)
    await expectReady(id, a)
    const packages = await ground.rows<{ id: string }>('SELECT id FROM packages')
    expect(packages).toHaveLength(1)
    expect(await here.records.get(id, 'somebody')).toMatchObject({
      packageId: packages[0]?.id,
      packagePath: 'deep/lake.csv',
    })
    expect(await here.records.get(part, 'somebody')).toMatchObject({ packageId: null, packagePath: null })
  })

  test('whose path is taken is refused, and its parts live on', async () => {
    const placed = { label: 'lakes', relativePath: 'lake.csv' }
    await here.intake.takeWhole(uploaderNamed('somebody'), aFile(b.length, placed), aBody(b))
    const part = await aPart(a)
    await expect(concatenate([part], placed)).rejects.toMatchObject({ code: 'CONFLICT' })
    await expectReady(await concatenate([part], { ...placed, relativePath: 'other.csv' }), a)
  })

  test('that is not what it was declared to be fails; its parts may be put together in another way', async () => {
    const parts = [await aPart(a), await aPart(b)]
    const id = await concatenate(parts, { declared: checksumsOf(Buffer.concat([b, a])) })
    await untilState(ground, id, 'failed')
    expect(await here.records.get(id, 'somebody')).toMatchObject({ errorCode: 'HASH_MISMATCH' })
    await expectReady(await concatenate([...parts].reverse()), Buffer.concat([b, a]))
    await expectServed(...parts)
    await expectInOrder(ground)
  })

  test('of the content of another owner\u2019s file takes nothing away from it', async () => {
    const theirs = await here.intake.takeWhole(uploaderNamed('somebody else'), aFile(a.length), aBody(a))
    const part = await aPart(a)
    const id = await concatenate([part])
    await expectReady(id, a)
    await expectServed(part)
    await here.removals.remove(id, 'somebody')
    expect(await here.records.get(theirs, 'somebody else')).toMatchObject({ state: 'ready' })
    await expectInOrder(ground)
    expect((await ground.stored()).objects).toHaveLength(1)
  })

  test('outlives the other owner\u2019s file that its part was stored as', async () => {
    const { goOn, isWaiting } = holdCompose()
    const theirs = await here.intake.takeWhole(uploaderNamed('somebody else'), aFile(a.length), aBody(a))
    const [part, other] = [await aPart(a), await aPart(b)]
    const id = await concatenate([part, other])
    await until(async () => isWaiting())
    await there.removals.remove(theirs, 'somebody else')
    goOn()
    await expectReady(id, Buffer.concat([a, b]))
    await expectServed(part, other)
    await expectInOrder(ground)
  })
})

describe('what is no part', () => {
  const refused = (ids: string[], owner = 'somebody') => concatenate(ids, {}, { owner })

  test('is refused by what it is, and nothing is made', async () => {
    const whole = await here.intake.takeWhole(uploaderNamed('somebody'), aFile(a.length), aBody(a))
    const { upload: unfinished } = await here.intake.begin(uploaderNamed('somebody'), aFile(10, PARTIAL), {
      isHeld: false,
    })
    const { upload: endless } = await here.intake.begin(uploaderNamed('somebody'), aFile(null, PARTIAL), {
      isHeld: false,
    })
    const [good, gone, over] = [await aPart(a), await aPart(a), await aPart(b)]
    await here.removals.remove(gone, 'somebody')
    await letExpire(ground, over)
    const foreign = await aPart(b, 'somebody else')
    const before = await ground.rows('SELECT id, state, expires_at FROM uploads ORDER BY id')
    for (const [id, code] of [
      [whole, 'INVALID_INPUT'],
      [unfinished.id, 'CONFLICT'],
      [endless.id, 'CONFLICT'],
      [gone, 'GONE'],
      [over, 'GONE'],
      [foreign, 'NOT_FOUND'],
      [randomId(), 'NOT_FOUND'],
    ] as const) {
      await expect(refused([good, id])).rejects.toMatchObject({ code })
      await expect(refused([id])).rejects.toMatchObject({ code })
    }
    await expect(refused(Array(MOST_COMPOSE_SOURCES + 1).fill(good))).rejects.toMatchObject({
      code: 'INVALID_INPUT',
    })
    expect(await ground.rows('SELECT id, state, expires_at FROM uploads ORDER BY id')).toEqual(before)
  })

  test('though its bytes together are more than a file may have, is refused', async () => {
    const part = await aPart(b)
    await ground.rows('UPDATE uploads SET size_bytes = $1, offset_bytes = $1 WHERE id = $2', [2 ** 30, part])
    await expect(refused([part, part])).rejects.toMatchObject({ code: 'PAYLOAD_TOO_LARGE' })
  })
})

describe('the same asked again', () => {
  test('is answered with what was made, being finished, ready, and when the parts have served', async () => {
    const { goOn, isWaiting } = holdCompose()
    const parts = [await aPart(a), await aPart(b)]
    const id = await concatenate(parts)
    await until(async () => isWaiting())
    expect(await concatenate(parts, {}, { instance: there })).toBe(id)
    goOn()
    await expectReady(id, Buffer.concat([a, b]))
    await expectServed(...parts)
    expect(await concatenate(parts)).toBe(id)
    // Told that they are gone, the client would send everything again.
    for (const part of parts) {
      const settled = await here.intake.settled(part, 'somebody')
      expect(settled.offsetBytes).toBe(settled.sizeBytes)
    }
    expect(await ground.rows(`SELECT FROM uploads WHERE concat LIKE 'final%'`)).toHaveLength(1)

    await letExpire(ground, id)
    await expect(concatenate(parts)).rejects.toMatchObject({ code: 'GONE' })
    await here.removals.remove(id, 'somebody')
    await expect(concatenate(parts)).rejects.toMatchObject({ code: 'GONE' })
    await expect(here.intake.settled(parts[0] ?? '', 'somebody')).rejects.toMatchObject({ code: 'GONE' })
    await expectInOrder(ground)
  })

  test('in another order is another', async () => {
    const { goOn } = holdCompose()
    const [first, second] = [await aPart(a), await aPart(b)]
    const ids = [await concatenate([first, second]), await concatenate([second, first])]
    goOn()
    await expectReady(ids[0] ?? '', Buffer.concat([a, b]))
    await expectReady(ids[1] ?? '', Buffer.concat([b, a]))
    await expectServed(first, second)
    await expectInOrder(ground)
  })

  test('eight times at once, on two instances: every one is answered, with what is ready', async () => {
    for (let round = 0; round < 3; round += 1) {
      const ids = await eightTimes({})
      for (const id of ids) await expectReady(id, Buffer.concat([a, b]))
    }
    await expectInOrder(ground)
  })

  test('eight times at once, at one place of a package: all are answered with the one that stands there', async () => {
    for (let round = 0; round < 3; round += 1) {
      const ids = await eightTimes({ label: 'lakes', filename: `${round}.csv` })
      expect(ids.size).toBe(1)
      for (const id of ids) await expectReady(id, Buffer.concat([a, b]))
    }
    await expectInOrder(ground)
  })

  /** @returns the different answers; the parts have served then */
  async function eightTimes(changes: Partial<UploadDescription>): Promise<Set<string>> {
    const parts = [await aPart(a), await aPart(b)]
    const asked = Array.from({ length: 8 }, (_, i) =>
      concatenate(parts, changes, { instance: i % 2 === 0 ? here : there }),
    )
    const ids = new Set(await Promise.all(asked))
    await expectServed(...parts)
    return ids
  }
})

describe('a part that two wholes have in common', () => {
  test('ends with the last of them', async () => {
    const { goOn, isWaiting } = holdCompose()
    const [shared, own] = [await aPart(a), await aPart(b)]
    const slow = await concatenate([shared, own])
    await until(async () => isWaiting())
    beforeCompose = async () => {}
    const fast = await concatenate([shared], {}, { instance: there })
    await expectReady(fast, a)
    // Ready, it has ended what only it needed: nothing.
    expect(await stateOf(ground, shared)).toBe('ready')
    goOn()
    await expectReady(slow, Buffer.concat([a, b]))
    await expectServed(shared, own)
    await expectInOrder(ground)
  })

  test('is not ended by one that is ready at the moment when another takes it', async () => {
    const shared = await aPart(a)
    const { goOn, isWaiting } = holdCompose()
    const first = await concatenate([shared])
    await until(async () => isWaiting())
    goOn()
    // Between its being ready and the end of its parts, as exactly as that can be had.
    const second = await concatenate([shared, shared], {}, { instance: there }).catch((error: unknown) => {
      expect(error).toMatchObject({ code: 'GONE' })
      return null
    })
    await expectReady(first, a)
    if (second !== null) await expectReady(second, Buffer.concat([a, a]))
    await expectServed(shared)
    await expectInOrder(ground)
  })
})

describe('while it is put together', () => {
  async function underWay() {
    const gate = holdCompose()
    const parts = [await aPart(a), await aPart(b)]
    const id = await concatenate(parts)
    await until(async () => gate.isWaiting())
    return { id, parts, goOn: gate.goOn }
  }

  test('the time of its parts is not over', async () => {
    const { id, parts, goOn } = await underWay()
    for (const part of parts) await letExpire(ground, part)
    await sweep()
    for (const part of parts) expect(await here.endings.commitEnd(part, 'past-end')).toBeNull()
    goOn()
    await expectReady(id, Buffer.concat([a, b]))
    await expectServed(...parts)
    await expectInOrder(ground)
  })

  test('a part that its owner deletes is missed: it fails, and never with other bytes', async () => {
    const { id, parts, goOn } = await underWay()
    await there.removals.remove(parts[1] ?? '', 'somebody')
    goOn()
    await untilState(ground, id, 'failed')
    await until(async () => (await ground.rows('SELECT FROM garbage')).length === 0)
    expect(await eventsOf(ground, id)).toEqual(['created', 'finalizing', 'failed'])
    await here.removals.remove(parts[0] ?? '', 'somebody')
    await expectInOrder(ground)
    expect((await ground.stored()).objects).toEqual([])
  })

  test('it is deleted: nothing of it is left, and its parts live until their time is over', async () => {
    const { id, parts, goOn } = await underWay()
    await there.removals.remove(id, 'somebody')
    expect(await eventsOf(ground, id)).toEqual(['created', 'finalizing', 'canceled'])
    goOn()
    await until(async () => composed.includes(id) || (await ground.stored()).tmp.length === 0)
    await until(async () => !(await ground.stored()).objects.includes(id))
    for (const part of parts) {
      expect(await stateOf(ground, part)).toBe('ready')
      await letExpire(ground, part)
    }
    await sweep()
    for (const part of parts) expect(await stateOf(ground, part)).toBe('expired')
    await expectInOrder(ground)
    expect(await ground.stored()).toEqual({ tmp: [], objects: [] })
  })

  test('it can\u2019t be written, completed or finished by anybody else', async () => {
    const { id, goOn } = await underWay()
    expect((await there.intake.claim(id, 'somebody')).lease).toBeNull()
    await there.finalizer.resume(id)
    const completion = { packageId: null, relativePath: null, declared: {} }
    expect((await there.intake.complete(id, uploaderNamed('somebody'), completion)).state).toBe('finalizing')
    expect(composed).toEqual([])
    goOn()
    await expectReady(id, Buffer.concat([a, b]))
    expect(composed).toEqual([id])
  })
})

describe('what was interrupted goes on', () => {
  test.each(['auto', 'manual'] as const)('after a store that was away (finish %s)', async (finish) => {
    const parts = [await aPart(a), await aPart(b)]
    let failures = 0
    beforeCompose = async () => {
      failures += 1
      if (failures === 1) throw new AppError('UNAVAILABLE', 'Away.')
    }
    const id = await concatenate(parts, { finish })
    await until(async () => failures === 1)
    await until(async () => !(await here.records.get(id, EVERYONE)).isHeld)
    // By itself, after a while, or by whoever comes first.
    await there.finalizer.resume(id)
    await expectReady(id, Buffer.concat([a, b]))
    await expectServed(...parts)
    await expectInOrder(ground)
  })

  /** The record of a whole, as a server that died at once leaves it. */
  async function recorded(parts: string[], sizeBytes: number, lease = { holder: 'dead', seconds: 600 }) {
    const id = randomId()
    const description = { ...finalOf(parts), sizeBytes }
    await here.concatenations.insertConcatenation(id, 'somebody', description, null, parts, { lease })
    return id
  }

  test('behind its record', async () => {
    const parts = [await aPart(a), await aPart(b)]
    const id = await recorded(parts, a.length + b.length)
    await sweep()
    expect(await stateOf(ground, id)).toBe('finalizing')
    await ground.rows(`UPDATE uploads SET lease_until = now() - interval '1 second' WHERE id = $1`, [id])
    await sweep()
    await expectReady(id, Buffer.concat([a, b]))
    await expectServed(...parts)
    await expectInOrder(ground)
  })

  test('behind its object', async () => {
    const parts = [await aPart(a), await aPart(b)]
    const id = await recorded(parts, a.length + b.length)
    const sources = await here.concatenations.concatSources(id)
    await here.store.compose(
      id,
      sources.map(({ objectKey, sizeBytes }) => ({ key: objectKey ?? '', sizeBytes })),
    )
    await ground.rows(`UPDATE uploads SET lease_until = now() - interval '1 second' WHERE id = $1`, [id])
    await Promise.all([here.finalizer.resume(id), there.finalizer.resume(id)])
    await expectReady(id, Buffer.concat([a, b]))
    await expectServed(...parts)
    await expectInOrder(ground)
  })

  test('behind its being ready, before its parts have ended: the sweep ends them', async () => {
    const parts = [await aPart(a), await aPart(b)]
    const id = await recorded(parts, a.length + b.length)
    const sources = await here.concatenations.concatSources(id)
    await here.store.compose(
      id,
      sources.map(({ objectKey, sizeBytes }) => ({ key: objectKey ?? '', sizeBytes })),
    )
    const { leaseEpoch } = await here.records.get(id, EVERYONE)
    await here.records.commitReady(
      { uploadId: id, epoch: leaseEpoch },
      {
        digests: checksumsOf(Buffer.concat([a, b])),
        warnings: [],
        retrievalToken: randomToken(),
        hasLeftovers: false,
      },
    )
    for (const part of parts) {
      const { expiresInSeconds } = await here.records.get(part, EVERYONE)
      expect(expiresInSeconds).toBeLessThanOrEqual(600)
    }
    expect(await sweep()).toMatchObject({ served: 2 })
    await expectServed(...parts)
    expect(await sweep()).toMatchObject({ served: 0 })
    await expectReady(id, Buffer.concat([a, b]))
    await expectInOrder(ground)
  })

  test('of a part whose server died between its last byte and its finishing', async () => {
    const part = randomId()
    await here.store.createTemporary(part)
    const lease = { holder: 'dead', seconds: 600 }
    const upload = await insertUpload(here.records, part, 'somebody', aFile(b.length, PARTIAL), lease)
    const writer = await here.store.openTemporary(part, {
      offsetBytes: 0,
      sizeBytes: b.length,
      ledger: EMPTY_LEDGER,
    })
    await writer.write(b)
    const stored = await writer.sync()
    await writer.close()
    const fence = { uploadId: part, epoch: upload.leaseEpoch }
    await here.records.advance(fence, { offsetBytes: b.length, digestState: null, stored }, { release: true })
    const id = await concatenate([part, part])
    await expectReady(id, Buffer.concat([b, b]))
    await expectServed(part)
    await expectInOrder(ground)
  })
})

describe('a part and its end', () => {
  test('that waits for a row which a whole is taking looks again', async () => {
    const part = await aPart(a)
    await letExpire(ground, part)
    // Its time is moved by whoever holds the row, as a whole does: the sweep that waits must see it.
    const { endings } = here
    const holder = await holdRows(
      ground,
      `UPDATE uploads SET expires_at = now() + interval '1 hour' WHERE id = '${part}'`,
    )
    const ending = endings.commitEnd(part, 'past-end')
    await untilWaiting(ground)
    await holder.commit()
    expect(await ending).toBeNull()
    await expectReady(await concatenate([part]), a)
  })

  test('expires no earlier than its bytes stop coming, however long they take', async () => {
    const { upload, lease } = await here.intake.begin(uploaderNamed('somebody'), aFile(2000, PARTIAL), {
      isHeld: true,
    })
    if (lease === null) throw new Error('A lease was asked for.')
    // It began 20 minutes ago: longer than a session lasts here.
    await ground.rows(
      `UPDATE uploads SET created_at = created_at - interval '20 minutes', keep_until = keep_until - interval '20 minutes',
         expires_at = expires_at - interval '9 minutes' WHERE id = $1`,
      [upload.id],
    )
    const after = await here.intake.append(lease, upload, aBody(a))
    expect(after.state).toBe('receiving')
    expect(after.expiresInSeconds).toBeGreaterThan(500)
  })
})
