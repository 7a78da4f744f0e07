// The real tus-js-client sending one file as several uploads at a time, which the server then puts together. Watched: what
// it created, and whether an acknowledged byte was lost at any of the URLs.

import { Upload, type UploadOptions } from 'tus-js-client'
import { MemoryUrlStorage } from './tus-client.js'

export interface ParallelUpload {
  readonly upload: Upload
  /** Rejects with the client's error when it gives up. */
  readonly done: Promise<void>
  /** Of the parts that it has created: more than `parallelUploads` means that one was begun again from byte 0. */
  readonly partIds: string[]
  /** Statuses of HEAD other than 200. */
  readonly headRefusals: number[]
  /** Sentences about offsets that went back; empty when no acknowledged byte was lost. */
  readonly losses: string[]
  /** How many bytes of all parts together have been acknowledged. */
  acknowledgedBytes(): number
  /** Of the whole, once it is done. */
  id(): string
}

/** For half a minute, four times a second: longer than a restart takes. */
const PATIENT_RETRIES = Array.from({ length: 120 }, () => 250)

/** Starts as the client's manual says: from a previous upload of the same file, when `urlStorage` knows one. */
export function startParallelUpload(
  file: Buffer,
  server: { readonly url: string; readonly key: string },
  options: UploadOptions = {},
): ParallelUpload {
  const partIds: string[] = []
  const headRefusals: number[] = []
  const losses: string[] = []
  const acknowledged = new Map<string, number>()
  let upload: Upload | undefined
  const done = new Promise<void>((resolve, reject) => {
    upload = new Upload(file, {
      endpoint: `${server.url}/uploads`,
      headers: { Authorization: `Bearer ${server.key}` },
      parallelUploads: 4,
      retryDelays: PATIENT_RETRIES,
      urlStorage: new MemoryUrlStorage(),
      ...options,
      onSuccess: () => resolve(),
      onError: reject,
      onAfterResponse: (request, response) => {
        const [method, status] = [request.getMethod(), response.getStatus()]
        if (method === 'HEAD' && status !== 200) headRefusals.push(status)
        if (status >= 300) return
        const isPart = request.getHeader('Upload-Concat') === 'partial'
        if (method === 'POST' && isPart) partIds.push(idOf(response.getHeader('Location')))
        const offset = response.getHeader('Upload-Offset')
        if (offset === undefined) return
        const before = acknowledged.get(request.getURL()) ?? 0
        if (Number(offset) < before) losses.push(`${method} says ${offset} after ${before} were acknowledged`)
        acknowledged.set(request.getURL(), Math.max(before, Number(offset)))
      },
    })
    resumeOrStart(upload).catch(reject)
  })
  // Whoever waits sees it; until then it isn't an unhandled one.
  done.catch(() => {})
  if (upload === undefined) throw new Error('The promise did not run its executor.')
  const started = upload
  return {
    upload: started,
    done,
    partIds,
    headRefusals,
    losses,
    acknowledgedBytes: () => [...acknowledged.values()].reduce((sum, bytes) => sum + bytes, 0),
    id: () => idOf(started.url),
  }
}

async function resumeOrStart(upload: Upload): Promise<void> {
  const [previous] = await upload.findPreviousUploads()
  if (previous !== undefined) upload.resumeFromPreviousUpload(previous)
  upload.start()
}

function idOf(url: string | null | undefined): string {
  return String(url).split('/').at(-1) ?? ''
}
