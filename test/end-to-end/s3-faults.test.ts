// What S3 does wrong while bytes come and go: the answers that clients get, the offset that never lies, and bytes that are right.

import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals'
import { describeS3 } from '../support/s3.js'
import { type Action, cutAnswer, cutBefore, cutInside, fails, losesAnswer } from '../support/s3-faults.js'
import type { Operation } from '../support/s3-operation.js'
import type { TestServer } from '../support/server.js'
import { bytesFrom, expectWhole } from './evidence.js'
import { type Answer, get, problemCode, type RawTus, rawTus } from './raw-tus.js'
import { expectUnavailable, newS3Ground, PART_BYTES, type S3Ground } from './s3-ground.js'
import { startUpload } from './tus-client.js'

const MIB = 1024 * 1024

describeS3('an upload to an S3 server in trouble', () => {
  let ground: S3Ground
  let server: TestServer
  let tus: RawTus
  /** Begun first and looked at last: it waits most of the time. */
  let hanging: Promise<void>

  beforeAll(async () => {
    ground = await newS3Ground()
    server = await ground.startInstance()
    tus = rawTus(server)
    hanging = sendWhileS3Hangs()
    hanging.catch(() => {})
  })

  beforeEach(() => ground.proxy.reset())
  afterAll(async () => {
    await Promise.allSettled([hanging])
    await ground.dispose()
  })

  const once: [string, Action][] = [
    ['500', fails(500, 'InternalError')],
    ['503 SlowDown', fails(503, 'SlowDown')],
    ['a connection that breaks before the request', cutBefore],
    ['a connection that breaks in the middle of the bytes', cutInside],
    ['an answer that is lost', losesAnswer],
  ]

  test.each(once)(
    '%s, once for each kind of request: the client hears nothing of it',
    async (name, action) => {
      const source = bytesFrom(name.length, 2 * PART_BYTES + 5 * MIB)
      const id = await tus.create(source.byteLength)
      ground.proxy.reset()
      for (const operation of ['CreateMultipartUpload', 'UploadPart', 'PutObject'] as const) {
        ground.proxy.on({ operation, nth: 1, key: id }, action)
      }
      const cutAt = 2 * PART_BYTES + 3 * MIB
      expect((await tus.patch(id, 0, source.subarray(0, cutAt)))?.status).toBe(204)
      expect(await tus.offset(id)).toBe(cutAt)
      expect((await tus.patch(id, cutAt, source.subarray(cutAt)))?.status).toBe(204)
      await expectWhole(tus, id, source)
      // Each was asked once more than it would have been: for two parts and the last one, and for one tail.
      const { CreateMultipartUpload, UploadPart, PutObject } = ground.proxy.counts()
      expect([CreateMultipartUpload, UploadPart, PutObject]).toEqual([2, 4, 2])
      await ground.expectNothingLeftAfterDeletion(tus, id)
    },
  )

  test('a multipart that was begun without our hearing of it is gone when the upload is', async () => {
    const source = bytesFrom(30, PART_BYTES + 1)
    const id = await tus.create(source.byteLength)
    ground.proxy.on({ operation: 'CreateMultipartUpload', nth: 1, key: id }, losesAnswer)
    expect((await tus.patch(id, 0, source))?.status).toBe(204)
    await expectWhole(tus, id, source)
    await ground.expectNothingLeftAfterDeletion(tus, id)
  })

  const always: [string, Action][] = [
    ['500', fails(500, 'InternalError')],
    ['503 SlowDown', fails(503, 'SlowDown')],
    ['403', fails(403, 'AccessDenied')],
    ['broken connections', cutInside],
  ]

  test.each(['UploadPart', 'PutObject'] as const)(
    '%s that keeps failing: 503 with Retry-After, the true offset, and the rest when S3 is well again',
    async (operation) => {
      // Past the first part, or only a longer tail.
      const end = operation === 'UploadPart' ? PART_BYTES + 3 * MIB : 7 * MIB
      const uploads = await Promise.all(
        always.map(async ([, action], i) => {
          const source = bytesFrom(40 + i, PART_BYTES + 6 * MIB)
          const id = await tus.create(source.byteLength)
          expect((await tus.patch(id, 0, source.subarray(0, 2 * MIB)))?.status).toBe(204)
          ground.proxy.on({ operation, nth: 'every', key: id }, action)
          return { id, source }
        }),
      )
      const answers = await Promise.all(
        uploads.map(({ id, source }) => tus.patch(id, 2 * MIB, source.subarray(2 * MIB, end))),
      )
      for (const answer of answers) expectUnavailable(answer)
      const offsets = await Promise.all(uploads.map(({ id }) => tus.offset(id)))
      for (const [i, offset] of offsets.entries()) {
        expect(offset).toBeGreaterThanOrEqual(2 * MIB)
        expect(offset).toBeLessThanOrEqual(end)
        const report = await tus.report(uploads[i]?.id ?? '')
        expect(report).toMatchObject({ state: 'receiving', offset, error: null })
      }
      ground.proxy.reset()
      for (const [i, { id, source }] of uploads.entries()) {
        const offset = offsets[i] ?? 0
        expect((await tus.patch(id, offset, source.subarray(offset)))?.status).toBe(204)
        await expectWhole(tus, id, source)
        await ground.expectNothingLeftAfterDeletion(tus, id)
      }
    },
    60_000,
  )

  test('S3 that is away for six seconds: the client hears 503 and 423 at worst, and finishes', async () => {
    const source = bytesFrom(60, 3 * PART_BYTES + 1)
    const statuses = new Set<string>()
    let hasTail = () => {}
    const tailStands = new Promise<void>((resolve) => {
      hasTail = resolve
    })
    const watched = startUpload(source, server, {
      chunkSize: 5 * MIB,
      onChunkComplete: (_, acceptedBytes) => {
        if (acceptedBytes > PART_BYTES) hasTail()
      },
      onShouldRetry: (error) => {
        const { originalRequest, originalResponse } = error
        statuses.add(`${originalRequest?.getMethod()} ${originalResponse?.getStatus() ?? 'cut'}`)
        return true
      },
    })
    await tailStands
    ground.proxy.on({ operation: 'any', nth: 'every' }, cutBefore)
    const awayAt = performance.now()
    const small = tus.create(10).then((id) => tus.patch(id, 0, Buffer.alloc(10)))
    while (performance.now() - awayAt < 6000) {
      const head: Answer = await tus.head(watched.id())
      expect([200, 423]).toContain(head.status)
      if (head.status === 200) {
        expect(Number(head.headers['upload-offset'])).toBeGreaterThanOrEqual(watched.acknowledgedBytes())
      }
      await sleep(500)
    }
    expectUnavailable(await small)
    const readiness = await fetch(`${server.url}/readyz`)
    expect([readiness.status, await readiness.json()]).toEqual([
      503,
      expect.objectContaining({ status: 'degraded', reason: expect.stringContaining('store') }),
    ])
    ground.proxy.reset()
    await watched.done
    expect(watched.losses).toEqual([])
    expect(watched.headRefusals.filter((status) => status !== 423)).toEqual([])
    expect(watched.creations()).toBe(1)
    // The HEADs of this test take the upload over from the client's own request.
    const allowed = ['PATCH 503', 'PATCH 423', 'PATCH cut', 'PATCH 409', 'HEAD 423']
    expect([...statuses].filter((status) => !allowed.includes(status))).toEqual([])
    await expectWhole(tus, watched.id(), source)
    await ground.expectNothingLeftAfterDeletion(tus, watched.id())
  })

  test('a multipart that a bucket’s rule has aborted: failed, 410 to HEAD and PATCH, with the reason', async () => {
    const source = bytesFrom(70, 2 * PART_BYTES)
    const id = await tus.create(source.byteLength)
    const offset = PART_BYTES + MIB
    expect((await tus.patch(id, 0, source.subarray(0, offset)))?.status).toBe(204)
    expect(await ground.abortMultiparts(id)).toBe(1)
    const patch = await tus.patch(id, offset, source.subarray(offset))
    expect([patch?.status, problemCode(patch)]).toEqual([410, 'GONE'])
    expect(patch?.body.toString()).toMatch(/store lost bytes/)
    expect((await tus.head(id)).status).toBe(410)
    const report = await tus.report(id)
    expect(report).toMatchObject({ state: 'failed', retrieval_url: null })
    expect(report.error?.detail).toMatch(/store lost bytes/)
    await ground.expectNothingLeft(id)
  })

  test('a download that S3 breaks off again and again arrives whole', async () => {
    const source = bytesFrom(80, PART_BYTES + 5)
    const id = await tus.create(source.byteLength)
    expect((await tus.patch(id, 0, source))?.status).toBe(204)
    const { retrieval_url: url } = await expectWhole(tus, id, source)
    for (const nth of [1, 2, 3]) {
      ground.proxy.on({ operation: 'GetObject', nth, key: id }, cutAnswer(3 * MIB + nth))
    }
    const whole = await get(String(url))
    expect(whole.status).toBe(200)
    expect(whole.body.equals(source)).toBe(true)
    ground.proxy.reset()
    ground.proxy.on({ operation: 'GetObject', nth: 1, key: id }, cutAnswer(MIB))
    const range = await get(String(url), { Range: `bytes=1000-${9 * MIB}` })
    expect(range.status).toBe(206)
    expect(range.body.equals(source.subarray(1000, 9 * MIB + 1))).toBe(true)
  })

  test('a download that S3 can’t begin is 503, one that it can’t end is cut short, and neither is taken for whole', async () => {
    const source = bytesFrom(81, 6 * MIB)
    const id = await tus.create(source.byteLength)
    expect((await tus.patch(id, 0, source))?.status).toBe(204)
    const { retrieval_url: url } = await expectWhole(tus, id, source)
    ground.proxy.on({ operation: 'GetObject', nth: 'every', key: id }, fails(503, 'SlowDown'))
    const refused = await get(String(url))
    expectUnavailable(refused)
    ground.proxy.reset()
    ground.proxy.on({ operation: 'GetObject', nth: 1, key: id }, cutAnswer(2 * MIB))
    ground.proxy.on({ operation: 'GetObject', nth: 'every', key: id }, fails(500, 'InternalError'))
    await expect(get(String(url))).rejects.toThrow()
    ground.proxy.reset()
    expect((await get(String(url))).body.equals(source)).toBe(true)
  })

  test(
    'S3 that hangs, whatever it is asked, is waited for some seconds and asked again',
    () => hanging,
    90_000,
  )
})

const HANGING: [Operation, number, number][] = [
  ['CreateMultipartUpload', PART_BYTES + MIB, PART_BYTES + MIB],
  ['UploadPart', PART_BYTES + MIB, PART_BYTES + MIB],
  // A tail, and a whole file.
  ['PutObject', PART_BYTES + MIB, 2 * MIB],
  ['PutObject', 2 * MIB, 2 * MIB],
]

/** On a bucket, a proxy and a server of its own. */
async function sendWhileS3Hangs(): Promise<void> {
  const ground = await newS3Ground()
  try {
    const tus = rawTus(await ground.startInstance())
    await Promise.all(
      HANGING.map(async ([operation, sizeBytes, firstBytes], i) => {
        const source = bytesFrom(50 + i, sizeBytes)
        const id = await tus.create(sizeBytes)
        const { reached } = ground.proxy.hang({ operation, nth: 1, key: id })
        const answer = await tus.patch(id, 0, source.subarray(0, firstBytes))
        await reached
        // Either it was asked again in time, or the client is told to come back.
        if (answer?.status !== 204) expectUnavailable(answer)
        if ((await tus.report(id)).state === 'receiving') {
          const offset = await tus.offset(id)
          expect((await tus.patch(id, offset, source.subarray(offset)))?.status).toBe(204)
        }
        await expectWhole(tus, id, source)
        await ground.expectNothingLeftAfterDeletion(tus, id)
      }),
    )
  } finally {
    await ground.dispose()
  }
}
