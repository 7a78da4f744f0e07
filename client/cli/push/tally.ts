// What a push has done, counted: for its summary and its exit code. Holds no more than the first failures.

import { EXIT, type ExitCode } from '../exit-code.js'
import type { PushOutcome } from './outcome.js'
import type { Unsendable } from './walk.js'

const MOST_FAILURES_TOLD = 20

export interface PushFailure {
  path: string
  reason: string
}

export class PushTally {
  sentFiles = 0
  sentBytes = 0
  /** What went over the network, as far as this side knows. */
  movedBytes = 0
  keptFiles = 0
  keptBytes = 0
  failedFiles = 0
  mismatchedFiles = 0
  skippedFiles = 0
  /** Begun and not finished: as many as there are lanes, at most. */
  readonly underWay: { url: string; sizeBytes: number }[] = []
  /** An upload to learn from where the others are, too. */
  lastUrl: string | null = null
  /** The first ones, to be told again at the end. */
  readonly failures: PushFailure[] = []

  count(path: string, sizeBytes: number, outcome: PushOutcome): void {
    if (outcome.state === 'sent' || (outcome.state === 'kept' && this.sentFiles === 0))
      this.lastUrl = outcome.url
    switch (outcome.state) {
      case 'sent':
        this.sentFiles += 1
        this.sentBytes += sizeBytes
        return
      case 'kept':
        this.keptFiles += 1
        this.keptBytes += sizeBytes
        return
      case 'stopped':
        if (outcome.url !== null) this.underWay.push({ url: outcome.url, sizeBytes })
        return
      case 'mismatch':
        this.mismatchedFiles += 1
        this.#fail(path, outcome.reason)
        return
      case 'failed':
        this.#fail(path, outcome.reason)
    }
  }

  countUnsendable({ kind, path, reason }: Unsendable): void {
    if (kind === 'skipped') this.skippedFiles += 1
    else this.#fail(path, reason)
  }

  /** A file that had been sent was refused by the server's check of its content. */
  refuseSent(path: string, sizeBytes: number, reason: string): void {
    this.sentFiles = Math.max(0, this.sentFiles - 1)
    this.sentBytes = Math.max(0, this.sentBytes - sizeBytes)
    this.#fail(path, reason)
  }

  #fail(path: string, reason: string): void {
    this.failedFiles += 1
    if (this.failures.length < MOST_FAILURES_TOLD) this.failures.push({ path, reason })
  }

  /** What the shell is told of the files, when nothing else ended the push. */
  exitCode(): ExitCode {
    if (this.mismatchedFiles > 0) return EXIT.mismatch
    if (this.failedFiles === 0) return EXIT.ok
    return this.sentFiles + this.keptFiles === 0 ? EXIT.failed : EXIT.someFailed
  }
}
