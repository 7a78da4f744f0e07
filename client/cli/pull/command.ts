// What `pull` does, from the words on the command line to the summary.

import { mkdir, stat } from 'node:fs/promises'
import nodePath from 'node:path'
import { formatBytes, formatDuration } from '../../format.js'
import { CommandFailed, EXIT, type ExitCode } from '../exit-code.js'
import { writeTrouble } from '../file-trouble.js'
import { plainText } from '../plain-text.js'
import { openProgress } from '../progress/open.js'
import type { Progress } from '../progress/progress.js'
import { sameCommand } from '../same-command.js'
import type { Session } from '../session.js'
import { readTarget, type Target } from '../targets.js'
import { find } from './find.js'
import { type Pulled, pullFile, whyNot } from './pull-file.js'
import { exitCodeOfPull, type PullSummary, pullFiles, stopWords } from './pull-files.js'
import type { RemoteFile } from './remote-file.js'
import { unsafePath } from './safe-path.js'
import { TargetFolder } from './target-folder.js'

export interface PullFlags {
  label?: string
  jobs: number
  verify: boolean
  force?: boolean
}

export interface PullWords {
  what: string | undefined
  target: string | undefined
  flags: PullFlags
}

/** Of one file the summary says the same. */
const MANY_WORDS = { done: 'pulled', kept: 'here already' }

export async function pull(session: Session, words: PullWords): Promise<ExitCode> {
  const { antipasto, output, signal } = session
  const { wanted, target } = readWords(words, antipasto.connection.url)
  const found = await find(antipasto, wanted, signal)
  const progress = openProgress(output, found.kind === 'one' ? {} : MANY_WORDS)
  try {
    const { verify: isVerified, force: isReplacing = false, jobs } = words.flags
    const options = { antipasto, isVerified, isReplacing, progress, signal }
    if (found.kind === 'one') {
      progress.total({ files: 1, bytes: found.file.sizeBytes ?? 0 })
      const path = await pathFor(found.file, target)
      const pulled = await pullFile(found.file, path, 'it', options).catch((error: unknown) => {
        throw signal.aborted ? error : refusalOf(error, path)
      })
      progress.close()
      tellOne(session, found.file, path, pulled, isVerified)
      return EXIT.ok
    }
    const startedAt = performance.now()
    const folder = await folderFor(target)
    const summary = await pullFiles(found.files, {
      ...options,
      folder,
      jobs,
      tell: (event) => output.isJson && output.result(event),
    })
    progress.close()
    if (summary.stop !== null && summary.files === 0) throw summary.stop
    const seconds = (performance.now() - startedAt) / 1000
    return tellMany(session, { name: found.name, folder: folder.path, summary, seconds, isVerified })
  } catch (error) {
    if (signal.aborted) pause(progress)
    throw error
  } finally {
    progress.close()
  }
}

function readWords(
  { what, target, flags }: PullWords,
  serverUrl: string,
): { wanted: Target; target: string | undefined } {
  if (flags.label !== undefined) {
    if (target !== undefined)
      throw usage('With --label there is one word more at most: the folder to write to.')
    return { wanted: { kind: 'name', name: flags.label }, target: what }
  }
  if (what === undefined)
    throw usage('Pull what? Give the id of an upload or a package, a retrieval URL, or --label.')
  return { wanted: readTarget(what, serverUrl), target }
}

function usage(message: string): CommandFailed {
  return new CommandFailed(message, { exitCode: EXIT.usage, hint: 'See `antipasto pull --help`.' })
}

/** What the user calls it, or its own name within the folder that they name. */
async function pathFor(file: RemoteFile, target = '.'): Promise<string> {
  const isFolder = /[/\\]$/.test(target) || (await stat(target).catch(() => null))?.isDirectory() === true
  if (!isFolder) return target
  const name = file.path.split('/').at(-1) ?? ''
  const fault = unsafePath(name, process.platform)
  if (fault !== null) {
    throw new CommandFailed(`Its name ${JSON.stringify(plainText(name))} can't be a file's here: ${fault}.`, {
      hint: 'Name the file to write as well.',
    })
  }
  await mkdir(target, { recursive: true }).catch((error: unknown) => {
    throw refusalOf(error, target)
  })
  return nodePath.join(target, name)
}

async function folderFor(target = '.'): Promise<TargetFolder> {
  try {
    return await TargetFolder.open(target)
  } catch (error) {
    throw refusalOf(error, target)
  }
}

/** In the words of what was to be written, where the file system is the one that refuses. */
function refusalOf(error: unknown, path: string): unknown {
  if (writeTrouble(error) === null) return error
  return new CommandFailed(`${plainText(path)} can't be written: ${whyNot(error)}.`, {
    hint: 'What has arrived is kept: the same command goes on from there.',
    cause: error,
  })
}

function tellOne(
  { output }: Session,
  file: RemoteFile,
  path: string,
  pulled: Pulled,
  isVerified: boolean,
): void {
  const { outcome, sizeBytes, sha256 } = pulled
  const how =
    outcome === 'kept' ? 'is here already, and equal' : isVerified ? 'pulled and verified' : 'pulled'
  output.result(
    { event: 'file', id: file.id, path, outcome, size: sizeBytes, sha256, error: null },
    `${plainText(path)}: ${how}, ${formatBytes(sizeBytes)}`,
  )
}

interface ManyPulled {
  name: string
  folder: string
  summary: PullSummary
  seconds: number
  isVerified: boolean
}

function tellMany({ output }: Session, many: ManyPulled): ExitCode {
  const { name, summary, seconds } = many
  const isEmpty = summary.files === 0 && summary.stop === null
  // A name that was mistyped looks the same.
  const exitCode = isEmpty ? EXIT.failed : exitCodeOfPull(summary)
  if (isEmpty) output.warn(`There is nothing under ${plainText(name)}.`)
  if (summary.stop !== null) {
    output.warn(
      `${plainText(stopWords(summary.stop))} The rest was not tried. To go on: ${sameCommand(process.argv)}`,
    )
  }
  const { files, fetchedFiles, keptFiles, failedFiles, bytes, fetchedBytes } = summary
  output.result(
    {
      event: 'summary',
      files,
      fetched: fetchedFiles,
      kept: keptFiles,
      failed: failedFiles,
      bytes,
      fetched_bytes: fetchedBytes,
      seconds: Math.round(seconds * 1000) / 1000,
      exit_code: exitCode,
    },
    summaryLines(many),
  )
  return exitCode
}

function summaryLines({ folder, summary, seconds, isVerified }: ManyPulled): string[] {
  const { fetchedFiles, keptFiles, failedFiles, fetchedBytes } = summary
  const lines: string[] = []
  if (fetchedFiles > 0) {
    const rate = seconds > 0 ? ` (${formatBytes(fetchedBytes / seconds)}/s)` : ''
    lines.push(
      `Pulled${isVerified ? ' and verified' : ''}: ${counted(fetchedFiles, 'file')}, ${formatBytes(fetchedBytes)} in ${formatDuration(seconds)}${rate}, to ${plainText(folder)}.`,
    )
  }
  if (keptFiles > 0) lines.push(`Here already: ${counted(keptFiles, 'file')}.`)
  if (failedFiles > 0) lines.push(`Not pulled: ${counted(failedFiles, 'file')}, for the reasons above.`)
  return lines
}

function counted(count: number, noun: string): string {
  return `${count.toLocaleString('en')} ${count === 1 ? noun : `${noun}s`}`
}

function pause(progress: Progress): void {
  progress.note(`Paused: what has arrived is kept. To go on: ${sameCommand(process.argv)}`)
}
