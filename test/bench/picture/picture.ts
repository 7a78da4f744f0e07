// The results as a picture (SVG): bars, readable on light and dark pages, and in words for who doesn't see it. Pure.

import type { Results } from '../results.js'
import type { Contender } from '../sample.js'
import { type Bar, type Column, columnsOf, type Panel } from './panels.js'

const WIDTH = 920
const MARGIN = 24
const GAP = 40
const HEAD_HEIGHT = 68
const COLUMN_HEAD_HEIGHT = 30
const PANEL_HEAD_HEIGHT = 22
const PANEL_FOOT_HEIGHT = 36
const BAR_HEIGHT = 18
const BAR_STEP = 24
const LABEL_WIDTH = 112
const VALUE_WIDTH = 92

/** By what a bar is: ours stands out, the others step back. */
const kinds: Partial<Record<Contender, string>> = { ours: 'ours', pair: 'ours' }

const style = `
  svg { --page: #ffffff; --line: #d0d7de; --text: #1f2328; --quiet: #57606a; --ours: #0b6e4f; --other: #a9b4c0 }
  @media (prefers-color-scheme: dark) {
    svg { --page: #0d1117; --line: #30363d; --text: #e6edf3; --quiet: #9aa5b1; --ours: #3fb68b; --other: #4d5866 }
  }
  text { font: 13px system-ui, -apple-system, "Segoe UI", sans-serif; fill: var(--text) }
  .title { font-size: 18px; font-weight: 600 }
  .head { font-size: 14px; font-weight: 600 }
  .quiet { fill: var(--quiet); font-size: 12px }
  .end { text-anchor: end }
  .page { fill: var(--page); stroke: var(--line) }
  .ours { fill: var(--ours) }
  .other { fill: var(--other) }`

/** @throws Error for results that have nothing to show */
export function drawPicture(results: Results): string {
  const columns = columnsOf(results)
  if (columns.length === 0) throw new Error('The results have none of the rows that the picture shows.')
  const columnWidth = (WIDTH - 2 * MARGIN - GAP * (columns.length - 1)) / columns.length
  const height = HEAD_HEIGHT + Math.max(...columns.map(heightOf)) + MARGIN / 2
  const { machine } = results
  const subtitle = `${machine.processor}, ${machine.processorCount} cores, Node ${machine.versions.node}, ${machine.fileSystem.type}. Longer is better.`
  const drawn = columns.map((column, index) =>
    drawColumn(column, MARGIN + index * (columnWidth + GAP), columnWidth),
  )
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-labelledby="title desc">
<title id="title">antipasto beside the stock tus packages</title>
<desc id="desc">${escaped(columns.map(wordsOf).join(' '))}</desc>
<style>${style}
</style>
<rect class="page" x="0.5" y="0.5" width="${WIDTH - 1}" height="${height - 1}" rx="8"/>
${textAt(MARGIN, 30, 'antipasto beside the stock tus packages', 'title')}
${textAt(MARGIN, 50, subtitle, 'quiet')}
${drawn.join('\n')}
</svg>
`
}

function heightOf({ panels }: Column): number {
  return panels.reduce((sum, panel) => sum + panelHeight(panel), COLUMN_HEAD_HEIGHT)
}

function panelHeight({ bars }: Panel): number {
  return PANEL_HEAD_HEIGHT + bars.length * BAR_STEP + PANEL_FOOT_HEIGHT
}

function drawColumn({ title, panels }: Column, left: number, width: number): string {
  let top = HEAD_HEIGHT + COLUMN_HEAD_HEIGHT
  const drawn = panels.map((panel) => {
    const text = drawPanel(panel, left, top, width)
    top += panelHeight(panel)
    return text
  })
  return [textAt(left, HEAD_HEIGHT + 16, title, 'head'), ...drawn].join('\n')
}

function drawPanel({ title, unit, bars, ratios }: Panel, left: number, top: number, width: number): string {
  const largest = Math.max(...bars.map(({ value }) => value))
  const longest = width - LABEL_WIDTH - VALUE_WIDTH
  const foot = top + PANEL_HEAD_HEIGHT + bars.length * BAR_STEP + 12
  return [
    textAt(left, top + 12, title),
    ...bars.map((bar, index) => {
      const y = top + PANEL_HEAD_HEIGHT + index * BAR_STEP
      return drawBar(bar, unit, { left, y, length: (longest * bar.value) / largest })
    }),
    ...(ratios.length === 0 ? [] : [textAt(left + LABEL_WIDTH, foot, ratios.join(', '), 'quiet')]),
  ].join('\n')
}

function drawBar(
  { contender, title, value }: Bar,
  unit: string,
  { left, y, length }: { left: number; y: number; length: number },
): string {
  const start = left + LABEL_WIDTH
  const kind = kinds[contender] ?? 'other'
  return [
    textAt(start - 8, y + 13, title, 'end'),
    `<rect class="${kind}" x="${start}" y="${y}" width="${length.toFixed(1)}" height="${BAR_HEIGHT}" rx="3"/>`,
    textAt(start + length + 8, y + 13, `${Math.round(value)} ${unit}`),
  ].join('')
}

function wordsOf({ title, panels }: Column): string {
  const sentences = panels.map(
    ({ title: what, unit, bars }) =>
      `${what}: ${bars.map((bar) => `${bar.title} ${Math.round(bar.value)} ${unit}`).join(', ')}.`,
  )
  return `${title}. ${sentences.join(' ')}`
}

function textAt(x: number, y: number, text: string, kind?: string): string {
  const named = kind === undefined ? '' : ` class="${kind}"`
  return `<text${named} x="${x.toFixed(1)}" y="${y}">${escaped(text)}</text>`
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
