// "3 new files above": what came in while somebody reads further down. Nothing moves under their eyes.

import { useSignal } from '@preact/signals'
import type { ComponentChildren } from 'preact'
import { useMemo } from 'preact/hooks'
import { announce } from '../announcer.js'
import { formats, words } from '../words/words.js'

export interface NewAbove {
  add(keys: readonly string[]): void
  clear(): void
  /** Null while there are none. */
  button: ComponentChildren
}

export function useNewAbove(): NewAbove {
  const keys = useSignal<ReadonlySet<string>>(new Set())
  const actions = useMemo(
    () => ({
      add(more: readonly string[]) {
        if (keys.peek().size === 0) announce(textFor(more.length))
        keys.value = new Set([...keys.peek(), ...more])
      },
      clear() {
        if (keys.peek().size > 0) keys.value = new Set()
      },
    }),
    [keys],
  )
  const { size } = keys.value
  return { ...actions, button: size === 0 ? null : <NewAboveButton count={size} /> }
}

function NewAboveButton({ count }: { count: number }) {
  return (
    <button type="button" class="primary staged-new" onClick={showNew}>
      {textFor(count)}
    </button>
  )
}

function textFor(count: number): string {
  return words.staged.newAbove(formats.count(count), count)
}

function showNew(): void {
  const title = document.querySelector<HTMLElement>('#staged-title')
  title?.scrollIntoView({ block: 'start', behavior: 'instant' })
  title?.focus({ preventScroll: true })
}
