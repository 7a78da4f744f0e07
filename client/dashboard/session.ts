// The key of this browser tab: where it comes from, where it is kept, and who waits for it.

const STORAGE_KEY = 'antipasto.key'

export interface Session {
  /** The key, or null while there is none. */
  readonly key: string | null
  /** Resolves with the key as soon as there is one: at once, or when the user has typed it. */
  waitForKey(): Promise<string>
  use(key: string): void
  /** The server said 401 to `refusedKey`. An answer that comes late doesn't throw a newer key away. */
  refuse(refusedKey: string): void
  forget(): void
}

/**
 * Opens the session and takes a key from the address when one is there (`#key=…`).
 *
 * A fragment never leaves the browser; once read it is struck from the address bar and the history, so that the
 * address can be shown and shared. sessionStorage keeps the key for reloads of this tab only.
 *
 * `onChange` is told of every change, with why the key went: `refused` by the server, or `absent`.
 */
export function openSession(onChange: (key: string | null, why: 'refused' | 'absent') => void): Session {
  let key: string | null = takeKeyFromAddress() ?? sessionStorage.getItem(STORAGE_KEY)
  let waiting: ((key: string) => void)[] = []

  function set(next: string | null, why: 'refused' | 'absent'): void {
    key = next
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

  // A new address with another key in the same tab changes only the fragment: the page isn't loaded again.
  window.addEventListener('hashchange', () => {
    const fromAddress = takeKeyFromAddress()
    if (fromAddress !== null) set(fromAddress, 'absent')
  })

  if (key !== null) sessionStorage.setItem(STORAGE_KEY, key)

  return {
    get key() {
      return key
    },
    waitForKey: () => (key === null ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(key)),
    use: (next) => set(next, 'absent'),
    refuse(refusedKey) {
      if (refusedKey === key) set(null, 'refused')
    },
    forget: () => set(null, 'absent'),
  }
}

function takeKeyFromAddress(): string | null {
  const fragment = new URLSearchParams(location.hash.slice(1))
  if (!fragment.has('key')) return null
  history.replaceState(null, '', location.pathname + location.search)
  return fragment.get('key')?.trim() || null
}
