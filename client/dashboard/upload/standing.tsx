// What is happening to an upload that isn't ready, or why it never will be.

import type { Report } from '../../api/types.js'
import { useDesk } from '../desk.js'
import { CopyButton } from '../parts/copy-button.js'
import { Icon } from '../parts/icon.js'
import { Bytes, Moment } from '../parts/measures.js'
import { Progress } from '../parts/progress.js'
import { hrefOf } from '../route.js'
import { GoOn } from '../send/go-on.js'
import type { LocalUpload } from '../send/local-uploads.js'
import { may } from '../sign-in/rights.js'
import { formats, words } from '../words/words.js'
import { ALGORITHM_NAMES, mismatches } from './comparison.js'
import { DigestValue } from './digest-value.js'
import type { OpenedUpload } from './opened.js'
import { restoreUpload, SecondsLeft } from './remove.js'
import { useTroubleBeside } from './trouble-beside.js'

/** The longest that the server offers: another client may have asked for more than this page does. */
const MOST_UNDO_SECONDS = 600

interface StandingProps {
  report: Report
  opened: OpenedUpload
}

export function Standing({ report, opened }: StandingProps) {
  const { sending } = useDesk()
  switch (report.state) {
    case 'ready':
      return null
    case 'receiving':
      return <Receiving report={report} local={sending.uploads.value.get(report.id)} />
    case 'finalizing':
      return <Finalizing report={report} />
    case 'failed':
      return <Failed report={report} />
    case 'canceled':
    case 'deleted':
    case 'expired':
      return <Ended report={report} opened={opened} />
  }
}

function Receiving({ report, local }: { report: Report; local: LocalUpload | undefined }) {
  const { sending } = useDesk()
  const safeBytes = Math.max(report.offset, local?.acknowledgedBytes ?? 0)
  const { size } = report
  return (
    <section class="card upload-standing">
      <h2>{words.upload.receivingTitle}</h2>
      <div class="upload-progress">
        <Progress part={safeBytes} whole={size} label={words.upload.arrived} />
        {size !== null && <span class="number">{formats.percent(safeBytes, size)}</span>}
      </div>
      <p>
        {words.upload.safeUpTo}{' '}
        <strong>
          <Bytes value={safeBytes} />
        </strong>{' '}
        {size !== null && (
          <>
            {words.upload.ofAll} <Bytes value={size} />
          </>
        )}
        {local?.presence === 'sending' && local.bytesPerSecond !== null && (
          <span class="number"> · {formats.rate(local.bytesPerSecond)}</span>
        )}
      </p>
      {local?.trouble != null && (
        <p class="note failure" dir="auto">
          {local.trouble}
        </p>
      )}
      {local === undefined ? (
        <>
          <p class="hint">{words.upload.elsewhere}</p>
          <GoOn report={report} />
        </>
      ) : (
        <div class="upload-buttons">
          {local.presence === 'sending' || local.presence === 'waiting' ? (
            <button type="button" onClick={() => sending.pause(report.id)}>
              {words.upload.pause}
            </button>
          ) : (
            <button type="button" class="primary" onClick={() => sending.resume(report.id)}>
              {words.upload.resume}
            </button>
          )}
        </div>
      )}
    </section>
  )
}

function Finalizing({ report }: { report: Report }) {
  return (
    <section class="card upload-standing">
      <h2>{words.upload.finalizingTitle}</h2>
      <p>{words.upload.finalizingWords}</p>
      {report.reread_bytes !== null && (
        <div class="upload-progress">
          <Progress part={report.reread_bytes} whole={report.size} label={words.upload.finalizingTitle} />
          {report.size !== null && (
            <span class="number">{formats.percent(report.reread_bytes, report.size)}</span>
          )}
        </div>
      )}
    </section>
  )
}

function Failed({ report }: { report: Report }) {
  const { error } = report
  const advice = error?.code === 'HASH_MISMATCH' || error?.code === 'CONTENT_REFUSED' ? error.code : 'other'
  const differing = mismatches(report)
  return (
    <section class="card upload-standing" data-tone="bad">
      <h2>{words.upload.failedTitle[advice]}</h2>
      {error !== null && advice !== 'HASH_MISMATCH' && (
        <p class="note failure" dir="auto">
          {error.detail}
        </p>
      )}
      {differing.map(({ algorithm, expected, found }) => (
        <dl key={algorithm} class="upload-mismatch">
          <dt>{words.upload.declared(ALGORITHM_NAMES[algorithm])}</dt>
          <dd>
            <DigestValue digest={expected} />
            <CopyButton text={expected} what={words.upload.declared(ALGORITHM_NAMES[algorithm])} />
          </dd>
          <dt>{words.upload.found(ALGORITHM_NAMES[algorithm])}</dt>
          <dd>
            <DigestValue digest={found} />
            <CopyButton text={found} what={words.upload.found(ALGORITHM_NAMES[algorithm])} />
          </dd>
        </dl>
      ))}
      <p>{words.upload.failedAdvice[advice]}</p>
      <p class="hint">{words.upload.bytesGone}</p>
      <SendAgain />
      {error !== null && (
        <p class="request-id">
          <code>{error.code}</code>
        </p>
      )}
    </section>
  )
}

function Ended({ report, opened }: StandingProps) {
  const isRestorable = report.restorable_until !== null
  const state = report.state === 'canceled' || report.state === 'expired' ? report.state : 'deleted'
  const { finished_at: finishedAt, expires_at: expiresAt } = report
  const at = state === 'expired' ? expiresAt : state === 'canceled' ? finishedAt : null
  return (
    <section class="card upload-standing">
      <h2>{words.upload.endedTitle[state]}</h2>
      {at !== null && !isRestorable && (
        <p>
          <Moment at={at} />
        </p>
      )}
      {isRestorable ? (
        <Undo report={report} opened={opened} />
      ) : (
        <>
          <p>{words.upload.endedWords[state]}</p>
          <SendAgain />
        </>
      )}
      <p class="hint">{words.upload.tombstone}</p>
    </section>
  )
}

function SendAgain() {
  return (
    <div class="upload-buttons">
      <a class="button" href={hrefOf({ view: 'files' })}>
        <Icon name="upload" /> {words.upload.sendAgain}
      </a>
    </div>
  )
}

/** Also after a reload, and for what was deleted in another tab: the server says how long. */
function Undo({ report, opened }: StandingProps) {
  const desk = useDesk()
  const undoing = useTroubleBeside()
  if (report.restorable_until === null || !may(desk.me.now.value, 'delete')) return null

  async function undo(): Promise<void> {
    const isBack = await undoing.run(() => opened.change(() => restoreUpload(desk, report.id)))
    if (isBack) document.querySelector<HTMLElement>('.upload-view h1')?.focus()
  }

  return (
    <>
      <p>{words.upload.undoWords}</p>
      <div class="upload-buttons">
        <button type="button" class="primary" aria-busy={undoing.isBusy} onClick={() => void undo()}>
          {words.upload.restore}
        </button>
        <SecondsLeft untilMs={Date.parse(report.restorable_until)} mostSeconds={MOST_UNDO_SECONDS} />
      </div>
      {undoing.show(words.upload.notRestoredHere)}
    </>
  )
}
