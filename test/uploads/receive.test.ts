import { Readable } from 'node:stream'
import { expect, test } from '@jest/globals'
import { SlabPool } from '../../server/digests/slabs.js'
import { AppError } from '../../server/errors.js'
import { receive } from '../../server/uploads/receive.js'

const MIB = 1024 * 1024

test('a store that fills up while bytes arrive ends the request, and all that was taken is kept', async () => {
  const slabs = new SlabPool(8)
  let writtenBytes = 0
  let isSynced = false
  const reception = await receive(Readable.from(Array.from({ length: 40 }, () => Buffer.alloc(MIB))), {
    writer: {
      write: async (bytes) => {
        writtenBytes += bytes.byteLength
      },
      sync: async () => {
        isSynced = true
      },
      close: async () => {},
    },
    digest: null,
    slabs,
    offsetBytes: 0,
    limitBytes: 40 * MIB,
    bodyHash: null,
    record: async () => {},
    assertSpace: async () => {
      throw new AppError('INSUFFICIENT_STORAGE', 'full')
    },
    signal: new AbortController().signal,
    noProgressMs: 1000,
    onTrouble: () => {},
  })
  expect(reception.stopReason).toMatchObject({ code: 'INSUFFICIENT_STORAGE' })
  expect(reception.isWhole).toBe(false)
  expect(reception.checkpoint.offsetBytes).toBe(writtenBytes)
  expect(writtenBytes).toBeGreaterThanOrEqual(15 * MIB)
  expect(writtenBytes).toBeLessThan(20 * MIB)
  expect(isSynced).toBe(true)
  expect(slabs.inUse).toBe(0)
})
