// Where a page of a list ended, in a form that only goes back to where it came from. Pure.

import type { z } from 'zod'
import { AppError } from '../errors.js'

/** Opaque to clients; holds nothing that the list doesn't show. */
export function encodeCursor(position: readonly unknown[]): string {
  return Buffer.from(JSON.stringify(position)).toString('base64url')
}

/** @throws INVALID_INPUT for what `encodeCursor` didn't make, or made for another list or order: `schema` tells */
export function decodeCursor<Schema extends z.ZodType>(cursor: string, schema: Schema): z.output<Schema> {
  let decoded: unknown
  try {
    decoded = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'))
  } catch {
    throw notOurs()
  }
  const parsed = schema.safeParse(decoded)
  if (!parsed.success) throw notOurs()
  return parsed.data
}

function notOurs(): AppError {
  return new AppError(
    'INVALID_INPUT',
    'The cursor is not one of ours, or belongs to another list or sort. Start again without it.',
  )
}
