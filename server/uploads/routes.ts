// Uploads over plain REST: reports, details, deletion, retrieval URLs, EML. Bytes come in through the dialects.

import { json, type Request, Router } from 'express'
import { identityOf, requireScope } from '../auth/bearer.js'
import { ownerScope } from '../auth/owner-scope.js'
import { AppError, isAppError } from '../errors.js'
import { pageOf, sendJson, sendPage } from '../http/answer.js'
import { parseInput } from '../http/input.js'
import { physicalFragment } from '../packages/eml.js'
import type { Intake } from './intake.js'
import { cursorAt, parseListQuery } from './list-query.js'
import { MERGE_PATCH, uploadChangesBody } from './operations.js'
import type { Placement } from './placement.js'
import { randomToken } from './random.js'
import type { Records } from './records.js'
import { fileNameOf, reportOf, retrievalUrl } from './report.js'
import { assertAlive, type Upload } from './upload.js'

export interface UploadRoutesOptions {
  intake: Intake
  placement: Placement
  records: Records
  publicUrl: () => string
  /** False: deleting what isn't there is done already, 204. */
  deleteStrict404: boolean
}

export function uploadRoutes(options: UploadRoutesOptions): Router {
  const { intake, placement, records, publicUrl } = options
  const router = Router()

  router.get('/', requireScope('read'), async (request, response) => {
    const query = parseListQuery(request.query)
    // One more than asked for tells whether there is a next page.
    const found = await records.list(ownerScope(identityOf(request)), { ...query, limit: query.limit + 1 })
    const { name, column } = query.sort
    const page = pageOf(
      found,
      query.limit,
      (upload) => reportOf(upload, publicUrl()),
      ({ id, createdAt, expiresAt }) =>
        cursorAt(name, { at: column === 'created_at' ? createdAt : expiresAt, id }),
    )
    sendPage(request, response, page, publicUrl())
  })

  router.get('/:id', requireScope('read'), async (request, response) => {
    sendJson(response, reportOf(await find(request), publicUrl()))
  })

  router.patch(
    '/:id',
    requireScope('upload'),
    json({ type: MERGE_PATCH, limit: '16kb' }),
    async (request, response) => {
      const changes = parseChanges(request.body)
      let upload = await find(request)
      assertAlive(upload)
      const { expires_at: expiresAt, label, ...details } = named(changes)
      // What may be refused comes first, so that a refusal has changed nothing.
      if (expiresAt !== undefined) records.assertExtendable(upload, new Date(expiresAt))
      if (label !== undefined && label !== upload.label) {
        upload = await placement.move(upload, { packageId: null, label, relativePath: upload.relativePath })
      }
      if (expiresAt !== undefined) upload = await records.extend(upload.id, new Date(expiresAt))
      if (Object.keys(details).length > 0) upload = await records.update(upload.id, details)
      sendJson(response, reportOf(upload, publicUrl()))
    },
  )

  router.delete('/:id', requireScope('delete'), async (request, response) => {
    try {
      await intake.remove(String(request.params.id), ownerScope(identityOf(request)))
    } catch (error) {
      if (options.deleteStrict404 || !isAppError(error, 'NOT_FOUND', 'GONE')) throw error
    }
    response.status(204).end()
  })

  router.post('/:id/retrieval-url', requireScope('upload'), async (request, response) => {
    const upload = await find(request)
    assertAlive(upload)
    const renewed = await records.setRetrievalToken(upload.id, randomToken())
    sendJson(response, { retrieval_url: retrievalUrl(renewed, publicUrl()) })
  })

  router.get('/:id/eml', requireScope('read'), async (request, response) => {
    const upload = await find(request)
    assertAlive(upload)
    const url = retrievalUrl(upload, publicUrl())
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

  function find(request: Request): Promise<Upload> {
    return records.get(String(request.params.id), ownerScope(identityOf(request)))
  }
}

/** RFC 7396: null removes a member. @throws INVALID_INPUT, UNSUPPORTED_MEDIA_TYPE when there was no JSON body */
function parseChanges(body: unknown) {
  if (body !== undefined) return parseInput(uploadChangesBody, body, 'body')
  throw new AppError(
    'UNSUPPORTED_MEDIA_TYPE',
    `Send the changes as JSON with "Content-Type: ${MERGE_PATCH}".`,
  )
}

/** Those that were named: null is a value. */
function named<T extends object>(changes: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  const members = Object.entries(changes).filter(([, value]) => value !== undefined)
  return Object.fromEntries(members) as { [K in keyof T]: Exclude<T[K], undefined> }
}
