import { RunningDigest } from './digest.js'
import type { Digests } from './finish.js'
import type { DigestSession } from './pool.js'

export interface InlineObserver {
  digestedInline(bytes: number): void
}

/** A digest session on the calling thread: for bodies so short that a message to a worker would cost more. */
export class InlineDigest implements DigestSession {
  readonly #running: RunningDigest
  readonly #observer: InlineObserver | undefined

  constructor(savedState?: Uint8Array, observer?: InlineObserver) {
    this.#running = new RunningDigest(savedState)
    this.#observer = observer
  }

  async update(bytes: Uint8Array): Promise<void> {
    this.#running.update(bytes)
    this.#observer?.digestedInline(bytes.byteLength)
  }

  async save(): Promise<Uint8Array> {
    return this.#running.save()
  }

  async digests(): Promise<Digests> {
    return this.#running.digests()
  }

  close(): void {}
}
