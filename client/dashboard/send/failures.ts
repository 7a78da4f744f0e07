// Files of the panel that stopped, and why.

import { type ReadonlySignal, signal } from '@preact/signals'
import type { Meta, Uppy } from '@uppy/core'
import type { TusBody } from '@uppy/tus'
import { ApiError } from '../../api/errors.js'
import { words } from '../words/words.js'
import { hasEnded } from './next-step.js'
import { begunAnew, nameOf } from './panel-file.js'
import type { Refusal } from './requests.js'

/** A file that stopped. */
export interface Failure extends Refusal {
  fileId: string
  name: string
}

export interface Failures {
  readonly all: ReadonlySignal<readonly Failure[]>
  /** Of the request that stopped it; null: it had none, or nothing is wrong with the file. */
  requestIdOf(fileId: string): string | null
  forget(fileId: string): void
}

/** @param refusalOf reads what Uppy tells */
export function createFailures(uppy: Uppy<Meta, TusBody>, refusalOf: (error: Error) => Refusal): Failures {
  const all = signal<readonly Failure[]>([])

  function forget(fileId: string): void {
    if (all.peek().some((failure) => failure.fileId === fileId)) {
      all.value = all.peek().filter((failure) => failure.fileId !== fileId)
    }
  }

  uppy.on('upload-error', (file, error: unknown) => {
    if (file === undefined) return
    const refusal = refusalOf(error instanceof Error ? error : new Error(String(error)))
    forget(file.id)
    all.value = [...all.peek(), { ...refusal, fileId: file.id, name: nameOf(file) }]
    // Only a hand on "Retry" begins another one.
    if (hasEnded(refusal.status) && uppy.getFile(file.id) !== undefined) {
      uppy.setFileState(file.id, { tus: begunAnew(file), error: words.send.ended })
    }
  })
  uppy.on('upload-success', (file) => {
    if (file !== undefined) forget(file.id)
  })
  uppy.on('upload-retry', (file) => forget(file.id))
  uppy.on('retry-all', (files) => {
    for (const { id } of files) forget(id)
  })
  uppy.on('resume-all', () => {
    all.value = []
  })

  return {
    all,
    requestIdOf(fileId) {
      const error = all.peek().find((failure) => failure.fileId === fileId)?.error
      return error instanceof ApiError ? error.requestId : null
    },
    forget,
  }
}
