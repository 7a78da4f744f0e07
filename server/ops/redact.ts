// What logs and error bodies may show of a URL. Pure.

/**
 * The path of a request's URL as it may be written down: no origin, no query, no retrieval token, no key.
 *
 * A retrieval URL is a capability: who reads it in a log could pull the file.
 */
export function shownPath(url: string): string {
  return (
    url
      // RFC 9112 §3.2.2: a request's target may be a whole URL.
      .replace(/^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i, '')
      .replace(/[?#].*$/s, '')
      // Express matches routes whatever their case.
      .replace(/\/r\/[^/]+/gi, '/r/[redacted]')
      // Who has only a leaked key may try to revoke it by naming it.
      .replace(/ap_[\w-]{27}/g, '[redacted]')
  )
}
