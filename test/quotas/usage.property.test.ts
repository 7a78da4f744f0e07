// owner_usage is what the uploads add up to, whatever was done to them.

import { Readable } from 'node:stream'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { pino } from 'pino'
import { uploaderOf } from '../../server/auth/owner-scope.js'
import { isAppError } from '../../server/errors.js'
import { Sweep } from '../../server/sweep/sweep.js'
import { checksumsOf } from '../dialects/tus-client.js'
import { aDescription, openPackageInstance, type PackageInstance } from '../packages/ground.js'
import { withConnection } from '../support/database.js'
import fc from '../support/properties.js'
import { aBody, aFile, anActor, type Ground, letExpire, newGround } from '../uploads/parts.js'
import { usageTwice } from './recount.js'

const SECONDS = Number(process.env.USAGE_SECONDS ?? 15)
const OWNERS = ['ada', 'bob'] as const
type Owner = (typeof OWNERS)[number]

let ground: Ground
let instance: PackageInstance
let sweep: Sweep

beforeAll(async () => {
  ground = await newGround()
  instance = await openPackageInstance(ground)
  sweep = new Sweep({
    ...instance,
    packageEnds: instance.ends,
    events: { forgetOld: async () => {} },
    apiKeys: { forgetOld: async () => {} },
    eventTtlSeconds: 31_536_000,
    log: pino({ level: 'silent' }),
    databaseUrl: ground.databaseUrl,
    tombstoneTtlSeconds: 1,
    expiryNoticeSeconds: 60,
  })
})
afterAll(async () => {
  await instance.close()
  await ground.dispose()
})

/** https://www.postgresql.org/docs/17/errcodes-appendix.html */
const DEADLOCK_DETECTED = '40P01'

const EMPTY = 'TRUNCATE packages, parts, uploads, events, blobs, garbage, owner_usage CASCADE'

/**
 * TRUNCATE locks whole tables, in an order that isn't the server's: what still ends in the background
 * (a digest, a concatenation) may hold one that it wants, and PostgreSQL then picks a victim.
 */
async function emptied(asker: Pick<Ground, 'rows'>): Promise<void> {
  for (;;) {
    try {
      await asker.rows(EMPTY)
      return
    } catch (error) {
      if ((error as { code?: unknown }).code !== DEADLOCK_DETECTED) throw error
    }
  }
}

/** Few contents, so that many are the same. */
const contents = ['', 'a', 'bb', 'ccc', 'x'.repeat(200)]

interface World {
  /** In the order in which they began. */
  uploads: { id: string; owner: Owner }[]
  parts: { id: string; owner: Owner }[]
  packages: string[]
}

const uploader = (owner: Owner) => uploaderOf({ owner, scopes: new Set(['admin']) })

const pick = <T>(list: readonly T[], at: number): T | undefined => list[at % Math.max(1, list.length)]

interface Step {
  kind: string
  owner: Owner
  content: string
  at: number
}

/** Each does one thing; what can't be done is refused, and then nothing may have changed either. */
const ACTS: Record<string, (world: World, step: Step) => Promise<void>> = {
  async begin(world, { owner, content, at }) {
    const description = aFile(content.length, { packageId: pick([...world.packages, null], at) ?? null })
    await begin(world, owner, {
      ...description,
      finish: at % 2 === 0 ? 'auto' : 'manual',
      filename: `f${at}`,
    })
  },
  async beginDeferred(world, { owner, at }) {
    await begin(world, owner, aFile(null, { finish: at % 2 === 0 ? 'auto' : 'manual' }))
  },
  async append(world, { content, at }) {
    await append(pick(world.uploads, at)?.id, content)
  },
  async appendCut(world, { content, at }) {
    const id = pick(world.uploads, at)?.id
    if (id === undefined) return
    const { lease, upload } = await instance.intake.claim(id, uploader('ada').uploads)
    if (lease === null) return
    const source = Readable.from(cutAfter(content), { objectMode: false })
    await instance.intake.append(lease, upload, { source, announcedBytes: null, checksum: null })
  },
  async declareSize(world, { content, at }) {
    const id = pick(world.uploads, at)?.id
    if (id === undefined) return
    const { lease } = await instance.intake.claim(id, uploader('ada').uploads)
    if (lease === null) return
    try {
      await instance.intake.declareSize(lease, content.length + at)
    } finally {
      await instance.intake.release(lease)
    }
  },
  async takeWhole(world, { owner, content, at }) {
    const packageId = pick([...world.packages, null], at) ?? null
    const description = aFile(content.length, { packageId, filename: `w${at}` })
    const id = await instance.intake.takeWhole(uploader(owner), description, aBody(Buffer.from(content)))
    world.uploads.push({ id, owner })
  },
  async takeWholeWrong(_, { owner, content }) {
    const declared = { sha256: '0'.repeat(64) }
    await instance.intake.takeWhole(
      uploader(owner),
      aFile(content.length, { declared }),
      aBody(Buffer.from(content)),
    )
  },
  async takeOnce(world, { owner, content, at }) {
    const source = Readable.from(at % 3 === 0 ? cutAfter(content) : [Buffer.from(content)], {
      objectMode: false,
    })
    const declared = at % 5 === 0 ? { md5: '0'.repeat(32) } : {}
    const upload = await instance.intake.takeOnce(
      uploader(owner),
      aFile(null, { finish: 'once', declared }),
      {
        source,
        announcedBytes: null,
        checksum: null,
      },
    )
    world.uploads.push({ id: upload.id, owner })
  },
  async part(world, { owner, content }) {
    const description = aFile(content.length, { concat: 'partial' })
    const id = await instance.intake.takeWhole(uploader(owner), description, aBody(Buffer.from(content)))
    world.parts.push({ id, owner })
  },
  async concatenate(world, { owner, at }) {
    const ours = world.parts.filter((part) => part.owner === owner).map(({ id }) => id)
    const ids = [pick(ours, at), pick(ours, at + 1)].filter((id) => id !== undefined)
    if (ids.length === 0) return
    const concat = `final;${ids.map((id) => `/uploads/${id}`).join(' ')}`
    const upload = await instance.intake.concatenate(uploader(owner), aFile(null, { concat }), ids)
    world.uploads.push({ id: upload.id, owner })
  },
  async complete(world, { owner, content, at }) {
    const id = pick(world.uploads, at)?.id
    if (id === undefined) return
    const declared = at % 4 === 0 ? checksumsOf(Buffer.from(content)) : {}
    const packageId = at % 3 === 0 ? (pick(world.packages, at) ?? null) : null
    await instance.intake.complete(id, uploader(owner), { packageId, relativePath: `c${at}`, declared })
  },
  async move(world, { at }) {
    const id = pick(world.uploads, at)?.id
    if (id === undefined) return
    const upload = await instance.records.get(id, uploader('ada').uploads)
    const packageId = pick([...world.packages, null], at) ?? null
    await instance.placement.move(
      upload,
      { packageId, label: null, relativePath: `m${at}` },
      uploader('ada').packages,
    )
  },
  async extend(world, { at }) {
    const id = pick(world.uploads, at)?.id
    if (id !== undefined) await instance.records.extend(id, new Date(Date.now() + 7_000_000), anActor('ada'))
  },
  async remove(world, { at }) {
    const id = pick([...world.uploads, ...world.parts], at)?.id
    if (id !== undefined) await instance.removals.remove(id, uploader('ada').uploads, anActor('ada'))
  },
  async removeWithUndo(world, { at }) {
    const id = pick([...world.uploads, ...world.parts], at)?.id
    if (id !== undefined)
      await instance.removals.removeWithUndo(id, uploader('ada').uploads, 600, anActor('ada'))
  },
  async restore(world, { at }) {
    const id = pick(world.uploads, at)?.id
    if (id !== undefined) await instance.removals.restore(id, uploader('ada').uploads, anActor('ada'))
  },
  async purge() {
    await ground.rows('UPDATE uploads SET restorable_until = now() WHERE restore_state IS NOT NULL')
    await sweep.run({ isDryRun: false }, () => {})
  },
  async removeContent(world, { at }) {
    const ours = pick(world.uploads, at)
    if (ours === undefined) return
    const { sha256 } = await instance.records.get(ours.id, ours.owner)
    if (sha256 !== null) await instance.removals.removeContent(sha256, ours.owner, anActor(ours.owner))
  },
  async makePackage(world, { owner }) {
    world.packages.push((await instance.packages.create(owner, aDescription())).id)
  },
  async finalizePackage(world, { at }) {
    const id = pick(world.packages, at)
    if (id !== undefined) await instance.packageFinalizer.finalize(id, uploader('ada').packages)
  },
  async deletePackage(world, { at }) {
    const id = pick(world.packages, at)
    if (id === undefined) return
    await instance.ends.commitDelete(id, uploader('ada').packages, anActor('ada'))
    await instance.removals.removeAllOf(id, anActor('ada'))
  },
  async expire(world, { at }) {
    const id = pick([...world.uploads, ...world.parts], at)?.id
    if (id !== undefined) await letExpire(ground, id)
    await sweep.run({ isDryRun: false }, () => {})
  },
  async forget() {
    await ground.rows(
      `UPDATE uploads SET finished_at = now() - interval '1 hour' WHERE finished_at IS NOT NULL`,
    )
    await sweep.run({ isDryRun: false }, () => {})
  },
}

async function begin(world: World, owner: Owner, description: ReturnType<typeof aFile>): Promise<void> {
  const { upload } = await instance.intake.begin(uploader(owner), description, { isHeld: false })
  world.uploads.push({ id: upload.id, owner })
}

async function append(id: string | undefined, content: string): Promise<void> {
  if (id === undefined) return
  const { lease, upload } = await instance.intake.claim(id, uploader('ada').uploads)
  if (lease !== null) await instance.intake.append(lease, upload, aBody(Buffer.from(content)))
}

/** The bytes, and then no end. */
function* cutAfter(content: string): Generator<Buffer> {
  if (content !== '') yield Buffer.from(content)
  throw new Error('The client has gone away.')
}

const REFUSALS = [
  ...(['NOT_FOUND', 'GONE', 'CONFLICT', 'PACKAGE_FINALIZED', 'INVALID_INPUT', 'OFFSET_MISMATCH'] as const),
  ...(['HASH_MISMATCH', 'PAYLOAD_TOO_LARGE', 'LOCKED'] as const),
]

const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom(...Object.keys(ACTS)),
  owner: fc.constantFrom(...OWNERS),
  content: fc.constantFrom(...contents),
  at: fc.nat(11),
})

test(
  'whatever is done, after each step each owner’s usage is what their uploads add up to',
  () =>
    withConnection(ground.databaseUrl, async (client) => {
      // One connection for all that is looked at: a new one each time takes longer than the step.
      const asker: Pick<Ground, 'rows'> = {
        rows: async <Row extends object>(sql: string) => (await client.query<Row>(sql)).rows,
      }
      const done = new Map<string, number>()
      const tried = new Set<string>()
      let steps = 0
      const property = fc.asyncProperty(fc.array(step, { minLength: 8, maxLength: 30 }), async (plan) => {
        await emptied(asker)
        const world: World = { uploads: [], parts: [], packages: [] }
        for (const one of plan) {
          const act = ACTS[one.kind]
          try {
            tried.add(one.kind)
            await act?.(world, one)
            done.set(one.kind, (done.get(one.kind) ?? 0) + 1)
          } catch (error) {
            if (!isAppError(error, ...REFUSALS)) throw error
          }
          steps += 1
          const usage = await usageTwice(asker)
          expect({ after: one, usage: usage.kept }).toEqual({ after: one, usage: usage.recounted })
        }
      })
      await fc.assert(property, { numRuns: 10_000, interruptAfterTimeLimit: SECONDS * 1000 })
      console.info(`${steps} steps: ${[...done].map(([kind, count]) => `${kind} ${count}`).join(', ')}`)
      // One is always refused, for its bytes.
      const never = Object.keys(ACTS).filter((kind) => !done.has(kind))
      expect(never).toEqual(['takeWholeWrong'])
      expect(tried).toContain('takeWholeWrong')
    }),
  SECONDS * 1000 + 60_000,
)
