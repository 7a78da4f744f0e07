// The button of an unfinished upload that this tab doesn't have: its file is chosen once more, compared, and it goes on.

import { useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import type { Report } from '../../api/types.js'
import { announce } from '../announcer.js'
import { useDesk } from '../desk.js'
import { Progress } from '../parts/progress.js'
import { Trouble } from '../parts/trouble.js'
import { formats, words } from '../words/words.js'

interface GoOnProps {
  report: Report
  /** On the button, where there is little room. */
  label?: string
  /** Default: beside the button. Null: it is being tried again. */
  onTrouble?: (error: unknown) => void
}

/** Nothing for uploads that are finished, have ended, or are being sent from here. */
export function GoOn({ report, label, onTrouble }: GoOnProps) {
  const { sending, session } = useDesk()
  const root = useRef<HTMLDivElement>(null)
  const input = useRef<HTMLInputElement>(null)
  const button = useRef<HTMLButtonElement>(null)
  const cancel = useRef<HTMLButtonElement>(null)
  const trouble = useSignal<unknown>(null)
  const check = sending.checks.value.get(report.id)
  const isComparing = check !== undefined
  const wasComparing = useRef(isComparing)
  useEffect(() => {
    // Not when it appears: rows come into view all the time.
    if (wasComparing.current === isComparing) return
    wasComparing.current = isComparing
    // One button takes the place of the other.
    if (root.current !== null && isFocusNowhere()) (isComparing ? cancel : button).current?.focus()
  }, [isComparing])
  if (report.state !== 'receiving' || sending.uploads.value.has(report.id)) return null

  const name = report.filename ?? words.send.unnamed
  function tell(error: unknown): void {
    if (onTrouble === undefined) trouble.value = error
    else onTrouble(error)
  }

  async function goOn(file: File | undefined): Promise<void> {
    if (file === undefined) return
    tell(null)
    const row = root.current?.closest('.staged-row')
    try {
      await sending.goOn(report, file)
      announce(words.send.goesOn(name))
      // This button is gone now; whoever pressed it is still here.
      const next = row?.querySelector<HTMLElement>('[data-row-focus]') ?? headingOnShow()
      if (isFocusNowhere()) next?.focus()
    } catch (error) {
      // Whoever has cancelled it knows.
      if (!(error instanceof DOMException && error.name === 'AbortError')) tell(error)
    }
  }

  return (
    <div class="go-on" ref={root}>
      {check === undefined ? (
        <button
          ref={button}
          type="button"
          class="quiet"
          disabled={session.key.value === null}
          aria-label={`${label ?? words.send.goOn} ${name}`}
          title={words.send.goOnOf(name)}
          onClick={() => input.current?.click()}
        >
          {label ?? words.send.goOn}
        </button>
      ) : (
        <p class="go-on-check">
          <span>{words.send.comparing(formats.percent(check.doneBytes, check.ofBytes || 1))}</span>
          <Progress
            part={check.doneBytes}
            whole={check.ofBytes || null}
            label={words.send.comparingOf(name)}
          />
          <button ref={cancel} type="button" class="quiet" onClick={check.cancel}>
            {words.common.cancel}
          </button>
        </p>
      )}
      <input
        ref={input}
        type="file"
        hidden
        aria-label={words.send.goOnOf(name)}
        onChange={({ currentTarget }) => {
          const file = currentTarget.files?.[0]
          // The same file may be chosen a second time, after it was mended.
          currentTarget.value = ''
          void goOn(file)
        }}
      />
      {trouble.value !== null && <Trouble error={trouble.value} what={words.send.notGoneOn} />}
    </div>
  )
}

function isFocusNowhere(): boolean {
  return document.activeElement === null || document.activeElement === document.body
}

function headingOnShow(): HTMLElement | undefined {
  return [...document.querySelectorAll<HTMLElement>('main h1')].find(
    (heading) => heading.offsetParent !== null,
  )
}
