// What may be asked of the list of uploads, and the cursor that says where a page ended. Pure.

import { z } from 'zod'
import { decodeCursor, encodeCursor } from '../http/cursor.js'
import { lineOfText, parseInput, timeInput } from '../http/input.js'
import { pageQuery } from '../http/pages.js'
import { TOMBSTONE_STATES, UPLOAD_STATES, type UploadState } from './upload.js'

/** The last row of a page: the next one begins behind it. */
export interface Position {
  at: Date
  id: string
}

export interface ListQuery {
  states: UploadState[]
  label: string | null
  packageId: string | null
  text: string | null
  sort: { name: string; column: 'created_at' | 'expires_at'; isDescending: boolean }
  limit: number
  after: Position | null
}

const SORTS = ['-created_at', 'created_at', '-expires_at', 'expires_at'] as const

/** What a list shows when it isn't told: what lives, and what failed and hasn't been looked at. */
const DEFAULT_STATES = UPLOAD_STATES.filter(
  (state) => state === 'failed' || !TOMBSTONE_STATES.includes(state),
)

export const uploadListQuery = z.strictObject({
  label: lineOfText(1024, 1).optional().describe('Only uploads with this label.'),
  package_id: lineOfText(200, 1).optional().describe('Only uploads of this package.'),
  state: z
    .string()
    .transform((value) => value.split(','))
    .pipe(z.array(z.enum(UPLOAD_STATES as [UploadState, ...UploadState[]])))
    .optional()
    .describe(
      'Only these states, separated by commas. Without it, all but what was canceled, expired or deleted.',
    ),
  q: lineOfText(200, 1).optional().describe('Only uploads with this text in their filename, label or key.'),
  sort: z.enum(SORTS).default('-created_at'),
  ...pageQuery,
})

/** @throws INVALID_INPUT naming the parameter and what is allowed */
export function parseListQuery(query: unknown): ListQuery {
  const {
    label,
    package_id: packageId,
    state,
    q,
    sort,
    limit,
    cursor,
  } = parseInput(uploadListQuery, query, 'query')
  return {
    states: state ?? DEFAULT_STATES,
    label: label ?? null,
    packageId: packageId ?? null,
    text: q ?? null,
    sort: {
      name: sort,
      column: sort.endsWith('created_at') ? 'created_at' : 'expires_at',
      isDescending: sort.startsWith('-'),
    },
    limit,
    after: cursor === undefined ? null : positionOf(cursor, sort),
  }
}

export function cursorAt(sortName: string, position: Position): string {
  return encodeCursor([sortName, position.at.toISOString(), position.id])
}

/** @throws INVALID_INPUT */
function positionOf(cursor: string, sortName: string): Position {
  const [, at, id] = decodeCursor(
    cursor,
    z.tuple([z.literal(sortName), timeInput, z.string().regex(/^[0-9a-f]{1,64}$/)]),
  )
  return { at: new Date(at), id }
}
