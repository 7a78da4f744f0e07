// What `push` does, from the words on the command line to the summary.

import { setMaxListeners } from 'node:events'
import nodePath from 'node:path'
import { setFlagsFromString } from 'node:v8'
import type { Antipasto } from '../../api/antipasto.js'
import { Conflict } from '../../api/errors.js'
import { formatBytes } from '../../format.js'
import { CommandFailed, EXIT, type ExitCode, exitCodeOf } from '../exit-code.js'
import { failureLine, failureOf } from '../failure.js'
import { readTrouble, writeTrouble } from '../file-trouble.js'
import { plainText } from '../plain-text.js'
import { openProgress } from '../progress/open.js'
import type { Progress } from '../progress/progress.js'
import { sameCommand } from '../same-command.js'
import type { Session } from '../session.js'
import { meetEndpoint, meetServer } from './first-contact.js'
import { Journal } from './journal.js'
import { nameFilter } from './name-filter.js'
import { journalName, type Place } from './names.js'
import type { PushOutcome } from './outcome.js'
import { idOf, Remote } from './remote.js'
import { sendAll } from './send-all.js'
import { FileSender } from './send-file.js'
import { settle } from './settle.js'
import { type SummaryFacts, summaryLines } from './summary.js'
import { PushTally } from './tally.js'
import { verifyAgain } from './verify-again.js'
import { type Found, walk } from './walk.js'

export interface PushFlags {
  label?: string
  package?: string
  finalize?: boolean
  jobs?: number
  chunk?: number
  parallel: number
  verify?: boolean
  include?: string[]
  exclude?: string[]
  endpoint?: string
  follow?: boolean
  dryRun?: boolean
  giveUpAfter: number
}

/** Large files fill the line by themselves; small ones wait for the server most of the time. */
const LARGE_AT_ONCE = 4
const SMALL_AT_ONCE = 12
/** Whoever has pressed ctrl-C won't wait. */
const UNDER_WAY_WITHIN_MS = 2_000
const OUTCOMES = { done: 'sent', kept: 'already there' }

export async function push(session: Session, paths: readonly string[], flags: PushFlags): Promise<ExitCode> {
  const place = placeOf(flags)
  const filter = nameFilter(flags.include ?? [], flags.exclude ?? [])
  const found = () => walk(paths, filter, { isFollowing: flags.follow === true })
  if (flags.dryRun === true) return tellWhatWouldBe(session, found())

  const { antipasto, output, signal, settings } = session
  // V8 would let the memory double before it looks what is left of a hundred thousand files: next to nothing.
  setFlagsFromString('--heap-growing-percent=20')
  // Each file that is under way listens to it. Not 0 for any number: getMaxListeners, which undici calls, can't read that.
  setMaxListeners(10_000, signal)
  const endpoint = flags.endpoint ?? `${antipasto.connection.url}/uploads`
  // Whoever names an endpoint means tus, and no more than that.
  const isPlain = flags.endpoint !== undefined
  if (isPlain && (flags.finalize === true || flags.verify === true)) {
    throw usage('With --endpoint there are no packages and no reports: leave out --finalize and --verify.')
  }
  await (isPlain ? meetEndpoint(antipasto, endpoint, signal) : meetServer(antipasto, place, signal))

  const folder = nodePath.join(settings.folders.state, 'push')
  const progress = openProgress(output, OUTCOMES)
  const journal = await Journal.open(nodePath.join(folder, journalName(endpoint)), {
    onFault: (error) =>
      progress.warn(
        `What is sent can't be remembered in ${folder}: ${writeTrouble(error) ?? readTrouble(error)}. Set ANTIPASTO_STATE_DIR to another folder; a push that breaks can't go on where it stopped otherwise.`,
      ),
  })
  const remote = new Remote(antipasto, place, signal)
  const sender = new FileSender({
    antipasto,
    endpoint,
    isPlain,
    place,
    journal,
    remote,
    locksFolder: nodePath.join(folder, 'locks'),
    httpStack: session.httpStack,
    chunkBytes: flags.chunk ?? null,
    parallel: flags.parallel,
    patienceSeconds: flags.giveUpAfter,
    signal,
  })
  const tally = new PushTally()
  const startedAt = performance.now()
  const facts: SummaryFacts = {
    tally,
    seconds: 0,
    isUnfinished: false,
    isVerified: !isPlain,
    isQuiet: output.isQuiet,
    label: place.label,
    package: null,
    verified: null,
    underWay: null,
    again: null,
  }
  let endedBy: unknown = null
  try {
    endedBy = await sendAll(found, {
      sender,
      progress,
      tally,
      lanes: { small: flags.jobs ?? SMALL_AT_ONCE, large: flags.jobs ?? LARGE_AT_ONCE },
      tell: (item, outcome) => output.isJson && output.result(fileEvent(item, outcome)),
      signal,
    })
    facts.seconds = (performance.now() - startedAt) / 1000
    if (!isPlain && endedBy === null && !signal.aborted) {
      await finish(session, { place, flags, journal, progress, tally, facts })
      if (flags.verify === true) {
        const fresh = new Remote(antipasto, place, signal)
        facts.verified = await verifyAgain(found(), { sender, journal, remote: fresh, progress, signal })
      }
    }
  } catch (error) {
    if (!signal.aborted) endedBy = error
  } finally {
    await journal.close()
    progress.close()
    facts.underWay = isPlain ? null : await underWay(antipasto, tally.underWay)
  }
  return tellEnd(session, facts, endedBy)
}

/** How far the unfinished ones are at the server; null when nobody can tell at once. */
async function underWay(
  antipasto: Antipasto,
  begun: readonly { url: string; sizeBytes: number }[],
): Promise<SummaryFacts['underWay']> {
  if (begun.length === 0) return null
  const soon = AbortSignal.timeout(UNDER_WAY_WITHIN_MS)
  try {
    const there = await Promise.all(begun.map(({ url }) => antipasto.uploads.report(idOf(url), soon)))
    return {
      files: begun.length,
      keptBytes: there.reduce((sum, { offset }) => sum + offset, 0),
      sizeBytes: begun.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    }
  } catch {
    return null
  }
}

interface Finishing {
  place: Place
  flags: PushFlags
  journal: Journal
  progress: Progress
  tally: PushTally
  facts: SummaryFacts
}

/** What is to be done once all files are there. */
async function finish({ antipasto, signal, output }: Session, finishing: Finishing): Promise<void> {
  const { place, flags, journal, progress, tally, facts } = finishing
  if (tally.sentFiles > 0) {
    const onWait = (files: number) => progress.note(`The server is still checking ${files} of the files.`)
    for (const report of await settle({ antipasto, place, journal, signal, onWait })) {
      const path = report.relative_path ?? report.filename ?? report.id
      const reason = report.error?.detail.replace(/\.$/, '') ?? 'the server refused it'
      progress.warn(`${plainText(path)} was refused: ${plainText(reason)}.`)
      tally.refuseSent(path, report.size ?? 0, reason)
      if (output.isJson) {
        const { code = 'FAILED', detail: message = reason } = report.error ?? {}
        output.result({
          event: 'file',
          path,
          outcome: 'failed',
          upload_id: report.id,
          error: { code, message },
        })
      }
    }
  }
  if (tally.lastUrl === null || (place.label === null && place.packageId === null)) return
  const id = place.packageId ?? (await antipasto.uploads.report(idOf(tally.lastUrl), signal)).package_id
  if (id === null) return
  facts.package = { id, isFinalized: (await antipasto.packages.get(id, signal)).state === 'finalized' }
  if (flags.finalize !== true || facts.package.isFinalized) return
  if (tally.failedFiles > 0) {
    progress.warn('The package was not finalized, as not all files were sent.')
    return
  }
  try {
    await antipasto.packages.finalize(id, signal)
    facts.package.isFinalized = true
  } catch (error) {
    if (!(error instanceof Conflict)) throw error
    throw new CommandFailed(`The package ${id} can't be finalized: ${error.message}`, { cause: error })
  }
}

function tellEnd({ output, signal, settings }: Session, facts: SummaryFacts, endedBy: unknown): ExitCode {
  const { tally } = facts
  const exitCode = signal.aborted ? EXIT.interrupted : exitCodeAfter(facts, endedBy)
  facts.isUnfinished = signal.aborted || endedBy !== null
  if (facts.isUnfinished || tally.failedFiles > 0) facts.again = sameCommand(process.argv)
  if (endedBy !== null) output.warn(`antipasto: ${failureLine(failureOf(endedBy, settings.tokenSource))}`)
  output.result(
    {
      event: 'summary',
      sent: tally.sentFiles,
      sent_bytes: tally.sentBytes,
      kept: tally.keptFiles,
      failed: tally.failedFiles,
      skipped: tally.skippedFiles,
      is_finished: !facts.isUnfinished,
      under_way:
        facts.underWay === null
          ? null
          : { files: facts.underWay.files, kept_bytes: facts.underWay.keptBytes },
      moved_bytes: tally.movedBytes,
      seconds: Math.round(facts.seconds * 1000) / 1000,
      label: facts.label,
      package_id: facts.package?.id ?? null,
      is_finalized: facts.package?.isFinalized ?? false,
      error: endedBy === null ? null : failureOf(endedBy, settings.tokenSource),
      exit_code: exitCode,
    },
    signal.aborted ? [] : summaryLines(facts),
  )
  if (signal.aborted) for (const line of summaryLines(facts)) output.warn(line)
  return exitCode
}

function exitCodeAfter({ tally, verified }: SummaryFacts, endedBy: unknown): ExitCode {
  if (endedBy !== null) {
    const code = exitCodeOf(endedBy)
    return code === EXIT.failed && tally.sentFiles + tally.keptFiles > 0 ? EXIT.someFailed : code
  }
  return verified !== null && verified.differingFiles > 0 ? EXIT.mismatch : tally.exitCode()
}

function placeOf({ label, package: packageId, finalize }: PushFlags): Place {
  if (label !== undefined && packageId !== undefined) throw usage('Give --label or --package, not both.')
  if (finalize === true && label === undefined && packageId === undefined) {
    throw usage('--finalize is for a package: give --label or --package, too.')
  }
  const isLine =
    label === undefined || (label.trim() !== '' && !/\p{Cc}/u.test(label) && label.length <= 1024)
  if (!isLine) throw usage('A label is a line of 1 to 1024 characters.')
  return { label: label ?? null, packageId: packageId ?? null }
}

function usage(message: string): CommandFailed {
  return new CommandFailed(message, { exitCode: EXIT.usage, hint: 'See `antipasto push --help`.' })
}

async function tellWhatWouldBe({ output, signal }: Session, found: AsyncIterable<Found>): Promise<ExitCode> {
  const tally = new PushTally()
  let [files, bytes] = [0, 0]
  for await (const item of found) {
    signal.throwIfAborted()
    if (item.kind === 'file') {
      files += 1
      bytes += item.sizeBytes
      const event = { event: 'file', path: item.relativePath, size: item.sizeBytes, outcome: 'would be sent' }
      output.result(event, `${plainText(item.relativePath)}  ${formatBytes(item.sizeBytes)}`)
      continue
    }
    tally.countUnsendable(item)
    output.warn(`${plainText(item.path)} would not be sent: ${plainText(item.reason)}.`)
  }
  const { failedFiles: failed, skippedFiles: skipped } = tally
  output.result(
    { event: 'summary', files, bytes, failed, skipped },
    `${files.toLocaleString('en')} ${files === 1 ? 'file' : 'files'}, ${formatBytes(bytes)} would be sent.`,
  )
  return failed === 0 ? EXIT.ok : files === 0 ? EXIT.failed : EXIT.someFailed
}

/** A file's end, as programs read it. */
function fileEvent(item: Found, outcome: PushOutcome | null): Record<string, unknown> {
  if (item.kind !== 'file') {
    const isSkipped = item.kind === 'skipped'
    const error = isSkipped ? null : { code: 'UNSENDABLE', message: item.reason }
    return {
      event: 'file',
      local_path: item.path,
      outcome: isSkipped ? 'skipped' : 'failed',
      reason: item.reason,
      error,
    }
  }
  const end = outcome ?? { state: 'stopped' as const }
  const isThere = end.state === 'sent' || end.state === 'kept'
  const isFailed = end.state === 'failed' || end.state === 'mismatch'
  return {
    event: 'file',
    path: item.relativePath,
    local_path: item.path,
    outcome: end.state,
    size: item.sizeBytes,
    sha256: isThere ? end.sha256 : null,
    upload_id: isThere ? idOf(end.url) : null,
    url: isThere ? end.url : null,
    error: isFailed ? { code: failureOf(end.error).code, message: end.reason } : null,
  }
}
