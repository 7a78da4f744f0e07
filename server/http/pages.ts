// What every list understands, and answers. Pure.

import { z } from 'zod'
import { countInQuery } from './input.js'

/** Rows that a page has at most, and when nothing is said. */
export const MOST_ROWS = 500
const ROWS_BY_DEFAULT = 50

/** Members of every list's query. */
export const pageQuery = {
  limit: countInQuery(1, MOST_ROWS, ROWS_BY_DEFAULT),
  cursor: z.string().min(1).max(500).optional(),
}

/** The schema of a list's answer. */
export function pageAnswer<Item extends z.ZodType>(item: Item) {
  return z.object({ items: z.array(item), next_cursor: z.string().nullable() })
}
