// One webhook: what it is told, a test of it, and what it was sent.

import { useSignal } from '@preact/signals'
import { useId, useMemo } from 'preact/hooks'
import type { Me, Webhook, WebhookDelivery } from '../../api/types.js'
import { announce } from '../announcer.js'
import { useDesk } from '../desk.js'
import { Badge } from '../parts/badge.js'
import { Age } from '../parts/measures.js'
import { Trouble } from '../parts/trouble.js'
import { may } from '../sign-in/rights.js'
import { words } from '../words/words.js'
import { Deliveries } from './deliveries.js'
import { eventWords } from './event-words.js'
import { createShownList } from './shown-list.js'

const STEP = 20

interface WebhookRowProps {
  item: Webhook
  me: Me
  /** Deleting it is asked for. */
  onAsk: () => void
}

export function WebhookRow({ item, me, onAsk }: WebhookRowProps) {
  const { antipasto } = useDesk()
  const panelId = useId()
  const isOpen = useSignal(false)
  const isTesting = useSignal(false)
  const tested = useSignal<{ delivery: WebhookDelivery } | { error: unknown } | null>(null)
  const deliveries = useMemo(
    () =>
      createShownList({
        open: () => antipasto.webhooks.deliveries(item.id),
        idOf: (delivery: WebhookDelivery) => delivery.id,
        step: STEP,
      }),
    [antipasto, item.id],
  )

  async function test(): Promise<void> {
    if (isTesting.peek()) return
    isTesting.value = true
    tested.value = null
    try {
      const delivery = await antipasto.webhooks.ping(item.id)
      tested.value = { delivery }
      announce(pingWords(delivery))
      if (isOpen.value) deliveries.put(delivery)
    } catch (error) {
      tested.value = { error }
    } finally {
      isTesting.value = false
    }
  }

  function toggle(): void {
    isOpen.value = !isOpen.value
    if (isOpen.value) void deliveries.again()
  }

  return (
    <li class="row webhook" tabIndex={-1}>
      <div class="row-words">
        <p class="webhook-url">
          <code>{item.url}</code>
        </p>
        <p class="row-facts">
          {item.owner !== me.owner && <span dir="auto">{item.owner}</span>}
          {item.sees_all && <Badge tone="wait">{words.settings.seesAll}</Badge>}
          <span>{eventsOf(item)}</span>
          <span>
            {words.settings.added} <Age at={item.created_at} />
          </span>
        </p>
      </div>
      <div class="row-actions">
        {may(me, 'upload') && (
          <button
            type="button"
            aria-disabled={isTesting.value}
            aria-busy={isTesting.value}
            aria-label={isTesting.value ? undefined : words.settings.testOf(item.url)}
            onClick={() => void test()}
          >
            {isTesting.value ? words.settings.testing : words.settings.test}
          </button>
        )}
        <button
          type="button"
          aria-expanded={isOpen.value}
          aria-controls={panelId}
          aria-label={words.settings.deliveriesOf(item.url)}
          onClick={toggle}
        >
          {words.settings.deliveries}
        </button>
        {may(me, 'delete') && (
          <button
            type="button"
            class="danger quiet"
            aria-label={words.settings.removeOf(item.url)}
            onClick={onAsk}
          >
            {words.settings.remove}
          </button>
        )}
      </div>
      {tested.value !== null && <Tested {...tested.value} />}
      <div id={panelId} class="row-panel" hidden={!isOpen.value}>
        {isOpen.value && <Deliveries list={deliveries} />}
      </div>
    </li>
  )
}

function Tested(result: { delivery: WebhookDelivery } | { error: unknown }) {
  if ('error' in result) return <Trouble error={result.error} what={words.settings.notTested} />
  const isTaken = result.delivery.state === 'delivered'
  return <p class={isTaken ? 'note success' : 'note failure'}>{pingWords(result.delivery)}</p>
}

function pingWords({ state, status, error }: WebhookDelivery): string {
  if (state === 'delivered') return words.settings.pingTaken(status ?? 0)
  return words.settings.pingFailed(error ?? String(status ?? ''))
}

function eventsOf({ events }: Webhook): string {
  return events.includes('*') ? words.settings.everyEvent : events.map(eventWords).join(', ')
}
