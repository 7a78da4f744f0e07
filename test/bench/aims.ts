// What we set out to reach, and the pure judgement whether a run did. Aims are printed, never asserted:
// a benchmark on a busy machine must not break a build.

import { type Contender, readyMetric, type Sample, type StoreName, type Workload } from './sample.js'
import { median, pairedRatios, type Spread, spreadOf } from './statistics.js'

export type Aim =
  | {
      readonly kind: 'ratio'
      readonly metric: string
      readonly of: Contender
      readonly against: Contender
      readonly atLeast: number
      /** The metric that tells how many percent of all cores `against` took already: more work than cores is no miss. */
      readonly busyMetric?: string
    }
  | {
      readonly kind: 'limit'
      readonly metric: string
      /** Default: ours. */
      readonly of?: Contender
      /** Exclusive. */
      readonly below: number
      readonly judgedBy: 'median' | 'max'
    }
  | {
      readonly kind: 'floor'
      readonly metric: string
      /** Of the median round. */
      readonly atLeast: number
    }
  | {
      readonly kind: 'count'
      readonly metric: string
      readonly atMost: number
      readonly judgedBy: 'median' | 'max'
    }

/** `cores full`: this machine has too few cores for the ratio, whatever the server does. */
export type Outcome = 'met' | 'missed' | 'cores full'

export interface Verdict {
  readonly aim: Aim
  /** Of the paired ratios, or of our samples. */
  readonly spread: Spread
  readonly outcome: Outcome
}

export function aimsOf(workload: Workload, store: StoreName): readonly Aim[] {
  switch (store) {
    case 'local':
      return localAims(workload)
    case 's3-sink':
      return sinkAims(workload)
    case 's3':
      return [ratio('smallfiles', 'bare', 4)]
  }
}

/** Of 200 uploads at once none starves, and the server stays small and answers. */
const crowdAims: readonly Aim[] = [
  { kind: 'floor', metric: 'fairness.crowd', atLeast: 0.5 },
  limit('memory.crowd', 400, 'max'),
  limit('loop.crowd', 30),
]

/** A memory limit holds for the worst round; a time or a ratio is judged by its median. */
function localAims(workload: Workload): readonly Aim[] {
  return [
    ratio('bigfile', 'digests', 2),
    ratio('bigfile', 'bare', 0.55),
    ratio('smallfiles', 'bare', 1),
    ratio('download', 'send', 2),
    ratio('download', 'nginx', 0.8),
    ...crowdAims,
    ...['memory.bigfile', 'memory.parallel', 'memory.smallfiles', 'memory.download'].map((metric) =>
      limit(metric, 250, 'max'),
    ),
    limit('loop.bigfile', 10),
    limit('loop.parallel', 10),
    ...[...workload.readyBytes, workload.bigBytes].map((sizeBytes) => limit(readyMetric(sizeBytes), 100)),
    limit('events', 1000, 'max'),
    limit('packages', 2000),
    count('lists', 2),
    limit('state', 10),
    { ...ratio('cli-smallfiles', 'loop', 3), of: 'push' },
    { ...ratio('cli-smallfiles', 'ours', 1 / 1.5), of: 'push' },
    { ...ratio('cli-bigfile', 'ours', 0.9), of: 'push' },
    ...['memory.cli-bigfile', 'memory.cli-many', 'memory.cli-again'].map(
      (metric): Aim => ({ kind: 'limit', metric, of: 'push', below: 200, judgedBy: 'max' }),
    ),
  ]
}

/** The temp folder stays empty in every round; a lone request of a background task doesn't break a median. */
function sinkAims(workload: Workload): readonly Aim[] {
  return [
    ratio('bigfile', 'bare', 1.6),
    ratio('bigfile', 'digests', 2.5),
    ratio('smallfiles', 'bare', 4),
    { ...ratio('instances', 'ours', 1.6), of: 'pair', busyMetric: 'busy.instances' },
    ...crowdAims,
    ...[...workload.readyBytes, workload.bigBytes].map((sizeBytes) => limit(readyMetric(sizeBytes), 50)),
    ...['temp.bigfile', 'temp.crowd', 'temp.smallfiles'].map((metric) => count(metric, 0, 'max')),
    count('requests.bigfile', 3),
    count('requests.crowd', 3),
    count('requests.smallfiles', 1),
  ]
}

function ratio(metric: string, against: Contender, atLeast: number): Aim & { kind: 'ratio' } {
  return { kind: 'ratio', metric, of: 'ours', against, atLeast }
}

function limit(metric: string, below: number, judgedBy: 'median' | 'max' = 'median'): Aim {
  return { kind: 'limit', metric, below, judgedBy }
}

function count(metric: string, atMost: number, judgedBy: 'median' | 'max' = 'median'): Aim {
  return { kind: 'count', metric, atMost, judgedBy }
}

/** Undefined when the run has no samples for the aim. */
export function judge(aim: Aim, samples: readonly Sample[]): Verdict | undefined {
  const values = valuesOf(aim, samples)
  if (values.length === 0) return undefined
  const spread = spreadOf(values)
  if (isMetBy(aim, spread)) return { aim, spread, outcome: 'met' }
  return { aim, spread, outcome: areCoresFull(aim, samples) ? 'cores full' : 'missed' }
}

function valuesOf(aim: Aim, samples: readonly Sample[]): readonly number[] {
  if (aim.kind === 'count' || aim.kind === 'floor') return [...seriesOf(samples, aim.metric, 'ours').values()]
  if (aim.kind === 'limit') return [...seriesOf(samples, aim.metric, aim.of ?? 'ours').values()]
  return pairedRatios(seriesOf(samples, aim.metric, aim.of), seriesOf(samples, aim.metric, aim.against))
}

function areCoresFull(aim: Aim, samples: readonly Sample[]): boolean {
  if (aim.kind !== 'ratio' || aim.busyMetric === undefined) return false
  const busyPercents = [...seriesOf(samples, aim.busyMetric, aim.against).values()]
  return busyPercents.length > 0 && 100 / median(busyPercents) < aim.atLeast
}

function isMetBy(aim: Aim, spread: Spread): boolean {
  switch (aim.kind) {
    case 'ratio':
    case 'floor':
      return spread.median >= aim.atLeast
    case 'limit':
      return spread[aim.judgedBy] < aim.below
    case 'count':
      return spread[aim.judgedBy] <= aim.atMost
  }
}

/** One contender's values of one metric, by round. */
export function seriesOf(
  samples: readonly Sample[],
  metric: string,
  contender: Contender,
): ReadonlyMap<number, number> {
  return new Map(
    samples
      .filter((sample) => sample.metric === metric && sample.contender === contender)
      .map((sample) => [sample.round, sample.value]),
  )
}
