// SHA-256 of a file's bytes in their order, however they come: again after a break, or from an earlier process's time.

import { createHash } from 'node:crypto'
import { LocalFileDiffers } from '../errors.js'

/** What the first `bytes` of a file had for their SHA-256. */
export interface Sha256State {
  bytes: number
  sha256: string
}

const BETWEEN_STATES_BYTES = 64 * 1024 * 1024
const BETWEEN_STATES_MS = 5000

export interface PrefixDigestOptions {
  /** From an earlier process: when this much has been hashed, it must be the same. */
  known: Sha256State | null
  /** Called each 64 MiB or 5 s, while bytes come. */
  onState: ((state: Sha256State) => void) | null
}

export class PrefixDigest {
  /** So many bytes from the start are in it. */
  hashedBytes = 0
  readonly #hash = createHash('sha256')
  readonly #name: string
  readonly #onState: ((state: Sha256State) => void) | null
  #known: Sha256State | null
  #toldBytes = 0
  #toldAt = performance.now()

  /** @param name of the file, as users know it */
  constructor(name: string, { known, onState }: PrefixDigestOptions) {
    this.#name = name
    this.#known = known !== null && known.bytes > 0 ? known : null
    this.#onState = onState
  }

  /**
   * Bytes that the file has from `offsetBytes` on. What has been hashed before isn't again; what leaves a gap isn't hashed.
   *
   * @throws LocalFileDiffers when the file began otherwise before
   */
  take(offsetBytes: number, bytes: Uint8Array): void {
    const endBytes = offsetBytes + bytes.byteLength
    if (offsetBytes > this.hashedBytes || endBytes <= this.hashedBytes) return
    const known = this.#known
    if (known !== null && known.bytes <= endBytes) {
      this.#hashUpTo(known.bytes, offsetBytes, bytes)
      this.#known = null
      if (this.#digest() !== known.sha256) {
        throw new LocalFileDiffers(`${this.#name} changed since its first ${known.bytes} bytes were sent.`)
      }
    }
    this.#hashUpTo(endBytes, offsetBytes, bytes)
    this.#tellSometimes()
  }

  /** The last state, when it is further than the last one that was told. */
  tell(): void {
    if (this.#onState === null || this.hashedBytes === this.#toldBytes) return
    this.#toldBytes = this.hashedBytes
    this.#toldAt = performance.now()
    this.#onState({ bytes: this.hashedBytes, sha256: this.#digest() })
  }

  /** Of the bytes so far. */
  sha256(): string {
    return this.#digest()
  }

  #hashUpTo(endBytes: number, offsetBytes: number, bytes: Uint8Array): void {
    this.#hash.update(bytes.subarray(this.hashedBytes - offsetBytes, endBytes - offsetBytes))
    this.hashedBytes = endBytes
  }

  #tellSometimes(): void {
    const isFar = this.hashedBytes - this.#toldBytes >= BETWEEN_STATES_BYTES
    if (isFar || performance.now() - this.#toldAt >= BETWEEN_STATES_MS) this.tell()
  }

  #digest(): string {
    return this.#hash.copy().digest('hex')
  }
}
