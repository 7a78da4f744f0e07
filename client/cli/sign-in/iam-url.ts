// The way of a browser to the IAM, and back to this computer instead of the server's page. Pure.

/**
 * The IAM's sign-in with `loopbackUrl` as the place to come back to.
 *
 * @param location where the server sends a browser: the IAM's URL, with the server's page as its `target`
 * @returns null when it isn't such a URL: then a token would go who knows where
 */
export function iamUrl(location: string | null, loopbackUrl: string): string | null {
  if (location === null || !URL.canParse(location)) return null
  const url = new URL(location)
  if (!/^https?:$/.test(url.protocol) || url.searchParams.getAll('target').length !== 1) return null
  url.searchParams.set('target', loopbackUrl)
  return url.href
}

/** RFC 6750 §2.1; and no token is that long, but headers of that length are refused. */
export function isToken(text: string): boolean {
  return /^[A-Za-z0-9\-._~+/]+=*$/.test(text) && text.length <= 12_000
}
