// Several servers on one database and one bucket, any request to any of them: what goes on, who wins, who is refused.

import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals'
import { describeS3 } from '../support/s3.js'
import type { TestServer } from '../support/server.js'
import { until } from '../support/until.js'
import { type CuttingProxy, startCuttingProxy } from './cutting-proxy.js'
import { bytesFrom, expectWhole, reportWhen } from './evidence.js'
import { problemCode, type RawTus, rawTus } from './raw-tus.js'
import { newS3Ground, PART_BYTES, type S3Ground } from './s3-ground.js'
import { startUpload } from './tus-client.js'

const MIB = 1024 * 1024

describeS3('two servers on one database and one bucket', () => {
  let ground: S3Ground
  let a: TestServer
  let b: TestServer
  let onA: RawTus
  let onB: RawTus
  let balancer: CuttingProxy

  beforeAll(async () => {
    ground = await newS3Ground()
    balancer = await startCuttingProxy()
    const env = { PUBLIC_URL: balancer.url }
    a = await ground.startInstance(env)
    b = await ground.startInstance(env)
    balancer.forwardTo(b.url)
    onA = rawTus(a)
    onB = rawTus(b)
  })

  afterEach(async () => {
    ground.proxy.reset()
    balancer.goOn()
    balancer.forwardTo(b.url)
    await Promise.all([a, b].map((server) => (server.pid === undefined ? server.restart() : undefined)))
  })

  afterAll(async () => {
    await balancer.close()
    await ground.dispose()
  })

  test('requests that alternate between them are one upload, in any sizes', async () => {
    const source = bytesFrom(1, 2 * PART_BYTES + 3 * MIB + 1)
    const id = await onA.create(source.byteLength)
    let offset = 0
    for (const [i, chunkBytes] of [3 * MIB, 1, 14 * MIB, 64 * 1024, 9 * MIB, 40 * MIB].entries()) {
      const [here, there] = i % 2 === 0 ? [onB, onA] : [onA, onB]
      const chunk = source.subarray(offset, offset + chunkBytes)
      const answer = await here.patch(id, offset, chunk)
      offset += chunk.byteLength
      expect([answer?.status, answer?.headers['upload-offset']]).toEqual([204, String(offset)])
      expect(await there.offset(id)).toBe(offset)
    }
    await expectWhole(onA, id, source)
    await expectWhole(onB, id, source)
    await ground.expectNothingLeftAfterDeletion(onB, id)
  })

  test('a PATCH stalled on one gives way to one on the other within two seconds, with all that it brought', async () => {
    const source = bytesFrom(2, PART_BYTES + 8 * MIB)
    const id = await onA.create(source.byteLength)
    const stalled = onA.startPatch(id, 0, source.byteLength)
    await stalled.write(source.subarray(0, 5 * MIB + 7))
    await sleep(500)
    const startedAt = performance.now()
    const offset = await onB.offset(id)
    expect(performance.now() - startedAt).toBeLessThan(2000)
    expect(offset).toBe(5 * MIB + 7)
    const older = await stalled.answer
    expect([older?.status, problemCode(older)]).toEqual([423, 'LOCKED'])
    expect((await onB.patch(id, offset, source.subarray(offset)))?.status).toBe(204)
    await expectWhole(onA, id, source)
  })

  test('a newer PATCH takes over from one that another server still receives', async () => {
    const source = bytesFrom(3, PART_BYTES)
    const id = await onA.create(source.byteLength)
    const older = onA.startPatch(id, 0, source.byteLength)
    await older.write(source.subarray(0, 2 * MIB))
    await sleep(2000)
    const startedAt = performance.now()
    // It claims first and compares then, so it is told where to go on.
    const refused = await onB.patch(id, 0, source)
    expect(performance.now() - startedAt).toBeLessThan(2000)
    expect([refused?.status, problemCode(refused)]).toEqual([409, 'OFFSET_MISMATCH'])
    expect(problemCode(await older.answer)).toBe('LOCKED')
    const offset = await onB.offset(id)
    expect(offset).toBe(2 * MIB)
    expect((await onB.patch(id, offset, source.subarray(offset)))?.status).toBe(204)
    await expectWhole(onA, id, source)
  })

  test('a server frozen in the middle of a PATCH loses its lease, and what it writes when it thaws is refused', async () => {
    const source = bytesFrom(4, 2 * PART_BYTES + 5)
    const id = await onA.create(source.byteLength)
    const frozen = onA.startPatch(id, 0, source.byteLength)
    await frozen.write(source.subarray(0, PART_BYTES + 3 * MIB))
    await reportWhen(onB, id, ({ offset }) => offset > 0)
    process.kill(Number(a.pid), 'SIGSTOP')
    let offset: number
    try {
      offset = await onB.offset(id)
      expect((await onB.patch(id, offset, source.subarray(offset, offset + MIB)))?.status).toBe(204)
    } finally {
      process.kill(Number(a.pid), 'SIGCONT')
    }
    offset += MIB
    // The frozen one's client never went away: what it sends now, to the last byte, must count for nothing.
    await frozen.write(source.subarray(PART_BYTES + 3 * MIB))
    const late = await frozen.answer
    expect([late?.status, problemCode(late)]).toEqual([423, 'LOCKED'])
    expect(await onA.offset(id)).toBe(offset)
    expect((await onA.patch(id, offset, source.subarray(offset)))?.status).toBe(204)
    await expectWhole(onB, id, source)
    await ground.expectNothingLeftAfterDeletion(onA, id)
  })

  test('a DELETE on one ends what the other receives, and leaves nothing', async () => {
    const source = bytesFrom(5, 3 * PART_BYTES)
    const id = await onA.create(source.byteLength)
    const receiving = onA.startPatch(id, 0, source.byteLength)
    await receiving.write(source.subarray(0, PART_BYTES + 6 * MIB))
    await sleep(200)
    expect((await onB.remove(id)).status).toBe(204)
    const answer = await receiving.answer
    expect([410, 423]).toContain(answer?.status)
    expect((await onA.head(id)).status).toBe(410)
    expect((await onA.report(id)).state).toBe('canceled')
    await ground.expectNothingLeft(id)
  })

  test('kill -9 of one: the same client goes on at the other, and finishes there', async () => {
    const source = bytesFrom(6, 3 * PART_BYTES + 1)
    balancer.forwardTo(a.url)
    const stalled = balancer.stallAfter(2 * PART_BYTES + MIB)
    const watched = startUpload(source, { url: balancer.url, key: a.key }, { chunkSize: 5 * MIB })
    await stalled
    await until(async () => watched.acknowledgedBytes() === 30 * MIB)
    await a.kill()
    await ground.lapseLeases()
    balancer.forwardTo(b.url)
    balancer.goOn()
    await watched.done
    expect(watched.losses).toEqual([])
    expect(watched.headRefusals.filter((status) => status !== 423)).toEqual([])
    expect(watched.creations()).toBe(1)
    await expectWhole(onB, watched.id(), source)
    await ground.expectNothingLeftAfterDeletion(onB, watched.id())
  })

  test('two clients with one file each, spread over both, and never the other one’s bytes', async () => {
    const sources = [bytesFrom(7, PART_BYTES + 1), bytesFrom(8, PART_BYTES + 1)]
    const both = await Promise.all(
      sources.map(async (source, i) => {
        const id = await (i === 0 ? onA : onB).create(source.byteLength)
        for (let offset = 0; offset < source.byteLength; offset += 3 * MIB) {
          const there = (offset / MIB + i) % 2 === 0 ? onA : onB
          const answer = await there.patch(id, offset, source.subarray(offset, offset + 3 * MIB))
          expect(answer?.status).toBe(204)
        }
        return id
      }),
    )
    for (const [i, id] of both.entries()) await expectWhole(i === 0 ? onB : onA, id, sources[i] as Buffer)
  })
})
