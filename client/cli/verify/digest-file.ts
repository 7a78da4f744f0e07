// The SHA-256 of a local file, a piece at a time.

import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { open } from 'node:fs/promises'

const PIECE_BYTES = 1024 * 1024

export interface FileDigest {
  sizeBytes: number
  /** In hex. */
  sha256: string
}

/**
 * @param onRead is called with how many bytes were read so far
 * @throws what the file system says, and the signal's reason
 */
export async function digestFile(
  path: string,
  { signal, onRead }: { signal: AbortSignal; onRead: (bytes: number) => void },
): Promise<FileDigest> {
  // A FIFO that took the file's place would hang here otherwise.
  const file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0))
  try {
    const hash = createHash('sha256')
    const piece = Buffer.allocUnsafe(PIECE_BYTES)
    let sizeBytes = 0
    for (;;) {
      signal.throwIfAborted()
      const { bytesRead } = await file.read(piece, 0, piece.byteLength, null)
      if (bytesRead === 0) return { sizeBytes, sha256: hash.digest('hex') }
      hash.update(piece.subarray(0, bytesRead))
      sizeBytes += bytesRead
      onRead(sizeBytes)
    }
  } finally {
    await file.close()
  }
}
