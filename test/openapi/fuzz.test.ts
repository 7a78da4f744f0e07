// Every operation of openapi.json is asked for what it allows and for what it doesn't: no answer is a 5xx, and none is one that
// the document doesn't know. FUZZ_SECONDS makes it longer than the 20 s that it takes in the suite.

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { openApiKeys } from '../../server/auth/api-keys.js'
import type { Scope } from '../../server/auth/identity.js'
import { openDatabase } from '../../server/database/client.js'
import { openApi } from '../../server/openapi.js'
import { type Iam, startIam } from '../support/iam.js'
import fc from '../support/properties.js'
import { SEED } from '../support/seed.js'
import { startServer, type TestServer } from '../support/server.js'
import { type ArbitraryRequest, type Credential, requestOf, withSeeds } from './arbitrary-request.js'
import { type DescribedOperation, Description } from './described.js'
import { ask } from './exchange.js'
import { Seeds } from './seeds.js'

const description = new Description(openApi('0.0.0'))

const SECONDS = Number(process.env.FUZZ_SECONDS ?? 20)

/** How much there is to get wrong. */
function weightOf({ parameters, requestBody }: DescribedOperation): number {
  return 1 + parameters.length + 5 * Object.keys(requestBody?.content ?? {}).length
}

const weights = description.operations.reduce((sum, operation) => sum + weightOf(operation), 0)
const millisecondsFor = (operation: DescribedOperation) => (SECONDS * 1000 * weightOf(operation)) / weights

const LEAST_REQUESTS = 50
/** What is there is used up: deleted, finalized, failed. */
const REQUESTS_PER_SEED = 60

describe('openapi.json is kept to, whatever is asked', () => {
  let iam: Iam
  let server: TestServer
  let seeds: Seeds
  let keys: Record<'owner' | 'admin' | 'reader', string>
  let asked = 0
  const statuses = new Map<string, Map<number, number>>()

  beforeAll(async () => {
    iam = await startIam()
    const env = { WEBHOOK_PRIVATE_ADDRESSES: 'true', LOG_LEVEL: 'info', ...iam.env }
    server = await startServer({ env })
    const make = await keyMaker(server)
    keys = {
      owner: await make('owner', ['upload', 'read', 'delete']),
      admin: await make('admin', ['admin']),
      reader: await make('reader', ['read']),
    }
    await make.close()
    seeds = new Seeds(server.url, keys.owner)
    await seeds.renew()
  })

  afterAll(async () => {
    await server?.dispose()
    await iam?.close()
  })

  function credentialHeaders(credential: Credential): Record<string, string> {
    switch (credential) {
      case 'none':
        return {}
      case 'unknown':
        return { 'X-API-Key': 'no-such-key-0123456789' }
      case 'two':
        return { 'X-API-Key': keys.owner, Authorization: `Bearer ${keys.owner}` }
      default:
        return { Authorization: `Bearer ${keys[credential]}` }
    }
  }

  function tally({ operationId }: DescribedOperation, status: number): void {
    const counts = statuses.get(operationId) ?? new Map<number, number>()
    statuses.set(operationId, counts.set(status, (counts.get(status) ?? 0) + 1))
  }

  async function faultsOf(operation: DescribedOperation, arbitrary: ArbitraryRequest): Promise<string[]> {
    asked += 1
    if (asked % REQUESTS_PER_SEED === 0) await seeds.renew()
    const { credential, ...request } = withSeeds(arbitrary, seeds)
    const headers = { ...request.headers, ...credentialHeaders(credential) }
    const answer = await ask(server.url, { ...request, headers })
    if (answer === undefined) return [`${operation.operationId} hung up without an answer`]
    tally(operation, answer.status)
    const faults = description.faultsOf(operation, answer)
    if (answer.status >= 500) faults.push(`${operation.operationId} answered ${answer.status}`)
    return faults.length === 0
      ? []
      : [...faults, shown({ ...request, headers }), answer.body.toString('utf8').slice(0, 1000)]
  }

  // What ends things comes last, so that the others find some.
  const isEnd = ({ method }: DescribedOperation) => method === 'delete'
  const ordered = [
    ...description.operations.filter((operation) => !isEnd(operation)),
    ...description.operations.filter(isEnd),
  ]

  test.each(ordered.map((operation) => [operation.operationId, operation] as const))(
    '%s',
    async (_, operation) => {
      const property = fc.asyncProperty(requestOf(description, operation), async (request) => {
        expect(await faultsOf(operation, request)).toEqual([])
      })
      // However busy the machine is, so many; then as many as there is time for at that pace.
      const startedAt = performance.now()
      await fc.assert(property, { numRuns: LEAST_REQUESTS })
      const elapsed = performance.now() - startedAt
      const more = Math.floor((LEAST_REQUESTS * (millisecondsFor(operation) - elapsed)) / elapsed)
      // With the same seed they would be the same ones.
      if (more > 0) await fc.assert(property, { numRuns: more, seed: SEED + 1 })
    },
    SECONDS * 1000 + 60_000,
  )

  test('nearly every operation has succeeded at times, and the log tells of no failure', () => {
    const lines = [...statuses].map(([id, counts]) => {
      const told = [...counts].sort(([a], [b]) => a - b).map(([status, count]) => `${status}×${count}`)
      return `${id}: ${told.join(' ')}`
    })
    console.info(
      `${asked} requests to ${description.operations.length} operations in ${SECONDS} s\n${lines.join('\n')}`,
    )
    const isSuccess = (status: number) => status < 400
    const neverSucceeded = description.operations
      .map(({ operationId }) => operationId)
      .filter((id) => ![...(statuses.get(id)?.keys() ?? [])].some(isSuccess))
    // Chance may leave out one; answers.test.ts has a success of each.
    expect(neverSucceeded.length).toBeLessThan(4)
    const failures = server
      .logs()
      .split('\n')
      .filter((line) => /request failed|"level":(50|60)/.test(line))
    expect(failures).toEqual([])
  })
})

function shown({
  method,
  target,
  headers,
  body,
}: {
  method: string
  target: string
  headers: object
  body?: unknown
}): string {
  const content = Buffer.isBuffer(body) ? `${body.byteLength} bytes` : String(body).slice(0, 2000)
  return `${method} ${target.slice(0, 2000)} ${JSON.stringify(headers)} ${content}`
}

async function keyMaker({ databaseUrl }: TestServer) {
  const database = await openDatabase(databaseUrl ?? '')
  const apiKeys = openApiKeys(database.prisma, { upload: [], read: [], delete: [] })
  const make = async (owner: string, scopes: Scope[]) =>
    (await apiKeys.create({ name: owner, owner, scopes, ttlSeconds: undefined })).key
  return Object.assign(make, { close: () => database.close() })
}
