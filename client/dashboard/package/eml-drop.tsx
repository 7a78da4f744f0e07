import { useSignal } from '@preact/signals'
import { useRef } from 'preact/hooks'
import { Icon } from '../parts/icon.js'
import { words } from '../words/words.js'

interface DropAreaProps {
  /** Of the document that is being filled in. */
  busyName: string | null
  /** There is a result, which is what is looked at. */
  isCompact: boolean
  onFiles: (files: readonly File[]) => void
}

/** Takes an EML document, dropped or chosen. */
export function DropArea({ busyName, isCompact, onFiles }: DropAreaProps) {
  const text = words.package.eml
  const input = useRef<HTMLInputElement>(null)
  const isOver = useSignal(false)

  function over(event: DragEvent): void {
    if (!event.dataTransfer?.types.includes('Files')) return
    event.preventDefault()
    event.dataTransfer.dropEffect = 'copy'
    isOver.value = true
  }

  return (
    // Dropping is for the mouse; the button in it does the same for everybody.
    // biome-ignore lint/a11y/noStaticElementInteractions: see above
    <div
      class="eml-drop"
      data-over={isOver.value ? '' : undefined}
      data-compact={isCompact ? '' : undefined}
      aria-busy={busyName !== null}
      onDragEnter={over}
      onDragOver={over}
      onDragLeave={({ currentTarget, relatedTarget }) => {
        if (!(relatedTarget instanceof Node && currentTarget.contains(relatedTarget))) isOver.value = false
      }}
      onDrop={(event) => {
        event.preventDefault()
        event.stopPropagation()
        isOver.value = false
        onFiles([...(event.dataTransfer?.files ?? [])])
      }}
    >
      {!isCompact && <Icon name="file" />}
      <p dir="auto">{busyName === null ? text.drop : text.working(busyName)}</p>
      {!isCompact && <p class="hint">{text.dropHint}</p>}
      <button type="button" onClick={() => input.current?.click()}>
        {isCompact ? text.another : text.choose}
      </button>
      <input
        ref={input}
        type="file"
        hidden
        accept=".xml,application/xml,text/xml"
        aria-label={text.choose}
        onChange={({ currentTarget }) => {
          onFiles([...(currentTarget.files ?? [])])
          // The same one again is a change, too: it was corrected.
          currentTarget.value = ''
        }}
      />
    </div>
  )
}
