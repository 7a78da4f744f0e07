// The words of a measurement: who was measured, what, and how much it came to.

import type { ServerName } from './servers.js'

/** `send` stands for the stock way to serve a file, in the bare server's process. */
export type Contender = ServerName | 'send'

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
  readonly unit: 'MiB/s' | 'files/s' | 'ms' | 'µs' | 'MB'
}

/** How much work a round does. */
export interface Workload {
  readonly bigBytes: number
  readonly smallFileCount: number
  readonly smallFileBytes: number
  readonly smallFileConnectionCount: number
  readonly parallelCount: number
  readonly parallelBytes: number
  /** Sizes whose time from last byte to `ready` is measured, besides the big one. */
  readonly readyBytes: readonly number[]
}

const MIB = 1024 * 1024

export const fullWorkload: Workload = {
  bigBytes: 1024 * MIB,
  smallFileCount: 2000,
  smallFileBytes: 10 * 1024,
  smallFileConnectionCount: 32,
  parallelCount: 8,
  parallelBytes: 128 * MIB,
  readyBytes: [MIB, 64 * MIB],
}

export const quickWorkload: Workload = {
  ...fullWorkload,
  bigBytes: 256 * MIB,
  smallFileCount: 500,
  parallelBytes: 32 * MIB,
}

/** Every metric, in the table's order. */
export function metricsOf(workload: Workload): readonly Metric[] {
  const big = sizeText(workload.bigBytes)
  const parallel = `${workload.parallelCount} × ${sizeText(workload.parallelBytes)}`
  const small = `${workload.smallFileCount} files of ${sizeText(workload.smallFileBytes)}`
  return [
    { id: 'bigfile', title: `one ${big} PATCH`, unit: 'MiB/s' },
    { id: 'parallel', title: `${parallel} at once`, unit: 'MiB/s' },
    { id: 'smallfiles', title: `${small}, ${workload.smallFileConnectionCount} at once`, unit: 'files/s' },
    { id: 'download', title: `${big} download`, unit: 'MiB/s' },
    { id: 'answer', title: `last byte to answer, ${big}`, unit: 'ms' },
    ...[...workload.readyBytes, workload.bigBytes].map((sizeBytes): Metric => {
      return { id: readyMetric(sizeBytes), title: `last byte to ready, ${sizeText(sizeBytes)}`, unit: 'ms' }
    }),
    { id: 'loop.bigfile', title: `event-loop delay p99, ${big} PATCH`, unit: 'ms' },
    { id: 'loop-max.bigfile', title: `event-loop delay max, ${big} PATCH`, unit: 'ms' },
    { id: 'loop.parallel', title: `event-loop delay p99, ${parallel}`, unit: 'ms' },
    { id: 'loop-max.parallel', title: `event-loop delay max, ${parallel}`, unit: 'ms' },
    { id: 'memory.bigfile', title: `resident peak, ${big} PATCH`, unit: 'MB' },
    { id: 'memory.parallel', title: `resident peak, ${parallel}`, unit: 'MB' },
    { id: 'memory.smallfiles', title: 'resident peak, small files', unit: 'MB' },
    { id: 'memory.download', title: 'resident peak, download', unit: 'MB' },
    { id: 'postgres.bigfile', title: `embedded PostgreSQL peak, ${big} PATCH`, unit: 'MB' },
    { id: 'postgres.smallfiles', title: 'embedded PostgreSQL peak, small files', unit: 'MB' },
    { id: 'state', title: 'digest state, load and save', unit: 'µs' },
  ]
}

/** The id of the metric for one size. */
export function readyMetric(sizeBytes: number): string {
  return `ready.${sizeBytes}`
}

/** `1 GiB`, `64 MiB`, `10 KiB`. */
export function sizeText(sizeBytes: number): string {
  if (sizeBytes % (1024 * MIB) === 0) return `${sizeBytes / (1024 * MIB)} GiB`
  if (sizeBytes % MIB === 0) return `${sizeBytes / MIB} MiB`
  return `${sizeBytes / 1024} KiB`
}
