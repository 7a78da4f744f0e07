// A whole file in one request: raw, or the one file of a form. A thin dialect over the intake; nothing is spooled.

import type { Request, RequestHandler, Response } from 'express'
import { identityOf } from '../auth/bearer.js'
import { checkScope, type Identity } from '../auth/identity.js'
import { uploaderOf } from '../auth/owner-scope.js'
import { AppError, isAppError } from '../errors.js'
import { fileOf } from '../files/file.js'
import { oneShotHeaders } from '../files/operations.js'
import { sendJson } from '../http/answer.js'
import { parseInput } from '../http/input.js'
import { assertPlain, bodyLength, mediaTypeOf } from '../http/request-body.js'
import type { Body, Intake } from '../uploads/intake.js'
import { filenameInput } from '../uploads/operations.js'
import { type Origins, reportOf } from '../uploads/report.js'
import { goneError, type Upload, type UploadDescription } from '../uploads/upload.js'
import { MOST_BYTES_AROUND, MultipartBody } from './multipart.js'
import { describeFile, parseMembers, prefersAsync } from './one-shot-request.js'

export interface OneShotDialect {
  /** `POST /files` */
  create: RequestHandler
  /** `POST /packages/{id}/files` */
  createInPackage: RequestHandler
}

/**
 * 201 with the file when it is ready; 202 with the report for who prefers it, and when the store takes its time.
 *
 * Whatever is refused, cut, or not what it was declared to be leaves no bytes.
 */
export function oneShotDialect(intake: Intake, origins: Origins): OneShotDialect {
  async function take(request: Request, response: Response, packageId: string | null): Promise<void> {
    const identity = identityOf(request)
    checkScope(identity, 'upload')
    assertPlain(request.headers)
    const isAsync = prefersAsync(parseInput(oneShotHeaders, request.headers, 'headers').prefer)
    const one = { request, identity, packageId, ...(isAsync ? { patienceMs: 0 } : {}) }
    const isForm = mediaTypeOf(request.headers) === 'multipart/form-data'
    const upload = await (isForm ? takeForm(intake, one) : takeRaw(intake, one))
    request.uploadId = upload.id
    if (upload.state === 'failed') throw goneError(upload)
    response.set('Location', `${origins.publicUrl()}/uploads/${upload.id}`)
    if (isAsync) response.set('Preference-Applied', 'respond-async')
    if (isAsync || upload.state !== 'ready') {
      response.status(202)
      sendJson(response, reportOf(upload, origins))
    } else {
      response.status(201)
      sendJson(response, fileOf(upload, origins.retrievalOrigin()))
    }
  }

  return {
    create: (request, response) => take(request, response, null),
    createInPackage: (request, response) => take(request, response, String(request.params.id)),
  }
}

interface OneShot {
  request: Request
  identity: Identity
  packageId: string | null
  patienceMs?: number
}

async function takeRaw(intake: Intake, one: OneShot): Promise<Upload> {
  const { request, packageId } = one
  const announcedBytes = bodyLength(request.headers)
  const members = parseMembersOf(one, {})
  const said = {
    filename: null,
    contentType: request.headers['content-type'] ?? null,
    sizeBytes: announcedBytes,
  }
  const description = describeFile(members, said, packageId, intake.maxFileBytes)
  return takeOnce(intake, one, description, { source: request, announcedBytes, checksum: null })
}

async function takeForm(intake: Intake, one: OneShot): Promise<Upload> {
  const { request, packageId } = one
  const { maxFileBytes } = intake
  // What the query and the headers say is refused before a byte is read.
  const inQuery = describeFile(parseMembersOf(one, {}), SAYS_NOTHING, packageId, maxFileBytes)
  assertRoomForFile(bodyLength(request.headers), inQuery.sizeBytes, maxFileBytes)
  const body = new MultipartBody(request)
  try {
    const { fields, filename, contentType, source } = await body.file()
    const said = { filename: nameInForm(filename), contentType, sizeBytes: null }
    const description = describeFile(parseMembersOf(one, fields), said, packageId, maxFileBytes)
    if (description.sizeBytes !== null) body.expect(description.sizeBytes)
    return await takeOnce(intake, one, description, { source, announcedBytes: null, checksum: null })
  } catch (error) {
    // The intake knows only that its bytes stopped.
    throw body.refusal ?? error
  } finally {
    body.close()
  }
}

const SAYS_NOTHING = { filename: null, contentType: null, sizeBytes: null }

/** @throws INVALID_INPUT; a package in the URL leaves no room for one in the query */
function parseMembersOf({ request, packageId }: OneShot, fields: Readonly<Record<string, string>>) {
  const members = parseMembers(request.query, fields)
  if (packageId === null || members.package_id === undefined) return members
  throw new AppError('INVALID_INPUT', 'The package is in the URL. Leave package_id out.')
}

/** A name that can't be one of ours is the sender's system's doing, and is refused as one in the query is. */
function nameInForm(filename: string | null): string | null {
  if (filename === null || filename === '') return null
  return parseInput(filenameInput, unescaped(filename), 'body')
}

/** Browsers write these three so, and no other (WHATWG HTML, "escape a multipart form data name"). */
function unescaped(name: string): string {
  return name.replaceAll(/%(22|0D|0A)/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
}

/** What the length of a form alone tells of the file in it. @throws INVALID_INPUT, PAYLOAD_TOO_LARGE */
function assertRoomForFile(
  announcedBytes: number | null,
  sizeBytes: number | null,
  maxFileBytes: number,
): void {
  if (announcedBytes === null) return
  if (sizeBytes !== null && sizeBytes > announcedBytes) {
    throw new AppError(
      'INVALID_INPUT',
      `size is ${sizeBytes}, but the whole form has ${announcedBytes} bytes. Send the whole file, and its size.`,
    )
  }
  if (announcedBytes - 2 * MOST_BYTES_AROUND > maxFileBytes) throw tooLarge(maxFileBytes)
}

async function takeOnce(
  intake: Intake,
  { identity, patienceMs }: OneShot,
  description: UploadDescription,
  body: Body,
): Promise<Upload> {
  try {
    const patience = patienceMs === undefined ? {} : { patienceMs }
    return await intake.takeOnce(uploaderOf(identity), description, body, patience)
  } catch (error) {
    throw inOneRequest(error, description.sizeBytes, intake.maxFileBytes)
  }
}

/** What the intake says to a client that can resume, in the words for one that can't. */
function inOneRequest(error: unknown, sizeBytes: number | null, maxFileBytes: number): unknown {
  if (!isAppError(error, 'PAYLOAD_TOO_LARGE', 'REQUEST_TIMEOUT', 'LOCKED', 'UNAVAILABLE')) return error
  if (error.code === 'PAYLOAD_TOO_LARGE') {
    if (error.details !== undefined) return error
    if (sizeBytes === null) return tooLarge(maxFileBytes)
    return new AppError(
      'INVALID_INPUT',
      `The body has more bytes than its size, ${sizeBytes}. Nothing of it is kept: send it again, with the right size.`,
    )
  }
  const { retryAfterSeconds } = error
  return new AppError(
    error.code,
    'The file could not be taken to its end, and nothing of it is kept. Send it again, or open a session with POST /uploads, which can be resumed.',
    { cause: error, ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }) },
  )
}

function tooLarge(maxFileBytes: number): AppError {
  return new AppError(
    'PAYLOAD_TOO_LARGE',
    `The file is larger than the ${maxFileBytes} bytes that this server takes. Split it, or ask the operator to raise MAX_FILE_BYTES.`,
    { details: { max_file_bytes: maxFileBytes } },
  )
}
