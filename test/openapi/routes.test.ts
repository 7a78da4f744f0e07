// The routes of the real app against openapi.json: neither has what the other lacks.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { z } from 'zod'
import { composeService, type Service } from '../../server/compose.js'
import { readConfig } from '../../server/config.js'
import { openApi } from '../../server/openapi.js'
import { createLog } from '../../server/ops/log.js'
import { createTestDatabase, type TestDatabase } from '../support/database.js'
import { startServer, type TestServer } from '../support/server.js'
import { Description } from './described.js'
import { ask } from './exchange.js'

const description = new Description(openApi('0.0.0'))

interface Route {
  method: string
  /** As OpenAPI writes it. */
  path: string
}

const listing = z.array(
  z.object({ path: z.string(), methods: z.array(z.string()).optional(), router: z.unknown() }),
)

/** Every route of a router and of those mounted in it. A method '*' stands for what refuses all others. */
function routesOf(router: unknown, mountedAt = ''): Route[] {
  return listed(router).flatMap(({ path, methods, router: mounted }) => {
    const at = mountedAt + (path === '/' ? '' : path)
    if (methods === undefined) return routesOf(mounted, at)
    return spellings(at || '/').flatMap((spelled) =>
      methods.map((method) => ({ method: method.toLowerCase(), path: spelled })),
    )
  })
}

/** What router 2.3 says of itself; its types don't know of it yet. */
function listed(router: unknown): z.output<typeof listing> {
  if (typeof router !== 'function' || !('listRoutes' in router) || typeof router.listRoutes !== 'function') {
    throw new Error('This is not a router, or router has changed.')
  }
  return listing.parse(router.listRoutes())
}

/** `/r/:token{/:filename}` → `/r/{token}/{filename}` and `/r/{token}`. */
function spellings(expressPath: string): string[] {
  const optional = /\{([^}]*)\}/.exec(expressPath)
  if (optional === null) return [expressPath.replaceAll(/:(\w+)/g, '{$1}')]
  return [optional[1] ?? '', ''].flatMap((middle) => spellings(expressPath.replace(optional[0], middle)))
}

const named = ({ method, path }: Route) => `${method} ${path}`

describe('the routes of the app', () => {
  let folder: string
  let database: TestDatabase
  let service: Service
  let routes: Route[]

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'antipasto-routes-'))
    database = await createTestDatabase()
    service = await composeService({
      config: readConfig({ DATA_DIR: folder }),
      databaseUrl: database.databaseUrl,
      log: createLog({ level: 'silent' }),
      publicUrl: () => 'http://localhost',
    })
    routes = routesOf(service.app.router)
  })

  afterAll(async () => {
    await service?.close()
    await database?.drop()
    await rm(folder, { recursive: true, force: true })
  })

  test('are all in openapi.json', () => {
    const documented = new Set(description.operations.map(named))
    // HTTP has HEAD wherever it has GET, and the tail that a path can do without is in the document as the whole path.
    const isDocumented = ({ method, path }: Route): boolean =>
      documented.has(named({ method, path })) ||
      (method === 'head' && documented.has(named({ method: 'get', path }))) ||
      (path === '/r/{token}' && isDocumented({ method, path: '/r/{token}/{filename}' }))
    const undocumented = routes.filter((route) => route.method !== '*' && !isDocumented(route))
    expect(routes.length).toBeGreaterThan(20)
    expect(undocumented.map(named)).toEqual([])
  })

  test('are all that openapi.json has', () => {
    const there = new Set(routes.map(named))
    expect(description.operations.map(named).filter((operation) => !there.has(operation))).toEqual([])
  })
})

describe('a method that a path does not have', () => {
  let server: TestServer

  beforeAll(async () => {
    server = await startServer()
  })

  afterAll(async () => server?.dispose())

  const paths = [...new Set(description.operations.map(({ path }) => path))]

  test.each(paths)('is refused at %s, naming those it has', async (at) => {
    const has = (method: string) =>
      description.operations.some((one) => one.path === at && one.method.toUpperCase() === method)
    const answer = await ask(server.url, {
      method: has('PUT') ? 'PATCH' : 'PUT',
      target: at.replaceAll(/\{\w+\}/g, 'f'.repeat(40)),
      headers: { 'X-API-Key': server.key },
    })
    expect(answer?.status).toBe(405)
    const documented = description.operations
      .filter(({ path }) => path === at)
      .map(({ method }) => method.toUpperCase())
    // HEAD comes with GET, and need not be named.
    const allowed = String(answer?.headers.allow)
      .split(', ')
      .filter((method) => method !== 'HEAD' || documented.includes(method))
    expect(allowed.sort()).toEqual(documented.sort())
  })
})
