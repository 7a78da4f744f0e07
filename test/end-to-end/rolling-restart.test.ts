// Two instances behind nginx, restarted one after the other under load: no client fails, and nothing that was acknowledged is lost.

import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { describeNginx } from '../deploy/describe-nginx.js'
import { type Nginx, originAt, startNginx } from '../deploy/nginx.js'
import { findFreePort } from '../support/free-port.js'
import { describeS3 } from '../support/s3.js'
import type { TestServer } from '../support/server.js'
import { until } from '../support/until.js'
import { bytesFrom, digestsOf } from './evidence.js'
import { type RawTus, rawTus } from './raw-tus.js'
import {
  type Client,
  chunks,
  longDownload,
  longPatch,
  plainPosts,
  readyEvents,
  reports,
  shortDownloads,
  smallFiles,
  type Told,
} from './restart-clients.js'
import { newS3Ground, type S3Ground } from './s3-ground.js'

const MIB = 1024 * 1024
const ROUNDS = 2
/** nginx's fail_timeout. */
const FAIL_TIMEOUT_MS = 5_000

describeNginx('two instances behind nginx', () => {
  describeS3('on one bucket and one database', () => {
    let ground: S3Ground
    let nginx: Nginx
    let tus: RawTus
    let instances: [TestServer, TestServer]

    beforeAll(async () => {
      ground = await newS3Ground()
      const port = await findFreePort()
      // Uploads are paused after 0.75 s, downloads cut after 3.
      const env = { PUBLIC_URL: originAt(port), STOP_TIMEOUT: '3s' }
      instances = [await ground.startInstance(env), await ground.startInstance(env)]
      nginx = await startNginx(port, [instances[0].url, instances[1].url])
      tus = rawTus({ url: nginx.url, key: instances[0].key })
    })
    afterAll(async () => {
      await nginx.dispose()
      await ground.dispose()
    })

    test('restarted in turn under load, no client fails, and every byte and event is there', async () => {
      const place = { url: nginx.url, key: instances[0].key }
      const big = bytesFrom(1, 40 * MIB)
      const small = bytesFrom(2, 2 * MIB)
      const [bigUrl, smallUrl] = await Promise.all(
        [big, small].map(async (source) => {
          const id = await tus.create(source.byteLength)
          expect((await tus.patch(id, 0, source))?.status).toBe(204)
          return String((await tus.report(id)).retrieval_url)
        }),
      )
      const ready: string[] = []
      const clients: Record<string, Client> = {
        chunks: chunks(place, 1_000),
        'long PATCH': longPatch(tus, 2_000),
        'small files': smallFiles(place, 3_000),
        posts: plainPosts(place, 4_000),
        reports: reports(place),
        'short downloads': shortDownloads(String(smallUrl), small),
        'long download': longDownload(String(bigUrl), big),
      }
      const [work, listening] = [new AbortController(), new AbortController()]
      const running = Object.entries(clients).map(
        async ([name, run]): Promise<[string, Told]> => [name, await run(work.signal)],
      )
      // A client that gives up ends the test at once.
      const failed = Promise.race(running.map((one) => one.then(() => new Promise<never>(() => {}))))
      const events = readyEvents(place, ready)(listening.signal)

      const restarts = async (): Promise<void> => {
        await sleep(1_000)
        for (let round = 0; round < ROUNDS; round += 1) {
          for (const instance of instances) {
            expect(await instance.stop()).toBe(0)
            await instance.restart()
            // Each of nginx's workers for itself spares an instance that refused it, and tells nobody when it is over.
            await sleep(FAIL_TIMEOUT_MS + 500)
          }
        }
      }
      await Promise.race([restarts(), failed])
      work.abort()
      const told = Object.fromEntries(await Promise.all(running))

      // A bug would have ended it, and the next start hidden that.
      for (const instance of instances) expect(instance.logs()).not.toContain('"level":"fatal"')
      for (const [name, { rounds }] of Object.entries(told)) expect([name, rounds > 0]).toEqual([name, true])
      // What a stop does to those that run for long: they go on, by HEAD and by Range.
      const isMeant = (refusal: string) => ['PATCH 503 UNAVAILABLE', 'download cut'].includes(refusal)
      expect(told['long PATCH']?.refusals.filter((refusal) => !isMeant(refusal))).toEqual([])
      expect(told['long download']?.refusals.filter((refusal) => !isMeant(refusal))).toEqual([])
      // All others have noticed nothing.
      const others = Object.entries(told).filter(([name]) => !name.startsWith('long'))
      expect(
        others.flatMap(([name, { refusals }]) => refusals.map((refusal) => `${name}: ${refusal}`)),
      ).toEqual([])

      const uploads = Object.values(told).flatMap((one) => one.uploads)
      for (const { id, source } of uploads) {
        expect(await tus.report(id)).toMatchObject({ state: 'ready', checksums: digestsOf(source) })
      }
      await until(async () => uploads.every(({ id }) => ready.includes(id)))
      expect(new Set(ready).size).toBe(ready.length)
      listening.abort()
      await events
    }, 240_000)
  })
})
