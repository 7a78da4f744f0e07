// Keeping a package longer: how much, and why. What is too long the server says, with the latest that may be had.

import { useSignal } from '@preact/signals'
import { ApiError } from '../../api/errors.js'
import type { Package } from '../../api/types.js'
import { useDesk } from '../desk.js'
import { Dialog } from '../parts/dialog.js'
import { Field } from '../parts/field.js'
import { dayOf, latestIn, newEnd, SPANS, type Span } from '../parts/new-end.js'
import { tell } from '../parts/notices.js'
import { Trouble } from '../parts/trouble.js'
import { busy, useWorking } from '../parts/working.js'
import { formats, words } from '../words/words.js'
import type { OpenedPackage } from './opened.js'

interface ExtendProps {
  opened: OpenedPackage
  report: Package
  endsAt: string
}

/** What the server takes. */
const MOST_REASON_CHARACTERS = 1_000

export function ExtendPackage({ opened, report, endsAt }: ExtendProps) {
  const isAsking = useSignal(false)
  return (
    <>
      <button
        type="button"
        onClick={() => {
          isAsking.value = true
        }}
      >
        {words.package.extend.begin}
      </button>
      {isAsking.value && (
        <Question
          opened={opened}
          report={report}
          endsAt={endsAt}
          onClose={() => {
            isAsking.value = false
          }}
        />
      )}
    </>
  )
}

function Question({ opened, report, endsAt, onClose }: ExtendProps & { onClose: () => void }) {
  const { antipasto } = useDesk()
  const working = useWorking()
  const span = useSignal<Span>('week')
  const day = useSignal(dayOf(new Date(endsAt)))
  const reason = useSignal('')
  const isTried = useSignal(false)
  const text = words.package.extend
  const end = newEnd(span.value, new Date(endsAt), day.value)
  const isReasonMissing = reason.value.trim() === ''

  function extendUntil(until: Date): void {
    working.run(async () => {
      const { expires_at: expiresAt } = await antipasto.packages.extend(report.id, {
        new_expires_at: until.toISOString(),
        reason: reason.value.trim(),
      })
      onClose()
      opened.refresh()
      tell({ text: text.done(report.name, formats.moment(new Date(expiresAt))) })
    })
  }

  return (
    <Dialog title={<bdi>{text.title(report.name)}</bdi>} onClose={onClose}>
      <form
        class="package-form"
        noValidate
        onSubmit={(event) => {
          event.preventDefault()
          isTried.value = true
          if (end !== null && !isReasonMissing) extendUntil(end)
        }}
      >
        <p>{text.now(formats.moment(new Date(endsAt)))}</p>
        <Field label={text.span}>
          {(ids) => (
            <select
              {...ids}
              value={span.value}
              onChange={({ currentTarget: { value } }) => {
                span.value = SPANS.find((one) => one === value) ?? 'week'
              }}
            >
              {SPANS.map((one) => (
                <option key={one} value={one}>
                  {text.spans[one]}
                </option>
              ))}
            </select>
          )}
        </Field>
        {span.value === 'date' && (
          <Field label={text.day} trouble={end === null ? text.notLater : null}>
            {(ids) => (
              <input
                {...ids}
                type="date"
                value={day.value}
                min={dayOf(new Date(endsAt))}
                onInput={({ currentTarget: { value } }) => {
                  day.value = value
                }}
              />
            )}
          </Field>
        )}
        {end !== null && <p class="hint">{text.newEnd(formats.moment(end))}</p>}
        <Field
          label={text.reason}
          hint={text.reasonHint}
          trouble={isTried.value && isReasonMissing ? text.noReason : null}
        >
          {(ids) => (
            <input
              {...ids}
              type="text"
              dir="auto"
              autocomplete="off"
              required
              maxLength={MOST_REASON_CHARACTERS}
              value={reason.value}
              onInput={({ currentTarget: { value } }) => {
                reason.value = value
              }}
            />
          )}
        </Field>
        {working.trouble.value !== null && (
          <Refusal error={working.trouble.value} onTakeLatest={extendUntil} />
        )}
        <div class="dialog-actions">
          <button type="button" onClick={onClose}>
            {words.common.cancel}
          </button>
          <button type="submit" class="primary" {...busy(working)}>
            {text.act}
          </button>
        </div>
      </form>
    </Dialog>
  )
}

interface RefusalProps {
  error: unknown
  onTakeLatest: (latest: Date) => void
}

function Refusal({ error, onTakeLatest }: RefusalProps) {
  const latest = error instanceof ApiError ? latestIn(error.details) : null
  return (
    <>
      <Trouble error={error} what={words.package.extend.failed} />
      {latest !== null && (
        <button type="button" onClick={() => onTakeLatest(latest)}>
          {words.package.extend.takeLatest(formats.moment(latest))}
        </button>
      )}
    </>
  )
}
