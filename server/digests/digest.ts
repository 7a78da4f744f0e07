// MD5, SHA-1 and SHA-256 of bytes as they arrive, in whatever thread calls.

import type { Engine } from './engine.js'
import { threadEngine } from './engine-choice.js'
import { type Digests, finish } from './finish.js'
import { DigestState, STATE_BYTES } from './state.js'

export class RunningDigest {
  readonly #engine: Engine
  readonly #state: DigestState

  /**
   * Of no bytes yet, or going on from `savedState`, which may come from another process, machine or engine.
   *
   * @throws AppError INTERNAL when `savedState` isn't what `save` makes.
   */
  constructor(savedState?: Uint8Array, engine = threadEngine()) {
    this.#engine = engine
    this.#state = DigestState.start(new Uint8Array(STATE_BYTES), savedState)
  }

  /** How many bytes have been digested. */
  get sizeBytes(): number {
    return this.#state.sizeBytes
  }

  update(bytes: Uint8Array): this {
    if (bytes.length > 0) this.#engine.absorb(this.#state, bytes)
    return this
  }

  /** 77 to 140 bytes to go on from later; state.ts tells their format. */
  save(): Uint8Array<ArrayBuffer> {
    return this.#state.save()
  }

  /** Of the bytes so far; the running state goes on undisturbed. */
  digests(): Digests {
    return finish(this.#state, this.#engine)
  }
}
