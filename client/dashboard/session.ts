// The credential of this browser tab, an API key or a token: where it is kept, and who waits for it.

const STORAGE_KEY = 'antipasto.key'

/**
 * Why there is none: nobody has signed in; the server refused it (`refused`: from the beginning; `ended`: no longer).
 */
export type Loss = 'absent' | 'refused' | 'ended'

export interface Session {
  /** The key, or null while there is none. */
  readonly key: string | null
  /** Resolves with the key as soon as there is one: at once, or when the user has signed in again. */
  waitForKey(): Promise<string>
  use(key: string): void
  /** The server has taken `key`. */
  prove(key: string): void
  /**
   * The server said 401 to `refusedKey`, or would: nothing is asked with it any more. An answer that comes late doesn't
   * throw a newer key away.
   */
  refuse(refusedKey: string): void
  forget(): void
}

export interface SessionOptions {
  /** From the IAM, just now. */
  token: string | null
  onChange: (key: string | null, why: Loss) => void
}

/**
 * Opens the session with that token, a key in the address (`#key=…`), or what this tab had before it was reloaded.
 *
 * sessionStorage keeps it for reloads of this tab only.
 */
export function openSession({ token, onChange }: SessionOptions): Session {
  const fromAddress = takeKeyFromAddress()
  let key = token ?? fromAddress ?? sessionStorage.getItem(STORAGE_KEY)
  let isProven = token !== null || fromAddress === null
  let waiting: ((key: string) => void)[] = []

  function set(next: string | null, why: Loss): void {
    key = next
    isProven = false
    if (next === null) {
      sessionStorage.removeItem(STORAGE_KEY)
    } else {
      sessionStorage.setItem(STORAGE_KEY, next)
      const released = waiting
      waiting = []
      for (const release of released) release(next)
    }
    onChange(next, why)
  }

  if (key !== null) sessionStorage.setItem(STORAGE_KEY, key)

  return {
    get key() {
      return key
    },
    waitForKey: () => (key === null ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(key)),
    use: (next) => set(next, 'absent'),
    prove(taken) {
      if (taken === key) isProven = true
    },
    refuse(refusedKey) {
      if (refusedKey === key) set(null, isProven ? 'ended' : 'refused')
    },
    forget: () => set(null, 'absent'),
  }
}

/**
 * The key in the address (`#key=…`), which is struck from there and from the history, so that it can be shown and shared.
 * A fragment never leaves the browser.
 */
export function takeKeyFromAddress(): string | null {
  const fragment = new URLSearchParams(location.hash.slice(1))
  if (!fragment.has('key')) return null
  history.replaceState(null, '', location.pathname + location.search)
  return fragment.get('key')?.trim() || null
}
