// Ending an upload on the server, whose file was taken out of the panel: it can be had back for a while, as a hand may slip.

import type { Antipasto } from '../../api/antipasto.js'
import { Gone } from '../../api/errors.js'
import type { Report } from '../../api/types.js'
import { tell } from '../parts/notices.js'
import { troubleWords } from '../parts/trouble.js'
import type { Reports } from '../staged/reports.js'
import { restore, UNDO_SECONDS } from '../upload/undo.js'
import { words } from '../words/words.js'
import { nameOf, type PanelFile } from './panel-file.js'

export interface CancelingOptions {
  antipasto: Antipasto
  reports: Reports
  /** With the file that it was begun with. */
  goOn(report: Report, file: File): void
}

/** Never throws: what doesn't succeed is told. */
export async function cancelOnServer(
  uploadId: string,
  file: PanelFile,
  { antipasto, reports, goOn }: CancelingOptions,
): Promise<void> {
  const { data } = file
  try {
    const mark = reports.mark()
    const ended = await antipasto.uploads.removeWithUndo(uploadId, UNDO_SECONDS)
    reports.take(ended, mark)
    if (ended.restorable_until === null || !(data instanceof File)) return
    tell({
      text: words.send.canceled(nameOf(file)),
      staysMs: UNDO_SECONDS * 1_000,
      action: { label: words.common.undo, act: () => void undo(data) },
    })
  } catch (error) {
    if (!(error instanceof Gone)) tell({ text: troubleWords(error), tone: 'bad' })
  }

  async function undo(known: File): Promise<void> {
    try {
      const restored = await restore({ antipasto, reports }, uploadId)
      if (restored.state === 'receiving') goOn(restored, known)
    } catch (error) {
      tell({ text: troubleWords(error), tone: 'bad' })
    }
  }
}
