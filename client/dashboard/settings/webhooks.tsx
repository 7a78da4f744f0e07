// Webhooks: those there are, one more, one less.

import { useSignal } from '@preact/signals'
import { useEffect, useMemo, useRef } from 'preact/hooks'
import type { Me, NewWebhook, Webhook } from '../../api/types.js'
import { announce } from '../announcer.js'
import { useDesk } from '../desk.js'
import { Empty } from '../parts/empty.js'
import { may } from '../sign-in/rights.js'
import { words } from '../words/words.js'
import { ConfirmEnd } from './confirm-end.js'
import { ListEnd } from './list-end.js'
import { useMaking } from './making.js'
import { Lacking, Section } from './section.js'
import { createShownList } from './shown-list.js'
import { ShownOnce } from './shown-once.js'
import { WebhookForm } from './webhook-form.js'
import { WebhookRow } from './webhook-row.js'

const STEP = 10

export function WebhooksSection({ me }: { me: Me }) {
  const { antipasto } = useDesk()
  const list = useMemo(
    () =>
      createShownList({
        open: () => antipasto.webhooks.list(),
        idOf: (webhook: Webhook) => webhook.id,
        step: STEP,
      }),
    [antipasto],
  )
  const making = useMaking<NewWebhook>(words.settings.addWebhook)
  const mayRead = may(me, 'read')

  useEffect(() => {
    if (mayRead) void list.more()
  }, [list, mayRead])

  return (
    <Section title={words.settings.webhooks} action={may(me, 'upload') && making.button}>
      <p class="hint">{words.settings.webhooksHint}</p>
      {!may(me, 'upload') && <Lacking>{words.settings.webhooksLackUpload}</Lacking>}
      {making.isOpen && (
        <WebhookForm
          onCancel={making.close}
          onMade={(webhook) => {
            making.finish(webhook)
            const { secret: _, ...listed } = webhook
            if (mayRead) list.put(listed)
          }}
        />
      )}
      {making.made !== null && (
        <ShownOnce
          title={words.settings.webhookMade}
          secret={making.made.secret}
          what={words.settings.secret}
          onDone={making.close}
        >
          <p>{words.settings.secretUse}</p>
        </ShownOnce>
      )}
      {mayRead ? <WebhookList me={me} list={list} /> : <Lacking>{words.settings.webhooksLackRead}</Lacking>}
    </Section>
  )
}

function WebhookList({ me, list }: { me: Me; list: ReturnType<typeof createShownList<Webhook>> }) {
  const { antipasto } = useDesk()
  const asked = useSignal<Webhook | null>(null)
  const place = useRef<HTMLDivElement>(null)
  const webhooks = list.items.value
  const question = asked.value

  async function remove(webhook: Webhook): Promise<void> {
    await antipasto.webhooks.remove(webhook.id)
    asked.value = null
    list.remove(webhook)
    announce(words.settings.webhookRemoved)
    // Its button is gone.
    setTimeout(() => place.current?.closest('section')?.querySelector('h2')?.focus())
  }

  return (
    <div ref={place}>
      {webhooks?.length === 0 && (
        <Empty icon="link" title={words.settings.noWebhooks}>
          <p>{words.settings.noWebhooksHint}</p>
        </Empty>
      )}
      {webhooks !== null && webhooks.length > 0 && (
        <ul class="rows">
          {webhooks.map((webhook) => (
            <WebhookRow key={webhook.id} item={webhook} me={me} onAsk={() => (asked.value = webhook)} />
          ))}
        </ul>
      )}
      <ListEnd list={list} more={words.settings.moreWebhooks} />
      {question !== null && (
        <ConfirmEnd
          title={words.settings.removeAsk}
          action={words.settings.remove}
          failed={words.settings.notRemoved}
          onClose={() => (asked.value = null)}
          end={() => remove(question)}
        >
          <p class="webhook-url">
            <code>{question.url}</code>
          </p>
          <p>{words.settings.removeHint}</p>
        </ConfirmEnd>
      )}
    </div>
  )
}
