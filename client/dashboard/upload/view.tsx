// One upload: all that is known of it, and all that can be done with it.

import './upload.css'
import { useEffect, useMemo, useRef } from 'preact/hooks'
import { NotFound } from '../../api/errors.js'
import type { Report } from '../../api/types.js'
import { useDesk } from '../desk.js'
import { useSubject } from '../frame/title.js'
import { Badge } from '../parts/badge.js'
import { Empty } from '../parts/empty.js'
import { Icon } from '../parts/icon.js'
import { Trouble } from '../parts/trouble.js'
import { hrefOf } from '../route.js'
import { fileStanding } from '../staged/file-standing.js'
import { words } from '../words/words.js'
import { Checksums } from './checksums.js'
import { Eml } from './eml.js'
import { Facts } from './facts.js'
import { Keeping } from './keeping.js'
import { nameOf, pathOf } from './name.js'
import { Note } from './note.js'
import { OpenedUpload } from './opened.js'
import { RemoveButton } from './remove.js'
import { RetrievalUrl } from './retrieval-url.js'
import { Standing } from './standing.js'
import { useTroubleBeside } from './trouble-beside.js'
import { Warnings } from './warnings.js'

export function UploadView({ id }: { id: string }) {
  const desk = useDesk()
  const opened = useMemo(() => new OpenedUpload(id, desk), [id, desk])
  useEffect(() => opened.open(), [opened])
  const report = opened.report.value
  const trouble = opened.trouble.value
  const isMissing = trouble instanceof NotFound
  useSubject(report === undefined || isMissing ? null : nameOf(report))

  return (
    <div class="upload-view">
      <a class="back" href={hrefOf({ view: 'files' })}>
        <Icon name="back" /> {words.common.toFiles}
      </a>
      {isMissing ? (
        <Missing />
      ) : report === undefined || !opened.isWhole.value ? (
        <NotYet report={report} trouble={trouble} onRetry={() => opened.refresh()} />
      ) : (
        <>
          {/* What is shown may be old: it is still better than nothing. */}
          {trouble !== null && <Trouble error={trouble} onRetry={() => opened.refresh()} />}
          <Known report={report} opened={opened} />
        </>
      )}
    </div>
  )
}

function Missing() {
  return (
    <section class="card">
      <h1 tabIndex={-1}>{words.upload.missingTitle}</h1>
      <Empty icon="file" title={words.upload.missingReason}>
        <p>{words.upload.missingAdvice}</p>
      </Empty>
    </section>
  )
}

interface NotYetProps {
  report: Report | undefined
  trouble: unknown
  onRetry: () => void
}

/** While nothing but its name can be told, or not even that. */
function NotYet({ report, trouble, onRetry }: NotYetProps) {
  return (
    <>
      <h1 tabIndex={-1}>
        <bdi>{report === undefined ? words.upload.title : nameOf(report)}</bdi>
      </h1>
      {trouble === null ? (
        <p class="loading">{words.common.loading}</p>
      ) : (
        <Trouble error={trouble} what={words.upload.notLoaded} onRetry={onRetry} />
      )}
    </>
  )
}

function Known({ report, opened }: { report: Report; opened: OpenedUpload }) {
  const isReady = report.state === 'ready'
  return (
    <>
      <Head report={report} />
      <div class="upload-columns">
        <div class="upload-main">
          <Standing report={report} opened={opened} />
          {isReady && <Warnings warnings={report.warnings} />}
          {isReady && <RetrievalUrl report={report} opened={opened} />}
          {isReady && <Checksums report={report} />}
          {isReady && <Eml report={report} />}
        </div>
        <div class="upload-aside">
          <Facts report={report} />
          {(isReady || report.state === 'receiving') && <Keeping report={report} opened={opened} />}
          <Note report={report} opened={opened} />
        </div>
      </div>
    </>
  )
}

/** Of a longer name the letters are smaller. */
const LONG_CHARACTERS = 80

function Head({ report }: { report: Report }) {
  const { sending } = useDesk()
  const heading = useRef<HTMLHeadingElement>(null)
  const removal = useTroubleBeside()
  const { word, tone } = fileStanding(report, sending.uploads.value.get(report.id))
  const [name, path] = [nameOf(report), pathOf(report)]
  return (
    <header class="upload-head">
      <div class="view-head">
        <div class="upload-name">
          {/* Not `dir` on the heading: a name of the other direction stays at the page's own edge. */}
          <h1 tabIndex={-1} ref={heading} data-long={name.length > LONG_CHARACTERS ? '' : undefined}>
            <bdi>{name}</bdi>
          </h1>
          {path !== null && (
            <p class="upload-path">
              <bdi>{path}</bdi>
            </p>
          )}
        </div>
        <Badge tone={tone}>{words.state[word]}</Badge>
        <div class="upload-actions">
          {report.retrieval_url !== null && (
            <a class="button" href={report.retrieval_url} download={name} rel="noreferrer">
              <Icon name="download" /> {words.upload.download}
            </a>
          )}
          <RemoveButton
            report={report}
            onRemoved={() => heading.current?.focus()}
            onTrouble={(error) => removal.set(error)}
          />
        </div>
      </div>
      {removal.show(words.upload.notDeleted)}
    </header>
  )
}
