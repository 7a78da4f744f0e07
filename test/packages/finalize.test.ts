// Freezing under concurrency: two instances, each with its own connections to one database.

import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { isAppError } from '../../server/errors.js'
import type { Metadata } from '../../server/packages/metadata.js'
import { metadataProblem, normalizedMetadata } from '../../server/packages/metadata.js'
import { randomId } from '../../server/uploads/random.js'
import fc from '../support/properties.js'
import { aFile, type Ground, newGround } from '../uploads/parts.js'
import { aDescription, aWhole, OWNER, openPackageInstance, type PackageInstance } from './ground.js'

let ground: Ground
let one: PackageInstance
let other: PackageInstance

beforeAll(async () => {
  ground = await newGround()
  one = await openPackageInstance(ground)
  other = await openPackageInstance(ground)
})
afterAll(async () => {
  await one.close()
  await other.close()
  await ground.dispose()
})

async function bytesOf(instance: PackageInstance, id: string, format: 'cbor' | 'json'): Promise<Buffer> {
  const manifest = await instance.packageFinalizer.manifest(id, format)
  const pieces: Buffer[] = []
  for await (const piece of manifest.bytes()) pieces.push(piece)
  const bytes = Buffer.concat(pieces)
  expect(bytes.byteLength).toBe(manifest.sizeBytes)
  return bytes
}

async function filesOf(id: string): Promise<string[]> {
  const { files } = JSON.parse((await bytesOf(one, id, 'json')).toString())
  return files.map(({ upload_id: uploadId }: { upload_id: string }) => uploadId)
}

async function finalizedEvents(id: string): Promise<number> {
  const rows = await ground.rows(
    `SELECT FROM events WHERE package_id = $1 AND type = 'package.finalized.v1'`,
    [id],
  )
  return rows.length
}

describe('eight finalizations at once on two instances', () => {
  test('make one manifest', async () => {
    const { id } = await one.packages.create(OWNER, aDescription())
    await one.records.insertWhole(Array.from({ length: 300 }, (_, i) => aWhole(id, `${i}`)))
    const all = await Promise.all(
      Array.from({ length: 8 }, (_, i) => (i % 2 === 0 ? one : other).packageFinalizer.finalize(id, OWNER)),
    )
    expect(new Set(all.map(({ manifestSha256 }) => manifestSha256)).size).toBe(1)
    expect(new Set(all.map(({ finalizedAt }) => finalizedAt?.getTime())).size).toBe(1)
    expect(new Set(all.map(({ endsAt }) => endsAt.getTime())).size).toBe(1)
    expect(await finalizedEvents(id)).toBe(1)
    expect((await bytesOf(one, id, 'cbor')).equals(await bytesOf(other, id, 'cbor'))).toBe(true)
  })

  test('amid files that join: each is in the manifest, or was refused', async () => {
    for (let round = 0; round < 5; round += 1) {
      const { id } = await one.packages.create(OWNER, aDescription())
      await one.records.insertWhole([aWhole(id, 'first')])
      const join = async (instance: PackageInstance, worker: number) => {
        const outcomes = []
        for (let i = 0; i < 8; i += 1) {
          const path = `${worker} ${i}`
          outcomes.push(
            ...(await Promise.allSettled([instance.put(`${round} ${path}`, { packageId: id, path })])),
          )
        }
        return outcomes
      }
      const joining = Promise.all([0, 1, 2, 3].map((worker) => join(worker % 2 === 0 ? one : other, worker)))
      await sleep(round * 40)
      await Promise.all(
        Array.from({ length: 8 }, (_, i) => (i % 2 === 0 ? other : one).packageFinalizer.finalize(id, OWNER)),
      )
      const joined = (await joining).flat()
      const inManifest = new Set(await filesOf(id))
      for (const outcome of joined) {
        if (outcome.status === 'fulfilled') expect(inManifest.has(outcome.value)).toBe(true)
        else expect(isAppError(outcome.reason, 'PACKAGE_FINALIZED')).toBe(true)
      }
      const count = joined.filter(({ status }) => status === 'fulfilled').length
      expect(inManifest.size).toBe(count + 1)
      expect((await one.packages.contents(id)).ready).toBe(count + 1)
      expect(await finalizedEvents(id)).toBe(1)
    }
  })

  test('amid files that are deleted: each is gone, or in the manifest', async () => {
    for (let round = 0; round < 8; round += 1) {
      const { id } = await one.packages.create(OWNER, aDescription())
      const wholes = Array.from({ length: 60 }, (_, i) => aWhole(id, `${round} ${i}`))
      await one.records.insertWhole(wholes)
      // One after the other, so that some come before the freeze and some after it.
      const leave = async (instance: PackageInstance, ids: readonly string[]) => {
        const outcomes = []
        for (const upload of ids)
          outcomes.push([upload, await Promise.allSettled([instance.endings.commitEnd(upload)])] as const)
        return outcomes
      }
      const ids = wholes.map((whole) => whole.id)
      const leaving = Promise.all([leave(one, ids.slice(0, 20)), leave(other, ids.slice(20, 40))])
      await sleep(round * 10)
      await Promise.all([
        one.packageFinalizer.finalize(id, OWNER),
        other.packageFinalizer.finalize(id, OWNER),
      ])
      const inManifest = new Set(await filesOf(id))
      for (const [upload, [outcome]] of (await leaving).flat()) {
        expect(inManifest.has(upload)).toBe(outcome.status === 'rejected')
        if (outcome.status === 'rejected') expect(isAppError(outcome.reason, 'PACKAGE_FINALIZED')).toBe(true)
      }
      for (const upload of ids.slice(40)) expect(inManifest.has(upload)).toBe(true)
    }
  })

  test('amid a deletion of the package end in one of two ways', async () => {
    for (let round = 0; round < 10; round += 1) {
      const { id } = await one.packages.create(OWNER, aDescription())
      await one.records.insertWhole([aWhole(id, 'a')])
      const [finalized, deleted] = await Promise.allSettled([
        one.packageFinalizer.finalize(id, OWNER),
        other.ends.commitDelete(id, OWNER),
      ])
      expect(deleted.status).toBe('fulfilled')
      if (finalized.status === 'rejected') expect(isAppError(finalized.reason, 'GONE')).toBe(true)
      expect((await one.packages.get(id, OWNER)).state).toBe('deleted')
    }
  })
})

describe('what finishes while its package is finalized', () => {
  test('keeps it open until it is ready', async () => {
    const { id } = await one.packages.create(OWNER, aDescription())
    await one.records.insertWhole([aWhole(id, 'a')])
    const place = { packageId: id, ttlSeconds: 3600 }
    await one.records.insertReceiving(randomId(), OWNER, aFile(9, { relativePath: 'b' }), place, {
      lease: null,
    })
    await expect(one.packageFinalizer.finalize(id, OWNER)).rejects.toMatchObject({ code: 'CONFLICT' })
    await ground.rows(
      `UPDATE uploads SET state = 'finalizing', expires_at = now() - interval '1 s' WHERE package_path = 'b'`,
    )
    await expect(one.packageFinalizer.finalize(id, OWNER)).rejects.toMatchObject({ code: 'CONFLICT' })
    expect(await one.packages.contents(id)).toEqual({ ready: 1, failed: 0, unfinished: 1, sizeBytes: 7 })
  })
})

describe('any metadata', () => {
  test('comes back from the database, and out of both manifests, as it went in', async () => {
    const metadata: fc.Arbitrary<Metadata> = fc
      .dictionary(fc.string({ unit: 'binary' }), fc.jsonValue({ maxDepth: 5, noUnicodeString: false }))
      .filter((value) => metadataProblem(value) === null)
      .map(normalizedMetadata)
    await fc.assert(
      fc.asyncProperty(metadata, async (value) => {
        const { id, metadata: stored } = await one.packages.create(OWNER, aDescription({ metadata: value }))
        expect(stored).toEqual(value)
        await one.records.insertWhole([aWhole(id, 'a')])
        const { manifestSha256 } = await one.packageFinalizer.finalize(id, OWNER)
        const json = JSON.parse((await bytesOf(other, id, 'json')).toString())
        expect(json.package.metadata).toEqual(value)
        expect((await one.packageFinalizer.manifest(id, 'cbor')).sha256).toBe(manifestSha256)
        await bytesOf(other, id, 'cbor')
      }),
      { numRuns: 60 },
    )
  })
})
