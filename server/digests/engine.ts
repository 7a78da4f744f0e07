// What takes a digest's state through bytes. There are two: OpenSSL's own functions, as this Node.js has them (openssl.ts), and
// WebAssembly where those can't be called (webassembly/). They have the same states: an upload may go on with the other one.

import type { Algorithm } from './algorithm.js'
import type { DigestState } from './state.js'

export type EngineName = 'openssl' | 'webassembly'

/** Algorithms that one thread takes through an upload's bytes, while another has the rest of them. */
export interface Strand {
  readonly algorithms: readonly Algorithm[]
  /** How long they take for a byte, one strand of the engine against the other. */
  readonly work: number
}

/** Belongs to one thread. */
export interface Engine {
  readonly name: EngineName
  /** All three algorithms, in parts that take about equally long. */
  readonly strands: readonly Strand[]
  /**
   * Takes `state` through `bytes`, in `algorithms` only: all, or those of one strand.
   *
   * Whoever runs one strand keeps a state of its own for it: the size and the tail go on, the others' chaining values don't.
   */
  absorb(state: DigestState, bytes: Uint8Array, algorithms?: readonly Algorithm[]): void
}
