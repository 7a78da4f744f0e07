// The ledger in the records, on a real database: it always adds up to the offset, and goes with the upload's end.

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { EVERYONE } from '../../server/auth/owner-scope.js'
import { AppError } from '../../server/errors.js'
import { EMPTY_LEDGER, type Ledger, type StoredPart } from '../../server/storage/store.js'
import type { Endings } from '../../server/uploads/endings.js'
import { randomId, randomToken } from '../../server/uploads/random.js'
import type { Fence, Records } from '../../server/uploads/records.js'
import type { Upload } from '../../server/uploads/upload.js'
import { checksumsOf } from '../dialects/tus-client.js'
import { endOf, forWriter, recorded } from '../storage/ledger-model.js'
import fc from '../support/properties.js'
import {
  aFile,
  type Ground,
  type Instance,
  insertUpload,
  letExpire,
  newGround,
  openInstance,
} from './parts.js'

const MIB = 1024 ** 2
const OWNER = 'somebody'
const WHOLE = { isForWriter: false }
const FOR_WRITER = { isForWriter: true }

let ground: Ground
let instance: Instance
let records: Records
let endings: Endings

beforeAll(async () => {
  ground = await newGround()
  instance = await openInstance(ground)
  records = instance.records
  endings = instance.endings
})
afterAll(async () => {
  await instance.close()
  await ground.dispose()
})

function begin(sizeBytes: number | null = null): Promise<Upload> {
  return insertUpload(records, randomId(), OWNER, aFile(sizeBytes), { holder: 'holder', seconds: 10 })
}

function fenceOf(upload: Upload): Fence {
  return { uploadId: upload.id, epoch: upload.leaseEpoch }
}

function stored(multipartId: string | null, ...parts: StoredPart[]): Ledger {
  return { multipartId, parts }
}

function part(number: number, startBytes: number, sizeBytes: number, etag = `"part-${number}"`): StoredPart {
  return { kind: 'part', name: String(number), startBytes, sizeBytes, etag }
}

function piece(name: string, startBytes: number, sizeBytes: number): StoredPart {
  return { kind: 'piece', name, startBytes, sizeBytes, etag: `"${name}"` }
}

/** Records what was stored, up to where it ends. */
function advance(fence: Fence, told: Ledger): Promise<Upload> {
  const last = told.parts.at(-1)
  const offsetBytes = last === undefined ? 0 : last.startBytes + last.sizeBytes
  return records.advance(fence, { offsetBytes, digestState: null, stored: told }, { release: false })
}

const get = (id: string) => records.get(id, EVERYONE)
const ledgerOf = async ({ id }: Upload, options = WHOLE) => records.ledger(await get(id), options)

async function rowsOf(id: string): Promise<number> {
  const rows = await ground.rows<{ count: number }>(
    'SELECT count(*)::int AS count FROM parts WHERE upload_id = $1',
    [id],
  )
  return rows[0]?.count ?? -1
}

describe('the ledger', () => {
  test('of an upload without bytes is empty', async () => {
    expect(await ledgerOf(await begin())).toEqual(EMPTY_LEDGER)
  })

  test('has what was told, in order, to the byte and to the letter, beyond 4 GiB too', async () => {
    const upload = await begin()
    const far = 5 * 1024 ** 4 - 1
    const told = stored('multipart/+= "id"', part(1, 0, far, '"it\'s <an> \\ etag"'), piece('ü-1', far, 1))
    await advance(fenceOf(upload), told)
    expect(await ledgerOf(upload)).toEqual(told)
    expect(await get(upload.id)).toMatchObject({
      offsetBytes: BigInt(far + 1),
      multipartId: told.multipartId,
    })
  })

  test('keeps the multipart upload when a later record has none, and takes a newer one', async () => {
    const upload = await begin()
    await advance(fenceOf(upload), stored('first', part(1, 0, 10)))
    await advance(fenceOf(upload), stored(null, piece('a', 10, 5)))
    expect(await ledgerOf(upload)).toMatchObject({ multipartId: 'first' })
    await advance(fenceOf(upload), stored('second', part(2, 10, 10)))
    expect(await ledgerOf(upload)).toMatchObject({ multipartId: 'second' })
  })

  test('is left alone by an advance that names no parts', async () => {
    const upload = await begin()
    const told = stored('multipart', part(1, 0, 10), piece('a', 10, 5))
    await advance(fenceOf(upload), told)
    const options = { release: false }
    await records.advance(
      fenceOf(upload),
      { offsetBytes: 15, digestState: null, stored: EMPTY_LEDGER },
      options,
    )
    expect(await ledgerOf(upload)).toEqual(told)
  })

  test('has a part in the place of the pieces that it was made of, and nobody else’s', async () => {
    const [upload, other] = [await begin(), await begin()]
    for (const one of [upload, other]) {
      await advance(fenceOf(one), stored(null, piece('a', 0, 4), piece('b', 4, 4), piece('c', 8, 4)))
    }
    await advance(fenceOf(upload), stored('multipart', part(1, 0, 16), piece('d', 16, 1)))
    expect((await ledgerOf(upload)).parts).toEqual([part(1, 0, 16), piece('d', 16, 1)])
    expect((await ledgerOf(other)).parts.map(({ name }) => name)).toEqual(['a', 'b', 'c'])
  })

  test('has a joined piece in the place of the last ones, and those before as they were', async () => {
    const upload = await begin()
    await advance(fenceOf(upload), stored(null, piece('a', 0, 8), piece('b', 8, 1), piece('c', 9, 1)))
    await advance(fenceOf(upload), stored(null, piece('d', 8, 3)))
    expect((await ledgerOf(upload)).parts).toEqual([piece('a', 0, 8), piece('d', 8, 3)])
  })

  test('has the object in the place of everything', async () => {
    const upload = await begin(20)
    await advance(fenceOf(upload), stored(null, piece('a', 0, 8), piece('b', 8, 1)))
    const object: StoredPart = { kind: 'object', name: '', startBytes: 0, sizeBytes: 20, etag: '"whole"' }
    await records.beginFinalizing(fenceOf(upload), null, stored(null, object))
    expect(await ledgerOf(upload)).toEqual(stored(null, object))
  })

  test('told again is the same', async () => {
    const upload = await begin()
    const told = stored('multipart', part(1, 0, 10), piece('a', 10, 5))
    await advance(fenceOf(upload), told)
    await advance(fenceOf(upload), told)
    expect(await ledgerOf(upload)).toEqual(told)
  })

  test('for a writer begins with the last part', async () => {
    const upload = await begin()
    await advance(fenceOf(upload), stored(null, piece('a', 0, 5)))
    expect(await ledgerOf(upload, FOR_WRITER)).toEqual(stored(null, piece('a', 0, 5)))
    const parts = Array.from({ length: 3000 }, (_, index) => part(index + 1, index * MIB, MIB))
    const tail = [piece('b', 3000 * MIB, 5), piece('c', 3000 * MIB + 5, 5)]
    await advance(fenceOf(upload), stored('multipart', ...parts, ...tail))
    expect((await ledgerOf(upload)).parts).toHaveLength(3002)
    const last = parts.at(-1) as StoredPart
    expect(await ledgerOf(upload, FOR_WRITER)).toEqual(stored('multipart', last, ...tail))
  })

  test('is what a list in memory would be, whatever the order of parts, pieces and joinings', async () => {
    const step = fc.record({
      what: fc.constantFrom('piece', 'piece', 'join', 'part', 'again'),
      bytes: fc.integer({ min: 1, max: 1000 }),
      count: fc.integer({ min: 1, max: 4 }),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 15 }), async (steps) => {
        const upload = await begin()
        let ledger = EMPTY_LEDGER
        for (const [index, { what, bytes, count }] of steps.entries()) {
          const tail = ledger.parts.filter(({ kind }) => kind === 'piece')
          const parts = ledger.parts.length - tail.length
          const joined = what === 'part' ? tail : what === 'join' ? tail.slice(-count) : []
          const startBytes = joined[0]?.startBytes ?? endOf(ledger)
          const sizeBytes = endOf(ledger) - startBytes + bytes
          const name = `${index}`
          const told =
            what === 'again'
              ? stored(null, ...ledger.parts)
              : what === 'part'
                ? stored(`multipart ${index}`, part(parts + 1, startBytes, sizeBytes))
                : stored(null, piece(name, startBytes, sizeBytes))
          if (told.parts.length === 0) continue
          await advance(fenceOf(upload), told)
          ledger = recorded(ledger, told)
          expect(await ledgerOf(upload)).toEqual(ledger)
          expect(await ledgerOf(upload, FOR_WRITER)).toEqual(forWriter(ledger))
          expect(endOf(ledger)).toBe(Number((await get(upload.id)).offsetBytes))
        }
      }),
      { numRuns: 25 },
    )
  })
})

describe('the fence', () => {
  const zombies = stored('zombie', part(1, 0, 10), piece('zombie', 10, 90))

  async function takenOver(): Promise<{ upload: Upload; zombie: Fence; heir: Fence }> {
    const upload = await begin(100)
    const zombie = fenceOf(upload)
    await advance(zombie, stored(null, piece('a', 0, 4)))
    await records.releaseLease(zombie)
    const heir = await records.claimLease(upload.id, 'receiving', EVERYONE, 'heir', 10)
    if (heir === null) throw new Error('The lease was free.')
    return { upload, zombie, heir: fenceOf(heir) }
  }

  test.each<[string, (zombie: Fence) => Promise<unknown>]>([
    ['advance', (zombie) => advance(zombie, zombies)],
    ['finish', (zombie) => records.beginFinalizing(zombie, null, zombies)],
  ])('lets an older epoch %s nothing: not a part of it is written', async (_, act) => {
    const { upload, zombie } = await takenOver()
    await expect(act(zombie)).rejects.toMatchObject({ code: 'LOCKED' })
    expect(await ledgerOf(upload)).toEqual(stored(null, piece('a', 0, 4)))
    expect(await get(upload.id)).toMatchObject({ offsetBytes: 4n, multipartId: null, state: 'receiving' })
  })

  test('lets nobody go back: parts behind a lower offset are refused, too', async () => {
    const { upload, heir } = await takenOver()
    await advance(heir, stored('multipart', part(1, 0, 50)))
    await expect(advance(heir, stored('older', piece('b', 4, 10)))).rejects.toMatchObject({ code: 'LOCKED' })
    expect(await ledgerOf(upload)).toEqual(stored('multipart', part(1, 0, 50)))
  })

  test('lets one of two at the same time through, and only its parts are there', async () => {
    for (let round = 0; round < 20; round++) {
      const upload = await begin(100)
      const zombie = fenceOf(upload)
      await records.releaseLease(zombie)
      const [late, heir] = await Promise.all([
        advance(zombie, zombies).catch(() => null),
        records.claimLease(upload.id, 'receiving', EVERYONE, 'heir', 10),
      ])
      if (heir === null) throw new Error('The lease was free.')
      // Who takes over sees either all of it, or nothing.
      expect(heir.offsetBytes).toBe(late === null ? 0n : 100n)
      expect(await records.ledger(heir, WHOLE)).toEqual(late === null ? EMPTY_LEDGER : zombies)
    }
  })
})

describe('when the upload ends', () => {
  const bytes = Buffer.from('ten bytes!')
  const digests = checksumsOf(bytes)
  const told = stored('multipart', part(1, 0, 6), piece('a', 6, 4))

  async function finalizing(): Promise<Upload> {
    const upload = await begin(10)
    await records.beginFinalizing(fenceOf(upload), digests, told)
    expect(await ledgerOf(upload)).toEqual(told)
    return upload
  }

  async function receiving(): Promise<Upload> {
    const upload = await begin(11)
    await advance(fenceOf(upload), told)
    return upload
  }

  const finished = { digests, warnings: [], retrievalToken: '', hasLeftovers: false }

  test.each<[string, () => Promise<Upload>, (upload: Upload) => Promise<unknown>]>([
    [
      'ready',
      finalizing,
      (upload) => records.commitReady(fenceOf(upload), { ...finished, retrievalToken: randomToken() }),
    ],
    [
      'failed',
      finalizing,
      (upload) => records.commitFailed(fenceOf(upload), new AppError('HASH_MISMATCH', 'No.'), digests),
    ],
    ['canceled', receiving, (upload) => endings.commitEnd(upload.id)],
    [
      'expired',
      receiving,
      async (upload) => {
        await letExpire(ground, upload.id)
        await endings.commitEnd(upload.id, 'past-end')
      },
    ],
    ['canceled', finalizing, (upload) => endings.commitEnd(upload.id)],
  ])('%s, its ledger goes', async (state, made, end) => {
    const upload = await made()
    const other = await receiving()
    expect(await rowsOf(upload.id)).toBe(2)
    await end(upload)
    expect((await get(upload.id)).state).toBe(state)
    expect(await rowsOf(upload.id)).toBe(0)
    expect(await ledgerOf(other)).toEqual(told)
  })

  test('deleted and forgotten, nothing is left of it', async () => {
    const upload = await finalizing()
    await records.commitReady(fenceOf(upload), { ...finished, retrievalToken: randomToken() })
    await endings.commitEnd(upload.id)
    expect(await rowsOf(upload.id)).toBe(0)
    await endings.deleteTombstone(upload.id)
    await expect(get(upload.id)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    expect(await rowsOf(upload.id)).toBe(0)
  })

  test('a zombie’s end takes nothing from its heir', async () => {
    const upload = await receiving()
    const zombie = fenceOf(upload)
    await records.releaseLease(zombie)
    await records.claimLease(upload.id, 'receiving', EVERYONE, 'heir', 10)
    const failure = new AppError('INTERNAL', 'Late.')
    await expect(records.commitFailed(zombie, failure, null)).rejects.toMatchObject({ code: 'LOCKED' })
    expect(await ledgerOf(upload)).toEqual(told)
  })

  test('what an interrupted first writer may have left is noted as garbage with the ready record', async () => {
    const upload = await finalizing()
    const ready = { ...finished, retrievalToken: randomToken(), hasLeftovers: true }
    const { discarded } = await records.commitReady(fenceOf(upload), ready)
    expect(discarded).toContainEqual({ kind: 'temporary', objectKey: upload.id })
    const garbage = await ground.rows('SELECT kind::text FROM garbage WHERE object_key = $1 AND kind = $2', [
      upload.id,
      'temporary',
    ])
    expect(garbage).toHaveLength(1)
  })
})
