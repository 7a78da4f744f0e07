import { useSignal } from '@preact/signals'
import { useEffect, useId, useRef } from 'preact/hooks'
import { EVENT_TYPES } from '../../api/event-types.js'
import type { NewWebhook } from '../../api/types.js'
import { useDesk } from '../desk.js'
import { Field } from '../parts/field.js'
import { Trouble } from '../parts/trouble.js'
import { busy, useWorking } from '../parts/working.js'
import { words } from '../words/words.js'
import { eventWords } from './event-words.js'
import { type WebhookEvent, type WebhookFaults, webhookWishOf } from './webhook-wish.js'

interface WebhookFormProps {
  onCancel: () => void
  onMade: (webhook: NewWebhook) => void
}

/** What most receivers wait for. */
const USUAL: ReadonlySet<WebhookEvent> = new Set(['upload.ready.v1', 'upload.failed.v1'])

export function WebhookForm({ onCancel, onMade }: WebhookFormProps) {
  const { antipasto } = useDesk()
  const form = useRef<HTMLFormElement>(null)
  const radioName = useId()
  const url = useSignal('')
  const wantsAll = useSignal(true)
  const chosen = useSignal<ReadonlySet<WebhookEvent>>(USUAL)
  const faults = useSignal<WebhookFaults>({})
  const working = useWorking()
  useEffect(() => form.current?.querySelector('input')?.focus(), [])

  function submit(event: SubmitEvent): void {
    event.preventDefault()
    const read = webhookWishOf({ url: url.value, events: wantsAll.value ? null : chosen.value })
    faults.value = 'faults' in read ? read.faults : {}
    if ('faults' in read) {
      setTimeout(() => form.current?.querySelector<HTMLElement>('[aria-invalid]')?.focus())
      return
    }
    working.run(async () => onMade(await antipasto.webhooks.create(read.wish)))
  }

  function choose(event: WebhookEvent, isChosen: boolean): void {
    const others = [...chosen.value].filter((one) => one !== event)
    chosen.value = new Set(isChosen ? [...others, event] : others)
  }

  const { url: urlFault, events: eventsFault } = faults.value
  return (
    <form ref={form} class="settings-form" noValidate onSubmit={submit}>
      <Field
        label={words.settings.webhookUrl}
        hint={words.settings.webhookUrlHint}
        trouble={urlFault === undefined ? null : words.settings.webhookUrlFaults[urlFault]}
      >
        {(ids) => (
          <input
            {...ids}
            type="url"
            dir="ltr"
            autocomplete="off"
            spellcheck={false}
            placeholder="https://"
            value={url.value}
            onInput={({ currentTarget }) => (url.value = currentTarget.value)}
          />
        )}
      </Field>
      <fieldset class="checks">
        <legend class="label">{words.settings.webhookEvents}</legend>
        {[true, false].map((isAll) => (
          <label key={String(isAll)} class="check">
            <input
              type="radio"
              name={radioName}
              checked={wantsAll.value === isAll}
              onChange={() => (wantsAll.value = isAll)}
            />
            <span>{isAll ? words.settings.everyEvent : words.settings.onlyThese}</span>
          </label>
        ))}
        {!wantsAll.value && (
          <div class="check-columns">
            {EVENT_TYPES.map((event) => (
              <label key={event} class="check" title={event}>
                <input
                  type="checkbox"
                  checked={chosen.value.has(event)}
                  {...(eventsFault === undefined ? {} : { 'aria-invalid': true })}
                  onChange={({ currentTarget }) => choose(event, currentTarget.checked)}
                />
                <span>{eventWords(event)}</span>
              </label>
            ))}
          </div>
        )}
        {eventsFault !== undefined && !wantsAll.value && (
          <p class="hint bad" role="alert">
            {words.settings.webhookEventsFault}
          </p>
        )}
      </fieldset>
      {working.trouble.value !== null && (
        <Trouble error={working.trouble.value} what={words.settings.webhookNotMade} />
      )}
      <div class="form-actions">
        <button type="submit" class="primary" {...busy(working)}>
          {words.settings.addWebhook}
        </button>
        <button type="button" class="quiet" onClick={onCancel}>
          {words.common.cancel}
        </button>
      </div>
    </form>
  )
}
