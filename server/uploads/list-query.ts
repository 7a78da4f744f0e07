// What may be asked of the list of uploads, and the cursor that says where a page ended. Pure.

import { z } from 'zod'
import { decodeCursor, encodeCursor } from '../http/cursor.js'
import { lineOfText, parseInput, timeInput } from '../http/input.js'
import { pageQuery } from '../http/pages.js'
import { TOMBSTONE_STATES, UPLOAD_STATES, type Upload, type UploadState } from './upload.js'

/** The last row of a page, by what its list is sorted by: the next one begins behind it. */
export interface Position {
  value: Date | string | number
  id: string
}

export type SortColumn = 'created_at' | 'expires_at' | 'filename' | 'size'

export interface ListQuery {
  states: UploadState[]
  label: string | null
  /** An id, or NO_PACKAGE. */
  packageId: string | null
  text: string | null
  sort: { name: string; column: SortColumn; isDescending: boolean }
  limit: number
  after: Position | null
}

/** In place of a package's id, which never looks so: what is in none. */
export const NO_PACKAGE = 'none'

const SORTS = [
  '-created_at',
  'created_at',
  '-expires_at',
  'expires_at',
  'filename',
  '-filename',
  'size',
  '-size',
] as const

/** What a list shows when it isn't told: what lives, and what failed and hasn't been looked at. */
const DEFAULT_STATES = UPLOAD_STATES.filter(
  (state) => state === 'failed' || !TOMBSTONE_STATES.includes(state),
)

/** A name in a cursor may be longer than other cursors are. */
const MOST_CURSOR_CHARACTERS = 8192

export const uploadListQuery = z.strictObject({
  label: lineOfText(1024, 1).optional().describe('Only uploads with this label.'),
  package_id: lineOfText(200, 1)
    .optional()
    .describe(`Only uploads of this package; \`${NO_PACKAGE}\`: only those in no package.`),
  state: z
    .string()
    .transform((value) => value.split(','))
    .pipe(z.array(z.enum(UPLOAD_STATES as [UploadState, ...UploadState[]])))
    .optional()
    .describe(
      'Only these states, separated by commas. Without it, all but what was canceled, expired or deleted.',
    ),
  q: lineOfText(200, 1).optional().describe('Only uploads with this text in their filename, label or key.'),
  sort: z
    .enum(SORTS)
    .default('-created_at')
    .describe(
      'With "-" the largest first. Names without regard to case, in the order of their bytes; a size that is not known is 0, a ' +
        'missing name "". What is alike is in the order of ids.',
    ),
  ...pageQuery,
  cursor: z.string().min(1).max(MOST_CURSOR_CHARACTERS).optional(),
})

/** @throws INVALID_INPUT naming the parameter and what is allowed */
export function parseListQuery(query: unknown): ListQuery {
  const {
    label,
    package_id: packageId,
    state,
    q,
    sort: name,
    limit,
    cursor,
  } = parseInput(uploadListQuery, query, 'query')
  const isDescending = name.startsWith('-')
  const column = (isDescending ? name.slice(1) : name) as SortColumn // SORTS has each of them twice.
  return {
    states: state ?? DEFAULT_STATES,
    label: label ?? null,
    packageId: packageId ?? null,
    text: q ?? null,
    sort: { name, column, isDescending },
    limit,
    after: cursor === undefined ? null : positionOf(cursor, name, column),
  }
}

/** The columns of an upload that lists are sorted by. */
export type Sortable = Pick<Upload, 'id' | 'createdAt' | 'expiresAt' | 'filename' | 'sizeBytes'>

/** Of a page in the order `sort` that ends with `last`. */
export function cursorBehind({ name, column }: ListQuery['sort'], last: Sortable): string {
  return encodeCursor([name, SORTED_BY[column].of(last), last.id])
}

interface SortedBy {
  /** What the cursor has of an upload: nothing that the list doesn't show. */
  of(upload: Sortable): string | number
  /** The same, read back. */
  value: z.ZodType<Position['value']>
}

const moment = timeInput.transform((text) => new Date(text))

const SORTED_BY: Record<SortColumn, SortedBy> = {
  created_at: { of: ({ createdAt }) => createdAt.toISOString(), value: moment },
  expires_at: { of: ({ expiresAt }) => expiresAt.toISOString(), value: moment },
  filename: {
    of: ({ filename }) => filename ?? '',
    // Not held against the rules of names, which may become stricter than what has one already.
    value: z.string().refine((text) => text.isWellFormed() && !text.includes('\0')),
  },
  size: { of: ({ sizeBytes }) => Number(sizeBytes ?? 0), value: z.int().min(0) },
}

/** @throws INVALID_INPUT */
function positionOf(cursor: string, sortName: string, column: SortColumn): Position {
  const schema = z.tuple([z.literal(sortName), SORTED_BY[column].value, z.string().regex(/^[0-9a-f]{1,64}$/)])
  const [, value, id] = decodeCursor(cursor, schema)
  return { value, id }
}
