// A file that one request brings: it is finished with the request, or leaves nothing but a report that says how it ended.

import { PassThrough, Readable } from 'node:stream'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { pino } from 'pino'
import { EVERYONE } from '../../server/auth/owner-scope.js'
import { AppError } from '../../server/errors.js'
import type { Store, TemporaryWriter } from '../../server/storage/store.js'
import { Sweep } from '../../server/sweep/sweep.js'
import { randomId } from '../../server/uploads/random.js'
import type { UploadDescription } from '../../server/uploads/upload.js'
import { checksumsOf, someBytes } from '../dialects/tus-client.js'
import { collect } from '../storage/store-contract.js'
import { until } from '../support/until.js'
import { changedStore, clear, eventsOf, expectInOrder, stateOf, untilState } from './aftermath.js'
import {
  aBody,
  aFile,
  type Ground,
  type Instance,
  insertUpload,
  newGround,
  openInstance,
  uploaderNamed,
} from './parts.js'

const MIB = 1024 ** 2
const bytes = someBytes(300_000)

type Step =
  | 'createTemporary'
  | 'openTemporary'
  | 'write'
  | 'sync'
  | 'complete'
  | 'readObjectHead'
  | 'putObject'

let ground: Ground
let here: Instance
let there: Instance
/** What the next call of that step rejects with. */
let fault: { of: Step; error: unknown } | null = null

function unlessFaulty(step: Step): void {
  if (fault?.of !== step) return
  const { error } = fault
  fault = null
  throw error
}

function faulty(store: Store): Store {
  return changedStore(store, {
    async createTemporary(key) {
      unlessFaulty('createTemporary')
      await store.createTemporary(key)
    },
    async openTemporary(key, at): Promise<TemporaryWriter> {
      unlessFaulty('openTemporary')
      const writer = await store.openTemporary(key, at)
      return {
        boundaryBytes: writer.boundaryBytes,
        ready: (signal) => writer.ready(signal),
        async write(some) {
          unlessFaulty('write')
          await writer.write(some)
        },
        async sync() {
          unlessFaulty('sync')
          return writer.sync()
        },
        confirm: (stored) => writer.confirm(stored),
        close: () => writer.close(),
      }
    },
    async complete(key, sizeBytes, ledger) {
      unlessFaulty('complete')
      await store.complete(key, sizeBytes, ledger)
    },
    async readObjectHead(key, lengthBytes) {
      unlessFaulty('readObjectHead')
      return store.readObjectHead(key, lengthBytes)
    },
    async putObject(key, some) {
      unlessFaulty('putObject')
      await store.putObject(key, some)
    },
  })
}

beforeAll(async () => {
  ground = await newGround()
  here = await openInstance(ground, { wrapStore: faulty })
  there = await openInstance(ground)
})
afterAll(async () => {
  await here.close()
  await there.close()
  await ground.dispose()
})
beforeEach(() => clear(ground, there.store))
afterEach(() => {
  fault = null
})

/** A file in one request, of `sizeBytes` as far as its sender said. */
const oneShot = (sizeBytes: number | null, changes: Partial<UploadDescription> = {}) =>
  aFile(sizeBytes, { finish: 'once', ...changes })

/** A body of unknown length. */
const unannounced = (some: Uint8Array) => ({ ...aBody(some), announcedBytes: null })

/** The first `arrived` of the bytes, and soon after them the socket is gone: as Node does it, an error only who listens. */
function cutBody(some: Uint8Array, arrived: number, announcedBytes: number | null) {
  const source = new Readable({ read() {} })
  source.on('error', () => {})
  for (let at = 0; at < arrived; at += 64 * 1024) {
    source.push(Buffer.from(some.subarray(at, Math.min(at + 64 * 1024, arrived))))
  }
  setTimeout(() => source.destroy(new Error('aborted')), 30)
  return { source, announcedBytes, checksum: null }
}

const idsOf = async () =>
  (await ground.rows<{ id: string }>('SELECT id FROM uploads ORDER BY created_at')).map(({ id }) => id)

/** Asserts that whatever began has ended as `state`, and nothing of it is left but its report. */
async function expectNothingLeft(state: 'canceled' | 'deleted' | 'failed' = 'canceled'): Promise<void> {
  for (const id of await idsOf()) expect(await stateOf(ground, id)).toBe(state)
  expect(await ground.stored()).toEqual({ tmp: [], objects: [] })
  await expectInOrder(ground)
}

async function expectReady(id: string, content: Uint8Array): Promise<void> {
  const upload = await there.records.get(id, 'somebody')
  expect(upload).toMatchObject({
    state: 'ready',
    ...checksumsOf(content),
    sizeBytes: BigInt(content.byteLength),
    offsetBytes: BigInt(content.byteLength),
  })
  const found = await there.records.findByRetrievalToken(upload.retrievalToken ?? '')
  const range = { start: 0, end: content.byteLength }
  const stored = await collect(there.store.readObject(found?.objectKey ?? '', range))
  expect(stored.equals(Buffer.from(content))).toBe(true)
  await expectInOrder(ground)
}

describe('a file that comes whole', () => {
  test.each([
    ['empty, as announced', 0, true],
    ['empty, of unknown length', 0, false],
    ['of one byte, of unknown length', 1, false],
    ['small, as announced', 10_000, true],
    ['small, of unknown length', 10_000, false],
    ['larger, as announced', 300_000, true],
    ['larger, of unknown length', 3 * MIB + 1, false],
  ])('%s is ready with its request', async (_, sizeBytes, isAnnounced) => {
    const content = someBytes(sizeBytes)
    const body = isAnnounced ? aBody(content) : unannounced(content)
    const { id } = await here.intake.takeOnce(
      uploaderNamed('somebody'),
      oneShot(isAnnounced ? sizeBytes : null),
      body,
    )
    await expectReady(id, content)
    const events = await eventsOf(ground, id)
    expect([events[0], events.at(-1), new Set(events).size]).toEqual(['created', 'ready', events.length])
  })

  test('but not as it was declared keeps its report, and none of its bytes', async () => {
    for (const [content, body] of [
      [bytes.subarray(0, 1000), aBody(bytes.subarray(0, 1000))],
      [bytes, unannounced(bytes)],
    ] as const) {
      await clear(ground, there.store)
      const sizeBytes = body.announcedBytes === null ? null : content.byteLength
      const declared = { md5: '0'.repeat(32) }
      await expect(
        here.intake.takeOnce(uploaderNamed('somebody'), oneShot(sizeBytes, { declared }), body),
      ).rejects.toMatchObject({ code: 'HASH_MISMATCH' })
      await expectNothingLeft('failed')
      const [id = ''] = await idsOf()
      const { errorCode, ...failed } = await there.records.get(id, 'somebody')
      expect([errorCode, failed.md5]).toEqual(['HASH_MISMATCH', checksumsOf(content).md5])
      expect(await eventsOf(ground, id)).toEqual(['created', 'failed'])
    }
  })
})

describe('a file that is cut', () => {
  test.each([
    ['before its first byte', 300_000, 0],
    ['after its first byte', 300_000, 1],
    ['in its middle', 300_000, 150_000],
    ['before its last byte', 300_000, 299_999],
    ['small', 1000, 999],
    ['behind a checkpoint', 70 * MIB, 65 * MIB + 5],
  ])('%s leaves nothing', async (_, sizeBytes, arrived) => {
    const content = someBytes(sizeBytes)
    for (const isAnnounced of [true, false]) {
      await clear(ground, there.store)
      const body = cutBody(content, arrived, isAnnounced ? sizeBytes : null)
      await expect(
        here.intake.takeOnce(uploaderNamed('somebody'), oneShot(isAnnounced ? sizeBytes : null), body),
      ).rejects.toMatchObject({ code: 'INVALID_INPUT' })
      await expectNothingLeft()
      for (const id of await idsOf()) expect(await eventsOf(ground, id)).toEqual(['created', 'canceled'])
    }
  })

  test('behind its last byte leaves nothing either: its request was not over', async () => {
    const body = cutBody(bytes, bytes.byteLength, null)
    await expect(
      here.intake.takeOnce(uploaderNamed('somebody'), oneShot(bytes.byteLength), body),
    ).rejects.toMatchObject({
      code: 'INVALID_INPUT',
    })
    await expectNothingLeft()
  })

  test.each([
    ['longer than it said', bytes.byteLength - 1],
    ['shorter than it said', bytes.byteLength + 1],
  ])('because it is %s leaves nothing', async (_, sizeBytes) => {
    const taking = here.intake.takeOnce(uploaderNamed('somebody'), oneShot(sizeBytes), unannounced(bytes))
    await expect(taking).rejects.toMatchObject({
      code: expect.stringMatching(/^(PAYLOAD_TOO_LARGE|INVALID_INPUT)$/),
    })
    await expectNothingLeft()
  })
})

describe('a store in trouble', () => {
  const full = () => new AppError('INSUFFICIENT_STORAGE', 'Full.')
  const away = () => new AppError('UNAVAILABLE', 'Away.')

  test.each<[Step, () => Error]>([
    ['createTemporary', full],
    ['openTemporary', away],
    ['openTemporary', () => new Error('a bug')],
    ['write', full],
    ['write', () => new Error('a bug')],
    ['sync', away],
  ])('at %s leaves nothing', async (of, error) => {
    const thrown = error()
    fault = { of, error: thrown }
    const taking = here.intake.takeOnce(uploaderNamed('somebody'), oneShot(null), unannounced(bytes))
    await expect(taking).rejects.toBe(thrown)
    await expectNothingLeft()
  })

  test('at the object of a small one leaves nothing', async () => {
    fault = { of: 'putObject', error: full() }
    const small = bytes.subarray(0, 1000)
    await expect(
      here.intake.takeOnce(uploaderNamed('somebody'), oneShot(1000), aBody(small)),
    ).rejects.toMatchObject({
      code: 'INSUFFICIENT_STORAGE',
    })
    expect(await idsOf()).toEqual([])
    await expectNothingLeft()
  })

  test.each<Step>(['complete', 'readObjectHead'])(
    'at %s, when every byte is durable, is ours to mend: the file is ready in the end',
    async (of) => {
      fault = { of, error: away() }
      const taken = await here.intake.takeOnce(uploaderNamed('somebody'), oneShot(null), unannounced(bytes))
      expect(taken.state).toBe('finalizing')
      // By itself after 5 s, or by whoever comes first.
      await there.finalizer.resume(taken.id)
      await untilState(ground, taken.id, 'ready')
      await expectReady(taken.id, bytes)
      expect(await eventsOf(ground, taken.id)).toEqual(['created', 'finalizing', 'ready'])
    },
  )

  test('that has lost the bytes before they are finished says so', async () => {
    fault = { of: 'openTemporary', error: new AppError('NOT_FOUND', 'Gone.') }
    await expect(
      here.intake.takeOnce(uploaderNamed('somebody'), oneShot(null), unannounced(bytes)),
    ).rejects.toMatchObject({
      code: 'GONE',
    })
    await expectNothingLeft('failed')
  })
})

describe('a package that does not take it', () => {
  async function makePackage(state: string): Promise<string> {
    const id = randomId()
    await ground.rows(
      `INSERT INTO packages (id, owner, state, name, retention_class, expires_at)
       VALUES ($1, 'somebody', $2::"PackageState", 'p', 'staging', now() + interval '1 hour')`,
      [id, state],
    )
    return id
  }

  test.each([
    ['finalized', 'PACKAGE_FINALIZED'],
    ['deleted', 'GONE'],
    ['expired', 'GONE'],
    [null, 'NOT_FOUND'],
  ])('since it is %p leaves nothing, in the store neither', async (state, code) => {
    const packageId = state === null ? randomId() : await makePackage(state)
    for (const [description, body] of [
      [oneShot(1000, { packageId }), aBody(bytes.subarray(0, 1000))],
      [oneShot(null, { packageId }), unannounced(bytes)],
    ] as const) {
      await expect(here.intake.takeOnce(uploaderNamed('somebody'), description, body)).rejects.toMatchObject({
        code,
      })
      expect(await idsOf()).toEqual([])
      expect(await ground.stored()).toEqual({ tmp: [], objects: [] })
    }
  })

  test('since its path is taken leaves nothing, and the other one as it was', async () => {
    const packageId = await makePackage('open')
    const first = await here.intake.takeOnce(
      uploaderNamed('somebody'),
      oneShot(null, { packageId }),
      unannounced(bytes),
    )
    for (const [description, body] of [
      [oneShot(1000, { packageId }), aBody(bytes.subarray(0, 1000))],
      [oneShot(null, { packageId }), unannounced(bytes)],
    ] as const) {
      await expect(here.intake.takeOnce(uploaderNamed('somebody'), description, body)).rejects.toMatchObject({
        code: 'CONFLICT',
        details: { upload_id: first.id, package_id: packageId, relative_path: 'lake.csv' },
      })
    }
    expect(await idsOf()).toEqual([first.id])
    await expectReady(first.id, bytes)
  })

  test('since another of ten at once was faster: one is ready, nine leave nothing', async () => {
    const packageId = await makePackage('open')
    for (const content of [bytes.subarray(0, 1000), bytes]) {
      const isSmall = content.byteLength === 1000
      const filename = `${content.byteLength}.csv`
      const taking = Array.from({ length: 10 }, (_, i) =>
        (i % 2 === 0 ? here : there).intake.takeOnce(
          uploaderNamed('somebody'),
          oneShot(isSmall ? 1000 : null, { packageId, filename }),
          isSmall ? aBody(content) : unannounced(content),
        ),
      )
      const settled = await Promise.allSettled(taking)
      const taken = settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
      const refused = settled.flatMap((one) => (one.status === 'rejected' ? [one.reason.code] : []))
      expect([taken.length, refused]).toEqual([1, Array(9).fill('CONFLICT')])
      await expectReady(taken[0]?.id ?? '', content)
    }
  })
})

describe('while its bytes arrive', () => {
  /** A request that has brought some bytes, and goes on when it is told. */
  async function underWay() {
    const source = new PassThrough()
    source.write(bytes.subarray(0, 100_000))
    const taking = here.intake.takeOnce(uploaderNamed('somebody'), oneShot(null), {
      source,
      announcedBytes: null,
      checksum: null,
    })
    const settled = taking.then(
      (upload) => ({ upload, error: null }),
      (error: unknown) => ({ upload: null, error }),
    )
    await until(async () => (await idsOf()).length === 1)
    const [id = ''] = await idsOf()
    return { id, settled, goOn: () => source.end(bytes.subarray(100_000)) }
  }

  test('it is deleted from another instance: nothing is left', async () => {
    const { id, settled } = await underWay()
    await there.removals.remove(id, 'somebody')
    expect((await settled).error).not.toBeNull()
    await expectNothingLeft()
    expect(await eventsOf(ground, id)).toEqual(['created', 'canceled'])
  })

  test('nobody else can say that it is complete', async () => {
    const { id, settled, goOn } = await underWay()
    const completion = { packageId: null, relativePath: null, declared: {} }
    await expect(there.intake.complete(id, uploaderNamed('somebody'), completion)).rejects.toMatchObject({
      code: 'CONFLICT',
    })
    goOn()
    expect((await settled).upload?.state).toBe('ready')
    await expectReady(id, bytes)
  })

  test('the sweep leaves it alone, and what its lease lapsed under goes on when it can', async () => {
    const sweep = newSweep()
    const { id, settled, goOn } = await underWay()
    await sweep.run({ isDryRun: false }, () => {})
    expect(await stateOf(ground, id)).toBe('receiving')
    goOn()
    expect((await settled).upload?.state).toBe('ready')
    await expectReady(id, bytes)
  })

  test('the sweep that has listed it as abandoned looks again before it ends it', async () => {
    const { id, settled, goOn } = await underWay()
    // The database was away for longer than a lease: the sweep lists it, and comes to it when it has become ready.
    await ground.rows(`UPDATE uploads SET lease_until = now() - interval '1 second' WHERE id = $1`, [id])
    const finishedFirst = {
      findSweepable: async (...wanted: Parameters<Instance['endings']['findSweepable']>) => {
        const listed = await there.endings.findSweepable(...wanted)
        goOn()
        await settled
        return listed
      },
    }
    const endings = new Proxy(there.endings, {
      get(target, name) {
        if (name === 'findSweepable') return finishedFirst.findSweepable
        const member = Reflect.get(target, name)
        return typeof member === 'function' ? member.bind(target) : member
      },
    })
    const lines: string[] = []
    await newSweep({ ...there, endings }).run({ isDryRun: false }, (line) => lines.push(line))
    expect(lines).toContainEqual(expect.stringContaining(`cancel upload ${id}`))
    expect((await settled).upload?.state).toBe('ready')
    await expectReady(id, bytes)
    expect(await eventsOf(ground, id)).toEqual(['created', 'finalizing', 'ready'])
  })
})

function newSweep(rooms: Instance = there): Sweep {
  return new Sweep({
    apiKeys: { forgetOld: async () => {} },
    events: { forgetOld: async () => {} },
    eventTtlSeconds: 31_536_000,
    ...rooms,
    log: pino({ level: 'silent' }),
    databaseUrl: ground.databaseUrl,
    tombstoneTtlSeconds: 3600,
    expiryNoticeSeconds: 60,
  })
}

describe('a server that died', () => {
  /** As the server left it: begun, with the first `arrived` bytes recorded. */
  async function left(sizeBytes: number | null, arrived: number): Promise<string> {
    const id = randomId()
    await there.store.createTemporary(id)
    const upload = await insertUpload(there.records, id, 'somebody', oneShot(sizeBytes), {
      holder: 'dead',
      seconds: 600,
    })
    if (arrived > 0) {
      const fence = { uploadId: id, epoch: upload.leaseEpoch }
      const writer = await there.store.openTemporary(id, {
        offsetBytes: 0,
        sizeBytes,
        ledger: { multipartId: null, parts: [] },
      })
      await writer.write(bytes.subarray(0, arrived))
      const stored = await writer.sync()
      await writer.close()
      await there.records.advance(
        fence,
        { offsetBytes: arrived, digestState: null, stored },
        { release: false },
      )
    }
    return id
  }

  test.each([
    ['before its first byte', 300_000, 0],
    ['in its middle', 300_000, 1000],
    ['in its middle, of unknown length', null, 1000],
    ['behind its last byte, with its request not over', 300_000, 300_000],
  ])('%s: canceled by the sweep, once its lease has lapsed', async (_, sizeBytes, arrived) => {
    const id = await left(sizeBytes, arrived)
    await newSweep().run({ isDryRun: false }, () => {})
    expect(await stateOf(ground, id)).toBe('receiving')
    await ground.rows(`UPDATE uploads SET lease_until = now() - interval '1 second' WHERE id = $1`, [id])
    // Whoever looks at it must not finish it.
    await there.intake.settled(id, EVERYONE)
    await there.finalizer.resume(id)
    expect(await stateOf(ground, id)).toBe('receiving')
    await newSweep().run({ isDryRun: false }, () => {})
    expect(await eventsOf(ground, id)).toEqual(['created', 'canceled'])
    await expectNothingLeft()
  })
})
