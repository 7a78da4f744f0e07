// Which uploads have something to say for themselves in the list: why they failed, why this tab stopped sending them, what was
// refused. Kept apart from the reports, as the list's rows are laid out anew only when one of these changes.

import { computed, type ReadonlySignal, signal } from '@preact/signals'
import type { LocalUpload } from '../send/local-uploads.js'
import { createFrameBatch } from './next-frame.js'
import type { Reports } from './reports.js'

export interface Reasons {
  /** Of these a row gives the reason. */
  readonly ids: ReadonlySignal<ReadonlySet<string>>
  /** What was asked for in a row, and refused. */
  readonly troubles: ReadonlySignal<ReadonlyMap<string, unknown>>
  /** @param error null: it is over */
  setTrouble(id: string, error: unknown): void
  close(): void
}

/** What this tab sends, by upload id. */
interface LocalUploads {
  readonly uploads: ReadonlySignal<ReadonlyMap<string, LocalUpload>>
}

export function createReasons(reports: Reports, sending: LocalUploads): Reasons {
  const failed = signal<ReadonlySet<string>>(new Set())
  const troubles = signal<ReadonlyMap<string, unknown>>(new Map())
  const batch = createFrameBatch<string>((ids) => {
    const before = failed.peek()
    const changed = [...ids].filter((id) => (reports.of(id).peek()?.state === 'failed') !== before.has(id))
    if (changed.length === 0) return
    const after = new Set(before)
    for (const id of changed) if (!after.delete(id)) after.add(id)
    failed.value = after
  })
  const stop = reports.onChange((id) => batch.add(id))
  // As text: each step of the progress makes another map, and mostly the same stopped ones.
  const stopped = computed(() =>
    [...sending.uploads.value].flatMap(([id, { trouble }]) => (trouble === null ? [] : [id])).join(' '),
  )
  return {
    ids: computed(() => {
      const ids = stopped.value.split(' ').filter((id) => id !== '')
      return ids.length === 0 ? failed.value : new Set([...failed.value, ...ids])
    }),
    troubles,
    setTrouble(id, error) {
      const next = new Map(troubles.peek())
      if (error === null ? !next.delete(id) : next.get(id) === error) return
      if (error !== null) next.set(id, error)
      troubles.value = next
    },
    close: stop,
  }
}
