// A Chromium with a profile on the disk, which is killed as by a crash, and started again with all that it had written.

import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { type BrowserContext, chromium } from 'playwright-core'
import { killAll } from '../../support/kill.js'

const run = promisify(execFile)

export interface KeptBrowser {
  /** Starts it; its pages before are gone, and what they had stored isn't. */
  start(): Promise<BrowserContext>
  /** kill -9 of all its processes. */
  kill(): Promise<void>
  /** Ends it and removes its profile. */
  dispose(): Promise<void>
}

export async function openKeptBrowser(executablePath: string): Promise<KeptBrowser> {
  const profile = await mkdtemp(path.join(tmpdir(), 'antipasto-profile-'))

  /** Its processes are known by the profile that only they have. */
  async function processes(): Promise<number[]> {
    const { stdout } = await run('ps', ['-A', '-o', 'pid=,stat=,args='], { maxBuffer: 16 * 1024 * 1024 })
    return stdout
      .split('\n')
      .filter((line) => line.includes(profile) && !/^\s*\d+\s+Z/.test(line))
      .map((line) => Number.parseInt(line, 10))
  }

  return {
    start: () =>
      chromium.launchPersistentContext(profile, {
        executablePath,
        viewport: { width: 1000, height: 860 },
        args: [
          // Chromium refuses its sandbox to root.
          ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
          '--disable-background-networking',
          '--disable-component-update',
          '--disable-sync',
          '--no-first-run',
          '--hide-crash-restore-bubble',
        ],
      }),
    kill: () => killAll(processes),
    async dispose() {
      await killAll(processes)
      await rm(profile, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}
