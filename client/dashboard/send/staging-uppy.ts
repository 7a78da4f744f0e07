// Uppy, as this page has it: thousands of files don't freeze it, and what goes on goes on where it was.

import Uppy, { type Body, type Meta, type MinimalRequiredUppyFile } from '@uppy/core'

/** Uppy copies all that it has for each file of a slice, so that a slice takes some tens of milliseconds at worst. */
const SLICE_FILES = 40

export interface StagingUppyHooks {
  /** Before anything is sent; false keeps it from being sent now. */
  onSend(): boolean
}

export class StagingUppy<M extends Meta, B extends Body> extends Uppy<M, B> {
  readonly #hooks: StagingUppyHooks
  /** What came first is added first. */
  #adding: Promise<void> = Promise.resolve()

  constructor(options: ConstructorParameters<typeof Uppy<M, B>>[0], hooks: StagingUppyHooks) {
    super(options)
    this.#hooks = hooks
  }

  /** Also what is dropped on Uppy's own panel comes by here. */
  override addFiles(files: MinimalRequiredUppyFile<M, B>[]): void {
    this.#adding = this.#adding.then(() => this.#addSlices(files))
  }

  override async upload(): ReturnType<Uppy<M, B>['upload']> {
    await this.#adding
    return this.#hooks.onSend() ? super.upload() : undefined
  }

  async #addSlices(files: MinimalRequiredUppyFile<M, B>[]): Promise<void> {
    for (let at = 0; at < files.length; at += SLICE_FILES) {
      if (at > 0) await new Promise((resolve) => setTimeout(resolve))
      super.addFiles(files.slice(at, at + SLICE_FILES))
    }
  }
}
