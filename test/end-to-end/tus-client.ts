// The real tus-js-client on one file, watched: which URLs it made, what was acknowledged to it, and what HEAD told it then.

import type { Readable } from 'node:stream'
import { type PreviousUpload, Upload, type UploadOptions, type UrlStorage } from 'tus-js-client'

export interface WatchedUpload {
  readonly upload: Upload
  /** Rejects with the client's error when it gives up. */
  readonly done: Promise<void>
  /** Every Upload-Offset that HEAD answered, in order. */
  readonly headOffsets: number[]
  /** Statuses of HEAD other than 200. */
  readonly headRefusals: number[]
  /** How many uploads it has created: more than 1 means that it started again from byte 0. */
  creations(): number
  /** The highest Upload-Offset that a 2xx answer has acknowledged. */
  acknowledgedBytes(): number
  /** Sentences about offsets that went back; empty when no acknowledged byte was lost. */
  readonly losses: string[]
  id(): string
}

/** For half a minute, four times a second: longer than a restart takes. */
const PATIENT_RETRIES = Array.from({ length: 120 }, () => 250)

/** Starts as the client's manual says: from a previous upload of the same file, when `urlStorage` knows one. */
export function startUpload(
  file: Buffer | Readable,
  server: { readonly url: string; readonly key: string },
  options: UploadOptions = {},
): WatchedUpload {
  const headOffsets: number[] = []
  const headRefusals: number[] = []
  const losses: string[] = []
  let creations = 0
  let acknowledgedBytes = 0
  let upload: Upload | undefined

  const done = new Promise<void>((resolve, reject) => {
    // The types know no streams of Node, the client does.
    upload = new Upload(file as Buffer, {
      endpoint: `${server.url}/uploads`,
      headers: { Authorization: `Bearer ${server.key}` },
      retryDelays: PATIENT_RETRIES,
      urlStorage: new MemoryUrlStorage(),
      ...options,
      onSuccess: () => resolve(),
      onError: reject,
      onAfterResponse: (request, response) => {
        const method = request.getMethod()
        const status = response.getStatus()
        if (method === 'POST' && status === 201) creations += 1
        if (method === 'HEAD' && status !== 200) headRefusals.push(status)
        if (status >= 300) return
        const offset = Number(response.getHeader('Upload-Offset') ?? 0)
        if (method === 'HEAD') headOffsets.push(offset)
        if (method !== 'POST' && offset < acknowledgedBytes) {
          losses.push(`${method} says ${offset} after ${acknowledgedBytes} were acknowledged`)
        }
        acknowledgedBytes = Math.max(acknowledgedBytes, offset)
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
    headOffsets,
    headRefusals,
    creations: () => creations,
    acknowledgedBytes: () => acknowledgedBytes,
    losses,
    id: () => String(started.url).split('/').at(-1) ?? '',
  }
}

async function resumeOrStart(upload: Upload): Promise<void> {
  const [previous] = await upload.findPreviousUploads()
  if (previous !== undefined) upload.resumeFromPreviousUpload(previous)
  upload.start()
}

/** What a browser's localStorage is to the client: survives it, and finds its uploads by fingerprint. */
export class MemoryUrlStorage implements UrlStorage {
  readonly #uploads = new Map<string, PreviousUpload>()

  async findAllUploads(): Promise<PreviousUpload[]> {
    return [...this.#uploads.values()]
  }

  async findUploadsByFingerprint(fingerprint: string): Promise<PreviousUpload[]> {
    return [...this.#uploads].filter(([key]) => key.startsWith(`${fingerprint} `)).map(([, upload]) => upload)
  }

  async removeUpload(urlStorageKey: string): Promise<void> {
    this.#uploads.delete(urlStorageKey)
  }

  async addUpload(fingerprint: string, upload: PreviousUpload): Promise<string> {
    const key = `${fingerprint} ${this.#uploads.size}`
    this.#uploads.set(key, { ...upload, urlStorageKey: key })
    return key
  }
}
