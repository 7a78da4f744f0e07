// Where things lie in the memory that a thread's kernels share, so that input is copied in once for all of them.
// Everything but the input has a constant address: the engine then knows each access to be in bounds.

import { BLOCK_BYTES } from '../algorithm.js'
import {
  type I32,
  i32,
  loadVector,
  loadWord,
  type Statement,
  storeVector,
  storeWord,
  type V128,
} from './wasm.js'

const SHA1_SCHEDULE_ADDRESS = 512
const SHA256_SCHEDULE_ADDRESS = 1024

/**
 * Whole blocks are copied to here, `INPUT_BYTES` at a time: small enough for the second kernel to find them in the
 * processor's cache. They may begin up to a block later, for the sake of their alignment.
 */
export const INPUT_ADDRESS = 4096
export const INPUT_BYTES = 60 * 1024 - BLOCK_BYTES

/** In units of 64 KiB: all of the above. */
export const MEMORY_PAGES = 1

/** A run of words, from an address on. */
export class Words {
  readonly #address: I32

  constructor(address: I32) {
    this.#address = address
  }

  load(index: number): I32 {
    return loadWord(this.#address, index * 4)
  }

  store(index: number, value: I32): Statement {
    return storeWord(this.#address, index * 4, value)
  }

  /** Words `quad * 4` to `quad * 4 + 3`. */
  loadQuad(quad: number): V128 {
    return loadVector(this.#address, quad * 16)
  }

  storeQuad(quad: number, value: V128): Statement {
    return storeVector(this.#address, quad * 16, value)
  }
}

export const sha1Schedule = new Words(i32(SHA1_SCHEDULE_ADDRESS))
export const sha256Schedule = new Words(i32(SHA256_SCHEDULE_ADDRESS))
