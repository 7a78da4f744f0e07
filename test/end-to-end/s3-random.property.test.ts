// Random sizes, chunks and accidents on two servers and a bucket. A failure prints fast-check's seed and path, which repeat it.
// S3_PROPERTY_SECONDS, 30 by default, says for how long new examples are begun.

import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import fc from '../support/properties.js'
import { describeS3 } from '../support/s3.js'
import {
  type Action,
  cutBefore,
  cutInside,
  delaysAnswer,
  fails,
  forwards,
  losesAnswer,
} from '../support/s3-faults.js'
import type { TestServer } from '../support/server.js'
import { PATIENCE_MS } from '../support/until.js'
import { bytesFrom, expectWhole, reportWhen } from './evidence.js'
import { type Answer, type RawTus, rawTus } from './raw-tus.js'
import { newS3Ground, PART_BYTES, type S3Ground } from './s3-ground.js'

const KIB = 1024
const MIB = 1024 * KIB
const TIME_LIMIT_MS = Number(process.env.S3_PROPERTY_SECONDS ?? 30) * 1000

const around = (bytes: number) => [bytes - 1, bytes, bytes + 1]
const sizes = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(0, 1, 997, ...around(128 * KIB), ...around(512 * KIB), 5 * MIB) },
  { weight: 3, arbitrary: fc.constantFrom(...around(PART_BYTES), ...around(2 * PART_BYTES)) },
  { weight: 2, arbitrary: fc.integer({ min: 0, max: 8 * MIB }) },
  { weight: 2, arbitrary: fc.integer({ min: 0, max: 60 * MIB }) },
)

/** What the client, or the bucket's owner, does in the middle of one PATCH. `at` is where in its body, 0 to 1. */
type Accident = { kind: 'none' | 'abort' } | { kind: 'cut' | 'stall'; at: number }

interface Step {
  /** Which of the two servers. */
  instance: number
  chunkBytes: number
  hasChecksum: boolean
  accident: Accident
}

/** What S3 does to one of an upload's requests, or with `isAway` to all of that kind for a while. */
interface Trouble {
  operation: (typeof OPERATIONS)[number]
  nth: number
  action: keyof typeof ACTIONS
  isAway: boolean
}

const OPERATIONS = ['UploadPart', 'PutObject', 'CreateMultipartUpload', 'CompleteMultipartUpload'] as const
const ACTIONS = {
  'answers 500': fails(500, 'InternalError'),
  'answers 503': fails(503, 'SlowDown'),
  'cuts before': cutBefore,
  'cuts inside': cutInside,
  'loses the answer': losesAnswer,
  'is slow': delaysAnswer(700),
}
/** How long S3 is away when it is: longer than a server tries again. */
const AWAY_MS = 3000

const at = fc.double({ min: 0, max: 1, noNaN: true })
const steps: fc.Arbitrary<Step> = fc.record({
  instance: fc.nat({ max: 1 }),
  chunkBytes: fc.oneof(
    fc.integer({ min: 0, max: 200 * KIB }),
    fc.integer({ min: 1, max: 6 * MIB }),
    fc.constantFrom(...around(PART_BYTES)),
    fc.integer({ min: 1, max: 40 * MIB }),
  ),
  hasChecksum: fc.boolean(),
  accident: fc.oneof(
    { weight: 6, arbitrary: fc.constant<Accident>({ kind: 'none' }) },
    { weight: 4, arbitrary: fc.record({ kind: fc.constantFrom('cut' as const, 'stall' as const), at }) },
    { weight: 1, arbitrary: fc.constant<Accident>({ kind: 'abort' }) },
  ),
})
const troubles: fc.Arbitrary<Trouble> = fc.record({
  operation: fc.constantFrom(...OPERATIONS),
  nth: fc.integer({ min: 1, max: 3 }),
  action: fc.constantFrom(...(Object.keys(ACTIONS) as (keyof typeof ACTIONS)[])),
  isAway: fc.integer({ min: 0, max: 5 }).map((roll) => roll === 0),
})

interface Plan {
  seed: number
  sizeBytes: number
  isDeferred: boolean
  steps: Step[]
  troubles: Trouble[]
}

const plans: fc.Arbitrary<Plan> = fc.record({
  seed: fc.integer(),
  sizeBytes: sizes,
  isDeferred: fc.boolean(),
  steps: fc.array(steps, { maxLength: 6 }),
  troubles: fc.array(troubles, { maxLength: 3 }),
})

/** Several uploads at once, and maybe kill -9 of one of the servers some time after they began. */
const examples = fc.record({
  plans: fc.array(plans, { minLength: 1, maxLength: 4 }),
  kill: fc.option(fc.record({ instance: fc.nat({ max: 1 }), afterMs: fc.integer({ min: 0, max: 1500 }) }), {
    freq: 2,
  }),
})

interface Sending {
  readonly id: string
  readonly source: Buffer
  readonly isDeferred: boolean
  acknowledgedBytes: number
  /** Behind the last byte that has ever been sent. */
  sentEnd: number
  /** Its multipart was aborted behind the servers' backs: it may fail, and nothing else may. */
  wasAborted: boolean
}

describeS3('whatever is cut, fails or is killed', () => {
  let ground: S3Ground
  let servers: TestServer[]
  let clients: RawTus[]

  beforeAll(async () => {
    ground = await newS3Ground()
    servers = [await ground.startInstance(), await ground.startInstance()]
    clients = servers.map(rawTus)
  })

  afterAll(() => ground.dispose())

  test(
    'the object is the source or the upload has failed, no acknowledged byte is lost, and a deletion leaves nothing',
    async () => {
      let last: Promise<void> = Promise.resolve()
      let runs = 0
      const property = fc.asyncProperty(examples, (example) => {
        runs += 1
        last = check(example)
        return last
      })
      await fc.assert(property, {
        numRuns: 100_000,
        interruptAfterTimeLimit: TIME_LIMIT_MS,
        endOnFailure: true,
      })
      // The one that the time limit interrupted is still at work, and has to be right too.
      await last
      expect(runs).toBeGreaterThan(1)
    },
    TIME_LIMIT_MS + 120_000,
  )

  async function check({
    plans,
    kill,
  }: {
    plans: Plan[]
    kill: { instance: number; afterMs: number } | null
  }) {
    ground.proxy.reset()
    const killing = kill === null ? null : killLater(kill)
    try {
      await Promise.all(plans.map(send))
    } finally {
      await killing
    }
  }

  async function killLater({ instance, afterMs }: { instance: number; afterMs: number }): Promise<void> {
    await sleep(afterMs)
    await servers[instance]?.kill()
    // Its own would lapse in 10 s. The living server's lapse too: that is one accident more.
    await ground.lapseLeases()
    await servers[instance]?.restart()
  }

  async function send({ seed, sizeBytes, isDeferred, steps, troubles }: Plan): Promise<void> {
    const source = bytesFrom(seed, sizeBytes)
    const id = await anywhere((tus) => tus.create(isDeferred ? null : sizeBytes))
    for (const { operation, nth, action, isAway } of troubles) {
      if (isAway) ground.proxy.on({ operation, nth: 'every', key: id }, forAWhile(ACTIONS[action]))
      else ground.proxy.on({ operation, nth, key: id }, ACTIONS[action])
    }
    const sending: Sending = { id, source, isDeferred, acknowledgedBytes: 0, sentEnd: 0, wasAborted: false }
    let isGoing = true
    for (const step of steps) {
      if (!isGoing || sending.acknowledgedBytes === sizeBytes) break
      isGoing = await sendStep(sending, step)
    }
    // The rest in one go; for a deferred length this is also what declares it.
    for (let turn = 0; isGoing && !(await isWhole(sending)); turn += 1) {
      expect(turn).toBeLessThan(100)
      const rest = { instance: turn % 2, chunkBytes: sizeBytes, hasChecksum: false }
      isGoing = await sendStep(sending, { ...rest, accident: { kind: 'none' } })
    }
    await expectEnd(sending, isGoing)
  }

  /** @returns false when the upload has ended before its last byte */
  async function sendStep(sending: Sending, step: Step): Promise<boolean> {
    const { id, source, isDeferred, acknowledgedBytes: offset } = sending
    const { accident, hasChecksum } = step
    const body = source.subarray(offset, offset + step.chunkBytes)
    const end = offset + body.byteLength
    if (accident.kind === 'abort' && (await ground.abortMultiparts(id)) > 0) sending.wasAborted = true
    const patch = (clients[step.instance] as RawTus).startPatch(id, offset, body.byteLength, {
      ...(hasChecksum
        ? { 'Upload-Checksum': `sha1 ${createHash('sha1').update(body).digest('base64')}` }
        : {}),
      ...(isDeferred && end === source.byteLength ? { 'Upload-Length': String(source.byteLength) } : {}),
    })
    const isBroken = accident.kind === 'cut' || accident.kind === 'stall'
    const sentBytes = isBroken ? Math.floor(body.byteLength * accident.at) : body.byteLength
    await patch.write(body.subarray(0, sentBytes))
    sending.sentEnd = Math.max(sending.sentEnd, offset + sentBytes)
    if (!isBroken) {
      patch.end()
      const answer = await patch.answer
      if (answer?.status === 204) {
        expect(answer.headers['upload-offset']).toBe(String(end))
        sending.acknowledgedBytes = end
        return true
      }
      expectRefusal(sending, answer)
    }
    if (accident.kind === 'cut') patch.cut()
    // After a stall this HEAD takes the upload over from a request that still has its connection.
    const isGoing = await askOffset(sending)
    patch.cut()
    await patch.answer
    return isGoing
  }

  /** What a PATCH may hear besides 204: that it is late, that another has taken over, that S3 is away; or nothing at all. */
  function expectRefusal(sending: Sending, answer: Answer | null): void {
    if (answer === null) return
    expect(sending.wasAborted ? [409, 410, 423, 503] : [409, 423, 503]).toContain(answer.status)
  }

  /** @returns false when the upload has ended */
  async function askOffset(sending: Sending): Promise<boolean> {
    const head = await anywhere((tus) => tus.head(sending.id))
    if (head.status === 410 && sending.wasAborted) return false
    expect(head.status).toBe(200)
    const offset = Number(head.headers['upload-offset'])
    expect(offset).toBeGreaterThanOrEqual(sending.acknowledgedBytes)
    expect(offset).toBeLessThanOrEqual(sending.sentEnd)
    sending.acknowledgedBytes = offset
    return true
  }

  async function isWhole({ id, source, isDeferred, acknowledgedBytes }: Sending): Promise<boolean> {
    if (acknowledgedBytes < source.byteLength) return false
    // Whoever sent the last byte may not have heard that the length was taken.
    return !isDeferred || (await anywhere((tus) => tus.report(id))).size !== null
  }

  async function expectEnd({ id, source, wasAborted }: Sending, isGoing: boolean): Promise<void> {
    const ends = (tus: RawTus) =>
      reportWhen(tus, id, ({ state }) => state !== 'finalizing' && state !== 'receiving')
    const { state } = await anywhere(ends)
    if (wasAborted && state === 'failed') {
      expect((await anywhere((tus) => tus.head(id))).status).toBe(410)
      await ground.expectNothingLeft(id)
      return
    }
    expect([isGoing, state]).toEqual([true, 'ready'])
    await anywhere((tus) => expectWhole(tus, id, source))
    // The second word of a server that was killed after its first.
    expect([204, 410]).toContain((await anywhere((tus) => tus.remove(id))).status)
    expect((await anywhere((tus) => tus.head(id))).status).toBe(410)
    await ground.expectNothingLeft(id)
  }

  /** Asks one server and then the other until one of them is there and doesn't say "wait". */
  async function anywhere<T extends object | string>(ask: (tus: RawTus) => Promise<T>): Promise<T> {
    const deadline = performance.now() + PATIENCE_MS
    for (let turn = 0; ; turn += 1) {
      try {
        const answer = await ask(clients[turn % 2] as RawTus)
        const isLocked = isAnswer(answer) && answer.status === 423
        if (!isLocked || performance.now() > deadline) return answer
      } catch (error) {
        const isAway = ['ECONNREFUSED', 'ECONNRESET', 'EPIPE'].includes(
          String((error as NodeJS.ErrnoException).code),
        )
        if (!isAway || performance.now() > deadline) throw error
      }
      await sleep(50)
    }
  }
})

/** As `action` for AWAY_MS from the first request on. */
function forAWhile(action: Action): Action {
  let until: number | undefined
  return (exchange) => {
    until ??= performance.now() + AWAY_MS
    return performance.now() < until ? action(exchange) : forwards(exchange)
  }
}

function isAnswer(value: object | string): value is Answer {
  return typeof value === 'object' && 'status' in value && 'headers' in value
}
