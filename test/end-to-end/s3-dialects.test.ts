// One-shots and sessions on S3: what is taken is there, what is refused or cut leaves nothing in the bucket.

import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals'
import type { Report } from '../../server/uploads/report.js'
import { type Answer, ask, askRaw, inPieces } from '../dialects/exchange.js'
import { FORM_TYPE, file, form, part } from '../dialects/form.js'
import { expectProblem } from '../dialects/problem-of.js'
import { bodyOf, RestClient } from '../dialects/rest-client.js'
import { expectSameBytes, pathOf } from '../dialects/tus-client.js'
import { describeS3 } from '../support/s3.js'
import { fails } from '../support/s3-faults.js'
import type { TestServer } from '../support/server.js'
import { until } from '../support/until.js'
import { bytesFrom, digestsOf } from './evidence.js'
import { newS3Ground, PART_BYTES, type S3Ground } from './s3-ground.js'

const SMALL = bytesFrom(1, 10_000)
const BIG = bytesFrom(2, PART_BYTES + 3_000_001)

describeS3('the plain dialects on S3', () => {
  let ground: S3Ground
  let server: TestServer
  let rest: RestClient

  beforeAll(async () => {
    ground = await newS3Ground()
    server = await ground.startInstance({ RETRIEVAL_MODE: 'redirect' })
    rest = new RestClient(server)
  })
  beforeEach(() => ground.proxy.reset())
  afterAll(() => ground.dispose())

  const post = (headers: Record<string, string>, body: Uint8Array | Readable, query = '') =>
    rest.send('POST', `/files?filename=a.csv${query}`, headers, body)

  async function expectReady(id: string, bytes: Buffer): Promise<void> {
    await until(async () => (await rest.report(id)).state === 'ready')
    const report = await rest.report(id)
    expect(report).toMatchObject({ size: bytes.length, checksums: digestsOf(bytes) })
    // Never a redirect by its content, whatever retrieval does.
    const answer = await rest.send('GET', `/files/${report.file_id}`)
    expect(answer.status).toBe(200)
    expectSameBytes(answer.body, bytes)
    const range = await rest.send('GET', `/files/${report.file_id}`, { Range: 'bytes=5-14' })
    expect(range.status).toBe(206)
    expectSameBytes(range.body, bytes.subarray(5, 15))
    const retrieved = await ask(server.url, { method: 'GET', path: pathOf(report.retrieval_url) })
    expect(retrieved.status).toBe(302)
  }

  /** Ends the file, and asserts that nothing is left in the bucket. */
  async function removeAll(bytes: Buffer): Promise<void> {
    expect((await rest.send('DELETE', `/files/${digestsOf(bytes).sha256}`)).status).toBe(204)
    await expectEmpty()
  }

  async function expectEmpty(): Promise<void> {
    await until(async () => (await ground.stored()).length === 0).catch(() => {})
    await sleep(200)
    expect(await ground.stored()).toEqual([])
  }

  const ways: [string, (bytes: Buffer) => Promise<Answer>][] = [
    ['raw', (bytes) => post({ 'Content-Type': 'text/csv' }, bytes, `&sha256=${digestsOf(bytes).sha256}`)],
    ['chunked, of no known size', (bytes) => post({}, Readable.from(inPieces(bytes, 100_000)))],
    [
      'chunked, of a known size',
      (bytes) => post({}, Readable.from(inPieces(bytes, 100_000)), `&size=${bytes.length}`),
    ],
    ['in a form', (bytes) => post({ 'Content-Type': FORM_TYPE }, form([file(bytes)]))],
    [
      'in a form, of a known size',
      (bytes) => post({ 'Content-Type': FORM_TYPE }, form([part('size', String(bytes.length)), file(bytes)])),
    ],
  ]
  test.each(ways)(
    'a file in one request: %s',
    async (_, send) => {
      for (const bytes of [SMALL, BIG]) {
        const answer = await send(bytes)
        expect(answer.status).toBe(201)
        await expectReady(bodyOf<{ upload_id: string }>(answer).upload_id, bytes)
        expect((await ground.stored()).length).toBe(1)
        await removeAll(bytes)
      }
    },
    60_000,
  )

  test('a session by ranges, which is completed', async () => {
    for (const size of [BIG.length, undefined]) {
      const opened = await rest.json('POST', '/uploads', { filename: 'b.csv', size })
      const { id } = bodyOf(opened)
      for (const [start, end] of [
        [0, 1_000_000],
        [1_000_000, PART_BYTES + 5],
        [PART_BYTES + 5, BIG.length],
      ] as const) {
        const answer = await rest.patch(id, start, BIG.subarray(start, end), size ?? '*')
        expect([answer.status, answer.headers['upload-offset']]).toEqual([200, String(end)])
      }
      const done = await rest.complete(id, { checksums: digestsOf(BIG) })
      expect([done.status, bodyOf(done).state]).toEqual([200, 'ready'])
      await expectReady(id, BIG)
      await removeAll(BIG)
    }
  })

  test('what is refused leaves nothing', async () => {
    const wrong = `&md5=${'0'.repeat(32)}`
    for (const bytes of [SMALL, BIG]) {
      expectProblem(await post({}, bytes, wrong), 422, 'HASH_MISMATCH')
      expectProblem(
        await post({ 'Content-Type': FORM_TYPE }, form([file(bytes)]), wrong),
        422,
        'HASH_MISMATCH',
      )
      const two = form([file(bytes), file(SMALL)])
      expectProblem(await post({ 'Content-Type': FORM_TYPE }, two), 400, 'INVALID_INPUT')
      expectProblem(
        await post({ 'Content-Type': FORM_TYPE }, two, `&size=${bytes.length}`),
        400,
        'INVALID_INPUT',
      )
      expectProblem(await post({ 'Content-Type': FORM_TYPE }, form([file(bytes)], '')), 400, 'INVALID_INPUT')
      expectProblem(await post({}, bytes, `&package_id=${'0'.repeat(40)}`), 404, 'NOT_FOUND')
    }
    await expectEmpty()
  })

  test('a client that goes away leaves nothing', async () => {
    const body = form([file(BIG)])
    for (const [lines, bytes] of [
      [[`Content-Length: ${BIG.length}`], BIG.subarray(0, PART_BYTES + 2_000_000)],
      [
        [`Content-Length: ${body.length}`, `Content-Type: ${FORM_TYPE}`],
        body.subarray(0, PART_BYTES + 2_000_000),
      ],
      [[`Content-Length: ${body.length}`, `Content-Type: ${FORM_TYPE}`], body.subarray(0, -3)],
    ] as const) {
      const head = [
        'POST /files HTTP/1.1',
        'Host: 127.0.0.1',
        `Authorization: Bearer ${server.key}`,
        ...lines,
        '\r\n',
      ].join('\r\n')
      await askRaw(server.url, [head, bytes], { ending: 'destroy', before: () => sleep(500) })
    }
    await until(
      async () =>
        (await ground.rows("SELECT id FROM uploads WHERE state IN ('receiving', 'finalizing')")).length === 0,
    )
    await expectEmpty()
  })

  test('a store that takes its time to put the file together: 202, and ready soon after', async () => {
    ground.proxy.on({ operation: 'CompleteMultipartUpload', nth: 'every' }, fails(503, 'SlowDown'))
    const answer = await post({}, BIG)
    expect(answer.status).toBe(202)
    expect(answer.headers['preference-applied']).toBeUndefined()
    const report = bodyOf<Report>(answer)
    expect(report.state).toBe('finalizing')
    expect(pathOf(String(answer.headers.location))).toBe(`/uploads/${report.id}`)
    ground.proxy.reset()
    await expectReady(report.id, BIG)
    await removeAll(BIG)
  })

  test('a store that is away: 503, and nothing is left', async () => {
    ground.proxy.on({ operation: 'UploadPart', nth: 'every' }, fails(503, 'SlowDown'))
    const { detail } = expectProblem(await post({}, BIG), 503, 'UNAVAILABLE')
    expect(detail).toMatch(/Send it again/)
    ground.proxy.reset()
    await expectEmpty()
  })
})
