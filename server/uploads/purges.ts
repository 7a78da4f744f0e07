// The end of the time to restore what was deleted: a timer where the request came in. The sweep finds what no timer does.

import type { Logger } from 'pino'
import { aboutUpload, traced } from '../tracing/span.js'
import type { Endings } from './endings.js'
import type { Garbage } from './garbage.js'

/** The database's clock decides; a timer that comes a moment too early would find nothing due. */
const LATE_MS = 250

export interface PurgesOptions {
  endings: Pick<Endings, 'commitPurge'>
  garbage: Pick<Garbage, 'empty'>
  log: Logger
}

export class Purges {
  readonly #options: PurgesOptions
  readonly #timers = new Map<string, NodeJS.Timeout>()
  readonly #running = new Set<Promise<void>>()
  #isStopped = false

  constructor(options: PurgesOptions) {
    this.#options = options
  }

  /** Purges the upload in `seconds`, unless it is restored by then. */
  plan(uploadId: string, seconds: number): void {
    if (this.#isStopped) return
    clearTimeout(this.#timers.get(uploadId))
    const timer = setTimeout(() => this.#purgeQuietly(uploadId), Math.max(0, seconds) * 1000 + LATE_MS)
    timer.unref()
    this.#timers.set(uploadId, timer)
  }

  /** There is nothing to purge any more. */
  forget(uploadId: string): void {
    clearTimeout(this.#timers.get(uploadId))
    this.#timers.delete(uploadId)
  }

  /** Gives up the bytes of an upload that nobody has restored in time, and of no other. Idempotent. */
  async purge(uploadId: string): Promise<void> {
    const { endings, garbage } = this.#options
    await garbage.empty(await endings.commitPurge(uploadId))
  }

  /** Waits for what runs; what is planned is left to the sweep of the next start. */
  async stop(): Promise<void> {
    this.#isStopped = true
    for (const timer of this.#timers.values()) clearTimeout(timer)
    this.#timers.clear()
    await Promise.all(this.#running)
  }

  #purgeQuietly(uploadId: string): void {
    this.#timers.delete(uploadId)
    const purging = traced('upload.purge', aboutUpload(uploadId), () => this.purge(uploadId), {
      isRoot: true,
    })
      .catch((error: unknown) => {
        this.#options.log.warn(
          { err: error, upload: uploadId },
          'a deleted upload could not be purged; the sweep does it',
        )
      })
      .finally(() => this.#running.delete(purging))
    this.#running.add(purging)
  }
}
