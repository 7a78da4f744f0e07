// The label of the files that are sent next: put in, or one of those in use, or the one that is suggested.

import { useComputed, useSignal } from '@preact/signals'
import { useId } from 'preact/hooks'
import { useDesk } from '../desk.js'
import { Field } from '../parts/field.js'
import { words } from '../words/words.js'
import { labelFor } from './label.js'
import { lastLabel } from './last-label.js'

/** More labels than that nobody looks through; whoever types finds fewer. */
const MOST_OFFERED = 200
/** The server's own bound. */
const MOST_CHARACTERS = 1024

export function LabelField() {
  const { antipasto, me, sending } = useDesk()
  const listId = useId()
  const inUse = useSignal<readonly string[]>([])
  const isAsked = useSignal(false)
  const folder = sending.uploader.value?.chosen.value.folder ?? null
  const last = useComputed(() => (me.now.value === null ? '' : lastLabel(me.now.value.owner)))
  const typed = sending.typedLabel.value
  const label = labelFor({ typed, folder, last: last.value })

  async function askForLabels(): Promise<void> {
    if (isAsked.peek()) return
    isAsked.value = true
    try {
      const { items } = await antipasto.packages.page({ state: ['open'] }, { limit: MOST_OFFERED })
      const labels = items.flatMap((one) => (one.label === null ? [] : [one.label]))
      inUse.value = [...new Set(labels)]
    } catch {
      // It is typed then, and asked for again the next time.
      isAsked.value = false
    }
  }

  return (
    <Field label={words.send.label} hint={hintOf(typed, folder, label)}>
      {(ids) => (
        <>
          <input
            {...ids}
            type="text"
            dir="auto"
            autocomplete="off"
            maxLength={MOST_CHARACTERS}
            list={listId}
            value={label}
            placeholder={words.send.labelEmpty}
            onFocus={() => void askForLabels()}
            onInput={({ currentTarget }) => {
              sending.typedLabel.value = currentTarget.value
            }}
          />
          <datalist id={listId}>
            {inUse.value.map((one) => (
              <option key={one} value={one} />
            ))}
          </datalist>
        </>
      )}
    </Field>
  )
}

function hintOf(typed: string | null, folder: string | null, label: string): string {
  if (typed !== null || label === '') return words.send.labelHint
  return folder === null ? words.send.labelOfLast : words.send.labelOfFolder
}
