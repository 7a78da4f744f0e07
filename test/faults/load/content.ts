// What a file of the load has in it: a pure function of its key and the offset, so that nobody has to keep the bytes that were
// sent to compare them with those that come back.

import { createCipheriv, createHash } from 'node:crypto'
import type { Digests } from '../../end-to-end/evidence.js'

const BLOCK_BYTES = 16
const STEP_BYTES = 1024 * 1024

/** Bytes from `offset` on of the file named `key`: the key stream of AES in counter mode, which can begin at any block. */
export function contentOf(key: string, offset: number, lengthBytes: number): Buffer {
  const skippedBytes = offset % BLOCK_BYTES
  const counter = Buffer.alloc(BLOCK_BYTES)
  counter.writeBigUInt64BE(BigInt((offset - skippedBytes) / BLOCK_BYTES), 8)
  const secret = createHash('md5').update(key).digest()
  const stream = createCipheriv('aes-128-ctr', secret, counter)
  return stream.update(Buffer.alloc(skippedBytes + lengthBytes)).subarray(skippedBytes)
}

/** Of the whole file. */
export function digestsOfContent(key: string, sizeBytes: number): Digests {
  const md5 = createHash('md5')
  const sha1 = createHash('sha1')
  const sha256 = createHash('sha256')
  for (let offset = 0; offset < sizeBytes; offset += STEP_BYTES) {
    const bytes = contentOf(key, offset, Math.min(STEP_BYTES, sizeBytes - offset))
    for (const digest of [md5, sha1, sha256]) digest.update(bytes)
  }
  return { md5: md5.digest('hex'), sha1: sha1.digest('hex'), sha256: sha256.digest('hex') }
}

/** Compares a body with a file, piece by piece as it comes. */
export class ContentComparison {
  readonly #key: string
  #offset: number
  #firstWrong: number | null = null

  constructor(key: string, offset: number) {
    this.#key = key
    this.#offset = offset
  }

  /** Behind the last byte that was looked at. */
  get offset(): number {
    return this.#offset
  }

  /** Where in the file the first byte that isn't its own stands; null: all were right so far. */
  get firstWrong(): number | null {
    return this.#firstWrong
  }

  add(piece: Buffer): void {
    const expected = contentOf(this.#key, this.#offset, piece.byteLength)
    if (this.#firstWrong === null && !piece.equals(expected)) {
      const at = piece.findIndex((byte, i) => byte !== expected[i])
      this.#firstWrong = this.#offset + at
    }
    this.#offset += piece.byteLength
  }
}
