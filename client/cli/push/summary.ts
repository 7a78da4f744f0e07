// What a push says at its end. Pure.

import { formatBytes, formatDuration } from '../../format.js'
import { plainText } from '../plain-text.js'
import type { PushTally } from './tally.js'

export interface SummaryFacts {
  tally: PushTally
  seconds: number
  /** It ended before all files were tried. */
  isUnfinished: boolean
  /** False for a plain tus server, which compares nothing. */
  isVerified: boolean
  label: string | null
  package: { id: string; isFinalized: boolean } | null
  /** What is passed over wasn't told of. */
  isQuiet: boolean
  /** After --verify. */
  verified: { sameFiles: number; differingFiles: number } | null
  /** Unfinished files, and what of them is at the server. */
  underWay: { files: number; keptBytes: number; sizeBytes: number } | null
  /** What to type to go on, where there is something left. */
  again: string | null
}

/** For people: what was done, what not and why, where it is, and what to do next. */
export function summaryLines(facts: SummaryFacts): string[] {
  const { tally, seconds, verified, again } = facts
  const lines: string[] = []
  const isEmpty = tally.keptFiles === 0 && tally.failedFiles === 0 && facts.underWay === null
  if (tally.sentFiles > 0 || (isEmpty && !facts.isUnfinished)) {
    const verb = facts.isVerified ? 'Sent and verified' : 'Sent'
    lines.push(
      `${verb}: ${count(tally.sentFiles)}, ${formatBytes(tally.sentBytes)}${paceWords(tally, seconds)}.`,
    )
  }
  if (tally.keptFiles > 0)
    lines.push(`Already there: ${count(tally.keptFiles)}, ${formatBytes(tally.keptBytes)}.`)
  if (verified !== null) {
    const { sameFiles, differingFiles } = verified
    lines.push(
      `Read once more: ${count(sameFiles)} the same, ${differingFiles.toLocaleString('en')} different.`,
    )
  }
  if (tally.skippedFiles > 0)
    lines.push(
      `Passed over: ${tally.skippedFiles.toLocaleString('en')}, ${facts.isQuiet ? 'which --quiet does not tell' : 'told above'}.`,
    )
  lines.push(...failureLines(tally))
  if (facts.underWay !== null) {
    const { files, keptBytes, sizeBytes } = facts.underWay
    lines.push(
      `Under way: ${count(files)}, ${formatBytes(keptBytes)} of ${formatBytes(sizeBytes)} are on the server.`,
    )
  }
  const place = placeLine(facts)
  if (place !== null) lines.push(place)
  if (again !== null)
    lines.push(`${facts.isUnfinished ? 'Not finished. To go on' : 'To try again'}: ${again}`)
  return lines
}

function paceWords({ movedBytes }: PushTally, seconds: number): string {
  if (seconds < 0.1 || movedBytes === 0) return ''
  return ` in ${formatDuration(Math.max(1, seconds))} (${formatBytes(movedBytes / seconds)}/s)`
}

function failureLines({ failedFiles, failures }: PushTally): string[] {
  if (failedFiles === 0) return []
  const more = failedFiles - failures.length
  return [
    `NOT sent: ${count(failedFiles)}.`,
    ...failures.map(({ path, reason }) => `  ${plainText(path)}: ${plainText(reason)}`),
    ...(more > 0 ? [`  … and ${more.toLocaleString('en')} more, told above`] : []),
  ]
}

function placeLine({ label, package: into, tally }: SummaryFacts): string | null {
  if (into !== null) {
    const named = label === null ? '' : ` (label ${plainText(label)})`
    if (into.isFinalized) {
      return `Package ${into.id}${named} is finalized. Its manifest: antipasto manifest ${into.id}`
    }
    return `Package ${into.id}${named} is open. When it is complete, push once more with --finalize.`
  }
  if (tally.lastUrl === null || tally.sentFiles + tally.keptFiles !== 1) return null
  const id = tally.lastUrl.slice(tally.lastUrl.lastIndexOf('/') + 1)
  return `Upload ${id}. Its URL for others: antipasto url ${id}`
}

function count(files: number): string {
  return `${files.toLocaleString('en')} ${files === 1 ? 'file' : 'files'}`
}
