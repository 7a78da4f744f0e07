// The browser tab's title: how far the uploads are, and what is on show.

import { signal, useSignalEffect } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import type { Desk } from '../desk.js'
import { formats, words } from '../words/words.js'

/** What the view on show is called; null: the files. */
const subject = signal<string | null>(null)

/** Names the view on show in the title, while it is shown. */
export function useSubject(name: string | null): void {
  useEffect(() => {
    subject.value = name
    return () => {
      subject.value = null
    }
  }, [name])
}

export function useTitle({ sending }: Desk): void {
  useSignalEffect(() => {
    const { name } = words.common
    const view = subject.value === null ? name : `${subject.value} · ${name}`
    const total = sending.total.value
    document.title = total?.isMoving
      ? words.frame.titleBusy(formats.percent(total.sentBytes, total.sizeBytes), view)
      : view
  })
}
