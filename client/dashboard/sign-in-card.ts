// The card that asks to sign in: at the first visit, when the sign-in is about to end, and when it has ended.

import { announce } from './announcer.js'
import { byId, element, setText } from './element.js'
import { fetchProviders, type Provider } from './sign-in-methods.js'

const REASONS = {
  absent: 'Sign in to send files and to see what you have sent.',
  refused: 'The server does not accept this key. Check that all of it was pasted, or ask for another.',
  ended: 'Your sign-in has ended. Sign in again.',
  'ended-midway': 'Your sign-in has ended. Sign in again: uploads go on where they stopped.',
  unasked: 'This page was opened with a sign-in that was not begun here. It was not used. Sign in here.',
  blocked: 'The browser did not open the window to sign in. Allow windows for this page, and try again.',
}

export interface SignInCard {
  ask(why: keyof typeof REASONS): void
  /** The files on their way are `name`'s, and somebody else has just signed in. */
  askFor(name: string): void
  /** Says beforehand when the sign-in ends ("in 9 minutes"), and keeps nobody from their work. */
  remind(timeLeft: string): void
  hide(): void
}

export interface SignInCardOptions {
  onKey: (key: string) => void
  onProvider: (url: string) => void
  /** Then the page goes on working, and the card can be put off. */
  isSignedIn: () => boolean
}

export function createSignInCard({ onKey, onProvider, isSignedIn }: SignInCardOptions): SignInCard {
  const section = byId('sign-in', HTMLElement)
  const heading = byId('sign-in-heading', HTMLElement)
  const reason = byId('sign-in-reason', HTMLElement)
  const choices = byId('sign-in-choices', HTMLElement)
  const input = byId('key-input', HTMLInputElement)
  const label = byId('key-label', HTMLElement)
  const source = byId('key-source', HTMLElement)
  const later = byId('sign-in-later', HTMLButtonElement)
  let hasProviders = false
  /** The end that is to come was told of. */
  let isPutOff = false

  byId('key-form', HTMLFormElement).addEventListener('submit', (event) => {
    event.preventDefault()
    const key = input.value.trim()
    if (key === '') return
    input.value = ''
    onKey(key)
  })
  later.addEventListener('click', () => {
    isPutOff = true
    section.hidden = true
  })

  async function offerProviders(): Promise<void> {
    if (hasProviders) return
    const providers = await fetchProviders()
    hasProviders = providers.length > 0
    if (!hasProviders) return
    heading.textContent = 'Sign in'
    label.textContent = 'or with an API key'
    source.hidden = true
    choices.replaceChildren(...choicesOf(providers, onProvider))
    choices.hidden = false
  }

  function show(why: string, words: string): void {
    const isNew = section.hidden || section.dataset.why !== why
    section.dataset.why = why
    setText(reason, words)
    later.hidden = !isSignedIn()
    section.hidden = false
    if (isNew) announce(words)
  }

  async function interrupt(why: string, words: string): Promise<void> {
    show(why, words)
    await offerProviders()
    // Where there is a choice nobody knows yet what it will be.
    if (!hasProviders) input.focus()
  }

  return {
    ask: (why) => void interrupt(why, REASONS[why]),
    askFor(name) {
      const why = `The files on their way belong to ${name}.`
      void interrupt('refused', `${why} Sign in as the same person, or reload this page to leave them.`)
    },
    remind(timeLeft) {
      // Whoever is just signing in again has been told something else.
      if (isPutOff || (!section.hidden && section.dataset.why !== 'ending')) return
      show('ending', `Your sign-in ends ${timeLeft}. Sign in again, and nothing has to wait.`)
      void offerProviders()
    },
    hide() {
      isPutOff = false
      section.hidden = true
    },
  }
}

/** A button for each; or the way to where they can be used: the IAM leads back to the server's own name only. */
function choicesOf(providers: readonly Provider[], onProvider: (url: string) => void): HTMLElement[] {
  const elsewhere = providers
    .map(({ url }) => new URL(url).origin)
    .find((origin) => origin !== location.origin)
  if (elsewhere !== undefined) {
    const link = element('a', { href: `${elsewhere}/` }, elsewhere)
    return [element('p', {}, 'To sign in with an account, open this page at ', link, '.')]
  }
  return providers.map(({ name, url }) => {
    const button = element('button', { type: 'button' }, name)
    button.addEventListener('click', () => onProvider(url))
    return button
  })
}
