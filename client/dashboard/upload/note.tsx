// What the user has noted of an upload, to be read and changed.

import { useSignal } from '@preact/signals'
import { useLayoutEffect, useRef } from 'preact/hooks'
import type { Report } from '../../api/types.js'
import { announce } from '../announcer.js'
import { useDesk } from '../desk.js'
import { Field } from '../parts/field.js'
import { may } from '../sign-in/rights.js'
import { formats, words } from '../words/words.js'
import { isTooLong, LONGEST_NOTE_BYTES, noteOf } from './note-text.js'
import type { OpenedUpload } from './opened.js'
import { useTroubleBeside } from './trouble-beside.js'

interface NoteProps {
  report: Report
  opened: OpenedUpload
}

export function Note({ report, opened }: NoteProps) {
  const { me } = useDesk()
  const draft = useSignal<string | null>(null)
  const edit = useRef<HTMLButtonElement>(null)
  const isAlive = report.state === 'receiving' || report.state === 'finalizing' || report.state === 'ready'
  const mayEdit = isAlive && may(me.now.value, 'upload')
  if (report.note === null && !mayEdit) return null
  // What was typed when it was deleted is there again when it is back.
  const typed = mayEdit ? draft.value : null

  function close(): void {
    draft.value = null
    // When the button is there again.
    setTimeout(() => edit.current?.focus())
  }

  return (
    <section class="card">
      <div class="card-head">
        <h2>{words.upload.noteTitle}</h2>
        {mayEdit && typed === null && (
          <button
            type="button"
            ref={edit}
            class="quiet"
            onClick={() => {
              draft.value = report.note ?? ''
            }}
          >
            {report.note === null ? words.upload.addNote : words.upload.editNote}
          </button>
        )}
      </div>
      {typed === null ? (
        report.note === null ? (
          <p class="hint">{words.upload.noNote}</p>
        ) : (
          <p class="upload-note" dir="auto">
            {report.note}
          </p>
        )
      ) : (
        <Editor
          report={report}
          opened={opened}
          draft={typed}
          onDraft={(text) => {
            draft.value = text
          }}
          onClose={close}
        />
      )}
    </section>
  )
}

interface EditorProps extends NoteProps {
  draft: string
  onDraft: (text: string) => void
  onClose: () => void
}

function Editor({ report, opened, draft, onDraft, onClose }: EditorProps) {
  const { antipasto } = useDesk()
  const saving = useTroubleBeside()
  const area = useRef<HTMLTextAreaElement>(null)
  useLayoutEffect(() => area.current?.focus(), [])
  const note = noteOf(draft)
  const isRefused = isTooLong(note)

  async function save(): Promise<void> {
    if (isRefused) return
    const isSaved = await saving.run(() => opened.change(() => antipasto.uploads.change(report.id, { note })))
    if (!isSaved) return
    announce(words.upload.noteSaved)
    onClose()
  }

  return (
    <form
      class="upload-note-form"
      onSubmit={(event) => {
        event.preventDefault()
        void save()
      }}
      onKeyDown={(event) => {
        // These are for the input method then, which makes characters of several keys.
        if (event.isComposing) return
        if (event.key === 'Escape') onClose()
        // A note is one line.
        if (event.key === 'Enter' && event.target === area.current) {
          event.preventDefault()
          void save()
        }
      }}
    >
      <Field
        label={words.upload.noteTitle}
        hint={words.upload.noteHint}
        trouble={isRefused ? words.upload.noteTooLong(formats.exactBytes(LONGEST_NOTE_BYTES)) : null}
      >
        {(ids) => (
          <textarea
            {...ids}
            ref={area}
            rows={4}
            dir="auto"
            value={draft}
            onInput={({ currentTarget }) => onDraft(currentTarget.value)}
          />
        )}
      </Field>
      {saving.show(words.upload.noteNotSaved)}
      <div class="upload-buttons">
        <button type="submit" class="primary" aria-busy={saving.isBusy} disabled={isRefused}>
          {words.upload.save}
        </button>
        <button type="button" onClick={onClose}>
          {words.common.cancel}
        </button>
      </div>
    </form>
  )
}
