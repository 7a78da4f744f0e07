// What `verify` does: a line for each file, a count, an exit code.

import { CommandFailed, EXIT, type ExitCode } from '../exit-code.js'
import { plainText } from '../plain-text.js'
import { openProgress } from '../progress/open.js'
import { nameFilter } from '../push/name-filter.js'
import { nameOfRoot, walk } from '../push/walk.js'
import type { Session } from '../session.js'
import { type RemotePlace, remoteIndex } from './remote-index.js'
import { noVerdicts, type VerdictCounts, type Verified } from './verdict.js'
import { verifyFiles } from './verify-files.js'

export interface VerifyFlags {
  label?: string
  package?: string
  jobs: number
  include: string[]
  exclude: string[]
}

const LONGEST_VERDICT = 'missing there'.length

export async function verify(
  session: Session,
  paths: readonly string[],
  flags: VerifyFlags,
): Promise<ExitCode> {
  const { antipasto, output, signal } = session
  const place = placeOf(flags)
  const index = place === null ? null : await remoteIndex(antipasto, place, signal)
  const filter = nameFilter(flags.include, flags.exclude)
  const prefixes = paths.map(prefixOf)
  const counts = noVerdicts()
  // Where it isn't drawn, its lines would be those of the table again.
  const progress = openProgress({ ...output, isQuiet: output.isQuiet || !output.isTerminal }, {})
  const isDrawn = output.isTerminal && !output.isQuiet && !output.isJson
  const rows: Verified[] = []
  try {
    for await (const verified of verifyFiles({
      files: walk(paths, filter),
      index,
      isMeant: (path) => prefixes.some((prefix) => path.startsWith(prefix)) && filter.takesFile(path, path),
      antipasto,
      jobs: flags.jobs,
      progress,
      note: (line) => output.note(line),
      signal,
    })) {
      counts[verified.verdict] += 1
      if (isDrawn) rows.push(verified)
      else tell(session, verified)
    }
  } finally {
    progress.close()
  }
  output.table(rows.map(rowOf))
  return summarize(session, counts)
}

function placeOf({ label, package: packageId }: VerifyFlags): RemotePlace | null {
  if (label !== undefined && packageId !== undefined) {
    throw new CommandFailed('Give --label or --package, not both.', { exitCode: EXIT.usage })
  }
  if (label !== undefined) return { label }
  return packageId === undefined ? null : { packageId }
}

/** Where on the server the files of a root stand: `data` under data/, those of `data/` and `.` anywhere. */
function prefixOf(root: string): string {
  const name = nameOfRoot(root).normalize('NFC')
  return name === '' ? '' : `${name}/`
}

function tell({ output }: Session, verified: Verified): void {
  if (output.isQuiet && verified.verdict === 'same') return
  const { verdict, path, detail, sha256, remoteSha256, uploadId } = verified
  const [, name = ''] = rowOf(verified)
  output.result(
    { event: 'file', path, verdict, detail, sha256, remote_sha256: remoteSha256, upload_id: uploadId },
    `${verdict.padEnd(LONGEST_VERDICT)}  ${plainText(name)}`,
  )
}

function rowOf({ verdict, path, detail }: Verified): [string, string] {
  return [verdict, detail === null ? path : `${path} (${detail})`]
}

function summarize({ output }: Session, counts: VerdictCounts): ExitCode {
  const total = Object.values(counts).reduce((sum, count) => sum + count, 0)
  const exitCode = exitCodeOf(counts, total)
  const words = Object.entries(counts)
    .filter(([verdict, count]) => count > 0 || verdict === 'same')
    .map(([verdict, count]) => `${count.toLocaleString('en')} ${verdict}`)
  const summary = Object.fromEntries(
    Object.entries(counts).map(([verdict, count]) => [verdict.replaceAll(' ', '_'), count]),
  )
  if (total === 0) output.warn('There is nothing to compare: no file here, and none there.')
  output.result({ event: 'summary', files: total, ...summary, exit_code: exitCode }, `${words.join(', ')}`)
  return exitCode
}

/** What differs or is missing is a mismatch; what couldn't be looked at has failed. */
function exitCodeOf(counts: VerdictCounts, total: number): ExitCode {
  if (counts.differs + counts['missing there'] + counts['missing here'] + counts['not ready'] > 0)
    return EXIT.mismatch
  if (total === 0) return EXIT.failed
  if (counts.unreadable === 0) return EXIT.ok
  return counts.unreadable === total ? EXIT.failed : EXIT.someFailed
}
