// Uploads as plain sessions: opened with JSON, finished by a call of their own. Thin dialects over the intake.

import { createHash } from 'node:crypto'
import canonicalize from 'canonicalize'
import type { Request, RequestHandler, Response } from 'express'
import type { z } from 'zod'
import { identityOf, requireScope } from '../auth/bearer.js'
import { type Uploader, uploaderOf } from '../auth/owner-scope.js'
import { AppError, isAppError } from '../errors.js'
import { sendJson } from '../http/answer.js'
import { parseInput } from '../http/input.js'
import { jsonBody } from '../http/json-body.js'
import { bodyLength } from '../http/request-body.js'
import { fileName } from '../uploads/file-name.js'
import type { Intake } from '../uploads/intake.js'
import {
  completeBody,
  createSessionBody,
  createSessionHeaders,
  type declaredChecksums,
} from '../uploads/operations.js'
import type { Idempotency } from '../uploads/records.js'
import { type Origins, reportOf } from '../uploads/report.js'
import type { Upload, UploadDescription } from '../uploads/upload.js'

export interface SessionDialect {
  /** `POST /uploads` with JSON: 201, or 200 for the upload that this Idempotency-Key has begun before. */
  create: RequestHandler[]
  /** `POST /uploads/{id}/complete`: 200 with the report, however often. */
  complete: RequestHandler[]
}

const readBody = jsonBody({ limit: '64kb' })

export function sessionDialect(intake: Intake, origins: Origins): SessionDialect {
  async function create(request: Request, response: Response): Promise<void> {
    const identity = identityOf(request)
    const body = parseInput(createSessionBody, request.body, 'body')
    const key = parseInput(createSessionHeaders, request.headers, 'headers')['idempotency-key']
    const idempotency = key === undefined ? null : { key, digest: digestOf(body) }
    const { upload, isNew } = await beginOnce(intake, uploaderOf(identity), describe(body), idempotency)
    request.uploadId = upload.id
    const url = `${origins.publicUrl()}/uploads/${upload.id}`
    response.status(isNew ? 201 : 200).set({ Location: url, 'Upload-Offset': String(upload.offsetBytes) })
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

/** Begins an upload, unless the same request has begun it before or does so at this moment. @throws CONFLICT, as `begin` */
async function beginOnce(
  intake: Intake,
  uploader: Uploader,
  description: UploadDescription,
  idempotency: Idempotency | null,
): Promise<{ upload: Upload; isNew: boolean }> {
  if (idempotency === null) {
    const { upload } = await intake.begin(uploader, description, { isHeld: false })
    return { upload, isNew: true }
  }
  const before = await intake.begunBefore(uploader.owner, idempotency)
  if (before !== null) return { upload: before, isNew: false }
  try {
    const { upload } = await intake.begin(uploader, description, { isHeld: false, idempotency })
    return { upload, isNew: true }
  } catch (error) {
    // Its twin was faster; so was its package's end, when that came in between.
    const twin = isAppError(error, 'CONFLICT', 'PACKAGE_FINALIZED', 'GONE')
      ? await intake.begunBefore(uploader.owner, idempotency)
      : null
    if (twin === null) throw error
    return { upload: twin, isNew: false }
  }
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

/** The same for two bodies that ask for the same, however they are written. */
function digestOf(body: object): string {
  return createHash('sha256')
    .update(canonicalize(body) ?? '')
    .digest('hex')
}
