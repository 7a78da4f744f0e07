// What openapi.json says of an exchange, and what an answer has that it doesn't say. Works from the document alone.

import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import { decode } from 'cborg'
import { z } from 'zod'

const METHODS = ['get', 'head', 'post', 'put', 'patch', 'delete', 'options'] as const

const schemaValue = z.record(z.string(), z.unknown())

const parameterValue = z.object({
  name: z.string(),
  in: z.enum(['path', 'query', 'header']),
  required: z.boolean(),
  schema: schemaValue,
})

const contentValue = z.record(z.string(), z.object({ schema: schemaValue }))

const operationValue = z.object({
  operationId: z.string(),
  tags: z.array(z.string()),
  security: z.array(z.record(z.string(), z.array(z.string()))),
  parameters: z.array(parameterValue).default([]),
  requestBody: z.object({ required: z.boolean(), content: contentValue }).optional(),
  responses: z.record(z.string(), z.unknown()),
})

const responseValue = z.object({
  headers: z.record(z.string(), z.unknown()).default({}),
  content: contentValue.default({}),
})

export type Parameter = z.output<typeof parameterValue>
export type JsonSchema = z.output<typeof schemaValue>

export interface DescribedOperation extends z.output<typeof operationValue> {
  method: string
  path: string
}

/** An answer, with its body as it came. */
export interface Answer {
  status: number
  headers: Readonly<Record<string, string | string[] | undefined>>
  body: Buffer
}

export class Description {
  readonly document: Readonly<Record<string, unknown>>
  readonly operations: readonly DescribedOperation[]
  readonly #ajv = new Ajv2020({ strict: false, allErrors: true })
  readonly #validators = new Map<string, ValidateFunction>()

  constructor(document: Readonly<Record<string, unknown>>) {
    this.document = document
    const paths = z.record(z.string(), z.record(z.string(), z.unknown())).parse(document.paths)
    this.operations = Object.entries(paths).flatMap(([path, item]) =>
      METHODS.filter((method) => item[method] !== undefined).map((method) => ({
        ...operationValue.parse(item[method]),
        method,
        path,
      })),
    )
    this.#ajv.addFormat('date-time', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/)
    this.#ajv.addFormat('uri', { type: 'string', validate: (text: string) => URL.canParse(text) })
    this.#ajv.addFormat('binary', true)
    this.#ajv.addSchema(document, 'openapi')
  }

  operation(id: string): DescribedOperation {
    const found = this.operations.find(({ operationId }) => operationId === id)
    if (found === undefined) throw new Error(`openapi.json has no operation ${id}.`)
    return found
  }

  /** The part of the document that `$ref` names; `value` itself when it is none. */
  resolve(value: unknown): unknown {
    const { $ref } = z.object({ $ref: z.string().optional() }).parse(value)
    return $ref === undefined ? value : this.resolve(this.#at($ref.slice(2).split('/')))
  }

  /** Everything of `answer` that the document doesn't say; nothing when all is as documented. */
  faultsOf({ operationId, method, path, responses }: DescribedOperation, answer: Answer): string[] {
    const { status } = answer
    if (responses[status] === undefined) return [`${operationId} may not answer ${status}`]
    const { content } = responseValue.parse(this.resolve(responses[status]))
    const mediaType =
      String(answer.headers['content-type'] ?? '')
        .split(';')[0]
        ?.trim() ?? ''
    const mayBeBodiless = Object.keys(content).length === 0 || TUS_ANSWERS.has(`${operationId} ${status}`)
    if (method === 'head' || (mayBeBodiless && answer.body.byteLength === 0)) {
      return answer.body.byteLength === 0 ? [] : [`${operationId} ${status} may not have a body`]
    }
    const documented = [mediaType, '*/*'].find((type) => content[type] !== undefined)
    if (documented === undefined) return [`${operationId} ${status} may not be "${mediaType}"`]
    const value = decoded(mediaType, answer.body)
    if (value === undefined) return []
    const refersTo = z.object({ $ref: z.string().optional() }).parse(responses[status]).$ref
    const place =
      refersTo?.slice(2) ?? ['paths', path, method, 'responses', status].map(escapePointer).join('/')
    return this.#errors(`${place}/content/${escapePointer(documented)}/schema`, value).map(
      (error) => `${operationId} ${status} ${error}`,
    )
  }

  #errors(pointer: string, value: unknown): string[] {
    const validate =
      this.#validators.get(pointer) ?? this.#ajv.compile({ $ref: `openapi#/${encodeURI(pointer)}` })
    this.#validators.set(pointer, validate)
    if (validate(value)) return []
    return (validate.errors ?? []).map(
      ({ instancePath, message, params }) =>
        `${instancePath || 'body'}: ${message} ${JSON.stringify(params)}`,
    )
  }

  #at(names: readonly string[]): unknown {
    return names.reduce<unknown>(
      (part, name) => z.record(z.string(), z.unknown()).parse(part)[unescapePointer(name)],
      this.document,
    )
  }
}

/** OpenAPI can't say that one kind of client gets the body and another gets none. The descriptions do. */
const TUS_ANSWERS = new Set(['createUpload 201'])

/** What a schema can be held against; undefined for bytes and for text. */
function decoded(mediaType: string, body: Buffer): unknown {
  if (mediaType === 'application/cbor') return decode(body)
  return /[/+]json$/.test(mediaType) ? (JSON.parse(body.toString('utf8')) as unknown) : undefined
}

function escapePointer(name: string | number): string {
  return String(name).replaceAll('~', '~0').replaceAll('/', '~1')
}

function unescapePointer(name: string): string {
  return name.replaceAll('~1', '/').replaceAll('~0', '~')
}
