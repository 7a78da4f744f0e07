// Uppy's state, told to those who draw and keep it some times a second rather than with each byte.

import type { Body, Meta, State } from '@uppy/core'

type Listener<M extends Meta, B extends Body> = (
  before: State<M, B>,
  now: State<M, B>,
  patch: Partial<State<M, B>> | undefined,
) => void

/** So many files are drawn at once without a delay that one could see. */
const FEW_FILES = 200
const QUICK_MS = 16
const SLOW_MS = 300

/**
 * A store for Uppy that gathers what changes.
 *
 * Each progress of each file is a new state to Uppy, and Golden Retriever and the panel go through all files for each: with five
 * thousand files that is all that the page would do. `getState` is never late.
 */
export class SlowStore<M extends Meta, B extends Body> {
  static readonly VERSION = '1'
  // Uppy sets its own first state before anybody reads it.
  #state = {} as State<M, B>
  #told: State<M, B> | undefined
  #patch: Partial<State<M, B>> = {}
  #timer: ReturnType<typeof setTimeout> | undefined
  readonly #listeners = new Set<Listener<M, B>>()

  getState(): State<M, B> {
    return this.#state
  }

  setState(patch?: Partial<State<M, B>>): void {
    this.#told ??= this.#state
    this.#state = { ...this.#state, ...patch }
    this.#patch = { ...this.#patch, ...patch }
    this.#timer ??= setTimeout(() => this.#tell(), this.#delayMs())
  }

  subscribe(listener: Listener<M, B>): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  #delayMs(): number {
    let files = 0
    for (const _ in this.#state.files) {
      files += 1
      if (files > FEW_FILES) return SLOW_MS
    }
    return QUICK_MS
  }

  #tell(): void {
    const before = this.#told ?? this.#state
    const patch = this.#patch
    this.#timer = undefined
    this.#told = undefined
    this.#patch = {}
    for (const listener of this.#listeners) listener(before, this.#state, patch)
  }
}
