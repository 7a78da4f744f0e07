// The end of a message: padding, and the chaining values as digests.

import { type Algorithm, BLOCK_BYTES } from './algorithm.js'
import type { Engine } from './engine.js'
import type { DigestState } from './state.js'

/** Lowercase hex. */
export type Digests = Record<Algorithm, string>

/** The digests of the bytes that `state` was taken through, which stays as it is. */
export function finish(state: DigestState, engine: Engine): Digests {
  const padded = (lengthOrder: LengthOrder, algorithms: readonly Algorithm[]): DigestState => {
    const finished = state.copy()
    engine.absorb(finished, padding(state.sizeBytes, lengthOrder), algorithms)
    return finished
  }
  const md5 = padded('little-endian', ['md5'])
  const sha = padded('big-endian', ['sha1', 'sha256'])
  return {
    md5: Buffer.from(md5.chainingValueOf('md5')).toString('hex'),
    sha1: bigEndianHex(sha.chainingValueOf('sha1')),
    sha256: bigEndianHex(sha.chainingValueOf('sha256')),
  }
}

type LengthOrder = 'little-endian' | 'big-endian'

/**
 * A bit of one, zeros up to the end of a block, the last 64 bits of which are the message's length in bits.
 * RFC 1321 §3.1 and §3.2 write the length little-endian, FIPS 180-4 §5.1.1 big-endian; there is no other difference.
 */
function padding(messageBytes: number, lengthOrder: LengthOrder): Uint8Array {
  const leastBytes = 1 + 8
  const restBytes = (messageBytes + leastBytes) % BLOCK_BYTES
  const zerosBytes = restBytes === 0 ? 0 : BLOCK_BYTES - restBytes
  const padding = new Uint8Array(leastBytes + zerosBytes)
  padding[0] = 0x80
  const bits = BigInt(messageBytes) * 8n
  new DataView(padding.buffer).setBigUint64(padding.length - 8, bits, lengthOrder === 'little-endian')
  return padding
}

function bigEndianHex(words: Uint8Array): string {
  return Buffer.from(words).swap32().toString('hex')
}
