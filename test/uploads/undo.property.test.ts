// Whatever is deleted, restored, purged and sent again, in any order and at once: no blob is lost, and nothing is left over.

import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { pino } from 'pino'
import { EVERYONE } from '../../server/auth/owner-scope.js'
import { isAppError } from '../../server/errors.js'
import { Sweep } from '../../server/sweep/sweep.js'
import type { Upload } from '../../server/uploads/upload.js'
import { checksumsOf } from '../dialects/tus-client.js'
import { aDescription, openPackageInstance, type PackageInstance } from '../packages/ground.js'
import { usageTwice } from '../quotas/recount.js'
import { collect } from '../storage/store-contract.js'
import { withConnection } from '../support/database.js'
import fc from '../support/properties.js'
import { expectInOrder } from './aftermath.js'
import { aBody, aFile, type Ground, newGround, uploaderNamed } from './parts.js'

const SECONDS = Number(process.env.UNDO_SECONDS ?? 20)
const OWNERS = ['ada', 'bob'] as const

let ground: Ground
let here: PackageInstance
let there: PackageInstance
let sweep: Sweep

beforeAll(async () => {
  ground = await newGround()
  here = await openPackageInstance(ground)
  there = await openPackageInstance(ground)
  sweep = new Sweep({
    ...there,
    packageEnds: there.ends,
    events: { forgetOld: async () => {} },
    apiKeys: { forgetOld: async () => {} },
    eventTtlSeconds: 31_536_000,
    log: pino({ level: 'silent' }),
    databaseUrl: ground.databaseUrl,
    tombstoneTtlSeconds: 3600,
    expiryNoticeSeconds: 60,
  })
})
afterAll(async () => {
  await here.close()
  await there.close()
  await ground.dispose()
})

/** Few contents, so that many are the same; long enough that half of one is something. */
const CONTENTS = ['first content', 'second content', 'third'].map((text) => Buffer.from(text))

interface Sent {
  id: string
  content: Buffer
  packageId: string | null
}

interface World {
  sent: Sent[]
  packages: string[]
}

interface Step {
  kind: string
  at: number
  content: number
  isHere: boolean
}

const pick = <T>(list: readonly T[], at: number): T | undefined => list[at % Math.max(1, list.length)]
const contentOf = ({ content }: Step) => CONTENTS[content % CONTENTS.length] ?? Buffer.alloc(0)
const ownerOf = ({ at }: Step) => uploaderNamed(OWNERS[at % 2] ?? 'ada')

/** Each with one instance or the other. */
const ACTS: Record<string, (world: World, step: Step, instance: PackageInstance) => Promise<unknown>> = {
  async put(world, step, { intake }) {
    const content = contentOf(step)
    const packageId = pick([null, ...world.packages], step.at) ?? null
    const description = aFile(content.byteLength, { packageId, relativePath: `p${step.at % 3}` })
    const owner = { ...ownerOf(step), packages: EVERYONE } as const
    const id = await intake.takeWhole(owner, description, aBody(content))
    world.sent.push({ id, content, packageId })
  },
  async begin(world, step, { intake }) {
    const content = contentOf(step)
    const packageId = pick([null, ...world.packages], step.at) ?? null
    const owner = { ...ownerOf(step), packages: EVERYONE } as const
    const description = aFile(content.byteLength, { packageId, relativePath: `p${step.at % 3}` })
    const { upload } = await intake.begin(owner, description, { isHeld: false })
    world.sent.push({ id: upload.id, content, packageId })
  },
  async send(world, { at, isHere }, { intake }) {
    const sent = pick(world.sent, at)
    if (sent === undefined) return
    const { lease, upload } = await intake.claim(sent.id, EVERYONE)
    if (lease === null) return
    const from = Number(upload.offsetBytes)
    const to = isHere ? sent.content.byteLength : Math.min(from + 3, sent.content.byteLength)
    await intake.append(lease, upload, aBody(sent.content.subarray(from, to)))
  },
  async removeWithUndo(world, { at }, { removals }) {
    const sent = pick(world.sent, at)
    if (sent !== undefined) await removals.removeWithUndo(sent.id, EVERYONE, 600)
  },
  async restore(world, { at }, { removals }) {
    const sent = pick(world.sent, at)
    if (sent !== undefined) await removals.restore(sent.id, EVERYONE)
  },
  async remove(world, { at }, { removals }) {
    const sent = pick(world.sent, at)
    if (sent !== undefined) await removals.remove(sent.id, EVERYONE)
  },
  async removeContent(_world, step, { removals }) {
    await removals.removeContent(checksumsOf(contentOf(step)).sha256, ownerOf(step).owner)
  },
  async timer(world, { at }, { purges }) {
    const sent = pick(world.sent, at)
    if (sent === undefined) return
    await ground.rows(
      'UPDATE uploads SET restorable_until = now() WHERE id = $1 AND restore_state IS NOT NULL',
      [sent.id],
    )
    await purges.purge(sent.id)
  },
  async sweep() {
    await ground.rows('UPDATE uploads SET restorable_until = now() WHERE restore_state IS NOT NULL')
    await sweep.run({ isDryRun: false }, () => {})
  },
  async tooEarly(world, { at }, { purges }) {
    const sent = pick(world.sent, at)
    if (sent !== undefined) await purges.purge(sent.id)
  },
  async makePackage(world, step, { packages }) {
    world.packages.push((await packages.create(ownerOf(step).owner, aDescription())).id)
  },
  async finalizePackage(world, { at }, { packageFinalizer }) {
    const id = pick(world.packages, at)
    if (id !== undefined) await packageFinalizer.finalize(id, EVERYONE)
  },
  async deletePackage(world, { at }, { ends, removals }) {
    const id = pick(world.packages, at)
    if (id === undefined || at % 3 !== 0) return
    await ends.commitDelete(id, EVERYONE)
    await removals.removeAllOf(id)
  },
}

const REFUSALS = [
  ...(['NOT_FOUND', 'GONE', 'CONFLICT', 'PACKAGE_FINALIZED', 'LOCKED', 'OFFSET_MISMATCH'] as const),
]

const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.oneof(
    fc.constantFrom(...Object.keys(ACTS)),
    // What it is about, more often than the rest.
    fc.constantFrom('put', 'removeWithUndo', 'removeWithUndo', 'restore', 'restore', 'send'),
  ),
  at: fc.nat(7),
  content: fc.nat(2),
  isHere: fc.boolean(),
})

/** What is done at once, and then what is done next. */
const plans = fc.array(fc.array(step, { minLength: 1, maxLength: 4 }), { minLength: 6, maxLength: 25 })

const ALL = 'TRUNCATE packages, parts, uploads, concat_sources, events, blobs, garbage, owner_usage CASCADE'

async function emptied(quick: Ground): Promise<void> {
  await quick.rows(ALL)
  const { tmp, objects } = await quick.stored()
  for (const key of tmp) await here.store.deleteTemporary(key)
  for (const key of objects) await here.store.deleteObject(key)
}

/** What must come back with a restoration. */
function lasting({
  id,
  state,
  offsetBytes,
  packageId,
  packagePath,
  retrievalToken,
  sha256,
  digestState,
}: Upload) {
  return {
    ...{ id, state, offsetBytes, packageId, packagePath, retrievalToken, sha256 },
    digestState: digestState === null ? null : Buffer.from(digestState).toString('hex'),
  }
}

/** Every upload that has bytes has all of them, and those that can be restored come back as they were. */
async function expectNothingLost(world: World): Promise<void> {
  for (const { id, content } of world.sent) {
    const upload = await here.records.get(id, EVERYONE).catch(() => null)
    if (upload?.state === 'ready') await expectStored(upload, content)
    if (upload?.state !== 'receiving' && upload?.state !== 'ready') continue
    if (upload.packageId !== null) continue
    const deleted = await here.removals.removeWithUndo(id, EVERYONE, 600)
    expect(deleted.restoreState).toBe(upload.state)
    expect(lasting(await there.removals.restore(id, EVERYONE))).toEqual(lasting(upload))
  }
}

async function expectStored({ sha256 }: Upload, content: Buffer): Promise<void> {
  const [blob] = await ground.rows<{ object_key: string }>('SELECT object_key FROM blobs WHERE sha256 = $1', [
    sha256,
  ])
  const bytes = await collect(
    await here.store.readObject(blob?.object_key ?? 'none', { start: 0, end: content.byteLength }),
  )
  expect(bytes.toString()).toBe(content.toString())
}

test(
  'no blob is lost, nothing is left over, and each owner’s usage is right, whatever happens at once',
  () =>
    withConnection(ground.databaseUrl, async (client) => {
      const quick: Ground = {
        ...ground,
        rows: async <Row extends object>(sql: string, values: unknown[] = []) =>
          (await client.query<Row>(sql, values)).rows,
      }
      const done = new Map<string, number>()
      let steps = 0
      const property = fc.asyncProperty(plans, async (plan) => {
        await emptied(quick)
        const world: World = { sent: [], packages: [] }
        for (const atOnce of plan) {
          const acts = await Promise.allSettled(
            atOnce.map(async (one) => {
              await ACTS[one.kind]?.(world, one, one.isHere ? here : there)
              done.set(one.kind, (done.get(one.kind) ?? 0) + 1)
            }),
          )
          for (const act of acts) {
            if (act.status === 'rejected' && !isAppError(act.reason, ...REFUSALS)) throw act.reason
          }
          steps += 1
          const usage = await usageTwice(quick)
          expect({ after: atOnce, usage: usage.kept }).toEqual({ after: atOnce, usage: usage.recounted })
          await expectInOrder(quick)
        }
        await expectNothingLost(world)
        // The end of it all: when nobody has anything any more, nothing is there.
        for (const { id } of world.sent)
          await here.removals.remove(id, EVERYONE).catch((error: unknown) => {
            if (!isAppError(error, ...REFUSALS)) throw error
          })
        for (const id of world.packages) {
          await here.ends.commitDelete(id, EVERYONE).catch(() => {})
          await here.removals.removeAllOf(id)
        }
        expect(await quick.stored()).toEqual({ tmp: [], objects: [] })
        expect((await usageTwice(quick)).kept).toEqual([])
        await expectInOrder(quick)
      })
      await fc.assert(property, { numRuns: 10_000, interruptAfterTimeLimit: SECONDS * 1000 })
      console.info(`${steps} steps: ${[...done].map(([kind, count]) => `${kind} ${count}`).join(', ')}`)
      const never = ['put', 'send', 'removeWithUndo', 'restore'].filter((kind) => !done.has(kind))
      expect(never).toEqual([])
    }),
  SECONDS * 1000 + 60_000,
)
