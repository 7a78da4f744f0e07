// One staged file on the page. A row is built once and then brought up to date, so that a poll disturbs neither the
// focus nor a "Copied" that is still to be read.

import {
  formatBytes,
  formatExactBytes,
  formatMoment,
  formatProgress,
  formatTimeLeft,
  percentArrived,
} from '../format.js'
import { copyButton } from './copy-button.js'
import { element, setText } from './element.js'
import type { Presence, Report, UploadState } from './report.js'

export interface RowActions {
  /** Asks first, then deletes. */
  remove(report: Report): void
  /** Fetches the EML fragment. */
  eml(report: Report): Promise<string>
}

export interface StagedRow {
  readonly element: HTMLLIElement
  readonly report: Report
  update(report: Report, presence: Presence): void
}

/** An unfinished upload says what this tab does with it. */
const PRESENCE_WORDS: Record<Presence, string> = {
  sending: 'Uploading',
  paused: 'Paused',
  stopped: 'Stopped',
  absent: 'Unfinished',
}

const STATE_WORDS: Record<Exclude<UploadState, 'receiving'>, string> = {
  finalizing: 'Checking',
  ready: 'Ready',
  failed: 'Failed',
  canceled: 'Canceled',
  expired: 'Expired',
  deleted: 'Deleted',
}

/** `isOpen`: whether the checksums are unfolded at first. */
export function createStagedRow(
  first: Report,
  presence: Presence,
  isOpen: boolean,
  actions: RowActions,
): StagedRow {
  let report = first
  const title = element('h3', { class: 'title' })
  const badge = element('span', { class: 'badge' })
  const size = element('span')
  const expiry = element('span')
  const remove = element('button', { type: 'button', class: 'quiet danger' })
  const body = element('div', { class: 'row-body' })
  const row = element(
    'li',
    { class: 'staged' },
    element('div', { class: 'row-head' }, title, badge),
    element('div', { class: 'facts' }, size, expiry, remove),
    body,
  )
  remove.addEventListener('click', () => actions.remove(report))

  let progress: Progress | null = null
  let drawn = ''

  function update(next: Report, presenceNow: Presence): void {
    report = next
    const isUnfinished = next.state === 'receiving'
    const isOrphan = isUnfinished && presenceNow === 'absent'
    row.dataset.state = next.state
    row.dataset.id = next.id
    setText(title, next.title)
    setText(badge, next.state === 'receiving' ? PRESENCE_WORDS[presenceNow] : STATE_WORDS[next.state])
    row.dataset.presence = presenceNow
    setText(size, next.sizeBytes === null ? 'Size not known yet' : formatBytes(next.sizeBytes))
    if (next.sizeBytes !== null) size.title = formatExactBytes(next.sizeBytes)
    setText(expiry, expiryWords(next))
    if (next.expiresAt !== null) expiry.title = formatMoment(next.expiresAt)
    setText(remove, isUnfinished ? 'Discard' : 'Delete')
    remove.setAttribute('aria-label', `${remove.textContent} ${next.title}`)
    // A file that this tab is sending is paused and canceled in the drop area; an expired one is gone already.
    remove.hidden = (isUnfinished && !isOrphan) || next.state === 'finalizing' || next.state === 'expired'

    // What the body shows besides the progress; it is built again only when this changes.
    const kind = JSON.stringify([
      next.state,
      isOrphan,
      next.checksums,
      next.retrievalUrl,
      next.warnings,
      next.error,
    ])
    if (kind !== drawn) {
      drawn = kind
      progress = isUnfinished ? progressBar(() => report) : null
      body.replaceChildren(
        ...(progress === null ? [] : [progress.element]),
        ...statusParts(next, isOrphan),
        ...(next.state === 'ready' ? readyParts(next, isOpen, actions) : []),
      )
    }
    progress?.update()
  }

  update(first, presence)
  return {
    element: row,
    get report() {
      return report
    },
    update,
  }
}

function expiryWords(report: Report): string {
  if (report.state === 'expired') return 'Its time is over: the file and its URL are gone'
  if (report.state === 'failed' || report.expiresInSeconds === null) return ''
  return `Expires ${formatTimeLeft(report.expiresInSeconds)}`
}

function statusParts(report: Report, isOrphan: boolean): Node[] {
  const parts: Node[] = []
  if (isOrphan) parts.push(note('hint', 'Drop the same file above to go on from here.'))
  if (report.state === 'finalizing')
    parts.push(note('hint', 'All bytes are here. The checksums are being computed.'))
  if (report.error !== null) parts.push(note('failure', report.error.detail))
  for (const warning of report.warnings) parts.push(note('warning', warning))
  return parts
}

function readyParts(report: Report, isOpen: boolean, actions: RowActions): Node[] {
  const parts: Node[] = []
  if (report.retrievalUrl !== null) {
    parts.push(
      element(
        'div',
        { class: 'value url' },
        element('span', { class: 'value-name' }, 'URL'),
        linkTo(report.retrievalUrl),
        copyButton({ name: `retrieval URL of ${report.title}`, text: report.retrievalUrl }),
      ),
    )
  }
  const { md5, sha1, sha256 } = report.checksums
  const digests: [string, string | null][] = [
    ['MD5', md5],
    ['SHA-1', sha1],
    ['SHA-256', sha256],
  ]
  const values = digests.map(([name, digest]) =>
    element(
      'div',
      { class: 'value', 'data-digest': name },
      element('span', { class: 'value-name' }, name),
      element('code', { class: 'value-text' }, digest ?? 'not computed'),
      ...(digest === null ? [] : [copyButton({ name: `${name} of ${report.title}`, text: digest })]),
    ),
  )
  const eml = element(
    'div',
    { class: 'value' },
    element('span', { class: 'value-name' }, 'EML'),
    element('span', { class: 'value-text plain' }, 'The <physical> element for this file'),
    copyButton({ name: `EML of ${report.title}`, text: () => actions.eml(report) }),
  )
  parts.push(
    element('details', { open: isOpen }, element('summary', {}, 'Checksums and EML'), ...values, eml),
  )
  return parts
}

/** A link when the URL is one of the web; anything else stays text. */
function linkTo(url: string): HTMLElement {
  const isWeb = URL.canParse(url) && ['http:', 'https:'].includes(new URL(url).protocol)
  if (!isWeb) return element('code', { class: 'value-text' }, url)
  return element('a', { class: 'value-text', href: url, rel: 'noreferrer', title: url }, url)
}

function note(kind: 'hint' | 'warning' | 'failure', text: string): HTMLElement {
  return element('p', { class: `note ${kind}` }, text)
}

interface Progress {
  readonly element: HTMLElement
  update(): void
}

function progressBar(current: () => Report): Progress {
  const bar = element('progress', { max: '100' })
  const words = element('span', { class: 'progress-words' })
  return {
    element: element('div', { class: 'progress' }, bar, words),
    update() {
      const { offsetBytes, sizeBytes, title } = current()
      bar.setAttribute('aria-label', `Arrived of ${title}`)
      // Without a value the browser shows "going on, no telling how far".
      const percent = percentArrived(offsetBytes, sizeBytes)
      if (percent === null) bar.removeAttribute('value')
      else bar.value = percent
      setText(words, formatProgress(offsetBytes, sizeBytes))
    },
  }
}
