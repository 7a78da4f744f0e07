// Many files into a folder, several at once. What fails is told and the rest goes on, unless nothing else could go well.

import { ConnectionFailed, ForeignAnswer, Unauthorized } from '../../api/errors.js'
import { EXIT, type ExitCode } from '../exit-code.js'
import { failureOf } from '../failure.js'
import { isDiskFull, writeTrouble } from '../file-trouble.js'
import { plainText } from '../plain-text.js'
import { Queue } from '../push/queue.js'
import { isMismatch, type Pulled, type PullOptions, pullFile, whyNot } from './pull-file.js'
import type { Listed } from './remote-file.js'
import { type TargetFolder, UnsafePath } from './target-folder.js'

export interface PullFilesOptions extends PullOptions {
  folder: TargetFolder
  /** At once. */
  jobs: number
  /** For programs: each file as it ends. */
  tell(event: PullEvent): void
}

export interface PullEvent {
  event: 'file'
  id: string | null
  path: string
  outcome: Pulled['outcome'] | 'failed'
  size: number | null
  sha256: string | null
  error: { code: string; message: string } | null
}

export interface PullSummary {
  files: number
  fetchedFiles: number
  keptFiles: number
  failedFiles: number
  mismatchedFiles: number
  /** Of the files that are here now. */
  bytes: number
  /** What went over the network now. */
  fetchedBytes: number
  /** Why the rest wasn't tried; null when all was. */
  stop: unknown
}

/** @throws only the signal's reason, after what runs has stopped */
export async function pullFiles(
  files: AsyncIterable<Listed>,
  options: PullFilesOptions,
): Promise<PullSummary> {
  const run = new Run(options)
  await Promise.all([run.list(files), ...Array.from({ length: options.jobs }, () => run.work())])
  options.signal.throwIfAborted()
  return run.summary
}

/** 5 outweighs 3: a file that isn't what it should be is worse than one that isn't here. */
export function exitCodeOfPull(summary: PullSummary): ExitCode {
  const { failedFiles, mismatchedFiles, fetchedFiles, keptFiles, stop } = summary
  if (mismatchedFiles > 0) return EXIT.mismatch
  if (stop instanceof Unauthorized) return EXIT.auth
  if (failedFiles === 0 && stop === null) return EXIT.ok
  return fetchedFiles + keptFiles === 0 ? EXIT.failed : EXIT.someFailed
}

class Run {
  readonly summary: PullSummary = {
    files: 0,
    fetchedFiles: 0,
    keptFiles: 0,
    failedFiles: 0,
    mismatchedFiles: 0,
    bytes: 0,
    fetchedBytes: 0,
    stop: null,
  }
  readonly #options: PullFilesOptions
  /** Of any length: all of the list is asked for at once, so that the whole is known, and what is left. */
  readonly #waiting = new Queue<Listed>(Number.POSITIVE_INFINITY)

  constructor(options: PullFilesOptions) {
    this.#options = options
  }

  async list(files: AsyncIterable<Listed>): Promise<void> {
    const { progress } = this.#options
    let bytes = 0
    try {
      for await (const file of files) {
        if (this.#isOver()) break
        this.summary.files += 1
        bytes += file.kind === 'file' ? (file.sizeBytes ?? 0) : 0
        progress.total({ files: this.summary.files, bytes, isGrowing: true })
        await this.#waiting.give(file)
      }
      progress.total({ files: this.summary.files, bytes })
    } catch (error) {
      this.summary.stop ??= error
    }
    this.#waiting.close()
  }

  /** Takes files, as the others do, until there are none or it makes no sense any more. */
  async work(): Promise<void> {
    while (!this.#isOver()) {
      const file = await this.#waiting.take()
      if (file === undefined || this.#isOver()) return
      await this.#pull(file)
    }
  }

  #isOver(): boolean {
    return this.summary.stop !== null || this.#options.signal.aborted
  }

  async #pull(file: Listed): Promise<void> {
    if (file.kind === 'unready') {
      this.#fail(file, file.reason, 'NOT_READY')
      return
    }
    try {
      const path = await this.#options.folder.place(file.path)
      this.#count(file, await pullFile(file, path, path, this.#options))
    } catch (error) {
      if (this.#options.signal.aborted) return
      if (isHopeless(error)) this.summary.stop ??= error
      if (isMismatch(error)) this.summary.mismatchedFiles += 1
      const reason = error instanceof UnsafePath ? error.message : whyNot(error)
      this.#fail(file, reason, error instanceof UnsafePath ? 'UNSAFE_PATH' : failureOf(error).code)
    }
  }

  #count({ id, path }: Listed, { outcome, sizeBytes, sha256, fetchedBytes }: Pulled): void {
    if (outcome === 'kept') this.summary.keptFiles += 1
    else this.summary.fetchedFiles += 1
    this.summary.bytes += sizeBytes
    this.summary.fetchedBytes += fetchedBytes
    this.#options.tell({ event: 'file', id, path, outcome, size: sizeBytes, sha256, error: null })
  }

  #fail({ id, path }: Listed, message: string, code: string): void {
    this.summary.failedFiles += 1
    this.#options.progress.warn(`${plainText(path)} was not pulled: ${plainText(message)}.`)
    const error = { code, message }
    this.#options.tell({ event: 'file', id, path, outcome: 'failed', size: null, sha256: null, error })
  }
}

/** What would meet every other file as well, after as long a wait. */
function isHopeless(error: unknown): boolean {
  return (
    isDiskFull(error) ||
    error instanceof ConnectionFailed ||
    error instanceof ForeignAnswer ||
    error instanceof Unauthorized
  )
}

/** Why the rest was not tried, as a sentence. */
export function stopWords(stop: unknown): string {
  return writeTrouble(stop) === null ? failureOf(stop).message : `${capital(whyNot(stop))}.`
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
