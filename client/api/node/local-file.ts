// Files of this computer, as a download finds them: never by a symbolic link, never anything but a plain file.

import { createHash, type Hash } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { LocalFileDiffers } from '../errors.js'
import { codeOf, localFileFailed } from './file-words.js'

/** Windows has no O_NOFOLLOW; O_NONBLOCK, so that a FIFO doesn't keep us waiting for somebody at its other end. */
const PLAIN = (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0)
const BLOCK_BYTES = 1024 * 1024

/**
 * A plain file, open; null when there is none at `path`.
 *
 * @throws LocalFileDiffers for a symbolic link, a folder, a FIFO …; LocalFileFailed
 */
export async function openPlainFile(
  path: string,
  purpose: 'read' | 'write' | 'create',
): Promise<{ file: FileHandle; sizeBytes: number } | null> {
  const access = purpose === 'read' ? constants.O_RDONLY : constants.O_RDWR
  let file: FileHandle
  try {
    file = await open(path, access | PLAIN | (purpose === 'create' ? constants.O_CREAT : 0), 0o666)
  } catch (error) {
    const code = codeOf(error)
    if (code === 'ENOENT' && purpose !== 'create') return null
    if (code === 'ELOOP')
      throw new LocalFileDiffers(`${path} is a symbolic link. Remove it, or give another name.`)
    if (code === 'EISDIR') throw new LocalFileDiffers(`${path} is a folder. Give another name.`)
    if (code === 'ENXIO') throw notPlain(path)
    throw localFileFailed(error, path)
  }
  try {
    const stat = await file.stat()
    if (stat.isDirectory()) throw new LocalFileDiffers(`${path} is a folder. Give another name.`)
    if (!stat.isFile()) throw notPlain(path)
    return { file, sizeBytes: stat.size }
  } catch (error) {
    await file.close()
    throw error
  }
}

function notPlain(path: string): LocalFileDiffers {
  return new LocalFileDiffers(`${path} is no plain file. Give another name.`)
}

export interface Reading {
  signal?: AbortSignal | undefined
  onRead?: ((bytes: number) => void) | undefined
}

/**
 * The SHA-256 of the first `sizeBytes`, still open for what follows.
 *
 * @throws LocalFileDiffers when there are fewer, LocalFileFailed, the signal's reason
 */
export async function hashStart(
  file: FileHandle,
  path: string,
  sizeBytes: number,
  { signal, onRead }: Reading,
): Promise<Hash> {
  const hash = createHash('sha256')
  const block = Buffer.allocUnsafe(Math.min(BLOCK_BYTES, Math.max(1, sizeBytes)))
  for (let at = 0; at < sizeBytes; ) {
    signal?.throwIfAborted()
    const length = Math.min(block.byteLength, sizeBytes - at)
    const { bytesRead } = await file.read(block, 0, length, at).catch((error: unknown) => {
      throw localFileFailed(error, path)
    })
    if (bytesRead === 0) throw new LocalFileDiffers(`${path} became shorter while it was read.`)
    hash.update(block.subarray(0, bytesRead))
    at += bytesRead
    onRead?.(at)
  }
  return hash
}
