// openapi.json as a document: valid, complete in itself, and refused when it would say two things at once.

import { describe, expect, test } from '@jest/globals'
import { Validator } from '@seriousme/openapi-schema-validator'
import { z } from 'zod'
import type { Operation } from '../../server/http/operation.js'
import { openApiDocument } from '../../server/openapi/document.js'
import { openApi, operations } from '../../server/openapi.js'
import { statusOf } from '../../server/problem.js'
import { VERSION } from '../../server/version.js'
import { Description } from './described.js'

const document = JSON.parse(JSON.stringify(openApi(VERSION))) as Record<string, unknown>
const description = new Description(document)

const HEAD = { title: 'test', version: '1', description: '', tags: [] }

const readThing: Operation = {
  method: 'get',
  path: '/things/{id}',
  id: 'readThing',
  tag: 'Things',
  summary: 'Reads it',
  scope: 'read',
  answers: { 200: { description: 'It', content: { 'application/json': z.object({ a: z.string() }) } } },
  problems: ['NOT_FOUND'],
}

function partOf(operation: Operation, path: readonly (string | number)[]): unknown {
  const made = JSON.parse(JSON.stringify(openApiDocument(HEAD, [operation]))) as unknown
  return path.reduce<unknown>((part, name) => z.record(z.string(), z.unknown()).parse(part)[name], made)
}

function parametersOf(operation: Operation): unknown[] {
  return z
    .array(z.unknown())
    .parse(partOf(operation, ['paths', operation.path, operation.method, 'parameters']))
}

describe('openapi.json', () => {
  test('is valid by the schema of OpenAPI 3.1', async () => {
    const validator = new Validator()
    const { valid, errors } = await validator.validate(document)
    expect(errors).toBeUndefined()
    expect(valid).toBe(true)
    expect(validator.version).toBe('3.1')
  })

  test('refers to nothing that it lacks, and has nothing that nobody refers to', () => {
    const text = JSON.stringify(document)
    const refs = new Set([...text.matchAll(/"\$ref":"([^"]+)"/g)].map(([, ref]) => ref))
    for (const $ref of refs) expect(description.resolve({ $ref })).toBeDefined()
    const { schemas, responses } = z
      .object({ schemas: z.record(z.string(), z.unknown()), responses: z.record(z.string(), z.unknown()) })
      .parse(document.components)
    const names = [
      ...Object.keys(schemas).map((name) => `#/components/schemas/${name}`),
      ...Object.keys(responses).map((name) => `#/components/responses/${name}`),
    ]
    expect(names.filter((name) => !refs.has(name))).toEqual([])
  })

  test('explains every group, and every group has operations', () => {
    const { tags } = z.object({ tags: z.array(z.object({ name: z.string() })) }).parse(document)
    expect(new Set(tags.map(({ name }) => name))).toEqual(new Set(operations.map(({ tag }) => tag)))
  })

  test('names the scope of every operation that needs a credential', () => {
    for (const { id, scope } of operations) {
      const scopes = scope === 'any' ? [] : [scope]
      const expected = scope === null ? [] : [{ bearer: scopes }, { apiKey: scopes }]
      expect({ id, security: description.operation(id).security }).toEqual({ id, security: expected })
    }
  })

  test('knows each code of each refusal at its status', () => {
    for (const { id, problems } of operations) {
      const { responses } = description.operation(id)
      for (const code of problems) {
        const response = JSON.stringify(description.resolve(responses[statusOf[code]]))
        expect(response).toContain(code)
      }
    }
  })

  test('has examples that its own schemas take', () => {
    const examples = operations.flatMap(({ id, body }) =>
      Object.values(body?.content ?? {}).flatMap((schema) => {
        const given = schema === 'bytes' ? undefined : schema.meta()?.examples
        return Array.isArray(given) && schema !== 'bytes'
          ? given.map((example: unknown) => ({ id, schema, example }))
          : []
      }),
    )
    expect(examples.length).toBeGreaterThan(3)
    for (const { id, schema, example } of examples) {
      expect({ id, error: schema.safeParse(example).error?.issues }).toEqual({ id, error: undefined })
    }
  })

  test('has the version of the package', () => {
    expect(document.info).toMatchObject({ version: VERSION })
    expect(VERSION).toMatch(/^\d+\.\d+\.\d+/)
  })
})

describe('an operation', () => {
  test('tells numbers and lists in a query as what they are', () => {
    const query = z.strictObject({
      count: z.string().regex(/^\d+$/).transform(Number).pipe(z.int().min(1).max(9)).default(3),
      kinds: z
        .string()
        .transform((text) => text.split(','))
        .pipe(z.array(z.enum(['a', 'b'])))
        .optional()
        .describe('Which.'),
      text: z
        .string()
        .max(5)
        .transform((text) => text.trim()),
    })
    expect(parametersOf({ ...readThing, query }).slice(1)).toEqual([
      {
        name: 'count',
        in: 'query',
        required: false,
        schema: { type: 'integer', minimum: 1, maximum: 9, default: 3 },
      },
      {
        name: 'kinds',
        in: 'query',
        required: false,
        description: 'Which.',
        style: 'form',
        explode: false,
        schema: { type: 'array', items: { type: 'string', enum: ['a', 'b'] } },
      },
      { name: 'text', in: 'query', required: true, schema: { type: 'string', maxLength: 5 } },
    ])
  })

  test('tells parameters whose names nobody knows beforehand', () => {
    const openQuery = { prefix: 'metadata.', description: 'Any.' }
    expect(parametersOf({ ...readThing, openQuery }).slice(1)).toEqual([
      {
        name: 'metadata.*',
        in: 'query',
        required: false,
        description: 'Any.',
        style: 'form',
        explode: true,
        schema: {
          type: 'object',
          propertyNames: { pattern: '^metadata\\..' },
          additionalProperties: { type: 'string' },
        },
      },
    ])
  })

  test('offers the first example of its body to be sent', () => {
    const schema = z.strictObject({ name: z.string() }).meta({ examples: [{ name: 'a' }, { name: 'b' }] })
    const operation: Operation = {
      ...readThing,
      method: 'post',
      body: { content: { 'application/json': schema, 'text/csv': 'bytes' }, isRequired: false },
    }
    expect(partOf(operation, ['paths', operation.path, 'post', 'requestBody'])).toMatchObject({
      required: false,
      content: {
        'application/json': { example: { name: 'a' } },
        'text/csv': { schema: { type: 'string', format: 'binary' } },
      },
    })
  })

  test('writes headers as they are written, without those that OpenAPI says elsewhere', () => {
    const headers = z.object({ accept: z.string().optional(), 'if-none-match': z.string().optional() })
    expect(parametersOf({ ...readThing, headers }).slice(1)).toEqual([
      { name: 'If-None-Match', in: 'header', required: false, schema: { type: 'string' } },
    ])
  })

  test('takes what its body is read from, and answers what it becomes', () => {
    const schema = z.object({
      at: z
        .string()
        .transform((text) => text.length)
        .pipe(z.int()),
    })
    const content = { 'application/json': schema }
    const operation: Operation = {
      ...readThing,
      method: 'post',
      body: { content, isRequired: true },
      answers: { 200: { description: 'It', content } },
    }
    const place = ['paths', operation.path, 'post']
    const type = (part: readonly (string | number)[]) =>
      partOf(operation, [
        ...place,
        ...part,
        'content',
        'application/json',
        'schema',
        'properties',
        'at',
        'type',
      ])
    expect(type(['requestBody'])).toBe('string')
    expect(type(['responses', 200])).toBe('integer')
  })

  test('has no body in what it answers to HEAD', () => {
    const operation: Operation = { ...readThing, method: 'head' }
    const made = JSON.stringify(openApiDocument(HEAD, [operation]))
    expect(made).not.toContain('"content"')
  })

  test.each<[string, Operation[], RegExp]>([
    ['one place', [readThing, { ...readThing, id: 'other' }], /get \/things\/\{id\} is there twice/],
    ['one id', [readThing, { ...readThing, path: '/other/{id}' }], /called readThing/],
    ['one schema name', twoSchemasOfOneName(), /called Thing/],
    [
      'a parameter that its path lacks',
      [{ ...readThing, params: z.object({ name: z.string() }) }],
      /has no name/,
    ],
    [
      'an answer that is a refusal too',
      [{ ...readThing, problems: ['UNAVAILABLE'], answers: { 503: { description: '' } } }],
      /503 in two ways/,
    ],
  ])('is refused with %s', (_, twisted, message) => {
    expect(() => openApiDocument(HEAD, twisted)).toThrow(message)
  })
})

function twoSchemasOfOneName(): Operation[] {
  return [z.object({ a: z.string() }), z.object({ b: z.string() })].map((schema, number) => ({
    ...readThing,
    id: `read${number}`,
    path: `/things/${number}/{id}`,
    answers: { 200: { description: '', content: { 'application/json': schema.meta({ id: 'Thing' }) } } },
  }))
}
