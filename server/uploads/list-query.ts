// What may be asked of the list of uploads, and the cursor that says where a page ended. Pure.

import { z } from 'zod'
import { AppError } from '../errors.js'
import { TOMBSTONE_STATES, UPLOAD_STATES, type UploadState } from './upload.js'

/** The last row of a page: the next one begins behind it. */
export interface Position {
  at: Date
  id: string
}

export interface ListQuery {
  states: UploadState[]
  label: string | null
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

const text = z
  .string()
  .min(1)
  .max(200)
  .regex(/^\P{Cc}*$/u, 'must not have control characters')

const schema = z.strictObject({
  label: text.optional(),
  state: z
    .string()
    .transform((value) => value.split(','))
    .pipe(z.array(z.enum(UPLOAD_STATES as [UploadState, ...UploadState[]])))
    .optional(),
  q: text.optional(),
  sort: z.enum(SORTS).default('-created_at'),
  limit: z.coerce.number().int().min(1).max(500).default(50),
  cursor: z.string().max(500).optional(),
})

/** @throws INVALID_INPUT naming the parameter and what is allowed */
export function parseListQuery(query: unknown): ListQuery {
  const parsed = schema.safeParse(query)
  if (!parsed.success) {
    const problems = parsed.error.issues.map(
      (issue) => `${issue.path.join('.') || 'query'}: ${issue.message}`,
    )
    throw new AppError('INVALID_INPUT', `The query isn't understood. ${problems.join('; ')}.`)
  }
  const { label, state, q, sort, limit, cursor } = parsed.data
  return {
    states: state ?? DEFAULT_STATES,
    label: label ?? null,
    text: q ?? null,
    sort: {
      name: sort,
      column: sort.endsWith('created_at') ? 'created_at' : 'expires_at',
      isDescending: sort.startsWith('-'),
    },
    limit,
    after: cursor === undefined ? null : decodeCursor(cursor, sort),
  }
}

export function encodeCursor(sortName: string, position: Position): string {
  return Buffer.from(JSON.stringify([sortName, position.at.toISOString(), position.id])).toString('base64url')
}

const cursorSchema = z.tuple([z.enum(SORTS), z.iso.datetime(), z.string().regex(/^[0-9a-f]{1,64}$/)])

function decodeCursor(cursor: string, sortName: string): Position {
  const refusal = new AppError(
    'INVALID_INPUT',
    'The cursor is not one of ours, or belongs to another sort. Start again without it.',
  )
  let decoded: unknown
  try {
    decoded = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'))
  } catch {
    throw refusal
  }
  const parsed = cursorSchema.safeParse(decoded)
  if (!parsed.success || parsed.data[0] !== sortName) throw refusal
  return { at: new Date(parsed.data[1]), id: parsed.data[2] }
}
