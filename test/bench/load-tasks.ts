// What the bench asks of its load process, and what comes back. Types only: both sides of the IPC channel read them.

/** A server under load, on this machine. */
export interface Target {
  readonly port: number
  readonly authorization: string
}

export interface UploadTask {
  readonly target: Target
  readonly sizeBytes: number
  readonly seed: number
  /** Ask for the report after the last answer, and count the time until it says `ready`. */
  readonly untilReady: boolean
}

export interface UploadResult {
  /** The upload's path, from Location. */
  readonly path: string
  /** From the creation's first byte to the PATCH's answer. */
  readonly elapsedMs: number
  /** From the kernel's taking of the last byte to the PATCH's answer. */
  readonly lastByteToAnswerMs: number
  /** From there to a report that says `ready`; null when not asked for. */
  readonly lastByteToReadyMs: number | null
}

export interface ParallelTask {
  /** Taken in turn, an upload each. */
  readonly targets: readonly Target[]
  readonly sizeBytes: number
  /** One upload for each seed, all at once. */
  readonly seeds: readonly number[]
}

export interface QueueTask {
  readonly targets: readonly Target[]
  readonly sizeBytes: number
  /** One upload for each seed: whichever server is done with one takes the next. */
  readonly seeds: readonly number[]
  /** So many uploads at once on each server. */
  readonly connectionCount: number
}

export interface SmallFilesTask {
  readonly target: Target
  readonly sizeBytes: number
  readonly fileCount: number
  readonly connectionCount: number
  readonly seed: number
}

export interface ManyResult {
  /** In the order of seeds or of indexes. */
  readonly paths: readonly string[]
  readonly elapsedMs: number
}

export interface ParallelResult extends ManyResult {
  /** How long each upload took, in the order of seeds. */
  readonly uploadMs: readonly number[]
}

export interface DownloadTask {
  readonly port: number
  readonly path: string
  /** Hashing slows the reader: time one download and hash another. */
  readonly hash: boolean
}

export interface DownloadResult {
  readonly sizeBytes: number
  readonly elapsedMs: number
  /** Lowercase hex; null when not asked for. */
  readonly sha256: string | null
}

export interface FollowTask {
  readonly target: Target
  readonly readerCount: number
  readonly eventsPerSecond: number
  readonly seconds: number
  /** Of each upload; uploads make the events. */
  readonly sizeBytes: number
  readonly seed: number
}

/** `paths` are the uploads', in the order of their indexes. */
export interface FollowResult extends ManyResult {
  /** From an event's time to its arrival, over all events and readers. */
  readonly medianDelayMs: number
  readonly latestDelayMs: number
}

export interface LoadTasks {
  upload: { task: UploadTask; result: UploadResult }
  parallel: { task: ParallelTask; result: ParallelResult }
  queue: { task: QueueTask; result: ManyResult }
  smallFiles: { task: SmallFilesTask; result: ManyResult }
  download: { task: DownloadTask; result: DownloadResult }
  follow: { task: FollowTask; result: FollowResult }
}

export type LoadKind = keyof LoadTasks

export type LoadRequest = {
  [K in LoadKind]: { readonly id: number; readonly kind: K; readonly task: LoadTasks[K]['task'] }
}[LoadKind]

export type LoadReply =
  | { readonly id: number; readonly result: LoadTasks[LoadKind]['result'] }
  | { readonly id: number; readonly error: string }
