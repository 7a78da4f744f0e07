// The main thread's end of one worker thread.

import { Worker } from 'node:worker_threads'
import { AppError } from '../errors.js'
import type { EngineSeed } from './engine-choice.js'
import type { Answer, Job } from './worker.js'

interface PendingJob {
  workUnits: number
  answer: Promise<Answer>
  resolve(answer: Answer): void
  reject(error: AppError): void
}

export class Hasher {
  readonly #worker: Worker
  /** Oldest first: the worker answers in order. */
  readonly #pending: PendingJob[] = []
  #pendingWorkUnits = 0
  #isAlive = true
  #failure: unknown

  constructor(seed: EngineSeed) {
    this.#worker = new Worker(new URL('./worker.js', import.meta.url), { workerData: seed })
    this.#worker.unref()
    this.#worker.on('message', (answer: Answer) => this.#settleOldest(answer))
    this.#worker.on('messageerror', (error) => this.#fail(error))
    this.#worker.on('error', (error) => this.#fail(error))
    this.#worker.on('exit', (exitCode) => {
      this.#fail(new Error(`The worker thread exited with ${exitCode}.`))
      this.#rejectPending()
    })
  }

  get isAlive(): boolean {
    return this.#isAlive
  }

  /** How many jobs wait here, with the one that is being done. */
  get pendingCount(): number {
    return this.#pending.length
  }

  /** What is waiting here, comparable with other hashers'. */
  get pendingWorkUnits(): number {
    return this.#pendingWorkUnits
  }

  /**
   * Does `job` after all earlier ones. Rejects with UNAVAILABLE when the thread dies before it has.
   *
   * @param workUnits how long it takes, against other jobs
   */
  ask(job: Job, workUnits: number): Promise<Answer> {
    if (!this.#isAlive) return Promise.reject(interrupted(this.#failure))
    const pending = pendingJob(workUnits)
    this.#worker.postMessage(job)
    // Idle threads don't keep the process from ending; what was asked is answered first.
    if (this.#pending.length === 0) this.#worker.ref()
    this.#pending.push(pending)
    this.#pendingWorkUnits += workUnits
    return pending.answer
  }

  /** Ends the thread once everything asked has been answered. */
  async stop(): Promise<void> {
    await Promise.allSettled(this.#pending.map(({ answer }) => answer))
    this.#isAlive = false
    await this.#worker.terminate()
  }

  #settleOldest(answer: Answer): void {
    const oldest = this.#pending.shift()
    if (oldest === undefined) return
    this.#pendingWorkUnits -= oldest.workUnits
    if (this.#pending.length === 0) this.#worker.unref()
    oldest.resolve(answer)
  }

  /** Nothing more is asked here. Answers sent before the failure still arrive: until the thread's exit. */
  #fail(cause: unknown): void {
    if (!this.#isAlive) return
    this.#isAlive = false
    this.#failure = cause
    void this.#worker.terminate()
  }

  #rejectPending(): void {
    for (const { reject } of this.#pending.splice(0)) reject(interrupted(this.#failure))
  }
}

function pendingJob(workUnits: number): PendingJob {
  let resolve: PendingJob['resolve'] = () => {}
  let reject: PendingJob['reject'] = () => {}
  const answer = new Promise<Answer>((onAnswer, onError) => {
    resolve = onAnswer
    reject = onError
  })
  return { workUnits, answer, resolve, reject }
}

function interrupted(cause?: unknown): AppError {
  return new AppError('UNAVAILABLE', 'Digesting was interrupted. Resume the upload.', {
    cause,
    retryAfterSeconds: 1,
  })
}
