// The credential of this browser tab, an API key or a token: where it is kept, and who waits for it.

import { computed, type ReadonlySignal, signal } from '@preact/signals'
import { nameIn } from './account.js'

const STORAGE_KEY = 'antipasto.key'

/**
 * Why there is none: nobody has signed in; the server refused it (`refused`: from the beginning; `ended`: no longer).
 */
export type Loss = 'absent' | 'refused' | 'ended'

export interface Session {
  /** The key, or null while there is none. */
  readonly key: ReadonlySignal<string | null>
  /** Why there is none, while there is none. */
  readonly loss: ReadonlySignal<Loss>
  /** The page is being left, and takes nothing in any more. */
  readonly isLeaving: ReadonlySignal<boolean>
  /** The person's name, where the credential tells it. */
  readonly name: ReadonlySignal<string | null>
  /** Resolves with the key as soon as there is one: at once, or when the user has signed in again. */
  waitForKey(signal?: AbortSignal): Promise<string>
  use(key: string): void
  /** The server has taken `key`. */
  prove(key: string): void
  /**
   * The server said 401 to `refusedKey`, or would: nothing is asked with it any more. An answer that comes late doesn't
   * throw a newer key away.
   */
  refuse(refusedKey: string): void
  /**
   * Signs out, or over to somebody else, whose key is `next`. The page is loaded anew: nothing of whoever has left may stay
   * in it.
   */
  leave(next?: string): void
  /** `clear` runs before the page is left for good: what it keeps beyond this tab goes with its owner. */
  onLeave(clear: () => Promise<void>): void
}

/** A browser whose storage hangs keeps nobody signed in. */
const CLEARED_WITHIN_MS = 2_000

export interface Arrived {
  /** From the IAM, just now. */
  token: string | null
  /** From the address. */
  key: string | null
}

/**
 * Opens the session with the token or the key that the page was opened with, or what this tab had before it was reloaded.
 *
 * sessionStorage keeps it for reloads of this tab only.
 */
export function openSession({ token, key: fromAddress }: Arrived): Session {
  const key = signal(token ?? fromAddress ?? sessionStorage.getItem(STORAGE_KEY))
  const loss = signal<Loss>('absent')
  const isLeaving = signal(false)
  let isProven = token !== null || fromAddress === null
  const clearings: (() => Promise<void>)[] = []

  function set(next: string | null, why: Loss): void {
    isProven = false
    if (next === null) sessionStorage.removeItem(STORAGE_KEY)
    else sessionStorage.setItem(STORAGE_KEY, next)
    loss.value = why
    key.value = next
  }

  if (key.value !== null) sessionStorage.setItem(STORAGE_KEY, key.value)

  return {
    key,
    loss,
    isLeaving,
    name: computed(() => (key.value === null ? null : nameIn(key.value))),
    waitForKey(aborted) {
      return new Promise((resolve, reject) => {
        const onAbort = () => {
          stop()
          reject(aborted?.reason)
        }
        const stop = key.subscribe((value) => {
          if (value === null) return
          // Called at once with what there is, before `stop` is known.
          queueMicrotask(() => stop())
          aborted?.removeEventListener('abort', onAbort)
          resolve(value)
        })
        if (aborted?.aborted) onAbort()
        else aborted?.addEventListener('abort', onAbort, { once: true })
      })
    },
    use: (next) => set(next, 'absent'),
    prove(taken) {
      if (taken === key.value) isProven = true
    },
    refuse(refusedKey) {
      if (refusedKey === key.value) set(null, isProven ? 'ended' : 'refused')
    },
    leave(next) {
      isLeaving.value = true
      // Nothing goes on in anybody's name while the rest is cleared away.
      set(null, 'absent')
      const cleared = Promise.allSettled(clearings.map(async (clear) => clear()))
      const enough = new Promise((resolve) => setTimeout(resolve, CLEARED_WITHIN_MS))
      void Promise.race([cleared, enough]).then(() => {
        if (next !== undefined) sessionStorage.setItem(STORAGE_KEY, next)
        location.reload()
      })
    },
    onLeave: (clear) => void clearings.push(clear),
  }
}
