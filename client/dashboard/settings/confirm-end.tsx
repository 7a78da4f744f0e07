import type { ComponentChildren } from 'preact'
import { Dialog } from '../parts/dialog.js'
import { Trouble } from '../parts/trouble.js'
import { busy, useWorking } from '../parts/working.js'
import { words } from '../words/words.js'

interface ConfirmEndProps {
  title: string
  /** On the button. */
  action: string
  /** Says that it wasn't done. */
  failed: string
  onClose: () => void
  /** Ends it, and closes. */
  end: () => Promise<void>
  children: ComponentChildren
}

/** Asks before something ends that can't be had back. */
export function ConfirmEnd({ title, action, failed, onClose, end, children }: ConfirmEndProps) {
  const working = useWorking()
  return (
    <Dialog title={title} onClose={onClose}>
      {children}
      {working.trouble.value !== null && <Trouble error={working.trouble.value} what={failed} />}
      <div class="dialog-actions">
        <button type="button" autofocus onClick={onClose}>
          {words.common.cancel}
        </button>
        <button type="button" class="danger" {...busy(working)} onClick={() => working.run(end)}>
          {action}
        </button>
      </div>
    </Dialog>
  )
}
