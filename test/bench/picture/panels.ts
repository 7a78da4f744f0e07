// What the picture shows of the results: a few comparisons, each a title and some figures. Pure.

import { seriesOf } from '../aims.js'
import type { Results, Run } from '../results.js'
import { type Contender, metricsOf, type StoreName } from '../sample.js'
import { median, pairedRatios } from '../statistics.js'
import { contenderTitle } from '../table.js'

export interface Bar {
  readonly contender: Contender
  readonly title: string
  readonly value: number
}

export interface Panel {
  readonly title: string
  readonly unit: string
  readonly bars: readonly Bar[]
  /** How often antipasto goes into the others, by round: `2.1 × stock`. */
  readonly ratios: readonly string[]
}

export interface Column {
  readonly title: string
  readonly panels: readonly Panel[]
}

interface Comparison {
  readonly metric: string
  /** The one that is compared comes last. */
  readonly contenders: readonly Contender[]
}

const versusStock: readonly Contender[] = ['bare', 'digests', 'ours']
const comparisons: Readonly<Record<StoreName, readonly Comparison[]>> = {
  local: [
    { metric: 'bigfile', contenders: versusStock },
    { metric: 'crowd', contenders: versusStock },
    { metric: 'smallfiles', contenders: versusStock },
    { metric: 'download', contenders: ['send', 'nginx', 'ours'] },
  ],
  's3-sink': [
    { metric: 'bigfile', contenders: versusStock },
    { metric: 'crowd', contenders: versusStock },
    { metric: 'smallfiles', contenders: versusStock },
    { metric: 'instances', contenders: ['ours', 'pair'] },
  ],
  s3: [],
}
const columnTitles: Readonly<Record<StoreName, string>> = {
  local: 'In a local folder',
  's3-sink': 'On S3 (a sink that throws the bytes away)',
  s3: 'On a real S3 server',
}

/** A column for each store that was measured; of several sets of flags the first, with which `npm start` runs. */
export function columnsOf({ runs, options }: Results): readonly Column[] {
  return (['local', 's3-sink'] as const).flatMap((store) => {
    const [first] = runs.filter((run) => run.store === store)
    const ofStore = runs.filter((run) => run.store === store && run.flags === first?.flags)
    const panels = comparisons[store].flatMap((comparison) => panelOf(ofStore, comparison, options) ?? [])
    return panels.length === 0 ? [] : [{ title: columnTitles[store], panels }]
  })
}

/** Of the first run that has it: figures of two runs are no comparison. */
function panelOf(
  runs: readonly Run[],
  { metric, contenders }: Comparison,
  { workload }: Results['options'],
): Panel | undefined {
  const run = runs.find(({ samples }) => samples.some((sample) => sample.metric === metric))
  const described = run && metricsOf(workload, run.store).find(({ id }) => id === metric)
  if (run === undefined || described === undefined) return undefined
  const series = contenders
    .map((contender) => ({ contender, values: seriesOf(run.samples, metric, contender) }))
    .filter(({ values }) => values.size > 0)
  const bars = series.map(({ contender, values }) => {
    return { contender, title: contenderTitle(contender), value: median([...values.values()]) }
  })
  const compared = series.at(-1)
  const ratios = series.slice(0, -1).flatMap(({ contender, values }) => {
    const paired = pairedRatios(compared?.values ?? new Map(), values)
    return paired.length === 0 ? [] : [`${median(paired).toPrecision(2)} × ${contenderTitle(contender)}`]
  })
  return { title: described.title, unit: described.unit, bars, ratios }
}
