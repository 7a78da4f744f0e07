// How each request of an upload behaves: its key, what its answer tells, and what follows when it fails.

import type { Meta, UppyFile } from '@uppy/core'
import type { TusBody, TusOptions } from '@uppy/tus'
import type { DetailedError, HttpRequest, HttpResponse } from 'tus-js-client'
import { type ApiError, ConnectionFailed, type ForeignAnswer } from '../../api/errors.js'
import { errorOf } from '../../api/problem.js'
import { uploadIdOf } from '../../api/uploads.js'
import type { Session } from '../sign-in/session.js'
import { isRefusedHead, nextStepAfter, retryDelaysMs } from './next-step.js'
import { sameOriginStack, UPLOADS_URL } from './same-origin.js'

type File = UppyFile<Meta, TusBody>

/**
 * Browsers open six connections to one host over HTTP/1.1, for all of its tabs: the events take one of each tab, and pauses, the
 * list and another tab need some.
 */
const MOST_AT_ONCE = 3

/** Why an upload stopped. */
export interface Refusal {
  error: ApiError | ForeignAnswer | ConnectionFailed
  /** Of HTTP; null: no answer came. */
  status: number | null
}

export interface RequestsOptions {
  session: Session
  /** Changes whenever the file is paused, taken up again or taken away: what waited for its key until then must not go. */
  turnOf(fileId: string): string
  onRequest(fileId: string): void
  /** It failed, and is tried again after a while. */
  onWait(fileId: string): void
  /** The server has answered as it should; it has so many bytes, where it says so. */
  onAnswer(uploadId: string, acknowledgedBytes: number | null): void
}

/** A HEAD whose answer tus-js-client isn't to see; see isRefusedHead. */
class RefusedHead extends Error {
  readonly refusal: Refusal

  constructor(refusal: Refusal) {
    super(refusal.error.message)
    this.refusal = refusal
  }
}

/** Options for @uppy/tus, and how to read the errors that it tells. */
export function createRequests({ session, turnOf, onRequest, onWait, onAnswer }: RequestsOptions): {
  options: TusOptions<Meta, TusBody>
  refusalOf(error: Error): Refusal
} {
  const refusals = new WeakMap<Error, Refusal>()
  const fileOfRequest = new WeakMap<HttpRequest, string>()

  const options: TusOptions<Meta, TusBody> = {
    endpoint: UPLOADS_URL,
    httpStack: sameOriginStack(),
    limit: MOST_AT_ONCE,
    retryDelays: retryDelaysMs(),
    // A URL that was remembered by a file's name and date may be that of an upload which was finished or deleted since. What
    // is unfinished the server knows, and Golden Retriever's files know theirs.
    storeFingerprintForResuming: false,
    urlStorage: {
      findAllUploads: async () => [],
      findUploadsByFingerprint: async () => [],
      removeUpload: async () => {},
      addUpload: async () => '',
    },
    async onBeforeRequest(request, file: File) {
      const turn = turnOf(file.id)
      // Asked for at each request: a key that was typed in the middle of an upload is the one that counts.
      const key = await session.waitForKey()
      // tus-js-client has forgotten this request by now, but a browser would send it: a second one at the same bytes.
      if (turnOf(file.id) !== turn && request.getMethod() !== 'DELETE') await never()
      request.setHeader('Authorization', `Bearer ${key}`)
      fileOfRequest.set(request, file.id)
      onRequest(file.id)
    },
    onAfterResponse(request, response) {
      const status = response.getStatus()
      if (status < 400) session.prove(keyOf(request))
      if (request.getMethod() === 'HEAD' && isRefusedHead(status)) {
        throw new RefusedHead({ error: refusalIn(response), status })
      }
      if (status >= 300 || request.getMethod() === 'DELETE') return
      const offset = Number.parseInt(response.getHeader('Upload-Offset') ?? '', 10)
      onAnswer(uploadIdIn(request, response), offset >= 0 ? offset : null)
    },
    onShouldRetry(error, _attempt, _options, uppyDecides) {
      const { status } = read(error)
      const step = nextStepAfter(status)
      if (step === 'give-up') return false
      const fileId = fileOfRequest.get(error.originalRequest)
      if (fileId !== undefined) onWait(fileId)
      if (step === 'ask-key') {
        session.refuse(keyOf(error.originalRequest))
        return true
      }
      // Uppy also waits for the network to come back, and holds all files after a 429.
      return uppyDecides(error)
    },
    onError(error) {
      const refusal = read(error)
      refusals.set(error, refusal)
      // tus-js-client's message is the whole request and answer. Uppy shows `message`: let it be the server's sentence.
      error.message = refusal.error.message
    },
  }

  function refusalOf(error: Error): Refusal {
    return refusals.get(error) ?? read(error)
  }

  return { options, refusalOf }
}

function read(error: Error | DetailedError): Refusal {
  if (!isDetailed(error)) return { error: new ConnectionFailed(error.message, { code: null }), status: null }
  if (error.causingError instanceof RefusedHead) return error.causingError.refusal
  const response = error.originalResponse
  if (!response) return { error: new ConnectionFailed(error.message, { code: null }), status: null }
  return { error: refusalIn(response), status: response.getStatus() }
}

function refusalIn(response: HttpResponse): ApiError | ForeignAnswer {
  return errorOf({
    status: response.getStatus(),
    header: (name) => response.getHeader(name) ?? null,
    body: response.getBody() ?? '',
  })
}

function isDetailed(error: Error): error is DetailedError {
  return 'originalRequest' in error && 'originalResponse' in error
}

function keyOf(request: HttpRequest): string {
  return request.getHeader('Authorization')?.replace(/^Bearer /, '') ?? ''
}

function uploadIdIn(request: HttpRequest, response: HttpResponse): string {
  const location = request.getMethod() === 'POST' ? response.getHeader('Location') : undefined
  return uploadIdOf(new URL(location ?? request.getURL(), UPLOADS_URL).href)
}

function never(): Promise<never> {
  return new Promise(() => {})
}
