// A button that puts a text on the clipboard and says so.

import { announce } from './announcer.js'
import { element } from './element.js'

const FEEDBACK_MS = 1_800

export interface CopyButtonOptions {
  /** What is copied, for the ear: "SHA-256 of lake.csv". */
  name: string
  /** What the button says; "Copy" when absent. */
  label?: string
  /** The text, or how to get it at the click. */
  text: string | (() => Promise<string>)
}

/** "Copy" → "Copied" for a moment; a failure says "Copy failed" and announces why. */
export function copyButton({ name, label = 'Copy', text }: CopyButtonOptions): HTMLButtonElement {
  const button = element('button', { type: 'button', class: 'copy', 'aria-label': `Copy ${name}` }, label)
  let reset: ReturnType<typeof setTimeout> | undefined

  function show(words: string, result: 'done' | 'failed'): void {
    button.textContent = words
    button.dataset.result = result
    clearTimeout(reset)
    reset = setTimeout(() => {
      button.textContent = label
      delete button.dataset.result
    }, FEEDBACK_MS)
  }

  button.addEventListener('click', async () => {
    try {
      await writeClipboard(typeof text === 'string' ? text : await text())
      show('Copied', 'done')
      announce(`${name} copied`)
    } catch (error) {
      show('Copy failed', 'failed')
      announce(`${name} was not copied. ${error instanceof Error ? error.message : ''}`)
    }
  })
  return button
}

async function writeClipboard(text: string): Promise<void> {
  // navigator.clipboard is there over https and on localhost only; a laboratory's http://server:8080 has the old way.
  if (window.isSecureContext) {
    await navigator.clipboard.writeText(text)
    return
  }
  const field = element('textarea', { readonly: true, class: 'visually-hidden' })
  field.value = text
  const focused = document.activeElement
  document.body.append(field)
  field.select()
  const isCopied = document.execCommand('copy')
  field.remove()
  if (focused instanceof HTMLElement) focused.focus()
  if (!isCopied) throw new Error('This browser does not allow it: select the text and copy it by hand.')
}
