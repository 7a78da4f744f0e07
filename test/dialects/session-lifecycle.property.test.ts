// Any order of calls on sessions, by plain HTTP and by tus, one after the other and two at once: never a 5xx, never a wrong byte,
// the state always one of the documented. A failure prints fast-check's seed and path, which repeat it.
//
// FUZZ_SECONDS=600 lets it run longer than in the suite.

import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals'
import { reportSchema } from '../../server/uploads/operations.js'
import type { Report } from '../../server/uploads/report.js'
import type { UploadState } from '../../server/uploads/upload.js'
import { bytesFrom, digestsOf } from '../end-to-end/evidence.js'
import fc from '../support/properties.js'
import { startServer, type TestServer } from '../support/server.js'
import { until } from '../support/until.js'
import { type Answer, askRaw } from './exchange.js'
import { FORM_TYPE, file, form } from './form.js'
import { expectProblem } from './problem-of.js'
import { bodyOf, queryOf, RestClient } from './rest-client.js'
import { expectSameBytes, idOf, rowsOf, stored, TusClient } from './tus-client.js'

const SECONDS = Number(process.env.FUZZ_SECONDS ?? 20)

let server: TestServer
let rest: RestClient
let tus: TusClient
let runs = 0

beforeAll(async () => {
  server = await startServer({ env: { SWEEP_CRON: '0 0 1 1 *' } })
  rest = new RestClient(server)
  tus = new TusClient(server)
})
afterAll(() => server.dispose())
afterEach(() => {
  expect(server.logs()).not.toMatch(/"level":"?(error|fatal|50|60)\b/)
})

// ---- What is tried ---------------------------------------------------------------------------------------------------

const SIZES = [0, 1, 1000, 70_000, 200_000]
const PATHS = ['a.csv', 'b/c.csv', 'b/d.csv', 'é.csv']
const KEYED = {
  language: 'json',
  sizeBytes: 1000,
  size: 'right',
  digest: 'right',
  place: 'none',
  path: null,
} as const

type Size = 'right' | 'other' | 'unsaid'
type Digest = 'right' | 'wrong' | 'unsaid'

interface Creation {
  kind: 'create'
  language: 'json' | 'tus'
  sizeBytes: number
  size: Size
  digest: Digest
  place: 'none' | 'label' | 'package' | 'unknown'
  path: number | null
  /** Which Idempotency-Key, for JSON. */
  key: number | null
}

interface Sending {
  kind: 'send'
  language: 'json' | 'tus'
  on: number
  /** Where to, beside the offset. */
  shiftBytes: number
  /** How much of what is missing, 0 to 1. */
  part: number
  size: Size
  isCut: boolean
}

interface Completion {
  kind: 'complete'
  on: number
  digest: Digest
  place: 'none' | 'package' | 'unknown'
  path: number | null
}

/** A whole file into the package, in one request. */
interface Putting {
  kind: 'put'
  sizeBytes: number
  path: number | null
  isForm: boolean
}

type Call =
  | Creation
  | Putting
  | Sending
  | Completion
  | { kind: 'head' | 'get' | 'delete' | 'url'; on: number }
  | { kind: 'change'; on: number; label: 'none' | 'label' | 'keep'; note: string }
  | { kind: 'finalize' }

const on = fc.nat(3)
const size = fc.constantFrom<Size>('right', 'right', 'right', 'right', 'other', 'unsaid', 'unsaid')
const digest = fc.constantFrom<Digest>('unsaid', 'unsaid', 'right', 'wrong')
const language = fc.constantFrom<'json' | 'tus'>('json', 'json', 'tus')
const path = fc.option(fc.nat(PATHS.length - 1), { freq: 2 })

const creations: fc.Arbitrary<Creation> = fc
  .record({
    kind: fc.constant('create' as const),
    language,
    sizeBytes: fc.constantFrom(...SIZES),
    size,
    digest,
    place: fc.constantFrom<Creation['place']>('none', 'none', 'label', 'package', 'package', 'unknown'),
    path,
    key: fc.option(fc.nat(1), { freq: 2 }),
  })
  .chain((one) =>
    // Mostly the same again for a key that was used.
    fc.constantFrom<Creation>(one, one.key === null ? one : { ...one, ...KEYED }),
  )

const sendings: fc.Arbitrary<Sending> = fc.record({
  kind: fc.constant('send' as const),
  language,
  on,
  shiftBytes: fc.oneof(
    { weight: 5, arbitrary: fc.constant(0) },
    { weight: 1, arbitrary: fc.constantFrom(-7, -1, 1, 50) },
  ),
  part: fc.oneof(fc.constant(1), fc.double({ min: 0, max: 1.2, noNaN: true })),
  size,
  isCut: fc.oneof({ weight: 6, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
})

const completions: fc.Arbitrary<Completion> = fc.record({
  kind: fc.constant('complete' as const),
  on,
  digest,
  place: fc.constantFrom('none', 'none', 'package', 'unknown'),
  path,
})

const calls: fc.Arbitrary<Call> = fc.oneof(
  { weight: 3, arbitrary: creations },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('put' as const),
      sizeBytes: fc.constantFrom(...SIZES),
      path,
      isForm: fc.boolean(),
    }),
  },
  { weight: 7, arbitrary: sendings },
  { weight: 4, arbitrary: completions },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('head', 'get', 'delete', 'url'), on }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('change' as const),
      on,
      label: fc.constantFrom('none', 'label', 'keep'),
      note: fc.string({ maxLength: 5 }).map((text) => text.replaceAll(/\P{L}/gu, '')),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('finalize' as const) }) },
)

/** One call, or two at once. */
const steps = fc.array(
  fc.oneof({ weight: 3, arbitrary: fc.tuple(calls) }, { weight: 1, arbitrary: fc.tuple(calls, calls) }),
  { minLength: 3, maxLength: 25 },
)

// ---- What is known of the uploads of one run ---------------------------------------------------------------------------

interface Known {
  id: string
  /** More bytes than any size that is declared: what is sent for an offset is always what stands there. */
  source: Buffer
  /** The size that its sender has in mind. */
  sizeBytes: number
  isManual: boolean
  declaredSha256: string | null
  last: Report | null
}

const RANK: Record<UploadState, number> = {
  receiving: 0,
  finalizing: 1,
  ready: 2,
  failed: 3,
  canceled: 3,
  expired: 3,
  deleted: 4,
}
const ENDED: readonly UploadState[] = ['failed', 'canceled', 'expired', 'deleted']
const DOCUMENTED = [200, 201, 204, 400, 404, 409, 410, 413, 422, 423]

class World {
  readonly known: Known[] = []
  readonly #prefix: string
  readonly #packageId: string
  readonly #seed: number
  isFinalized = false

  constructor(prefix: string, packageId: string, seed: number) {
    this.#prefix = prefix
    this.#packageId = packageId
    this.#seed = seed
  }

  /** The statuses that `call` may have when nothing else is under way; asserts what else its answer says. */
  async alone(call: Call): Promise<void> {
    if (call.kind === 'create') return this.#expectCreated(call)
    if (call.kind === 'finalize') return void (await this.#finalize())
    if (call.kind === 'put') return expectStatus(call, null, await this.#put(call), [201, 409])
    const one = this.#at(call.on)
    if (one === undefined) return
    const before = await this.check(one)
    const answer = await this.#ask(call, one)
    if (answer !== null) expectStatus(call, before, answer, this.#statusesOf(call, one, before))
    const after = await this.check(one)
    if (call.kind === 'send' && answer !== null && answer.status < 300) {
      expect(answer.headers['upload-offset']).toBe(String(after.offset))
      expect(after.offset).toBe(this.#rangeOf(call, one, before).end)
    }
    if (answer?.status === 409 && call.kind === 'send')
      expect(answer.headers['upload-offset']).toBe(String(before.offset))
  }

  /** Two at once: only what is documented at all, and that nothing gets wrong by it. */
  async together(pair: readonly Call[]): Promise<void> {
    const answers = await Promise.all(
      pair.map(async (call) => {
        if (call.kind === 'create') return this.#create(call)
        if (call.kind === 'finalize') return this.#finalize()
        if (call.kind === 'put') return this.#put(call)
        const one = this.#at(call.on)
        return one === undefined ? null : this.#ask(call, one)
      }),
    )
    for (const [i, answer] of answers.entries()) {
      const call = pair[i]
      if (answer !== null && call !== undefined) expectStatus(call, null, answer, DOCUMENTED)
    }
    for (const one of this.known) await this.check(one)
  }

  /** The report, after it has been held against all that was known before. */
  async check(one: Known): Promise<Report> {
    const answer = await rest.send('GET', `/uploads/${one.id}`)
    expect(answer.status).toBe(200)
    const report = reportSchema.strict().parse(bodyOf(answer)) as Report
    const { state, offset, size: whole } = report
    expect(offset).toBeLessThanOrEqual(whole ?? one.source.length)
    if (one.last !== null) {
      expect(RANK[state]).toBeGreaterThanOrEqual(RANK[one.last.state])
      // A failed one may be deleted, and then has nothing more to say.
      if (ENDED.includes(one.last.state) && one.last.state !== 'failed') expect(state).toBe(one.last.state)
      if (!ENDED.includes(state)) expect(offset).toBeGreaterThanOrEqual(one.last.offset)
      if (one.last.size !== null) expect(whole).toBe(one.last.size)
    }
    if (state !== 'deleted') expect(report.error === null).toBe(state !== 'failed')
    if (state === 'ready') {
      expect(offset).toBe(whole)
      expect(report.checksums).toEqual(digestsOf(one.source.subarray(0, offset)))
      for (const [algorithm, declared] of Object.entries(report.declared_checksums)) {
        if (declared !== null) expect(report.checksums).toMatchObject({ [algorithm]: declared })
      }
    }
    if (state === 'failed') expect(report.error?.code).toBe('HASH_MISMATCH')
    one.last = report
    return report
  }

  /** Everything that is ready is what was sent, byte for byte, and the store has nothing else. */
  async checkAll(): Promise<void> {
    for (const one of this.known) {
      await until(async () => (await this.check(one)).state !== 'finalizing')
      const report = await this.check(one)
      if (report.state === 'ready')
        expectSameBytes(await tus.retrieve(report), one.source.subarray(0, report.offset))
    }
    const ids = await rowsOf<{ id: string }>(
      server,
      "SELECT id FROM uploads WHERE state = 'receiving' ORDER BY id",
    )
    const keys = await rowsOf<{ key: string }>(
      server,
      'SELECT object_key AS key FROM blobs ORDER BY object_key',
    )
    const expected = { tmp: ids.map(({ id }) => id), objects: keys.map(({ key }) => key) }
    // What has ended goes after its answer, in a moment.
    await until(async () => JSON.stringify(await stored(server)) === JSON.stringify(expected)).catch(() => {})
    expect(await stored(server)).toEqual(expected)
  }

  #at(index: number): Known | undefined {
    return this.known.length === 0 ? undefined : this.known[index % this.known.length]
  }

  async #finalize(): Promise<Answer> {
    const answer = await rest.send('POST', `/packages/${this.#packageId}/finalize`)
    if (answer.status === 200) this.isFinalized = true
    expect([200, 409]).toContain(answer.status)
    return answer
  }

  async #expectCreated(call: Creation): Promise<void> {
    const before = this.known.length
    const answer = await this.#create(call)
    const isKeyed = call.key !== null && call.language === 'json'
    // An empty file is whole with its creation.
    const isMismatch = call.language === 'tus' && declaredSize(call) === 0 && call.digest === 'wrong'
    expectStatus(call, null, answer, [
      ...(call.place === 'unknown' ? [404] : [isMismatch ? 422 : 201, 409]),
      ...(isKeyed ? [200, 409] : []),
    ])
    for (const one of this.known.slice(before)) await this.check(one)
  }

  async #put({ sizeBytes, path: at, isForm }: Putting): Promise<Answer> {
    const source = bytesFrom(this.#seed + this.known.length + 10, 300_000)
    const bytes = source.subarray(0, sizeBytes)
    const query = at === null ? '' : `?${queryOf({ relative_path: PATHS[at] })}`
    const url = `/packages/${this.#packageId}/files${query}`
    const answer = await (isForm
      ? rest.send('POST', url, { 'Content-Type': FORM_TYPE }, form([file(bytes)]))
      : rest.send('POST', url, {}, bytes))
    if (answer.status === 201) {
      this.known.push({
        id: idOf(answer),
        source,
        sizeBytes,
        isManual: false,
        declaredSha256: null,
        last: null,
      })
    }
    return answer
  }

  async #create(call: Creation): Promise<Answer> {
    const { language, sizeBytes, place, key } = call
    const seed = this.#seed + (key === null || language === 'tus' ? this.known.length + 10 : key)
    const source = bytesFrom(seed, 300_000)
    const declared = declaredSize(call)
    const sha256 = digestFor(call.digest, source.subarray(0, sizeBytes))
    const filename = `${this.#prefix}-${key ?? this.known.length}`
    const relativePath = call.path === null ? undefined : PATHS[call.path]
    const packageId = {
      none: undefined,
      label: undefined,
      package: this.#packageId,
      unknown: 'f'.repeat(40),
    }[place]
    const label = place === 'label' ? this.#prefix : undefined
    let answer: Answer
    if (language === 'json') {
      const body = {
        ...{
          filename,
          label,
          package_id: packageId,
          relative_path: relativePath,
          size: declared ?? undefined,
        },
        ...(sha256 === null ? {} : { checksums: { sha256 } }),
      }
      const headers = key === null ? {} : { 'Idempotency-Key': `${this.#prefix}-${key}` }
      answer = await rest.json('POST', '/uploads', body, headers)
    } else {
      const metadata = {
        filename,
        ...(label === undefined ? {} : { label }),
        ...(packageId === undefined ? {} : { packageId }),
        ...(relativePath === undefined ? {} : { relativePath }),
        ...(sha256 === null ? {} : { sha256 }),
      }
      answer = await tus.create({ sizeBytes: declared, metadata })
    }
    const isNew = answer.status === 201 && !this.known.some(({ id }) => id === idOf(answer))
    if (isNew) {
      const isManual = language === 'json'
      this.known.push({ id: idOf(answer), source, sizeBytes, isManual, declaredSha256: sha256, last: null })
    }
    if (answer.status === 200) expect(this.known.map(({ id }) => id)).toContain(bodyOf(answer).id)
    return answer
  }

  /** Which bytes a sending is about; always at least one. */
  #rangeOf(call: Sending, one: Known, report: Report): { start: number; end: number } {
    const start = Math.max(0, report.offset + call.shiftBytes)
    const missing = Math.max(1, one.sizeBytes - report.offset)
    return { start, end: start + Math.max(1, Math.ceil(missing * call.part)) }
  }

  async #ask(
    call: Exclude<Call, Creation | Putting | { kind: 'finalize' }>,
    one: Known,
  ): Promise<Answer | null> {
    const url = `/uploads/${one.id}`
    switch (call.kind) {
      case 'get':
        return rest.send('GET', url)
      case 'head':
        return tus.head(one.id)
      case 'delete':
        return rest.send('DELETE', url)
      case 'url':
        return rest.send('POST', `${url}/retrieval-url`)
      case 'change': {
        const label = { none: { label: null }, label: { label: this.#prefix }, keep: {} }[call.label]
        return rest.json(
          'PATCH',
          url,
          { note: call.note, ...label },
          {
            'Content-Type': 'application/merge-patch+json',
          },
        )
      }
      case 'complete': {
        const whole = one.source.subarray(0, one.last?.size ?? one.last?.offset ?? 0)
        const sha256 = digestFor(call.digest, whole)
        return rest.complete(one.id, {
          ...(sha256 === null ? {} : { checksums: { sha256 } }),
          ...(call.place === 'none'
            ? {}
            : { package_id: call.place === 'package' ? this.#packageId : 'f'.repeat(40) }),
          ...(call.path === null ? {} : { relative_path: PATHS[call.path] }),
        })
      }
      case 'send':
        return this.#send(call, one)
    }
  }

  async #send(call: Sending, one: Known): Promise<Answer | null> {
    const report = await rest.report(one.id)
    const { start, end } = this.#rangeOf(call, one, report)
    const bytes = one.source.subarray(start, end)
    const declared = declaredSize({ ...call, sizeBytes: Math.max(one.sizeBytes, end) })
    if (call.isCut) {
      await this.#sendAndCut(one, start, bytes)
      return null
    }
    if (call.language === 'json') return rest.patch(one.id, start, bytes, declared ?? '*')
    const declaration = declared === null || report.size !== null ? {} : { 'Upload-Length': declared }
    return tus.patch(one.id, start, bytes, declaration)
  }

  async #sendAndCut(one: Known, start: number, bytes: Buffer): Promise<void> {
    const head = [
      `PATCH /uploads/${one.id} HTTP/1.1`,
      'Host: 127.0.0.1',
      `Authorization: Bearer ${server.key}`,
      `Content-Range: bytes ${start}-${start + bytes.length - 1}/*`,
      `Content-Length: ${bytes.length}`,
      '\r\n',
    ].join('\r\n')
    const half = bytes.subarray(0, Math.floor(bytes.length / 2))
    await askRaw(server.url, [head, half], { ending: 'destroy', before: () => sleep(10) })
    // As a client does that comes back: HEAD waits for the broken request to have stored what came.
    expect([200, 410]).toContain((await tus.head(one.id)).status)
  }

  #statusesOf(
    call: Exclude<Call, Creation | Putting | { kind: 'finalize' }>,
    one: Known,
    before: Report,
  ): number[] {
    const hasEnded = ENDED.includes(before.state)
    switch (call.kind) {
      case 'get':
        return [200]
      case 'head':
        return [hasEnded ? 410 : 200]
      case 'url':
        return hasEnded ? [410] : before.state === 'ready' ? [200] : [409]
      case 'delete':
        // A failed one has a report left, which may be deleted.
        if (before.state === 'failed') return [204, 409]
        return hasEnded ? [410] : this.isFinalized && before.package_id === this.#packageId ? [409] : [204]
      case 'change':
        return hasEnded ? [410] : call.label === 'keep' ? [200] : [200, 409]
      case 'complete':
        return this.#completeStatuses(call, one, before)
      case 'send':
        return this.#sendStatuses(call, one, before)
    }
  }

  #completeStatuses(call: Completion, one: Known, before: Report): number[] {
    if (ENDED.includes(before.state)) return [410]
    const isMissing = before.state === 'receiving' && before.size !== null && before.offset < before.size
    if (isMissing) return [409]
    const isRefusedFirst = before.state !== 'receiving' && call.digest === 'wrong'
    if (call.place === 'unknown') return [isRefusedFirst ? 422 : 404]
    const isMoved = call.place !== 'none' || call.path !== null
    const refusals = isMoved ? [409] : []
    const sizeBytes = before.size ?? before.offset
    const isRight =
      call.digest !== 'wrong' &&
      (before.state === 'ready' ||
        call.digest === 'right' ||
        one.declaredSha256 === null ||
        one.declaredSha256 === digestsOf(one.source.subarray(0, sizeBytes)).sha256)
    return [isRight ? 200 : 422, ...refusals]
  }

  #sendStatuses(call: Sending, one: Known, before: Report): number[] {
    if (ENDED.includes(before.state)) return [410]
    const { start, end } = this.#rangeOf(call, one, before)
    const declared = declaredSize({ ...call, sizeBytes: Math.max(one.sizeBytes, end) })
    const isTus = call.language === 'tus'
    const isOtherSize = !isTus && declared !== null && before.size !== null && declared !== before.size
    const isElsewhere = start !== before.offset
    if (isOtherSize) return [400]
    if (isElsewhere) return [409]
    const sizeBytes = before.size ?? declared
    if (before.state !== 'receiving' || (sizeBytes !== null && end > sizeBytes)) return [413]
    const isLast = !one.isManual && end === sizeBytes
    const isRight =
      one.declaredSha256 === null || one.declaredSha256 === digestsOf(one.source.subarray(0, end)).sha256
    return isLast && !isRight ? [422] : [isTus ? 204 : 200]
  }
}

function declaredSize({ size: kind, sizeBytes }: { size: Size; sizeBytes: number }): number | null {
  return { right: sizeBytes, other: sizeBytes + 5, unsaid: null }[kind]
}

function digestFor(kind: Digest, bytes: Uint8Array): string | null {
  return { unsaid: null, right: digestsOf(bytes).sha256, wrong: 'f'.repeat(64) }[kind]
}

function expectStatus(call: Call, before: Report | null, answer: Answer, allowed: readonly number[]): void {
  if (!allowed.includes(answer.status)) {
    throw new Error(
      `${JSON.stringify(call)} on ${JSON.stringify(before)} answered ${answer.status}, not ${allowed}: ${answer.body}`,
    )
  }
  const isHead = call.kind === 'head'
  if (answer.status >= 400 && !isHead) {
    const { code } = JSON.parse(answer.body.toString())
    expectProblem(answer, answer.status, code)
  }
}

// ---- The property ------------------------------------------------------------------------------------------------------

async function live(plan: readonly (readonly Call[])[], seed: number): Promise<void> {
  runs += 1
  const prefix = `run-${runs}`
  const made = await rest.json('POST', '/packages', { name: prefix })
  expect(made.status).toBe(201)
  const world = new World(prefix, bodyOf(made).id, seed)
  for (const step of plan) {
    const [first] = step
    if (step.length === 1 && first !== undefined) await world.alone(first)
    else await world.together(step)
  }
  await world.checkAll()
}

test(
  'a session survives any order of calls',
  async () => {
    let last: Promise<void> = Promise.resolve()
    const property = fc.asyncProperty(steps, fc.nat(1_000_000), (plan, seed) => {
      last = live(plan, seed)
      return last
    })
    await fc.assert(property, {
      numRuns: 1_000_000,
      interruptAfterTimeLimit: SECONDS * 1000,
      endOnFailure: true,
    })
    // The one that the time limit interrupted is still at work, and has to be right too.
    await last
    expect(runs).toBeGreaterThan(5)
  },
  SECONDS * 3000,
)
