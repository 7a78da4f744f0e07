// When the page asks to sign in, and what it does with a key: at the first visit, when the sign-in is about to end, and when
// it has ended.

import { computed, type ReadonlySignal, signal } from '@preact/signals'
import type { Desk } from '../desk.js'
import { place } from '../place.js'
import { hrefOf } from '../route.js'
import { phaseOf, reaches } from './account.js'
import { takeKeyFromAddress } from './key-in-address.js'
import type { Loss } from './session.js'
import { fetchProviders, type Provider } from './sign-in-methods.js'
import { signInBeside, signInHere } from './trip.js'
import { whoseIs } from './whose-is.js'

/** `refused`, `unreachable`, `blocked`, `foreign`: what the last attempt came to. `ending`: not yet, but soon. */
export type Question =
  | { why: Loss | 'ended-midway' | 'unasked' | 'blocked' | 'unreachable' }
  | { why: 'ending'; secondsLeft: number }
  /** The files on their way are `name`'s, and `key` is somebody else's. */
  | { why: 'foreign'; name: string; key: string }

export interface Asking {
  /** Null: nobody is asked. */
  readonly question: ReadonlySignal<Question | null>
  /** Then the page goes on working, and the question can be put off. */
  readonly isSignedIn: ReadonlySignal<boolean>
  readonly isBusy: ReadonlySignal<boolean>
  /** Null while they aren't known. */
  readonly providers: ReadonlySignal<readonly Provider[] | null>
  offerProviders(): void
  /** Takes a key once the server has. True when it is the page's now. */
  signIn(key: string): Promise<boolean>
  goTo(url: string): void
  putOff(): void
  /** Watches clock and address; answers how to stop. */
  start(): () => void
}

const LOOK_MS = 5_000

export function createAsking({ session, me, sending, antipasto }: Desk, isUnasked: boolean): Asking {
  const snag = signal<Question | null>(isUnasked ? { why: 'unasked' } : null)
  const secondsLeft = signal<number | null>(null)
  const isPutOff = signal(false)
  const isBusy = signal(false)
  const providers = signal<readonly Provider[] | null>(null)
  const isSignedIn = computed(() => session.key.value !== null)
  const isHolding = computed(() => sending.total.value !== null)

  const question = computed<Question | null>(() => {
    if (snag.value !== null) return snag.value
    if (!isSignedIn.value) {
      const loss = session.loss.value
      return { why: loss === 'ended' && isHolding.value ? 'ended-midway' : loss }
    }
    const isEnding = secondsLeft.value !== null && !isPutOff.value
    return isEnding ? { why: 'ending', secondsLeft: secondsLeft.value ?? 0 } : null
  })

  function look(): void {
    const key = session.key.peek()
    const endsAtMs = me.endsAtMs.peek()
    const nowMs = Date.now()
    const phase = key === null ? 'good' : phaseOf({ endsAtMs }, nowMs)
    secondsLeft.value = phase === 'ending' ? ((endsAtMs ?? nowMs) - nowMs) / 1_000 : null
    // Every request would be in vain, and an upload's might be told to begin again.
    if (phase === 'ended' && key !== null) session.refuse(key)
  }

  async function offerProviders(): Promise<void> {
    if ((providers.peek()?.length ?? 0) === 0) providers.value = await fetchProviders()
  }

  async function signIn(key: string): Promise<boolean> {
    isBusy.value = true
    const told = await whoseIs(antipasto.connection.url, key)
    isBusy.value = false
    if (told === 'refused') {
      snag.value = { why: 'refused' }
      return false
    }
    const before = me.last.peek()
    if (told === null && isHolding.peek()) {
      // It might be another owner's, for whom these uploads don't exist.
      snag.value = { why: 'unreachable' }
      return false
    }
    if (told !== null && before !== null && !reaches(told.account, before.owner)) {
      // To another owner these uploads don't exist: each would begin again, among that one's files.
      if (isHolding.peek()) snag.value = { why: 'foreign', name: before.name, key }
      else session.leave(key)
      return false
    }
    if (told !== null) me.learn(key, told)
    snag.value = null
    session.use(key)
    return true
  }

  function goTo(url: string): void {
    if (!isHolding.peek()) signInHere(url)
    else if (!signInBeside(url, (token) => void signIn(token))) snag.value = { why: 'blocked' }
  }

  /** A new address with another key in the same tab changes only the fragment: the page isn't loaded again. */
  function onHashChange(): void {
    const key = takeKeyFromAddress()
    if (key === null) return
    const route = place.peek()
    if (route.view !== 'files' && route.view !== 'unknown') history.replaceState(null, '', hrefOf(route))
    void signIn(key)
  }

  return {
    question,
    isSignedIn,
    isBusy,
    providers,
    offerProviders: () => void offerProviders(),
    signIn,
    goTo,
    putOff() {
      snag.value = null
      isPutOff.value = true
    },
    start() {
      let isFirst = true
      const stops = [
        session.key.subscribe(() => {
          // What was said of the sign-in before isn't true of this one.
          if (!isFirst) {
            snag.value = null
            isPutOff.value = false
          }
          isFirst = false
          look()
        }),
        me.endsAtMs.subscribe(look),
      ]
      const timer = setInterval(look, LOOK_MS)
      addEventListener('hashchange', onHashChange)
      return () => {
        for (const stop of stops) stop()
        clearInterval(timer)
        removeEventListener('hashchange', onHashChange)
      }
    },
  }
}
