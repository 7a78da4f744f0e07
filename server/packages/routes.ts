// Packages over HTTP: made, listed, finalized, kept longer, deleted; and their manifests.

import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { type Request, type Response, Router } from 'express'
import { actorOf, identityOf, requireScope } from '../auth/bearer.js'
import { ownScope, readScope, writeScope } from '../auth/owner-scope.js'
import { unlessOnlySeen } from '../auth/shared.js'
import { AppError, isAppError } from '../errors.js'
import { isNotModified } from '../files/byte-range.js'
import { pageOf, sendJson, sendPage } from '../http/answer.js'
import { parseInput } from '../http/input.js'
import { jsonBody, jsonIn } from '../http/json-body.js'
import type { Removals } from '../uploads/removals.js'
import { type Origins, reportOf } from '../uploads/report.js'
import type { PackageEnds } from './ends.js'
import type { Manifest, PackageFinalizer } from './finalize.js'
import {
  encodeFileCursor,
  encodePackageCursor,
  parseFileListQuery,
  parsePackageListQuery,
} from './list-query.js'
import { MANIFEST_TYPES, type ManifestFormat } from './manifest.js'
import { createPackageBody, extendRetentionBody } from './operations.js'
import {
  assertPackageAlive,
  extensionReport,
  type Package,
  packageReport,
  packageSummary,
  secondsLeft,
} from './package.js'
import type { Packages } from './records.js'

export interface PackageRoutesOptions extends Origins {
  packages: Packages
  finalizer: PackageFinalizer
  ends: PackageEnds
  removals: Pick<Removals, 'removeAllOf'>
  /** False: deleting what isn't there is done already, 204. */
  deleteStrict404: boolean
}

/** Metadata of 64 KiB, written with escapes and spaces, and what stands beside it. */
const MOST_BODY = '256kb'

const WHAT_TO_SEND = 'Send a JSON object with "Content-Type: application/json".'

/** To be mounted behind `authenticate`, and behind the routers that know other paths under /packages/{id}. */
export function packageRoutes(options: PackageRoutesOptions): Router {
  const { packages, finalizer, ends, removals, publicUrl } = options
  const router = Router()
  const body = jsonBody({ limit: MOST_BODY })

  router.get('/', requireScope('read'), async (request, response) => {
    const query = parsePackageListQuery(request.query)
    const found = await packages.list(readScope(identityOf(request)), { ...query, limit: query.limit + 1 })
    const page = pageOf(
      found,
      query.limit,
      (one) => packageSummary(one, one, publicUrl()),
      encodePackageCursor,
    )
    sendPage(request, response, page, publicUrl())
  })

  router.post('/', requireScope('upload'), body, async (request, response) => {
    const wanted = parseInput(createPackageBody, jsonIn(request, WHAT_TO_SEND), 'body')
    const made = await packages.create(identityOf(request).owner, {
      name: wanted.name,
      label: wanted.label ?? null,
      producer: wanted.producer ?? null,
      subject: wanted.subject ?? null,
      retentionClass: wanted.retention_class ?? null,
      metadata: wanted.metadata ?? {},
    })
    response.status(201).location(`${publicUrl()}/packages/${made.id}`)
    await sendReport(response, made)
  })

  router.get('/:id', requireScope('read'), async (request, response) => {
    await sendReport(response, await find(request))
  })

  router.delete('/:id', requireScope('delete'), async (request, response) => {
    const id = idOf(request)
    try {
      const by = actorOf(request)
      await ifAllowed(request, () => ends.commitDelete(id, ownScope(identityOf(request)), by))
      await removals.removeAllOf(id, by)
    } catch (error) {
      if (options.deleteStrict404 || !isAppError(error, 'NOT_FOUND', 'GONE')) throw error
    }
    response.status(204).end()
  })

  router.get('/:id/files', requireScope('read'), async (request, response) => {
    const { id } = await find(request)
    const { limit, afterPath } = parseFileListQuery(request.query, id)
    const found = await packages.files(id, afterPath, limit + 1)
    const page = pageOf(
      found,
      limit,
      (upload) => reportOf(upload, options),
      ({ packagePath }) => encodeFileCursor(id, packagePath ?? ''),
    )
    sendPage(request, response, page, publicUrl())
  })

  router.post('/:id/finalize', requireScope('upload'), async (request, response) => {
    const scope = writeScope(identityOf(request))
    await sendReport(response, await ifAllowed(request, () => finalizer.finalize(idOf(request), scope)))
  })

  router.get('/:id/manifest', requireScope('read'), async (request, response) => {
    response.vary('Accept')
    await sendManifest(request, response, acceptedFormat(request))
  })

  router.get('/:id/manifest.json', requireScope('read'), async (request, response) => {
    await sendManifest(request, response, 'json')
  })

  router.post('/:id/retention/extensions', requireScope('upload'), body, async (request, response) => {
    const wanted = parseInput(extendRetentionBody, jsonIn(request, WHAT_TO_SEND), 'body')
    const { extension, package: extended } = await ifAllowed(request, () =>
      ends.extend(idOf(request), ownScope(identityOf(request)), {
        newExpiresAt: new Date(wanted.new_expires_at),
        reason: wanted.reason,
        by: actorOf(request),
      }),
    )
    response.status(201)
    sendJson(response, {
      package_id: extended.id,
      ...extensionReport(extension),
      expires_at: extended.endsAt.toISOString(),
      expires_in: secondsLeft(extended),
    })
  })

  return router

  /** @throws NOT_FOUND, GONE */
  async function find(request: Request): Promise<Package> {
    const found = await packages.get(idOf(request), readScope(identityOf(request)))
    assertPackageAlive(found)
    return found
  }

  /** @throws FORBIDDEN to whom it is shared with for less than that */
  function ifAllowed<T>(request: Request, act: () => Promise<T>): Promise<T> {
    return unlessOnlySeen(act, () => find(request))
  }

  async function sendReport(response: Response, found: Package): Promise<void> {
    const [contents, extensions] = await Promise.all([
      packages.contents(found.id),
      packages.extensions(found.id),
    ])
    sendJson(response, packageReport(found, contents, extensions, publicUrl()))
  }

  async function sendManifest(request: Request, response: Response, format: ManifestFormat): Promise<void> {
    const found = await find(request)
    const manifest = await finalizer.manifest(found.id, format)
    const etag = `"${manifest.sha256}"`
    response
      .set('ETag', etag)
      .set('Cache-Control', 'private, no-cache')
      .set('X-Content-Type-Options', 'nosniff')
    if (isNotModified(request.headers['if-none-match'], etag)) {
      response.status(304).end()
      return
    }
    setManifestHeaders(response, manifest, format)
    if (found.finalizedAt !== null) response.set('Last-Modified', found.finalizedAt.toUTCString())
    if (request.method === 'HEAD') response.end()
    else await sendBytes(response, manifest)
  }
}

const idOf: (request: Request) => string = (request) => String(request.params.id)

/** CBOR, unless JSON is what is asked for. @throws NOT_ACCEPTABLE when it is neither */
function acceptedFormat(request: Request): ManifestFormat {
  const accepted = request.accepts(MANIFEST_TYPES.cbor, MANIFEST_TYPES.json)
  if (accepted === MANIFEST_TYPES.cbor) return 'cbor'
  if (accepted === MANIFEST_TYPES.json) return 'json'
  throw new AppError(
    'NOT_ACCEPTABLE',
    `A manifest is ${MANIFEST_TYPES.cbor} or ${MANIFEST_TYPES.json}. Accept one of them, or leave Accept out.`,
  )
}

function setManifestHeaders(
  response: Response,
  { sha256, sizeBytes }: Manifest,
  format: ManifestFormat,
): void {
  // setHeader, since Express's own `set` adds a charset, which these types don't have.
  response.setHeader('Content-Type', MANIFEST_TYPES[format])
  response.setHeader('Content-Length', sizeBytes)
  response.setHeader('Repr-Digest', `sha-256=:${Buffer.from(sha256, 'hex').toString('base64')}:`)
}

/** At the client's pace. One that goes away is no trouble of ours. */
async function sendBytes(response: Response, manifest: Manifest): Promise<void> {
  try {
    await pipeline(Readable.from(manifest.bytes(), { objectMode: false }), response)
  } catch (error) {
    if (!isPrematureClose(error)) throw error
  }
}

function isPrematureClose(error: unknown): boolean {
  return (
    typeof error === 'object' &&
    error !== null &&
    'code' in error &&
    error.code === 'ERR_STREAM_PREMATURE_CLOSE'
  )
}
