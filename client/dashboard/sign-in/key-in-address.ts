// A key in the address, as `npm start` prints it: `#key=…`.

/**
 * That key, which is struck from the address and from the history, so that both can be shown and shared. Null when there is
 * none. A fragment never leaves the browser.
 */
export function takeKeyFromAddress(): string | null {
  const fragment = new URLSearchParams(location.hash.slice(1))
  if (!fragment.has('key')) return null
  history.replaceState(null, '', location.pathname + location.search)
  return fragment.get('key')?.trim() || null
}
