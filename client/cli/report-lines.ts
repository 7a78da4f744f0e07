// What a report says, for people. Pure.

import type { Package, PackageSummary, Report } from '../api/types.js'
import {
  formatBytes,
  formatExactBytes,
  formatMoment,
  formatProgress,
  formatShortDuration,
  formatTimeLeft,
  percentArrived,
} from '../format.js'
import { plainText } from './plain-text.js'

/** Name and value; a fact without a value is left out. */
export type Fact = readonly [name: string, value: string | null]

/** A title, and the facts below it with their values in one column. */
export function factLines(title: string, facts: readonly Fact[]): string[] {
  const known = facts.filter((fact): fact is readonly [string, string] => fact[1] !== null)
  const width = Math.max(0, ...known.map(([name]) => name.length))
  return [plainText(title), ...known.map(([name, value]) => `  ${name.padEnd(width)}  ${plainText(value)}`)]
}

export function reportLines(report: Report): string[] {
  const { state, size, offset, checksums, expires_at, expires_in, package_id } = report
  const isWhole = size !== null && (state === 'ready' || offset === size)
  return factLines(nameOf(report), [
    ['id', report.id],
    ['state', state],
    ['size', isWhole ? sizeWords(size) : formatProgress(offset, size)],
    ['type', report.content_type],
    ['label', report.label],
    ['package', package_id],
    ['filename', report.relative_path === null ? null : report.filename],
    ['key', report.key],
    ['note', report.note],
    ['begun', moment(report.created_at)],
    ['finished', moment(report.finished_at)],
    ['ends', ends(expires_at, expires_in)],
    ['md5', checksums?.md5 ?? null],
    ['sha1', checksums?.sha1 ?? null],
    ['sha256', checksums?.sha256 ?? null],
    ['URL', report.retrieval_url],
    ...report.warnings.map((warning): Fact => ['warning', warning]),
    ['error', report.error === null ? null : `${report.error.code}: ${report.error.detail}`],
  ])
}

export function packageLines(shown: Package): string[] {
  const { counts } = shown
  return factLines(packageName(shown), [
    ['id', shown.id],
    ['state', shown.state],
    ['files', `${counts.total}: ${filesWords(counts)}`],
    ['size', sizeWords(counts.bytes)],
    ['label', shown.label],
    ['producer', shown.producer],
    ['subject', shown.subject],
    ['kept', shown.retention_class],
    ['begun', moment(shown.created_at)],
    ['finalized', moment(shown.finalized_at)],
    ['ends', ends(shown.expires_at, shown.expires_in)],
    ['manifest', shown.manifest_url],
    ['manifest sha256', shown.manifest_sha256],
    ['owner', shown.owner],
  ])
}

/** Its path in its package, else its file name, else its id. */
export function nameOf({
  relative_path,
  filename,
  id,
}: Pick<Report, 'relative_path' | 'filename' | 'id'>): string {
  return relative_path ?? filename ?? id
}

export function packageName({ name, label }: Pick<PackageSummary, 'name' | 'label'>): string {
  return label === null || label === name ? name : `${name} [${label}]`
}

/** "ready", or how much has come: "receiving 40 %". */
export function stateCell({ state, size, offset }: Report): string {
  const percent = state === 'receiving' ? percentArrived(offset, size) : null
  return percent === null ? state : `${state} ${percent} %`
}

/** Of the whole, or of what has come while that isn't known. */
export function sizeCell({ size, offset }: Report): string {
  return formatBytes(size ?? offset)
}

const ENDED = new Set(['failed', 'canceled', 'expired', 'deleted'])

/** Counts days as `formatTimeLeft` does: what was sent a moment ago has all of them. */
export function endsCell(expiresInSeconds: number | null, state: string): string {
  if (ENDED.has(state)) return '-'
  if (expiresInSeconds === null) return 'never'
  return formatShortDuration(expiresInSeconds < 86_400 ? expiresInSeconds : expiresInSeconds + 3_600)
}

export function ageCell(createdAt: string, now: Date): string {
  return formatShortDuration((now.getTime() - Date.parse(createdAt)) / 1000)
}

function sizeWords(sizeBytes: number): string {
  return sizeBytes < 1024
    ? formatExactBytes(sizeBytes)
    : `${formatBytes(sizeBytes)} (${formatExactBytes(sizeBytes)})`
}

function filesWords({ ready, unfinished, failed }: Package['counts']): string {
  const parts = [`${ready} ready`]
  if (unfinished > 0) parts.push(`${unfinished} unfinished`)
  if (failed > 0) parts.push(`${failed} failed`)
  return parts.join(', ')
}

function moment(at: string | null): string | null {
  return at === null ? null : formatMoment(new Date(at), 'en-GB')
}

function ends(at: string | null, inSeconds: number | null): string | null {
  if (at === null) return 'never'
  return `${moment(at)}${inSeconds === null ? '' : ` (${formatTimeLeft(inSeconds)})`}`
}
