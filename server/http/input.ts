// What a request says, held against its schema. Pure.

import { z } from 'zod'
import { AppError } from '../errors.js'

/**
 * `value` as `schema` reads it.
 *
 * @param place what is being read, for the refusal: 'query', 'body', 'headers', 'path'
 * @throws INVALID_INPUT that names every member which is wrong, and says what is allowed there
 */
export function parseInput<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  place: 'query' | 'body' | 'headers' | 'path',
): z.output<Schema> {
  const parsed = schema.safeParse(value, { error: inPlainWords })
  if (parsed.success) return parsed.data
  const problems = parsed.error.issues.slice(0, MOST_PROBLEMS).map((issue) => ({
    at: issue.path.join('.') || `the ${place}`,
    problem: issue.message.replace(/\.$/, ''),
  }))
  throw new AppError(
    'INVALID_INPUT',
    `The ${place === 'headers' ? 'header' : place} isn't understood. ${problems.map(({ at, problem }) => `${at}: ${problem}`).join('; ')}.`,
    { details: { problems } },
  )
}

/** What zod has no better words for; those of a schema's own win. */
function inPlainWords(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case 'invalid_type':
      if (issue.input === undefined)
        return issue.path?.length ? 'is missing' : 'is missing: send a JSON object'
      return `must be ${wordFor[issue.expected] ?? issue.expected}`
    case 'unrecognized_keys':
      return `has ${issue.keys.map((key) => JSON.stringify(key)).join(', ')}, which means nothing here`
    case 'invalid_value':
      return `must be ${issue.values.map((one) => JSON.stringify(one)).join(' or ')}`
    case 'too_small':
      return issue.origin === 'string'
        ? `must have at least ${issue.minimum} character${issue.minimum === 1 ? '' : 's'}`
        : `must be at least ${issue.minimum}`
    case 'too_big':
      return issue.origin === 'string'
        ? `must have at most ${issue.maximum} characters`
        : `must be at most ${issue.maximum}`
    default:
      return undefined
  }
}

const wordFor: Partial<Record<string, string>> = {
  array: 'a list',
  boolean: 'true or false',
  int: 'a whole number',
  number: 'a number',
  object: 'an object',
  record: 'an object',
  string: 'a text',
}

const MOST_PROBLEMS = 10
const TIME_PROBLEM = 'must be a time such as 2027-02-22T12:00:00Z'
const LAST_TIME = Date.parse('9999-12-31T00:00:00Z')

/** One line of text for people: no control characters, which forge lines in logs, and nothing that isn't Unicode. */
export function lineOfText(mostCharacters: number, leastCharacters = 0) {
  return (
    z
      .string()
      .min(leastCharacters)
      .max(mostCharacters)
      .regex(/^\P{Cc}*$/u, 'must not have control characters')
      // The replacement character is what decoders write for bytes that aren't UTF-8.
      .refine((text) => text.isWellFormed() && !text.includes('\ufffd'), 'must be valid Unicode, in UTF-8')
      .transform((text) => text.normalize('NFC'))
      // What is indexed must fit an index, and that counts bytes.
      .refine(
        (text) => Buffer.byteLength(text) <= mostCharacters,
        `must be at most ${mostCharacters} bytes of UTF-8`,
      )
  )
}

/** A count in a query. */
export function countInQuery(least: number, most: number, byDefault: number) {
  return z
    .string()
    .regex(/^\d{1,15}$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.number().int().min(least).max(most))
    .default(byDefault)
}

const DIGEST_DIGITS = { md5: 32, sha1: 40, sha256: 64 }

/** A number of bytes in a query. */
export const bytesInQuery = z
  .string()
  .regex(/^(0|[1-9]\d{0,15})$/, 'must be a whole number of bytes')
  .transform(Number)
  .pipe(z.int().min(0))

/** A digest in hex; any case, read as lowercase. */
export function digestInHex(algorithm: keyof typeof DIGEST_DIGITS) {
  const digits = DIGEST_DIGITS[algorithm]
  return z
    .string()
    .regex(new RegExp(`^[0-9a-fA-F]{${digits}}$`), `must be ${digits} hexadecimal digits`)
    .transform((text) => text.toLowerCase())
}

/** A point in time, as every body of ours has it; one that a database can hold. */
export const timeInput = z.iso
  .datetime({ offset: true, error: TIME_PROBLEM })
  .refine((text) => Date.parse(text) >= 0 && Date.parse(text) <= LAST_TIME, TIME_PROBLEM)
