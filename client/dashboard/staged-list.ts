// The list "Staged files": draws one page of reports, keeps its rows across polls, turns pages, deletes.

import { announce } from './announcer.js'
import type { Api } from './api.js'
import { confirmDialog } from './confirm-dialog.js'
import { byId, element, setText } from './element.js'
import { asSeenHere, isMoving, isShown, type LocalUpload, type Report, type ReportPage } from './report.js'
import { createStagedRow, type RowActions, type StagedRow } from './staged-row.js'

export interface StagedList {
  /** Asks the server for the page on show and draws it. Resolves true when it will soon look different. */
  refresh(): Promise<boolean>
  /** Forgets what is shown: another key, other files. */
  clear(): void
}

export interface StagedListOptions {
  api: Api
  localOf: (uploadId: string) => LocalUpload
  /** The user turned a page or deleted a file: ask again at once. */
  onStale: () => void
}

export function createStagedList({ api, localOf, onStale }: StagedListOptions): StagedList {
  const list = byId('staged-list', HTMLElement)
  const trouble = byId('staged-trouble', HTMLElement)
  const pages = byId('staged-pages', HTMLElement)
  const newer = byId('newer-page', HTMLButtonElement)
  const older = byId('older-page', HTMLButtonElement)

  const rows = new Map<string, StagedRow>()
  /** The cursors that led to the page on show; the last one is its own. Empty: the newest files. */
  let cursors: string[] = []
  let nextCursor: string | null = null
  let latestRequest = 0
  /** The page on show hasn't been drawn yet. */
  let isFirstDraw = true

  function turnTo(path: string[]): void {
    cursors = path
    isFirstDraw = true
    onStale()
    byId('staged-heading', HTMLElement).scrollIntoView({ block: 'start' })
  }
  newer.addEventListener('click', () => turnTo(cursors.slice(0, -1)))
  older.addEventListener('click', () => {
    if (nextCursor !== null) turnTo([...cursors, nextCursor])
  })

  const actions: RowActions = {
    eml: (report) => api.eml(report.id),
    async remove(report) {
      const isAgreed = await confirmDialog(removalQuestion(report))
      if (!isAgreed) return
      try {
        await api.remove(report.id)
        announce(`${report.title} deleted`)
      } catch (error) {
        setText(trouble, `${report.title} was not deleted. ${messageOf(error)}`)
      }
      onStale()
    },
  }

  function draw({ reports, nextCursor: next }: ReportPage): void {
    nextCursor = next
    const shown = reports.filter(isShown)
    const newestReady = shown.find((report) => report.state === 'ready')

    const kept = new Set(shown.map((report) => report.id))
    for (const [id, row] of rows) {
      if (kept.has(id)) continue
      row.element.remove()
      rows.delete(id)
    }
    list.querySelector('.empty')?.remove()

    let before: Element | null = null
    let isAmongArrivals = !isFirstDraw
    for (const report of shown) {
      const row = rows.get(report.id)
      if (row === undefined) {
        // Unfolded are the newest at the start, and what arrives while the page is open.
        const isOpen = isAmongArrivals || (isFirstDraw && report === newestReady)
        rows.set(report.id, createStagedRow(report, localOf(report.id).presence, isOpen, actions))
      } else {
        // What is new behind a row we know has only moved up from the next page.
        isAmongArrivals = false
        if (row.report.state !== 'ready' && report.state === 'ready') announce(`${report.title} is ready`)
        row.update(report, localOf(report.id).presence)
      }
      const placed = rows.get(report.id)?.element
      if (placed !== undefined) {
        placeAfter(list, before, placed)
        before = placed
      }
    }
    isFirstDraw = false
    if (shown.length === 0) list.append(emptyState(cursors.length > 0 || next !== null))

    pages.hidden = cursors.length === 0 && next === null
    newer.disabled = cursors.length === 0
    older.disabled = next === null
  }

  return {
    async refresh() {
      latestRequest += 1
      const request = latestRequest
      const asked = cursors
      try {
        const answer = await api.list(asked.at(-1) ?? null)
        // An answer that was overtaken by a newer question, or belongs to a page that was left, is old news.
        if (request !== latestRequest || asked !== cursors) return true
        const before = [...rows.values()].map((row) => row.report)
        const page = {
          ...answer,
          reports: answer.reports.map((report) => asSeenHere(report, localOf(report.id))),
        }
        draw(page)
        setText(trouble, '')
        return isMoving(before, page.reports)
      } catch (error) {
        if (request === latestRequest) setText(trouble, messageOf(error))
        return false
      }
    },
    clear() {
      latestRequest += 1
      cursors = []
      nextCursor = null
      isFirstDraw = true
      rows.clear()
      list.replaceChildren()
      pages.hidden = true
      setText(trouble, '')
    },
  }
}

/** Puts `placed` behind `before` (null: first); moves nothing that is there already, so that the focus stays. */
function placeAfter(list: Element, before: Element | null, placed: Element): void {
  const there = before === null ? list.firstElementChild : before.nextElementSibling
  if (there === placed) return
  if (before === null) list.prepend(placed)
  else before.after(placed)
}

function removalQuestion(report: Report): { title: string; detail: string; act: string } {
  if (report.state === 'receiving') {
    return {
      title: `Discard ${report.title}?`,
      detail: 'What has arrived so far is thrown away. This cannot be undone.',
      act: 'Discard',
    }
  }
  return {
    title: `Delete ${report.title}?`,
    detail: 'The file goes and its URL stops working at once. This cannot be undone.',
    act: 'Delete',
  }
}

function emptyState(isMidway: boolean): HTMLElement {
  if (isMidway) return element('li', { class: 'empty' }, element('p', {}, 'No files on this page.'))
  return element(
    'li',
    { class: 'empty' },
    element('p', { class: 'empty-title' }, 'Nothing staged yet'),
    element('p', {}, 'Drop a file above. When its last byte is in, its checksums and its URL appear here.'),
  )
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
