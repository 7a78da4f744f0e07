// The tus 1.0.0 dialect: @tus/server speaks the protocol, a DataStore over the intake does what it asks for.
//
// Headers are validated before it and errors are answered after it, as problem+json; the body never goes through it:
// the store reads Node's request, since a web stream in between costs a third of the throughput. Its GET is never
// routed. What stock behaviour this changes, and why: test/tus-pitfalls/tus-server.test.ts.

import { AsyncLocalStorage } from 'node:async_hooks'
import type { Readable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { DataStore, Metadata, Server, Upload as TusUpload } from '@tus/server'
import type { Request, RequestHandler, Response } from 'express'
import { identityOf } from '../auth/bearer.js'
import { checkScope } from '../auth/identity.js'
import { type Uploader, uploaderOf } from '../auth/owner-scope.js'
import { AppError, isAppError } from '../errors.js'
import { assertPlain } from '../http/request-body.js'
import { endLingering } from '../lingering-close.js'
import type { Idempotency } from '../uploads/insertion.js'
import type { Body, Intake } from '../uploads/intake.js'
import type { Lease } from '../uploads/leases.js'
import { assertAppend, assertSize, ofUpload, type Upload, type UploadDescription } from '../uploads/upload.js'
import { idempotencyOf, makeOnce } from './idempotency.js'
import {
  announcedBytes,
  askedOf,
  assertTusVersion,
  bodyChecksum,
  byteCount,
  CHECKSUM_ALGORITHMS,
  concatenatedIds,
  describeUpload,
  isOffsetStream,
  OFFSET_MEDIA_TYPE,
  speaksTus,
  TUS_VERSION,
} from './tus-headers.js'

const EXTENSIONS = [
  'creation',
  'creation-with-upload',
  'creation-defer-length',
  'expiration',
  'checksum',
  'termination',
]

/** Only where the store can put objects together. */
const CONCATENATION = 'concatenation'

/** One request on its way through @tus/server, which hands its DataStore nothing but an id and a stream. */
interface Exchange {
  method: 'POST' | 'HEAD' | 'PATCH'
  request: Request
  /** What a creation is about to make. */
  description: UploadDescription | null
  /** By what it is known when it comes again; null: by nothing. */
  idempotency: Idempotency | null
  /** What the same creation, come before, has made. */
  before: Upload | null
  uploader: Uploader
  lease: Lease | null
  /** The record as it is known so far: the answer is made from it. */
  upload: Upload | null
  error: unknown
}

const NO_CREATION = { description: null, idempotency: null }

export interface TusDialect {
  /** OPTIONS: what this server can do. Needs no credential. */
  capabilities: RequestHandler
  create: RequestHandler
  head: RequestHandler
  patch: RequestHandler
}

export function tusDialect(intake: Intake, publicUrl: () => string): TusDialect {
  const exchanges = new AsyncLocalStorage<Exchange>()
  const server = new Server({
    path: '/uploads',
    datastore: new IntakeStore(intake, exchanges),
    locker: { newLock: (id) => new LeaseLock(intake, exchanges, id) },
    maxSize: intake.maxFileBytes,
    allowedOrigins: [],
    namingFunction: () => 'unnamed',
    generateUrl: (_, { id }) => `${publicUrl()}/uploads/${id}`,
    getFileIdFromRequest: () => String(current(exchanges).request.params.id),
    onResponseError: (_, error) => {
      current(exchanges).error ??= error
      return undefined
    },
  })

  async function exchange(
    method: Exchange['method'],
    request: Request,
    response: Response,
    { description, idempotency }: Pick<Exchange, 'description' | 'idempotency'> = NO_CREATION,
  ): Promise<void> {
    const identity = identityOf(request)
    checkScope(identity, 'upload')
    const state: Exchange = {
      method,
      request,
      description,
      idempotency,
      before: null,
      uploader: uploaderOf(identity),
      lease: null,
      upload: null,
      error: undefined,
    }
    const answer = await exchanges.run(state, () => server.handleWeb(bodiless(method, request, true)))
    if (state.before !== null) return answerAgain(request, response, state.before, state.uploader)
    if (state.upload !== null) request.uploadId = state.upload.id
    if (state.error !== undefined) {
      // A creation that was ended early has stored what came: its client must learn where.
      if (method === 'POST' && state.upload !== null) {
        response.setHeader('Location', `${publicUrl()}/uploads/${state.upload.id}`)
      }
      throw translate(state.error)
    }
    if (answer.status >= 400) throw untranslated(answer)
    sendAnswer(answer, state.upload, response)
  }

  /**
   * A small file that comes whole with its creation.
   *
   * Not by way of @tus/server, whose only work it would be to make a request, an answer and their headers anew: a tenth to a
   * fifth of the processor time of such a file.
   */
  async function createWhole(
    request: Request,
    response: Response,
    description: UploadDescription,
    body: Body,
    idempotency: Idempotency | null,
  ): Promise<void> {
    // It means nothing here, but what is no number stays an error.
    byteCount(request.headers, 'Upload-Offset')
    const identity = identityOf(request)
    checkScope(identity, 'upload')
    const uploader = uploaderOf(identity)
    const once = await makeOnce(intake, { owner: uploader.owner, idempotency, isLikelyNew: true }, () =>
      intake.takeWhole(uploader, description, body, { idempotency }),
    )
    if (!once.isNew) return answerAgain(request, response, once.before, uploader)
    request.uploadId = once.made
    response.setHeader('Location', `${publicUrl()}/uploads/${once.made}`)
    response.setHeader('Upload-Offset', String(description.sizeBytes))
    response.setHeader('Content-Length', '0')
    response.setHeader('Tus-Resumable', TUS_VERSION)
    response.status(201).end()
  }

  /** Not by way of @tus/server, which knows nothing of it. */
  async function concatenate(request: Request, response: Response, partialIds: string[]): Promise<void> {
    const identity = identityOf(request)
    checkScope(identity, 'upload')
    const uploader = uploaderOf(identity)
    const description = describeUpload(request.headers)
    const idempotency = idempotencyOf(request.headers, () => askedOf(request.headers))
    const once = await makeOnce(intake, { owner: uploader.owner, idempotency, isLikelyNew: false }, () =>
      intake.concatenate(uploader, description, partialIds, { idempotency }),
    )
    if (!once.isNew) return answerAgain(request, response, once.before, uploader)
    const upload = once.made
    request.uploadId = upload.id
    response.set({
      Location: `${publicUrl()}/uploads/${upload.id}`,
      'Content-Length': '0',
      'Tus-Resumable': TUS_VERSION,
    })
    response.status(201).end()
  }

  /**
   * Answers a creation that has been made before: where its upload is, and how far. Of its body no byte is read.
   *
   * @throws GONE for one that has ended: an offset alone would tell its client that the file has arrived; LOCKED
   */
  async function answerAgain(
    request: Request,
    response: Response,
    before: Upload,
    uploader: Uploader,
  ): Promise<void> {
    request.uploadId = before.id
    response.setHeader('Location', `${publicUrl()}/uploads/${before.id}`)
    const upload = await intake.settled(before.id, uploader.uploads).catch((error: unknown) => {
      throw isAppError(error, 'GONE') ? ofUpload(error, before.id) : error
    })
    setUploadHeaders(upload, response)
    response.set({ 'Upload-Offset': String(upload.offsetBytes), 'Tus-Resumable': TUS_VERSION })
    response.status(201)
    endLingering(request, response, '')
  }

  return {
    capabilities: async (request, response) => {
      const answer = await server.handleWeb(bodiless('OPTIONS', request, false))
      response.set('Tus-Checksum-Algorithm', CHECKSUM_ALGORITHMS.join(','))
      sendAnswer(answer, null, response)
    },
    create: async (request, response) => {
      assertTusVersion(request.headers)
      const partialIds = concatenatedIds(request.headers)
      if (request.headers['upload-concat'] !== undefined && !intake.canConcatenate) throw cantConcatenate()
      if (partialIds !== null) return concatenate(request, response, partialIds)
      const hasBody = announcedBytes(request.headers) !== 0
      if (hasBody && !isOffsetStream(request.headers)) throw wrongMediaType()
      assertPlain(request.headers)
      const description = describeUpload(request.headers)
      assertSize(description.sizeBytes, intake.maxFileBytes)
      const idempotency = idempotencyOf(request.headers, () => askedOf(request.headers))
      const body = bodyOf(request)
      if (intake.isSmallAndWhole(description, body))
        return createWhole(request, response, description, body, idempotency)
      await exchange('POST', request, response, { description, idempotency })
    },
    head: async (request, response) => {
      assertTusVersion(request.headers)
      await exchange('HEAD', request, response)
    },
    patch: async (request, response) => {
      if (!speaksTus(request.headers)) {
        throw new AppError(
          'UNSUPPORTED_VERSION',
          `Send the bytes with "Content-Range: bytes first-last/size", or speak tus with "Tus-Resumable: ${TUS_VERSION}".`,
        )
      }
      assertTusVersion(request.headers)
      if (!isOffsetStream(request.headers)) throw wrongMediaType()
      assertPlain(request.headers)
      if (byteCount(request.headers, 'Upload-Offset') === null) {
        throw new AppError(
          'INVALID_INPUT',
          'Upload-Offset is missing. Ask for the offset with HEAD and send it.',
        )
      }
      await exchange('PATCH', request, response)
    },
  }
}

/** Uploads as @tus/server sees them. */
class IntakeStore extends DataStore {
  readonly #intake: Intake
  readonly #exchanges: AsyncLocalStorage<Exchange>

  constructor(intake: Intake, exchanges: AsyncLocalStorage<Exchange>) {
    super()
    this.#intake = intake
    this.#exchanges = exchanges
    this.extensions = intake.canConcatenate ? [...EXTENSIONS, CONCATENATION] : EXTENSIONS
  }

  /** Ours: Upload-Expires is set from the record. A number here makes @tus/server compare dates of its own. */
  override getExpiration(): number {
    return 0
  }

  override async create(tusUpload: TusUpload): Promise<TusUpload> {
    const exchange = current(this.#exchanges)
    const { description } = exchange
    if (description === null) throw new AppError('INTERNAL', 'An upload was created without a description.')
    const body = bodyOf(exchange.request)
    if (
      body.announcedBytes !== null &&
      description.sizeBytes !== null &&
      body.announcedBytes > description.sizeBytes
    ) {
      throw new AppError(
        'PAYLOAD_TOO_LARGE',
        `The body has ${body.announcedBytes} bytes, the upload ${description.sizeBytes}.`,
      )
    }
    const { uploader, idempotency } = exchange
    const once = await makeOnce(
      this.#intake,
      { owner: uploader.owner, idempotency, isLikelyNew: false },
      () => this.#make(exchange, description, body),
    )
    if (!once.isNew) {
      exchange.before = once.before
      // Ends what @tus/server would do; it is answered from `before`.
      throw new AppError('CONFLICT', 'This creation has come before.')
    }
    tusUpload.id = once.made
    return tusUpload
  }

  /** @returns the new upload's id */
  async #make(exchange: Exchange, description: UploadDescription, body: Body): Promise<string> {
    const { uploader, idempotency } = exchange
    if (description.sizeBytes === 0 && body.announcedBytes === 0 && description.finish !== 'manual') {
      // Nobody sends an empty file's last byte: its creation is its end.
      exchange.upload = await this.#intake.takeOnce(uploader, description, body, { idempotency })
      return exchange.upload.id
    }
    const isHeld = body.announcedBytes !== 0
    const begun = await this.#intake.begin(uploader, description, { isHeld, idempotency })
    exchange.upload = begun.upload
    exchange.lease = begun.lease
    return begun.upload.id
  }

  override async getUpload(): Promise<TusUpload> {
    const exchange = current(this.#exchanges)
    const { method, request, upload, lease } = exchange
    if (upload === null) throw new AppError('INTERNAL', 'An upload was asked for before it was locked.')
    if (method === 'PATCH') {
      const declaredSizeBytes = byteCount(request.headers, 'Upload-Length')
      assertAppend(
        upload,
        {
          offset: byteCount(request.headers, 'Upload-Offset') ?? 0,
          announcedBytes: announcedBytes(request.headers),
          declaredSizeBytes,
        },
        this.#intake.maxFileBytes,
      )
      if (declaredSizeBytes !== null && upload.sizeBytes === null && lease !== null) {
        exchange.upload = await this.#intake.declareSize(lease, declaredSizeBytes)
      }
    }
    return toTusUpload(exchange.upload ?? upload)
  }

  /** @param empty has no bytes, since they are in Node's request; but its end is waited for by @tus/server's pipeline */
  override async write(empty: Readable, _id: string, offset: number): Promise<number> {
    await finished(empty.resume())
    const exchange = current(this.#exchanges)
    const { lease, upload, request } = exchange
    // Without a lease there is nothing to write: the upload is whole, or its creation brought no byte.
    if (lease === null || upload === null) {
      if (exchange.method === 'PATCH') await assertEmpty(request)
      return upload === null ? offset : Number(upload.offsetBytes)
    }
    // A header that is refused here must leave the lease where `unlock` finds it.
    const body = bodyOf(request)
    exchange.lease = null
    exchange.upload = await this.#intake.append(lease, upload, body)
    return Number(exchange.upload.offsetBytes)
  }
}

/** @tus/server locks an upload for every request; the lease is what it gets. */
class LeaseLock {
  readonly #intake: Intake
  readonly #exchanges: AsyncLocalStorage<Exchange>
  readonly #id: string

  constructor(intake: Intake, exchanges: AsyncLocalStorage<Exchange>, id: string) {
    this.#intake = intake
    this.#exchanges = exchanges
    this.#id = id
  }

  async lock(): Promise<void> {
    const exchange = current(this.#exchanges)
    // A new upload's id is known to nobody yet.
    if (exchange.method === 'POST') return
    if (exchange.method === 'HEAD') {
      exchange.upload = await this.#intake.settled(this.#id, exchange.uploader.uploads)
      return
    }
    const claimed = await this.#intake.claim(this.#id, exchange.uploader.uploads)
    exchange.upload = claimed.upload
    exchange.lease = claimed.lease
  }

  async unlock(): Promise<void> {
    const exchange = current(this.#exchanges)
    if (exchange.lease !== null) await this.#intake.release(exchange.lease)
    exchange.lease = null
  }
}

function current(exchanges: AsyncLocalStorage<Exchange>): Exchange {
  const exchange = exchanges.getStore()
  if (exchange === undefined) throw new AppError('INTERNAL', 'A tus request has lost its context.')
  return exchange
}

function bodyOf(request: Request): Body {
  return {
    source: request,
    announcedBytes: announcedBytes(request.headers),
    checksum: bodyChecksum(request.headers),
  }
}

/** A chunked body doesn't say beforehand that it brings nothing. @throws PAYLOAD_TOO_LARGE when it brings something */
async function assertEmpty(request: Request): Promise<void> {
  for await (const _ of request.iterator({ destroyOnReturn: false })) {
    throw new AppError(
      'PAYLOAD_TOO_LARGE',
      'The upload is whole already: its last byte has arrived. Ask for its report.',
    )
  }
}

function toTusUpload(upload: Upload): TusUpload {
  return new TusUpload({
    id: upload.id,
    offset: Number(upload.offsetBytes),
    ...(upload.sizeBytes === null ? {} : { size: Number(upload.sizeBytes) }),
    ...(upload.tusMetadata === null ? {} : { metadata: Metadata.parse(upload.tusMetadata) }),
    creation_date: upload.createdAt.toISOString(),
  })
}

/** The request as @tus/server needs it: the protocol's headers, and no body; `hasBody` only announces one. */
function bodiless(method: string, request: Request, hasBody: boolean): globalThis.Request {
  const headers = new Headers()
  for (const [name, text] of Object.entries(request.headers)) {
    // A length declared by a PATCH is ours to check: @tus/server refuses one that repeats what is known.
    if (method === 'PATCH' && name === 'upload-length') continue
    // What it means is ours to know: @tus/server would refuse it.
    if (name === 'upload-concat') continue
    const isTus = name.startsWith('upload-') || name === 'tus-resumable'
    if (isTus && typeof text === 'string' && text !== '') headers.set(name, text)
  }
  if (hasBody && isOffsetStream(request.headers)) headers.set('content-type', OFFSET_MEDIA_TYPE)
  const announced = announcedBytes(request.headers)
  if (announced !== null) headers.set('content-length', String(announced))
  return new globalThis.Request(`http://tus.invalid${request.baseUrl}${request.path}`, { method, headers })
}

function sendAnswer(answer: globalThis.Response, upload: Upload | null, response: Response): void {
  for (const [name, text] of answer.headers) {
    // CORS is answered once, for the whole server; the type is the one of a body that isn't there.
    if (!name.startsWith('access-control-') && name !== 'content-type') response.setHeader(name, text)
  }
  if (upload !== null) setUploadHeaders(upload, response)
  // Without it Node would send a HEAD's or an empty 201's body chunked.
  if (answer.status !== 204) response.setHeader('Content-Length', '0')
  response.setHeader('Tus-Resumable', TUS_VERSION)
  response.status(answer.status).end()
}

function setUploadHeaders(upload: Upload, response: Response): void {
  if (upload.state === 'receiving') response.setHeader('Upload-Expires', upload.expiresAt.toUTCString())
  if (upload.concat !== null) response.setHeader('Upload-Concat', upload.concat)
}

function cantConcatenate(): AppError {
  return new AppError(
    'INVALID_INPUT',
    "This server has a store that can't put uploads together. Send the file in one upload: parallelUploads 1.",
  )
}

function wrongMediaType(): AppError {
  return new AppError('UNSUPPORTED_MEDIA_TYPE', `Send the bytes with "Content-Type: ${OFFSET_MEDIA_TYPE}".`)
}

/** The few errors that @tus/server throws before the intake is asked. */
function translate(error: unknown): unknown {
  if (typeof error !== 'object' || error === null || !('status_code' in error)) return error
  const { status_code: status } = error
  if (status === 413)
    return new AppError(
      'PAYLOAD_TOO_LARGE',
      'The body goes past the end of the upload. Ask for the offset with HEAD.',
    )
  if (status === 409)
    return new AppError(
      'OFFSET_MISMATCH',
      'Upload-Offset is not the offset of the upload. Ask for it with HEAD.',
    )
  if (status === 501)
    return new AppError('INVALID_INPUT', 'The request asks for a tus extension that OPTIONS does not name.')
  if (status === 400)
    return new AppError('INVALID_INPUT', 'The request does not follow the tus protocol 1.0.0.')
  return error
}

function untranslated(answer: globalThis.Response): AppError {
  if (answer.status === 400)
    return new AppError('INVALID_INPUT', 'The request does not follow the tus protocol 1.0.0.')
  return new AppError('INTERNAL', `@tus/server answered ${answer.status}.`)
}
