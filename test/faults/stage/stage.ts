// What the fault suite plays on: two instances behind nginx on one PostgreSQL and one bucket, a third with a disk of its
// own, and between all of them lines that can be cut. Types only; start-stage.ts builds it.

import type { TestBucket } from '../../support/s3.js'
import type { S3Proxy } from '../../support/s3-proxy.js'

/** `a` and `b` share database and bucket and stand behind nginx; `disk` has a local store and stands alone. */
export type InstanceName = 'a' | 'b' | 'disk'

/** The store and database that instances share: `cluster` is that of `a` and `b`. */
export type Place = 'cluster' | 'disk'

export interface Stage {
  readonly cluster: Deployment
  readonly disk: Deployment
  readonly instances: Readonly<Record<InstanceName, Instance>>
  /** Straight to the real gateway, past every fault; what `a` and `b` keep is in it. */
  readonly bucket: TestBucket
  readonly gateway: Gateway
  readonly postgres: Postgres
  /** Where `disk` keeps its bytes; undefined without 'full-disk'. */
  readonly storeDisk: SmallDisk | undefined
  /** The lines made by `newLine`, in their order. */
  readonly lines: readonly Line[]
  /** What can't be done on this machine, and why: `full-disk` without root, `clock-step` without libfaketime. */
  readonly missing: ReadonlyMap<Need, string>
  /**
   * The network of one client: a TCP proxy in front of nginx, or of `disk`. Ends with the stage; `renew` keeps it.
   *
   * Absolute URLs in answers lead past it (they begin with the place's `url`): a client takes their path.
   */
  newLine(place: Place): Promise<Line>
  /** `node dist/server/main.js sweep ARGS`, as a process beside the servers, with their settings, past every line. */
  sweep(place: Place, options?: SweepProcessOptions): Promise<Finished>
  /**
   * Undoes whatever faults have left, and waits until every instance answers /readyz with 200.
   *
   * Throws after `timeoutMs` (default 60 s) with what isn't well, and the tail of its log.
   */
  mend(timeoutMs?: number): Promise<void>
  /** For another run on the same stage: databases, bucket and disk empty, logs and counts forgotten, all instances up. */
  renew(): Promise<void>
  /** Ends and removes all of it; idempotent. */
  dispose(): Promise<void>
}

/** What a part of the stage can need of the machine. */
export type Need = 'full-disk' | 'clock-step'

export interface SweepProcessOptions {
  readonly args?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

export interface Finished {
  /** -1 when a signal ended it. */
  readonly exitCode: number
  /** stdout and stderr. */
  readonly output: string
}

export interface Deployment {
  /** Of nginx, or of `disk`, with no line between: PUBLIC_URL. */
  readonly url: string
  /** An API key with every scope. */
  readonly key: string
  /** Straight to PostgreSQL, past every line. */
  readonly databaseUrl: string
  /** `<DATA_DIR>/store` of `disk`; undefined for `cluster`. */
  readonly storeFolder: string | undefined
}

export interface Instance {
  readonly name: InstanceName
  /** Past nginx and past every line; the same after a restart. */
  readonly url: string
  /** Undefined while there is no process. */
  readonly pid: number | undefined
  /** Between it and PostgreSQL. */
  readonly databaseLine: Line
  /** Between it and S3; undefined for `disk`. */
  readonly s3: S3Proxy | undefined
  /** True from the moment a fault took it away until it has answered /readyz again. */
  readonly isDown: boolean
  /** Stretches in which it was down, in ms of `performance.now()`; the last one may be open. */
  readonly outages: readonly { readonly fromMs: number; readonly untilMs: number | undefined }[]
  /** How often its process ended though nobody ended it; it is started again each time, as Docker would. */
  readonly crashes: number
  /** All it has written to stdout and stderr, across restarts, since the stage began or was renewed. */
  logs(): string
  /** kill -9; it stays away until `start`. */
  kill(): Promise<void>
  /**
   * SIGTERM; it stays away until `start`.
   *
   * @returns the exit code, -1 when a signal ended it; undefined when `kill` was called meanwhile
   */
  stop(): Promise<number | undefined>
  /** Starts it, and tries again while what it needs is away; resolves when it is ready. */
  start(): Promise<void>
  /** SIGSTOP; nothing while it is down. */
  freeze(): void
  /** SIGCONT; resolves when it answers /healthz, or has been ended meanwhile. */
  thaw(): Promise<void>
  /** Its wall clock is `seconds` from the real one, from now on and after restarts, too. */
  setClock(seconds: number): Promise<void>
}

/** A TCP connection's way, to be troubled. */
export interface Line {
  /** `http://127.0.0.1:PORT` */
  readonly url: string
  /** Breaks every connection, by reset; new ones can be made. */
  cut(): void
  /** Breaks every connection, and new ones at once, until `mend`. */
  sever(): void
  /** Nothing passes to the server until `mend`, and nothing breaks: a cable that is out. */
  stall(): void
  /** Waits so long before each piece goes to the server; 0 doesn't. */
  delay(milliseconds: number): void
  /** No fault is left. */
  mend(): void
}

export interface Gateway {
  kill(): Promise<void>
  start(): Promise<void>
}

export interface Postgres {
  /** Fast shutdown: sessions are ended, everything is written. */
  stopFast(): Promise<void>
  /** Immediate shutdown: the next start recovers from the log. */
  stopImmediately(): Promise<void>
  /** Returns when it answers; tries for a while. Does nothing when it runs. */
  start(): Promise<void>
  /** Undefined without 'full-disk'. */
  readonly disk: SmallDisk | undefined
}

/** A small file system that can be filled. */
export interface SmallDisk {
  /** Takes room away until so much is left. */
  fill(leftBytes: number): Promise<void>
  /** Gives all of it back. */
  free(): Promise<void>
  freeBytes(): Promise<number>
}
