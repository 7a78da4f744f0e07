// Lists of any length as async iterators, a page at a time.

export interface Page<Item> {
  items: Item[]
  next_cursor: string | null
}

/** Which page, and how long: for who turns pages by hand. */
export interface PageOptions {
  /** The `next_cursor` of the page before, of the same list in the same order; without it, the first. */
  cursor?: string | undefined
  /** Items at most, 1 to 500; default 50. */
  limit?: number | undefined
  signal?: AbortSignal | undefined
  /** How long it may go unanswered until it is asked for again; default: as all requests of the connection. */
  answerWithinSeconds?: number | undefined
}

/** What the server allows. */
export const MOST_PER_PAGE = 500

/** Every item, in the list's order. The next page is asked for when the one before has been used up. */
export async function* everyItem<Item>(
  pageAt: (cursor: string | undefined) => Promise<Page<Item>>,
): AsyncGenerator<Item, void, undefined> {
  let cursor: string | undefined
  do {
    const page: Page<Item> = await pageAt(cursor)
    yield* page.items
    cursor = page.next_cursor ?? undefined
  } while (cursor !== undefined)
}
