// What is shown of the list, and how: search, state, label, order, arrangement. All but the last stand in the address.

import { useSignal } from '@preact/signals'
import type { ComponentChildren } from 'preact'
import { useEffect, useId, useRef } from 'preact/hooks'
import { Icon } from '../parts/icon.js'
import { words } from '../words/words.js'
import { group, isGrouped } from './grouping.js'
import { SORTS, STATE_CHOICES, type StateChoice, type Wish } from './wish.js'
import { wish, wishFor } from './wish-place.js'

/** So long nobody types: the server is asked once for a word, not for each letter. */
const TYPING_MS = 250

export function Toolbar({ labels }: { labels: readonly string[] }) {
  const { state, label, sort } = wish.value
  const text = words.staged
  const choices = label === null || labels.includes(label) ? labels : [label, ...labels]
  return (
    <search class="staged-tools" aria-label={text.title}>
      <Search />
      <Choice
        label={text.state}
        value={state ?? ''}
        onChoose={(value) => wishFor({ state: value === '' ? null : (value as StateChoice) })} // of the options below
      >
        <option value="">{text.states.all}</option>
        {Object.keys(STATE_CHOICES).map((choice) => (
          <option key={choice} value={choice}>
            {text.states[choice as StateChoice]}
          </option>
        ))}
      </Choice>
      <Choice
        label={text.label}
        value={label === null ? '' : `=${label}`}
        onChoose={(value) => wishFor({ label: value === '' ? null : value.slice(1) })}
      >
        <option value="">{text.allLabels}</option>
        {choices.map((choice) => (
          <option key={choice} value={`=${choice}`} dir="auto">
            {choice}
          </option>
        ))}
      </Choice>
      <Choice
        label={text.order}
        value={sort}
        onChoose={(value) => wishFor({ sort: value as Wish['sort'] })} // of the options below
      >
        {SORTS.map((choice) => (
          <option key={choice} value={choice}>
            {text.orders[choice]}
          </option>
        ))}
      </Choice>
      <fieldset class="staged-arrange" aria-label={text.arrange}>
        <button type="button" aria-pressed={isGrouped.value} onClick={() => group(true)}>
          {text.grouped}
        </button>
        <button type="button" aria-pressed={!isGrouped.value} onClick={() => group(false)}>
          {text.flat}
        </button>
      </fieldset>
    </search>
  )
}

function Search() {
  const typed = useSignal(wish.value.text)
  const timer = useRef<ReturnType<typeof setTimeout> | null>(null)
  const wished = wish.value.text
  const wishedHere = useRef(wished)
  // Another address, or "show all", changes the field, too; but what was wished for here may be typed on already.
  useEffect(() => {
    if (wished === wishedHere.current) return
    wishedHere.current = wished
    clearTimeout(timer.current ?? undefined)
    typed.value = wished
  }, [wished, typed])
  useEffect(() => () => clearTimeout(timer.current ?? undefined), [])

  function search(text: string, delayMs: number): void {
    typed.value = text
    clearTimeout(timer.current ?? undefined)
    timer.current = setTimeout(() => {
      wishedHere.current = text.trim()
      wishFor({ text: wishedHere.current }, 'replace')
    }, delayMs)
  }

  return (
    <div class="staged-search">
      <Icon name="search" />
      <input
        type="search"
        dir="auto"
        value={typed.value}
        aria-label={words.staged.search}
        placeholder={words.staged.search}
        maxLength={200}
        onInput={({ currentTarget }) => search(currentTarget.value, TYPING_MS)}
        onKeyDown={({ key, currentTarget }) => {
          if (key === 'Enter') search(currentTarget.value, 0)
        }}
      />
    </div>
  )
}

interface ChoiceProps {
  label: string
  value: string
  onChoose: (value: string) => void
  children: ComponentChildren
}

function Choice({ label, value, onChoose, children }: ChoiceProps) {
  const id = useId()
  return (
    <div class="staged-choice">
      <label for={id} class="visually-hidden">
        {label}
      </label>
      <select id={id} value={value} onChange={({ currentTarget }) => onChoose(currentTarget.value)}>
        {children}
      </select>
    </div>
  )
}
