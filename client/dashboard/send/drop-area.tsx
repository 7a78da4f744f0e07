// Where files come in while there are none: it is here before Uppy is, and takes whatever is dropped meanwhile.

import { useSignal } from '@preact/signals'
import { useId, useRef } from 'preact/hooks'
import { useDesk } from '../desk.js'
import { Icon } from '../parts/icon.js'
import { words } from '../words/words.js'
import { hasFiles, pickFrom, pickOf } from './picked.js'

/** Preact's types don't know it; all browsers do. */
const FOLDERS = { webkitdirectory: true }

export function DropArea() {
  const { sending } = useDesk()
  const titleId = useId()
  const isOver = useSignal(false)
  const files = useRef<HTMLInputElement>(null)
  const folder = useRef<HTMLInputElement>(null)

  return (
    <fieldset
      class="drop-area"
      aria-labelledby={titleId}
      data-over={isOver.value ? '' : undefined}
      onPointerEnter={() => sending.prepare()}
      onFocusCapture={() => sending.prepare()}
      onDragEnter={(event) => {
        if (hasFiles(event.dataTransfer)) isOver.value = true
      }}
      onDragOver={(event) => {
        if (!hasFiles(event.dataTransfer)) return
        event.preventDefault()
        if (event.dataTransfer !== null) event.dataTransfer.dropEffect = 'copy'
      }}
      onDragLeave={(event) => {
        const { relatedTarget } = event
        if (!(relatedTarget instanceof Node && event.currentTarget.contains(relatedTarget)))
          isOver.value = false
      }}
      onDrop={(event) => {
        isOver.value = false
        if (event.dataTransfer === null || !hasFiles(event.dataTransfer)) return
        event.preventDefault()
        void pickFrom(event.dataTransfer).then((pick) => sending.add(pick))
      }}
    >
      <Icon name="upload" />
      <p class="drop-title" id={titleId}>
        {isOver.value ? words.send.letGo : words.send.dropHere}
      </p>
      <p class="drop-hint">{words.send.dropHint}</p>
      <div class="drop-buttons">
        <button type="button" class="primary" onClick={() => files.current?.click()}>
          <Icon name="file" />
          {words.send.chooseFiles}
        </button>
        <button type="button" onClick={() => folder.current?.click()}>
          <Icon name="folder" />
          {words.send.chooseFolder}
        </button>
      </div>
      <input
        ref={files}
        type="file"
        multiple
        hidden
        data-pick="files"
        aria-label={words.send.chooseFiles}
        onChange={({ currentTarget }) => take(currentTarget)}
      />
      <input
        ref={folder}
        type="file"
        {...FOLDERS}
        hidden
        data-pick="folder"
        aria-label={words.send.chooseFolder}
        onChange={({ currentTarget }) => take(currentTarget)}
      />
      <p class="drop-promise">{words.send.promise}</p>
    </fieldset>
  )

  function take(input: HTMLInputElement): void {
    sending.add(pickOf(input.files))
    // The same files may be chosen again.
    input.value = ''
  }
}
