// A file system in memory, small enough to be filled. Only root may mount one, and not in every container.

import { execFile } from 'node:child_process'
import { rm, stat, statfs } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import type { SmallDisk } from './stage.js'

const run = promisify(execFile)
const ATTEMPTS = 5

export interface MountedDisk extends SmallDisk {
  unmount(): Promise<void>
}

/** @returns what the system says against it, where it can't be mounted */
export async function mountSmallDisk(folder: string, sizeMebibytes: number): Promise<MountedDisk | string> {
  try {
    await run('mount', ['-t', 'tmpfs', '-o', `size=${sizeMebibytes}m`, 'tmpfs', folder])
  } catch (error) {
    return error instanceof Error ? error.message.trim() : String(error)
  }
  const ballast = path.join(folder, 'ballast')
  const freeBytes = async () => {
    const { bavail, bsize } = await statfs(folder)
    return bavail * bsize
  }
  return {
    freeBytes,
    async fill(leftBytes) {
      // Others write meanwhile, and take what was to be taken.
      for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
        const takenBytes = await sizeOf(ballast)
        const lengthBytes = (await freeBytes()) - leftBytes
        if (lengthBytes <= 0) return
        const range = ['--offset', String(takenBytes), '--length', String(lengthBytes)]
        await run('fallocate', [...range, ballast]).catch(() => {})
      }
    },
    free: () => rm(ballast, { force: true }),
    // Lazily: a process that hangs in it isn't to keep the rest from being cleaned up.
    unmount: async () => {
      await run('umount', ['--lazy', folder])
    },
  }
}

async function sizeOf(file: string): Promise<number> {
  return stat(file).then(
    ({ size }) => size,
    () => 0,
  )
}
