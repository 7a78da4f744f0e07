import { useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import type { Me, NewApiKey } from '../../api/types.js'
import { useDesk } from '../desk.js'
import { Field } from '../parts/field.js'
import { Trouble } from '../parts/trouble.js'
import { busy, useWorking } from '../parts/working.js'
import type { Scope } from '../sign-in/rights.js'
import { formats, words } from '../words/words.js'
import { type KeyFaults, keyWishOf, latestEndMs, usualScopes } from './key-wish.js'

interface KeyFormProps {
  me: Me
  onCancel: () => void
  onMade: (key: NewApiKey) => void
}

export function KeyForm({ me, onCancel, onMade }: KeyFormProps) {
  const { antipasto } = useDesk()
  const form = useRef<HTMLFormElement>(null)
  const name = useSignal('')
  const days = useSignal('')
  const scopes = useSignal<ReadonlySet<Scope>>(usualScopes(me))
  const faults = useSignal<KeyFaults>({})
  const working = useWorking()
  const latestMs = latestEndMs(me)
  useEffect(() => form.current?.querySelector('input')?.focus(), [])

  function submit(event: SubmitEvent): void {
    event.preventDefault()
    const given = { name: name.value, scopes: scopes.value, days: days.value }
    const read = keyWishOf(given, me, Date.now())
    faults.value = 'faults' in read ? read.faults : {}
    if ('faults' in read) {
      setTimeout(() => form.current?.querySelector<HTMLElement>('[aria-invalid]')?.focus())
      return
    }
    working.run(async () => onMade(await antipasto.keys.create(read.wish)))
  }

  const { name: nameFault, scopes: scopesFault, days: daysFault } = faults.value
  return (
    <form ref={form} class="settings-form" noValidate onSubmit={submit}>
      <Field
        label={words.settings.keyName}
        hint={words.settings.keyNameHint}
        trouble={nameFault === undefined ? null : words.settings.keyNameFaults[nameFault]}
      >
        {(ids) => (
          <input
            {...ids}
            type="text"
            dir="auto"
            autocomplete="off"
            value={name.value}
            onInput={({ currentTarget }) => (name.value = currentTarget.value)}
          />
        )}
      </Field>
      <fieldset class="checks" aria-describedby={scopesFault === undefined ? undefined : 'key-scopes-fault'}>
        <legend class="label">{words.settings.keyScopes}</legend>
        {me.scopes.map((scope) => (
          <label key={scope} class="check">
            <input
              type="checkbox"
              checked={scopes.value.has(scope)}
              {...(scopesFault === undefined ? {} : { 'aria-invalid': true })}
              onChange={({ currentTarget }) => {
                const others = [...scopes.value].filter((one) => one !== scope)
                scopes.value = new Set(currentTarget.checked ? [...others, scope] : others)
              }}
            />
            <span>
              <code>{scope}</code> {words.settings.scopes[scope]}
            </span>
          </label>
        ))}
        {scopesFault !== undefined && (
          <p id="key-scopes-fault" class="hint bad">
            {words.settings.keyScopesFault}
          </p>
        )}
      </fieldset>
      <Field
        label={words.settings.keyDays}
        hint={
          latestMs === null
            ? words.settings.keyDaysHint
            : words.settings.keyDaysLatest(formats.moment(new Date(latestMs)))
        }
        trouble={
          daysFault === undefined
            ? null
            : daysFault === 'late' && latestMs !== null
              ? words.settings.keyDaysLate(formats.moment(new Date(latestMs)))
              : words.settings.keyDaysNumber
        }
      >
        {(ids) => (
          <input
            {...ids}
            class="days"
            type="text"
            inputMode="numeric"
            autocomplete="off"
            value={days.value}
            onInput={({ currentTarget }) => (days.value = currentTarget.value)}
          />
        )}
      </Field>
      {working.trouble.value !== null && (
        <Trouble error={working.trouble.value} what={words.settings.keyNotMade} />
      )}
      <div class="form-actions">
        <button type="submit" class="primary" {...busy(working)}>
          {words.settings.makeKey}
        </button>
        <button type="button" class="quiet" onClick={onCancel}>
          {words.common.cancel}
        </button>
      </div>
    </form>
  )
}
