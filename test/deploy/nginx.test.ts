// nginx as docker-compose.yml configures it, in front of real servers: that it lets pass what tus needs.

import { createHash } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { type Answer, ask } from '../dialects/exchange.js'
import { expectProblem } from '../dialects/problem-of.js'
import { pathOf, rowsOf } from '../dialects/tus-client.js'
import { bytesFrom, expectWhole } from '../end-to-end/evidence.js'
import { type RawTus, rawTus } from '../end-to-end/raw-tus.js'
import { newS3Ground, type S3Ground } from '../end-to-end/s3-ground.js'
import { startUpload } from '../end-to-end/tus-client.js'
import { findFreePort } from '../support/free-port.js'
import { describeS3 } from '../support/s3.js'
import { startServer, type TestServer } from '../support/server.js'
import { until } from '../support/until.js'
import { describeNginx } from './describe-nginx.js'
import { type Nginx, originAt, startNginx } from './nginx.js'

const MIB = 1024 * 1024
const source = bytesFrom(1, 50 * MIB)

describeNginx('nginx in front of an instance that lives and one that does not', () => {
  let server: TestServer
  let nginx: Nginx
  let tus: RawTus

  const get = (path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Answer> =>
    ask(nginx.url, { method, path, headers: { Authorization: `Bearer ${server.key}`, ...headers } })

  beforeAll(async () => {
    const port = await findFreePort()
    server = await startServer({ env: { PUBLIC_URL: originAt(port), NO_PROGRESS_TIMEOUT: '2s' } })
    nginx = await startNginx(port, [server.url, originAt(await findFreePort())])
    tus = rawTus({ url: nginx.url, key: server.key })
  })
  afterAll(async () => {
    await nginx.dispose()
    await server.dispose()
  })

  test('bytes reach the server as they come, and none wait in a file: a broken upload has kept them', async () => {
    const id = await tus.create(source.byteLength)
    const half = tus.startPatch(id, 0, source.byteLength)
    await half.write(source.subarray(0, 25 * MIB))
    // While the request is open, the server holds its lease: it has begun.
    await until(async () => {
      const [row] = await rowsOf<{ held: boolean }>(
        server,
        'SELECT lease_holder IS NOT NULL AS held FROM uploads WHERE id = $1',
        [id],
      )
      return row?.held === true
    })
    expect(await nginx.spooled()).toEqual([])
    half.cut()
    await half.answer

    // What was on its way through kernels and nginx when the connection broke may be lost, no more.
    const offset = await tus.offset(id)
    expect(offset).toBeGreaterThan(15 * MIB)
    expect((await tus.patch(id, offset, source.subarray(offset)))?.status).toBe(204)
    expect(await nginx.spooled()).toEqual([])
    await expectWhole(tus, id, source)
  })

  test('a download passes through whole and in ranges, without a file', async () => {
    const id = await tus.create(source.byteLength)
    expect((await tus.patch(id, 0, source))?.status).toBe(204)
    const path = pathOf((await tus.report(id)).retrieval_url)
    const whole = await get(path)
    expect(whole.headers['content-length']).toBe(String(source.byteLength))
    expect(whole.headers['transfer-encoding']).toBeUndefined()
    expect(createHash('sha256').update(whole.body).digest('hex')).toBe(
      createHash('sha256').update(source).digest('hex'),
    )
    const range = await get(path, { Range: 'bytes=1000000-1000009' })
    expect([range.status, range.headers['content-range']]).toEqual([
      206,
      `bytes 1000000-1000009/${source.byteLength}`,
    ])
    expect(range.body.equals(source.subarray(1_000_000, 1_000_010))).toBe(true)
    expect(await nginx.spooled()).toEqual([])
  })

  test('an upload that stalls is ended by the server, not by nginx, and keeps what it brought', async () => {
    const id = await tus.create(10 * MIB)
    const stalled = tus.startPatch(id, 0, 10 * MIB)
    await stalled.write(source.subarray(0, 3 * MIB))
    expect((await stalled.answer)?.status).toBe(408)
    expect(await tus.offset(id)).toBe(3 * MIB)
  })

  test('the server’s own errors come through as they are', async () => {
    expectProblem(await get('/uploads/0123456789'), 404, 'NOT_FOUND')
    const id = await tus.create(5)
    const wrong = await tus.patch(id, 3, Buffer.from('xx'))
    expect([wrong?.status, wrong?.headers['content-type']]).toEqual([
      409,
      expect.stringContaining('application/problem+json'),
    ])
  })

  test('headers as long as Node takes pass: tus metadata is one', async () => {
    expect((await get('/uploads', { 'X-Long': 'x'.repeat(15_000) })).status).toBe(200)
  })

  test('a dead instance costs nobody an answer', async () => {
    for (let i = 0; i < 20; i++) expect((await get('/uploads')).status).toBe(200)
    expect((await get('/healthz')).status).toBe(200)
  })
})

describeNginx('nginx while no instance lives', () => {
  let server: TestServer
  let nginx: Nginx
  let tus: RawTus

  beforeAll(async () => {
    const port = await findFreePort()
    server = await startServer({ env: { PUBLIC_URL: originAt(port) } })
    nginx = await startNginx(port, [server.url, originAt(await findFreePort())])
    tus = rawTus({ url: nginx.url, key: server.key })
  })
  afterAll(async () => {
    await nginx.dispose()
    await server.dispose()
  })

  test('HEAD is 423, so that no client gives its upload up; all else 503, as a problem with Retry-After', async () => {
    const id = await tus.create(5)
    await server.kill()
    const head = await tus.head(id)
    expect([head.status, head.headers['retry-after']]).toEqual([423, '5'])
    const patch = await tus.patch(id, 0, Buffer.from('hello'))
    expect(patch?.status).toBe(503)
    expect(patch?.headers).toMatchObject({
      'content-type': 'application/problem+json',
      'retry-after': '5',
      'cache-control': 'no-store',
    })
    expect(JSON.parse(patch?.body.toString() ?? '')).toMatchObject({ status: 503, code: 'UNAVAILABLE' })
    await server.restart()
    expect(await tus.offset(id)).toBe(0)
  })

  test('tus-js-client goes on with its upload after the instance was killed and came back', async () => {
    const upload = startUpload(source, { url: nginx.url, key: server.key }, { chunkSize: 4 * MIB })
    await until(async () => upload.acknowledgedBytes() >= 8 * MIB)
    await server.kill()
    await until(async () => upload.headRefusals.length > 2)
    await server.restart()
    await upload.done
    expect(new Set(upload.headRefusals)).toEqual(new Set([423]))
    expect([upload.creations(), upload.losses]).toEqual([1, []])
    await expectWhole(tus, upload.id(), source)
  })
})

describeNginx('nginx in front of two instances', () => {
  describeS3('on one bucket and one database', () => {
    let ground: S3Ground
    let nginx: Nginx
    let tus: RawTus
    let instances: [TestServer, TestServer]

    beforeAll(async () => {
      ground = await newS3Ground()
      const port = await findFreePort()
      const env = { PUBLIC_URL: originAt(port) }
      instances = [await ground.startInstance(env), await ground.startInstance(env)]
      nginx = await startNginx(port, [instances[0].url, instances[1].url])
      tus = rawTus({ url: nginx.url, key: instances[0].key })
    })
    afterAll(async () => {
      await nginx.dispose()
      await ground.dispose()
    })

    test('an upload in chunks goes through both, and is whole', async () => {
      const id = await tus.create(source.byteLength)
      for (let offset = 0; offset < source.byteLength; offset += 5 * MIB) {
        expect((await tus.patch(id, offset, source.subarray(offset, offset + 5 * MIB)))?.status).toBe(204)
      }
      await expectWhole(tus, id, source)
      const served = instances.map((instance) => instance.logs().split(`/uploads/${id}`).length - 1)
      expect(Math.min(...served)).toBeGreaterThan(0)
    })

    test('one of the two is killed in the middle: the client goes on with the other', async () => {
      const upload = startUpload(source, { url: nginx.url, key: instances[0].key }, { chunkSize: 8 * MIB })
      await until(async () => upload.acknowledgedBytes() >= 8 * MIB)
      await instances[0].kill()
      await upload.done
      expect([upload.creations(), upload.losses]).toEqual([1, []])
      await expectWhole(tus, upload.id(), source)
    })
  })
})
