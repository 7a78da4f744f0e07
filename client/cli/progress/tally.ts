// What is on its way and what has arrived, in numbers: what every display is made from. Memory is for running files only.

import type { Outcome, Totals } from './progress.js'
import { Rate } from './rate.js'

export interface RunningFile {
  readonly name: string
  readonly totalBytes: number | null
  readonly bytes: number
  /** What it does instead of moving; null: it moves. */
  readonly state: string | null
  readonly bytesPerSecond: number | null
  readonly beganAtMs: number
}

export interface TallyView {
  /** Longest running first. */
  readonly running: readonly RunningFile[]
  readonly endedFiles: number
  readonly failedFiles: number
  /** Null until it is known. */
  readonly totals: Totals | null
  /** Of files that ended, whole, and of those that run, what is there. */
  readonly bytes: number
  readonly bytesPerSecond: number | null
  /** Null while nobody can tell. */
  readonly secondsLeft: number | null
}

interface Running {
  name: string
  totalBytes: number | null
  bytes: number
  movedBytes: number
  state: string | null
  beganAtMs: number
  rate: Rate
}

export class Tally {
  readonly #running = new Map<string, Running>()
  readonly #byteRate = new Rate()
  readonly #fileRate = new Rate()
  #totals: Totals | null = null
  #endedFiles = 0
  #failedFiles = 0
  #endedBytes = 0
  /** What went over the network, as far as this knows; only grows. */
  #movedBytes = 0

  begin(id: string, name: string, totalBytes: number | null, nowMs: number): void {
    const rate = new Rate()
    rate.sample(0, nowMs)
    this.#running.set(id, { name, totalBytes, bytes: 0, movedBytes: 0, state: null, beganAtMs: nowMs, rate })
    this.#sample(nowMs)
  }

  resume(id: string, bytes: number): void {
    const file = this.#running.get(id)
    if (file !== undefined) file.bytes = bytes
  }

  move(id: string, bytes: number, state: string | null, nowMs: number): void {
    const file = this.#running.get(id)
    if (file === undefined) return
    this.#moved(file, bytes)
    file.state = state
    file.rate.sample(file.movedBytes, nowMs)
    this.#sample(nowMs)
  }

  /** The file as it ended; undefined when there is no such file running. */
  end(id: string, outcome: Outcome, nowMs: number): RunningFile | undefined {
    const file = this.#running.get(id)
    if (file === undefined) return undefined
    this.#running.delete(id)
    if (outcome === 'done' && file.totalBytes !== null) this.#moved(file, file.totalBytes)
    // A file that failed is over, too: else the whole would never end.
    this.#endedBytes += file.totalBytes ?? file.bytes
    this.#endedFiles += 1
    if (outcome === 'failed') this.#failedFiles += 1
    this.#sample(nowMs)
    return viewOf(file, nowMs)
  }

  total(totals: Totals): void {
    this.#totals = totals
  }

  view(nowMs: number): TallyView {
    const running = [...this.#running.values()]
    const bytes = this.#endedBytes + running.reduce((sum, file) => sum + file.bytes, 0)
    return {
      running: running.map((file) => viewOf(file, nowMs)),
      endedFiles: this.#endedFiles,
      failedFiles: this.#failedFiles,
      totals: this.#totals,
      bytes,
      bytesPerSecond: this.#byteRate.perSecond(this.#movedBytes, nowMs),
      secondsLeft: this.#secondsLeft(bytes, nowMs),
    }
  }

  /** Whichever takes longer: large files by their bytes, many small ones by their number. */
  #secondsLeft(bytes: number, nowMs: number): number | null {
    if (this.#totals === null || this.#totals.isGrowing === true) return null
    const byBytes = secondsFor(this.#totals.bytes - bytes, this.#byteRate.perSecond(this.#movedBytes, nowMs))
    if (this.#totals.files === 1) return byBytes
    const byFiles = secondsFor(
      this.#totals.files - this.#endedFiles - this.#running.size,
      this.#fileRate.perSecond(this.#endedFiles, nowMs),
    )
    // No file has ended lately: large ones are on their way, and their bytes tell.
    return byBytes === null ? byFiles : Math.max(byBytes, byFiles ?? 0)
  }

  #moved(file: Running, bytes: number): void {
    const more = Math.max(0, bytes - file.bytes)
    file.movedBytes += more
    this.#movedBytes += more
    file.bytes = bytes
  }

  #sample(nowMs: number): void {
    this.#byteRate.sample(this.#movedBytes, nowMs)
    this.#fileRate.sample(this.#endedFiles, nowMs)
  }
}

function viewOf(file: Running, nowMs: number): RunningFile {
  const { name, totalBytes, bytes, state, beganAtMs, rate } = file
  const bytesPerSecond = rate.perSecond(file.movedBytes, nowMs)
  return { name, totalBytes, bytes, state, beganAtMs, bytesPerSecond }
}

function secondsFor(left: number, perSecond: number | null): number | null {
  if (left <= 0) return 0
  return perSecond === null || perSecond <= 0 ? null : left / perSecond
}
