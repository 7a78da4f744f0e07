// What a package is and has: its totals, and what was said of it when it was made.

import type { ComponentChildren } from 'preact'
import type { Package } from '../../api/types.js'
import { CopyButton } from '../parts/copy-button.js'
import { Bytes, Moment, TimeLeft } from '../parts/measures.js'
import { Progress } from '../parts/progress.js'
import { formats, words } from '../words/words.js'

interface FactsProps {
  report: Package
  isOwn: boolean
  /** What can be done with the whole of it. */
  children: ComponentChildren
}

export function Facts({ report, isOwn, children }: FactsProps) {
  const { counts } = report
  return (
    <section class="card package-part" aria-label={words.package.about}>
      <Totals counts={counts} />
      {counts.unfinished > 0 && (
        <div class="package-progress">
          <Progress part={counts.ready} whole={counts.total} label={words.package.readyOf} />
          <span>{formats.percent(counts.ready, counts.total)}</span>
        </div>
      )}
      {!isOwn && (
        <p class="note" dir="auto">
          {words.package.sharedBy(report.owner)}
        </p>
      )}
      <dl class="facts">
        <Fact name={words.package.kept}>
          <TimeLeft at={report.expires_at} />
          {report.expires_at !== null && (
            <span class="soft until">{words.package.until(formats.moment(new Date(report.expires_at)))}</span>
          )}
        </Fact>
        <Fact name={words.package.created}>
          <Moment at={report.created_at} />
        </Fact>
        <Said name={words.package.label} text={report.label} />
        <Said name={words.package.producer} text={report.producer} />
        <Said name={words.package.subject} text={report.subject} />
        <Said name={words.package.retention} text={report.retention_class} />
        <Fact name={words.package.id}>
          <span class="package-id">
            <code>{report.id}</code>
            <CopyButton text={report.id} what={words.package.id} />
          </span>
        </Fact>
      </dl>
      <Metadata metadata={report.metadata} />
      <Extensions extensions={report.retention.extensions} />
      <div class="package-actions">{children}</div>
    </section>
  )
}

function Totals({ counts }: { counts: Package['counts'] }) {
  const names = words.package.counts
  const tiles = [
    ...[[names.files, counts.total, 'plain'] as const],
    ...(counts.ready === counts.total ? [] : [[names.ready, counts.ready, 'plain'] as const]),
    ...(counts.unfinished === 0 ? [] : [[names.unfinished, counts.unfinished, 'wait'] as const]),
    ...(counts.failed === 0 ? [] : [[names.failed, counts.failed, 'bad'] as const]),
  ]
  return (
    <dl class="totals">
      {tiles.map(([name, value, tone]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd class="total number" data-tone={tone}>
            {formats.count(value)}
          </dd>
        </div>
      ))}
      <div>
        <dt>{names.size}</dt>
        <dd class="total">
          <Bytes value={counts.bytes} />
        </dd>
      </div>
    </dl>
  )
}

function Metadata({ metadata }: { metadata: Package['metadata'] }) {
  if (Object.keys(metadata).length === 0) return null
  return (
    <details class="more-facts">
      <summary>{words.package.metadata}</summary>
      <pre class="metadata" dir="auto">
        {JSON.stringify(metadata, null, 2)}
      </pre>
    </details>
  )
}

function Extensions({ extensions }: { extensions: Package['retention']['extensions'] }) {
  if (extensions.length === 0) return null
  const { history, moved } = words.package.extend
  return (
    <details class="more-facts extensions">
      <summary>{history(formats.count(extensions.length), extensions.length)}</summary>
      <ul>
        {extensions.map(({ at, by, reason, new_expires_at: until }) => (
          <li key={at}>
            <span dir="auto">{reason}</span>
            <span class="soft">
              {moved(formats.moment(new Date(until)), by)} · <Moment at={at} />
            </span>
          </li>
        ))}
      </ul>
    </details>
  )
}

function Said({ name, text }: { name: string; text: string | null }) {
  if (text === null) return null
  return (
    <Fact name={name}>
      <bdi>{text}</bdi>
    </Fact>
  )
}

function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  )
}
