// From the last byte to ready, with S3 answering wrongly, late or never, and the server dying in between.

import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals'
import { describeS3 } from '../support/s3.js'
import {
  type Action,
  cutBefore,
  delaysAnswer,
  fails,
  losesAnswer,
  says200WithError,
} from '../support/s3-faults.js'
import type { TestServer } from '../support/server.js'
import { bytesFrom, expectWhole, reportWhen } from './evidence.js'
import { problemCode, type RawTus, rawTus } from './raw-tus.js'
import { newS3Ground, PART_BYTES, type S3Ground } from './s3-ground.js'

const MIB = 1024 * 1024

describeS3('finishing an upload on S3', () => {
  let ground: S3Ground
  let server: TestServer
  let tus: RawTus

  beforeAll(async () => {
    ground = await newS3Ground()
    server = await ground.startInstance()
    tus = rawTus(server)
  })

  beforeEach(async () => {
    ground.proxy.reset()
    if (server.pid === undefined) await server.restart()
  })

  afterAll(() => ground.dispose())

  const oneObject = (id: string, source: Buffer) => [
    `object ${ground.bucket.prefix}/objects/${id} ${source.byteLength}`,
  ]
  const storedOf = async (id: string) => (await ground.stored()).filter((line) => line.includes(id))

  test('a CompleteMultipartUpload that goes wrong once, in whatever way: ready all the same, and one object', async () => {
    const ways: Action[] = [
      fails(500, 'InternalError'),
      fails(503, 'SlowDown'),
      says200WithError('InternalError'),
      cutBefore,
      // S3 has done it, and says NoSuchUpload when it is asked again.
      losesAnswer,
      delaysAnswer(2000),
    ]
    await Promise.all(
      ways.map(async (action, i) => {
        const source = bytesFrom(10 + i, PART_BYTES + 1 + i)
        const id = await tus.create(source.byteLength)
        ground.proxy.on({ operation: 'CompleteMultipartUpload', nth: 1, key: id }, action)
        expect((await tus.patch(id, 0, source))?.status).toBe(204)
        await expectWhole(tus, id, source)
        expect(await storedOf(id)).toEqual(oneObject(id, source))
        await ground.expectNothingLeftAfterDeletion(tus, id)
      }),
    )
  })

  test('S3 that can’t complete for a while: the last byte is acknowledged, and it is ready soon after', async () => {
    const source = bytesFrom(20, PART_BYTES + MIB)
    const id = await tus.create(source.byteLength)
    ground.proxy.on({ operation: 'CompleteMultipartUpload', nth: 'every', key: id }, fails(503, 'SlowDown'))
    expect((await tus.patch(id, 0, source))?.status).toBe(204)
    expect((await tus.report(id)).state).toBe('finalizing')
    expect(await tus.offset(id)).toBe(source.byteLength)
    ground.proxy.reset()
    await reportWhen(tus, id, ({ state }) => state === 'ready')
    await expectWhole(tus, id, source)
    expect(await storedOf(id)).toEqual(oneObject(id, source))
  })

  test('a multipart that is aborted before it could be completed: failed, with the reason, and 410', async () => {
    const source = bytesFrom(21, PART_BYTES + MIB)
    const id = await tus.create(source.byteLength)
    ground.proxy.on(
      { operation: 'CompleteMultipartUpload', nth: 'every', key: id },
      fails(500, 'InternalError'),
    )
    expect((await tus.patch(id, 0, source))?.status).toBe(204)
    expect(await ground.abortMultiparts(id)).toBe(1)
    ground.proxy.reset()
    const report = await reportWhen(tus, id, ({ state }) => state !== 'finalizing')
    expect(report).toMatchObject({ state: 'failed', error: { code: expect.any(String) } })
    expect(report.error?.detail).toMatch(/store lost bytes/)
    expect((await tus.head(id)).status).toBe(410)
    const patch = await tus.patch(id, source.byteLength, Buffer.alloc(0))
    expect([patch?.status, problemCode(patch)]).toEqual([410, 'GONE'])
    expect(patch?.body.toString()).toContain('store lost bytes')
    await ground.expectNothingLeft(id)
  })

  test('kill -9 before S3 completes or after it, before we have recorded it: ready after the next start, one object', async () => {
    const sends = await Promise.all(
      [22, 23].map(async (seed) => {
        const source = bytesFrom(seed, PART_BYTES + seed)
        return { source, id: await tus.create(source.byteLength) }
      }),
    )
    const [before, after] = sends.map(({ id }) => id) as [string, string]
    const unheard = ground.proxy.hang({ operation: 'CompleteMultipartUpload', nth: 1, key: before })
    const unanswered = ground.proxy.hold({ operation: 'CompleteMultipartUpload', nth: 1, key: after })
    const answers = sends.map(({ id, source }) => tus.patch(id, 0, source))
    await Promise.all([unheard.reached, unanswered.reached])
    expect((await storedOf(before))[0]).toMatch(/^multipart /)
    expect((await storedOf(after))[0]).toMatch(/^object /)
    await server.kill()
    expect(await Promise.all(answers)).toEqual([null, null])
    ground.proxy.reset()
    await server.restart()
    for (const { id, source } of sends) {
      await reportWhen(tus, id, ({ state }) => state === 'ready')
      await expectWhole(tus, id, source)
      expect(await storedOf(id)).toEqual(oneObject(id, source))
      await ground.expectNothingLeftAfterDeletion(tus, id)
    }
  })

  test('kill -9 while a file of one PutObject is being finished: whole, or sent again, and one object', async () => {
    const source = bytesFrom(24, 3 * MIB)
    const id = await tus.create(source.byteLength)
    const held = ground.proxy.hold({ operation: 'PutObject', nth: 1, key: id })
    const patch = tus.startPatch(id, 0, source.byteLength)
    await patch.write(source)
    patch.end()
    await held.reached
    await server.kill()
    held.release()
    await server.restart()
    await ground.lapseLeases()
    const offset = await tus.offset(id)
    // Nothing was acknowledged, so the client sends it again, over what is there.
    expect(offset).toBe(0)
    expect((await tus.patch(id, 0, source))?.status).toBe(204)
    await expectWhole(tus, id, source)
    expect(await storedOf(id)).toEqual(oneObject(id, source))
    await ground.expectNothingLeftAfterDeletion(tus, id)
  })

  test('kill -9 within milliseconds of the last byte: ready, or resumable, never stuck', async () => {
    const source = bytesFrom(25, PART_BYTES + 3)
    const sent: { id: string; wasAnswered: boolean }[] = []
    const delaysMs = [0, 40, 150]
    for (const delayMs of delaysMs) {
      source.writeUInt32LE(delayMs, 0)
      const id = await tus.create(source.byteLength)
      const patch = tus.startPatch(id, 0, source.byteLength)
      await patch.write(source)
      patch.end()
      await sleep(delayMs)
      await server.kill()
      sent.push({ id, wasAnswered: (await patch.answer)?.status === 204 })
      await server.restart()
    }
    await ground.lapseLeases()
    for (const [i, { id, wasAnswered }] of sent.entries()) {
      source.writeUInt32LE(delaysMs[i] ?? 0, 0)
      const { state } = await tus.report(id)
      if (wasAnswered) expect(['finalizing', 'ready']).toContain(state)
      if (state === 'receiving') {
        const offset = await tus.offset(id)
        expect((await tus.patch(id, offset, source.subarray(offset)))?.status).toBe(204)
      }
      await reportWhen(tus, id, (report) => report.state === 'ready')
      await expectWhole(tus, id, source)
      expect(await storedOf(id)).toEqual(oneObject(id, source))
    }
  })
})
