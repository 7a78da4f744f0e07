// The shapes that many routes answer in.

import type { Request, RequestHandler, Response } from 'express'
import { AppError } from '../errors.js'
import { withoutHost } from './request-target.js'

/** What a list answers: one page, and where the next one begins. */
export interface Page<Item> {
  items: Item[]
  nextCursor: string | null
}

/** JSON about something that may change at any moment. */
export function sendJson(response: Response, body: unknown): void {
  response.set('Cache-Control', 'no-store').json(body)
}

/** `{items, next_cursor}`, and the next page's URL in `Link`. */
export function sendPage(request: Request, response: Response, page: Page<unknown>, publicUrl: string): void {
  if (page.nextCursor !== null) {
    const url = new URL(withoutHost(request.originalUrl), publicUrl)
    url.searchParams.set('cursor', page.nextCursor)
    response.set('Link', `<${url.href}>; rel="next"`)
  }
  sendJson(response, { items: page.items, next_cursor: page.nextCursor })
}

/**
 * One page of `found`, which has one row more than `limit` when there is another page.
 *
 * @param cursorOf the position of the page's last row
 */
export function pageOf<Row, Item>(
  found: readonly Row[],
  limit: number,
  toItem: (row: Row) => Item,
  cursorOf: (row: Row) => string,
): Page<Item> {
  const rows = found.slice(0, limit)
  const last = found.length > limit ? rows.at(-1) : undefined
  return { items: rows.map(toItem), nextCursor: last === undefined ? null : cursorOf(last) }
}

/** The last handler of a path: 405 that names what is allowed. */
export function methodNotAllowed(allow: string): RequestHandler {
  return (request) => {
    throw new AppError('METHOD_NOT_ALLOWED', `${request.method} means nothing here. Allowed: ${allow}.`, {
      details: { allow },
    })
  }
}
