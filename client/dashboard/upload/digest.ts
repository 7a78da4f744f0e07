// The digests of a local file, computed in a worker of its own: what the server should have, or what it has got so far.

import { ConnectionFailed, LocalFileFailed } from '../../api/errors.js'
import { words } from '../words/words.js'
import type { Algorithm, DigestNews, DigestOrder } from './digest-worker.js'

export type { Algorithm } from './digest-worker.js'

export interface DigestOptions<Wanted extends Algorithm> {
  /** All of them in one pass over the file. */
  algorithms: readonly Wanted[]
  /** Exclusive; default: the whole file. */
  endBytes?: number
  /** Some ten times a second. */
  onProgress?: (doneBytes: number) => void
  signal?: AbortSignal | undefined
}

/**
 * Lowercase hex, of the file's bytes from 0 to `endBytes`.
 *
 * A worker for each call, ended with it: nothing is left of it when it is aborted.
 *
 * @throws LocalFileFailed when the file changed, went away or can't be read, with words for the user; ConnectionFailed when the
 *   worker's script could not be loaded; RangeError when the file ends before `endBytes`; the signal's reason
 */
export async function digestsOf<Wanted extends Algorithm>(
  file: Blob,
  { algorithms, endBytes = file.size, onProgress, signal }: DigestOptions<Wanted>,
): Promise<Record<Wanted, string>> {
  if (endBytes > file.size) throw new RangeError(`The file ends at byte ${file.size}, before ${endBytes}.`)
  signal?.throwIfAborted()
  const worker = new Worker(new URL('./digest-worker.ts', import.meta.url), { type: 'module' })
  const ended = new AbortController()
  try {
    return await new Promise((resolve, reject) => {
      const until = { signal: ended.signal }
      signal?.addEventListener('abort', () => reject(signal.reason), until)
      worker.addEventListener(
        'error',
        (event) => {
          // Without a message: its script didn't come, or was not let in.
          reject(
            event.message ? new Error(event.message) : new ConnectionFailed('No worker.', { code: null }),
          )
        },
        until,
      )
      worker.addEventListener(
        'message',
        ({ data: news }: MessageEvent<DigestNews>) => {
          if (news.kind === 'progress') onProgress?.(news.doneBytes)
          else if (news.kind === 'done')
            resolve(news.digests as Record<Wanted, string>) // of all that were asked for
          else if (news.kind === 'fault') reject(new Error(news.message))
          else reject(new LocalFileFailed(words.upload.fileUnreadable(nameOf(file)), { code: news.name }))
        },
        until,
      )
      worker.postMessage({ file, algorithms, endBytes } satisfies DigestOrder)
    })
  } finally {
    ended.abort()
    worker.terminate()
  }
}

function nameOf(file: Blob): string {
  return file instanceof File ? file.name : ''
}
