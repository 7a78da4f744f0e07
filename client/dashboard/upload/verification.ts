// The comparison of a local file with an upload, while it goes on and when it is done.

import { type ReadonlySignal, signal } from '@preact/signals'
import { useEffect, useMemo } from 'preact/hooks'
import type { Report } from '../../api/types.js'
import { announce } from '../announcer.js'
import { words } from '../words/words.js'
import { ALGORITHMS, type Comparison, compareDigests, compareSizes, type Digests } from './comparison.js'
import { digestsOf } from './digest.js'

export type VerificationState =
  | { kind: 'idle' }
  | { kind: 'reading'; name: string; doneBytes: number; sizeBytes: number; bytesPerSecond: number | null }
  | { kind: 'compared'; name: string; comparison: Comparison }
  | { kind: 'failed'; error: unknown }

/** Of the first moments nothing can be told. */
const RATE_AFTER_MS = 500

export class Verification {
  readonly #state = signal<VerificationState>({ kind: 'idle' })
  #reading: AbortController | null = null

  get state(): ReadonlySignal<VerificationState> {
    return this.#state
  }

  /** Compares `file`, in place of one that is being read. */
  async compare(file: File, sent: { sizeBytes: number | null; digests: Digests }): Promise<void> {
    this.cancel()
    const bySize = compareSizes(file.size, sent.sizeBytes)
    if (bySize !== null) {
      this.#conclude(file.name, bySize)
      return
    }
    const reading = new AbortController()
    this.#reading = reading
    const startedMs = performance.now()
    const tell = (doneBytes: number) => {
      const tookMs = performance.now() - startedMs
      const bytesPerSecond = tookMs < RATE_AFTER_MS ? null : (doneBytes / tookMs) * 1_000
      this.#state.value = {
        kind: 'reading',
        name: file.name,
        doneBytes,
        sizeBytes: file.size,
        bytesPerSecond,
      }
    }
    tell(0)
    try {
      const { signal: aborted } = reading
      const local = await digestsOf(file, { algorithms: ALGORITHMS, onProgress: tell, signal: aborted })
      this.#conclude(file.name, compareDigests(local, sent.digests))
    } catch (error) {
      if (!reading.signal.aborted) this.#state.value = { kind: 'failed', error }
    } finally {
      if (this.#reading === reading) this.#reading = null
    }
  }

  refuse(error: unknown): void {
    this.cancel()
    this.#state.value = { kind: 'failed', error }
  }

  /** Stops reading, and forgets what was found. */
  cancel(): void {
    this.#reading?.abort()
    this.#reading = null
    this.#state.value = { kind: 'idle' }
  }

  #conclude(name: string, comparison: Comparison): void {
    this.#state.value = { kind: 'compared', name, comparison }
    announce(comparison.kind === 'equal' ? words.upload.isSame(name) : words.upload.isOther(name))
  }
}

/** Stops when the view is left; another upload is another comparison. */
export function useVerification({ id }: Pick<Report, 'id'>): Verification {
  const verification = useMemo(() => new Verification(), [id])
  useEffect(() => () => verification.cancel(), [verification])
  return verification
}
