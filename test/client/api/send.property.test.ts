// Random sizes, chunks, cuts, stalls and kills on real sockets. A failure prints fast-check's seed and path, which repeat it.

import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { LocalFileDiffers } from '../../../client/api/errors.js'
import { openFileSource } from '../../../client/api/node/file-source.js'
import type { Sha256State } from '../../../client/api/node/prefix-digest.js'
import { send } from '../../../client/api/send.js'
import type { CuttingProxy, Manner } from '../../end-to-end/cutting-proxy.js'
import { bytesFrom } from '../../end-to-end/evidence.js'
import fc from '../../support/properties.js'
import type { Traffic } from '../end-to-end/traffic.js'
import { type MeteredGround, newMeteredGround } from './send-ground.js'

const KIB = 1024
const MIB = 1024 * KIB
const TIME_LIMIT_MS = 25_000

/** After `bytes` more have passed. `leave`: the client's process ends, and another goes on from what it wrote down. */
type Accident =
  | { kind: 'cut'; bytes: number; manner: Manner }
  | { kind: 'stall' | 'kill' | 'leave'; bytes: number }

let ground: MeteredGround
let traffic: Traffic
let proxy: CuttingProxy

beforeAll(async () => {
  ground = await newMeteredGround()
  ;({ traffic, proxy } = ground)
})
afterAll(() => ground.dispose())

const sizes = fc.oneof(
  fc.constantFrom(0, 1, 128 * KIB, 128 * KIB + 1, MIB, MIB + 1),
  fc.integer({ min: 0, max: 300 * KIB }),
  fc.integer({ min: MIB, max: 9 * MIB }),
)
const bytes = fc.integer({ min: 1, max: 4 * MIB })
const accidents: fc.Arbitrary<Accident> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('cut' as const),
      bytes,
      manner: fc.constantFrom<Manner>('reset', 'close'),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('leave' as const), bytes }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('stall' as const), bytes }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('kill' as const), bytes }) },
)
const chunks = fc.option(fc.integer({ min: 100 * KIB, max: 4 * MIB }), { nil: Number.POSITIVE_INFINITY })

test(
  'whatever happens, the file arrives as it is, in one upload, and what was acknowledged never goes twice',
  async () => {
    let last: Promise<void> = Promise.resolve()
    let runs = 0
    const plan = fc.tuple(fc.integer(), sizes, chunks, fc.array(accidents, { maxLength: 5 }))
    const property = fc.asyncProperty(plan, (example) => {
      runs += 1
      last = sendAndCheck(runs, ...example)
      return last
    })
    await fc.assert(property, { numRuns: 1000, interruptAfterTimeLimit: TIME_LIMIT_MS, endOnFailure: true })
    // The one that the time limit interrupted is still at work, and has to be right too.
    await last
    expect(runs).toBeGreaterThan(1)
  },
  TIME_LIMIT_MS * 4,
)

/** What a client's process leaves on its disk for the next one. */
interface Journal {
  url: string | null
  state: Sha256State | null
}

async function sendAndCheck(
  run: number,
  seed: number,
  size: number,
  chunkBytes: number,
  plan: readonly Accident[],
) {
  const content = bytesFrom(seed, size)
  const label = `run-${run}-${seed}`
  const file = await ground.file(content, label)
  const journal: Journal = { url: null, state: null }
  const from = traffic.exchanges.length
  const steps = plan[Symbol.iterator]()
  let isSent = false
  while (!isSent) isSent = await processSends(file, label, journal, chunkBytes, steps)
  proxy.goOn()

  const sha256 = createHash('sha256').update(content).digest('hex')
  const reports = async () => (await ground.reports()).filter((report) => report.label === label)
  let ours = await reports()
  // All bytes are acknowledged; the request that brought the last one may have been cut off while the server finishes.
  while (ours.some(({ state }) => state === 'finalizing')) ours = await reports()
  expect(ours).toMatchObject([{ state: 'ready', size, checksums: { sha256 } }])
  expectNothingAcknowledgedTwice(from, size)
}

/** One life of the client, until it has sent everything (true), or an accident ends it. */
async function processSends(
  file: string,
  label: string,
  journal: Journal,
  chunkBytes: number,
  accidents: Iterator<Accident>,
): Promise<boolean> {
  const controller = new AbortController()
  const source = await openFileSource(file, {
    sha256State: journal.state,
    onState(state) {
      journal.state = state
    },
  })
  const sending = send(ground.connection(proxy.url), source, {
    metadata: { filename: label, label },
    idempotencyKey: label,
    uploadUrl: journal.url,
    chunkBytes,
    httpStack: ground.network.httpStack,
    signal: controller.signal,
    onCreated(url) {
      journal.url = url
    },
  }).then(() => true)
  try {
    for (;;) {
      const { value: accident, done } = accidents.next()
      if (done) return await sending
      if (accident.kind === 'leave') {
        const isSent = await Promise.race([traffic.reach(traffic.bodyBytes + accident.bytes), sending])
        if (isSent === true) return true
        controller.abort(new Error('The process ended.'))
        return await sending.catch(() => false)
      }
      if (await Promise.race([happen(accident), sending])) return true
    }
  } finally {
    await source.close()
  }
}

async function happen(accident: Exclude<Accident, { kind: 'leave' }>): Promise<false> {
  if (accident.kind === 'cut') await proxy.cutAfter(accident.bytes, accident.manner)
  if (accident.kind === 'stall') {
    await proxy.stallAfter(accident.bytes)
    // Longer than the network of these tests waits for a piece; then the connection is given up.
    await sleep(2500)
    proxy.cut()
    proxy.goOn()
  }
  if (accident.kind === 'kill') {
    await traffic.reach(traffic.bodyBytes + accident.bytes)
    await ground.server.kill()
    await ground.server.restart()
  }
  return false
}

/** Each request begins where the server was: what HEAD, or the PATCH before, has told. Bytes below that never go again. */
function expectNothingAcknowledgedTwice(from: number, size: number): void {
  let acknowledged = 0
  for (const { method, requestHeaders, bodyBytes, answer } of traffic.exchanges.slice(from)) {
    const offset = Number(requestHeaders.get('upload-offset') ?? 0)
    if (method === 'PATCH') {
      expect(offset).toBe(acknowledged)
      expect(offset + bodyBytes).toBeLessThanOrEqual(size)
    }
    if (answer !== null && answer.status < 300)
      acknowledged = Number(answer.headers.get('upload-offset') ?? 0)
  }
  expect(acknowledged).toBe(size)
}

test('a process that goes on with another file than was begun sends none of it', async () => {
  const content = bytesFrom(99, 3 * MIB)
  const journal: Journal = { url: null, state: null }
  const first = await ground.file(content, 'changes')
  const leave = [{ kind: 'leave', bytes: 2 * MIB }] as const
  await processSends(first, 'changes', journal, 512 * KIB, leave[Symbol.iterator]())
  expect(journal.state?.bytes).toBeGreaterThan(0)
  content[3] = (content[3] ?? 0) ^ 1
  await ground.file(content, 'changes')
  const from = traffic.exchanges.length
  const again = processSends(first, 'changes', journal, 512 * KIB, [][Symbol.iterator]())
  await expect(again).rejects.toBeInstanceOf(LocalFileDiffers)
  const bodies = traffic.exchanges.slice(from).reduce((sum, { bodyBytes }) => sum + bodyBytes, 0)
  expect(bodies).toBeLessThanOrEqual(MIB)
})
