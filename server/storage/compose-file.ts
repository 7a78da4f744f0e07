// A new file of other files' bytes. Errors are the file system's own; local.ts translates them.

import { constants, copyFile, type FileHandle, open } from 'node:fs/promises'
import { writeAll } from './write-all.js'

const BUFFER_BYTES = 4 * 1024 ** 2

export interface FileToCopy {
  path: string
  sizeBytes: number
}

/**
 * Makes the file `target` of `sources`, one behind the other, and syncs it; what was there before is lost. Its name isn't
 * durable yet.
 *
 * The first one shares its blocks with the new file where the file system can do that (Btrfs, XFS), and costs nothing then.
 *
 * @returns how many bytes it has; fewer than all when a source has ended early
 */
export async function composeFile(
  target: string,
  sources: readonly FileToCopy[],
  signal: AbortSignal | undefined,
): Promise<number> {
  const [first] = sources
  const isShared = first !== undefined && (await shareBlocks(first.path, target))
  const file = await open(target, isShared ? 'r+' : 'w', 0o640)
  try {
    let position = isShared ? first.sizeBytes : 0
    const buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES)
    for (const source of isShared ? sources.slice(1) : sources) {
      position += await append(file, position, source, buffer, signal)
    }
    await file.sync()
    return (await file.stat()).size
  } finally {
    await file.close()
  }
}

/** False where the file system can't; nothing is copied then. */
async function shareBlocks(source: string, target: string): Promise<boolean> {
  return copyFile(source, target, constants.COPYFILE_FICLONE_FORCE).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') throw error
      // Not by copyFile itself, which can't be stopped: a file of hundreds of gigabytes takes it many minutes.
      return false
    },
  )
}

/** @returns how many bytes there were, `sizeBytes` at most */
async function append(
  file: FileHandle,
  position: number,
  { path, sizeBytes }: FileToCopy,
  buffer: Buffer,
  signal: AbortSignal | undefined,
): Promise<number> {
  const source = await open(path, 'r')
  try {
    let done = 0
    while (done < sizeBytes) {
      signal?.throwIfAborted()
      const { bytesRead } = await source.read(buffer, 0, Math.min(buffer.length, sizeBytes - done), done)
      if (bytesRead === 0) break
      await writeAll(file, buffer.subarray(0, bytesRead), position + done)
      done += bytesRead
    }
    return done
  } finally {
    await source.close()
  }
}
