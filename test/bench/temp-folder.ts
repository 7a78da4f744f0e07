// What is written to a temporary folder while it is watched.

import { closeSync, type FSWatcher, fstatSync, openSync, watch } from 'node:fs'
import { join } from 'node:path'

/**
 * Counts the bytes of all files made in one folder, those that are gone again too.
 *
 * Each file is held open from its creation to its removal, so its last size is known. One that was gone before it could be
 * opened counts as a byte: the sum may be too small then, but never 0 for a folder that was used. Files that were there
 * before, and those in folders inside, are not seen. Linux only: elsewhere the events say less.
 */
export class TempFolderWatch {
  readonly #directory: string
  readonly #watcher: FSWatcher
  readonly #open = new Map<string, number>()
  #goneBytes = 0

  constructor(directory: string) {
    this.#directory = directory
    this.#watcher = watch(directory, (event, name) => {
      if (event === 'rename' && name !== null) this.#cameOrWent(name)
    })
  }

  /** Ends the watch. */
  stop(): number {
    this.#watcher.close()
    for (const name of [...this.#open.keys()]) this.#close(name)
    return this.#goneBytes
  }

  #cameOrWent(name: string): void {
    if (this.#open.has(name)) {
      this.#close(name)
      return
    }
    try {
      this.#open.set(name, openSync(join(this.#directory, name), 'r'))
    } catch {
      this.#goneBytes += 1
    }
  }

  #close(name: string): void {
    const descriptor = this.#open.get(name)
    if (descriptor === undefined) return
    this.#open.delete(name)
    this.#goneBytes += fstatSync(descriptor).size
    closeSync(descriptor)
  }
}
