// Makes new and renamed names in a folder durable: POSIX promises a file's name only after fsync of its folder.

import { open } from 'node:fs/promises'

/**
 * fsync of one folder, shared: callers that come while one runs wait together for the next one.
 *
 * With 32 small files at once that is a handful of fsyncs instead of 32.
 */
export class FolderSync {
  readonly #folder: string
  #running: Promise<void> | null = null
  #next: Promise<void> | null = null

  constructor(folder: string) {
    this.#folder = folder
  }

  /** Resolves when every name made before the call is durable. */
  sync(): Promise<void> {
    if (this.#running === null) return this.#start()
    // The running one may have begun before the caller's rename: only the one after it counts.
    this.#next ??= this.#running.then(
      () => this.#startNext(),
      () => this.#startNext(),
    )
    return this.#next
  }

  #startNext(): Promise<void> {
    this.#next = null
    return this.#start()
  }

  #start(): Promise<void> {
    const running = syncFolder(this.#folder).finally(() => {
      if (this.#running === running) this.#running = null
    })
    this.#running = running
    return running
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
