// Random sizes, chunks and accidents on real sockets. A failure prints fast-check's seed and path, which repeat it.

import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import fc from '../support/properties.js'
import { startServer, type TestServer } from '../support/server.js'
import { type CuttingProxy, type Manner, startCuttingProxy } from './cutting-proxy.js'
import { bytesFrom, expectWhole, storedFiles } from './evidence.js'
import { type Answer, type RawTus, rawTus } from './raw-tus.js'
import { startUpload } from './tus-client.js'

const KIB = 1024
const MIB = 1024 * KIB
/** Each property stops after this time, with however many runs it had. */
const TIME_LIMIT_MS = 20_000

let proxy: CuttingProxy
let server: TestServer
let tus: RawTus
let filesBefore: { tmp: string[]; objects: string[] }

beforeAll(async () => {
  proxy = await startCuttingProxy()
  server = await startServer()
  proxy.forwardTo(server.url)
  tus = rawTus(server)
})

beforeEach(async () => {
  filesBefore = await storedFiles(server.dataDir)
})

afterAll(async () => {
  await proxy.close()
  await server.dispose()
})

const around = (bytes: number) => [bytes - 1, bytes, bytes + 1]
const sizes = fc.oneof(
  fc.constantFrom(0, 1, 2, 3, 997, ...around(64 * KIB), ...around(128 * KIB), ...around(MIB), 4 * MIB + 17),
  fc.integer({ min: 0, max: 300 * KIB }),
  fc.integer({ min: 0, max: 8 * MIB }),
)

/** What happens to one PATCH. `at` is where in its body, 0 to 1. */
type Accident = { kind: 'none' } | { kind: 'cut' | 'kill' | 'stall'; at: number }

interface Step {
  chunkBytes: number
  pieceBytes: number
  isAnnounced: boolean
  hasChecksum: boolean
  accident: Accident
}

const at = fc.double({ min: 0, max: 1, noNaN: true })
const steps: fc.Arbitrary<Step> = fc.record({
  chunkBytes: fc.oneof(fc.integer({ min: 0, max: 70 * KIB }), fc.integer({ min: 1, max: 4 * MIB })),
  pieceBytes: fc.integer({ min: 1, max: 300 * KIB }).map((bytes) => Math.max(bytes, 2 * KIB)),
  isAnnounced: fc.boolean(),
  hasChecksum: fc.boolean(),
  accident: fc.oneof(
    { weight: 4, arbitrary: fc.constant<Accident>({ kind: 'none' }) },
    { weight: 6, arbitrary: fc.record({ kind: fc.constant('cut' as const), at }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('stall' as const), at }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('kill' as const), at }) },
  ),
})

describe('whatever is cut where', () => {
  test(
    'the finished object is the source, no acknowledged byte is lost, and a deletion leaves nothing',
    async () => {
      await forSomeTime(
        fc.tuple(fc.integer(), sizes, fc.boolean(), fc.array(steps, { maxLength: 6 })),
        ([seed, size, isDeferred, plan]) => sendAndCheck(bytesFrom(seed, size), isDeferred, plan),
      )
    },
    TIME_LIMIT_MS * 3,
  )

  test(
    'tus-js-client ends with the source and never starts again',
    async () => {
      const cuts = fc.array(
        fc.record({
          bytes: fc.integer({ min: 1, max: 3 * MIB }),
          manner: fc.constantFrom<Manner>('reset', 'close'),
        }),
        { maxLength: 4 },
      )
      const chunkSizes = fc.option(fc.integer({ min: 100 * KIB, max: 4 * MIB }), {
        nil: Number.POSITIVE_INFINITY,
      })
      await forSomeTime(
        fc.tuple(fc.integer(), sizes, chunkSizes, fc.boolean(), cuts),
        ([seed, size, ...rest]) => sendByClientAndCheck(bytesFrom(seed, size), ...rest),
      )
    },
    TIME_LIMIT_MS * 3,
  )
})

async function forSomeTime<T>(cases: fc.Arbitrary<T>, check: (example: T) => Promise<void>): Promise<void> {
  let last: Promise<void> = Promise.resolve()
  let runs = 0
  const property = fc.asyncProperty(cases, (example) => {
    runs += 1
    last = check(example)
    return last
  })
  await fc.assert(property, { numRuns: 1000, interruptAfterTimeLimit: TIME_LIMIT_MS, endOnFailure: true })
  // The one that the time limit interrupted is still at work, and has to be right too.
  await last
  expect(runs).toBeGreaterThan(1)
}

async function sendAndCheck(source: Buffer, isDeferred: boolean, plan: readonly Step[]): Promise<void> {
  const id = await tus.create(isDeferred ? null : source.byteLength)
  const sending: Sending = { id, acknowledgedBytes: 0, sentEnd: 0, isAlone: true }
  for (const step of plan) {
    const { acknowledgedBytes } = sending
    if (acknowledgedBytes === source.byteLength) break
    await sendStep(sending, source.subarray(acknowledgedBytes, acknowledgedBytes + step.chunkBytes), step)
  }
  // The rest in one go; for a deferred length this is also what declares it.
  const declaration = isDeferred ? { 'Upload-Length': String(source.byteLength) } : {}
  for (let isFinished = false; !isFinished; ) {
    if (!isDeferred && sending.acknowledgedBytes === source.byteLength) break
    const rest = source.subarray(sending.acknowledgedBytes)
    sending.sentEnd = source.byteLength
    isFinished = await acceptAnswer(
      sending,
      await tus.patch(id, sending.acknowledgedBytes, rest, declaration),
      rest,
    )
  }
  await expectWhole(tus, id, source)
  expect((await tus.head(id)).headers['upload-offset']).toBe(String(source.byteLength))
  await expectNothingLeftAfterDeletion(id)
}

interface Sending {
  readonly id: string
  acknowledgedBytes: number
  /** Behind the last byte that has ever been sent. */
  sentEnd: number
  /**
   * No earlier request can still be on its way. One that was cut may reach the server after the HEAD that follows it on
   * another connection: more is stored then than HEAD said, never less.
   */
  isAlone: boolean
}

async function sendStep(sending: Sending, body: Buffer, step: Step): Promise<void> {
  const { id, acknowledgedBytes: offset } = sending
  const { accident, hasChecksum, isAnnounced } = step
  const checksum = `sha256 ${createHash('sha256').update(body).digest('base64')}`
  const patch = tus.startPatch(
    id,
    offset,
    isAnnounced ? body.byteLength : null,
    hasChecksum ? { 'Upload-Checksum': checksum } : {},
  )
  const sentBytes = accident.kind === 'none' ? body.byteLength : Math.floor(body.byteLength * accident.at)
  for (let sent = 0; sent < sentBytes; sent += step.pieceBytes) {
    await patch.write(body.subarray(sent, Math.min(sent + step.pieceBytes, sentBytes)))
  }
  sending.sentEnd = Math.max(sending.sentEnd, offset + sentBytes)

  if (accident.kind === 'none') {
    patch.end()
    await acceptAnswer(sending, await patch.answer, body)
    return
  }
  if (accident.kind === 'cut') patch.cut()
  if (accident.kind === 'kill') {
    await server.kill()
    await server.restart()
  }
  // After a stall this HEAD takes the upload over from a request that still has its connection.
  await askOffset(sending)
  // A body with a checksum counts whole or not at all.
  if (sending.isAlone && hasChecksum && sending.acknowledgedBytes !== offset) {
    expect(sending.acknowledgedBytes).toBe(offset + body.byteLength)
  }
  patch.cut()
  const answer = await patch.answer
  if (accident.kind === 'kill') sending.isAlone = true
  else if (answer === null) sending.isAlone = false
}

/** @returns whether all of `body` was taken; otherwise the offset has been asked for */
async function acceptAnswer(sending: Sending, answer: Answer | null, body: Buffer): Promise<boolean> {
  const end = sending.acknowledgedBytes + body.byteLength
  if (answer?.status === 204) {
    expect(answer.headers['upload-offset']).toBe(String(end))
    sending.acknowledgedBytes = end
    return true
  }
  // Only an earlier request of ours can have moved the offset or taken the upload over.
  expect(sending.isAlone).toBe(false)
  expect([409, 423]).toContain(answer?.status)
  await askOffset(sending)
  return false
}

async function askOffset(sending: Sending): Promise<void> {
  const offset = await tus.offset(sending.id)
  expect(offset).toBeGreaterThanOrEqual(sending.acknowledgedBytes)
  expect(offset).toBeLessThanOrEqual(sending.sentEnd)
  sending.acknowledgedBytes = offset
}

async function sendByClientAndCheck(
  source: Buffer,
  chunkSize: number,
  uploadDataDuringCreation: boolean,
  cuts: readonly { bytes: number; manner: Manner }[],
): Promise<void> {
  let isDone = false
  // The first answer has come before the first cut: a creation that is cut is repeated, and that's no loss.
  const watched = startUpload(
    source,
    { url: proxy.url, key: server.key },
    {
      chunkSize,
      uploadDataDuringCreation,
      retryDelays: Array.from({ length: 200 }, () => 20),
    },
  )
  const done = watched.done.finally(() => {
    isDone = true
  })
  while (watched.creations() === 0 && !isDone) await sleep(1)
  for (const { bytes, manner } of cuts) {
    if (isDone) break
    await Promise.race([proxy.cutAfter(bytes, manner), done])
  }
  await done
  proxy.goOn()
  expect(watched.losses).toEqual([])
  expect(watched.headRefusals.filter((status) => status !== 423)).toEqual([])
  expect(watched.creations()).toBe(1)
  await expectWhole(tus, watched.id(), source)
  await expectNothingLeftAfterDeletion(watched.id())
}

async function expectNothingLeftAfterDeletion(id: string): Promise<void> {
  expect((await tus.remove(id)).status).toBe(204)
  expect((await tus.head(id)).status).toBe(410)
  expect(await storedFiles(server.dataDir)).toEqual(filesBefore)
}
