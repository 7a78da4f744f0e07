// The page's one live region: what a screen reader says by itself, politely, one after the other.

import { signal } from '@preact/signals'

/** Long enough for a screen reader to take up one text before it is replaced by the next. */
const GAP_MS = 1_200
/** More than that nobody listens to: of a burst the last ones are said. */
const MOST_WAITING = 3

const said = signal('')
let waiting: string[] = []
let isBusy = false

/** Shown in `<Announcer>`. */
export const announcement = said

/** Says `text` when what was said before has been heard. The same text waits once. */
export function announce(text: string): void {
  if (waiting.includes(text)) return
  waiting = [...waiting, text].slice(-MOST_WAITING)
  if (!isBusy) next()
}

function next(): void {
  const [text, ...rest] = waiting
  waiting = rest
  isBusy = text !== undefined
  if (text === undefined) return
  // The same words again are no change, and would not be read.
  said.value = text === said.peek() ? `${text}\u00a0` : text
  setTimeout(next, GAP_MS)
}
