// kill -9 of each of the three that an upload needs, in the middle of 200 MiB: the same client goes on, and the bytes are right.

import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, expect, test } from '@jest/globals'
import { killCluster } from '../support/postgres.js'
import { type Radosgw, startRadosgw } from '../support/radosgw.js'
import { describeRadosgw } from '../support/s3.js'
import { startServer, type TestServer } from '../support/server.js'
import { type CuttingProxy, startCuttingProxy } from './cutting-proxy.js'
import { bytesFrom, expectWhole } from './evidence.js'
import { type RawTus, rawTus } from './raw-tus.js'
import { newS3Ground, type S3Ground } from './s3-ground.js'
import { startUpload } from './tus-client.js'

const MIB = 1024 * 1024

describeRadosgw('kill -9 in the middle of 200 MiB', () => {
  let ground: S3Ground
  let line: CuttingProxy
  let server: TestServer
  let tus: RawTus
  /** Of one test's own, to be killed. */
  let radosgw: Radosgw | undefined

  async function start(options: { embedded: boolean }): Promise<void> {
    line = await startCuttingProxy()
    if (options.embedded) {
      const env = { ...ground.bucket.env({ endpoint: ground.proxy.url }), PUBLIC_URL: line.url }
      server = await startServer({ embedded: true, env })
    } else server = await ground.startInstance({ PUBLIC_URL: line.url })
    line.forwardTo(server.url)
    tus = rawTus(server)
  }

  afterEach(async () => {
    await line.close()
    await server.dispose()
    await ground.dispose()
    await radosgw?.stop()
    radosgw = undefined
  })

  /** Stops the client's bytes half-way, lets `kill` do its work, and lets them go on. */
  async function sendThrough(source: Buffer, chunkSize: number, kill: () => Promise<void>): Promise<void> {
    const half = line.stallAfter(source.byteLength / 2)
    const watched = startUpload(source, { url: line.url, key: server.key }, { chunkSize })
    await half
    // S3 is still at work with what came last.
    await kill()
    line.goOn()
    await watched.done
    expect(watched.losses).toEqual([])
    expect(watched.headRefusals.filter((status) => status !== 423)).toEqual([])
    expect(watched.creations()).toBe(1)
    await expectWhole(tus, watched.id(), source)
    await ground.expectNothingLeftAfterDeletion(tus, watched.id())
    expect(await ground.stored()).toEqual([])
  }

  test('of the server', async () => {
    ground = await newS3Ground()
    await start({ embedded: false })
    await sendThrough(bytesFrom(1, 200 * MIB), Number.POSITIVE_INFINITY, async () => {
      await server.kill()
      await ground.lapseLeases()
      await server.restart()
    })
  })

  test('of the S3 gateway, which stays away for some seconds', async () => {
    const own = await startRadosgw()
    radosgw = own
    ground = await newS3Ground(own)
    await start({ embedded: false })
    await sendThrough(bytesFrom(2, 200 * MIB), 48 * MIB, async () => {
      await own.killGateway()
      line.goOn()
      await sleep(3000)
      await own.startGateway()
    })
  })

  test('of PostgreSQL', async () => {
    ground = await newS3Ground()
    await start({ embedded: true })
    await sendThrough(bytesFrom(3, 200 * MIB), 48 * MIB, () =>
      killCluster({ dataFolder: path.join(server.dataDir, 'postgres/data') }),
    )
  })
})
