// A local file as what is sent: read in order, each byte once where nothing breaks, and hashed while it goes.

import { LocalFileDiffers } from '../errors.js'
import type { UploadSource } from '../upload-source.js'
import type { SizedStream } from './http-stack.js'
import { PrefixDigest, type Sha256State } from './prefix-digest.js'
import { type FileFacts, openSteadyFile, type SteadyFile } from './steady-file.js'

export interface FileSourceOptions {
  /** What an earlier process was told by `onState`: the file must begin so still. */
  sha256State?: Sha256State | null
  /** To be kept for a later process; each 64 MiB or 5 s. */
  onState?(state: Sha256State): void
  /** While what was sent before is read again, to be hashed and compared. */
  onCheck?(checkedBytes: number, toBytes: number): void
}

export interface FileSource extends UploadSource {
  readonly path: string
  readonly facts: FileFacts
  /** Of all bytes. What wasn't read in order yet is read now, as after sending in parts. */
  sha256(): Promise<string>
  /** Waits for reads that are under way, and tells the last state. */
  close(): Promise<void>
}

const BLOCK_BYTES = 1024 * 1024
/** Read while the ones before are on their way. */
const BLOCKS_AHEAD = 1
/** Those that are read, the one that is being sent, and the one before it. Fresh memory for each would cost a quarter of all. */
const RING_BLOCKS = BLOCKS_AHEAD + 3

/**
 * Its size is that of now: a file that grows while it is sent, or changes otherwise, makes reading its last byte fail, so it
 * never arrives whole.
 *
 * For the HTTP stack of http-stack.ts.
 *
 * @throws LocalFileFailed
 */
export async function openFileSource(path: string, options: FileSourceOptions = {}): Promise<FileSource> {
  return new OpenFileSource(await openSteadyFile(path), options)
}

class OpenFileSource implements FileSource {
  readonly path: string
  readonly facts: FileFacts
  readonly sizeBytes: number
  readonly #file: SteadyFile
  readonly #digest: PrefixDigest
  readonly #onCheck: ((checkedBytes: number, toBytes: number) => void) | undefined

  constructor(file: SteadyFile, { sha256State = null, onState, onCheck }: FileSourceOptions) {
    this.#file = file
    this.path = file.path
    this.facts = file.facts
    this.sizeBytes = file.facts.sizeBytes
    this.#onCheck = onCheck
    if (sha256State !== null && sha256State.bytes > this.sizeBytes) {
      throw new LocalFileDiffers(
        `${file.path} became shorter since its first ${sha256State.bytes} bytes were sent.`,
      )
    }
    this.#digest = new PrefixDigest(file.path, { known: sha256State, onState: onState ?? null })
  }

  async slice(start: number, end: number): Promise<{ value: SizedStream; done: boolean }> {
    const blocks = () => this.#blocks(start, end)
    const value = { size: end - start, [Symbol.asyncIterator]: blocks }
    return { value, done: end >= this.sizeBytes }
  }

  async prepareFrom(offsetBytes: number, signal?: AbortSignal): Promise<void> {
    if (this.#digest.hashedBytes >= offsetBytes) return
    for await (const _block of this.#blocks(this.#digest.hashedBytes, offsetBytes)) {
      signal?.throwIfAborted()
      this.#onCheck?.(this.#digest.hashedBytes, offsetBytes)
    }
  }

  async sha256(): Promise<string> {
    await this.prepareFrom(this.sizeBytes)
    return this.#digest.sha256()
  }

  async close(): Promise<void> {
    await this.#file.close()
    if (this.#digest.hashedBytes < this.sizeBytes) this.#digest.tell()
  }

  /**
   * [start, end) in order. The last one comes only if the file is what it was.
   *
   * A block's memory is used again when the block after the next is asked for: by then the network has taken it.
   */
  async *#blocks(start: number, end: number): AsyncGenerator<Uint8Array, void, undefined> {
    // Its own, since a connection that just broke may still hold what another reading of the file gave it.
    const ring = Array.from({ length: RING_BLOCKS }, () => new Uint8Array(0))
    const reads: Promise<Uint8Array>[] = []
    let nextBytes = start
    let turn = 0
    let atBytes = start
    while (atBytes < end) {
      while (reads.length <= BLOCKS_AHEAD && nextBytes < end) {
        const lengthBytes = Math.min(BLOCK_BYTES, end - nextBytes)
        const at = turn % RING_BLOCKS
        if ((ring[at]?.byteLength ?? 0) < lengthBytes) ring[at] = Buffer.allocUnsafeSlow(lengthBytes)
        reads.push(this.#read((ring[at] ?? new Uint8Array(0)).subarray(0, lengthBytes), nextBytes))
        nextBytes += lengthBytes
        turn += 1
      }
      const block = await reads.shift()
      if (block === undefined) return
      if (atBytes + block.byteLength === end) await this.#file.assertUnchanged()
      this.#digest.take(atBytes, block)
      atBytes += block.byteLength
      yield block
    }
  }

  #read(block: Uint8Array, offsetBytes: number): Promise<Uint8Array> {
    const reading = this.#file.read(block, offsetBytes).then(() => block)
    // Whoever takes the block sees it; when nobody does any more, nobody needs to.
    reading.catch(() => {})
    return reading
  }
}
