// Uppy: the drop area, and how an upload behaves when something goes wrong.

import Uppy, { type UppyFile } from '@uppy/core'
import Dashboard from '@uppy/dashboard'
import Tus, { type TusBody } from '@uppy/tus'
import type { DetailedError, HttpRequest, HttpResponse } from 'tus-js-client'
import { UPLOADS_URL } from './api.js'
import { explainRefusal, isDoubtfulHead, nextStepAfter, retryDelaysMs } from './problem.js'
import { type LocalUpload, type Presence, uploadIdOf } from './report.js'
import { sameOriginStack } from './same-origin.js'
import type { Session } from './session.js'
import { createUploadTroubles } from './upload-troubles.js'

/** Long enough to see "Complete"; then the file is to be found in the list below. */
const HAND_OVER_MS = 2_500
const SETTLE_MS = 500

type FileMeta = Record<string, unknown>

export interface Uploader {
  /** True while a file of this tab is on its way; paused ones are not. */
  isSending(): boolean
  localOf(uploadId: string): LocalUpload
  isEmpty(): boolean
}

export interface UploaderOptions {
  target: HTMLElement
  session: Session
  /** A file started, paused, arrived, failed or was taken away: the list is out of date. */
  onChange: () => void
}

/** A HEAD whose answer is no reason to start again from byte 0; see isDoubtfulHead. */
class DoubtfulHead extends Error {
  readonly status: number

  constructor(status: number) {
    super(`HEAD answered ${status}`)
    this.status = status
  }
}

export function createUploader({ target, session, onChange }: UploaderOptions): Uploader {
  const uppy = new Uppy<FileMeta, TusBody>({
    autoProceed: true,
    onBeforeFileAdded(file) {
      // Uppy gives every file outside a folder `relativePath: null`, and the tus plugin would send the word "null".
      const { relativePath, ...meta } = file.meta
      return { ...file, meta: relativePath ? { ...meta, relativePath } : meta }
    },
  })

  uppy.use(Dashboard, {
    target,
    inline: true,
    width: '100%',
    height: 340,
    theme: 'auto',
    fileManagerSelectionType: 'both',
    disableThumbnailGenerator: true,
    proudlyDisplayPoweredByUppy: false,
    note: 'Any size. Pause, close the laptop, come back: drop the same file again and it goes on where it stopped.',
    locale: {
      strings: {
        dashboardTitle: 'Send files',
        dropPasteBoth: 'Drop data files here, %{browseFiles} or %{browseFolders}',
      },
    },
  })

  uppy.use(Tus, {
    endpoint: UPLOADS_URL,
    httpStack: sameOriginStack(),
    // Browsers open six connections to one host over HTTP/1.1: pauses and the list need some of them.
    limit: 4,
    retryDelays: retryDelaysMs(),
    // Uppy's fingerprint has path, type, size and date of the file; the URL behind it is of no use once all is sent.
    removeFingerprintOnSuccess: true,
    allowedMetaFields: true,
    async onBeforeRequest(request) {
      // Asked for at each request: a key that was typed in the middle of an upload is the one that counts.
      request.setHeader('Authorization', `Bearer ${await session.waitForKey()}`)
    },
    onAfterResponse(request: HttpRequest, response: HttpResponse) {
      const status = response.getStatus()
      if (request.getMethod() === 'HEAD' && isDoubtfulHead(status)) throw new DoubtfulHead(status)
    },
    onShouldRetry(error, _attempt, _options, uppyDecides) {
      const step = nextStepAfter(statusOf(error))
      if (step === 'give-up') return false
      if (step === 'ask-key') {
        session.refuse(keyOf(error.originalRequest))
        return true
      }
      // Uppy also waits for the network to come back, and holds all files after a 429.
      return uppyDecides(error)
    },
    onError(error) {
      // tus-js-client's message is the whole request and answer. Uppy shows `message`: let it be the server's sentence.
      if (isDetailed(error))
        error.message = explainRefusal(statusOf(error), error.originalResponse?.getBody() ?? '')
    },
  })

  const troubles = createUploadTroubles()
  function changed(): void {
    troubles.show(uppy.getFiles().filter((file) => file.error))
    onChange()
  }
  /** The server writes down what arrived when the connection ends: asked at once, it would tell an older number. */
  function paused(): void {
    setTimeout(changed, SETTLE_MS)
  }
  uppy.on('upload-start', changed)
  uppy.on('upload-pause', paused)
  uppy.on('pause-all', paused)
  uppy.on('resume-all', changed)
  uppy.on('upload-retry', changed)
  uppy.on('upload-success', changed)
  uppy.on('upload-error', changed)
  uppy.on('file-removed', changed)
  uppy.on('complete', ({ successful }) => {
    setTimeout(() => {
      for (const file of successful ?? []) {
        if (uppy.getFile(file.id)) uppy.removeFile(file.id)
      }
    }, HAND_OVER_MS)
  })

  return {
    isSending: () => uppy.getFiles().some((file) => presence(file) === 'sending'),
    localOf(uploadId) {
      const file = uppy.getFiles().find((candidate) => idOf(candidate) === uploadId)
      if (file === undefined) return { presence: 'absent', sentBytes: 0 }
      return { presence: presence(file), sentBytes: file.progress.bytesUploaded || 0 }
    },
    isEmpty: () => uppy.getFiles().length === 0,
  }
}

function presence(file: UppyFile<FileMeta, TusBody>): Presence {
  if (file.progress.uploadComplete || !file.progress.uploadStarted) return 'absent'
  if (file.error) return 'stopped'
  return file.isPaused ? 'paused' : 'sending'
}

function idOf(file: UppyFile<FileMeta, TusBody>): string | null {
  const uploadUrl = file.isRemote ? null : file.tus?.uploadUrl
  return uploadUrl ? uploadIdOf(uploadUrl) : null
}

function isDetailed(error: Error): error is DetailedError {
  return 'originalRequest' in error && 'originalResponse' in error
}

function statusOf(error: DetailedError): number | null {
  if (error.causingError instanceof DoubtfulHead) return error.causingError.status
  return error.originalResponse?.getStatus() ?? null
}

function keyOf(request: HttpRequest): string {
  return request.getHeader('Authorization')?.replace(/^Bearer /, '') ?? ''
}
