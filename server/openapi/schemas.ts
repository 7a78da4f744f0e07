// From zod to JSON Schema, as OpenAPI 3.1 holds it. Pure.

import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'

export type JsonSchema = z.core.JSONSchema.BaseSchema

/** Which side of a schema is meant: what is sent to us, or what we answer. They differ where something is transformed. */
export type Side = 'input' | 'output'

/** JSON Schemas, with those that have a name (`.meta({ id })`) told once, in `components`. */
export class SchemaBook {
  readonly components: Record<string, JsonSchema> = {}

  /** @throws Error when two different schemas have one name */
  schemaOf(schema: z.ZodType, side: Side): JsonSchema {
    const { $schema: _, $defs = {}, ...json } = jsonSchemaOf(schema, side)
    for (const [name, definition] of Object.entries($defs)) this.#define(name, withMovedRefs(definition))
    return withMovedRefs(json)
  }

  /**
   * The schema of one member of a query, of headers or of a path, all of which are text.
   *
   * What is read from the text as a number or as a list is told as such: OpenAPI knows how those are written.
   */
  parameterSchemaOf(schema: z.ZodType): JsonSchema {
    const read = jsonSchemaOf(schema, 'output')
    const isTold = ['integer', 'number', 'array'].includes(String(read.type))
    return this.schemaOf(schema, isTold ? 'output' : 'input')
  }

  #define(name: string, definition: JsonSchema): void {
    const before = this.components[name]
    if (before !== undefined && !isDeepStrictEqual(before, definition)) {
      throw new Error(`Two schemas are called ${name}: give one of them another id.`)
    }
    this.components[name] = definition
  }
}

function jsonSchemaOf(schema: z.ZodType, side: Side): JsonSchema {
  return z.toJSONSchema(schema, {
    io: side,
    cycles: 'throw',
    // The other side of a transformation says nothing; who asks looks at both.
    unrepresentable: 'any',
    override: ({ jsonSchema }) => {
      // zod says dates by a pattern of 300 characters besides.
      if (jsonSchema.format === 'date-time') delete jsonSchema.pattern
      // RFC 2045's word for "as it is", which JSON Schema's encodings don't have.
      if (jsonSchema.contentEncoding === 'binary') delete jsonSchema.contentEncoding
    },
  })
}

const DEFINITIONS = '#/$defs/'

function withMovedRefs<Value>(value: Value): Value {
  const text = JSON.stringify(value, (name, member: unknown) =>
    name === '$ref' && typeof member === 'string' && member.startsWith(DEFINITIONS)
      ? `#/components/schemas/${member.slice(DEFINITIONS.length)}`
      : member,
  )
  return JSON.parse(text) as Value // What was just written.
}
