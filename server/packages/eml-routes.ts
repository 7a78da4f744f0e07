// EML over HTTP: the files of a package as entities, and a document filled with them.

import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setImmediate as otherWork } from 'node:timers/promises'
import { type ErrorRequestHandler, type RequestHandler, Router, raw } from 'express'
import type { z } from 'zod'
import { identityOf, requireScope } from '../auth/bearer.js'
import type { Identity } from '../auth/identity.js'
import { readScope } from '../auth/owner-scope.js'
import { AppError } from '../errors.js'
import { sendJson } from '../http/answer.js'
import { parseInput } from '../http/input.js'
import { fileNameOf, type Origins, retrievalUrl } from '../uploads/report.js'
import { entitiesDocument, type PackageEntity } from './eml.js'
import { isReady, type PackageFile, PackageFiles } from './eml-files.js'
import {
  EML_TYPES,
  MOST_DOCUMENT_BYTES,
  noQuery,
  packageEmlParams,
  patchAnswerOf,
  patchHeadersOf,
  patchQuery,
} from './eml-operations.js'
import { EmlPatch, type Patched } from './eml-patch.js'
import { EmlReader } from './eml-reader.js'
import type { EmlRecords, FileRow } from './eml-records.js'
import { textOf } from './eml-text.js'

export interface EmlRoutesOptions {
  records: EmlRecords
  retrievalOrigin: Origins['retrievalOrigin']
}

const XML = 'application/xml; charset=utf-8'

/** Under /packages, behind `authenticate`. */
export function packageEmlRoutes({ records, retrievalOrigin }: EmlRoutesOptions): Router {
  const router = Router()

  router.get('/:id/eml', requireScope('read'), async (request, response) => {
    const { id } = parseInput(packageEmlParams, request.params, 'path')
    parseInput(noQuery, request.query, 'query')
    const packageId = await records.packageById(id, readScope(identityOf(request)))
    const rows = await records.filesOf(packageId)
    const files = new PackageFiles(rows.map((row) => toFile(row, retrievalOrigin())))
    const entities = files.all.filter(isReady).map(
      (file): PackageEntity => ({
        objectName: files.objectNameOf(file),
        path: file.path,
        ...file.facts,
      }),
    )
    if (entities.length === 0) throw noneReady(rows.length)
    response.set({ 'Cache-Control': 'no-store', 'Content-Type': XML })
    await pipeline(Readable.from(entitiesDocument(packageId, entities)), response)
  })

  return router
}

/** At /eml, behind `authenticate`. */
export function emlRoutes({ records, retrievalOrigin }: EmlRoutesOptions): Router {
  const router = Router()
  const inTurn = oneByOne()

  // What can be refused is, before the document is read.
  router.post('/', requireScope('read'), checkTypes, findPackage(records))
  router.post('/', admit(MOST_AT_ONCE), documentBody, tooLarge)
  router.post('/', async (request, response) => {
    const text = textOf(documentOf(request.body))
    const rows = await records.filesOf(String(response.locals.packageId))
    const files = new PackageFiles(rows.map((row) => toFile(row, retrievalOrigin())))
    const patched = await inTurn(() => patch(text, files))
    response.vary('Accept')
    const type = request.accepts(ANSWERS)
    if (type === 'application/json') {
      sendJson(response, patchAnswerOf(patched))
    } else {
      response.set({ 'Cache-Control': 'no-store', ...patchHeadersOf(patched) })
      response.set('Content-Type', type === 'text/xml' ? 'text/xml; charset=utf-8' : XML)
      response.send(Buffer.from(patched.document))
    }
  })

  return router
}

/** The first one for those who take anything. */
const ANSWERS = ['application/xml', 'text/xml', 'application/json']

const checkTypes: RequestHandler = (request, _response, next) => {
  if (request.accepts(ANSWERS) === false) {
    throw new AppError('NOT_ACCEPTABLE', 'The answer is application/xml, or application/json.')
  }
  const charset = /;\s*charset\s*=\s*"?([^";\s]*)/i.exec(request.headers['content-type'] ?? '')?.[1]
  if (request.is(EML_TYPES) === false || (charset !== undefined && !/^utf-?8$/i.test(charset))) {
    throw new AppError(
      'UNSUPPORTED_MEDIA_TYPE',
      'Send the EML document as the body, in UTF-8, with "Content-Type: application/xml".',
    )
  }
  next()
}

function findPackage(records: EmlRecords): RequestHandler {
  return async (request, response, next) => {
    const query = parseInput(patchQuery, request.query, 'query')
    response.locals.packageId = await packageOf(records, identityOf(request), query)
    next()
  }
}

function packageOf(
  records: EmlRecords,
  identity: Identity,
  { package_id: id, label }: z.output<typeof patchQuery>,
): Promise<string> {
  if (label !== undefined) return records.packageByLabel(identity.owner, label)
  return records.packageById(id ?? '', readScope(identity))
}

const documentBody = raw({ type: EML_TYPES, limit: MOST_DOCUMENT_BYTES })

// Express knows an error handler by its four parameters.
const tooLarge: ErrorRequestHandler = (error: unknown, _request, _response, next) => {
  const isTooLarge = error instanceof Error && 'type' in error && error.type === 'entity.too.large'
  next(
    isTooLarge
      ? new AppError(
          'PAYLOAD_TOO_LARGE',
          `The document is larger than ${MOST_DOCUMENT_BYTES} bytes. Take out what describes no data, or send it in parts.`,
          { cause: error, details: { max_bytes: MOST_DOCUMENT_BYTES } },
        )
      : error,
  )
}

function documentOf(body: unknown): Uint8Array {
  if (body instanceof Uint8Array && body.length > 0) return body
  throw new AppError('INVALID_INPUT', 'The body is empty. Send a whole EML document.')
}

/** The rest of the server goes on while a large document is read. */
async function patch(text: string, files: PackageFiles): Promise<Patched> {
  const reader = new EmlReader(text)
  while (reader.step()) await otherWork()
  const patching = new EmlPatch(text, reader.entities, files)
  while (patching.step()) await otherWork()
  return patching.result()
}

/** Documents that may be here, on their way in or waiting: 8 MiB each. */
const MOST_AT_ONCE = 16

function admit(most: number): RequestHandler {
  let present = 0
  return (_request, response, next) => {
    if (present >= most) {
      throw new AppError('UNAVAILABLE', 'Many EML documents are being patched. Send it again in a moment.', {
        retryAfterSeconds: 5,
      })
    }
    present += 1
    response.once('close', () => {
      present -= 1
    })
    next()
  }
}

/** A comment of 8 MiB of hyphens makes the parser use 270 MiB: no two documents are read at the same time. */
function oneByOne(): <T>(act: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve()
  return (act) => {
    const mine = last.then(act)
    last = mine.catch(() => {})
    return mine
  }
}

function toFile(row: FileRow, origin: string): PackageFile {
  const { uploadId, path, md5, sha1, sizeBytes } = row
  // What stands in a package is no part of another file.
  const upload = { ...row, id: uploadId, relativePath: path, concat: null }
  const url = retrievalUrl(upload, origin)
  const isComplete = url !== null && md5 !== null && sha1 !== null && sizeBytes !== null
  return {
    uploadId,
    path,
    name: fileNameOf(upload),
    facts: isComplete
      ? { sizeBytes: Number(sizeBytes), md5, sha1, formatName: formatNameOf(row), url }
      : null,
  }
}

function formatNameOf({ contentType }: FileRow): string {
  return contentType === null || contentType.trim() === '' ? 'application/octet-stream' : contentType
}

function noneReady(files: number): AppError {
  return new AppError(
    'CONFLICT',
    files === 0
      ? 'The package has no files. Upload some, and ask again when they are ready.'
      : `None of the ${files} files of the package is ready. Ask again when their uploads are.`,
  )
}
