// The bytes that the benchmark sends: pseudo-random, made once, told apart by a stamp in the first block.

import { createHash } from 'node:crypto'

export const BLOCK_BYTES = 1024 * 1024
const PATTERN_BYTES = 16 * BLOCK_BYTES
const STAMP_BYTES = 16

const pattern = pseudoRandomBytes(PATTERN_BYTES)

/**
 * The blocks of a payload of `sizeBytes`, each at most BLOCK_BYTES long.
 *
 * Two seeds give two contents: a server that stores equal content once must not gain from it. All blocks but the
 * first are views of one shared buffer, so that making bytes costs the sender nothing.
 */
export function* payloadBlocks(sizeBytes: number, seed: number): Generator<Buffer, void> {
  for (let start = 0; start < sizeBytes; start += BLOCK_BYTES) {
    const patternStart = start % PATTERN_BYTES
    const block = pattern.subarray(patternStart, patternStart + Math.min(BLOCK_BYTES, sizeBytes - start))
    yield start === 0 ? stamped(block, seed, 0) : block
  }
}

/** One small content; (seed, index) tells it apart from every other. `sizeBytes` is at most BLOCK_BYTES. */
export function smallPayload(sizeBytes: number, seed: number, index: number): Buffer {
  const start = (index * sizeBytes) % (PATTERN_BYTES - BLOCK_BYTES)
  return stamped(pattern.subarray(start, start + sizeBytes), seed, index)
}

/** SHA-256 of blocks, lowercase hex. */
export function sha256Of(blocks: Iterable<Buffer>): string {
  const hash = createHash('sha256')
  for (const block of blocks) hash.update(block)
  return hash.digest('hex')
}

function stamped(block: Buffer, seed: number, index: number): Buffer {
  const stamp = Buffer.alloc(STAMP_BYTES)
  stamp.writeBigUInt64BE(BigInt(seed), 0)
  stamp.writeBigUInt64BE(BigInt(index), 8)
  const copy = Buffer.from(block)
  stamp.copy(copy)
  return copy
}

/** xorshift32: fast, and as incompressible as a file system could wish. */
function pseudoRandomBytes(sizeBytes: number): Buffer {
  const words = new Uint32Array(sizeBytes / Uint32Array.BYTES_PER_ELEMENT)
  let state = 0x9e3779b9
  for (let index = 0; index < words.length; index++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    words[index] = state
  }
  return Buffer.from(words.buffer)
}
