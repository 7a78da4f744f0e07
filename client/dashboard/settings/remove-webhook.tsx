import { useSignal } from '@preact/signals'
import type { Webhook } from '../../api/types.js'
import { useDesk } from '../desk.js'
import { Dialog } from '../parts/dialog.js'
import { Trouble } from '../parts/trouble.js'
import { words } from '../words/words.js'

interface RemoveWebhookProps {
  item: Webhook
  onClose: () => void
  onRemoved: (webhook: Webhook) => void
}

/** Asks before a webhook is deleted, as what waits to be delivered goes with it. */
export function RemoveWebhook({ item, onClose, onRemoved }: RemoveWebhookProps) {
  const { antipasto } = useDesk()
  const isBusy = useSignal(false)
  const error = useSignal<unknown>(null)

  async function remove(): Promise<void> {
    if (isBusy.peek()) return
    isBusy.value = true
    error.value = null
    try {
      await antipasto.webhooks.remove(item.id)
      onRemoved(item)
    } catch (failure) {
      error.value = failure
    } finally {
      isBusy.value = false
    }
  }

  return (
    <Dialog title={words.settings.removeAsk} onClose={onClose}>
      <p class="webhook-url">
        <code>{item.url}</code>
      </p>
      <p>{words.settings.removeHint}</p>
      {error.value !== null && <Trouble error={error.value} what={words.settings.notRemoved} />}
      <div class="dialog-actions">
        <button type="button" autofocus onClick={onClose}>
          {words.common.cancel}
        </button>
        <button
          type="button"
          class="danger"
          aria-disabled={isBusy.value}
          aria-busy={isBusy.value}
          onClick={() => void remove()}
        >
          {words.settings.remove}
        </button>
      </div>
    </Dialog>
  )
}
