// Builds everything once, from the configuration. The only file that sees every implementation.

import { randomUUID } from 'node:crypto'
import { availableParallelism } from 'node:os'
import path from 'node:path'
import type { Express } from 'express'
import { createApp } from './app.js'
import { type ApiKeys, openApiKeys } from './auth/api-keys.js'
import { openIdentify } from './auth/identify.js'
import type { Config } from './config.js'
import { openDatabase } from './database/client.js'
import { openNotifications } from './database/notifications.js'
import { DigestPool } from './digests/pool.js'
import { SLAB_BYTES, SlabPool } from './digests/slabs.js'
import { EventOrder } from './events/order.js'
import { EventTail } from './events/tail.js'
import { FileRecords } from './files/records.js'
import { openRateLimits } from './guards/rate-limit.js'
import { openContentCheck } from './hooks/open.js'
import type { Log } from './ops/log.js'
import { EmlRecords } from './packages/eml-records.js'
import { PackageEnds } from './packages/ends.js'
import { PackageFinalizer } from './packages/finalize.js'
import { Membership } from './packages/membership.js'
import { Packages } from './packages/records.js'
import { RetentionClasses } from './packages/retention.js'
import { PackageShares } from './packages/shares.js'
import type { Quota } from './quotas/quota.js'
import { LocalStore } from './storage/local.js'
import { S3Store } from './storage/s3.js'
import type { Store } from './storage/store.js'
import { Sweep } from './sweep/sweep.js'
import { Finalizer } from './uploads/finalize.js'
import { FreeSpace } from './uploads/free-space.js'
import { Garbage } from './uploads/garbage.js'
import { Intake } from './uploads/intake.js'
import { Leases } from './uploads/leases.js'
import { Placement } from './uploads/placement.js'
import { Purges } from './uploads/purges.js'
import { Records } from './uploads/records.js'
import { Rereader } from './uploads/reread.js'
import { VERSION } from './version.js'
import { Dispatcher } from './webhooks/dispatcher.js'
import { FanOut } from './webhooks/fan-out.js'
import { WebhookRecords } from './webhooks/records.js'
import { resolveBySystem } from './webhooks/resolve.js'
import { Sender } from './webhooks/sender.js'

/** Memory for bytes on their way to the disk, for the whole process. Uploads that find none free wait for some. */
const LOCAL_BUFFER_BYTES = 32 * 1024 * 1024

export interface Service {
  app: Express
  sweep: Sweep
  apiKeys: ApiKeys
  /** Begins what runs by itself: what a crash interrupted is finished, and the sweep comes regularly. */
  start(): Promise<void>
  /** Tells every running request to store what it has and to stop; nothing new is begun. */
  pause(): Promise<void>
  /** Pauses, unless that was done. After the last request: ends threads and connections. */
  close(): Promise<void>
}

export interface ServiceOptions {
  config: Config
  databaseUrl: string
  log: Log
  publicUrl: () => string
}

function storeOf(config: Config): Store {
  if (config.store === 'local') return new LocalStore(path.join(config.dataDir, 'store'))
  const settings = {
    bucket: config.s3Bucket ?? '',
    region: config.s3Region,
    endpoint: config.s3Endpoint,
    prefix: config.s3Prefix,
    forcePathStyle: config.s3ForcePathStyle ?? config.s3Endpoint !== undefined,
    checksums: config.s3Checksums,
  }
  return new S3Store(settings, config.s3BufferBytes)
}

/** A service on a migrated database. */
export async function composeService({
  config,
  databaseUrl,
  log,
  publicUrl,
}: ServiceOptions): Promise<Service> {
  // What can fail comes first, while there is nothing yet that would have to be closed.
  const identify = await openIdentify({ config, identifyApiKey: (key) => apiKeys.identify(key), log })
  const store = storeOf(config)
  await store.open()
  const notifications = await openNotifications(databaseUrl)
  const database = await openDatabase(databaseUrl)

  const quota: Quota = {
    bytes: config.quotaBytes,
    files: config.quotaFiles,
    openUploads: config.quotaOpenUploads,
  }
  const records = new Records(database.prisma, config, quota)
  const leases = new Leases(records, notifications, log, randomUUID())
  const garbage = new Garbage(database.prisma, store, log)
  const purges = new Purges({ records, garbage, log })
  const freeSpace = new FreeSpace(store, config.minFreeBytes)
  const digests = new DigestPool({ threads: Math.max(2, availableParallelism()) })
  // On S3 the parts are gathered in the very slabs that the digests read.
  const bufferBytes = config.store === 's3' ? config.s3BufferBytes : LOCAL_BUFFER_BYTES
  const slabs = new SlabPool(Math.floor(bufferBytes / SLAB_BYTES), () => store.relieveMemory())
  const rereader = new Rereader(store, digests, slabs)
  const finalizer = new Finalizer({
    records,
    leases,
    store,
    garbage,
    rereader,
    contentCheck: openContentCheck(config),
    log,
  })
  const retentionClasses = new RetentionClasses(config.retentionClasses)
  const placement = new Placement(records, new Membership(database.prisma, retentionClasses))
  const intake = new Intake({
    records,
    placement,
    leases,
    store,
    finalizer,
    garbage,
    purges,
    freeSpace,
    digests,
    slabs,
    log,
    maxFileBytes: config.maxFileBytes,
    noProgressTimeoutSeconds: config.noProgressTimeoutSeconds,
    minUploadRate: config.minUploadRate,
  })
  const apiKeys = openApiKeys(database.prisma, {
    upload: config.apiUploadKeys,
    read: config.apiReadKeys,
    delete: config.apiDeleteKeys,
  })
  const packageEnds = new PackageEnds(database.prisma, config.maxTtlSeconds)
  const webhooks = new WebhookRecords(database.prisma)
  const eventOrder = new EventOrder(database.prisma)
  const sweep = new Sweep({
    records,
    intake,
    purges,
    packageEnds,
    webhooks,
    events: eventOrder,
    apiKeys,
    finalizer,
    garbage,
    store,
    log,
    databaseUrl,
    tombstoneTtlSeconds: config.tombstoneTtlSeconds,
    eventTtlSeconds: config.eventTtlSeconds,
    expiryNoticeSeconds: config.expiryNoticeSeconds,
  })

  const tail = new EventTail(eventOrder)
  const sender = new Sender({
    version: VERSION,
    resolve: resolveBySystem,
    allowsPrivate: config.webhookPrivateAddresses,
  })
  const dispatcher = new Dispatcher({ records: webhooks, fanOut: new FanOut(webhooks, tail), sender, log })

  const limits = openRateLimits({ ...config, databaseUrl, log })

  let isStopping = false
  const app = createApp({
    intake,
    placement,
    records,
    files: new FileRecords(database.prisma),
    packages: new Packages(database.prisma, retentionClasses),
    finalizer: new PackageFinalizer(database.prisma, retentionClasses, () => ({
      store: config.store,
      version: VERSION,
      publicUrl: publicUrl(),
    })),
    ends: packageEnds,
    shares: new PackageShares(database.prisma),
    quota,
    maxFileBytes: config.maxFileBytes,
    rate: config.rateLimitKey,
    eml: new EmlRecords(database.prisma),
    tail,
    webhooks,
    sender,
    dispatcher,
    store,
    apiKeys,
    identify,
    iamUrl: config.authIamUrl,
    limits,
    health: {
      checks: {
        database: () => records.check(),
        store: () => store.check(),
        'free space': () => freeSpace.assertRoomFor(0),
      },
      isStopping: () => isStopping,
      log,
    },
    log,
    publicUrl,
    retrievalOrigin: () => config.retrievalUrl ?? publicUrl(),
    isHttps: config.publicUrl?.startsWith('https:') ?? false,
    corsOrigins: config.corsOrigins,
    retrievalUrl: config.retrievalUrl,
    trustProxy: config.trustProxy,
    anonRead: config.anonRead,
    retrievalMode: config.retrievalMode,
    deleteStrict404: config.deleteStrict404,
  })

  async function pause(): Promise<void> {
    if (isStopping) return
    isStopping = true
    leases.stopAll()
    // Who waits for events gets the end of the answer, or the server would wait for them.
    await Promise.all([sweep.stop(), purges.stop(), finalizer.stop(), tail.close(), dispatcher.stop()])
  }

  return {
    app,
    sweep,
    apiKeys,
    async start() {
      // A disk is this process's alone, so a lease from before its start has nobody behind it. Others' leases on a shared
      // store are theirs; one that our own earlier life held lapses, and then what it left unfinished is looked for again.
      if (store.isShared) sweep.comeAgainAfter(leases.seconds)
      else await records.releaseAllLeases()
      sweep.schedule(config.sweepCron)
      dispatcher.start()
      void sweep.runQuietly()
    },
    pause,
    async close() {
      await pause()
      leases.close()
      await digests.close()
      await store.close()
      await limits.close()
      await notifications.close()
      await database.close()
    },
  }
}
