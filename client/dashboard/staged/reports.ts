// Every report that this page has seen, each as a signal: a row, the upload's own view and its package all show the same one.

import { type Signal, signal } from '@preact/signals'
import type { Event, Report } from '../../api/types.js'
import { reportAfter, type UploadEvent } from './report-after.js'

/** A moment: how many events had come by then. */
export type Mark = number

export class Reports {
  readonly #known = new Map<string, Signal<Report | undefined>>()
  #events: Mark = 0
  /** Of each upload the last one that told of it, and how many had come before. */
  readonly #lastEvents = new Map<string, { event: UploadEvent; mark: Mark }>()
  /** Nothing happened to them since the server answered. */
  readonly #whole = new Set<string>()
  /** Known by events alone, which began in the middle: not even when they were created. */
  readonly #sketches = new Set<string>()
  readonly #listeners = new Set<(id: string) => void>()

  /** As new as this page knows it; undefined while it doesn't. */
  of(id: string): Signal<Report | undefined> {
    let known = this.#known.get(id)
    if (known === undefined) {
      known = signal<Report | undefined>(undefined)
      this.#known.set(id, known)
    }
    return known
  }

  /** To be taken before the server is asked. */
  mark(): Mark {
    return this.#events
  }

  /** What events told of since. */
  touchedSince(mark: Mark): Set<string> {
    const touched = new Set<string>()
    for (const [id, last] of this.#lastEvents) if (last.mark >= mark) touched.add(id)
    return touched
  }

  /**
   * Takes in what the server has answered.
   *
   * @param asked when it was asked: what events have told since isn't taken back by an answer that is older. Default: now
   */
  take(report: Report, asked: Mark = this.mark()): void {
    const { id } = report
    const last = this.#lastEvents.get(id)
    const isOvertaken = last !== undefined && last.mark >= asked
    // What was asked for later, and answered first, has all of it already.
    if (isOvertaken && this.#whole.has(id)) return
    this.of(id).value = isOvertaken ? reportAfter(report, last.event) : report
    if (!isOvertaken) this.#whole.add(id)
    this.#sketches.delete(id)
    this.#tell(id)
  }

  /** Takes in what an event tells; the rest of the report is to be asked for. Unknown uploads become known by it. */
  apply(event: Event): void {
    if (event.upload_id === null) return
    const id = event.upload_id
    const known = this.of(id)
    if (known.peek() === undefined && event.type !== 'upload.created.v1') this.#sketches.add(id)
    known.value = reportAfter(known.peek(), event)
    this.#lastEvents.set(id, { event, mark: this.mark() })
    this.#events += 1
    this.#whole.delete(id)
    this.#tell(id)
  }

  /** The server doesn't know it any more. */
  forget(id: string): void {
    this.of(id).value = undefined
    this.#whole.add(id)
    this.#tell(id)
  }

  /** False: an event told of it, and not all; the server knows more. */
  isWhole(id: string): boolean {
    return this.#whole.has(id)
  }

  /** True: not even its place in a list is known. */
  isSketch(id: string): boolean {
    return this.#sketches.has(id)
  }

  /** Called with each report that was taken in or told of. Answers how to stop. */
  onChange(listener: (id: string) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  #tell(id: string): void {
    for (const listener of this.#listeners) listener(id)
  }
}
