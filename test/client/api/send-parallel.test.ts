// One file in parts at once.

import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { bytesSource } from '../../../client/api/bytes-source.js'
import { Gone } from '../../../client/api/errors.js'
import { openFileSource } from '../../../client/api/node/file-source.js'
import { type ParallelOptions, partsOf, sendParallel } from '../../../client/api/send-parallel.js'
import type { Report } from '../../../server/uploads/report.js'
import type { CuttingProxy } from '../../end-to-end/cutting-proxy.js'
import { bytesFrom } from '../../end-to-end/evidence.js'
import fc from '../../support/properties.js'
import type { Traffic } from '../end-to-end/traffic.js'
import { type MeteredGround, newMeteredGround } from './send-ground.js'

const MIB = 1024 * 1024

let ground: MeteredGround
let traffic: Traffic
let proxy: CuttingProxy

beforeAll(async () => {
  ground = await newMeteredGround()
  ;({ traffic, proxy } = ground)
})
afterAll(() => ground.dispose())

function options(filename: string, more: Partial<ParallelOptions> = {}): ParallelOptions {
  return { metadata: { filename }, httpStack: ground.network.httpStack, parts: 3, ...more }
}

/** The server reads what it has put together once more, for its digests. */
async function finished(url: string): Promise<Report> {
  for (;;) {
    const report = await ground.report(url)
    if (report.state !== 'receiving' && report.state !== 'finalizing') return report
    await sleep(50)
  }
}

const posts = (from: number) => traffic.exchanges.slice(from).filter(({ method }) => method === 'POST').length

test('parts are without gap, of any size, the same each time', () => {
  fc.assert(
    fc.property(fc.nat(1_000_000), fc.integer({ min: 1, max: 40 }), (sizeBytes, count) => {
      const parts = partsOf(sizeBytes, count)
      expect(parts.length).toBe(count)
      expect(parts[0]?.start).toBe(0)
      expect(parts.at(-1)?.end).toBe(sizeBytes)
      for (const [index, { start, end }] of parts.entries()) {
        expect(end).toBeGreaterThanOrEqual(start)
        if (index > 0) expect(start).toBe(parts[index - 1]?.end)
      }
    }),
  )
})

test('arrive as one file, cut as they are, with a digest that both ends have', async () => {
  const bytes = bytesFrom(1, 24 * MIB + 5)
  const source = await openFileSource(await ground.file(bytes))
  const told: number[] = []
  const parts: (readonly (string | null)[])[] = []
  const sending = sendParallel(
    ground.connection(proxy.url),
    source,
    options('whole.bin', {
      idempotencyKey: 'parallel-test-1',
      onProgress: (sentBytes) => void told.push(sentBytes),
      onParts: (urls) => void parts.push(urls),
    }),
  )
  for (const bytes of [5 * MIB, 6 * MIB]) await Promise.race([proxy.cutAfter(bytes), sending])
  const { url } = await sending
  const report = await finished(url)
  expect(report).toMatchObject({ state: 'ready', filename: 'whole.bin', size: bytes.byteLength })
  expect(report.checksums?.sha256).toBe(createHash('sha256').update(bytes).digest('hex'))
  expect(await source.sha256()).toBe(report.checksums?.sha256)
  expect(parts.at(-1)?.filter((part) => part !== null).length).toBe(3)
  expect(told.at(-1)).toBe(bytes.byteLength)
  await source.close()
})

test('go on in another process by their URLs, those that were not begun, too', async () => {
  const bytes = bytesFrom(2, 24 * MIB)
  const controller = new AbortController()
  let partUrls: readonly (string | null)[] = []
  proxy.delay(10)
  const broken = sendParallel(
    ground.connection(proxy.url),
    bytesSource(bytes),
    options('twice.bin', {
      signal: controller.signal,
      chunkBytes: MIB,
      onParts(urls) {
        partUrls = urls
      },
      onProgress: (_sent, acknowledged) => acknowledged > 4 * MIB && controller.abort(new Error('Enough.')),
    }),
  )
  await expect(broken).rejects.toThrow('Enough.')
  proxy.delay(0)
  const from = traffic.exchanges.length
  const again = options('twice.bin', { partUrls: [...partUrls.slice(0, 2), null] })
  const { url } = await sendParallel(ground.connection(proxy.url), bytesSource(bytes), again)
  expect((await finished(url)).checksums?.sha256).toBe(createHash('sha256').update(bytes).digest('hex'))
  // One part, and the whole.
  expect(posts(from)).toBe(2)
  const sentBytes = traffic.exchanges.slice(from).reduce((sum, { bodyBytes }) => sum + bodyBytes, 0)
  expect(sentBytes).toBeLessThan(bytes.byteLength)
})

test('end together when one of them is gone', async () => {
  const gone = await fetch(`${ground.server.url}/uploads`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${ground.server.key}`,
      'tus-resumable': '1.0.0',
      'upload-length': String(8 * MIB),
      'upload-concat': 'partial',
    },
  })
  const id = gone.headers.get('location')?.split('/').at(-1)
  const url = `${ground.server.url}/uploads/${id}`
  await fetch(url, { method: 'DELETE', headers: { authorization: `Bearer ${ground.server.key}` } })
  const sending = sendParallel(
    ground.connection(),
    bytesSource(bytesFrom(3, 24 * MIB)),
    options('gone.bin', { partUrls: [null, url, null] }),
  )
  await expect(sending).rejects.toBeInstanceOf(Gone)
})

test('a small file is not worth parts', async () => {
  const from = traffic.exchanges.length
  await sendParallel(ground.connection(proxy.url), bytesSource(bytesFrom(4, MIB)), options('small.bin'))
  expect(traffic.exchanges.slice(from).map(({ method }) => method)).toEqual(['POST'])
})
