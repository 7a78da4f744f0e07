// Files by their content: `/files/{sha256}`. For those who have it; knowing a digest grants nothing.

import { type Request, Router } from 'express'
import { actorOf, identityOf, requireScope } from '../auth/bearer.js'
import { personScope, readScope } from '../auth/owner-scope.js'
import { AppError, isAppError } from '../errors.js'
import { sendJson } from '../http/answer.js'
import type { Store } from '../storage/store.js'
import type { Removals } from '../uploads/removals.js'
import type { Origins } from '../uploads/report.js'
import { fileOf } from './file.js'
import type { FileRecords } from './records.js'
import { contentTypeOf, type RetrievableFile, sendFile } from './send.js'

export interface ContentRoutesOptions {
  removals: Removals
  files: FileRecords
  store: Pick<Store, 'sendObject'>
  retrievalOrigin: Origins['retrievalOrigin']
  /** False: deleting what isn't there is done already, 204. */
  deleteStrict404: boolean
}

/**
 * `GET|HEAD|DELETE /:sha256`, `GET|HEAD /:sha256/info` and `/:sha256/download`; behind `authenticate`.
 *
 * Bytes come as from a retrieval URL, by the newest upload of the asker that has them. What nobody has, what only others have
 * and what is no SHA-256 are the same 404.
 */
export function contentRoutes(options: ContentRoutesOptions): Router {
  const { removals, files, store, retrievalOrigin } = options
  const router = Router()

  router.get('/:sha256', requireScope('read'), async (request, response) => {
    const file = await find(request)
    response.vary('Accept')
    if (wantsJson(request, file)) sendJson(response, fileOf(file.upload, retrievalOrigin()))
    else await sendFile(request, response, file, store)
  })

  router.get('/:sha256/info', requireScope('read'), async (request, response) => {
    sendJson(response, fileOf((await find(request)).upload, retrievalOrigin()))
  })

  router.get('/:sha256/download', requireScope('read'), async (request, response) => {
    await sendFile(request, response, await find(request), store)
  })

  router.delete('/:sha256', requireScope('delete'), async (request, response) => {
    try {
      await removals.removeContent(digestIn(request), personScope(identityOf(request)), actorOf(request))
    } catch (error) {
      if (options.deleteStrict404 || !isAppError(error, 'NOT_FOUND', 'GONE')) throw error
    }
    response.status(204).set('Cache-Control', 'no-store').end()
  })

  return router

  async function find(request: Request): Promise<RetrievableFile> {
    const sha256 = digestIn(request)
    const found = await files.findNewest(sha256, readScope(identityOf(request)))
    if (found === null) throw noSuchFile()
    request.uploadId = found.id
    return { upload: found, objectKey: found.objectKey, sha256 }
  }
}

/** @throws NOT_FOUND for what is no SHA-256 */
function digestIn(request: Request): string {
  const sha256 = String(request.params.sha256).toLowerCase()
  if (!/^[0-9a-f]{64}$/.test(sha256)) throw noSuchFile()
  return sha256
}

/** Only who asks for JSON, and likes nothing better: the bytes are what the URL stands for. */
function wantsJson(request: Request, { upload }: RetrievableFile): boolean {
  const type = contentTypeOf(upload)
  // A file that is JSON itself: the metadata were asked for all the same. `/download` says otherwise.
  const ofBytes = type.startsWith('application/json') ? [] : [type]
  return request.accepts([...ofBytes, 'application/octet-stream', 'application/json']) === 'application/json'
}

function noSuchFile(): AppError {
  return new AppError('NOT_FOUND', 'You have no file with that SHA-256. GET /uploads lists what you have.')
}
