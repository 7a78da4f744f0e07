// How finishing asks the content check: once, under the lease, and again later when there was no answer.

import { readdir } from 'node:fs/promises'
import path from 'node:path'
import { Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { pino } from 'pino'
import { EVERYONE } from '../../server/auth/owner-scope.js'
import { DigestPool } from '../../server/digests/pool.js'
import { SlabPool } from '../../server/digests/slabs.js'
import { AppError } from '../../server/errors.js'
import type { ContentCheck, ContentFacts, Verdict } from '../../server/hooks/content-check.js'
import { feed } from '../../server/hooks/feed.js'
import { EMPTY_LEDGER } from '../../server/storage/store.js'
import { Finalizer } from '../../server/uploads/finalize.js'
import { randomId } from '../../server/uploads/random.js'
import { Rereader } from '../../server/uploads/reread.js'
import type { UploadState } from '../../server/uploads/upload.js'
import { checksumsOf, someBytes } from '../dialects/tus-client.js'
import { aFile, type Ground, type Instance, insertUpload, newGround, openInstance } from '../uploads/parts.js'
import { eventually } from './checks.js'

const bytes = someBytes(300_000)
const digests = checksumsOf(bytes)

let ground: Ground
let here: Instance
let there: Instance
let pool: DigestPool

beforeAll(async () => {
  ground = await newGround()
  here = await openInstance(ground)
  there = await openInstance(ground)
  pool = new DigestPool({ threads: 1 })
})
afterAll(async () => {
  await here.close()
  await there.close()
  await pool.close()
  await ground.dispose()
})

let asked: ContentFacts[] = []
let answer: (signal: AbortSignal) => Promise<Verdict>
beforeEach(() => {
  asked = []
  answer = async () => ({ isAccepted: true })
})

/** Reads everything, and answers as the test says. */
const contentCheck: ContentCheck = {
  async check(facts, read, signal) {
    asked.push(facts)
    const chunks: Buffer[] = []
    const sink = new Writable({
      write: (chunk: Buffer, _, done) => {
        chunks.push(Buffer.from(chunk))
        done()
      },
    })
    await feed(read, sink, signal)
    expect(Buffer.concat(chunks).equals(bytes)).toBe(true)
    return answer(signal)
  },
}

function finalizerOf(instance: Instance): Finalizer {
  const rereader = new Rereader(instance.store, pool, new SlabPool(8))
  return new Finalizer({ ...instance, rereader, contentCheck, log: pino({ level: 'silent' }) })
}

/** An upload whose last byte is acknowledged, held by nobody: as a crash leaves it. */
async function interrupted({ knowsDigests = true } = {}): Promise<string> {
  const { store, records } = here
  const id = randomId()
  await store.createTemporary(id)
  const writer = await store.openTemporary(id, { offsetBytes: 0, sizeBytes: null, ledger: EMPTY_LEDGER })
  await writer.write(bytes)
  await writer.sync()
  await writer.close()
  const lease = { holder: 'x', seconds: 10 }
  const upload = await insertUpload(records, id, 'somebody', aFile(bytes.length), lease)
  const fence = { uploadId: id, epoch: upload.leaseEpoch }
  await records.beginFinalizing(fence, knowsDigests ? digests : null, EMPTY_LEDGER)
  await records.releaseLease(fence)
  return id
}

const stateOf = async (id: string) => (await here.records.get(id, EVERYONE)).state
const until = (id: string, state: UploadState) =>
  eventually(`${state} upload`, async () => (await stateOf(id)) === state || undefined)

describe('finishing', () => {
  test.each([true, false])(
    'asks with the digests, however they are known (known before: %p)',
    async (known) => {
      const id = await interrupted({ knowsDigests: known })
      await finalizerOf(here).resume(id)
      await until(id, 'ready')
      const { owner, filename, contentType } = await here.records.get(id, EVERYONE)
      expect(asked).toEqual([
        { id, owner, filename, contentType, label: null, packageId: null, sizeBytes: bytes.length, digests },
      ])
    },
  )

  test('asks once, when two instances and several callers take it up', async () => {
    const id = await interrupted()
    answer = async () => {
      await sleep(300)
      return { isAccepted: true }
    }
    const [one, other] = [finalizerOf(here), finalizerOf(there)]
    await Promise.all([one.resume(id), other.resume(id), one.resume(id), other.resume(id)])
    await until(id, 'ready')
    expect(asked).toHaveLength(1)
  })

  test('keeps its lease for as long as the check takes', async () => {
    const id = await interrupted()
    answer = async () => {
      await sleep(13_000)
      return { isAccepted: false, words: 'no' }
    }
    await finalizerOf(here).resume(id)
    const other = finalizerOf(there)
    while ((await stateOf(id)) === 'finalizing') {
      await other.resume(id)
      await sleep(500)
    }
    expect(await stateOf(id)).toBe('failed')
    expect(asked).toHaveLength(1)
  })

  test('ends the check when the upload is canceled on another instance', async () => {
    const id = await interrupted()
    let reason: unknown
    answer = (signal) =>
      new Promise((_, reject) => {
        signal.addEventListener('abort', () => {
          reason = signal.reason
          reject(signal.reason)
        })
      })
    await finalizerOf(here).resume(id)
    await eventually('check', () => asked.length > 0 || undefined)
    await there.removals.remove(id, EVERYONE)
    await eventually('end of the check', () => reason !== undefined || undefined)
    expect(reason).toMatchObject({ code: 'LOCKED' })
    expect(await stateOf(id)).toBe('canceled')
    const objects = path.join(ground.folder, 'objects')
    await eventually('end of the bytes', async () => !(await readdir(objects)).includes(id) || undefined)
  })

  test('asks again when there was no answer; whoever else looks after it must wait as well', async () => {
    const id = await interrupted()
    answer = async () => {
      throw new AppError('UNAVAILABLE', 'The scanner is away.')
    }
    const finalizer = finalizerOf(here)
    await finalizer.resume(id)
    for (let i = 0; i < 5; i += 1) await finalizer.resume(id)
    expect(asked).toHaveLength(1)
    expect(await here.records.get(id, EVERYONE)).toMatchObject({ state: 'finalizing', isHeld: false })
    answer = async () => ({ isAccepted: true })
    await until(id, 'ready')
    expect(asked).toHaveLength(2)
  })

  test('takes a fault of the check itself for no answer', async () => {
    const id = await interrupted()
    answer = async () => {
      throw new TypeError('a bug')
    }
    const finalizer = finalizerOf(here)
    await finalizer.resume(id)
    expect(await stateOf(id)).toBe('finalizing')
    await finalizer.stop()
    answer = async () => ({ isAccepted: false, words: '' })
    await finalizerOf(there).resume(id)
    await until(id, 'failed')
    expect((await here.records.get(id, EVERYONE)).errorDetail).toMatch(
      /^The content check refused this file\. /,
    )
  })

  test('fails for bytes that were lost while they were read, and not for the check', async () => {
    const id = await interrupted()
    answer = async () => {
      throw new AppError('NOT_FOUND', 'The object is gone.')
    }
    await finalizerOf(here).resume(id)
    expect(await here.records.get(id, EVERYONE)).toMatchObject({ state: 'failed', errorCode: 'INTERNAL' })
  })

  test('is left to the next start by a stop, which ends the check', async () => {
    const id = await interrupted()
    answer = (signal) =>
      new Promise((_, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason))
      })
    const finalizer = finalizerOf(here)
    await finalizer.resume(id)
    await eventually('check', () => asked.length > 0 || undefined)
    await finalizer.stop()
    expect(await here.records.get(id, EVERYONE)).toMatchObject({ state: 'finalizing', isHeld: false })
    answer = async () => ({ isAccepted: true })
    await finalizerOf(there).resume(id)
    await until(id, 'ready')
  })
})
