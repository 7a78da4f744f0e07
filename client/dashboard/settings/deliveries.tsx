import type { WebhookDelivery } from '../../api/types.js'
import { nowMs } from '../clock.js'
import { Badge, type Tone } from '../parts/badge.js'
import { Age } from '../parts/measures.js'
import { formats, words } from '../words/words.js'
import { eventWords } from './event-words.js'
import { ListEnd } from './list-end.js'
import type { ShownList } from './shown-list.js'

const TONES: Record<WebhookDelivery['state'], Tone> = { pending: 'busy', delivered: 'good', failed: 'bad' }

/** What a webhook was sent, and what came of it. */
export function Deliveries({ list }: { list: ShownList<WebhookDelivery> }) {
  const deliveries = list.items.value
  return (
    <>
      <div class="card-head">
        <h3>{words.settings.deliveries}</h3>
        <button
          type="button"
          class="quiet"
          aria-disabled={list.isLoading.value}
          aria-busy={list.isLoading.value}
          onClick={() => void list.again()}
        >
          {words.settings.lookAgain}
        </button>
      </div>
      {deliveries?.length === 0 && <p class="hint">{words.settings.noDeliveries}</p>}
      {deliveries !== null && deliveries.length > 0 && (
        <ul class="deliveries">
          {deliveries.map((delivery) => (
            <Delivery key={delivery.id} item={delivery} />
          ))}
        </ul>
      )}
      <ListEnd list={list} more={words.settings.moreDeliveries} />
    </>
  )
}

function Delivery({ item }: { item: WebhookDelivery }) {
  const { state, status, error, attempts, next_attempt_at: nextAttemptAt } = item
  return (
    <li tabIndex={-1}>
      <Badge tone={TONES[state]}>{words.settings.deliveryStates[state]}</Badge>
      <span class="delivery-words">
        {eventWords(item.type)}
        {error !== null && (
          <span class="delivery-error" dir="auto">
            {error}
          </span>
        )}
        {nextAttemptAt !== null && attempts > 0 && (
          <span class="soft">
            {words.settings.nextTry(
              formats.timeLeft((Date.parse(nextAttemptAt) - nowMs.value) / 1_000),
              formats.count(attempts),
            )}
          </span>
        )}
      </span>
      {status !== null && <code class="soft">{status}</code>}
      <span class="soft">
        <Age at={item.created_at} />
      </span>
    </li>
  )
}
