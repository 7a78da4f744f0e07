import type { ComponentChildren } from 'preact'

/** `good`: done. `busy`: moves by itself. `wait`: waits for somebody. `bad`: failed. `plain`: over, or only said. */
export type Tone = 'good' | 'busy' | 'wait' | 'bad' | 'plain'

export function Badge({ tone, children }: { tone: Tone; children: ComponentChildren }) {
  return (
    <span class="badge" data-tone={tone}>
      {children}
    </span>
  )
}
