// Leases: which request may write an upload now. One row, one UPDATE; no connection and no thread waits.
//
// A newer request always wins, since it is the client's latest word (its old connection may be dead without our knowing):
// it asks the holder to stop, here or on another instance, and takes over once the holder has stored what it had.
// A holder that doesn't answer loses the lease at its deadline, and the epoch keeps its late writes out.

import type { Logger } from 'pino'
import { EVERYONE, type OwnerScope } from '../auth/owner-scope.js'
import type { Notifications } from '../database/notifications.js'
import { AppError } from '../errors.js'
import { type Fence, type Records, takenOver } from './records.js'
import { assertAlive, type Upload, type UploadState } from './upload.js'

const LEASE_SECONDS = 10
const RENEW_SECONDS = 3
/** Longer than a lease: a dead holder's runs out while its successor waits. */
const PATIENCE_MS = 12_000
const ASK_AGAIN_MS = 500

/** Who wants to know how leases go from one to another. Must be quick, and never throw. */
export interface LeaseObserver {
  /** Somebody who found an upload held waited, and got the lease, or the settled record, or gave up. */
  waited(outcome: 'taken' | 'settled' | 'locked', milliseconds: number): void
  /** A lease that was held here is somebody else's: it was asked for, or lapsed without our noticing. */
  lost(reason: 'asked' | 'lapsed'): void
}

/** The right to write one upload, until `signal` says that it is lost. */
export interface Lease extends Fence {
  readonly signal: AbortSignal
}

class HeldLease implements Lease {
  readonly uploadId: string
  readonly epoch: bigint
  readonly #controller = new AbortController()
  /** Somebody waits to hear that it is free. */
  isWanted = false

  constructor(uploadId: string, epoch: bigint) {
    this.uploadId = uploadId
    this.epoch = epoch
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  stop(reason: AppError): void {
    this.#controller.abort(reason)
  }
}

export class Leases {
  readonly #records: Records
  readonly #notifications: Notifications
  readonly #log: Logger
  readonly #observer: LeaseObserver | undefined
  readonly #held = new Map<string, HeldLease>()
  /** Let go of here while the database was away: their rows still say that we hold them. */
  readonly #unreleased = new Set<Fence>()
  readonly #waiting = new Map<string, Set<() => void>>()
  readonly #timer: NodeJS.Timeout
  readonly #stopListening: (() => void)[]
  #isStopping = false

  /** @param holder names this instance among all; new at every start */
  readonly holder: string
  readonly seconds = LEASE_SECONDS

  constructor(
    records: Records,
    notifications: Notifications,
    log: Logger,
    holder: string,
    observer?: LeaseObserver,
  ) {
    this.#observer = observer
    this.#records = records
    this.#notifications = notifications
    this.#log = log
    this.holder = holder
    this.#stopListening = [
      notifications.on('lease_wanted', (uploadId) => this.#yieldTo(uploadId)),
      notifications.on('lease_free', (uploadId) => this.#wake(uploadId)),
    ]
    this.#timer = setInterval(() => void this.#renew(), RENEW_SECONDS * 1000)
    this.#timer.unref()
  }

  /**
   * The lease of an upload in `state`, with its record, after any holder has stored what it had and let go.
   *
   * @throws NOT_FOUND; GONE; CONFLICT when the upload is in another state; LOCKED when the holder doesn't let go in time
   */
  async claim(
    uploadId: string,
    state: UploadState,
    scope: OwnerScope,
  ): Promise<{ lease: Lease; upload: Upload }> {
    const startedAtMs = performance.now()
    let hasWaited = false
    for (;;) {
      if (this.#isStopping) throw stopping()
      // Held here, it may have lapsed, but its request still writes: it has to stop first, whatever the row says.
      const upload = this.#held.has(uploadId)
        ? null
        : await this.#records.claimLease(uploadId, state, scope, this.holder, LEASE_SECONDS)
      if (upload !== null) {
        if (hasWaited) this.#observer?.waited('taken', performance.now() - startedAtMs)
        return { lease: this.adopt(upload), upload }
      }
      const found = await this.#records.get(uploadId, scope)
      assertAlive(found)
      if (found.state !== state) throw wrongState(found, state)
      hasWaited = true
      await this.#askFor(uploadId, startedAtMs)
    }
  }

  /** Like claim, but gives up at once where somebody holds the lease: for what can be done later as well. */
  async tryClaim(uploadId: string, state: UploadState): Promise<{ lease: Lease; upload: Upload } | null> {
    if (this.#held.has(uploadId)) return null
    const upload = await this.#records.claimLease(uploadId, state, EVERYONE, this.holder, LEASE_SECONDS)
    return upload === null ? null : { lease: this.adopt(upload), upload }
  }

  /** The record once nobody writes the upload: its offset is then exact. @throws NOT_FOUND, LOCKED */
  async settle(uploadId: string, scope: OwnerScope): Promise<Upload> {
    const startedAtMs = performance.now()
    let hasWaited = false
    for (;;) {
      const upload = await this.#records.get(uploadId, scope)
      if (upload.state !== 'receiving' || !(upload.isHeld || this.#held.has(uploadId))) {
        if (hasWaited) this.#observer?.waited('settled', performance.now() - startedAtMs)
        return upload
      }
      hasWaited = true
      await this.#askFor(uploadId, startedAtMs)
    }
  }

  /** Makes known here a lease that was taken with its record. */
  adopt(upload: Upload): Lease {
    const lease = new HeldLease(upload.id, upload.leaseEpoch)
    this.#held.set(upload.id, lease)
    if (this.#isStopping) lease.stop(stopping())
    return lease
  }

  /** How many uploads requests of this instance may write now. */
  get heldCount(): number {
    return this.#held.size
  }

  /** Lets go. @param isRecorded the row says so already, in the statement that stored the last bytes */
  async release(lease: Lease, isRecorded: boolean): Promise<void> {
    const held = this.#held.get(lease.uploadId)
    if (held?.epoch !== lease.epoch) return
    this.#held.delete(lease.uploadId)
    try {
      if (!isRecorded) await this.#records.releaseLease(lease)
      if (held.isWanted) {
        this.#wake(lease.uploadId)
        await this.#notifications.notify('lease_free', lease.uploadId)
      }
    } catch (error) {
      // The request's own answer matters more; #renew tries again, and the deadline frees it too.
      this.#unreleased.add(lease)
      this.#log.warn({ err: error, upload: lease.uploadId }, 'a lease could not be released')
    }
  }

  /** Stops whoever writes an upload that has ended; its late bytes find nothing to be recorded in. */
  async evict(uploadId: string): Promise<void> {
    if (!this.#yieldTo(uploadId)) await this.#askElsewhere(uploadId)
  }

  /** Tells every running request to store what it has and stop. Nothing can be claimed any more. */
  stopAll(): void {
    this.#isStopping = true
    for (const lease of this.#held.values()) lease.stop(stopping())
  }

  close(): void {
    clearInterval(this.#timer)
    for (const stop of this.#stopListening) stop()
  }

  /** Asks the holder to let go and waits a moment for its answer. @throws LOCKED when that has gone on for too long */
  async #askFor(uploadId: string, startedAtMs: number): Promise<void> {
    const waitedMs = performance.now() - startedAtMs
    if (waitedMs > PATIENCE_MS) {
      this.#observer?.waited('locked', waitedMs)
      throw new AppError(
        'LOCKED',
        'Another request holds this upload and does not let go. Try again in a few seconds.',
        {
          retryAfterSeconds: 5,
        },
      )
    }
    const free = this.#whenFree(uploadId)
    const isHere = this.#yieldTo(uploadId)
    if (!isHere) await this.#askElsewhere(uploadId)
    await free
  }

  /** NOTIFY only hurries a holder: while its connection is down, deadline and epoch still decide. */
  async #askElsewhere(uploadId: string): Promise<void> {
    await this.#notifications.notify('lease_wanted', uploadId).catch((error: unknown) => {
      this.#log.warn({ err: error, upload: uploadId }, 'a lease could not be asked for')
    })
  }

  #whenFree(uploadId: string): Promise<void> {
    return new Promise((resolve) => {
      const waiting = this.#waiting.get(uploadId) ?? new Set()
      this.#waiting.set(uploadId, waiting)
      const done = () => {
        clearTimeout(timer)
        waiting.delete(done)
        if (waiting.size === 0) this.#waiting.delete(uploadId)
        resolve()
      }
      const timer = setTimeout(done, ASK_AGAIN_MS)
      waiting.add(done)
    })
  }

  /** @returns whether the lease is held here */
  #yieldTo(uploadId: string): boolean {
    const held = this.#held.get(uploadId)
    if (held === undefined) return false
    if (!held.signal.aborted) this.#observer?.lost('asked')
    held.isWanted = true
    held.stop(takenOver(uploadId))
    return true
  }

  #wake(uploadId: string): void {
    for (const done of [...(this.#waiting.get(uploadId) ?? [])]) done()
  }

  async #renew(): Promise<void> {
    const held = [...this.#held.values()]
    if (held.length === 0 && this.#unreleased.size === 0) return
    try {
      for (const fence of this.#unreleased) {
        await this.#records.releaseLease(fence)
        this.#unreleased.delete(fence)
      }
      const ids = held.map((lease) => lease.uploadId)
      const kept = await this.#records.renewLeases(this.holder, ids, LEASE_SECONDS)
      for (const lease of held) {
        if (kept.has(lease.uploadId) || this.#held.get(lease.uploadId) !== lease) continue
        if (!lease.signal.aborted) this.#observer?.lost('lapsed')
        lease.stop(takenOver(lease.uploadId))
      }
    } catch (error) {
      // Not renewed is not lost: the epoch decides when the bytes are recorded.
      this.#log.warn({ err: error }, 'leases could not be renewed')
    }
  }
}

function stopping(): AppError {
  return new AppError(
    'UNAVAILABLE',
    'The server is restarting. What arrived is kept: resume in a few seconds.',
    {
      retryAfterSeconds: 5,
    },
  )
}

function wrongState(upload: Upload, wanted: UploadState): AppError {
  return new AppError('CONFLICT', `The upload is ${upload.state}, not ${wanted}. Ask for its report.`, {
    details: { state: upload.state },
  })
}
