/**
 * A request's target without its host, which the client chooses: path and query, with one slash before them.
 *
 * RFC 9112 §3.2.2 lets it be a whole URL; and as a reference, what begins with two slashes would name another host.
 */
export function withoutHost(target: string): string {
  return target.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i, '').replace(/^[/\\]+/, '/')
}

/** A request's path alone, without its host and its query. */
export function pathOf(target: string): string {
  return withoutHost(target).replace(/[?#].*$/s, '')
}
