// Lists of any length as async iterators, a page at a time.

export interface Page<Item> {
  items: Item[]
  next_cursor: string | null
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
