// The bytes of a file as an answer (RFC 9110): whole, a range, or not at all. The one way out, whatever URL they are asked at.

import contentDisposition from 'content-disposition'
import type { Request, Response } from 'express'
import { AppError, isAppError } from '../errors.js'
import { FILE_POLICY } from '../http/security-headers.js'
import type { Store } from '../storage/store.js'
import { fileNameOf } from '../uploads/report.js'
import type { Upload } from '../uploads/upload.js'
import { isNotModified, isRangeFresh, parseRange } from './byte-range.js'

/** An upload that can be retrieved. */
export interface RetrievableFile {
  upload: Upload
  objectKey: string
  sha256: string
}

const etagOf = ({ sha256 }: RetrievableFile) => `"${sha256}"`

export function contentTypeOf(upload: Upload): string {
  return upload.contentType ?? 'application/octet-stream'
}

/** True when the asker has these bytes already. */
export function isKnown(request: Request, file: RetrievableFile): boolean {
  return isNotModified(request.headers['if-none-match'], etagOf(file))
}

/** Fetch Metadata's words for: opened, read by a script, shown as a picture, played. */
const BROWSER_USES = new Set(['document', 'empty', 'image', 'audio', 'video'])

/**
 * Refuses what a browser says it wants to run, frame or style a page with: a file is data. `nosniff` lets a script with the type
 * of one pass, and so does a policy of `'self'`.
 *
 * Who isn't a browser doesn't say what it is for.
 *
 * @throws FORBIDDEN
 */
export function assertIsForData(request: Request): void {
  const use = request.headers['sec-fetch-dest']
  if (use === undefined || (typeof use === 'string' && BROWSER_USES.has(use))) return
  throw new AppError('FORBIDDEN', 'Files are here to be saved and read, not to be run or framed by a page.')
}

/**
 * 200 with exact Content-Length, 206 for one range, 304; for HEAD the same without the bytes.
 *
 * A body that can't be sent whole ends with a destroyed connection: PASTA takes a short body for a whole one.
 *
 * @throws FORBIDDEN as `assertIsForData`; RANGE_NOT_SATISFIABLE; NOT_FOUND when the store has lost the object
 */
export async function sendFile(
  request: Request,
  response: Response,
  file: RetrievableFile,
  store: Pick<Store, 'sendObject'>,
): Promise<void> {
  assertIsForData(request)
  const { upload, objectKey, sha256 } = file
  const etag = etagOf(file)
  const lastModified = upload.finishedAt ?? upload.createdAt
  const sizeBytes = Number(upload.sizeBytes)

  response.setHeader('ETag', etag)
  response.setHeader('Last-Modified', lastModified.toUTCString())
  response.setHeader('Cache-Control', 'private, no-cache')
  response.setHeader('Accept-Ranges', 'bytes')
  response.setHeader('Repr-Digest', `sha-256=:${Buffer.from(sha256, 'hex').toString('base64')}:`)
  response.setHeader('Content-Disposition', contentDisposition(fileNameOf(upload)))
  response.setHeader('X-Content-Type-Options', 'nosniff')
  response.setHeader('Content-Security-Policy', FILE_POLICY)
  // Who pulls by URL is no page; a page that has the right reads by CORS, which this doesn't touch.
  response.setHeader('Cross-Origin-Resource-Policy', 'same-origin')
  if (isKnown(request, file)) {
    response.status(304).end()
    return
  }
  // RFC 9110 §13.1.5: a range of something else than what is here now must not be sent. §14.2: ranges are for GET.
  const mayRange = request.method === 'GET' && isRangeFresh(request.get('if-range'), etag, lastModified)
  const range = mayRange ? parseRange(request.headers.range, sizeBytes) : null
  const start = range?.start ?? 0
  const end = range === null ? sizeBytes : range.endInclusive + 1

  response.status(range === null ? 200 : 206)
  if (range !== null) response.setHeader('Content-Range', `bytes ${start}-${end - 1}/${sizeBytes}`)
  response.setHeader('Content-Type', contentTypeOf(upload))
  response.setHeader('Content-Length', String(end - start))
  if (request.method === 'HEAD') {
    response.end()
    return
  }
  try {
    await store.sendObject(objectKey, { start, end }, response, () => response.flushHeaders())
  } catch (error) {
    // Who hangs up has had enough: no failure of ours. A file that is too short is one.
    // The socket knows it first.
    if ((response.destroyed || request.socket.destroyed) && !isAppError(error)) return
    throw error
  }
  response.end()
}
