// The time as a signal, for what counts up or down on the page. One timer for all of it.

import { signal } from '@preact/signals'

const TICK_MS = 1_000

const now = signal(Date.now())

// A hidden page is looked at by nobody; browsers slow its timers down by themselves, and it is right again when it is shown.
setInterval(() => {
  if (!document.hidden) now.value = Date.now()
}, TICK_MS)
document.addEventListener('visibilitychange', () => {
  if (!document.hidden) now.value = Date.now()
})

/** Milliseconds since 1970 by this browser's clock, once a second. */
export const nowMs = now
