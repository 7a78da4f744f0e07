import { useSignal } from '@preact/signals'
import type { ApiKey } from '../../api/types.js'
import { useDesk } from '../desk.js'
import { Dialog } from '../parts/dialog.js'
import { Trouble } from '../parts/trouble.js'
import { words } from '../words/words.js'

interface RevokeKeyProps {
  item: ApiKey
  /** The key that this page is signed in with. */
  isCurrent: boolean
  onClose: () => void
  onRevoked: (key: ApiKey) => void
}

/** Asks before a key is revoked, as that can't be undone. */
export function RevokeKey({ item, isCurrent, onClose, onRevoked }: RevokeKeyProps) {
  const { antipasto } = useDesk()
  const isBusy = useSignal(false)
  const error = useSignal<unknown>(null)

  async function revoke(): Promise<void> {
    if (isBusy.peek()) return
    isBusy.value = true
    error.value = null
    try {
      await antipasto.keys.revoke(item.id)
      onRevoked(item)
    } catch (failure) {
      error.value = failure
    } finally {
      isBusy.value = false
    }
  }

  return (
    <Dialog title={words.settings.revokeAsk(item.name)} onClose={onClose}>
      <p>{words.settings.revokeHint}</p>
      {isCurrent && <p class="note warning">{words.settings.revokeCurrent}</p>}
      {error.value !== null && <Trouble error={error.value} what={words.settings.notRevoked} />}
      <div class="dialog-actions">
        <button type="button" autofocus onClick={onClose}>
          {words.common.cancel}
        </button>
        <button
          type="button"
          class="danger"
          aria-disabled={isBusy.value}
          aria-busy={isBusy.value}
          onClick={() => void revoke()}
        >
          {words.settings.revoke}
        </button>
      </div>
    </Dialog>
  )
}
