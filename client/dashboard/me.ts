// Who is signed in, what they may, use and have left: asked for at the start, and again when their files have changed.

import { computed, type ReadonlySignal, signal } from '@preact/signals'
import type { Antipasto } from '../api/antipasto.js'
import type { Me as Answer } from '../api/types.js'
import { nameIn, reaches } from './sign-in/account.js'
import type { Session } from './sign-in/session.js'
import { type Told, whoseIs } from './sign-in/whose-is.js'
import type { Live } from './staged/live.js'

export interface Me {
  /** Null while the server hasn't told. */
  readonly now: ReadonlySignal<Answer | null>
  /** When the sign-in ends, by this browser's clock, in milliseconds since 1970; null: not by itself, or not known yet. */
  readonly endsAtMs: ReadonlySignal<number | null>
  /** Whoever was signed in last, and may have left: what is on its way is theirs. Null while the server hasn't told. */
  readonly last: ReadonlySignal<{ owner: string; name: string } | null>
  /** Asks again, soon. */
  refresh(): void
  /** Takes in what was asked already, before the session has the key. */
  learn(key: string, told: Told): void
}

/** A push of a thousand files is one reason to look again, not a thousand. */
const REST_MS = 1_000
const RETRY_MS = 5_000

export function createMe(antipasto: Antipasto, session: Session, live: Live): Me {
  const told = signal<(Told & { key: string }) | null>(null)
  const last = signal<{ owner: string; name: string } | null>(null)
  let next: { timer: ReturnType<typeof setTimeout>; dueAtMs: number } | null = null
  let round = 0

  async function ask(): Promise<void> {
    next = null
    const key = session.key.peek()
    if (key === null) return
    round += 1
    const mine = round
    const answer = await whoseIs(antipasto.connection.url, key)
    // A later asking knows better.
    if (mine !== round || key !== session.key.peek()) return
    if (answer === 'refused') session.refuse(key)
    else if (answer === null) refresh(RETRY_MS)
    // Taken unseen, while the server couldn't be asked: what is on the page is somebody else's.
    else if (last.peek() !== null && !reaches(answer.account, last.peek()?.owner ?? '')) session.leave(key)
    else learn(key, answer)
  }

  function learn(key: string, answer: Told): void {
    told.value = { ...answer, key }
    last.value = { owner: answer.me.owner, name: nameIn(key) ?? answer.me.owner }
    session.prove(key)
  }

  function refresh(delayMs = REST_MS): void {
    const dueAtMs = performance.now() + delayMs
    if (next !== null && next.dueAtMs <= dueAtMs) return
    if (next !== null) clearTimeout(next.timer)
    next = { timer: setTimeout(() => void ask(), delayMs), dueAtMs }
  }

  session.key.subscribe((key) => {
    if (key !== null && told.peek()?.key === key) {
      session.prove(key)
      return
    }
    told.value = null
    if (key !== null) refresh(0)
  })
  live.onEvent((event) => {
    if (event.upload_id !== null) refresh()
  })
  return {
    now: computed(() => told.value?.me ?? null),
    endsAtMs: computed(() => told.value?.account.endsAtMs ?? null),
    last,
    refresh: () => refresh(),
    learn,
  }
}
