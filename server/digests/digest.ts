// MD5, SHA-1 and SHA-256 of bytes as they arrive, in whatever thread calls.

import { threadEngine } from './engine.js'
import type { Algorithm } from './kernel.js'
import { BLOCK_BYTES } from './memory.js'
import { DigestState, STATE_BYTES } from './state.js'

/** Lowercase hex. */
export type Digests = Record<Algorithm, string>

export class RunningDigest {
  readonly #state: DigestState

  /**
   * Of no bytes yet, or going on from `savedState`, which may come from another process or machine.
   *
   * @throws AppError INTERNAL when `savedState` isn't what `save` makes.
   */
  constructor(savedState?: Uint8Array) {
    this.#state = DigestState.start(new Uint8Array(STATE_BYTES), savedState)
  }

  /** How many bytes have been digested. */
  get sizeBytes(): number {
    return this.#state.sizeBytes
  }

  update(bytes: Uint8Array): this {
    if (bytes.length > 0) threadEngine().absorb(this.#state, bytes)
    return this
  }

  /** 77 to 140 bytes to go on from later; state.ts tells their format. */
  save(): Uint8Array<ArrayBuffer> {
    return this.#state.save()
  }

  /** Of the bytes so far; the running state goes on undisturbed. */
  digests(): Digests {
    const md5 = this.#finish('little-endian')
    const sha = this.#finish('big-endian')
    return {
      md5: Buffer.from(md5.chainingValueOf('md5')).toString('hex'),
      sha1: bigEndianHex(sha.chainingValueOf('sha1')),
      sha256: bigEndianHex(sha.chainingValueOf('sha256')),
    }
  }

  #finish(lengthOrder: LengthOrder): DigestState {
    const finished = this.#state.copy()
    threadEngine().absorb(finished, padding(this.#state.sizeBytes, lengthOrder))
    return finished
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
