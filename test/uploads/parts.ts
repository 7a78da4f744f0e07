// The rooms behind the dialects, put together as compose.ts does, on a database and a folder of a test's own.

import { randomUUID } from 'node:crypto'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Readable } from 'node:stream'
import { pino } from 'pino'
import type { Actor } from '../../server/auth/identity.js'
import type { Uploader } from '../../server/auth/owner-scope.js'
import { openDatabase } from '../../server/database/client.js'
import { openNotifications } from '../../server/database/notifications.js'
import { DigestPool } from '../../server/digests/pool.js'
import { SlabPool } from '../../server/digests/slabs.js'
import { PackageEnds } from '../../server/packages/ends.js'
import { Membership } from '../../server/packages/membership.js'
import { RetentionClasses } from '../../server/packages/retention.js'
import { NO_QUOTA, type Quota } from '../../server/quotas/quota.js'
import { QuotaRecords } from '../../server/quotas/records.js'
import { LocalStore } from '../../server/storage/local.js'
import type { Store } from '../../server/storage/store.js'
import { Concatenations } from '../../server/uploads/concatenations.js'
import { Endings } from '../../server/uploads/endings.js'
import { Finalizer } from '../../server/uploads/finalize.js'
import { FreeSpace } from '../../server/uploads/free-space.js'
import { Garbage } from '../../server/uploads/garbage.js'
import type { Lifetimes } from '../../server/uploads/insertion.js'
import { type Body, Intake } from '../../server/uploads/intake.js'
import { Leases } from '../../server/uploads/leases.js'
import { Placement } from '../../server/uploads/placement.js'
import { Purges } from '../../server/uploads/purges.js'
import { Records } from '../../server/uploads/records.js'
import { Removals } from '../../server/uploads/removals.js'
import { Rereader } from '../../server/uploads/reread.js'
import type { Upload, UploadDescription } from '../../server/uploads/upload.js'
import { WebhookRecords } from '../../server/webhooks/records.js'
import { createTestDatabase, withConnection } from '../support/database.js'

/** A database and a store folder, which several instances may share. */
export interface Ground {
  databaseUrl: string
  folder: string
  rows<Row extends object>(sql: string, values?: unknown[]): Promise<Row[]>
  stored(): Promise<{ tmp: string[]; objects: string[] }>
  dispose(): Promise<void>
}

export async function newGround(): Promise<Ground> {
  const database = await createTestDatabase()
  const folder = await mkdtemp(path.join(tmpdir(), 'antipasto-parts-'))
  const names = async (room: string) => (await readdir(path.join(folder, room))).sort()
  return {
    databaseUrl: database.databaseUrl,
    folder,
    rows: <Row extends object>(sql: string, values: unknown[] = []) =>
      withConnection(database.databaseUrl, async (client) => (await client.query<Row>(sql, values)).rows),
    stored: async () => ({ tmp: await names('tmp'), objects: await names('objects') }),
    dispose: async () => {
      await database.drop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

export interface Instance {
  quotas: QuotaRecords
  records: Records
  concatenations: Concatenations
  endings: Endings
  leases: Leases
  store: Store
  garbage: Garbage
  purges: Purges
  finalizer: Finalizer
  placement: Placement
  removals: Removals
  intake: Intake
  packageEnds: PackageEnds
  webhooks: WebhookRecords
  close(): Promise<void>
}

export interface InstanceOptions {
  lifetimes?: Partial<Lifetimes>
  quota?: Partial<Quota>
  /** Puts a store with faults before the real one. */
  wrapStore?: (store: Store) => Store
  /** What the store must keep free; default 0. */
  minFreeBytes?: number
  /** Puts digests with faults before the real ones. */
  wrapDigests?: (pool: DigestPool) => DigestPool
}

/** One server's rooms on `ground`. */
export async function openInstance(ground: Ground, options: InstanceOptions = {}): Promise<Instance> {
  const log = pino({ level: 'silent' })
  const database = await openDatabase(ground.databaseUrl)
  const notifications = await openNotifications(ground.databaseUrl)
  const local = new LocalStore(ground.folder)
  await local.open()
  const store = options.wrapStore?.(local) ?? local
  const lifetimes = {
    uploadTtlSeconds: 3600,
    sessionTtlSeconds: 600,
    maxTtlSeconds: 7200,
    ...options.lifetimes,
  }
  const quotas = new QuotaRecords(database.prisma, { ...NO_QUOTA, ...options.quota })
  const records = new Records(database.prisma, lifetimes, quotas)
  const concatenations = new Concatenations(database.prisma, lifetimes, quotas)
  const endings = new Endings(database.prisma, records)
  const leases = new Leases(records, notifications, log, randomUUID())
  const garbage = new Garbage(database.prisma, store, log)
  const purges = new Purges({ endings, garbage, log })
  const pool = new DigestPool({ threads: 1 })
  const digests = options.wrapDigests?.(pool) ?? pool
  const slabs = new SlabPool(16)
  const rereader = new Rereader(store, digests, slabs)
  const finalizer = new Finalizer({ records, concatenations, leases, store, garbage, rereader, log })
  const classes = new RetentionClasses([{ name: 'staging', ttlSeconds: 3600 }])
  const placement = new Placement(records, new Membership(database.prisma, classes))
  const removals = new Removals({ records, endings, leases, garbage, purges })
  const intake = new Intake({
    records,
    quotas,
    concatenations,
    removals,
    placement,
    leases,
    store,
    finalizer,
    garbage,
    freeSpace: new FreeSpace(store, options.minFreeBytes ?? 0),
    digests,
    slabs,
    log,
    maxFileBytes: 1024 ** 3,
    noProgressTimeoutSeconds: 5,
    minUploadRate: undefined,
  })
  return {
    quotas,
    records,
    concatenations,
    endings,
    leases,
    store,
    garbage,
    purges,
    finalizer,
    placement,
    removals,
    intake,
    packageEnds: new PackageEnds(database.prisma, 7200),
    webhooks: new WebhookRecords(database.prisma),
    async close() {
      await purges.stop()
      await finalizer.stop()
      leases.close()
      await pool.close()
      await notifications.close()
      await database.close()
    },
  }
}

/** Somebody who asks, as events tell it. */
export function anActor(owner: string): Actor {
  return { owner, keyId: null, requestId: null }
}

/** Somebody with nothing but what is their own. */
export function uploaderNamed(owner: string): Uploader {
  return { owner, uploads: owner, packages: owner }
}

/** What a client says of a file of `sizeBytes`. */
export function aFile(sizeBytes: number | null, changes: Partial<UploadDescription> = {}): UploadDescription {
  return {
    filename: 'lake.csv',
    contentType: 'text/csv',
    key: null,
    label: null,
    relativePath: null,
    packageId: null,
    finish: 'auto',
    concat: null,
    tusMetadata: null,
    sizeBytes,
    declared: {},
    ...changes,
  }
}

/** A record of an upload that waits for its bytes, in no package. */
export async function insertUpload(
  records: Records,
  id: string,
  owner: string,
  description: UploadDescription,
  lease: { holder: string; seconds: number } | null,
): Promise<Upload> {
  const upload = await records.insertReceiving(id, owner, description, null, { lease })
  if (upload === null) throw new Error('There was no place for it.')
  return upload
}

/** An upload whose time is over now. */
export async function letExpire(ground: Ground, id: string): Promise<void> {
  await ground.rows(`UPDATE uploads SET expires_at = now() - interval '1 second' WHERE id = $1`, [id])
}

/** A request's body that brings `bytes`, announced. */
export function aBody(bytes: Uint8Array): Body {
  return {
    source: Readable.from([Buffer.from(bytes)], { objectMode: false }),
    announcedBytes: bytes.byteLength,
    checksum: null,
  }
}

/** Takes `bytes` as one upload of `owner`, begun and appended to; answers its id. */
export async function takeInTwoSteps(
  { intake }: Instance,
  owner: string,
  bytes: Uint8Array,
): Promise<string> {
  const { upload, lease } = await intake.begin(uploaderNamed(owner), aFile(bytes.byteLength), {
    isHeld: true,
  })
  if (lease === null) throw new Error('A lease was asked for.')
  await intake.append(lease, upload, aBody(bytes))
  return upload.id
}
