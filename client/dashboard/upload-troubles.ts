// Why files were not sent, in plain sight below the drop area: Uppy itself shows it only when one points at a "?".

import { byId, element } from './element.js'

interface Trouble {
  name: string
  error?: string | null
}

/** `show` draws one line a file; it draws nothing again while they stay the same. */
export function createUploadTroubles(): { show(troubles: readonly Trouble[]): void } {
  const list = byId('upload-troubles', HTMLElement)
  let drawn = ''
  return {
    show(troubles) {
      const lines = troubles.map(({ name, error }) => [name, error ?? ''] as const)
      const wanted = JSON.stringify(lines)
      if (wanted === drawn) return
      drawn = wanted
      list.replaceChildren(
        ...lines.map(([name, why]) =>
          element('li', { class: 'note failure' }, element('strong', {}, name), ` was not sent. ${why}`),
        ),
      )
    },
  }
}
