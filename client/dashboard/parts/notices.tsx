// Short messages at the bottom of the page, with one thing that can be done about each: undo, mostly.

import { signal } from '@preact/signals'
import type { ComponentChildren } from 'preact'
import { announce } from '../announcer.js'
import { words } from '../words/words.js'
import { Icon } from './icon.js'

export interface Notice {
  text: string
  tone?: 'plain' | 'bad'
  /** The notice goes with it. */
  action?: { label: string; act: () => void }
  /** More beside the text, such as seconds that run down. */
  aside?: ComponentChildren
  /** How long it stays by itself; default 8 s. Failures stay until they are closed. */
  staysMs?: number
}

const STAYS_MS = 8_000

interface Shown extends Notice {
  id: number
}

const shown = signal<readonly Shown[]>([])
let latest = 0

/** Shows and announces it. Answers how to take it away before its time. */
export function tell(notice: Notice): () => void {
  latest += 1
  const id = latest
  // `peek`: whoever tells something in an effect doesn't want it run again with each notice.
  const close = () => remove(id)
  shown.value = [...shown.peek(), { ...notice, id }]
  announce(notice.text)
  if (notice.tone !== 'bad') setTimeout(close, notice.staysMs ?? STAYS_MS)
  return close
}

function remove(id: number): void {
  const hasFocus = document.activeElement?.closest(`[data-notice="${id}"]`) != null
  shown.value = shown.peek().filter((one) => one.id !== id)
  // Which would be lost with it.
  if (hasFocus) document.querySelector<HTMLElement>('main')?.focus({ preventScroll: true })
}

export function Notices() {
  if (shown.value.length === 0) return null
  return (
    <section aria-label={words.frame.notices}>
      <ul class="notices">
        {shown.value.map(({ id, text, tone = 'plain', action, aside }) => {
          const close = () => remove(id)
          return (
            <li key={id} class="notice" data-tone={tone} data-notice={id}>
              <span class="notice-text" dir="auto">
                {text}
              </span>
              {aside}
              {action !== undefined && (
                <button
                  type="button"
                  onClick={() => {
                    close()
                    action.act()
                  }}
                >
                  {action.label}
                </button>
              )}
              <button type="button" class="icon-button" aria-label={words.common.close} onClick={close}>
                <Icon name="close" />
              </button>
            </li>
          )
        })}
      </ul>
    </section>
  )
}
