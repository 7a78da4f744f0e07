import { useSignal } from '@preact/signals'
import type { ComponentChildren } from 'preact'
import { useRef } from 'preact/hooks'

export interface Making<Made> {
  /** Opens and closes the form; nothing while what was made is shown. */
  readonly button: ComponentChildren
  readonly isOpen: boolean
  /** Just now, and shown until `close`. */
  readonly made: Made | null
  finish(made: Made): void
  /** The focus goes back to the button. */
  close(): void
}

/** A section where things are made: a form that opens, and what came of it, which is shown once. */
export function useMaking<Made>(label: string): Making<Made> {
  const isOpen = useSignal(false)
  const made = useSignal<Made | null>(null)
  const opener = useRef<HTMLButtonElement>(null)
  return {
    button: made.value === null && (
      <button
        ref={opener}
        type="button"
        aria-expanded={isOpen.value}
        onClick={() => {
          isOpen.value = !isOpen.value
        }}
      >
        {label}
      </button>
    ),
    isOpen: isOpen.value,
    made: made.value,
    finish(thing) {
      isOpen.value = false
      made.value = thing
    },
    close() {
      isOpen.value = false
      made.value = null
      // It is there again only after the next rendering.
      setTimeout(() => opener.current?.focus())
    },
  }
}
