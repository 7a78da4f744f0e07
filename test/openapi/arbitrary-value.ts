// Values that a JSON Schema of the document allows, as far as it can be told, and others.

import { z } from 'zod'
import fc from '../support/properties.js'
import type { Description, JsonSchema } from './described.js'
import { HOSTILE_TEXT, HOSTILE_VALUES, time, VALUES } from './known-values.js'

export class ValueMaker {
  readonly #description: Description
  readonly #isHostile: boolean

  constructor(description: Description, isHostile: boolean) {
    this.#description = description
    this.#isHostile = isHostile
  }

  /** The first; of a hostile maker now and then the second. */
  mostly<T>(fitting: fc.Arbitrary<T>, wrong: fc.Arbitrary<T>): fc.Arbitrary<T> {
    if (!this.#isHostile) return fitting
    return fc.oneof({ weight: 5, arbitrary: fitting }, { weight: 1, arbitrary: wrong })
  }

  /** A value of a parameter, as the text that it is in a URL or a header. */
  textOf(name: string, schema: JsonSchema): fc.Arbitrary<string> {
    const fitting = this.valueOf(name, schema).map((value) =>
      Array.isArray(value)
        ? value.join(',')
        : typeof value === 'object'
          ? JSON.stringify(value)
          : String(value),
    )
    return this.mostly(fitting, fc.constantFrom(...HOSTILE_TEXT))
  }

  /** A value that the schema allows, as far as it can be told. Names that mean something get something that is there. */
  valueOf(name: string, given: JsonSchema): fc.Arbitrary<unknown> {
    const known = VALUES[name]
    if (known !== undefined) return known
    const schema = schemaOf.parse(this.#description.resolve(given))
    if (schema.const !== undefined) return fc.constant(schema.const)
    if (schema.enum !== undefined) return fc.constantFrom(...schema.enum)
    const choices = schema.anyOf ?? schema.oneOf
    if (choices !== undefined) return fc.oneof(...choices.map((choice) => this.valueOf(name, choice)))
    const types = typeof schema.type === 'string' ? [schema.type] : (schema.type ?? ['any'])
    return fc.oneof(...types.map((type) => this.#valueOfType(name, type, schema)))
  }

  #valueOfType(name: string, type: string, schema: Schema): fc.Arbitrary<unknown> {
    switch (type) {
      case 'string':
        return textOf(schema)
      case 'integer':
      case 'number':
        return fc.oneof(
          fc.integer(boundsOf(schema)),
          fc.integer({ ...boundsOf(schema), max: boundsOf(schema).min + 10 }),
        )
      case 'boolean':
        return fc.boolean()
      case 'null':
        return fc.constant(null)
      case 'array':
        return fc.array(this.valueOf(name, schema.items ?? {}), {
          minLength: schema.minItems ?? 0,
          maxLength: 4,
        })
      case 'object':
        return this.#objectOf(schema)
      default:
        return fc.jsonValue()
    }
  }

  #objectOf({ properties = {}, required = [] }: Schema): fc.Arbitrary<unknown> {
    const members = Object.fromEntries(
      Object.entries(properties).map(([name, schema]) => [
        name,
        this.mostly(this.valueOf(name, schema), fc.constantFrom(...HOSTILE_TEXT, ...HOSTILE_VALUES)),
      ]),
    )
    const fitting = fc.record(members, { requiredKeys: required })
    const stranger = fc
      .tuple(fitting, fc.constantFrom('stranger', '__proto__', '', 'constructor'))
      .map(([value, name]) => Object.defineProperty({ ...value }, name, { value: 1, enumerable: true }))
    const poorer = fc.record(members, { requiredKeys: [] })
    return this.mostly(fitting, fc.oneof(stranger, poorer))
  }
}

const schemaOf = z.object({
  const: z.unknown().optional(),
  enum: z.array(z.unknown()).min(1).optional(),
  anyOf: z.array(z.record(z.string(), z.unknown())).optional(),
  oneOf: z.array(z.record(z.string(), z.unknown())).optional(),
  type: z.union([z.string(), z.array(z.string())]).optional(),
  format: z.string().optional(),
  pattern: z.string().optional(),
  minLength: z.number().optional(),
  maxLength: z.number().optional(),
  minimum: z.number().optional(),
  maximum: z.number().optional(),
  minItems: z.number().optional(),
  items: z.record(z.string(), z.unknown()).optional(),
  properties: z.record(z.string(), z.record(z.string(), z.unknown())).optional(),
  required: z.array(z.string()).optional(),
})

type Schema = z.output<typeof schemaOf>

function boundsOf({ minimum = 0, maximum = 2 ** 31 }: Schema): { min: number; max: number } {
  return { min: minimum, max: Math.min(maximum, 2 ** 31) }
}

function textOf({ format, pattern, minLength = 0, maxLength = 40 }: Schema): fc.Arbitrary<string> {
  if (format === 'date-time') return time
  const sizes = { minLength, maxLength: Math.min(maxLength, minLength + 40) }
  // fast-check makes texts of simple patterns; of those with properties of Unicode it can't, and they allow most texts.
  return pattern === undefined || pattern.includes('\\P{') || pattern.includes('\\p{')
    ? fc.oneof(fc.string(sizes), fc.string({ ...sizes, unit: 'grapheme' }))
    : fc.stringMatching(new RegExp(pattern))
}
