// `<path>.part`: what of a download has arrived, beside the place that it is for. What is there already is read once.

import type { Hash } from 'node:crypto'
import { constants } from 'node:fs'
import { copyFile, type FileHandle, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { LocalFileDiffers } from '../errors.js'
import { codeOf, localFileFailed } from './file-words.js'
import { hashStart, openPlainFile, type Reading } from './local-file.js'

export interface PartOptions extends Reading {
  /** Of the whole file. */
  sizeBytes: number
  /** Whether what is there is gone on with, or dropped. */
  resume: boolean
  /** Whether a part that doesn't fit is dropped rather than refused. */
  replace: boolean
  /** Whether the file at the target itself may be the beginning: shorter than the whole. */
  isBegun: boolean
  /** Whether to hash what is there and what comes. */
  isHashed: boolean
}

export class PartFile {
  readonly path: string
  readonly #file: FileHandle
  readonly #hash: Hash | null
  #offsetBytes: number

  private constructor(path: string, file: FileHandle, hash: Hash | null, offsetBytes: number) {
    this.path = path
    this.#file = file
    this.#hash = hash
    this.#offsetBytes = offsetBytes
  }

  /**
   * Opens, or makes, the part of `target`. With `isBegun` it begins as a copy of `target`, which stays as it is.
   *
   * @throws LocalFileDiffers when it is longer than the whole, when both could be the beginning, or when it is no plain file;
   *   LocalFileFailed
   */
  static async open(target: string, options: PartOptions): Promise<PartFile> {
    const path = `${target}.part`
    if (options.isBegun) await startWith(target, path, options.replace)
    const opened = await openPlainFile(path, 'create')
    if (opened === null) throw new Error(`${path} was made and is not there.`)
    const { file } = opened
    try {
      const isTooLong = opened.sizeBytes > options.sizeBytes
      if (isTooLong && options.resume && !options.replace) {
        throw new LocalFileDiffers(
          `${path} has ${opened.sizeBytes} bytes, more than the whole file (${options.sizeBytes}): it is of something else. Remove it to fetch anew.`,
        )
      }
      const offsetBytes = options.resume && !isTooLong ? opened.sizeBytes : 0
      await file.truncate(offsetBytes)
      const hash = options.isHashed ? await hashStart(file, path, offsetBytes, options) : null
      return new PartFile(path, file, hash, offsetBytes)
    } catch (error) {
      await file.close()
      throw localFileFailed(error, path)
    }
  }

  /** Where to go on. */
  get offsetBytes(): number {
    return this.#offsetBytes
  }

  /** Resolves when the system has taken it, so that who waits for this holds no more than one piece in memory. */
  async append(bytes: Uint8Array): Promise<void> {
    try {
      for (let written = 0; written < bytes.byteLength; ) {
        const { bytesWritten } = await this.#file.write(
          bytes,
          written,
          bytes.byteLength - written,
          this.#offsetBytes,
        )
        this.#hash?.update(bytes.subarray(written, written + bytesWritten))
        written += bytesWritten
        this.#offsetBytes += bytesWritten
      }
    } catch (error) {
      throw localFileFailed(error, this.path)
    }
  }

  /** Of all that is in it, in hex; null without hashing. Once. */
  sha256(): string | null {
    return this.#hash?.digest('hex') ?? null
  }

  /** Puts it at its place, on disk even if the power fails now. */
  async moveTo(target: string): Promise<void> {
    try {
      await this.#file.sync().finally(() => this.#file.close())
      await rename(this.path, target)
      await syncFolder(dirname(target))
    } catch (error) {
      throw localFileFailed(error, target)
    }
  }

  /** Leaves it to be gone on with. */
  async close(): Promise<void> {
    await this.#file.close()
  }

  async remove(): Promise<void> {
    await this.close()
    await rm(this.path, { force: true })
  }
}

/** A copy, by reference where the file system can, so that what was there is whole until the rename. */
async function startWith(target: string, path: string, replace: boolean): Promise<void> {
  const source = await openPlainFile(target, 'read')
  if (source === null) return
  await source.file.close()
  if (source.sizeBytes === 0) return
  try {
    await copyFile(target, path, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE)
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') {
      await rm(path, { force: true })
      throw localFileFailed(error, path)
    }
    // Going on with the part would end in a rename over a file that may be something else.
    if (replace) return
    throw new LocalFileDiffers(
      `There is ${target} and ${path}: remove the one that is not the beginning of the file.`,
    )
  }
}

/** A rename lasts when its folder is on disk. Windows can't open folders, and needs no such thing. */
async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return
  const folder = await open(path, constants.O_RDONLY)
  try {
    await folder.sync()
  } catch (error) {
    // Network file systems may not know how.
    if (!['EINVAL', 'ENOTSUP', 'EBADF'].includes(codeOf(error) ?? '')) throw error
  } finally {
    await folder.close()
  }
}
