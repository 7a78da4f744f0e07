// The list's wish and the address, each after the other: a reload, a bookmark and the back button show the same list.

import { signal } from '@preact/signals'
import { routeOf } from '../route.js'
import { hashOf, type Wish, wishOf } from './wish.js'

const isFiles = () => !location.hash.startsWith('#key=') && routeOf(location.hash).view === 'files'

const current = signal<Wish>(wishOf(isFiles() ? location.hash : ''))
let wasFiles = isFiles()

/** What the list is to show. */
export const wish = current

addEventListener('hashchange', () => {
  const isNow = isFiles()
  // Coming back from an upload by a link, the list is as it was left; a bookmark, and the back button, say what it is.
  if (isNow && !wasFiles && !location.hash.includes('?')) write(current.peek(), 'replace')
  else if (isNow) current.value = wishOf(location.hash)
  wasFiles = isNow
})

/** @param how `replace`: a step that nobody goes back to, as each letter of a search is */
export function wishFor(change: Partial<Wish>, how: 'push' | 'replace' = 'push'): void {
  const next = { ...current.peek(), ...change }
  current.value = next
  write(next, how)
}

function write(next: Wish, how: 'push' | 'replace'): void {
  const hash = hashOf(next)
  if (hash === location.hash || (hash === '#/' && location.hash === '')) return
  if (how === 'push') history.pushState(null, '', hash)
  else history.replaceState(null, '', hash)
}
