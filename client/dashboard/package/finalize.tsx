// The package's one turning point: before it the way there, after it what came of it.

import { useSignal } from '@preact/signals'
import { useRef } from 'preact/hooks'
import type { Package } from '../../api/types.js'
import { useDesk } from '../desk.js'
import { Dialog } from '../parts/dialog.js'
import { tell } from '../parts/notices.js'
import { Trouble } from '../parts/trouble.js'
import { busy, useWorking } from '../parts/working.js'
import { hrefOf } from '../route.js'
import { formats, words } from '../words/words.js'
import { Manifest } from './manifest.js'
import { notReadyIn } from './not-ready.js'
import type { OpenedPackage } from './opened.js'

interface FinalizeProps {
  opened: OpenedPackage
  report: Package
  mayFinalize: boolean
}

export function Finalize({ opened, report, mayFinalize }: FinalizeProps) {
  const isAsking = useSignal(false)
  const heading = useRef<HTMLHeadingElement>(null)
  const isFinalized = report.state === 'finalized'
  const { counts } = report
  const notReady = counts.failed + counts.unfinished
  const text = words.package.finalize

  if (!isFinalized && !mayFinalize) return null
  return (
    <section class="card package-part">
      <h2 ref={heading} tabIndex={-1}>
        {isFinalized ? words.package.manifest.title : text.title}
      </h2>
      {isFinalized ? (
        <Manifest report={report} />
      ) : (
        <div class="package-step">
          <p>{text.why}</p>
          {notReady > 0 && <p class="note warning">{text.notYet(formats.count(notReady), notReady)}</p>}
          {counts.total === 0 && <p class="hint">{text.noFile}</p>}
          <button
            type="button"
            class={notReady === 0 ? 'primary' : ''}
            disabled={counts.total === 0}
            onClick={() => {
              isAsking.value = true
            }}
          >
            {text.begin}
          </button>
        </div>
      )}
      {isAsking.value && !isFinalized && (
        <Question
          opened={opened}
          report={report}
          onClose={(isDone) => {
            isAsking.value = false
            // The button that had the focus is gone.
            if (isDone) requestAnimationFrame(() => heading.current?.focus())
          }}
        />
      )}
    </section>
  )
}

interface QuestionProps {
  opened: OpenedPackage
  report: Package
  onClose: (isDone: boolean) => void
}

function Question({ opened, report, onClose }: QuestionProps) {
  const { antipasto } = useDesk()
  const working = useWorking()
  const text = words.package.finalize
  const { total, bytes } = report.counts
  const files = words.package.filesOf(formats.count(total), total)

  function finalize(): void {
    working.run(async () => {
      const finalized = await antipasto.packages.finalize(report.id)
      onClose(true)
      opened.take(finalized)
      tell({ text: text.done(finalized.name) })
    })
  }

  return (
    <Dialog title={<bdi>{text.ask(report.name)}</bdi>} onClose={() => onClose(false)}>
      <p>{text.what(files, formats.bytes(bytes))}</p>
      <p>{text.final}</p>
      {working.trouble.value !== null && <Refusal error={working.trouble.value} />}
      <div class="dialog-actions">
        <button type="button" onClick={() => onClose(false)}>
          {words.common.cancel}
        </button>
        <button type="button" class="primary" {...busy(working)} onClick={finalize}>
          {text.act(formats.count(total), total)}
        </button>
      </div>
    </Dialog>
  )
}

/** The server's words name a few; here are all that it tells, to go there. */
function Refusal({ error }: { error: unknown }) {
  const notReady = notReadyIn(error)
  const text = words.package.finalize
  const more = notReady === null ? 0 : notReady.count - notReady.files.length
  return (
    <>
      <Trouble error={error} what={text.failed} />
      {notReady !== null && (
        <>
          <p>{text.inTheWay}</p>
          <ul class="in-the-way">
            {notReady.files.map(({ id, path, state }) => (
              <li key={id}>
                <a href={hrefOf({ view: 'upload', id })} dir="auto">
                  {path}
                </a>
                {state !== null && <span class="soft">{stateWords(state)}</span>}
              </li>
            ))}
            {more > 0 && <li class="soft">{text.more(formats.count(more), more)}</li>}
          </ul>
        </>
      )}
    </>
  )
}

function stateWords(state: string): string {
  return Object.entries(words.state).find(([name]) => name === state)?.[1] ?? state
}
