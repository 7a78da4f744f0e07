// One upload in the list: what it is called, how it is doing, how long it stays, and what can be done with it at once.

import { useComputed } from '@preact/signals'
import type { Report } from '../../api/types.js'
import { useDesk } from '../desk.js'
import { Badge } from '../parts/badge.js'
import { CopyButton } from '../parts/copy-button.js'
import { CutName } from '../parts/cut-name.js'
import { Icon } from '../parts/icon.js'
import { Age, Bytes, TimeLeft } from '../parts/measures.js'
import { Progress } from '../parts/progress.js'
import { Trouble } from '../parts/trouble.js'
import { hrefOf } from '../route.js'
import { GoOn } from '../send/go-on.js'
import type { LocalUpload } from '../send/local-uploads.js'
import { nameOf, pathOf } from '../upload/name.js'
import { RemoveButton } from '../upload/remove.js'
import { formats, words } from '../words/words.js'
import { failureWords } from './failure-words.js'
import { fileStanding } from './file-standing.js'
import type { Reasons } from './reasons.js'
import { leaveFrom } from './return.js'

interface UploadRowProps {
  id: string
  reasons: Reasons
  /** Its package is named above it. */
  isInGroup: boolean
}

export function UploadRow({ id, reasons, isInGroup }: UploadRowProps) {
  const { reports, sending } = useDesk()
  const local = useComputed(() => sending.uploads.value.get(id)).value
  const trouble = useComputed(() => reasons.troubles.value.get(id)).value
  const report = reports.of(id).value
  if (report === undefined) return null

  const { word, tone } = fileStanding(report, local)
  const name = nameOf(report)
  const onTrouble = (error: unknown) => reasons.setTrouble(id, error)
  return (
    <div class="staged-row" data-id={id} data-state={report.state}>
      <div class="staged-name">
        <a
          href={hrefOf({ view: 'upload', id })}
          title={report.relative_path ?? name}
          aria-label={name}
          data-row-focus
          onClick={() => leaveFrom(id)}
        >
          <CutName name={name} />
        </a>
        <Under report={report} local={local} isInGroup={isInGroup} />
      </div>
      <div class="staged-state">
        <Badge tone={tone}>{words.state[word]}</Badge>
        <Warnings report={report} />
      </div>
      <div class="staged-size">
        {report.size === null ? <span>{words.staged.sizeUnknown}</span> : <Bytes value={report.size} />}
      </div>
      <div class="staged-age">
        <Age at={report.created_at} />
      </div>
      <div class="staged-end">{isLiving(report) && <TimeLeft at={report.expires_at} />}</div>
      <div class="staged-acts">
        {report.retrieval_url !== null && (
          <CopyButton
            text={report.retrieval_url}
            what={words.staged.urlOf(name)}
            label={words.staged.copyUrl}
          />
        )}
        <GoOn report={report} label={words.staged.goOn} onTrouble={onTrouble} />
        <RemoveButton report={report} isSmall onTrouble={onTrouble} />
      </div>
      <Reason report={report} local={local} />
      {trouble !== undefined && (
        <div class="staged-trouble">
          <Trouble error={trouble} what={words.staged.notDone} />
        </div>
      )}
    </div>
  )
}

function isLiving({ state }: Report): boolean {
  return state === 'receiving' || state === 'finalizing' || state === 'ready'
}

interface UnderProps {
  report: Report
  local: LocalUpload | undefined
  isInGroup: boolean
}

/** Below the name: how far it is, or where it is from. */
function Under({ report, local, isInGroup }: UnderProps) {
  if (report.state === 'receiving') return <HowFar report={report} local={local} />
  if (report.state === 'finalizing') {
    return (
      <p class="staged-under" title={words.staged.checking}>
        <Progress
          part={report.reread_bytes ?? 0}
          whole={report.reread_bytes === null ? null : report.size}
          label={words.staged.progressOf(nameOf(report))}
        />
      </p>
    )
  }
  const folder = folderOf(report)
  const { package_id: packageId, label } = report
  if (folder === null && (isInGroup || (packageId === null && label === null))) return null
  return (
    <p class="staged-under">
      {folder !== null && (
        <span class="staged-folder" dir="auto">
          {folder}
        </span>
      )}
      {!isInGroup && packageId !== null && (
        <a
          class="staged-package"
          href={hrefOf({ view: 'package', id: packageId })}
          dir="auto"
          aria-label={words.staged.inPackage(label ?? words.staged.aPackage)}
          onClick={() => leaveFrom(report.id)}
        >
          <Icon name="package" />
          <span>{label ?? words.staged.aPackage}</span>
        </a>
      )}
      {!isInGroup && packageId === null && label !== null && (
        <span class="staged-folder" dir="auto">
          {label}
        </span>
      )}
    </p>
  )
}

/** Of a file from a folder: all of its path but its name. */
function folderOf(report: Report): string | null {
  const path = pathOf(report)
  const end = path?.lastIndexOf('/') ?? -1
  return path === null || end < 1 ? null : path.slice(0, end)
}

/** "24.0 MB safe · 40% · 3.2 MB/s": what the server has, not what has left this computer. */
function HowFar({ report, local }: Omit<UnderProps, 'isInGroup'>) {
  const safeBytes = Math.max(report.offset, local?.acknowledgedBytes ?? 0)
  const sizeBytes = report.size ?? local?.sizeBytes ?? null
  const rate = local?.presence === 'sending' ? local.bytesPerSecond : null
  const safe =
    sizeBytes === null
      ? words.staged.safeSoFar(formats.bytes(safeBytes))
      : words.staged.safe(formats.bytes(safeBytes), formats.percent(safeBytes, sizeBytes))
  return (
    <p class="staged-under" title={words.staged.safeHint}>
      <Progress part={safeBytes} whole={sizeBytes} label={words.staged.progressOf(nameOf(report))} />
      <span class="staged-safe number">
        {safe}
        {rate !== null && ` · ${formats.rate(rate)}`}
      </span>
    </p>
  )
}

function Warnings({ report: { warnings } }: { report: Report }) {
  if (warnings.length === 0) return null
  const text = words.staged.warnings(formats.count(warnings.length), warnings.length)
  return (
    <span class="staged-warning" role="img" aria-label={text} title={warnings.join('\n')}>
      <Icon name="warning" />
    </span>
  )
}

/** Why it failed: in short, then in the server's words; or why this tab has stopped. */
function Reason({ report, local }: Omit<UnderProps, 'isInGroup'>) {
  if (local != null && local.trouble !== null) {
    return (
      <div class="staged-reason">
        <p dir="auto" title={local.trouble}>
          {local.trouble}
          {local.requestId !== null && (
            <>
              {' '}
              {words.common.requestId} <code>{local.requestId}</code>
            </>
          )}
        </p>
      </div>
    )
  }
  if (report.state !== 'failed') return null
  const { short, detail } = failureWords(report.error, words.staged)
  return (
    <div class="staged-reason">
      <p dir="auto" title={`${short} ${detail}`}>
        <strong>{short}</strong> {detail}
      </p>
    </div>
  )
}
