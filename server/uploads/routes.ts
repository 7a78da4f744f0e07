// Uploads over plain REST: reports, details, deletion, retrieval URLs, EML. Bytes come in through the dialects.

import { json, type Request, type RequestHandler, type Response, Router } from 'express'
import { z } from 'zod'
import { identityOf, requireScope } from '../auth/bearer.js'
import { ownerScope } from '../auth/owner-scope.js'
import { AppError, isAppError } from '../errors.js'
import { physicalFragment } from '../packages/eml.js'
import type { Intake } from './intake.js'
import { encodeCursor, parseListQuery } from './list-query.js'
import { randomToken } from './random.js'
import type { Records } from './records.js'
import { fileNameOf, reportOf, retrievalUrl } from './report.js'
import { assertAlive, type Upload } from './upload.js'

export interface UploadRoutesOptions {
  intake: Intake
  records: Records
  publicUrl: () => string
  /** False: deleting what isn't there is done already, 204. */
  deleteStrict404: boolean
}

export const MERGE_PATCH = 'application/merge-patch+json'

export function uploadRoutes(options: UploadRoutesOptions): Router {
  const { intake, records, publicUrl } = options
  const router = Router()

  router.get('/', requireScope('read'), async (request, response) => {
    const query = parseListQuery(request.query)
    // One more than asked for tells whether there is a next page.
    const found = await records.list(ownerScope(identityOf(request)), { ...query, limit: query.limit + 1 })
    const page = found.slice(0, query.limit)
    const last = found.length > query.limit ? page.at(-1) : undefined
    const at = query.sort.column === 'created_at' ? last?.createdAt : last?.expiresAt
    const cursor = last && at ? encodeCursor(query.sort.name, { at, id: last.id }) : null
    if (cursor !== null) response.set('Link', `<${nextPage(request, publicUrl(), cursor)}>; rel="next"`)
    sendJson(response, { items: page.map((upload) => reportOf(upload, publicUrl())), next_cursor: cursor })
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
      const { expires_at: expiresAt, ...details } = changes
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

  router.all('/', methodNotAllowed('GET, POST, OPTIONS'))
  router.all('/:id', methodNotAllowed('GET, HEAD, PATCH, DELETE, OPTIONS'))

  return router

  function find(request: Request): Promise<Upload> {
    return records.get(String(request.params.id), ownerScope(identityOf(request)))
  }
}

const text = z
  .string()
  .max(1000)
  .regex(/^\P{Cc}*$/u, 'must not have control characters')
  .nullable()

const changesSchema = z.strictObject({
  label: text.optional(),
  key: text.optional(),
  note: text.optional(),
  expires_at: z.iso
    .datetime({ offset: true, error: 'must be a time such as 2027-02-22T12:00:00Z' })
    .optional(),
})

type Changes = { label?: string | null; key?: string | null; note?: string | null; expires_at?: string }

/** RFC 7396: null removes a member. @throws INVALID_INPUT, UNSUPPORTED_MEDIA_TYPE when there was no JSON body */
function parseChanges(body: unknown): Changes {
  if (body === undefined) {
    throw new AppError(
      'UNSUPPORTED_MEDIA_TYPE',
      `Send the changes as JSON with "Content-Type: ${MERGE_PATCH}".`,
    )
  }
  const parsed = changesSchema.safeParse(body)
  if (parsed.success) return withoutUndefined(parsed.data)
  const problems = parsed.error.issues.map((issue) => `${issue.path.join('.') || 'body'}: ${issue.message}`)
  throw new AppError(
    'INVALID_INPUT',
    `label, key, note and expires_at can be changed. ${problems.join('; ')}.`,
  )
}

function withoutUndefined(changes: { [K in keyof Changes]?: Changes[K] | undefined }): Changes {
  return Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined))
}

function nextPage(request: Request, publicUrl: string, cursor: string): string {
  const url = new URL(request.originalUrl, publicUrl)
  url.searchParams.set('cursor', cursor)
  return url.href
}

function sendJson(response: Response, body: unknown): void {
  response.set('Cache-Control', 'no-store').json(body)
}

function methodNotAllowed(allow: string): RequestHandler {
  return (request) => {
    throw new AppError('METHOD_NOT_ALLOWED', `${request.method} means nothing here. Allowed: ${allow}.`, {
      details: { allow },
    })
  }
}
