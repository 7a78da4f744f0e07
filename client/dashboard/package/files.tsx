// The files of a package by their paths, and before them those that failed.

import { useMemo, useRef } from 'preact/hooks'
import type { Package } from '../../api/types.js'
import { useDesk } from '../desk.js'
import { Badge } from '../parts/badge.js'
import { CutName } from '../parts/cut-name.js'
import { Empty } from '../parts/empty.js'
import { Bytes } from '../parts/measures.js'
import { useMedia } from '../parts/media.js'
import { Progress } from '../parts/progress.js'
import { Windowed } from '../parts/windowed.js'
import { hrefOf } from '../route.js'
import { fileStanding } from '../staged/file-standing.js'
import { RemoveButton } from '../upload/remove.js'
import { formats, words } from '../words/words.js'
import { isStanding, pathOf } from './file-path.js'
import type { OpenedPackage } from './opened.js'

/** As package.css has them. */
const NARROW_QUERY = '(max-width: 640px)'
const WIDE_ROW_PX = 44
const NARROW_ROW_PX = 64

interface FilesProps {
  opened: OpenedPackage
  report: Package
}

export function Files({ opened, report }: FilesProps) {
  const text = words.package.files
  const fileIds = opened.fileIds.value
  const failedIds = opened.failedIds.value
  const { total } = report.counts
  const heading = useRef<HTMLHeadingElement>(null)
  return (
    <section class="card package-part">
      <div class="part-head">
        <h2 ref={heading} tabIndex={-1}>
          {text.title}
        </h2>
        {total > 0 && <span class="soft">{words.package.filesOf(formats.count(total), total)}</span>}
      </div>
      {failedIds.length > 0 && (
        <div class="failed-files">
          <h3>{text.failed}</h3>
          <p class="hint">{text.failedHint}</p>
          <ul aria-label={text.failed}>
            {failedIds.map((id) => (
              <FailedRow key={id} id={id} onRemoved={() => heading.current?.focus()} />
            ))}
          </ul>
        </div>
      )}
      {fileIds === null && <p class="loading">{words.common.loading}</p>}
      {fileIds?.length === 0 && failedIds.length === 0 && (
        <Empty icon="file" title={text.empty}>
          <p dir="auto">
            {report.label === null || report.state !== 'open'
              ? text.emptyOfId
              : text.emptyOfLabel(report.label)}
          </p>
        </Empty>
      )}
      {fileIds !== null && fileIds.length > 0 && (
        <FileList opened={opened} fileIds={fileIds} isFinal={report.state === 'finalized'} />
      )}
    </section>
  )
}

interface FileListProps {
  opened: OpenedPackage
  fileIds: readonly string[]
  /** No file is taken out of it any more. */
  isFinal: boolean
}

function FileList({ opened, fileIds, isFinal }: FileListProps) {
  const isNarrow = useMedia(NARROW_QUERY)
  const rows = useMemo(
    () => fileIds.map((key) => ({ key, heightPx: isNarrow ? NARROW_ROW_PX : WIDE_ROW_PX })),
    [fileIds, isNarrow],
  )
  return (
    <Windowed
      rows={rows}
      label={words.package.files.list}
      isWhole={!opened.hasMore}
      render={({ key }) => <FileRow id={key} isFinal={isFinal} />}
      onNearEnd={() => void opened.more()}
    />
  )
}

interface FileRowProps {
  id: string
  isFinal: boolean
  /** Default: the focus goes to the row, and on to the next one when it goes. */
  onRemoved?: () => void
}

function FileRow({ id, isFinal, onRemoved }: FileRowProps) {
  const link = useRef<HTMLAnchorElement>(null)
  const { reports, sending } = useDesk()
  const report = reports.of(id).value
  if (report === undefined) return null
  const { word, tone, progress } = fileStanding(report, sending.uploads.value.get(id))
  const path = pathOf(report)
  return (
    <div
      class="package-file"
      data-state={report.state}
      data-is-over={isStanding(report.state) ? undefined : ''}
    >
      <a ref={link} class="file-path" data-row-focus href={hrefOf({ view: 'upload', id })} title={path}>
        <CutName name={path} />
      </a>
      <span class="file-size">
        {report.size === null ? (
          <span class="soft">{words.package.files.unknownSize}</span>
        ) : (
          <Bytes value={report.size} />
        )}
      </span>
      <Badge tone={tone}>{words.state[word]}</Badge>
      {progress !== null && (
        <div class="file-progress">
          <Progress part={progress.doneBytes} whole={progress.sizeBytes} label={path} />
          <span>
            {progress.sizeBytes === null
              ? formats.bytes(progress.doneBytes)
              : formats.percent(progress.doneBytes, progress.sizeBytes)}
          </span>
        </div>
      )}
      {!isFinal && (
        <RemoveButton report={report} isSmall onRemoved={onRemoved ?? (() => link.current?.focus())} />
      )}
    </div>
  )
}

function FailedRow({ id, onRemoved }: { id: string; onRemoved: () => void }) {
  const report = useDesk().reports.of(id).value
  if (report === undefined) return null
  return (
    <li>
      <FileRow id={id} isFinal={false} onRemoved={onRemoved} />
      {report.error !== null && (
        <p class="file-why" dir="auto">
          {report.error.detail}
        </p>
      )}
    </li>
  )
}
