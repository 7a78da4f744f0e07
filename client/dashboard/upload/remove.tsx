// Deleting an upload, with some seconds to undo it. The server keeps the time: what it answers is true in every tab.

import { type ReadonlySignal, useSignal } from '@preact/signals'
import { Gone } from '../../api/errors.js'
import type { Report } from '../../api/types.js'
import { announce } from '../announcer.js'
import { nowMs } from '../clock.js'
import { type Desk, useDesk } from '../desk.js'
import { Icon } from '../parts/icon.js'
import { tell } from '../parts/notices.js'
import { troubleWords } from '../parts/trouble.js'
import { may } from '../sign-in/rights.js'
import { formats, words } from '../words/words.js'
import { nameOf } from './name.js'
import { restore, UNDO_SECONDS } from './undo.js'

/**
 * Deletes or cancels it at once, on the server and in this tab, and tells so with a way back.
 *
 * @returns its report; one that had ended already is no failure
 * @throws PackageFinalized, Conflict while it is being finished, NotFound, ConnectionFailed
 */
export async function removeUpload(desk: Desk, report: Report): Promise<Report> {
  const { id } = report
  const resume = hold(desk, id)
  const asked = desk.reports.mark()
  const startedMs = Date.now()
  let ended: Report
  try {
    ended = await desk.antipasto.uploads.removeWithUndo(id, UNDO_SECONDS)
  } catch (error) {
    if (!(error instanceof Gone)) {
      resume()
      throw error
    }
    // Another tab was first, or its time was over.
    ended = await desk.antipasto.uploads.report(id)
  }
  desk.sending.drop(id)
  desk.reports.take(ended, asked)
  tellRemoved(desk, ended, startedMs + UNDO_SECONDS * 1_000)
  return ended
}

/** Not a byte more for what is to be gone; but it goes on when it stays. Answers how. */
function hold({ sending }: Desk, id: string): () => void {
  const local = sending.uploads.peek().get(id)
  if (local?.presence !== 'sending' && local?.presence !== 'waiting') return () => {}
  sending.pause(id)
  return () => sending.resume(id)
}

/**
 * Brings it back as it was, and says so.
 *
 * @throws Gone when its time is over, Conflict when its place is taken, PackageFinalized
 */
export async function restoreUpload(desk: Desk, id: string): Promise<Report> {
  const report = await restore(desk, id)
  announce(words.upload.restored(nameOf(report)))
  return report
}

/** @param untilMs by this computer's clock: the server's may be another */
function tellRemoved(desk: Desk, ended: Report, untilMs: number): void {
  const name = nameOf(ended)
  const isCanceled = ended.state === 'canceled'
  const text = isCanceled ? words.upload.canceled(name) : words.upload.deleted(name)
  if (ended.restorable_until === null) {
    tell({ text })
    return
  }
  const close = tell({
    text,
    aside: <SecondsLeft untilMs={untilMs} />,
    action: { label: words.common.undo, act: () => void undo(desk, ended) },
    staysMs: Math.max(0, untilMs - Date.now()),
  })
  closeWhenBack(desk.reports.of(ended.id), close)
}

/** Undone elsewhere, there is nothing to undo here. */
function closeWhenBack(report: ReadonlySignal<Report | undefined>, close: () => void): void {
  const stop = report.subscribe((now) => {
    if (now === undefined || isRemoved(now)) return
    close()
    // Called at once with what there is, before `stop` is known.
    queueMicrotask(() => stop())
  })
  setTimeout(stop, UNDO_SECONDS * 1_000)
}

async function undo(desk: Desk, ended: Report): Promise<void> {
  try {
    await restoreUpload(desk, ended.id)
    // The notice has gone with the focus in it.
    if (document.activeElement?.matches('body, main')) headingInView()?.focus()
  } catch (error) {
    tell({ text: words.upload.notRestored(nameOf(ended), troubleWords(error)), tone: 'bad' })
  }
}

function headingInView(): HTMLElement | undefined {
  return [...document.querySelectorAll<HTMLElement>('main h1')].find(
    (heading) => heading.offsetParent !== null,
  )
}

function isRemoved({ state }: Pick<Report, 'state'>): boolean {
  return state === 'deleted' || state === 'canceled'
}

interface SecondsLeftProps {
  untilMs: number
  /** What can't be, however wrong this computer's clock is. */
  mostSeconds?: number
}

/** "12 s", running down. */
export function SecondsLeft({ untilMs, mostSeconds = UNDO_SECONDS }: SecondsLeftProps) {
  const seconds = Math.min(Math.max(0, (untilMs - nowMs.value) / 1_000), mostSeconds)
  return <span class="hint number">{formats.duration(seconds)}</span>
}

interface RemoveButtonProps {
  report: Report
  /** Only the sign: in rows. */
  isSmall?: boolean
  /** It is gone, and this button is about to be: the place for the focus to go to. */
  onRemoved?: () => void
  /** Default: a notice. Null: it is being tried again. */
  onTrouble?: (error: unknown) => void
}

/** Deletes without asking, as it can be undone. Nothing where there is nothing left to delete, or no right to. */
export function RemoveButton({ report, isSmall = false, onRemoved, onTrouble }: RemoveButtonProps) {
  const desk = useDesk()
  const isBusy = useSignal(false)
  if (!isRemovable(report) || !may(desk.me.now.value, 'delete')) return null

  async function remove(): Promise<void> {
    if (isBusy.peek()) return
    isBusy.value = true
    onTrouble?.(null)
    try {
      await removeUpload(desk, report)
      onRemoved?.()
    } catch (error) {
      if (onTrouble !== undefined) onTrouble(error)
      else tell({ text: words.upload.notRemoved(nameOf(report), troubleWords(error)), tone: 'bad' })
    } finally {
      isBusy.value = false
    }
  }

  const isUnfinished = report.state === 'receiving'
  const label = isUnfinished ? words.upload.discard : words.upload.delete
  return (
    <button
      type="button"
      class={isSmall ? 'icon-button danger quiet' : 'danger'}
      aria-label={words.upload.removeOf(label, nameOf(report))}
      title={isSmall ? label : undefined}
      aria-busy={isBusy.value}
      // Not `disabled`, which would throw the focus away.
      aria-disabled={isBusy.value}
      onClick={() => void remove()}
    >
      <Icon name="trash" />
      {!isSmall && label}
    </button>
  )
}

/** What has ended is gone already, and what is being finished is so in a moment. */
function isRemovable({ state }: Report): boolean {
  return state === 'receiving' || state === 'ready' || state === 'failed'
}
