// One upload as its view shows it: the report that the whole page shares, asked for again when something of it happens.

import { type ReadonlySignal, signal } from '@preact/signals'
import { NotFound } from '../../api/errors.js'
import type { Event, Report } from '../../api/types.js'
import type { Desk } from '../desk.js'
import { type Soon, soon } from '../parts/soon.js'
import { secondsToLook } from './look.js'

const RELOAD = { delayMs: 40, restMs: 400 }

export class OpenedUpload {
  readonly id: string
  readonly #desk: Desk
  readonly #trouble = signal<unknown>(null)
  readonly #isWhole = signal(false)
  readonly #reload: Soon
  readonly #closing = new AbortController()
  #looking: ReturnType<typeof setTimeout> | undefined
  /** Things that were done here: what an answer that was asked for before them doesn't know yet. */
  #deeds = 0

  constructor(id: string, desk: Desk) {
    this.id = id
    this.#desk = desk
    this.#reload = soon(() => this.#load(), RELOAD)
  }

  /** As new as the page knows it; undefined while it doesn't. Events tell parts of it only, until `isWhole`. */
  get report(): ReadonlySignal<Report | undefined> {
    return this.#desk.reports.of(this.id)
  }

  /** Why it couldn't be asked for the last time; NotFound among it. */
  get trouble(): ReadonlySignal<unknown> {
    return this.#trouble
  }

  /** The server has told all of it, at least once. */
  get isWhole(): ReadonlySignal<boolean> {
    return this.#isWhole
  }

  /** Answers how to close it. */
  open(): () => void {
    const { live } = this.#desk
    const stopListening = live.onEvent((event) => this.#hear(event))
    const stopMinding = live.onGap(() => this.refresh())
    const onShow = () => {
      if (!document.hidden) this.refresh()
    }
    document.addEventListener('visibilitychange', onShow)
    this.refresh()
    return () => {
      this.#closing.abort()
      this.#reload.stop()
      clearTimeout(this.#looking)
      stopListening()
      stopMinding()
      document.removeEventListener('visibilitychange', onShow)
    }
  }

  refresh(): void {
    this.#reload.ask()
  }

  /**
   * Does something to it, and takes in what the server answers.
   *
   * @throws what `ask` throws
   */
  async change(ask: () => Promise<Report>): Promise<void> {
    const asked = this.#desk.reports.mark()
    const report = await ask()
    this.#deeds += 1
    this.#desk.reports.take(report, asked)
    this.#learned(report)
  }

  #learned(report: Report): void {
    this.#isWhole.value = true
    this.#lookAgain(report)
  }

  #hear(event: Event): void {
    if (event.upload_id === this.id) this.refresh()
  }

  async #load(): Promise<void> {
    const { antipasto, reports } = this.#desk
    const [deeds, asked] = [this.#deeds, reports.mark()]
    try {
      const report = await antipasto.uploads.report(this.id, this.#closing.signal)
      this.#trouble.value = null
      if (deeds === this.#deeds) reports.take(report, asked)
      this.#learned(report)
    } catch (error) {
      if (this.#closing.signal.aborted) return
      this.#trouble.value = error
      if (!(error instanceof NotFound)) this.#lookAgain(this.report.peek())
    }
  }

  /** No event tells how far somebody else's upload is, nor that a time is over. */
  #lookAgain(report: Report | undefined): void {
    clearTimeout(this.#looking)
    const seconds = report === undefined ? null : secondsToLook(report, Date.now())
    if (seconds === null || this.#closing.signal.aborted) return
    this.#looking = setTimeout(() => {
      // Shown again, it is asked for at once.
      if (!document.hidden) this.refresh()
    }, seconds * 1_000)
  }
}
