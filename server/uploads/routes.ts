// Uploads over plain REST: reports, details, deletion, retrieval URLs, EML. Bytes come in through the dialects.

import { type ErrorRequestHandler, type Request, Router } from 'express'
import { actorOf, identityOf, requireScope } from '../auth/bearer.js'
import { type OwnerScope, ownScope, owns, readScope, writeScope } from '../auth/owner-scope.js'
import { unlessOnlySeen } from '../auth/shared.js'
import { AppError, isAppError } from '../errors.js'
import { pageOf, sendJson, sendPage } from '../http/answer.js'
import { parseInput } from '../http/input.js'
import { jsonBody, jsonIn } from '../http/json-body.js'
import { physicalFragment } from '../packages/eml.js'
import { cursorBehind, parseListQuery } from './list-query.js'
import { deletionQuery, MERGE_PATCH, uploadChangesBody } from './operations.js'
import type { Placement } from './placement.js'
import { randomToken } from './random.js'
import { receivedOf } from './received.js'
import type { Records } from './records.js'
import type { Removals } from './removals.js'
import { fileNameOf, type Origins, reportOf, retrievalUrl } from './report.js'
import { assertAlive, type Upload } from './upload.js'

export interface UploadRoutesOptions extends Origins {
  removals: Removals
  placement: Placement
  records: Records
  /** False: deleting what isn't there is done already, 204. */
  deleteStrict404: boolean
}

const WHAT_TO_SEND = `Send the changes as JSON with "Content-Type: ${MERGE_PATCH}".`

export function uploadRoutes(options: UploadRoutesOptions): Router {
  const { removals, placement, records, publicUrl, retrievalOrigin } = options
  const router = Router()

  router.get('/', requireScope('read'), async (request, response) => {
    const query = parseListQuery(request.query)
    // One more than asked for tells whether there is a next page.
    const found = await records.list(readScope(identityOf(request)), { ...query, limit: query.limit + 1 })
    const page = pageOf(
      found,
      query.limit,
      (upload) => reportOf(upload, options),
      (last) => cursorBehind(query.sort, last),
    )
    sendPage(request, response, page, publicUrl())
  })

  router.get('/:id', requireScope('read'), async (request, response) => {
    sendJson(response, reportOf(await see(request), options))
  })

  router.patch(
    '/:id',
    requireScope('upload'),
    jsonBody({ type: MERGE_PATCH, limit: '16kb' }),
    async (request, response) => {
      // RFC 7396: null removes a member.
      const changes = parseInput(uploadChangesBody, jsonIn(request, WHAT_TO_SEND), 'body')
      const scope = ownScope(identityOf(request))
      let upload = await find(request, scope)
      assertAlive(upload)
      const { expires_at: expiresAt, label, ...details } = named(changes)
      // What may be refused comes first, so that a refusal has changed nothing.
      if (expiresAt !== undefined) records.assertExtendable(upload, new Date(expiresAt))
      if (label !== undefined && label !== upload.label) {
        upload = await placement.move(upload, {
          packageId: null,
          label,
          relativePath: upload.relativePath,
        })
      }
      if (expiresAt !== undefined)
        upload = await records.extend(upload.id, new Date(expiresAt), actorOf(request))
      if (Object.keys(details).length > 0) upload = await records.update(upload.id, details)
      sendJson(response, reportOf(upload, options))
    },
  )

  router.delete('/:id', requireScope('delete'), async (request, response) => {
    const { undo_seconds: undoSeconds } = parseInput(deletionQuery, request.query, 'query')
    const id = String(request.params.id)
    const scope = writeScope(identityOf(request))
    const by = actorOf(request)
    if (undoSeconds !== undefined) {
      const ended = await unlessOnlySeen(
        () => removals.removeWithUndo(id, scope, undoSeconds, by),
        () => see(request),
      )
      sendJson(response, reportOf(ended, options))
      return
    }
    try {
      await unlessOnlySeen(
        () => removals.remove(id, scope, by),
        () => see(request),
      )
    } catch (error) {
      if (options.deleteStrict404 || !isAppError(error, 'NOT_FOUND', 'GONE')) throw error
    }
    response.status(204).end()
  })

  router.post('/:id/restore', requireScope('delete'), async (request, response) => {
    const scope = writeScope(identityOf(request))
    const restored = await unlessOnlySeen(
      () => removals.restore(String(request.params.id), scope, actorOf(request)),
      () => see(request),
    )
    sendJson(response, reportOf(restored, options))
  })

  router.get('/:id/received', requireScope('upload'), async (request, response) => {
    sendJson(response, receivedOf(await find(request, ownScope(identityOf(request)))))
  })

  router.post('/:id/retrieval-url', requireScope('upload'), async (request, response) => {
    const upload = await find(request, ownScope(identityOf(request)))
    assertAlive(upload)
    const renewed = await records.setRetrievalToken(upload.id, randomToken())
    sendJson(response, { retrieval_url: retrievalUrl(renewed, retrievalOrigin()) })
  })

  router.get('/:id/eml', requireScope('read'), async (request, response) => {
    const upload = await see(request)
    assertAlive(upload)
    const url = retrievalUrl(upload, retrievalOrigin())
    if (url === null || upload.md5 === null || upload.sha1 === null || upload.sizeBytes === null) {
      throw new AppError('CONFLICT', `The upload is ${upload.state}. Ask again when its state is ready.`)
    }
    const fragment = physicalFragment({
      objectName: fileNameOf(upload),
      sizeBytes: Number(upload.sizeBytes),
      md5: upload.md5,
      sha1: upload.sha1,
      formatName: upload.contentType ?? 'application/octet-stream',
      url,
    })
    response.set('Cache-Control', 'no-store').type('application/xml').send(fragment)
  })

  return router

  function see(request: Request): Promise<Upload> {
    return records.get(String(request.params.id), readScope(identityOf(request)))
  }

  /** @throws NOT_FOUND, and FORBIDDEN to who may only see it */
  function find(request: Request, scope: OwnerScope): Promise<Upload> {
    return unlessOnlySeen(
      () => records.get(String(request.params.id), scope),
      () => see(request),
    )
  }
}

/** Behind the dialects, at /:id: who may see an upload but not write it hears FORBIDDEN from them, too. */
export function refuseOnlySeen(records: Pick<Records, 'get'>): ErrorRequestHandler {
  return async (error: unknown, request, _response, _next) => {
    // Who isn't known sees nothing.
    if (request.identity === undefined) throw error
    await unlessOnlySeen(
      () => Promise.reject(error),
      async () => {
        const identity = identityOf(request)
        const { owner } = await records.get(String(request.params.id), readScope(identity))
        // Of one's own something else wasn't there: the package that it was to be put into.
        if (owns(ownScope(identity), owner)) throw error
      },
    )
  }
}

/** Those that were named: null is a value. */
function named<T extends object>(changes: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  const members = Object.entries(changes).filter(([, value]) => value !== undefined)
  return Object.fromEntries(members) as { [K in keyof T]: Exclude<T[K], undefined> }
}
