// Samples in, text for people out. Pure.

import { type Aim, seriesOf, type Verdict } from './aims.js'
import type { Contender, Metric, Sample } from './sample.js'
import { type Spread, spreadOf } from './statistics.js'

const contenders: readonly { readonly name: Contender; readonly title: string }[] = [
  { name: 'bare', title: 'stock' },
  { name: 'digests', title: 'stock + digests' },
  { name: 'ours', title: 'antipasto' },
  { name: 'pair', title: 'two antipasto' },
  { name: 'send', title: 'send' },
  { name: 'nginx', title: 'NGINX' },
  { name: 'push', title: 'antipasto push' },
  { name: 'loop', title: 'tus-js-client, one at a time' },
]

/** Median (min..max) of each metric that has samples, one column for each contender that has any. */
export function renderSamples(metrics: readonly Metric[], samples: readonly Sample[]): string {
  const measured = metrics.filter((metric) => samples.some((sample) => sample.metric === metric.id))
  const columns = contenders.filter(({ name }) => samples.some((sample) => sample.contender === name))
  const header = ['median (min..max)', ...columns.map(({ title }) => title)]
  const rows = measured.map((metric) => [
    `${metric.title}, ${metric.unit}`,
    ...columns.map(({ name }) => {
      const values = [...seriesOf(samples, metric.id, name).values()]
      return values.length === 0 ? '' : spreadText(spreadOf(values))
    }),
  ])
  return renderGrid([header, ...rows])
}

/** Each aim with what the run came to. */
export function renderVerdicts(metrics: readonly Metric[], verdicts: readonly Verdict[]): string {
  const rows = verdicts.map(({ aim, spread, outcome }) => {
    const metric = metrics.find(({ id }) => id === aim.metric)
    const subject =
      aim.kind === 'ratio'
        ? `${metric?.title}: ${contenderTitle(aim.of)} / ${contenderTitle(aim.against)}`
        : metric?.title
    return [
      subject ?? aim.metric,
      spreadText(spread),
      aimText(aim, metric),
      outcome === 'missed' ? 'MISSED' : outcome,
    ]
  })
  return renderGrid([['antipasto', 'median (min..max)', 'aim', ''], ...rows])
}

function aimText(aim: Aim, metric: Metric | undefined): string {
  if (aim.kind === 'ratio') return `≥ ${figure(aim.atLeast)} ×`
  if (aim.kind === 'floor') return `≥ ${figure(aim.atLeast)} ${metric?.unit ?? ''}`
  const bound = aim.kind === 'limit' ? `< ${aim.below}` : `≤ ${aim.atMost}`
  return `${bound} ${metric?.unit ?? ''}${aim.judgedBy === 'max' ? ', always' : ''}`
}

/** What readers call it. */
export function contenderTitle(contender: Contender): string {
  return contenders.find(({ name }) => name === contender)?.title ?? contender
}

function spreadText({ median, min, max }: Spread): string {
  return `${figure(median)} (${figure(min)}..${figure(max)})`
}

/** Three significant digits, more only where the number is larger than that. */
function figure(value: number): string {
  if (value === 0) return '0'
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3)
}

function renderGrid(rows: readonly (readonly string[])[]): string {
  const columnCount = Math.max(...rows.map((row) => row.length))
  const widths = Array.from({ length: columnCount }, (_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  )
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .map((line) => `  ${line}`)
    .join('\n')
}
