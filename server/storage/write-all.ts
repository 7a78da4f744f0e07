import type { FileHandle } from 'node:fs/promises'

/** Writes all of `bytes` at `position`; rejects with the file system's error. */
export async function writeAll(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  let done = 0
  while (done < bytes.byteLength) {
    // A short write is what a nearly full disk answers before ENOSPC.
    const { bytesWritten } = await file.write(bytes, done, bytes.byteLength - done, position + done)
    done += bytesWritten
  }
}
