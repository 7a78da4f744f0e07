// The event log as it grows: this tab's uploads, another browser's and the command line's alike.

import { type ReadonlySignal, signal } from '@preact/signals'
import type { Antipasto } from '../../api/antipasto.js'
import type { Wait } from '../../api/connection.js'
import { Forbidden, InvalidInput } from '../../api/errors.js'
import { sleep } from '../../api/sleep.js'
import type { Event } from '../../api/types.js'
import type { Session } from '../sign-in/session.js'

export type LiveStatus = 'connecting' | 'live' | 'broken' | 'refused'

export interface Live {
  /** `broken`: what is shown may be old; it connects again by itself. `refused`: this key may not read. */
  readonly status: ReadonlySignal<LiveStatus>
  /** Why it is `refused`. */
  readonly refusal: ReadonlySignal<Error | null>
  /** Every event from now on, in order, none twice. Answers how to stop. */
  onEvent(listener: (event: Event) => void): () => void
  /** Events may be missing before the next one: what was asked for until now may be old. Answers how to stop. */
  onGap(listener: () => void): () => void
  /** Resolves when what is asked of the server has no gap to the events, or after `patienceMs`. */
  whenOpen(patienceMs: number): Promise<void>
}

/** A network that comes back at once is nothing to tell of. */
const BROKEN_AFTER_MS = 4_000
const AGAIN_AFTER_MS = 5_000
const LONGEST_WAIT_MS = 5_000
/** A browser has six connections to a server, for all of its tabs: a hidden one gives its own back. */
const HIDDEN_FOR_MS = 60_000
/** Rather than more than that, what is in view is asked for anew. */
const MOST_MISSED = 1_000

export function createLive(antipasto: Antipasto, session: Session): Live {
  const status = signal<LiveStatus>('connecting')
  const refusal = signal<Error | null>(null)
  const listeners = new Set<(event: Event) => void>()
  const gapListeners = new Set<() => void>()
  const waiting = new Set<() => void>()
  let since: number | 'latest' = 'latest'
  let round = new AbortController()
  let brokenTimer: ReturnType<typeof setTimeout> | undefined
  let isAsleep = false
  let hasSlept = false

  function deliver(event: Event): void {
    since = event.sequence
    for (const listener of listeners) listener(event)
  }

  function tellGap(): void {
    for (const listener of gapListeners) listener()
  }

  function onOpen(sequence: number): void {
    clearTimeout(brokenTimer)
    brokenTimer = undefined
    status.value = 'live'
    refusal.value = null
    if (since === 'latest') {
      since = sequence
      tellGap()
    }
    for (const resolve of waiting) resolve()
    waiting.clear()
  }

  /** Somebody looks at the page: half a minute, as programs wait, is too long for them. */
  function onWait({ delayMs }: Wait): void {
    onTrouble()
    const waiting = round
    if (delayMs > LONGEST_WAIT_MS) setTimeout(() => waiting.abort(), LONGEST_WAIT_MS)
  }

  function onTrouble(): void {
    brokenTimer ??= setTimeout(() => {
      status.value = 'broken'
    }, BROKEN_AFTER_MS)
  }

  /** What happened while nobody listened; when that is too much, it is left to whoever asks anew. */
  async function catchUp(signal: AbortSignal): Promise<void> {
    if (since === 'latest') return
    const missed: Event[] = []
    for await (const event of antipasto.events({ since, signal })) {
      if (missed.push(event) < MOST_MISSED) continue
      since = 'latest'
      return
    }
    for (const event of missed) deliver(event)
  }

  async function listen(signal: AbortSignal): Promise<void> {
    await session.waitForKey(signal)
    if (isAsleep) await aborted(signal)
    if (hasSlept) await catchUp(signal)
    hasSlept = false
    const events = antipasto.events({ since, follow: true, signal, onOpen, onWait })
    for await (const event of events) deliver(event)
  }

  async function follow(): Promise<never> {
    for (;;) {
      round = new AbortController()
      try {
        await listen(round.signal)
      } catch (error) {
        if (round.signal.aborted) continue
        if (error instanceof Forbidden) {
          refusal.value = error
          status.value = 'refused'
          for (const resolve of waiting) resolve()
          // Until there is another key, or somebody has given this one the right and loads the page again.
          await aborted(round.signal).catch(() => {})
          continue
        }
        // A log that was set back: the server's database was.
        if (error instanceof InvalidInput) since = 'latest'
        else onTrouble()
        await sleep(AGAIN_AFTER_MS, round.signal).catch(() => {})
      }
    }
  }

  let hiddenTimer: ReturnType<typeof setTimeout> | undefined
  document.addEventListener('visibilitychange', () => {
    clearTimeout(hiddenTimer)
    if (document.hidden) {
      hiddenTimer = setTimeout(() => {
        isAsleep = true
        hasSlept = true
        round.abort()
      }, HIDDEN_FOR_MS)
    } else if (isAsleep) {
      isAsleep = false
      round.abort()
    } else if (status.peek() === 'broken') {
      round.abort()
    }
  })
  // A connection of the network before may look alive for a while, and the next attempt may be half a minute away.
  addEventListener('online', () => round.abort())

  let lastKey = session.key.peek()
  session.key.subscribe((key) => {
    if (key === null || key === lastKey) return
    const isAnother = lastKey !== null
    lastKey = key
    round.abort()
    // It may be somebody else's.
    if (isAnother) tellGap()
  })
  void follow()

  return {
    status,
    refusal,
    onEvent: (listener) => subscription(listeners, listener),
    onGap: (listener) => subscription(gapListeners, listener),
    whenOpen(patienceMs) {
      if (status.peek() === 'live') return Promise.resolve()
      return new Promise((resolve) => {
        waiting.add(resolve)
        setTimeout(resolve, patienceMs)
      })
    },
  }
}

function subscription<Listener>(listeners: Set<Listener>, listener: Listener): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

/** Rejects when it is. */
function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const onAbort = () => reject(signal.reason)
    if (signal.aborted) onAbort()
    signal.addEventListener('abort', onAbort, { once: true })
  })
}
