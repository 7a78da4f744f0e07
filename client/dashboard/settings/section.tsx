import type { ComponentChildren } from 'preact'
import { useId } from 'preact/hooks'

interface SectionProps {
  title: string
  /** Beside the title. */
  action?: ComponentChildren
  children: ComponentChildren
}

/** One part of the settings. Its heading takes the focus when what had it is gone. */
export function Section({ title, action, children }: SectionProps) {
  const id = useId()
  return (
    <section class="card settings-section" aria-labelledby={id}>
      <div class="card-head">
        <h2 id={id} tabIndex={-1}>
          {title}
        </h2>
        {action}
      </div>
      {children}
    </section>
  )
}

/** Says what can't be done here with the key that one has. */
export function Lacking({ children }: { children: string }) {
  return <p class="note">{children}</p>
}
