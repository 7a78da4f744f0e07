// Retrieval: what PASTA pulls. No credential, never negotiated: the token in the URL is the right. Never a redirect either,
// unless the operator asks for it: EDI wants URLs without, and PASTA stores a 308, or one from http to https, as data.

import contentDisposition from 'content-disposition'
import { type Request, type Response, Router } from 'express'
import { AppError, isAppError } from '../errors.js'
import type { Store } from '../storage/store.js'
import type { Records } from '../uploads/records.js'
import { fileNameOf } from '../uploads/report.js'
import { assertAlive, type Upload } from '../uploads/upload.js'
import { isNotModified, isRangeFresh, parseRange } from './byte-range.js'

/** Long enough for a client to begin; a download under way isn't ended. Short, as nobody can call such a URL back. */
const REDIRECT_SECONDS = 300

export interface RetrievalOptions {
  records: Records
  store: Pick<Store, 'sendObject' | 'objectUrl'>
  /** Whether the bytes are sent from here, or by a URL of the store's own where it has one. */
  mode: 'proxy' | 'redirect'
}

/** An upload that can be retrieved. */
interface RetrievableFile {
  upload: Upload
  objectKey: string
  sha256: string
}

/**
 * `GET|HEAD /r/{token}/{filename}`. The token alone decides; the name is for people.
 *
 * 200 with exact Content-Length, 206 for one range, 304, 416; 404 for what isn't known or ready, 410 for what has ended.
 * A body that can't be sent whole ends with a destroyed connection: PASTA takes a short body for a whole one.
 * With `mode` redirect, GET answers 302 instead of 200, 206 and 416.
 */
export function retrievalRoutes({ records, store, mode }: RetrievalOptions): Router {
  const router = Router()
  // Express answers HEAD with the GET route; sending a body or not is decided here.
  router.get('/:token{/:filename}', async (request, response) => {
    const found = await records.findByRetrievalToken(String(request.params.token))
    if (found === null)
      throw new AppError('NOT_FOUND', 'Nothing is retrieved here. Look up the URL in the upload’s report.')
    assertAlive(found)
    const { objectKey, sha256 } = found
    if (found.state !== 'ready' || objectKey === null || sha256 === null) {
      throw new AppError('NOT_FOUND', 'The file is not ready yet. Look up its state in the upload’s report.')
    }
    const file = { upload: found, objectKey, sha256 }
    // A URL of S3 is signed for one method, GET: following it, HEAD would meet a 403. So HEAD is always answered here.
    const url =
      mode === 'redirect' && request.method === 'GET' && !isKnown(request, file)
        ? await store.objectUrl(objectKey, REDIRECT_SECONDS, {
            contentType: contentTypeOf(found),
            contentDisposition: contentDisposition(fileNameOf(found)),
          })
        : null
    if (url === null) await send(request, response, file, store)
    else response.status(302).set({ Location: url, 'Cache-Control': 'no-store' }).end()
  })
  router.all('/:token{/:filename}', (request) => {
    throw new AppError('METHOD_NOT_ALLOWED', `${request.method} means nothing here. Allowed: GET, HEAD.`, {
      details: { allow: 'GET, HEAD' },
    })
  })
  return router
}

const etagOf = ({ sha256 }: RetrievableFile) => `"${sha256}"`

const contentTypeOf = (upload: Upload) => upload.contentType ?? 'application/octet-stream'

function isKnown(request: Request, file: RetrievableFile): boolean {
  return isNotModified(request.headers['if-none-match'], etagOf(file))
}

async function send(
  request: Request,
  response: Response,
  file: RetrievableFile,
  store: RetrievalOptions['store'],
): Promise<void> {
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
  response.setHeader('Content-Security-Policy', 'sandbox')
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
    if (response.destroyed && !isAppError(error)) return
    throw error
  }
  response.end()
}
