// Files among those that were chosen which the server has begun to receive before: they are offered to go on.

import { type ReadonlySignal, type Signal, signal } from '@preact/signals'
import type { Meta, Uppy } from '@uppy/core'
import type { TusBody } from '@uppy/tus'
import type { Antipasto } from '../../api/antipasto.js'
import type { Report } from '../../api/types.js'
import type { Session } from '../sign-in/session.js'
import { begunBefore } from './begun-before.js'
import { descriptorOf, type PanelFile, uploadIdIn } from './panel-file.js'

/** So many of the unfinished ones are looked through. */
const MOST_UNFINISHED = 500

/** A file that was begun before, and can go on. */
export interface Offer {
  fileId: string
  report: Report
}

export interface Offers {
  readonly all: ReadonlySignal<readonly Offer[]>
  /** Whether these go on, rather than begin anew. */
  readonly isTaking: Signal<boolean>
  /** Of files that have just been added. */
  lookFor(files: readonly PanelFile[]): Promise<void>
  /** They are to be sent: takes those that go on out of the panel, to be compared. */
  take(): void
  forget(fileId: string): void
}

export interface OffersOptions {
  uppy: Uppy<Meta, TusBody>
  antipasto: Antipasto
  session: Session
  /** This tab has that upload already. */
  isHere(uploadId: string): boolean
  /** Compares it, and goes on with it. */
  goOn(report: Report, file: File): Promise<void>
  /** It is another file after all, or couldn't be compared. */
  onRefused(error: unknown): void
}

export function createOffers(options: OffersOptions): Offers {
  const { uppy, antipasto, session, isHere, goOn, onRefused } = options
  const all = signal<readonly Offer[]>([])
  const isTaking = signal(true)
  const declined = new Set<string>()

  async function lookFor(files: readonly PanelFile[]): Promise<void> {
    const fresh = files.filter((file) => uploadIdIn(file) === null && !declined.has(file.id))
    if (fresh.length === 0 || session.key.peek() === null) return
    const page = await antipasto.uploads
      .page({ state: ['receiving'] }, { limit: MOST_UNFINISHED })
      // Whoever can't be told of it begins anew, as they meant to.
      .catch(() => null)
    const unfinished = (page?.items ?? []).filter(({ id }) => !isHere(id))
    const found = fresh.flatMap((file) => {
      const report = begunBefore(
        { name: file.name, sizeBytes: file.size ?? 0, relativePath: file.meta.relativePath ?? null },
        unfinished,
      )
      const isThere = uppy.getFile(file.id)?.progress.uploadStarted === null
      return report === null || !isThere ? [] : [{ fileId: file.id, report }]
    })
    const fileIds = new Set(found.map(({ fileId }) => fileId))
    if (found.length > 0) all.value = [...all.peek().filter(({ fileId }) => !fileIds.has(fileId)), ...found]
  }

  function take(): void {
    const offers = isTaking.peek() ? all.peek() : []
    all.value = []
    for (const { fileId, report } of offers) {
      const file = uppy.getFile(fileId)
      const data = file?.data
      if (file === undefined || !(data instanceof File)) continue
      uppy.removeFile(fileId)
      goOn(report, data).catch((error: unknown) => {
        // Back to where it was, to be sent as a file of its own, or not.
        declined.add(fileId)
        uppy.addFiles([descriptorOf(data, file.meta.relativePath ?? null)])
        onRefused(error)
      })
    }
  }

  return {
    all,
    isTaking,
    lookFor,
    take,
    forget(fileId) {
      if (all.peek().some((offer) => offer.fileId === fileId)) {
        all.value = all.peek().filter((offer) => offer.fileId !== fileId)
      }
    },
  }
}
