// A secret just made: here once, and nowhere again.

import type { ComponentChildren } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import { CopyButton } from '../parts/copy-button.js'
import { words } from '../words/words.js'

interface ShownOnceProps {
  title: string
  secret: string
  /** What it is: "API key". */
  what: string
  /** What one does with it. */
  children: ComponentChildren
  onDone: () => void
}

export function ShownOnce({ title, secret, what, children, onDone }: ShownOnceProps) {
  const heading = useRef<HTMLHeadingElement>(null)
  useEffect(() => heading.current?.focus(), [])
  return (
    <div class="shown-once">
      <h3 ref={heading} tabIndex={-1} dir="auto">
        {title}
      </h3>
      <p class="secret">
        <code>{secret}</code>
        <CopyButton text={secret} what={what} />
      </p>
      <p class="never-again">{words.settings.shownOnce}</p>
      {children}
      <button type="button" class="primary" onClick={onDone}>
        {words.settings.kept}
      </button>
    </div>
  )
}
