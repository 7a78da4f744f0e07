// The display on a terminal as lines, for any width. Pure.

import { formatBytes, formatDuration, percentArrived } from '../../format.js'
import { truncated } from '../display-width.js'
import type { RunningFile, TallyView } from './tally.js'

/** More than this is no news to anybody, and terminals have 24 lines. */
const MOST_FILES = 8
/** Files that are over in a moment would only flicker. */
const SHOWN_AFTER_MS = 400

const WITH_RATE_COLUMNS = 60
const WITH_BAR_COLUMNS = 72
const WIDE_COLUMNS = 120

/**
 * A line for each running file, longest running first, with a second one for what it waits for; the last line is of all.
 *
 * No line is wider than `columns`: names, which come last, are shortened in their middle.
 */
export function frameOf(view: TallyView, columns: number, nowMs: number): string[] {
  const files = view.running.filter(
    ({ beganAtMs, state }) => state !== null || nowMs - beganAtMs >= SHOWN_AFTER_MS,
  )
  const shown = files.slice(0, MOST_FILES)
  const lines = shown.flatMap((file) => fileLines(file, columns))
  if (files.length > shown.length) lines.push(`  and ${files.length - shown.length} more`)
  lines.push(totalLine(view, columns))
  return lines.map((line) => truncated(line, columns))
}

/** "312 of 10,000 files, 1.20 GB of 4.00 GB (30 %), 12.3 MB/s, 3 min 20 s left" */
export function totalWords(view: TallyView): string {
  return totalParts(view).join(', ')
}

function fileLines(file: RunningFile, columns: number): string[] {
  const facts = factsOf(file, columns).join('  ')
  const line = `${facts}  ${shortened(file.name, columns - facts.length - 2)}`
  return file.state === null ? [line] : [line, `  ${file.state}`]
}

/** Columns of one width each, so that lines stand under each other. */
function factsOf({ bytes, totalBytes, bytesPerSecond, state }: RunningFile, columns: number): string[] {
  const percent = percentArrived(bytes, totalBytes)
  const share = percent === null ? '' : `${percent} %`
  const facts = [share.padStart(5), formatBytes(bytes).padStart(9)]
  if (columns >= WITH_RATE_COLUMNS) {
    const isMoving = state === null && bytesPerSecond !== null
    facts.push((isMoving ? `${formatBytes(bytesPerSecond)}/s` : '').padStart(11))
  }
  if (columns >= WITH_BAR_COLUMNS) facts.unshift(bar(percent, columns >= WIDE_COLUMNS ? 30 : 14))
  return facts
}

/** As many facts as fit, the most telling first. */
function totalLine(view: TallyView, columns: number): string {
  let line = ''
  for (const part of totalParts(view)) {
    const longer = line === '' ? part : `${line}, ${part}`
    if (longer.length > columns) break
    line = longer
  }
  return line
}

function totalParts({
  totals,
  endedFiles,
  failedFiles,
  bytes,
  bytesPerSecond,
  secondsLeft,
}: TallyView): string[] {
  const parts = [filesWords(endedFiles, totals?.files, totals?.isGrowing === true)]
  if (failedFiles > 0) parts.push(`${failedFiles.toLocaleString('en')} failed`)
  parts.push(bytesWords(bytes, totals?.isGrowing === true ? undefined : totals?.bytes))
  if (bytesPerSecond !== null) parts.push(`${formatBytes(bytesPerSecond)}/s`)
  if (secondsLeft !== null && secondsLeft >= 1) parts.push(`${formatDuration(secondsLeft)} left`)
  return parts
}

function filesWords(ended: number, total: number | undefined, isGrowing: boolean): string {
  if (total === undefined) return `${ended.toLocaleString('en')} ${ended === 1 ? 'file' : 'files'}`
  const all = `${total.toLocaleString('en')}${isGrowing ? '+' : ''}`
  return `${ended.toLocaleString('en')} of ${all} ${total === 1 && !isGrowing ? 'file' : 'files'}`
}

function bytesWords(bytes: number, totalBytes: number | undefined): string {
  if (totalBytes === undefined) return formatBytes(bytes)
  return `${formatBytes(bytes)} of ${formatBytes(totalBytes)} (${percentArrived(bytes, totalBytes)} %)`
}

function bar(percent: number | null, columns: number): string {
  const full = Math.floor(((percent ?? 0) / 100) * columns)
  return `[${'#'.repeat(full)}${'.'.repeat(columns - full)}]`
}

/** Names of a folder differ at their end, and the end tells what a file is. */
function shortened(name: string, columns: number): string {
  return truncated(name, Math.max(columns, 1), 'middle')
}
