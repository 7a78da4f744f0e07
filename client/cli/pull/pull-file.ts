// One file, fetched to a path, with what happens to it on the way told to a progress display.

import type { Antipasto } from '../../api/antipasto.js'
import { DigestMismatch, LocalFileDiffers } from '../../api/errors.js'
import { downloadUrlToPath } from '../../api/node/download.js'
import { formatBytes } from '../../format.js'
import { failureOf } from '../failure.js'
import { writeTrouble } from '../file-trouble.js'
import { plainText } from '../plain-text.js'
import type { Progress } from '../progress/progress.js'
import { waitWords } from '../progress/wait-words.js'
import type { RemoteFile } from './remote-file.js'

export interface PullOptions {
  antipasto: Antipasto
  /** Compares the digest of what has come with the server's. */
  isVerified: boolean
  /** Replaces a local file that differs. */
  isReplacing: boolean
  progress: Progress
  signal: AbortSignal
}

export interface Pulled {
  outcome: 'fetched' | 'kept'
  sizeBytes: number
  sha256: string | null
  /** What went over the network now. */
  fetchedBytes: number
}

/** @param key of the display, one for each file. @throws what downloadUrlToPath throws */
export async function pullFile(
  file: RemoteFile,
  path: string,
  key: string,
  options: PullOptions,
): Promise<Pulled> {
  const { antipasto, isVerified, isReplacing, progress, signal } = options
  let bytes = 0
  let isBegun = false
  progress.begin(key, plainText(file.path), file.sizeBytes)
  try {
    const pulled = await downloadUrlToPath(
      antipasto.connection,
      {
        url: file.url,
        ...(file.sizeBytes === null ? {} : { sizeBytes: file.sizeBytes }),
        ...(file.sha256 === null ? {} : { sha256: file.sha256 }),
      },
      path,
      {
        verify: isVerified,
        replace: isReplacing,
        signal,
        onCheck: (checkedBytes, totalBytes) => {
          const words = `looking at what is here: ${formatBytes(checkedBytes)} of ${formatBytes(totalBytes)}`
          progress.move(key, bytes, words)
        },
        onProgress: (nowBytes) => {
          bytes = nowBytes
          if (isBegun) progress.move(key, bytes)
          else progress.resume(key, bytes)
          isBegun = true
        },
        onWait: (wait) => progress.move(key, bytes, waitWords(wait)),
      },
    )
    progress.end(key, pulled.outcome === 'kept' ? 'kept' : 'done')
    return pulled
  } catch (error) {
    progress.end(key, signal.aborted ? 'stopped' : 'failed')
    throw error
  }
}

/** Why a file was not pulled, in words that end a sentence, without a full stop. */
export function whyNot(error: unknown): string {
  return writeTrouble(error) ?? failureOf(error).message.replace(/\.$/, '')
}

/** True when a file here, or what came, is something else than the server has. */
export function isMismatch(error: unknown): boolean {
  return error instanceof LocalFileDiffers || error instanceof DigestMismatch
}
