// Operations as a document of OpenAPI 3.1. Pure.

import type { z } from 'zod'
import type { ErrorCode } from '../errors.js'
import type { Answer, Content, Operation } from '../http/operation.js'
import { meaningOf, problemSchema, refusalHeaders, refusalsOf } from './refusals.js'
import { type JsonSchema, SchemaBook, type Side } from './schemas.js'

/** A part of the document: what JSON can say. */
type Json = Record<string, unknown>

/** What stands above the operations. */
export interface DocumentHead {
  title: string
  version: string
  description: string
  /** In the order in which they are shown. */
  tags: readonly { name: string; description: string }[]
}

const REQUEST_ID = 'X-Request-ID'
const BINARY: JsonSchema = { type: 'string', format: 'binary' }

/**
 * The document of `operations`, ready to be written as JSON.
 *
 * @throws Error when two operations have one id or one place, or two schemas one name
 */
export function openApiDocument(head: DocumentHead, operations: readonly Operation[]): Json {
  const writer = new DocumentWriter()
  for (const operation of operations) writer.add(operation)
  const { tags, ...info } = head
  return {
    openapi: '3.1.0',
    info: { ...info, license: { name: 'Apache-2.0', identifier: 'Apache-2.0' } },
    // Where this document comes from, the API is, too.
    servers: [{ url: '/' }],
    tags,
    paths: writer.paths,
    components: {
      schemas: writer.schemas,
      responses: writer.responses,
      headers: { [REQUEST_ID]: header('The id of the request: yours, when it was well-formed.') },
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', description: 'An API key as a bearer token (RFC 6750).' },
        apiKey: { type: 'apiKey', in: 'header', name: 'X-API-Key' },
      },
    },
  }
}

class DocumentWriter {
  readonly paths: Record<string, Json> = {}
  readonly responses: Record<string, Json> = {}
  readonly #book = new SchemaBook()
  readonly #ids = new Set<string>()

  get schemas(): Record<string, JsonSchema> {
    return this.#book.components
  }

  add(operation: Operation): void {
    const { id, method, path } = operation
    const methods = this.paths[path] ?? {}
    this.paths[path] = methods
    if (methods[method] !== undefined) throw new Error(`${method} ${path} is there twice.`)
    if (this.#ids.has(id)) throw new Error(`Two operations are called ${id}.`)
    this.#ids.add(id)
    methods[method] = this.#write(operation)
  }

  #write(operation: Operation): Json {
    const { id, tag, summary, description, scope, body } = operation
    const parameters = this.#parameters(operation)
    return {
      operationId: id,
      tags: [tag],
      summary,
      ...(description === undefined ? {} : { description }),
      security: securityOf(scope),
      ...(parameters.length === 0 ? {} : { parameters }),
      ...(body === undefined
        ? {}
        : { requestBody: { required: body.isRequired, content: this.#content(body.content, 'input') } }),
      responses: this.#answers(operation),
    }
  }

  #parameters({ path, params, query, openQuery, headers }: Operation): Json[] {
    const names = [...path.matchAll(/\{(\w+)\}/g)].flatMap(([, name]) => name ?? [])
    const unknown = Object.keys(params?.shape ?? {}).filter((name) => !names.includes(name))
    if (unknown.length > 0) throw new Error(`${path} has no ${unknown.join(', ')}.`)
    return [
      ...names.map((name) => this.#parameter('path', name, params?.shape[name])),
      ...Object.entries(query?.shape ?? {}).map(([name, schema]) => this.#parameter('query', name, schema)),
      ...(openQuery === undefined ? [] : [openParameter(openQuery)]),
      ...Object.entries(headers?.shape ?? {})
        .filter(([name]) => !SAID_ELSEWHERE.has(name))
        .map(([name, schema]) => this.#parameter('header', headerName(name), schema)),
    ]
  }

  #parameter(place: 'path' | 'query' | 'header', name: string, zodSchema: z.core.$ZodType | undefined): Json {
    // Every member of an object made by `z.object` is a full schema; its type only promises the core of one.
    const full = zodSchema as z.ZodType | undefined
    const { description, ...schema } =
      full === undefined ? { type: 'string' } : this.#book.parameterSchemaOf(full)
    const isRequired = place === 'path' || full?.safeParse(undefined).success === false
    return {
      name,
      in: place,
      required: isRequired,
      ...(description === undefined ? {} : { description }),
      // Lists are written with commas.
      ...(schema.type === 'array' && place === 'query' ? { style: 'form', explode: false } : {}),
      schema,
    }
  }

  #content(content: Content, side: Side): Json {
    return Object.fromEntries(
      Object.entries(content).map(([mediaType, schema]) => {
        if (schema === 'bytes') return [mediaType, { schema: BINARY }]
        // Where the page looks for what it offers to send.
        const { examples } = schema.meta() ?? {}
        const example = Array.isArray(examples) ? { example: examples[0] } : {}
        return [mediaType, { schema: this.#book.schemaOf(schema, side), ...example }]
      }),
    )
  }

  #answers(operation: Operation): Json {
    const { answers, method } = operation
    const written: Record<string, Json> = {}
    for (const [status, answer] of Object.entries(answers)) written[status] = this.#answer(answer, method)
    for (const [status, codes] of refusalsOf(operation)) {
      if (written[status] !== undefined) throw new Error(`${operation.id} answers ${status} in two ways.`)
      written[status] = { $ref: `#/components/responses/${this.#refusal(status, codes, method)}` }
    }
    return written
  }

  #answer({ description, headers, content }: Answer, method: Operation['method']): Json {
    return {
      description,
      headers: headersOf(headers ?? {}),
      ...(content === undefined || method === 'head' ? {} : { content: this.#content(content, 'output') }),
    }
  }

  /** @returns the name of the response in `components` */
  #refusal(status: number, codes: readonly ErrorCode[], method: Operation['method']): string {
    const isHead = method === 'head'
    const name = `${codes.map(camelCase).join('Or')}${isHead ? 'Bodiless' : ''}`
    if (this.responses[name] !== undefined) return name
    const problem = this.#book.schemaOf(problemSchema, 'output')
    this.responses[name] = {
      description: codes.map((code) => `\`${code}\`: ${meaningOf[code]}`).join(' '),
      headers: headersOf(Object.assign({}, ...codes.map((code) => refusalHeaders[code] ?? {}))),
      ...(isHead
        ? {}
        : {
            content: {
              'application/problem+json': {
                schema: {
                  allOf: [problem],
                  properties: { status: { const: status }, code: { enum: codes } },
                },
              },
            },
          }),
    }
    return name
  }
}

/** OpenAPI takes the names of scopes for any kind of credential. */
function securityOf(scope: Operation['scope']): Json[] {
  if (scope === null) return []
  const scopes = scope === 'any' ? [] : [scope]
  return [{ bearer: scopes }, { apiKey: scopes }]
}

/** Each member of the object is a parameter of its own. */
function openParameter({ prefix, description }: NonNullable<Operation['openQuery']>): Json {
  return {
    name: `${prefix}*`,
    in: 'query',
    required: false,
    description,
    style: 'form',
    explode: true,
    schema: {
      type: 'object',
      propertyNames: { pattern: `^${prefix.replaceAll('.', '\\.')}.` },
      additionalProperties: { type: 'string' },
    },
  }
}

/** OpenAPI says these by media types and by `security`, and ignores parameters that are called so. */
const SAID_ELSEWHERE = new Set(['accept', 'content-type', 'authorization'])

function headersOf(headers: Readonly<Record<string, string>>): Json {
  const written = Object.entries(headers).map(([name, says]) => [name, header(says)])
  return { ...Object.fromEntries(written), [REQUEST_ID]: { $ref: `#/components/headers/${REQUEST_ID}` } }
}

function header(description: string): Json {
  return { description, schema: { type: 'string' } }
}

/** `if-none-match` → `If-None-Match`. */
function headerName(lowercase: string): string {
  return lowercase.replaceAll(/(^|-)[a-z]/g, (start) => start.toUpperCase())
}

/** `NOT_FOUND` → `NotFound`. */
function camelCase(code: ErrorCode): string {
  return code.toLowerCase().replaceAll(/(^|_)([a-z])/g, (_, __, letter: string) => letter.toUpperCase())
}
