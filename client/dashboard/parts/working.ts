// One thing that the server is asked for at a click: whether it is on its way, and what came in its way.

import { type ReadonlySignal, useSignal } from '@preact/signals'
import { useEffect, useMemo } from 'preact/hooks'
import { tell } from './notices.js'
import { troubleWords } from './trouble.js'

export interface Working {
  readonly isBusy: ReadonlySignal<boolean>
  /** Why it failed the last time. */
  readonly trouble: ReadonlySignal<unknown>
  /**
   * Does it, unless it is being done.
   *
   * @param act its signal tells that nobody looks any more: what only fetches something stops then; what was to be done goes on,
   *   and its failure is told in a notice
   */
  run(act: (signal: AbortSignal) => Promise<void>): void
  forget(): void
}

export function useWorking(): Working {
  const isBusy = useSignal(false)
  const trouble = useSignal<unknown>(null)
  const leaving = useMemo(() => new AbortController(), [])
  useEffect(() => () => leaving.abort(), [leaving])

  async function work(act: (signal: AbortSignal) => Promise<void>): Promise<void> {
    isBusy.value = true
    trouble.value = null
    try {
      await act(leaving.signal)
    } catch (error) {
      if (!leaving.signal.aborted) trouble.value = error
      else if (error !== leaving.signal.reason) tell({ text: troubleWords(error), tone: 'bad' })
    }
    isBusy.value = false
  }

  return {
    isBusy,
    trouble,
    run: (act) => {
      if (!isBusy.peek()) void work(act)
    },
    forget: () => {
      trouble.value = null
    },
  }
}

/** For the button that does it. One that is disabled while it works would lose the focus. */
export function busy({ isBusy }: Working): { 'aria-busy': boolean; 'aria-disabled': boolean } {
  return { 'aria-busy': isBusy.value, 'aria-disabled': isBusy.value }
}
