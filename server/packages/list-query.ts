// What may be asked of the list of packages, and of the list of a package's files. Pure.

import { z } from 'zod'
import { AppError } from '../errors.js'
import { decodeCursor, encodeCursor } from '../http/cursor.js'
import { lineOfText, parseInput } from '../http/input.js'
import { pageQuery } from '../http/pages.js'
import { keyProblem } from './metadata.js'
import { LIVING_PACKAGE_STATES, PACKAGE_STATES, type PackageState } from './package.js'

export interface PackageListQuery {
  states: readonly PackageState[]
  producer: string | null
  subject: string | null
  retentionClass: string | null
  label: string | null
  /** What the name or the label has somewhere, in any case. */
  text: string | null
  /** Keys at the top, and what stands there, as text. */
  metadata: readonly [string, string][]
  limit: number
  after: { at: Date; id: string } | null
}

const MOST_TEXT_CHARACTERS = 1024
const MOST_SOUGHT_CHARACTERS = 200
const MOST_METADATA_FILTERS = 10
const METADATA = 'metadata.'

const text = lineOfText(MOST_TEXT_CHARACTERS, 1)

export const packageListQuery = z.strictObject({
  producer: text.optional().describe('Only packages of this producer.'),
  subject: text.optional().describe('Only packages on this subject.'),
  retention_class: text.optional().describe('Only packages of this class.'),
  label: text.optional().describe('Only packages with this label.'),
  state: z
    .string()
    .transform((value) => value.split(','))
    .pipe(z.array(z.enum(PACKAGE_STATES as [PackageState, ...PackageState[]])))
    .optional()
    .describe('Only these states, separated by commas. Without it, open and finalized.'),
  q: lineOfText(MOST_SOUGHT_CHARACTERS, 1)
    .optional()
    .describe('Only packages with this text in their name or label.'),
  ...pageQuery,
})

/** A path may be longer than other cursors are. */
const MOST_PATH_CURSOR_CHARACTERS = 8192

export const fileListQuery = z.strictObject({
  ...pageQuery,
  cursor: z.string().min(1).max(MOST_PATH_CURSOR_CHARACTERS).optional(),
})

const moment = z.iso.datetime().refine((at) => Date.parse(at) >= 0)
const packageCursor = z.tuple([moment, z.string().regex(/^[0-9a-f]{40}$/)])
/** Not held against the rules of paths, which may become stricter than what stands in a package already. */
const fileCursor = z.tuple([
  z.string(),
  z.string().refine((path) => path.isWellFormed() && !path.includes('\0')),
])

/**
 * `metadata.<key>=<value>` may be there several times, for several keys: the value as text, of what stands at the top.
 *
 * @throws INVALID_INPUT naming the parameter and what is allowed
 */
export function parsePackageListQuery(query: Readonly<Record<string, unknown>>): PackageListQuery {
  const members = Object.entries(query)
  const rest = Object.fromEntries(members.filter(([name]) => !name.startsWith(METADATA)))
  const metadata = members.filter(([name]) => name.startsWith(METADATA)).map(metadataFilter)
  if (metadata.length > MOST_METADATA_FILTERS) {
    throw new AppError(
      'INVALID_INPUT',
      `At most ${MOST_METADATA_FILTERS} filters by metadata can be combined.`,
    )
  }
  const parsed = parseInput(packageListQuery, rest, 'query')
  const position = parsed.cursor === undefined ? null : decodeCursor(parsed.cursor, packageCursor)
  return {
    states: parsed.state ?? LIVING_PACKAGE_STATES,
    producer: parsed.producer ?? null,
    subject: parsed.subject ?? null,
    retentionClass: parsed.retention_class ?? null,
    label: parsed.label ?? null,
    text: parsed.q ?? null,
    metadata,
    limit: parsed.limit,
    after: position === null ? null : { at: new Date(position[0]), id: position[1] },
  }
}

function metadataFilter([name, value]: [string, unknown]): [string, string] {
  const key = name.slice(METADATA.length).normalize('NFC')
  const problem = key === '' ? 'must name a key' : keyProblem(key)
  if (problem !== null)
    throw new AppError('INVALID_INPUT', `The request isn't understood. metadata.<key>: ${problem}.`)
  return [
    key,
    parseInput(z.object({ [METADATA + key]: text }), { [METADATA + key]: value }, 'query')[METADATA + key] ??
      '',
  ]
}

export function encodePackageCursor({ createdAt, id }: { createdAt: Date; id: string }): string {
  return encodeCursor([createdAt.toISOString(), id])
}

/** @throws INVALID_INPUT naming the parameter; also for a cursor of another package */
export function parseFileListQuery(
  query: unknown,
  packageId: string,
): { limit: number; afterPath: string | null } {
  const { limit, cursor } = parseInput(fileListQuery, query, 'query')
  if (cursor === undefined) return { limit, afterPath: null }
  const [id, path] = decodeCursor(cursor, fileCursor)
  if (id !== packageId) {
    throw new AppError('INVALID_INPUT', 'The cursor belongs to another package. Start again without it.')
  }
  return { limit, afterPath: path }
}

export function encodeFileCursor(packageId: string, path: string): string {
  return encodeCursor([packageId, path])
}
