// Builds everything once, from the configuration. The only file that sees every implementation.

import { randomUUID } from 'node:crypto'
import { availableParallelism } from 'node:os'
import path from 'node:path'
import type { Express } from 'express'
import { createApp } from './app.js'
import { type ApiKeys, openApiKeys } from './auth/api-keys.js'
import { openIdentify } from './auth/identify.js'
import { tracingOf } from './config/tracing.js'
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
import { routeFinder } from './http/route-of.js'
import { Metrics } from './metrics/metrics.js'
import { operations } from './openapi.js'
import type { Log } from './ops/log.js'
import type { UntilThere } from './ops/patient-start.js'
import { EmlRecords } from './packages/eml-records.js'
import { PackageEnds } from './packages/ends.js'
import { PackageFinalizer } from './packages/finalize.js'
import { Membership } from './packages/membership.js'
import { Packages } from './packages/records.js'
import { RetentionClasses } from './packages/retention.js'
import { PackageShares } from './packages/shares.js'
import type { Quota } from './quotas/quota.js'
import { QuotaRecords } from './quotas/records.js'
import { LocalStore } from './storage/local.js'
import { type Observer, observedStore, type S3Call, type StoreCall, together } from './storage/observed.js'
import type { Store } from './storage/store.js'
import { Reconciliation } from './sweep/reconcile.js'
import { Sweep } from './sweep/sweep.js'
import { traceS3, traceStore } from './tracing/store.js'
import { Census } from './uploads/census.js'
import { Concatenations } from './uploads/concatenations.js'
import { Endings } from './uploads/endings.js'
import { Finalizer } from './uploads/finalize.js'
import { FreeSpace } from './uploads/free-space.js'
import { Garbage } from './uploads/garbage.js'
import { Intake } from './uploads/intake.js'
import { Leases } from './uploads/leases.js'
import { Losses } from './uploads/losses.js'
import { Placement } from './uploads/placement.js'
import { Purges } from './uploads/purges.js'
import { Records } from './uploads/records.js'
import { Removals } from './uploads/removals.js'
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
  /** Undefined without METRICS_TOKEN. */
  metrics: Metrics | undefined
  sweep: Sweep
  reconciliation: Reconciliation
  apiKeys: ApiKeys
  /** Begins what runs by itself: what a crash interrupted is finished, and the sweep comes regularly. */
  start(): Promise<void>
  /** From now on `/readyz` says no; requests are still taken. */
  announceStop(): void
  /** Ends what runs by itself, and answers who waits for events. Other requests go on. */
  quiet(): Promise<void>
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
  /** Tries again while the store, or the database, isn't up yet. Default: once. */
  untilThere?: UntilThere
}

/** Who stands around what the store does, and around its requests to S3. */
interface StoreObservers {
  store: Observer<StoreCall>[]
  s3: Observer<S3Call>[]
}

async function storeOf(config: Config, observers: StoreObservers): Promise<Store> {
  const store = await bareStoreOf(config, together(observers.s3))
  const observe = together(observers.store)
  return observe === undefined ? store : observedStore(store, observe)
}

async function bareStoreOf(config: Config, observe: Observer<S3Call> | undefined): Promise<Store> {
  if (config.store === 'local') return new LocalStore(path.join(config.dataDir, 'store'))
  const settings = {
    bucket: config.s3Bucket ?? '',
    region: config.s3Region,
    endpoint: config.s3Endpoint,
    prefix: config.s3Prefix,
    forcePathStyle: config.s3ForcePathStyle ?? config.s3Endpoint !== undefined,
    checksums: config.s3Checksums,
    observe,
  }
  // Who keeps the bytes on the disk doesn't wait for the SDK: it is a third of what the start loads.
  const { S3Store } = await import('./storage/s3.js')
  return new S3Store(settings, config.s3BufferBytes)
}

/** A service on a migrated database. */
export async function composeService({
  config,
  databaseUrl,
  log,
  publicUrl,
  untilThere = (attempt) => attempt(),
}: ServiceOptions): Promise<Service> {
  // What can fail comes first, while there is nothing yet that would have to be closed.
  const identify = await openIdentify({ config, identifyApiKey: (key) => apiKeys.identify(key), log })
  const isTraced = tracingOf(config) !== null
  const metrics = config.metricsToken === undefined ? undefined : new Metrics(routeFinder(operations))
  const store = await storeOf(config, {
    store: [...(isTraced ? [traceStore] : []), ...(metrics ? [metrics.store] : [])],
    s3: [...(isTraced ? [traceS3(config.s3Bucket ?? '')] : []), ...(metrics ? [metrics.s3] : [])],
  })
  // A disk doesn't come up later by itself.
  if (store.isShared) await untilThere(() => store.open())
  else await store.open()
  const notifications = await untilThere(() => openNotifications(databaseUrl))
  const database = await openDatabase(databaseUrl)

  const quota: Quota = {
    bytes: config.quotaBytes,
    files: config.quotaFiles,
    openUploads: config.quotaOpenUploads,
  }
  const quotas = new QuotaRecords(database.prisma, quota)
  const records = new Records(database.prisma, config, quotas)
  const concatenations = new Concatenations(database.prisma, config, quotas)
  const endings = new Endings(database.prisma, records)
  const leases = new Leases(records, notifications, log, randomUUID(), metrics?.leases)
  const garbage = new Garbage(database.prisma, store, log)
  const purges = new Purges({ endings, garbage, log })
  const freeSpace = new FreeSpace(store, config.minFreeBytes)
  const digests = new DigestPool({ threads: Math.max(2, availableParallelism()) })
  if (digests.whyNoOpenSsl !== undefined) {
    log.info(
      { because: digests.whyNoOpenSsl },
      'digests are computed by WebAssembly, which takes three times as long',
    )
  }
  // On S3 the parts are gathered in the very slabs that the digests read.
  const bufferBytes = config.store === 's3' ? config.s3BufferBytes : LOCAL_BUFFER_BYTES
  const slabs = new SlabPool(Math.floor(bufferBytes / SLAB_BYTES), () => store.relieveMemory())
  const rereader = new Rereader(store, digests, slabs, metrics?.uploads)
  const finalizer = new Finalizer({
    records,
    concatenations,
    leases,
    store,
    garbage,
    rereader,
    contentCheck: openContentCheck(config),
    observer: metrics?.uploads,
    log,
  })
  const retentionClasses = new RetentionClasses(config.retentionClasses)
  const placement = new Placement(records, new Membership(database.prisma, retentionClasses))
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
    freeSpace,
    digests,
    slabs,
    log,
    maxFileBytes: config.maxFileBytes,
    noProgressTimeoutSeconds: config.noProgressTimeoutSeconds,
    minUploadRate: config.minUploadRate,
    observer: metrics?.uploads,
  })
  const apiKeys = openApiKeys(database.prisma, {
    upload: config.apiUploadKeys,
    read: config.apiReadKeys,
    delete: config.apiDeleteKeys,
  })
  const packageEnds = new PackageEnds(database.prisma, config.maxTtlSeconds)
  const webhooks = new WebhookRecords(database.prisma)
  const eventOrder = new EventOrder(database.prisma)
  const losses = new Losses(database.prisma)
  const reconciliation = new Reconciliation({ records, leases, losses, garbage, store, databaseUrl })
  const sweep = new Sweep({
    endings,
    concatenations,
    removals,
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
    observer: metrics?.sweeps,
    expiryNoticeSeconds: config.expiryNoticeSeconds,
  })

  const tail = new EventTail(eventOrder, { observer: metrics?.tail })
  const sender = new Sender({
    version: VERSION,
    resolve: resolveBySystem,
    allowsPrivate: config.webhookPrivateAddresses,
  })
  const dispatcher = new Dispatcher({
    records: webhooks,
    fanOut: new FanOut(webhooks, tail),
    sender,
    log,
    observer: metrics?.deliveries,
  })
  metrics?.watch({
    slabs,
    digests,
    database,
    census: new Census(database.prisma),
    bytes: store,
    leases,
    version: VERSION,
    store: config.store,
    digestEngine: digests.engine,
  })

  const limits = openRateLimits({ ...config, databaseUrl, log })

  let isStopping = false
  const app = createApp({
    isTraced,
    metrics,
    metricsToken: config.metricsToken,
    intake,
    removals,
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
    quotas,
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

  let quieting: Promise<unknown> | undefined
  async function quiet(): Promise<void> {
    // Who waits for events gets the end of the answer, or the server would wait for them.
    quieting ??= Promise.all([sweep.stop(), purges.stop(), tail.close(), dispatcher.stop()])
    await quieting
  }

  let isPaused = false
  async function pause(): Promise<void> {
    if (isPaused) return
    isPaused = true
    isStopping = true
    leases.stopAll()
    await Promise.all([quiet(), finalizer.stop()])
  }

  return {
    app,
    metrics,
    sweep,
    reconciliation,
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
    announceStop: () => {
      isStopping = true
    },
    quiet,
    pause,
    async close() {
      await pause()
      leases.close()
      metrics?.close()
      await digests.close()
      await store.close()
      await limits.close()
      await notifications.close()
      await database.close()
    },
  }
}
