// Retrieval: what PASTA pulls. No credential, never negotiated: the token in the URL is the right. Never a redirect either,
// unless the operator asks for it: EDI wants URLs without, and PASTA stores a 308, or one from http to https, as data.

import contentDisposition from 'content-disposition'
import { Router } from 'express'
import { AppError } from '../errors.js'
import { methodNotAllowed } from '../http/answer.js'
import type { Store } from '../storage/store.js'
import type { Records } from '../uploads/records.js'
import { fileNameOf } from '../uploads/report.js'
import { assertAlive } from '../uploads/upload.js'
import { assertIsForData, contentTypeOf, isKnown, sendFile } from './send.js'

/** Long enough for a client to begin; a download under way isn't ended. Short, as nobody can call such a URL back. */
const REDIRECT_SECONDS = 300

export interface RetrievalOptions {
  records: Records
  store: Pick<Store, 'sendObject' | 'objectUrl'>
  /** Whether the bytes are sent from here, or by a URL of the store's own where it has one. */
  mode: 'proxy' | 'redirect'
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
    request.uploadId = found.id
    assertAlive(found)
    const { objectKey, sha256 } = found
    if (found.state !== 'ready' || objectKey === null || sha256 === null) {
      throw new AppError('NOT_FOUND', 'The file is not ready yet. Look up its state in the upload’s report.')
    }
    assertIsForData(request)
    const file = { upload: found, objectKey, sha256 }
    // A URL of S3 is signed for one method, GET: following it, HEAD would meet a 403. So HEAD is always answered here.
    const url =
      mode === 'redirect' && request.method === 'GET' && !isKnown(request, file)
        ? await store.objectUrl(objectKey, REDIRECT_SECONDS, {
            contentType: contentTypeOf(found),
            contentDisposition: contentDisposition(fileNameOf(found)),
          })
        : null
    if (url === null) await sendFile(request, response, file, store)
    else response.status(302).set({ Location: url, 'Cache-Control': 'no-store' }).end()
  })
  router.all('/:token{/:filename}', methodNotAllowed('GET, HEAD'))
  return router
}
