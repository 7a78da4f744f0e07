// All that is observed, made at once. The rest of the server knows the observers' own interfaces and nothing of Prometheus.

import type { Server } from 'node:http'
import type { RequestHandler } from 'express'
import type { TailObserver } from '../events/tail.js'
import type { Observer, S3Call, StoreCall } from '../storage/observed.js'
import type { Store } from '../storage/store.js'
import type { SweepObserver } from '../sweep/sweep.js'
import type { LeaseObserver } from '../uploads/leases.js'
import type { UploadObserver } from '../uploads/observer.js'
import type { DeliveryObserver } from '../webhooks/dispatcher.js'
import { observeConnections } from './connections.js'
import { watchCensus, watchConnections } from './database.js'
import { observeDeliveries, observeTail } from './events.js'
import { type FindOperation, observeRequests } from './http.js'
import { observeLeases } from './leases.js'
import { watchDigests, watchSlabs } from './memory.js'
import { type Build, tellBuild, watchProcess } from './process.js'
import { type Described, Families } from './registry.js'
import { observeS3, observeStore } from './storage.js'
import { observeSweeps } from './sweep.js'
import { observeUploads } from './uploads.js'
import { withinTime } from './within-time.js'

/** A network disk that hangs must not make the other figures wait. */
const FREE_BYTES_LIMIT_MS = 2_000

/** What can be asked for its state when somebody reads the metrics. */
export interface Watched extends Build {
  slabs: Parameters<typeof watchSlabs>[1]
  digests: Parameters<typeof watchDigests>[1]
  database: Parameters<typeof watchConnections>[1]
  census: Parameters<typeof watchCensus>[1]
  bytes: Pick<Store, 'freeBytes'>
  leases: { readonly heldCount: number }
}

/** Observers to be handed to whom they observe, and the text of what they saw. */
export class Metrics {
  readonly #families = new Families()
  readonly #stopWatching: () => void
  readonly requests: RequestHandler
  readonly watchConnections: (server: Server) => void
  readonly uploads: UploadObserver
  readonly store: Observer<StoreCall>
  readonly s3: Observer<S3Call>
  readonly leases: LeaseObserver
  readonly sweeps: SweepObserver
  readonly tail: TailObserver
  readonly deliveries: DeliveryObserver

  constructor(findOperation: FindOperation) {
    const families = this.#families
    this.requests = observeRequests(families, findOperation)
    this.watchConnections = observeConnections(families)
    this.uploads = observeUploads(families)
    this.store = observeStore(families)
    this.s3 = observeS3(families)
    this.leases = observeLeases(families)
    this.sweeps = observeSweeps(families)
    this.tail = observeTail(families)
    this.deliveries = observeDeliveries(families)
    this.#stopWatching = watchProcess(families)
  }

  /** Once everything is built. */
  watch({ slabs, digests, database, census, bytes, leases, ...build }: Watched): void {
    const families = this.#families
    tellBuild(families, build)
    watchSlabs(families, slabs)
    watchDigests(families, digests)
    watchConnections(families, database)
    watchCensus(families, census)
    families.readOnScrape(
      {
        name: 'store_free_bytes',
        help: 'Room on the disk of the local store; absent on S3, which knows no bound.',
      },
      async () => {
        const value = await withinTime(FREE_BYTES_LIMIT_MS, bytes.freeBytes())
        return Number.isFinite(value) ? [{ value }] : []
      },
    )
    families.readOnScrape(
      { name: 'leases_held', help: 'Uploads that requests of this instance may write now.' },
      () => [{ value: leases.heldCount }],
    )
  }

  get contentType(): string {
    return this.#families.registry.contentType
  }

  /** All families of our own; those of the process are prom-client's. */
  get described(): readonly Described[] {
    return this.#families.described
  }

  /** In Prometheus' text format. */
  text(): Promise<string> {
    return this.#families.registry.metrics()
  }

  close(): void {
    this.#stopWatching()
  }
}
