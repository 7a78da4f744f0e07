// The package that an upload stands in, as far as this view says something of it.

import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import type { Package } from '../../api/types.js'
import { useDesk } from '../desk.js'

/** Undefined while it isn't known, or can't be: the view does without. */
export function usePackageOf(id: string | null): Package | undefined {
  const { antipasto, live } = useDesk()
  const found = useSignal<Package | undefined>(undefined)
  useEffect(() => {
    if (id === null) {
      found.value = undefined
      return
    }
    if (found.peek()?.id !== id) found.value = undefined
    const asking = new AbortController()
    let latest = 0
    const ask = async () => {
      latest += 1
      const turn = latest
      // What can't be told now stays what it was.
      const answer = await antipasto.packages.get(id, asking.signal).catch(() => found.peek())
      if (turn === latest && !asking.signal.aborted) found.value = answer
    }
    const stop = live.onEvent((event) => {
      if (event.package_id === id && event.upload_id === null) void ask()
    })
    void ask()
    return () => {
      asking.abort()
      stop()
    }
  }, [id, antipasto, live, found])
  return found.value
}
