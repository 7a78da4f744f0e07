// One attempt at the bytes of an upload that is there, over tus-js-client: HEAD, then PATCH until all are in or something breaks.

import { type HttpRequest, type HttpResponse, Upload } from 'tus-js-client'
import { apiError, LocalFileDiffers } from './errors.js'
import { LocalFault } from './persist.js'
import { bytesOf } from './tus-answer.js'
import type { TusRequests } from './tus-requests.js'
import type { UploadSource } from './upload-source.js'

export interface BytesOptions {
  /** Of one PATCH at most; Infinity: all that is left. */
  chunkBytes: number
  onSent(sentBytes: number): void
  /** The server has so many. */
  onAcknowledged(acknowledgedBytes: number): void
  signal: AbortSignal | undefined
}

/** tus-js-client wants a file, which its `fileReader` then opens. */
const PLACEHOLDER = new Blob()

/**
 * Resolves when the server has every byte of `source`.
 *
 * tus-js-client is told of no endpoint and of no retries: so it can't begin another upload at byte 0 in place of this one,
 * which it does whenever HEAD is refused.
 *
 * @throws what TusRequests.faultOf makes of what broke, or the signal's reason
 */
export async function sendBytes(
  requests: TusRequests,
  url: string,
  source: UploadSource,
  options: BytesOptions,
): Promise<void> {
  const { signal } = options
  signal?.throwIfAborted()
  let onAbort: (() => void) | undefined
  try {
    await new Promise<void>((resolve, reject) => {
      const upload = new Upload(PLACEHOLDER, {
        endpoint: null,
        uploadUrl: url,
        retryDelays: null,
        chunkSize: options.chunkBytes,
        httpStack: requests.stack,
        fileReader: { openFile: async () => asFileSource(source, signal) },
        fingerprint: async () => '',
        storeFingerprintForResuming: false,
        onBeforeRequest: (request) => requests.sign(request),
        onAfterResponse: (request, answer) => {
          if (!requests.isSuccess(answer)) return
          const offset = offsetOf(request, answer, source)
          if (offset !== null) options.onAcknowledged(offset)
        },
        onProgress: (sentBytes) => options.onSent(sentBytes),
        onSuccess: () => resolve(),
        onError: reject,
      })
      onAbort = () => {
        void upload.abort()
        reject(signal?.reason)
      }
      signal?.addEventListener('abort', onAbort, { once: true })
      upload.start()
    })
  } catch (error) {
    signal?.throwIfAborted()
    throw requests.faultOf(error, url)
  } finally {
    if (onAbort !== undefined) signal?.removeEventListener('abort', onAbort)
  }
}

function asFileSource(source: UploadSource, signal: AbortSignal | undefined) {
  return {
    size: source.sizeBytes,
    async slice(start: number, end: number) {
      try {
        await source.prepareFrom?.(start, signal)
        const slice = await source.slice(start, end)
        // What is aborted here would be sent all the same, by the stacks of browsers.
        signal?.throwIfAborted()
        return slice
      } catch (error) {
        throw new LocalFault(error)
      }
    },
    close() {}, // whoever opened it
  }
}

/**
 * What a successful answer says that the server has; null when it says nothing.
 *
 * @throws what keeps tus-js-client from going on: it would take any offset, and repeat a request for ever that moves nothing
 */
function offsetOf(request: HttpRequest, answer: HttpResponse, source: UploadSource): number | null {
  const offset = bytesOf(answer.getHeader('Upload-Offset'))
  const length = bytesOf(answer.getHeader('Upload-Length'))
  // tus-js-client says what is wrong then.
  if (offset === null) return null
  if ((length !== null && length !== source.sizeBytes) || offset > source.sizeBytes) {
    throw new LocalFault(
      new LocalFileDiffers(
        `The upload is of ${Math.max(offset, length ?? 0)} bytes, and these are ${source.sizeBytes}.`,
      ),
    )
  }
  const sentFrom = bytesOf(request.getHeader('Upload-Offset'))
  if (request.getMethod() === 'PATCH' && sentFrom !== null && offset <= sentFrom) {
    throw apiError('OFFSET_MISMATCH', `The server took no byte from offset ${sentFrom} on.`, { status: 409 })
  }
  return offset
}
