import { type Digests, RunningDigest } from './digest.js'
import type { DigestSession } from './pool.js'

/** A digest session on the calling thread: for bodies so short that a message to a worker would cost more. */
export class InlineDigest implements DigestSession {
  readonly #running: RunningDigest

  constructor(savedState?: Uint8Array) {
    this.#running = new RunningDigest(savedState)
  }

  async update(bytes: Uint8Array): Promise<void> {
    this.#running.update(bytes)
  }

  async save(): Promise<Uint8Array> {
    return this.#running.save()
  }

  async digests(): Promise<Digests> {
    return this.#running.digests()
  }

  close(): void {}
}
