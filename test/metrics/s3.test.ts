// What the metrics say of S3 when it is well, when it fails for a moment, and when it fails for good.

import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals'
import { bytesFrom } from '../end-to-end/evidence.js'
import { type RawTus, rawTus } from '../end-to-end/raw-tus.js'
import { newS3Ground, PART_BYTES, type S3Ground } from '../end-to-end/s3-ground.js'
import { METRICS_TOKEN, scrape, sumOf } from '../support/metrics-text.js'
import { describeS3 } from '../support/s3.js'
import { fails } from '../support/s3-faults.js'
import type { TestServer } from '../support/server.js'
import { until } from '../support/until.js'

describeS3('metrics of a server on S3', () => {
  let ground: S3Ground
  let server: TestServer
  let tus: RawTus

  beforeAll(async () => {
    ground = await newS3Ground()
    server = await ground.startInstance({ METRICS_TOKEN })
    tus = rawTus(server)
  })
  beforeEach(() => ground.proxy.reset())
  afterAll(async () => ground?.dispose())

  async function counts(): Promise<Record<string, number>> {
    const samples = await scrape(server.url)
    const requests = (operation: string, outcome: string) =>
      sumOf(samples, 'antipasto_s3_duration_seconds_count', { operation, outcome }) || 0
    return {
      parts: requests('UploadPart', 'ok'),
      failedObjects: requests('PutObject', 'UNAVAILABLE'),
      retriedParts: sumOf(samples, 'antipasto_s3_retries_total', { operation: 'UploadPart' }) || 0,
      completions:
        sumOf(samples, 'antipasto_store_duration_seconds_count', { operation: 'complete', outcome: 'ok' }) ||
        0,
      unavailable: sumOf(samples, 'antipasto_refusals_total', { code: 'UNAVAILABLE' }),
    }
  }

  test('each request is counted with its outcome, and each one more that it took', async () => {
    const source = bytesFrom(1, 2 * PART_BYTES + 1)
    const before = await counts()
    const id = await tus.create(source.byteLength)
    ground.proxy.on({ operation: 'UploadPart', nth: 1, key: id }, fails(503, 'SlowDown'))
    expect((await tus.patch(id, 0, source))?.status).toBe(204)
    await until(async () => (await tus.report(id)).state === 'ready')
    const { UploadPart = 0 } = ground.proxy.counts()
    const after = await counts()
    expect(after.parts! - before.parts!).toBe(UploadPart - 1)
    expect(after.retriedParts! - before.retriedParts!).toBe(1)
    expect(after.completions! - before.completions!).toBe(1)
  })

  test('trouble that stays is an outcome of the store, and a refusal', async () => {
    const before = await counts()
    ground.proxy.on({ operation: 'PutObject', nth: 'every' }, fails(503, 'SlowDown'))
    const answer = await fetch(`${server.url}/files?filename=a.csv`, {
      method: 'POST',
      headers: { 'X-API-Key': server.key, 'Content-Type': 'text/csv' },
      body: 'a,b',
    })
    expect(answer.status).toBe(503)
    await until(async () => (await counts()).unavailable! > before.unavailable!)
    const after = await counts()
    expect(after.failedObjects! - before.failedObjects!).toBe(1)
    expect(after.unavailable! - before.unavailable!).toBe(1)
  })

  test('free space is nothing that a bucket has', async () => {
    expect(sumOf(await scrape(server.url), 'antipasto_store_free_bytes')).toBeNaN()
  })
})
