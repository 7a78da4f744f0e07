// Real answers of a real server against openapi.json: what each operation answers when all is well, and how it refuses.

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { z } from 'zod'
import { openApi } from '../../server/openapi.js'
import { type Iam, startIam } from '../support/iam.js'
import { startServer, type TestServer } from '../support/server.js'
import { CASES, type Case, type Ground, METRICS_TOKEN, NOBODY, prepare } from './cases.js'
import { type Answer, type DescribedOperation, Description } from './described.js'
import { type Ask, ask } from './exchange.js'

const description = new Description(openApi('0.0.0'))

describe('real answers', () => {
  let iam: Iam
  let server: TestServer
  let ground: Ground

  beforeAll(async () => {
    iam = await startIam()
    server = await startServer({ env: { WEBHOOK_PRIVATE_ADDRESSES: 'true', METRICS_TOKEN, ...iam.env } })
    ground = await prepare(send)
  })

  afterAll(async () => {
    await server?.dispose()
    await iam?.close()
  })

  async function send(request: Ask): Promise<Answer> {
    const answer = await ask(server.url, {
      ...request,
      headers: { 'X-API-Key': server.key, ...request.headers },
    })
    if (answer === undefined) throw new Error(`${request.method} ${request.target}: no answer`)
    return answer
  }

  const named = CASES.map((one) => [one.id, one.status, one.about ?? '', one] as const)

  test.each(named)('%s: %i %s', async (id, status, _, one) => {
    const operation = description.operation(id)
    const answer = await send({ method: operation.method.toUpperCase(), ...one.ask(ground) })
    const faults = description.faultsOf(operation, answer)
    expect({ status: answer.status, faults, body: shown(answer, faults, status) }).toEqual({
      status,
      faults: [],
      body: '',
    })
    expect(answer.headers['x-request-id']).toMatch(/^.+$/)
    const documented = headersIn(operation, status)
    for (const name of one.headers ?? []) {
      expect(documented).toContain(name)
      expect({ name, value: answer.headers[name] ?? null }).not.toEqual({ name, value: null })
    }
  })

  const operations = description.operations.map((operation) => [operation.operationId, operation] as const)
  const withCredential = operations.filter(([, { security }]) => security.length > 0)

  test.each(withCredential)('%s: 401 without a credential, and 400 with two', async (_, operation) => {
    const request = { method: operation.method.toUpperCase(), target: targetOf(operation) }
    for (const [status, headers] of [
      [401, {}],
      [400, { 'X-API-Key': server.key, Authorization: `Bearer ${server.key}` }],
    ] as const) {
      const answer = await ask(server.url, { ...request, headers })
      if (answer === undefined) throw new Error('There was no answer.')
      expect({ status: answer.status, faults: description.faultsOf(operation, answer) }).toEqual({
        status,
        faults: [],
      })
    }
  })

  const withQuery = operations.filter(([, { parameters }]) => parameters.some((one) => one.in === 'query'))

  test.each(withQuery)('%s: 400 for a parameter that nobody knows', async (_, operation) => {
    const [mediaType] = Object.keys(operation.requestBody?.content ?? {})
    const answer = await send({
      method: operation.method.toUpperCase(),
      target: `${targetOf(operation, ground)}?stranger=1`,
      ...(mediaType === undefined ? {} : { headers: { 'Content-Type': mediaType }, body: 'x' }),
    })
    expect({ status: answer.status, faults: description.faultsOf(operation, answer) }).toEqual({
      status: 400,
      faults: [],
    })
    expect(answer.body.toString('utf8')).toContain('stranger')
  })

  const jsonTypes = ['application/json', 'application/merge-patch+json']
  const withJson = operations.flatMap(([id, operation]) =>
    jsonTypes
      .filter((mediaType) => operation.requestBody?.content[mediaType] !== undefined)
      .map((mediaType) => [id, mediaType, operation] as const),
  )

  test.each(withJson)(
    '%s: 400 for a member of %s that nobody knows, and for what is not an object',
    async (_, mediaType, operation) => {
      for (const body of ['{"stranger":1}', '[]', 'null', '"text"', '{', '['.repeat(10_000)]) {
        const answer = await send({
          method: operation.method.toUpperCase(),
          target: targetOf(operation, ground),
          headers: { 'Content-Type': mediaType },
          body,
        })
        const faults = description.faultsOf(operation, answer)
        expect({ body: body.slice(0, 20), status: answer.status, faults }).toEqual({
          body: body.slice(0, 20),
          status: 400,
          faults: [],
        })
      }
    },
  )

  test('every operation has a case of success, and a case of refusal unless it only ever answers', () => {
    const ids = (isOurs: (one: Case) => boolean) => new Set(CASES.filter(isOurs).map(({ id }) => id))
    const succeeded = ids(({ status }) => status < 400)
    const refused = ids(({ status }) => status >= 400)
    const refuses = ({ security, parameters }: DescribedOperation) =>
      security.some((kinds) => Object.values(kinds).flat().length > 0) ||
      parameters.some(({ in: place }) => place === 'path')
    const missing = [
      ...description.operations.filter(({ operationId }) => !succeeded.has(operationId)),
      ...description.operations.filter(
        (operation) => refuses(operation) && !refused.has(operation.operationId),
      ),
    ].map(({ operationId }) => operationId)
    expect(missing.filter((id) => id !== 'getTusCapabilitiesOfUpload')).toEqual([])
  })
})

/** A path of the operation, at something that is there, or at nothing. */
function targetOf({ path }: DescribedOperation, ground?: Ground): string {
  const id = path.startsWith('/uploads/') ? ground?.ready : ground?.finalized
  return path.replaceAll(/\{\w+\}/g, id ?? NOBODY)
}

/** The body, when something is wrong with it. */
function shown(answer: Answer, faults: readonly string[], status: number): string {
  return faults.length > 0 || answer.status !== status ? answer.body.toString('utf8').slice(0, 2000) : ''
}

/** Names in lowercase of the headers that the document knows of an answer. */
function headersIn(operation: DescribedOperation, status: number): string[] {
  const { headers } = z
    .object({ headers: z.record(z.string(), z.unknown()) })
    .parse(description.resolve(operation.responses[status]))
  return [...Object.keys(headers).map((name) => name.toLowerCase()), 'content-length']
}
