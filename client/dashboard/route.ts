// Which view the address names: everything after `#`, so that the page is one file for whoever serves it. Pure.

export type Route =
  | { view: 'files' }
  | { view: 'upload'; id: string }
  | { view: 'package'; id: string }
  | { view: 'settings' }
  | { view: 'unknown' }

/** @param hash as `location.hash` is: empty, or beginning with "#" */
export function routeOf(hash: string): Route {
  const [, view = '', id, ...rest] = hash.replace(/^#/, '').split('?')[0]?.split('/') ?? []
  if (rest.length > 0) return { view: 'unknown' }
  if (view === '' && id === undefined) return { view: 'files' }
  if (view === 'settings' && id === undefined) return { view: 'settings' }
  const decoded = decodedSegment(id)
  if (decoded === null || decoded === '') return { view: 'unknown' }
  if (view === 'uploads') return { view: 'upload', id: decoded }
  if (view === 'packages') return { view: 'package', id: decoded }
  return { view: 'unknown' }
}

/** The other way, for links: `href={hrefOf({ view: 'upload', id })}`. */
export function hrefOf(route: Exclude<Route, { view: 'unknown' }>): string {
  switch (route.view) {
    case 'files':
      return '#/'
    case 'settings':
      return '#/settings'
    case 'upload':
      return `#/uploads/${encodeURIComponent(route.id)}`
    case 'package':
      return `#/packages/${encodeURIComponent(route.id)}`
  }
}

export function isSameRoute(one: Route, other: Route): boolean {
  return one.view === other.view && idOf(one) === idOf(other)
}

function idOf(route: Route): string | null {
  return route.view === 'upload' || route.view === 'package' ? route.id : null
}

function decodedSegment(text: string | undefined): string | null {
  try {
    return text === undefined ? null : decodeURIComponent(text)
  } catch {
    return null
  }
}
