// Where the page is, as a signal: the view that its address names.

import { signal } from '@preact/signals'
import { isSameRoute, type Route, routeOf } from './route.js'

const route = signal<Route>(routeOf(location.hash))

addEventListener('hashchange', () => {
  // A key in the address is the sign-in's, which puts the address of what is on show in its place.
  if (location.hash.startsWith('#key=')) return
  const next = routeOf(location.hash)
  // What follows a "?" is the view's own.
  if (!isSameRoute(next, route.peek())) route.value = next
})

/** The view on show. Links and `history` change it. */
export const place = route

export function goTo(href: string): void {
  location.hash = href
}
