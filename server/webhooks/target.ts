// What a webhook's URL may look like. Pure; where its name leads, resolve.ts asks.

/** Characters of a URL. */
export const MOST_URL_CHARACTERS = 2_000

/** What is wrong with `text` as a webhook's URL; undefined: nothing. */
export function faultOfUrl(text: string): string | undefined {
  // `new URL` would strip or escape these without a word.
  if (/[\p{Cc}\s\\]/u.test(text) || !text.isWellFormed()) return 'must not have spaces or backslashes'
  if (!/^https?:\/\//i.test(text)) return 'must begin with https:// or http://'
  if (!URL.canParse(text)) return 'is not a URL'
  const url = new URL(text)
  if (url.username !== '' || url.password !== '') {
    return 'must not have a user or password; deliveries are signed instead'
  }
  if (text.includes('#')) return 'must not have a fragment (#…)'
  return undefined
}

/** What a log may show of a webhook's URL: its path and query may be secrets. */
export function shownOrigin(url: string): string {
  return new URL(url).origin
}

/** The name or address in a URL, as a resolver takes it: IPv6 without brackets. */
export function hostOf(url: URL): string {
  return url.hostname.replace(/^\[(.*)\]$/, '$1')
}
