// What we set out to reach, and the pure judgement whether a run did. Aims are printed, never asserted:
// a benchmark on a busy machine must not break a build.

import { type Contender, readyMetric, type Sample, type Workload } from './sample.js'
import { pairedRatios, type Spread, spreadOf } from './statistics.js'

export type Aim =
  | { readonly kind: 'ratio'; readonly metric: string; readonly against: Contender; readonly atLeast: number }
  | {
      readonly kind: 'limit'
      readonly metric: string
      readonly below: number
      readonly judgedBy: 'median' | 'max'
    }

export interface Verdict {
  readonly aim: Aim
  /** Of the paired ratios, or of our samples. */
  readonly spread: Spread
  readonly isMet: boolean
}

/** A memory limit holds for the worst round; a time or a ratio is judged by its median. */
export function aimsOf(workload: Workload): readonly Aim[] {
  const limit = (metric: string, below: number, judgedBy: 'median' | 'max' = 'median'): Aim => {
    return { kind: 'limit', metric, below, judgedBy }
  }
  return [
    { kind: 'ratio', metric: 'bigfile', against: 'digests', atLeast: 1.6 },
    { kind: 'ratio', metric: 'bigfile', against: 'bare', atLeast: 0.45 },
    { kind: 'ratio', metric: 'smallfiles', against: 'bare', atLeast: 0.5 },
    { kind: 'ratio', metric: 'download', against: 'send', atLeast: 2 },
    ...['memory.bigfile', 'memory.parallel', 'memory.smallfiles', 'memory.download'].map((metric) =>
      limit(metric, 250, 'max'),
    ),
    limit('loop.bigfile', 10),
    limit('loop.parallel', 10),
    ...[...workload.readyBytes, workload.bigBytes].map((sizeBytes) => limit(readyMetric(sizeBytes), 100)),
    limit('state', 10),
  ]
}

/** Undefined when the run has no samples for the aim. */
export function judge(aim: Aim, samples: readonly Sample[]): Verdict | undefined {
  const ours = seriesOf(samples, aim.metric, 'ours')
  const values =
    aim.kind === 'ratio' ? pairedRatios(ours, seriesOf(samples, aim.metric, aim.against)) : [...ours.values()]
  if (values.length === 0) return undefined
  const spread = spreadOf(values)
  const isMet = aim.kind === 'ratio' ? spread.median >= aim.atLeast : spread[aim.judgedBy] < aim.below
  return { aim, spread, isMet }
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
