// A local file that is read and must stay what it is meanwhile. Non-blocking to open, so that a FIFO can't hang a program.

import fs from 'node:fs'
import { LocalFileDiffers, LocalFileFailed } from '../errors.js'
import { localFileFailed } from './file-words.js'

/** By which a file is told from another one, and from itself after a change. */
export interface FileFacts {
  sizeBytes: number
  mtimeNs: bigint
  inode: bigint
}

export interface SteadyFile {
  readonly path: string
  readonly facts: FileFacts
  /** Fills `into` from `offsetBytes` on; throws LocalFileDiffers when the file ends before. */
  read(into: Uint8Array, offsetBytes: number): Promise<void>
  /** @throws LocalFileDiffers when size, time or inode aren't those of the opening any more */
  assertUnchanged(): Promise<void>
  close(): Promise<void>
}

// Windows has no FIFOs among its files, and no such flag.
const FLAGS = fs.constants.O_RDONLY | (fs.constants.O_NONBLOCK ?? 0)

/** @throws LocalFileFailed */
export async function openSteadyFile(path: string): Promise<SteadyFile> {
  const descriptor = await openFile(path)
  try {
    const facts = factsOf(await statOf(descriptor, path), path)
    return new OpenSteadyFile(path, descriptor, facts)
  } catch (error) {
    await closeFile(descriptor)
    throw error
  }
}

/** Callbacks rather than FileHandles: for small files those cost more than the reading. */
class OpenSteadyFile implements SteadyFile {
  readonly path: string
  readonly facts: FileFacts
  readonly #descriptor: number
  readonly #reading = new Set<Promise<number>>()
  #isClosed = false

  constructor(path: string, descriptor: number, facts: FileFacts) {
    this.path = path
    this.#descriptor = descriptor
    this.facts = facts
  }

  async read(into: Uint8Array, offsetBytes: number): Promise<void> {
    for (let filledBytes = 0; filledBytes < into.byteLength; ) {
      const readBytes = await this.#readSome(into, filledBytes, offsetBytes + filledBytes)
      if (readBytes === 0) {
        throw new LocalFileDiffers(
          `${this.path} became shorter while it was read: it ends at ${offsetBytes + filledBytes} bytes of ${this.facts.sizeBytes}.`,
        )
      }
      filledBytes += readBytes
    }
  }

  async assertUnchanged(): Promise<void> {
    const now = factsOf(await statOf(this.#descriptor, this.path), this.path)
    if (!isSameFile(now, this.facts)) {
      const how = now.sizeBytes > this.facts.sizeBytes ? 'grew' : 'changed'
      throw new LocalFileDiffers(
        `${this.path} ${how} while it was being sent. Send it again when it is complete.`,
      )
    }
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    // The kernel may give the number to another file at once, which a late read must not read.
    await Promise.allSettled(this.#reading)
    await closeFile(this.#descriptor)
  }

  async #readSome(into: Uint8Array, at: number, position: number): Promise<number> {
    if (this.#isClosed) throw new LocalFileFailed(`${this.path} is closed.`, { code: 'EBADF' })
    const reading = new Promise<number>((resolve, reject) => {
      fs.read(this.#descriptor, into, at, into.byteLength - at, position, (error, readBytes) =>
        error === null ? resolve(readBytes) : reject(localFileFailed(error, this.path)),
      )
    })
    this.#reading.add(reading)
    try {
      return await reading
    } finally {
      this.#reading.delete(reading)
    }
  }
}

function isSameFile(a: FileFacts, b: FileFacts): boolean {
  return a.sizeBytes === b.sizeBytes && a.mtimeNs === b.mtimeNs && a.inode === b.inode
}

function openFile(path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.open(path, FLAGS, (error, descriptor) =>
      error === null ? resolve(descriptor) : reject(localFileFailed(error, path)),
    )
  })
}

function statOf(descriptor: number, path: string): Promise<fs.BigIntStats> {
  return new Promise((resolve, reject) => {
    fs.fstat(descriptor, { bigint: true }, (error, stats) =>
      error === null ? resolve(stats) : reject(localFileFailed(error, path)),
    )
  })
}

function closeFile(descriptor: number): Promise<void> {
  return new Promise((resolve) => {
    // It was only read: nothing is lost when closing fails.
    fs.close(descriptor, () => resolve())
  })
}

function factsOf(stats: fs.BigIntStats, path: string): FileFacts {
  if (!stats.isFile()) throw new LocalFileFailed(`${path} is not a file.`, { code: null })
  return { sizeBytes: Number(stats.size), mtimeNs: stats.mtimeNs, inode: stats.ino }
}
