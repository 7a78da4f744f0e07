// The page: session, drop area and list, put together.

import { reaches } from './account.js'
import { createApi, whoseIs } from './api.js'
import { byId } from './element.js'
import { createPolling } from './polling.js'
import { type Loss, openSession, takeKeyFromAddress } from './session.js'
import { createSignInCard } from './sign-in-card.js'
import { createSignInWatch } from './sign-in-watch.js'
import { createStagedList } from './staged-list.js'
import { signInBeside, signInHere } from './trip.js'
import { createUploader } from './uploader.js'

export interface PageOptions {
  /** From the IAM, just now; null: whatever key this tab has. */
  token: string | null
  /** The address brought a token that isn't used. */
  isUnasked: boolean
}

export function startPage({ token, isUnasked }: PageOptions): void {
  const uploadSection = byId('upload-section', HTMLElement)
  const stagedSection = byId('staged-section', HTMLElement)
  const signOut = byId('sign-out', HTMLButtonElement)

  const session = openSession({ token, onChange: show })
  const card = createSignInCard({
    onKey: (key) => void signIn(key),
    onProvider: goTo,
    isSignedIn: () => session.key !== null,
  })
  const watch = createSignInWatch({
    onEnding: (timeLeft) => card.remind(timeLeft),
    onEnd: (key) => session.refuse(key),
  })
  const uploader = createUploader({
    target: byId('uppy', HTMLElement),
    session,
    onChange: () => polling.now(),
  })
  const list = createStagedList({
    api: createApi(session),
    localOf: (uploadId) => uploader.localOf(uploadId),
    onStale: () => polling.now(),
  })
  const polling = createPolling(async () => {
    const isListMoving = await list.refresh()
    return isListMoving || uploader.isSending()
  })

  signOut.addEventListener('click', () => {
    session.forget()
    // Nothing of whoever has left may stay: names in the list, files on their way.
    location.reload()
  })

  // A new address with another key in the same tab changes only the fragment: the page isn't loaded again.
  window.addEventListener('hashchange', () => {
    const key = takeKeyFromAddress()
    if (key !== null) void signIn(key)
  })

  window.addEventListener('beforeunload', (event) => {
    // Nothing is lost by leaving, but the files stop; the browser asks in its own words.
    if (uploader.isSending()) event.preventDefault()
  })

  /** Takes a key once the server has; files on their way wait for nobody but their owner. */
  async function signIn(key: string): Promise<void> {
    const account = await whoseIs(key)
    if (account === 'refused') {
      card.ask('refused')
      return
    }
    // To another owner these uploads don't exist: each would begin again, among that one's files.
    const { last } = watch
    if (account !== null && last !== null && !reaches(account, last.owner) && !uploader.isEmpty()) {
      card.askFor(last.name)
      return
    }
    if (account !== null) watch.follow(key, account)
    session.use(key)
    if (account !== null) session.prove(key)
  }

  function goTo(url: string): void {
    if (uploader.isEmpty()) signInHere(url)
    else if (!signInBeside(url, (key) => void signIn(key))) card.ask('blocked')
  }

  /** Shows what there is with a key, or the card without one. Files on their way stay in view either way. */
  function show(key: string | null, why: Loss): void {
    list.clear()
    watch.follow(key)
    stagedSection.hidden = key === null
    signOut.hidden = key === null
    uploadSection.hidden = key === null && uploader.isEmpty()
    if (key === null) {
      polling.stop()
      card.ask(why === 'ended' && !uploader.isEmpty() ? 'ended-midway' : why)
    } else {
      card.hide()
      polling.now()
    }
  }

  show(session.key, 'absent')
  if (isUnasked) card.ask('unasked')
}
