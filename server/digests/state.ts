// A running digest's state in bytes: what is saved with every acknowledged offset, and what worker threads share.
//
//   0   version, 1
//   1   size digested so far in bytes, 64 bits
//   9   chaining values of MD5, SHA-1, SHA-256: 17 words of 32 bits
//  77   the bytes after the last whole block: 0 to 63, as many as the size says
//
// All numbers are little-endian on every machine: a state may go from one to another, and from one engine to another.

import { AppError } from '../errors.js'
import {
  type Algorithm,
  algorithms,
  BLOCK_BYTES,
  CHAINING_VALUES_BYTES,
  chainingValues,
  initialValues,
} from './algorithm.js'

const VERSION = 1
const SIZE_AT = 1
const CHAINING_VALUES_AT = 9
const TAIL_AT = CHAINING_VALUES_AT + CHAINING_VALUES_BYTES

/** A state of any size fits. */
export const STATE_BYTES = TAIL_AT + BLOCK_BYTES

const initialState = encodeInitialState()

export class DigestState {
  /** MD5's, SHA-1's and SHA-256's chaining values, side by side. */
  readonly chainingValues: Uint8Array
  /** Room for one block; the first `tailBytes` of it wait for the block to fill. */
  readonly tail: Uint8Array
  readonly #bytes: Uint8Array
  readonly #view: DataView

  /** `bytes`, `STATE_BYTES` of them, hold the state from now on; it is whatever they say. */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.chainingValues = bytes.subarray(CHAINING_VALUES_AT, TAIL_AT)
    this.tail = bytes.subarray(TAIL_AT)
  }

  /**
   * A state in `bytes`: that of no bytes, or `saved`.
   *
   * @throws AppError INTERNAL when `saved` isn't what `save` makes.
   */
  static start(bytes: Uint8Array, saved: Uint8Array = initialState): DigestState {
    checkSaved(saved)
    bytes.set(saved)
    return new DigestState(bytes)
  }

  get sizeBytes(): number {
    return readSize(this.#view)
  }

  set sizeBytes(size: number) {
    this.#view.setUint32(SIZE_AT, size % 2 ** 32, true)
    this.#view.setUint32(SIZE_AT + 4, Math.floor(size / 2 ** 32), true)
  }

  get tailBytes(): number {
    return this.#bytes[SIZE_AT]! % BLOCK_BYTES
  }

  /** A copy in 77 to 140 bytes, as long as it has to be. */
  save(): Uint8Array<ArrayBuffer> {
    const saved = new Uint8Array(TAIL_AT + this.tailBytes)
    saved.set(this.#bytes.subarray(0, saved.length))
    return saved
  }

  copy(): DigestState {
    return new DigestState(Uint8Array.from(this.#bytes))
  }

  /** One algorithm's chaining value; the state's own bytes, not a copy. */
  chainingValueOf(algorithm: Algorithm): Uint8Array {
    const { offset, wordCount } = chainingValues[algorithm]
    return this.chainingValues.subarray(offset, offset + wordCount * 4)
  }

  /** Takes over these algorithms' chaining values from a state of the same bytes. */
  adopt(algorithms: readonly Algorithm[], other: DigestState): void {
    for (const algorithm of algorithms) {
      this.chainingValueOf(algorithm).set(other.chainingValueOf(algorithm))
    }
  }
}

function checkSaved(saved: Uint8Array): void {
  if (saved.length < TAIL_AT || saved[0] !== VERSION) throw unreadable(`version ${saved[0]}`, saved)
  const sizeBytes = readSize(new DataView(saved.buffer, saved.byteOffset, saved.byteLength))
  if (!Number.isSafeInteger(sizeBytes)) throw unreadable(`size ${sizeBytes}`, saved)
  if (saved.length !== TAIL_AT + (sizeBytes % BLOCK_BYTES)) throw unreadable(`size ${sizeBytes}`, saved)
}

function unreadable(found: string, saved: Uint8Array): AppError {
  return new AppError('INTERNAL', `A digest state of ${saved.length} bytes, ${found}, can't be read.`)
}

function readSize(view: DataView): number {
  return view.getUint32(SIZE_AT, true) + view.getUint32(SIZE_AT + 4, true) * 2 ** 32
}

function encodeInitialState(): Uint8Array {
  const bytes = new Uint8Array(TAIL_AT)
  const view = new DataView(bytes.buffer)
  bytes[0] = VERSION
  const words = algorithms.flatMap((algorithm) => initialValues[algorithm])
  for (const [index, word] of words.entries()) view.setUint32(CHAINING_VALUES_AT + index * 4, word, true)
  return bytes
}
