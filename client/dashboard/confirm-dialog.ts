// A question before something that can't be undone.

import { element } from './element.js'

export interface Question {
  title: string
  detail: string
  /** The word on the button that does it: "Delete". */
  act: string
}

/** Resolves true when the user agrees; Escape and Cancel are no. The focus starts on Cancel and goes back after. */
export function confirmDialog({ title, detail, act }: Question): Promise<boolean> {
  const cancel = element('button', { type: 'submit', value: 'no', autofocus: true }, 'Cancel')
  const agree = element('button', { type: 'submit', value: 'yes', class: 'danger' }, act)
  const dialog = element(
    'dialog',
    { class: 'confirm', 'aria-labelledby': 'confirm-title', 'aria-describedby': 'confirm-detail' },
    element(
      'form',
      { method: 'dialog' },
      element('h2', { id: 'confirm-title' }, title),
      element('p', { id: 'confirm-detail' }, detail),
      element('div', { class: 'confirm-actions' }, cancel, agree),
    ),
  )
  document.body.append(dialog)
  dialog.showModal()
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => {
      dialog.remove()
      resolve(dialog.returnValue === 'yes')
    })
  })
}
