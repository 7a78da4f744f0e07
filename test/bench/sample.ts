// The words of a measurement: who was measured, what, and how much it came to.

import type { ServerName } from './servers.js'

/** Where the servers keep the bytes: in a folder, on the sink that throws them away, on a real S3 server. */
export const STORE_NAMES = ['local', 's3-sink', 's3'] as const

export type StoreName = (typeof STORE_NAMES)[number]

/**
 * `send` stands for the stock way to serve a file, in the bare server's process, and `nginx` for NGINX on the file that ours
 * stored; `pair` for two of ours; `push` for `antipasto push` and `loop` for tus-js-client one file at a time, both on ours.
 */
export type Contender = ServerName | 'send' | 'nginx' | 'pair' | 'push' | 'loop'

export interface Sample {
  /** A Metric's id. */
  readonly metric: string
  readonly contender: Contender
  /** From 1; the warm-up round leaves no samples. */
  readonly round: number
  /** In the metric's unit. */
  readonly value: number
}

export interface Metric {
  readonly id: string
  readonly title: string
  readonly unit: 'MiB/s' | 'files/s' | 'ms' | 'µs' | 'MB' | 'requests' | '×' | '%' | 's'
}

/** How much work a round does. */
export interface Workload {
  readonly bigBytes: number
  readonly smallFileCount: number
  readonly smallFileBytes: number
  readonly smallFileConnectionCount: number
  readonly parallelCount: number
  readonly parallelBytes: number
  /** More at once than a server has memory to buffer. */
  readonly crowdCount: number
  readonly crowdBytes: number
  /** On S3, for one server and for two: how many, how big, and how many at once on each server. */
  readonly instancesCount: number
  readonly instancesBytes: number
  readonly instancesConnectionCount: number
  /** Sizes whose time from last byte to `ready` is measured, besides the big one. */
  readonly readyBytes: readonly number[]
  readonly eventReaderCount: number
  readonly eventsPerSecond: number
  readonly eventSeconds: number
  readonly packageFileCount: number
  /** Few, and many: of a thousand owners each. */
  readonly listedUploadCounts: readonly [number, number]
  /** For the command line: small ones as above, a big one, and so many that memory would show it. */
  readonly cliSmallFileCount: number
  readonly cliBigBytes: number
  readonly cliManyFileCount: number
  readonly cliManyFileBytes: number
}

const MIB = 1024 * 1024

export const fullWorkload: Workload = {
  bigBytes: 1024 * MIB,
  smallFileCount: 2000,
  smallFileBytes: 10 * 1024,
  smallFileConnectionCount: 32,
  parallelCount: 8,
  parallelBytes: 128 * MIB,
  crowdCount: 200,
  crowdBytes: 16 * MIB,
  instancesCount: 48,
  instancesBytes: 32 * MIB,
  instancesConnectionCount: 4,
  readyBytes: [MIB, 64 * MIB],
  eventReaderCount: 500,
  eventsPerSecond: 50,
  eventSeconds: 10,
  packageFileCount: 10_000,
  listedUploadCounts: [10_000, 1_000_000],
  cliSmallFileCount: 10_000,
  cliBigBytes: 2048 * MIB,
  cliManyFileCount: 100_000,
  cliManyFileBytes: 128,
}

export const quickWorkload: Workload = {
  ...fullWorkload,
  bigBytes: 256 * MIB,
  smallFileCount: 500,
  parallelBytes: 32 * MIB,
  crowdBytes: 8 * MIB,
  instancesBytes: 16 * MIB,
  cliSmallFileCount: 2000,
  cliBigBytes: 512 * MIB,
  cliManyFileCount: 10_000,
}

/** Every metric, in the table's order. */
export function metricsOf(workload: Workload, store: StoreName): readonly Metric[] {
  const big = sizeText(workload.bigBytes)
  const parallel = `${workload.parallelCount} × ${sizeText(workload.parallelBytes)}`
  const crowd = `${workload.crowdCount} × ${sizeText(workload.crowdBytes)}`
  const small = `${workload.smallFileCount} files of ${sizeText(workload.smallFileBytes)}`
  const instances = `${workload.instancesCount} × ${sizeText(workload.instancesBytes)}`
  const following = `${workload.eventReaderCount} event streams, ${workload.eventsPerSecond} events/s`
  const files = `a package of ${workload.packageFileCount} files`
  const [few, many] = workload.listedUploadCounts
  const pushed = `${workload.cliSmallFileCount} files of ${sizeText(workload.smallFileBytes)} from disk`
  const pushedBig = `a ${sizeText(workload.cliBigBytes)} file from disk`
  // Only the sink says how long the completion took.
  const untilReady = store === 's3-sink' ? 'last byte to ready, less the completion' : 'last byte to ready'
  return [
    { id: 'bigfile', title: `one ${big} PATCH`, unit: 'MiB/s' },
    { id: 'parallel', title: `${parallel} at once`, unit: 'MiB/s' },
    { id: 'crowd', title: `${crowd} at once`, unit: 'MiB/s' },
    { id: 'fairness.parallel', title: `${parallel}, the slowest's rate / the mean`, unit: '×' },
    { id: 'fairness.crowd', title: `${crowd}, the slowest's rate / the mean`, unit: '×' },
    { id: 'smallfiles', title: `${small}, ${workload.smallFileConnectionCount} at once`, unit: 'files/s' },
    {
      id: 'instances',
      title: `${instances}, a core for each server, or half of one`,
      unit: 'MiB/s',
    },
    { id: 'busy.instances', title: `all cores busy, ${instances}`, unit: '%' },
    { id: 'download', title: `${big} download`, unit: 'MiB/s' },
    { id: 'answer', title: `last byte to answer, ${big}`, unit: 'ms' },
    ...[...workload.readyBytes, workload.bigBytes].map((sizeBytes): Metric => {
      return { id: readyMetric(sizeBytes), title: `${untilReady}, ${sizeText(sizeBytes)}`, unit: 'ms' }
    }),
    { id: 'processor.bigfile', title: `processor time, ${big} PATCH`, unit: 's' },
    { id: 'processor.smallfiles', title: 'processor time, a small file', unit: 'ms' },
    { id: 'postgres-processor.smallfiles', title: "PostgreSQL's processor time, a small file", unit: 'ms' },
    { id: 'loop.bigfile', title: `event-loop delay p99, ${big} PATCH`, unit: 'ms' },
    { id: 'loop-max.bigfile', title: `event-loop delay max, ${big} PATCH`, unit: 'ms' },
    { id: 'loop.parallel', title: `event-loop delay p99, ${parallel}`, unit: 'ms' },
    { id: 'loop-max.parallel', title: `event-loop delay max, ${parallel}`, unit: 'ms' },
    { id: 'loop.crowd', title: `event-loop delay p99, ${crowd}`, unit: 'ms' },
    { id: 'loop-max.crowd', title: `event-loop delay max, ${crowd}`, unit: 'ms' },
    { id: 'memory.bigfile', title: `resident peak, ${big} PATCH`, unit: 'MB' },
    { id: 'memory.parallel', title: `resident peak, ${parallel}`, unit: 'MB' },
    { id: 'memory.crowd', title: `resident peak, ${crowd}`, unit: 'MB' },
    { id: 'memory.smallfiles', title: 'resident peak, small files', unit: 'MB' },
    { id: 'memory.download', title: 'resident peak, download', unit: 'MB' },
    { id: 'postgres.bigfile', title: `embedded PostgreSQL peak, ${big} PATCH`, unit: 'MB' },
    { id: 'postgres.smallfiles', title: 'embedded PostgreSQL peak, small files', unit: 'MB' },
    { id: 'temp.bigfile', title: `written to the temp folder, ${big} PATCH`, unit: 'MB' },
    { id: 'temp.crowd', title: `written to the temp folder, ${crowd}`, unit: 'MB' },
    { id: 'temp.smallfiles', title: 'written to the temp folder, small files', unit: 'MB' },
    { id: 'requests.bigfile', title: `S3 requests besides the parts, ${big} PATCH`, unit: 'requests' },
    { id: 'requests.crowd', title: `S3 requests besides the parts, one of ${crowd}`, unit: 'requests' },
    { id: 'requests.smallfiles', title: 'S3 requests for a small file', unit: 'requests' },
    { id: 'events', title: `${following}, the latest delivery`, unit: 'ms' },
    { id: 'median.events', title: `${following}, the median delivery`, unit: 'ms' },
    { id: 'loop.events', title: `event-loop delay p99, ${following}`, unit: 'ms' },
    { id: 'memory-before.events', title: `resident at the start, ${following}`, unit: 'MB' },
    { id: 'memory-after.events', title: `resident at the end, ${following}`, unit: 'MB' },
    { id: 'packages', title: `finalizing ${files}`, unit: 'ms' },
    { id: 'loop.packages', title: `event-loop delay p99, finalizing ${files}`, unit: 'ms' },
    { id: 'manifest', title: `the manifest of ${files}`, unit: 'ms' },
    { id: 'memory.manifest', title: `memory for the manifest of ${files}`, unit: 'MB' },
    ...workload.listedUploadCounts.map((count): Metric => {
      return {
        id: listMetric(count),
        title: `GET /uploads of ${count}, filtered and sorted, p95`,
        unit: 'ms',
      }
    }),
    { id: 'lists', title: `GET /uploads, ${many} / ${few}`, unit: '×' },
    { id: 'state', title: 'digest state, load and save', unit: 'µs' },
    { id: 'cli-smallfiles', title: pushed, unit: 'files/s' },
    { id: 'cli-bigfile', title: pushedBig, unit: 'MiB/s' },
    { id: 'memory.cli-bigfile', title: `resident peak of the client, ${pushedBig}`, unit: 'MB' },
    { id: 'cli-many', title: `${workload.cliManyFileCount} small files from disk`, unit: 'files/s' },
    {
      id: 'memory.cli-many',
      title: `resident peak of the client, ${workload.cliManyFileCount} files`,
      unit: 'MB',
    },
    { id: 'cli-again', title: `the same ${workload.cliManyFileCount} files again`, unit: 'files/s' },
    { id: 'memory.cli-again', title: 'resident peak of the client, the same files again', unit: 'MB' },
  ]
}

/** The id of the metric for one size. */
export function readyMetric(sizeBytes: number): string {
  return `ready.${sizeBytes}`
}

/** The id of the metric for that many uploads. */
export function listMetric(count: number): string {
  return `lists.${count}`
}

/** `1 GiB`, `64 MiB`, `10 KiB`. */
export function sizeText(sizeBytes: number): string {
  if (sizeBytes % (1024 * MIB) === 0) return `${sizeBytes / (1024 * MIB)} GiB`
  if (sizeBytes % MIB === 0) return `${sizeBytes / MIB} MiB`
  return `${sizeBytes / 1024} KiB`
}
