// A part of the page that is loaded when it is first shown.

import { useSignal } from '@preact/signals'
import type { ComponentType } from 'preact'
import { useEffect } from 'preact/hooks'
import { words } from '../words/words.js'

interface LaterProps<Props> {
  /** The same function each time. */
  load: () => Promise<ComponentType<Props>>
  props: Props
}

export function Later<Props extends object>({ load, props }: LaterProps<Props>) {
  const loaded = useSignal<{ Part: ComponentType<Props> } | 'failed' | null>(null)
  useEffect(() => {
    load().then(
      (Part) => {
        loaded.value = { Part }
      },
      () => {
        loaded.value = 'failed'
      },
    )
  }, [load, loaded])
  const { value } = loaded
  if (value === null) return <p class="loading">{words.common.loading}</p>
  // The server may be a newer one, which has other files, or the network is away.
  if (value === 'failed') {
    return (
      <div class="card trouble" role="alert">
        <p>{words.frame.unreachable}</p>
        <button type="button" onClick={() => location.reload()}>
          {words.frame.reload}
        </button>
      </div>
    )
  }
  return <value.Part {...props} />
}
