// The package rooms on a database and a store of a test's own: as many instances of them as wanted, and an app over one.

import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import { authenticate } from '../../server/auth/bearer.js'
import type { Scope } from '../../server/auth/identity.js'
import { openDatabase } from '../../server/database/client.js'
import { allowedMethods } from '../../server/http/allowed-methods.js'
import { createLog } from '../../server/ops/log.js'
import { requestId } from '../../server/ops/request-id.js'
import { PackageEnds } from '../../server/packages/ends.js'
import { PackageFinalizer } from '../../server/packages/finalize.js'
import { Membership } from '../../server/packages/membership.js'
import { packageOperations } from '../../server/packages/operations.js'
import type { PackageDescription } from '../../server/packages/package.js'
import { Packages } from '../../server/packages/records.js'
import { RetentionClasses } from '../../server/packages/retention.js'
import { packageRoutes } from '../../server/packages/routes.js'
import { noSuchRoute, problemHandler } from '../../server/problem.js'
import { type Answer, ask } from '../dialects/exchange.js'
import { checksumsOf } from '../dialects/tus-client.js'
import { aBody, aFile, type Ground, type Instance, openInstance, uploaderNamed } from '../uploads/parts.js'

export const OWNER = 'somebody'
export const PUBLIC_URL = 'https://staging.example.org'
export const MAX_TTL_SECONDS = 30 * 86_400

export const CLASSES = new RetentionClasses([
  { name: 'staging', ttlSeconds: 3600 },
  { name: 'long', ttlSeconds: 20 * 86_400 },
  { name: 'permanent', ttlSeconds: null },
])

export interface PackageInstance extends Instance {
  packages: Packages
  packageFinalizer: PackageFinalizer
  ends: PackageEnds
  membership: Membership
  /** A file that arrives whole, in a package or none. @returns its upload's id */
  put(
    content: string,
    where?: { packageId?: string; label?: string; path?: string; owner?: string },
  ): Promise<string>
}

export async function openPackageInstance(ground: Ground): Promise<PackageInstance> {
  const instance = await openInstance(ground)
  const database = await openDatabase(ground.databaseUrl)
  const provenance = () => ({ store: 'local', version: '0.0.0', publicUrl: PUBLIC_URL }) as const
  return {
    ...instance,
    packages: new Packages(database.prisma, CLASSES),
    packageFinalizer: new PackageFinalizer(database.prisma, CLASSES, provenance),
    ends: new PackageEnds(database.prisma, MAX_TTL_SECONDS),
    membership: new Membership(database.prisma, CLASSES),
    put: (content, { packageId = null, label = null, path = null, owner = OWNER } = {}) => {
      const bytes = Buffer.from(content)
      const description = aFile(bytes.byteLength, { packageId, label, relativePath: path })
      return instance.intake.takeWhole(uploaderNamed(owner), description, aBody(bytes))
    },
    async close() {
      await instance.close()
      await database.close()
    },
  }
}

export function aDescription(changes: Partial<PackageDescription> = {}): PackageDescription {
  return {
    name: 'Lake survey',
    label: null,
    producer: null,
    subject: null,
    retentionClass: null,
    metadata: {},
    ...changes,
  }
}

/** A record as of a file that arrived whole, without bytes in any store. */
export function aWhole(packageId: string, path: string, sizeBytes = 7) {
  return {
    id: randomBytes(20).toString('hex'),
    owner: OWNER,
    description: aFile(sizeBytes, { relativePath: path, packageId }),
    place: { packageId, ttlSeconds: 3600 },
    sizeBytes,
    digests: checksumsOf(Buffer.from(path)),
    warnings: [],
    retrievalToken: randomBytes(20).toString('base64url'),
  }
}

/** The package routes over HTTP. A key is an owner's name and scopes: `somebody:read+upload`. */
export class PackageApi {
  readonly #url: string
  readonly #stop: () => void

  private constructor(url: string, stop: () => void) {
    this.#url = url
    this.#stop = stop
  }

  static async open(instance: PackageInstance, { deleteStrict404 = true } = {}): Promise<PackageApi> {
    const app = express()
    app.disable('etag').set('query parser', 'simple')
    app.use(requestId)
    const identify = async (key: string) => {
      const [owner = '', scopes = ''] = key.split(':')
      return { owner, scopes: new Set(scopes.split('+') as Scope[]) }
    }
    app.use('/packages', authenticate({ identify, anonRead: false }))
    app.use(
      '/packages',
      packageRoutes({
        packages: instance.packages,
        finalizer: instance.packageFinalizer,
        ends: instance.ends,
        removals: instance.removals,
        publicUrl: () => PUBLIC_URL,
        retrievalOrigin: () => PUBLIC_URL,
        deleteStrict404,
      }),
    )
    app.use(allowedMethods(packageOperations))
    app.use(noSuchRoute)
    app.use(problemHandler(createLog({ level: 'silent' })))
    const server = createServer(app).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    return new PackageApi(`http://127.0.0.1:${port}`, () => server.close())
  }

  close(): void {
    this.#stop()
  }

  send(
    method: string,
    path: string,
    {
      key = `${OWNER}:upload+read+delete`,
      body,
      headers = {},
    }: { key?: string; body?: unknown; headers?: Record<string, string> } = {},
  ): Promise<Answer> {
    const isText = typeof body === 'string'
    const type = body === undefined ? {} : { 'Content-Type': 'application/json' }
    const bytes = body === undefined ? {} : { body: Buffer.from(isText ? body : JSON.stringify(body)) }
    return ask(this.#url, { method, path, headers: { 'X-API-Key': key, ...type, ...headers }, ...bytes })
  }
}

export function jsonOf<T>(answer: Answer): T {
  return JSON.parse(answer.body.toString())
}
