// Who is signed in: asked of the server, shown at the top, and watched until it ends.

import { formatTimeLeft } from '../format.js'
import { type Account, nameIn, phaseOf } from './account.js'
import { whoseIs } from './api.js'
import { byId } from './element.js'

const LOOK_MS = 5_000

export interface SignInWatch {
  /** Whoever was signed in last; null while the server hasn't told. */
  readonly last: { owner: string; name: string } | null
  /** From now on it is this key's end that counts; null: nobody is signed in. `known` when the server has told already. */
  follow(key: string | null, known?: Account): void
}

export interface SignInWatchOptions {
  /** How long is left: "in 9 minutes". Called again and again. */
  onEnding: (timeLeft: string) => void
  /** Over, by the clock or by the server's word. */
  onEnd: (key: string) => void
}

export function createSignInWatch({ onEnding, onEnd }: SignInWatchOptions): SignInWatch {
  const who = byId('who', HTMLElement)
  let followed: string | null = null
  let account: Account | null = null
  let last: SignInWatch['last'] = null
  let isAsking = false

  function learn(key: string, learned: Account): void {
    account = learned
    last = { owner: learned.owner, name: nameIn(key) ?? learned.owner }
    who.textContent = last.name
    who.title = last.owner
    who.hidden = false
  }

  async function look(): Promise<void> {
    const key = followed
    if (key === null || isAsking || (account === null && document.hidden)) return
    if (account === null) {
      isAsking = true
      const answer = await whoseIs(key)
      isAsking = false
      if (key !== followed) return look()
      if (answer === 'refused') return onEnd(key)
      if (answer !== null) learn(key, answer)
    }
    if (account === null) return
    const nowMs = Date.now()
    const phase = phaseOf(account, nowMs)
    if (phase === 'ended') onEnd(key)
    else if (phase === 'ending') onEnding(formatTimeLeft(((account.endsAtMs ?? nowMs) - nowMs) / 1_000))
  }

  setInterval(() => void look(), LOOK_MS)

  return {
    get last() {
      return last
    },
    follow(key, known) {
      if (key !== followed) {
        followed = key
        account = null
        who.hidden = true
      }
      if (key !== null && known !== undefined) learn(key, known)
      void look()
    },
  }
}
