// A small file, read once into memory: its digest is there before it is sent, so the server itself can refuse other bytes.

import { createHash } from 'node:crypto'
import { bytesSource } from '../bytes-source.js'
import type { UploadSource } from '../upload-source.js'
import { type FileFacts, openSteadyFile } from './steady-file.js'

export interface SmallFile {
  facts: FileFacts
  sha256: string
  source: UploadSource
}

/** The server has a short cut for files of at most this size that come in one request. */
export const SMALL_FILE_BYTES = 128 * 1024

/**
 * Null when it is larger than `mostBytes`.
 *
 * @throws LocalFileFailed, LocalFileDiffers when it changed while it was read
 */
export async function readSmallFile(path: string, mostBytes = SMALL_FILE_BYTES): Promise<SmallFile | null> {
  const file = await openSteadyFile(path)
  try {
    if (file.facts.sizeBytes > mostBytes) return null
    const bytes = Buffer.allocUnsafeSlow(file.facts.sizeBytes)
    await file.read(bytes, 0)
    await file.assertUnchanged()
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    return { facts: file.facts, sha256, source: bytesSource(bytes, sha256) }
  } finally {
    await file.close()
  }
}
