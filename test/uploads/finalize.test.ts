// Finishing is nobody's request: whoever notices runs it again, from wherever it stopped.

import { mkdir, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { pino } from 'pino'
import { EVERYONE } from '../../server/auth/owner-scope.js'
import { RunningDigest } from '../../server/digests/digest.js'
import { EMPTY_LEDGER } from '../../server/storage/store.js'
import { Sweep } from '../../server/sweep/sweep.js'
import { randomId } from '../../server/uploads/random.js'
import type { Upload } from '../../server/uploads/upload.js'
import { checksumsOf, someBytes } from '../dialects/tus-client.js'
import { collect } from '../storage/store-contract.js'
import { valueWhen } from '../support/until.js'
import { aFile, type Ground, type Instance, insertUpload, newGround, openInstance } from './parts.js'

const bytes = someBytes(300_000)
const digests = checksumsOf(bytes)

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

const unhandled: unknown[] = []
const note = (reason: unknown) => unhandled.push(reason)
beforeEach(() => {
  process.on('unhandledRejection', note)
})
/** Nobody waits for what runs in the background, so nothing in it may be thrown at nobody. */
afterEach(async () => {
  await sleep(20)
  process.off('unhandledRejection', note)
  expect(unhandled.splice(0)).toEqual([])
})

/** A temporary that has all of `bytes`. @returns its key */
async function durableBytes(): Promise<string> {
  const { store } = here
  const id = randomId()
  await store.createTemporary(id)
  const writer = await store.openTemporary(id, { offsetBytes: 0, sizeBytes: null, ledger: EMPTY_LEDGER })
  await writer.write(bytes)
  await writer.sync()
  await writer.close()
  return id
}

/** An upload whose last byte is durable and acknowledged, held by nobody: as a crash leaves it. */
async function interrupted({ knowsDigests = true, declared = {} } = {}): Promise<string> {
  const { records } = here
  const id = await durableBytes()
  const upload = await insertUpload(records, id, 'somebody', aFile(bytes.length, { declared }), {
    holder: 'x',
    seconds: 10,
  })
  const fence = { uploadId: id, epoch: upload.leaseEpoch }
  await records.beginFinalizing(fence, knowsDigests ? digests : null, EMPTY_LEDGER)
  await records.releaseLease(fence)
  return id
}

/** An upload whose last byte a checkpoint recorded, just before the server died. */
async function wholeButReceiving({ knowsDigests = true } = {}): Promise<string> {
  const { records } = here
  const id = await durableBytes()
  const held = { holder: 'x', seconds: 10 }
  const upload = await insertUpload(records, id, 'somebody', aFile(bytes.length), held)
  const digestState = knowsDigests ? new RunningDigest().update(bytes).save() : null
  await records.advance(
    { uploadId: id, epoch: upload.leaseEpoch },
    { offsetBytes: bytes.length, digestState, stored: EMPTY_LEDGER },
    {
      release: false,
    },
  )
  return id
}

/** As when its lease has lapsed. */
const free = (id: string) =>
  ground.rows('UPDATE uploads SET lease_holder = NULL, lease_until = NULL WHERE id = $1', [id])

const stateOf = async (id: string) => (await here.records.get(id, EVERYONE)).state

async function untilState(id: string, state: Upload['state']): Promise<Upload> {
  const upload = await valueWhen(
    () => here.records.get(id, EVERYONE),
    (now) => now.state === state,
  )
  expect(upload.state).toBe(state)
  return upload
}

async function expectReady(id: string): Promise<void> {
  const upload = await untilState(id, 'ready')
  expect(upload).toMatchObject({ ...digests, offsetBytes: BigInt(bytes.length), isHeld: false })
  const found = await here.records.findByRetrievalToken(upload.retrievalToken ?? '')
  const object = await collect(here.store.readObject(found?.objectKey ?? '', { start: 0, end: bytes.length }))
  expect(object.equals(bytes)).toBe(true)
  const { tmp } = await ground.stored()
  expect(tmp).not.toContain(id)
  const events = await ground.rows<{ type: string }>(
    'SELECT type FROM events WHERE upload_id = $1 ORDER BY id',
    [id],
  )
  expect(events.map(({ type }) => type)).toEqual([
    'upload.created.v1',
    'upload.finalizing.v1',
    'upload.ready.v1',
  ])
}

describe('an interrupted finishing', () => {
  test.each([true, false])('is taken up again (digests known: %p)', async (knowsDigests) => {
    const id = await interrupted({ knowsDigests })
    await here.finalizer.resume(id)
    await expectReady(id)
  })

  test('is done once, when it is taken up twice', async () => {
    const id = await interrupted()
    await here.finalizer.resume(id)
    const before = await here.records.get(id, EVERYONE)
    await here.finalizer.resume(id)
    await there.finalizer.resume(id)
    const after = await here.records.get(id, EVERYONE)
    expect({ ...after, expiresInSeconds: 0 }).toEqual({ ...before, expiresInSeconds: 0 })
    await expectReady(id)
  })

  test.each([true, false])(
    'is done once, when two instances take it up at once (digests known: %p)',
    async (knowsDigests) => {
      const id = await interrupted({ knowsDigests })
      await Promise.all([here.finalizer.resume(id), there.finalizer.resume(id), here.finalizer.resume(id)])
      await expectReady(id)
    },
  )

  test('goes on when the object was in place, and the record did not say so yet', async () => {
    const id = await interrupted()
    await here.store.complete(id, bytes.length, EMPTY_LEDGER)
    await there.finalizer.resume(id)
    await expectReady(id)
  })

  test('of a zombie changes nothing after its heir has finished', async () => {
    const id = await interrupted()
    const zombie = await here.leases.tryClaim(id, 'finalizing')
    await ground.rows(`UPDATE uploads SET lease_until = now() - interval '1 second' WHERE id = $1`, [id])
    await there.finalizer.resume(id)
    await expectReady(id)
    const before = await here.records.get(id, EVERYONE)
    if (zombie === null) throw new Error('The lease was free.')
    await here.finalizer.finish(zombie.lease, zombie.upload, digests, EMPTY_LEDGER)
    const after = await here.records.get(id, EVERYONE)
    expect(after.retrievalToken).toBe(before.retrievalToken)
    await expectReady(id)
  })

  test('behind the bytes that nobody acknowledged: they are no part of the file', async () => {
    const id = await interrupted({ knowsDigests: false })
    const writer = await here.store.openTemporary(id, {
      offsetBytes: bytes.length,
      sizeBytes: null,
      ledger: EMPTY_LEDGER,
    })
    await writer.write(Buffer.from('unacknowledged'))
    await writer.close()
    await here.finalizer.resume(id)
    await expectReady(id)
  })
})

describe('an upload that has every byte, and was not begun to be finished', () => {
  const due = async () => (await here.endings.findSweepable(3600, [], 200)).map(({ id }) => id)

  test.each([true, false])(
    'is finished like an interrupted one (digest state known: %p)',
    async (knowsDigests) => {
      const id = await wholeButReceiving({ knowsDigests })
      await free(id)
      await here.finalizer.resume(id)
      await expectReady(id)
    },
  )

  test('is left to whoever holds it; once nobody does, the sweep finishes it', async () => {
    const sweep = new Sweep({
      apiKeys: { forgetOld: async () => {} },
      events: { forgetOld: async () => {} },
      eventTtlSeconds: 31_536_000,
      ...here,
      log: pino({ level: 'silent' }),
      databaseUrl: ground.databaseUrl,
      tombstoneTtlSeconds: 3600,
      expiryNoticeSeconds: 60,
    })
    const id = await wholeButReceiving()
    expect(await due()).not.toContain(id)
    await sweep.run({ isDryRun: false }, () => {})
    expect(await stateOf(id)).toBe('receiving')
    await free(id)
    expect(await due()).toContain(id)
    expect(await sweep.run({ isDryRun: false }, () => {})).toMatchObject({ finalized: 1, expired: 0 })
    await expectReady(id)
    expect(await due()).not.toContain(id)
  })
})

describe('what does not fit', () => {
  test.each([true, false])(
    'a declared digest fails it, and its bytes are gone (digests known: %p)',
    async (knowsDigests) => {
      const id = await interrupted({ knowsDigests, declared: { sha1: '0'.repeat(40) } })
      await here.finalizer.resume(id)
      const upload = await untilState(id, 'failed')
      expect(upload).toMatchObject({
        errorCode: 'HASH_MISMATCH',
        ...digests,
        retrievalToken: null,
        isHeld: false,
      })
      await sleep(50)
      const { tmp, objects } = await ground.stored()
      expect([...tmp, ...objects]).not.toContain(id)
      expect(await ground.rows('SELECT * FROM garbage WHERE object_key = $1', [id])).toEqual([])
    },
  )

  test.each([true, false])(
    'bytes that the store has lost fail it, and it says so (digests known: %p)',
    async (knowsDigests) => {
      const id = await interrupted({ knowsDigests })
      await here.store.deleteTemporary(id)
      await here.finalizer.resume(id)
      expect(await untilState(id, 'failed')).toMatchObject({
        errorCode: 'INTERNAL',
        errorDetail: expect.stringContaining('lost bytes'),
      })
    },
  )

  test('fewer bytes than were acknowledged fail it', async () => {
    const id = await interrupted()
    await here.store.deleteTemporary(id)
    await here.store.createTemporary(id)
    await here.finalizer.resume(id)
    expect((await untilState(id, 'failed')).errorCode).toBe('INTERNAL')
  })

  test.each([true, false])(
    'an upload that is canceled meanwhile stays canceled, and nothing is left (digests known: %p)',
    async (knowsDigests) => {
      const id = await interrupted({ knowsDigests })
      const claimed = await here.leases.tryClaim(id, 'finalizing')
      if (claimed === null) throw new Error('The lease was free.')
      await there.removals.remove(id, EVERYONE)
      await here.finalizer
        .finish(claimed.lease, claimed.upload, knowsDigests ? digests : null, EMPTY_LEDGER)
        .catch(() => {})
      await sleep(100)
      expect(await stateOf(id)).toBe('canceled')
      const { tmp, objects } = await ground.stored()
      expect([...tmp, ...objects]).not.toContain(id)
    },
  )
})

describe('a database that refuses to write for a moment, as on a full disk', () => {
  /** No upload can begin to be finished, or fail. */
  const refuse = () =>
    ground.rows(`
      CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE 'could not extend file' USING ERRCODE = 'disk_full'; END $$;
      CREATE TRIGGER refuse BEFORE UPDATE ON uploads FOR EACH ROW
        WHEN (NEW.state <> OLD.state AND NEW.state IN ('finalizing', 'failed')) EXECUTE FUNCTION refuse()`)
  const relent = () => ground.rows('DROP TRIGGER IF EXISTS refuse ON uploads')
  afterEach(relent)

  test('leaves it to whoever comes first, another instance, too', async () => {
    const id = await wholeButReceiving()
    await free(id)
    await refuse()
    await here.finalizer.resume(id)
    expect(await here.records.get(id, EVERYONE)).toMatchObject({ state: 'receiving', isHeld: false })
    expect(here.leases.heldCount).toBe(0)
    await relent()
    await there.finalizer.resume(id)
    await expectReady(id)
  })

  test('is tried again by itself, what has to fail, too', async () => {
    const id = await interrupted({ declared: { sha1: '0'.repeat(40) } })
    await refuse()
    await here.finalizer.resume(id)
    expect(await here.records.get(id, EVERYONE)).toMatchObject({ state: 'finalizing', isHeld: false })
    await relent()
    expect(await untilState(id, 'failed')).toMatchObject({ errorCode: 'HASH_MISMATCH', isHeld: false })
    expect(here.leases.heldCount).toBe(0)
  })
})

describe('a store that is away for a while', () => {
  const objects = () => path.join(ground.folder, 'objects')

  test('fails nothing: the upload waits in finalizing, and is ready soon after the store is back', async () => {
    const id = await interrupted()
    await rename(objects(), `${objects()}-away`)
    await here.finalizer.resume(id)
    expect(await here.records.get(id, EVERYONE)).toMatchObject({ state: 'finalizing', isHeld: false })
    await rm(objects(), { recursive: true, force: true })
    await rename(`${objects()}-away`, objects())
    await untilState(id, 'ready')
    await expectReady(id)
  })

  test('a finalizer that is stopped leaves it to the next start', async () => {
    const instance = await openInstance(ground)
    const id = await interrupted()
    await rename(objects(), `${objects()}-away`)
    await mkdir(objects())
    await rm(objects(), { recursive: true })
    await instance.finalizer.resume(id)
    await instance.finalizer.stop()
    await rename(`${objects()}-away`, objects())
    await instance.close()
    expect(await stateOf(id)).toBe('finalizing')
    await here.finalizer.resume(id)
    await expectReady(id)
  })
})
