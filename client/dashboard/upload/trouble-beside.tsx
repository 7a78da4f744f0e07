// The failure of something that was asked for by a button, shown beside it until it is tried again.

import { useSignal } from '@preact/signals'
import type { VNode } from 'preact'
import { Trouble } from '../parts/trouble.js'

export interface TroubleBeside {
  set(error: unknown): void
  /** @param what wasn't done, as a sentence */
  show(what: string): VNode | null
  /** While it is being asked for. */
  readonly isBusy: boolean
  /** Does it once at a time, and keeps its failure. True when it went well. */
  run(act: () => Promise<void>): Promise<boolean>
}

export function useTroubleBeside(): TroubleBeside {
  const trouble = useSignal<unknown>(null)
  const isBusy = useSignal(false)
  return {
    set(error) {
      trouble.value = error
    },
    show: (what) => (trouble.value === null ? null : <Trouble error={trouble.value} what={what} />),
    isBusy: isBusy.value,
    async run(act) {
      if (isBusy.peek()) return false
      isBusy.value = true
      trouble.value = null
      try {
        await act()
        return true
      } catch (error) {
        trouble.value = error
        return false
      } finally {
        isBusy.value = false
      }
    },
  }
}
