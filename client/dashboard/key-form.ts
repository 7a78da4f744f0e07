// The small form that asks for a key: at the first visit without one, and when the server refuses the one we have.

import { byId } from './element.js'

const REASONS = {
  absent: 'This page needs a key that may upload and read.',
  refused: 'The server does not accept this key. Check that all of it was pasted, or ask for another.',
  'refused-midway':
    'The server no longer accepts the key of this page. The files on their way wait, and go on with a new one.',
}

export interface KeyForm {
  ask(why: keyof typeof REASONS): void
  hide(): void
}

export function createKeyForm(onKey: (key: string) => void): KeyForm {
  const section = byId('key-section', HTMLElement)
  const input = byId('key-input', HTMLInputElement)
  const reason = byId('key-reason', HTMLElement)

  byId('key-form', HTMLFormElement).addEventListener('submit', (event) => {
    event.preventDefault()
    const key = input.value.trim()
    if (key === '') return
    input.value = ''
    onKey(key)
  })

  return {
    ask(why) {
      reason.textContent = REASONS[why]
      section.dataset.why = why
      section.hidden = false
      input.focus()
    },
    hide() {
      section.hidden = true
    },
  }
}
