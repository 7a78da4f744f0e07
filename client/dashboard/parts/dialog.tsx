// A question over the page, which holds the focus until it is answered. The browser's own <dialog> does nearly all of it.

import type { ComponentChildren } from 'preact'
import { useEffect, useId, useRef } from 'preact/hooks'

interface DialogProps {
  title: ComponentChildren
  /** Escape, or a click beside it. */
  onClose: () => void
  children: ComponentChildren
}

/** Open as long as it is rendered. The first control with `autofocus` has the focus. */
export function Dialog({ title, onClose, children }: DialogProps) {
  const ref = useRef<HTMLDialogElement>(null)
  const titleId = useId()
  const close = useRef(onClose)
  close.current = onClose
  useEffect(() => {
    const dialog = ref.current
    const onClick = (event: Event) => {
      // What is on it is in the <div>: only its backdrop is the dialog itself.
      if (event.target === dialog) close.current()
    }
    dialog?.addEventListener('click', onClick)
    dialog?.showModal()
    return () => {
      dialog?.removeEventListener('click', onClick)
      dialog?.close()
    }
  }, [])
  return (
    <dialog
      ref={ref}
      class="dialog"
      aria-labelledby={titleId}
      onCancel={(event) => {
        event.preventDefault()
        onClose()
      }}
    >
      <div class="dialog-inner">
        <h2 id={titleId}>{title}</h2>
        {children}
      </div>
    </dialog>
  )
}
