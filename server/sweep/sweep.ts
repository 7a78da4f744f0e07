// The broom: ends what is due, finishes what was interrupted, deletes what nothing refers to. One instance at a time.

import cron, { type ScheduledTask } from 'node-cron'
import pg from 'pg'
import type { Logger } from 'pino'
import type { ApiKeys } from '../auth/api-keys.js'
import type { EventOrder } from '../events/order.js'
import type { PackageEnds } from '../packages/ends.js'
import type { Store, StoredItem } from '../storage/store.js'
import { traced } from '../tracing/span.js'
import type { Concatenations } from '../uploads/concatenations.js'
import type { Endings } from '../uploads/endings.js'
import type { Finalizer } from '../uploads/finalize.js'
import type { Garbage } from '../uploads/garbage.js'
import type { Purges } from '../uploads/purges.js'
import type { Removals } from '../uploads/removals.js'
import type { WebhookRecords } from '../webhooks/records.js'
import { isOldEnough, planUpload, STRAY_AGE_SECONDS } from './plan.js'

/** Any number, the same in every instance. */
const SWEEP_LOCK = 7_276_823
const BATCH = 200
/** A bucket is listed this often by each instance: a listing costs money, and a stray is a day old anyway. */
const SHARED_SCAN_SECONDS = 6 * 3600

/** The log of what webhooks were told is kept that long. */
const DELIVERIES_KEPT_SECONDS = 30 * 86_400

export interface SweepOptions {
  endings: Pick<Endings, 'tellExpiring' | 'findSweepable' | 'commitEnd' | 'deleteTombstone'>
  concatenations: Pick<Concatenations, 'findServed'>
  removals: Pick<Removals, 'removeAllOf'>
  purges: Pick<Purges, 'purge'>
  packageEnds: PackageEnds
  webhooks: Pick<WebhookRecords, 'forgetOld'>
  events: Pick<EventOrder, 'forgetOld'>
  apiKeys: Pick<ApiKeys, 'forgetOld'>
  finalizer: Finalizer
  garbage: Garbage
  store: Store
  observer?: SweepObserver | undefined
  log: Logger
  databaseUrl: string
  tombstoneTtlSeconds: number
  eventTtlSeconds: number
  /** How long before its end an upload's owner is told. */
  expiryNoticeSeconds: number
}

/** What a sweep did, or with `isDryRun` would do. */
export interface SweepReport {
  expired: number
  /** Packages, which end with their files. */
  packages: number
  finalized: number
  /** Deleted so that they could be restored, which nobody did in time. */
  purged: number
  forgotten: number
  /** Parts of concatenations that are ready. */
  served: number
  discarded: number
  strays: number
}

/** Who wants to know how the sweeps go that come by themselves. Must be quick, and never throw. */
export interface SweepObserver {
  /** A sweep came to its end; null: another instance was sweeping. */
  swept(report: SweepReport | null, milliseconds: number): void
  failed(): void
}

/** One line for each thing that is done or would be. */
export type Tell = (line: string) => void

export class Sweep {
  readonly #options: SweepOptions
  #task: ScheduledTask | null = null
  #again: NodeJS.Timeout | undefined
  #strayScanAt = Number.NEGATIVE_INFINITY
  #running: Promise<unknown> | null = null
  #isStopping = false

  constructor(options: SweepOptions) {
    this.#options = options
  }

  /** Sweeps now and then as `expression` says, until `stop`. */
  schedule(expression: string): void {
    this.#task = cron.schedule(expression, () => void this.runQuietly(), { noOverlap: true, name: 'sweep' })
  }

  /** A sweep whose trouble is logged, not thrown: it comes again. */
  async runQuietly(): Promise<void> {
    const { log, store, observer } = this.#options
    if (this.#running !== null) return
    const startedAtMs = performance.now()
    const isScanDue = !store.isShared || performance.now() - this.#strayScanAt >= SHARED_SCAN_SECONDS * 1000
    if (isScanDue) this.#strayScanAt = performance.now()
    const sweeping = traced(
      'sweep',
      {},
      async (span) => {
        const report = await this.run({ isDryRun: false, skipsStrays: !isScanDue }, (line) => log.debug(line))
        for (const [what, count] of Object.entries(report ?? {}))
          span?.setAttribute(`antipasto.sweep.${what}`, count)
        return report
      },
      { isRoot: true },
    )
    this.#running = sweeping
      .then((report) => {
        if (!this.#isStopping) observer?.swept(report, performance.now() - startedAtMs)
        if (report !== null) log.info(report, 'swept')
      })
      .catch((error: unknown) => {
        observer?.failed()
        log.warn({ err: error }, 'the sweep was interrupted; it comes again')
      })
      .finally(() => {
        this.#running = null
      })
    await this.#running
  }

  /** Sweeps once more, when the leases that a dead server left behind have lapsed. */
  comeAgainAfter(leaseSeconds: number): void {
    this.#again = setTimeout(() => void this.runQuietly(), (leaseSeconds + 1) * 1000)
    this.#again.unref()
  }

  /** Ends a sweep that runs at its next item: it comes again. */
  async stop(): Promise<void> {
    this.#isStopping = true
    clearTimeout(this.#again)
    await this.#task?.destroy()
    await this.#running
  }

  /** @returns null when another instance is sweeping */
  async run(
    {
      isDryRun,
      skipsStrays = false,
      strayAgeSeconds = STRAY_AGE_SECONDS,
    }: { isDryRun: boolean; skipsStrays?: boolean; strayAgeSeconds?: number },
    tell: Tell,
  ): Promise<SweepReport | null> {
    // A session's advisory lock: it goes with the connection, so a sweeper that dies blocks nobody.
    const client = new pg.Client({
      connectionString: this.#options.databaseUrl,
      application_name: 'antipasto sweep',
      // A database that has gone silent must not keep all later sweeps waiting.
      connectionTimeoutMillis: 5_000,
      query_timeout: 60_000,
    })
    client.on('error', () => {})
    await client.connect()
    try {
      const { rows } = await client.query('SELECT pg_try_advisory_lock($1) AS locked', [SWEEP_LOCK])
      if (rows[0]?.locked !== true) return null
      if (!isDryRun) await this.#options.endings.tellExpiring(this.#options.expiryNoticeSeconds)
      const uploads = await this.#sweepUploads(isDryRun, tell)
      const served = await this.#sweepServedParts(isDryRun, tell)
      const packages = await this.#sweepPackages(isDryRun, tell)
      if (!isDryRun) {
        await this.#options.webhooks.forgetOld(DELIVERIES_KEPT_SECONDS)
        await this.#options.events.forgetOld(this.#options.eventTtlSeconds)
        await this.#options.apiKeys.forgetOld(this.#options.eventTtlSeconds)
      }
      const discarded = await this.#sweepGarbage(isDryRun, tell)
      const strays = skipsStrays ? 0 : await this.#sweepStrays(client, { isDryRun, strayAgeSeconds }, tell)
      return { ...uploads, served, packages, discarded, strays }
    } finally {
      await client.end()
    }
  }

  async #sweepUploads(
    isDryRun: boolean,
    tell: Tell,
  ): Promise<Pick<SweepReport, 'expired' | 'finalized' | 'purged' | 'forgotten'>> {
    const { endings, finalizer, purges, garbage, tombstoneTtlSeconds } = this.#options
    const counts = { expired: 0, finalized: 0, purged: 0, forgotten: 0 }
    const seen = new Set<string>()
    for (;;) {
      const due = await endings.findSweepable(tombstoneTtlSeconds, [...seen], BATCH)
      if (due.length === 0) return counts
      for (const upload of due) {
        if (this.#isStopping) return counts
        seen.add(upload.id)
        const action = planUpload(upload)
        tell(`${action} upload ${upload.id} (${upload.state}, ended ${upload.expiresAt.toISOString()})`)
        if (action === 'expire' || action === 'cancel') counts.expired += 1
        else if (action === 'finalize') counts.finalized += 1
        else if (action === 'purge') counts.purged += 1
        else counts.forgotten += 1
        if (isDryRun) continue
        if (action === 'expire') {
          // Asked again under the row's lock: it may have been extended, or got its last byte, since it was listed.
          const ended = await endings.commitEnd(upload.id, 'past-end')
          if (ended !== null) await garbage.empty(ended.discarded)
        } else if (action === 'finalize') await finalizer.resume(upload.id)
        else if (action === 'cancel') {
          const ended = await endings.commitEnd(upload.id, 'abandoned')
          if (ended !== null) await garbage.empty(ended.discarded)
        } else if (action === 'purge') await purges.purge(upload.id)
        else await endings.deleteTombstone(upload.id)
      }
    }
  }

  /** @returns how many */
  async #sweepServedParts(isDryRun: boolean, tell: Tell): Promise<number> {
    const { concatenations, finalizer } = this.#options
    let count = 0
    for (const { uploadId, partCount } of await concatenations.findServed(BATCH)) {
      if (this.#isStopping) break
      tell(`end ${partCount} parts of upload ${uploadId}, which is ready`)
      count += isDryRun ? partCount : await finalizer.endParts(uploadId)
    }
    return count
  }

  /** @returns how many expired */
  async #sweepPackages(isDryRun: boolean, tell: Tell): Promise<number> {
    const { packageEnds, removals, tombstoneTtlSeconds } = this.#options
    const halfDeleted = await packageEnds.findHalfDeleted(BATCH)
    for (const id of halfDeleted) tell(`end the files of package ${id}, which was deleted`)
    const due = isDryRun ? await packageEnds.findDue(BATCH) : await packageEnds.expireDue()
    for (const id of due) tell(`expire package ${id}`)
    if (isDryRun) return due.length
    for (const id of halfDeleted) if (!this.#isStopping) await removals.removeAllOf(id)
    await packageEnds.forget(tombstoneTtlSeconds)
    return due.length
  }

  async #sweepGarbage(isDryRun: boolean, tell: Tell): Promise<number> {
    const { garbage } = this.#options
    let count = 0
    for (;;) {
      const discarded = await garbage.list(BATCH)
      for (const { kind, objectKey } of discarded) tell(`delete ${kind} ${objectKey}, discarded earlier`)
      if (isDryRun) return discarded.length
      const emptied = await garbage.empty(discarded)
      count += emptied
      // What can't be deleted now would be listed for ever.
      if (emptied < BATCH || this.#isStopping) return count
    }
  }

  async #sweepStrays(
    client: pg.Client,
    { isDryRun, strayAgeSeconds }: { isDryRun: boolean; strayAgeSeconds: number },
    tell: Tell,
  ): Promise<number> {
    const { store } = this.#options
    // Not this process's clock: a step of it by a day would make strays of what is being written.
    const { rows } = await client.query<{ now: Date }>('SELECT now() AS now')
    const now = rows[0]?.now ?? new Date(0)
    let batch: StoredItem[] = []
    let count = 0
    for await (const item of store.list()) {
      if (this.#isStopping) return count
      if (isOldEnough(item, now, strayAgeSeconds)) batch.push(item)
      if (batch.length < BATCH) continue
      count += await this.#deleteStrays(client, batch, isDryRun, tell)
      batch = []
    }
    return count + (await this.#deleteStrays(client, batch, isDryRun, tell))
  }

  async #deleteStrays(
    client: pg.Client,
    items: StoredItem[],
    isDryRun: boolean,
    tell: Tell,
  ): Promise<number> {
    if (items.length === 0) return 0
    const { rows } = await client.query('SELECT EXISTS (SELECT FROM uploads) AS known')
    if (rows[0]?.known !== true) {
      // A new database beside an old store looks like this, and everything in the store would be a stray.
      this.#options.log.warn('no upload is recorded, so what is in the store is not taken for strays')
      return 0
    }
    const known = await knownKeys(client, items)
    // A temporary in a bucket is listed once for each of its pieces.
    const byName = new Map(items.map((item) => [`${item.room} ${item.key}`, item]))
    const strays = [...byName].filter(([name]) => !known.has(name)).map(([, item]) => item)
    for (const { room, key, sizeBytes } of strays) {
      if (this.#isStopping) break
      tell(`delete ${room} ${key} (${sizeBytes} bytes), which no record knows`)
      if (isDryRun) continue
      if (room === 'temporary') await this.#options.store.deleteTemporary(key)
      else await this.#options.store.deleteObject(key)
    }
    return strays.length
  }
}

/**
 * Those of `items` that a record stands behind, as "room key".
 *
 * A temporary belongs to an upload that lives, or can be restored; an object to a blob, or to an upload that is being finished.
 */
async function knownKeys(client: pg.Client, items: StoredItem[]): Promise<Set<string>> {
  const keys = items.map((item) => item.key)
  const { rows } = await client.query<{ known: string }>(
    `SELECT 'temporary ' || id AS known FROM uploads WHERE id = ANY($1) AND COALESCE(restore_state, state) IN ('receiving', 'finalizing')
     UNION ALL SELECT 'object ' || id FROM uploads WHERE id = ANY($1) AND COALESCE(restore_state, state) IN ('receiving', 'finalizing')
     UNION ALL SELECT 'object ' || object_key FROM blobs WHERE object_key = ANY($1)`,
    [keys],
  )
  return new Set(rows.map((row) => row.known))
}
