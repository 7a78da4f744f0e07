// Uploads as plain sessions: opened with JSON, finished by a call of their own. Thin dialects over the intake.

import type { Request, RequestHandler, Response } from 'express'
import type { z } from 'zod'
import { identityOf, requireScope } from '../auth/bearer.js'
import { uploaderOf } from '../auth/owner-scope.js'
import { AppError } from '../errors.js'
import { sendJson } from '../http/answer.js'
import { parseInput } from '../http/input.js'
import { jsonBody } from '../http/json-body.js'
import { bodyLength } from '../http/request-body.js'
import { fileName } from '../uploads/file-name.js'
import type { Intake } from '../uploads/intake.js'
import { completeBody, createSessionBody, type declaredChecksums } from '../uploads/operations.js'
import { type Origins, reportOf } from '../uploads/report.js'
import type { UploadDescription } from '../uploads/upload.js'
import { idempotencyOf, makeOnce } from './idempotency.js'

export interface SessionDialect {
  /** `POST /uploads` with JSON: 201, or 200 for the upload that this Idempotency-Key has begun before. */
  create: RequestHandler[]
  /** `POST /uploads/{id}/complete`: 200 with the report, however often. */
  complete: RequestHandler[]
}

const readBody = jsonBody({ limit: '64kb' })

export function sessionDialect(intake: Intake, origins: Origins): SessionDialect {
  async function create(request: Request, response: Response): Promise<void> {
    const uploader = uploaderOf(identityOf(request))
    const body = parseInput(createSessionBody, request.body, 'body')
    const idempotency = idempotencyOf(request.headers, () => body)
    const once = await makeOnce(
      intake,
      { owner: uploader.owner, idempotency, isLikelyNew: false },
      async () => {
        const { upload } = await intake.begin(uploader, describe(body), { isHeld: false, idempotency })
        return upload
      },
    )
    const upload = once.isNew ? once.made : once.before
    request.uploadId = upload.id
    const url = `${origins.publicUrl()}/uploads/${upload.id}`
    response
      .status(once.isNew ? 201 : 200)
      .set({ Location: url, 'Upload-Offset': String(upload.offsetBytes) })
    sendJson(response, { ...reportOf(upload, origins), upload_url: url })
  }

  async function complete(request: Request, response: Response): Promise<void> {
    const uploader = uploaderOf(identityOf(request))
    const body = parseInput(completeBody, request.body ?? {}, 'body')
    const upload = await intake.complete(String(request.params.id), uploader, {
      packageId: body.package_id ?? null,
      relativePath: body.relative_path ?? null,
      declared: digestsIn(body.checksums),
    })
    request.uploadId = upload.id
    sendJson(response, reportOf(upload, origins))
  }

  return { create: [mayUpload, readBody, create], complete: [mayUpload, onlyJson, readBody, complete] }
}

const mayUpload = requireScope('upload')

/** No body is fine; one that isn't JSON would be overlooked. */
const onlyJson: RequestHandler = (request, _response, next) => {
  if (bodyLength(request.headers) !== 0 && !request.is('application/json')) {
    throw new AppError(
      'UNSUPPORTED_MEDIA_TYPE',
      'Send {"package_id", "relative_path", "checksums"} with "Content-Type: application/json", or no body.',
    )
  }
  next()
}

function describe(body: z.output<typeof createSessionBody>): UploadDescription {
  return {
    filename: fileName(body.filename),
    contentType: body.content_type?.toLowerCase() ?? null,
    key: body.key ?? null,
    label: body.label ?? null,
    relativePath: body.relative_path ?? null,
    packageId: body.package_id ?? null,
    finish: 'manual',
    concat: null,
    tusMetadata: null,
    sizeBytes: body.size ?? null,
    declared: digestsIn(body.checksums),
  }
}

function digestsIn(checksums: z.output<typeof declaredChecksums> = {}): UploadDescription['declared'] {
  const { md5, sha1, sha256 } = checksums
  return {
    ...(md5 === undefined ? {} : { md5 }),
    ...(sha1 === undefined ? {} : { sha1 }),
    ...(sha256 === undefined ? {} : { sha256 }),
  }
}
