import type { ComponentChildren } from 'preact'
import { useId } from 'preact/hooks'

interface FieldProps {
  label: string
  /** What may be put in. */
  hint?: ComponentChildren
  /** What is wrong with what was put in. */
  trouble?: string | null
  /** The control, which gets the ids that bind it to its label and its words. */
  children: (ids: { id: string; 'aria-describedby'?: string; 'aria-invalid'?: true }) => ComponentChildren
}

/** A control with its label, a hint, and what is wrong. */
export function Field({ label, hint, trouble = null, children }: FieldProps) {
  const id = useId()
  const words = trouble ?? hint
  const wordsId = `${id}-words`
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {children({
        id,
        ...(words === undefined ? {} : { 'aria-describedby': wordsId }),
        ...(trouble === null ? {} : { 'aria-invalid': true as const }),
      })}
      {words !== undefined && (
        <p id={wordsId} class={trouble === null ? 'hint' : 'hint bad'}>
          {words}
        </p>
      )}
    </div>
  )
}
