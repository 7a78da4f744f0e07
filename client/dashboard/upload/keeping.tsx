// Until when an upload is kept, and how to keep it longer.

import { useSignal } from '@preact/signals'
import { ApiError } from '../../api/errors.js'
import type { Report } from '../../api/types.js'
import { announce } from '../announcer.js'
import { useDesk } from '../desk.js'
import { Field } from '../parts/field.js'
import { Moment, TimeLeft } from '../parts/measures.js'
import { dayOf, latestIn, newEnd, type Span } from '../parts/new-end.js'
import { Trouble } from '../parts/trouble.js'
import { hrefOf } from '../route.js'
import { may } from '../sign-in/rights.js'
import { formats, words } from '../words/words.js'
import type { OpenedUpload } from './opened.js'
import { usePackageOf } from './package-of.js'

interface KeepingProps {
  report: Report
  opened: OpenedUpload
}

export function Keeping({ report, opened }: KeepingProps) {
  const { me } = useDesk()
  const found = usePackageOf(report.package_id)
  const { expires_at: endsAt, state } = report
  return (
    <section class="card">
      <h2>{words.upload.keepingTitle}</h2>
      <div>
        {endsAt !== null && (
          <p>
            <Moment at={endsAt} />
          </p>
        )}
        <p class="soft">
          <TimeLeft at={endsAt} />
        </p>
      </div>
      {state === 'receiving' && <p class="hint">{words.upload.keepingUnfinished}</p>}
      {found?.state === 'finalized' ? (
        <p class="hint">
          {words.upload.keepingFinalized}{' '}
          <a href={hrefOf({ view: 'package', id: found.id })}>{words.upload.toPackage}</a>
        </p>
      ) : (
        endsAt !== null &&
        may(me.now.value, 'upload') && <Extend report={report} endsAt={new Date(endsAt)} opened={opened} />
      )}
    </section>
  )
}

const QUICK = ['week', 'month'] as const satisfies readonly Span[]

function Extend({ report, endsAt, opened }: KeepingProps & { endsAt: Date }) {
  const { antipasto } = useDesk()
  const trouble = useSignal<unknown>(null)
  const isBusy = useSignal(false)
  const day = useSignal('')
  const wanted = newEnd('date', endsAt, day.value)

  async function keepUntil(end: Date | null): Promise<void> {
    if (end === null || isBusy.peek()) return
    isBusy.value = true
    trouble.value = null
    try {
      await opened.change(() => antipasto.uploads.change(report.id, { expires_at: end.toISOString() }))
      day.value = ''
      announce(words.upload.kept(formats.moment(end)))
    } catch (error) {
      trouble.value = error
    } finally {
      isBusy.value = false
    }
  }

  const latest = trouble.value instanceof ApiError ? latestIn(trouble.value.details) : null
  return (
    <div class="upload-extend">
      <h3>{words.upload.extend}</h3>
      <div class="upload-buttons">
        {QUICK.map((span) => (
          <button
            key={span}
            type="button"
            aria-busy={isBusy.value}
            onClick={() => void keepUntil(newEnd(span, endsAt, ''))}
          >
            {words.upload.longer[span]}
          </button>
        ))}
      </div>
      <form
        class="upload-until"
        onSubmit={(event) => {
          event.preventDefault()
          void keepUntil(wanted)
        }}
      >
        <Field
          label={words.upload.untilDay}
          trouble={day.value !== '' && wanted === null ? words.upload.dayTooEarly : null}
        >
          {(ids) => (
            <input
              {...ids}
              type="date"
              min={dayOf(endsAt)}
              value={day.value}
              onInput={({ currentTarget }) => {
                day.value = currentTarget.value
              }}
            />
          )}
        </Field>
        <button type="submit" aria-busy={isBusy.value} disabled={wanted === null}>
          {words.upload.keep}
        </button>
      </form>
      {trouble.value !== null && latest === null && (
        <Trouble error={trouble.value} what={words.upload.notKept} />
      )}
      {latest !== null && (
        <div class="note failure" role="alert">
          <p>
            {words.upload.notKept}{' '}
            {latest > endsAt ? words.upload.keptAtMost(formats.moment(latest)) : words.upload.keptLongest}
          </p>
          {latest > endsAt && (
            <button type="button" aria-busy={isBusy.value} onClick={() => void keepUntil(latest)}>
              {words.upload.keepAtMost}
            </button>
          )}
        </div>
      )}
    </div>
  )
}
