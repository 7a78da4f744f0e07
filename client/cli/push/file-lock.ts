// One push at a time sends a large file: a second one of the same folder leaves it alone.

import { mkdir } from 'node:fs/promises'
import nodePath from 'node:path'
import lockfile from 'proper-lockfile'
import { sleep } from '../../api/sleep.js'

const STALE_MS = 5_000
const LOOK_EACH_MS = 500

export interface FileLock {
  /** True when somebody else had it for a moment: what they wrote in the journal is news. */
  readonly wasBusy: boolean
  release(): Promise<void>
}

/**
 * The lock of `name`, or null when another process holds it and lives.
 *
 * One whose process was killed is free after five seconds, so that is how long this waits.
 *
 * @throws what the file system says when no lock can be made in `folder`
 */
export async function lockFile(folder: string, name: string, signal: AbortSignal): Promise<FileLock | null> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const file = nodePath.join(folder, name)
  const startedAt = performance.now()
  for (let wasBusy = false; ; wasBusy = true) {
    const release = await tryLock(file)
    if (release !== null) return { wasBusy, release: () => release().catch(() => undefined) }
    if (performance.now() - startedAt > STALE_MS + 2 * LOOK_EACH_MS) return null
    await sleep(LOOK_EACH_MS, signal)
  }
}

async function tryLock(file: string): Promise<(() => Promise<void>) | null> {
  try {
    return await lockfile.lock(file, { realpath: false, stale: STALE_MS, onCompromised: () => undefined })
  } catch (error) {
    if (typeof error === 'object' && error !== null && 'code' in error && error.code === 'ELOCKED')
      return null
    throw error
  }
}
